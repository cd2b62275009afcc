"""How a local file compares with the server's: one pure decision, and the summary of all."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar_nb.dwd.catalogue import Missing, Plan, RemoteArchive
from radar_nb.dwd.months import Month
from radar_nb.dwd.products import product
from radar_nb.errors import CorruptArchive
from radar_nb.fetch.syncing import Local, Standing, SyncFinding, SyncPlan, standing_of
from radar_nb.runtime.files import Sidecar

MAY, JUNE = Month(2020, 5), Month(2020, 6)
NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
URL = "http://127.0.0.1:8930/a/june.tar"


def listed(size: int | None = 100, modified: datetime | None = NOON, name: str = "june.tar") -> RemoteArchive:
    return RemoteArchive(path=f"a/{name}", month=JUNE, size=size, modified=modified, typical=5_000)


def noted(
    size: int | None = 100, modified: datetime | None = NOON + timedelta(seconds=37), etag: str | None = '"one"'
) -> Sidecar:
    date = None if modified is None else format_datetime(modified, usegmt=True)
    return Sidecar(url=URL, etag=etag, last_modified=date, size=size)


@pytest.mark.parametrize(
    ("archive", "local", "standing"),
    [
        pytest.param(listed(), Local(), "new", id="nothing here"),
        pytest.param(listed(), Local(part=40), "begun", id="a part here"),
        pytest.param(listed(), Local(size=100, note=noted()), "same", id="size and minute agree"),
        pytest.param(listed(101), Local(size=100, note=noted()), "re-issued", id="another size"),
        pytest.param(
            listed(modified=NOON + timedelta(days=1)),
            Local(size=100, note=noted()),
            "re-issued",
            id="as large, newer",
        ),
        pytest.param(
            listed(modified=NOON - timedelta(days=1)), Local(size=100, note=noted()), "re-issued", id="rolled back"
        ),
        pytest.param(
            listed(modified=NOON + timedelta(minutes=1)),
            Local(size=100, note=noted()),
            "re-issued",
            id="next minute",
        ),
        pytest.param(listed(), Local(size=60, note=noted()), "broken", id="cut"),
        pytest.param(listed(), Local(size=140, note=noted()), "broken", id="too long"),
        pytest.param(listed(60), Local(size=60, note=noted()), "broken", id="cut to the size of the newer one"),
        pytest.param(listed(), Local(size=100, note=noted(-1, None, None)), "broken", id="found damaged before"),
        pytest.param(listed(), Local(size=100), "same", id="no note, and the size agrees"),
        pytest.param(listed(), Local(size=90), "re-issued", id="no note, and another size"),
        pytest.param(listed(None, None), Local(size=100), "same", id="nothing is known"),
        pytest.param(listed(None, None), Local(size=100, note=noted()), "unsure", id="the listing is bare"),
        pytest.param(listed(100, None), Local(size=100, note=noted()), "unsure", id="the listing has no date"),
        pytest.param(listed(None), Local(size=100, note=noted()), "unsure", id="the listing has no size"),
        pytest.param(
            listed(), Local(size=100, note=noted(modified=None)), "unsure", id="the note has only an ETag"
        ),
        pytest.param(
            listed(), Local(size=100, note=noted(modified=None, etag=None)), "same", id="the note has only a size"
        ),
        pytest.param(
            listed(),
            Local(size=100, note=Sidecar(url=URL, last_modified="yesterday", size=100)),
            "unsure",
            id="no date",
        ),
        pytest.param(listed(), Local(size=100, part=9, note=noted()), "unsure", id="a replacement was begun"),
        pytest.param(None, Local(size=100, note=noted()), "gone", id="from the server, no longer listed"),
        pytest.param(None, Local(size=100), "unlisted", id="of unknown origin"),
        pytest.param(None, Local(size=60, note=noted()), "broken", id="cut, and no longer listed"),
    ],
)
def test_each_comparison_has_one_result(archive: RemoteArchive | None, local: Local, standing: Standing) -> None:
    """Local size and date, the note and the listing decide; each case has one result."""
    assert standing_of(archive, local) == standing


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)),  # noqa: DTZ001 - hypothesis wants them so
    st.integers(0, 10**12),
)
def test_a_listing_of_the_same_file_never_differs(moment: datetime, size: int) -> None:
    """A listing has minutes, a header seconds: for one file they always agree."""
    moment = moment.replace(tzinfo=UTC, microsecond=0)
    archive = listed(size, moment.replace(second=0))

    assert standing_of(archive, Local(size=size, note=noted(size, moment))) == "same"


def _finding(standing: Standing, name: str = "june.tar", *, month: Month = JUNE, **local: int) -> SyncFinding:
    archive = RemoteArchive(path=f"a/{name}", month=month, size=3_000_000, modified=NOON, typical=5)
    return SyncFinding(
        archive=archive,
        path=Path("data", "a", name),
        standing=standing,
        local=Local(**local),  # type: ignore[arg-type]
        on_server=standing not in {"gone", "unlisted"},
    )


def _sync_plan(*findings: SyncFinding, missing: tuple[Missing, ...] = (), speed: float | None = None) -> SyncPlan:
    item = product("YW")
    plan = Plan(
        product=item,
        family=item.family("radklim"),
        months=(MAY, JUNE),
        base_url="http://127.0.0.1:8930",
        folder=Path("data"),
        archives=tuple(finding.archive for finding in findings if finding.on_server),
        missing=missing,
    )
    return SyncPlan(plan=plan, findings=findings, free=212_000_000_000, speed=speed)


def test_one_line_summarises_all() -> None:
    """Counts, bytes, space and time are in one line that needs no explanation."""
    made = _sync_plan(
        _finding("new"), _finding("re-issued"), _finding("same", size=3), _finding("begun", part=1_000_000),
        _finding("gone", size=5), speed=100_000.0,
    )  # fmt: skip

    assert made.summary == (
        "1 new, 1 begun, 1 re-issued, 1 no longer on the server, 1 as on the server; 8.0 MB to fetch, "
        "212.0 GB free, about 1 min at 100 kB/s"
    )


def test_no_speed_is_invented() -> None:
    """Without a measurement, the duration is reported as unknown."""
    made = _sync_plan(_finding("new"))

    assert made.seconds is None
    assert "time unknown until the first download" in made.summary


def test_an_up_to_date_folder_is_reported() -> None:
    """The line of an up-to-date folder has no bytes, no space and no time."""
    made = _sync_plan(_finding("same", size=3), _finding("same", "may.tar", month=MAY, size=3))

    assert made.summary == "2 as on the server; nothing to fetch"
    assert "2 months as on the server (by size and date)" in str(made)


def test_a_full_disk_is_reported() -> None:
    """Free space is compared with the bytes to fetch."""
    (finding,) = _sync_plan(_finding("new")).findings
    made = SyncPlan(plan=_sync_plan(finding).plan, findings=(finding,), free=10)

    assert "10 B free, which is not enough" in made.summary


def test_the_table_is_short() -> None:
    """A month has one row for any number of files, and names up to three notable ones."""
    many = [_finding("broken", f"{day:02d}.tar.gz", size=5) for day in range(1, 31)]
    gap = Missing(month=MAY, what="2020-05", reason="no such file on the server")
    made = _sync_plan(*many, missing=(gap,))

    assert len(made.table()) == 2
    assert "30 broken" in str(made)
    assert "03.tar.gz: broken" in str(made)
    assert "and 27 more" in str(made)
    assert "no such file on the server" in made._repr_html_()
    assert repr(made) == f"<SyncPlan {made.summary}>"


def test_damage_is_reported_without_repeating_the_path() -> None:
    """A remark names the member and the fault; the row already names the file."""
    path = Path("data", "a", "june.tar")
    error = CorruptArchive(f"{path} > frame is damaged, here or before (CRC): fetch it again")
    finding = SyncFinding(
        archive=listed(), path=path, standing="broken", local=Local(size=100), on_server=False, error=error
    )

    assert finding.remark == ("broken: frame is damaged, here or before (CRC), and the server no longer lists it")
    assert finding.bytes_to_fetch == 0


def test_to_dict_returns_plain_values() -> None:
    """`to_dict` survives JSON, file by file."""
    made = _sync_plan(_finding("new"), _finding("unlisted", "x.tar", size=7), speed=1e6)

    again = json.loads(json.dumps(made.to_dict()))

    assert again["counts"] == {"new": 1, "unlisted": 1}
    assert (again["bytes_to_fetch"], again["seconds"]) == (3_000_000, 3.0)
    assert [file["standing"] for file in again["files"]] == ["new", "unlisted"]
