"""Files with a wrong name: an archive of another month, product or grid is rejected."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.frames import frame, tar
from support.plans import get, plan_of
from support.servers import Reply, serving

import radar_nb as rn
from radar_nb.dwd.archive_names import filed_under
from radar_nb.errors import CorruptArchive, DamagedDownload, HeaderError
from radar_nb.fetch.http import Patience

if TYPE_CHECKING:
    from pathlib import Path

JUNE = "YW2017.002_202006.tar"


def day(time: str, *, name: str | None = None, **changes: Any) -> bytes:
    """Return a month's archive with one day of one frame, under its own name or another."""
    stamp = "".join(letter for letter in time[2:] if letter.isdigit())
    inside = tar({name or f"raa01-yw2017.002_10000-{stamp}-dwd---bin": frame(time, **changes)})
    return tar({f"YW2017.002_20{stamp[:6]}.tar.gz": gzip.compress(inside, mtime=0)})


OTHER_FILES = {
    "another month": (day("2020-05-13T15:25"), "is of 2020-05-13T15:25:00, not of 2020-06-01 to 2020-06-30"),
    "another grid": (day("2020-06-13T15:25", rows=900), "has 900 x 900 cells, which is not the grid of radklim"),
    "another product": (day("2020-06-13T15:25", name="frame", product="RY"), "is RY, not YW"),
}


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radar_nb.fetch.http.PATIENCE", Patience(attempts=3, first_wait=0.001))


@pytest.mark.parametrize(("body", "text"), OTHER_FILES.values(), ids=OTHER_FILES)
def test_a_valid_archive_of_something_else_is_not_downloaded(tmp_path: Path, body: bytes, text: str) -> None:
    """An archive with correct checksums is rejected if its contents contradict its name."""
    with serving() as server:
        server.script(f"/bin/{JUNE}", Reply(body=body))
        with pytest.raises(DamagedDownload, match=text):
            get(plan_of(server, tmp_path, JUNE))

    assert not (tmp_path / "bin" / JUNE).exists()


@pytest.mark.parametrize(("body", "text"), OTHER_FILES.values(), ids=OTHER_FILES)
def test_a_valid_archive_of_something_else_is_not_opened(tmp_path: Path, body: bytes, text: str) -> None:
    """A misfiled archive is also rejected if it was copied, fetched by an earlier version, or has an index."""
    (tmp_path / JUNE).write_bytes(body)

    for _ in range(2):
        with pytest.raises(CorruptArchive, match=rf"{text}: another file has this name, fetch it again"):
            rn.open_dataset(tmp_path / JUNE, progress=False)


def test_load_does_not_return_another_month(tmp_path: Path) -> None:
    """`load` returns the requested month, or raises an error that names the other."""
    plan = rn.plan("YW", "2020-06", folder=tmp_path, base_url="http://127.0.0.1:9")
    plan.paths[0].parent.mkdir(parents=True)
    plan.paths[0].write_bytes(OTHER_FILES["another month"][0])

    with pytest.raises(CorruptArchive, match="is of 2020-05-13T15:25:00, not of 2020-06-01 to 2020-06-30"):
        rn.load("YW", "2020-06", folder=tmp_path, base_url="http://127.0.0.1:9", progress=False)


def test_a_frame_that_contradicts_its_own_name_is_not_downloaded(tmp_path: Path) -> None:
    """A frame that could not be opened under its name is rejected before it is renamed."""
    body = day("2020-06-13T15:25", name="raa01-yw2017.002_10000-2006140000-dwd---bin")

    with serving() as server:
        server.script(f"/bin/{JUNE}", Reply(body=body))
        with pytest.raises(DamagedDownload, match="YW of 2020-06-13T15:25:00 by its header, unlike its name"):
            get(plan_of(server, tmp_path, JUNE))


def test_the_remedy_of_a_contradiction_works(tmp_path: Path) -> None:
    """With verify=False the file is downloaded, and with errors="report" the rest of it is opened."""
    good, bad = frame("2020-06-13T15:20"), frame("2020-06-13T15:25")
    names = (f"raa01-yw2017.002_10000-{stamp}-dwd---bin" for stamp in ("2006131520", "2006140000"))
    inside = dict(zip(names, (good, bad), strict=True))
    body = tar({"YW2017.002_20200613.tar.gz": gzip.compress(tar(inside), mtime=0)})

    with serving() as server:
        server.script(f"/bin/{JUNE}", Reply(body=body))
        report = get(plan_of(server, tmp_path, JUNE), verify=False)

    with pytest.raises(HeaderError, match='open the rest with errors="report"'):
        rn.open_dataset(report, progress=False)
    assert rn.open_dataset(report, errors="report", progress=False).sizes["time"] == 1


@pytest.mark.parametrize(
    ("name", "time", "shape", "denied"),
    [
        (JUNE, "2020-06-01T00:00", (1100, 900), ""),
        (JUNE, "2020-06-30T23:55", (1100, 900), ""),
        (JUNE, "2020-07-01T00:00", (1100, 900), ""),  # an archive may hold the midnight after it
        (JUNE, "2020-07-01T02:00", (1100, 900), "is of"),
        ("YW2017.002_Supplement.tar.gz", "2018-01-01T00:00", (1100, 900), ""),
        ("YW-250301.tar.gz", "2025-03-01T23:55", (900, 900), ""),
        ("YW-250301.tar.gz", "2025-03-01T23:55", (1100, 900), "has 1100 x 900 cells"),
        ("YW-250301.tar.gz", "2025-03-03T00:00", (900, 900), "is of"),
    ],
)
def test_the_name_of_a_file_limits_its_contents(name: str, time: str, shape: tuple[int, int], denied: str) -> None:
    """Months, days and supplements, on the grid of their family, with an hour at either end."""
    filed = filed_under(name)

    assert filed is not None
    found = filed.denies("YW", np.datetime64(time, "s"), shape)
    assert found.startswith(denied)
    assert bool(found) == bool(denied)


def test_a_name_that_is_not_dwds_sets_no_limits() -> None:
    """Files with other names may contain anything."""
    assert filed_under("my archive.tar") is None
