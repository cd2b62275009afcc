"""`sync` for rolling folders, families and eras, against the mirror."""

from __future__ import annotations

import bz2
import gzip
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from support.malicious_archives import frame, packed, tar_of

from radar_nb.fetch.syncing import sync, sync_plan
from radar_nb.mirror import Mirror

if TYPE_CHECKING:
    from pathlib import Path

    from radar_nb.runtime.report import Report


def _states(report: Report) -> list[str]:
    return [outcome.state for outcome in report.outcomes]


def _put(root: Path, path: str, body: bytes) -> Path:
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(body)
    return place


def test_near_real_time_is_kept_up_to_date(tmp_path: Path) -> None:
    """Frames added by the server are fetched, those that it has dropped are kept."""
    root, data, now = tmp_path / "root", tmp_path / "data", datetime.now(UTC)
    paths = [
        f"weather/radar/radolan/ry/raa01-ry_10000-{now:%y%m%d}00{minute:02d}-dwd---bin.bz2"
        for minute in range(0, 30, 5)
    ]
    bodies = [bz2.compress(frame(minute, product="RY", hour=f"{now:%Y-%m-%d}T00")) for minute in range(0, 30, 5)]
    asked: dict[str, Any] = {"source": "nrt", "folder": data, "progress": False}

    first = [_put(root, path, body) for path, body in zip(paths[:4], bodies, strict=False)]
    with Mirror(root) as mirror:
        begun = sync("RY", now, base_url=mirror.url, **asked)
        first[0].unlink()
        for path, body in zip(paths[4:], bodies[4:], strict=True):
            _put(root, path, body)
        found = sync_plan("RY", now, base_url=mirror.url, **asked)
        report = sync("RY", now, base_url=mirror.url, **asked)

    assert _states(begun) == ["done"] * 4
    assert found.counts == {"new": 2, "gone": 1, "same": 3}
    assert sorted(_states(report)) == ["done", "done", "kept", "kept", "kept", "kept"]
    assert [(data / path).read_bytes() for path in paths] == bodies


def test_families_never_mix(tmp_path: Path) -> None:
    """Local files of another family are not changed, reported, or mistaken for this family's."""
    root, data = tmp_path / "root", tmp_path / "data"
    hourly = "climate_environment/CDC/grids_germany/hourly/radolan"
    radolan = f"{hourly}/historical/bin/2020/RW202006.tar.gz"
    radklim = f"{hourly}/reproc/2017_002/bin/2020/RW2017.002_202006.tar.gz"
    hour = frame(50, product="RW", hour="2020-06-13T15")
    body = packed(tar_of([("raa01-rw_10000-2006131550-dwd---bin", hour)]))
    for path in (radolan, radklim):
        _put(root, path, body)

    with Mirror(root) as mirror:
        sync("RW", "2020-06", source="radolan", folder=data, base_url=mirror.url, progress=False)
        found = sync_plan("RW", "2020-06", folder=data, base_url=mirror.url)

    assert [(finding.archive.path, finding.standing) for finding in found.findings] == [(radklim, "new")]
    assert (data / radolan).read_bytes() == body


def test_a_new_archive_of_a_month_is_fetched_and_its_frames_stay(tmp_path: Path) -> None:
    """When the server replaces single frames by a month's archive, that is new, and the frames are gone."""
    root, data = tmp_path / "root", tmp_path / "data"
    hourly = "climate_environment/CDC/grids_germany/hourly/radolan"
    frames = [f"{hourly}/recent/bin/raa01-rw_10000-250601{hour:02d}50-dwd---bin.gz" for hour in range(3)]
    asked: dict[str, Any] = {"folder": data, "progress": False, "errors": "report"}

    hours = [frame(50, product="RW", hour=f"2025-06-01T{hour:02d}") for hour in range(3)]
    placed = [_put(root, path, gzip.compress(hour)) for path, hour in zip(frames, hours, strict=True)]
    with Mirror(root) as mirror:
        sync("RW", "2025-06", base_url=mirror.url, source="radolan", **asked)
        for path in placed:
            path.unlink()
        _put(
            root,
            f"{hourly}/historical/bin/2025/RW202506.tar.gz",
            packed(tar_of([("raa01-rw_10000-2506010050-dwd---bin", hours[0])])),
        )
        found = sync_plan("RW", "2025-06", base_url=mirror.url, source="radolan", folder=data)
        report = sync("RW", "2025-06", base_url=mirror.url, source="radolan", **asked)

    assert found.counts == {"new": 1, "gone": 3}
    assert _states(report) == ["done", "kept", "kept", "kept"]
    assert all((data / path).is_file() for path in frames)
