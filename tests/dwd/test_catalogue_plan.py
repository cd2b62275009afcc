"""The plan as a value: its counts, its table and its JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from radar_nb.dwd.catalogue import Missing, Plan, RemoteArchive
from radar_nb.dwd.months import Month
from radar_nb.dwd.products import product

BASE_URL = "http://127.0.0.1:8930"
MAY, JUNE, JULY = Month(2020, 5), Month(2020, 6), Month(2020, 7)
LISTED = RemoteArchive(
    path="a/may 1.tar", month=MAY, size=3_000, modified=datetime(2026, 7, 1, 21, tzinfo=UTC), typical=200_000_000
)
KNOWN = RemoteArchive(path="a/june.tar", month=JUNE, typical=200_000_000)


def _plan(folder: Path, *archives: RemoteArchive) -> Plan:
    return Plan(
        product=product("YW"),
        family=product("YW").family("radklim"),
        months=(MAY, JUNE, JULY),
        base_url=BASE_URL,
        folder=folder,
        archives=archives,
        missing=(Missing(month=JULY, what="2020-07", reason="no such file on the server"),),
    )


def test_a_file_has_its_address_and_its_path() -> None:
    """The path on the server is the path in the data folder; in an address blanks are escaped."""
    plan = _plan(Path("data"), LISTED, KNOWN)

    assert LISTED.name == "may 1.tar"
    assert [plan.url(archive) for archive in plan.archives] == [
        f"{BASE_URL}/a/may%201.tar",
        f"{BASE_URL}/a/june.tar",
    ]
    assert plan.paths == (Path("data", "a", "may 1.tar"), Path("data", "a", "june.tar"))


def test_bytes_are_as_listed_or_typical() -> None:
    """Without a listed size the typical one counts, and the sum is not exact."""
    assert (_plan(Path("data"), LISTED).bytes, _plan(Path("data"), LISTED).exact) == (3_000, True)
    assert (_plan(Path("data"), LISTED, KNOWN).bytes, _plan(Path("data"), LISTED, KNOWN).exact) == (
        200_003_000,
        False,
    )


def test_files_on_disk_are_looked_up_each_time(tmp_path: Path) -> None:
    """A complete file counts as on disk, a part does not, and the bytes to fetch follow."""
    plan = _plan(tmp_path, LISTED, KNOWN)
    first, second = plan.paths
    first.parent.mkdir()
    before = (plan.on_disk, plan.bytes_to_fetch)

    first.write_bytes(b"whole")
    second.with_name(second.name + ".part").write_bytes(b"half")

    assert before == ((), 200_003_000)
    assert (plan.on_disk, plan.bytes_to_fetch) == ((LISTED,), 200_000_000)


def test_a_plan_prints_a_row_per_month(tmp_path: Path) -> None:
    """Months, files, bytes, files on disk and gaps, with sums below."""
    plan = _plan(tmp_path, LISTED, KNOWN)
    plan.paths[0].parent.mkdir()
    plan.paths[0].write_bytes(b"whole")

    title, columns, _, *rows, total, place = str(plan).splitlines()

    assert title == "YW (RADKLIM 2017.002: reprocessed with one method, for climate studies)"
    assert columns.split() == ["month", "files", "size", "on", "disk", "missing"]
    assert [row.split() for row in rows] == [
        ["2020-05", "1", "about", "3", "kB", "1"],
        ["2020-06", "1", "about", "200.0", "MB", "0"],
        ["2020-07", "0", "0", "B", "0", "2020-07:", "no", "such", "file", "on", "the", "server"],
    ]
    assert total == f"2 files, about 200.0 MB; 1 on disk, about 200.0 MB to fetch from {BASE_URL}"
    assert place == f"into {tmp_path}"


def test_gaps_are_in_the_row_of_their_month(tmp_path: Path) -> None:
    """Several gaps of a month share its row."""
    days = tuple(Missing(month=MAY, what=day, reason="no file") for day in ("2020-05-01", "2020-05-09"))

    rows = replace(_plan(tmp_path, LISTED), missing=days).table().rows

    assert [row[-1] for row in rows] == ["2020-05-01: no file; 2020-05-09: no file", "", ""]


def test_a_file_without_a_date_has_null_in_json() -> None:
    """Unlisted values are null."""
    (archive,) = _plan(Path("data"), KNOWN).to_dict()["archives"]

    assert (archive["size"], archive["modified"]) == (None, None)


def test_listed_sizes_are_printed_as_exact() -> None:
    """Sizes from the server are exact, and one file is singular."""
    plan = _plan(Path("data"), LISTED)

    assert "about" not in repr(plan)
    assert "1 file, 3 kB; 0 on disk, 3 kB to fetch" in repr(plan)


def test_html_contains_no_foreign_markup() -> None:
    """A folder's name is escaped text."""
    page = _plan(Path("<b>data"), LISTED)._repr_html_()

    assert "into &lt;b&gt;data" in page
    assert "<b>" not in page


def test_a_plan_becomes_json(tmp_path: Path) -> None:
    """The JSON has the same contents as the printed plan."""
    plan = _plan(tmp_path, LISTED)

    again = json.loads(json.dumps(plan.to_dict()))

    assert again == {
        "product": "YW",
        "family": "radklim",
        "months": ["2020-05", "2020-06", "2020-07"],
        "span": None,
        "base_url": BASE_URL,
        "folder": str(tmp_path),
        "bytes": 3_000,
        "bytes_to_fetch": 3_000,
        "exact": True,
        "archives": [
            {
                "url": f"{BASE_URL}/a/may%201.tar",
                "path": str(plan.paths[0]),
                "month": "2020-05",
                "size": 3_000,
                "modified": "2026-07-01T21:00:00+00:00",
                "on_disk": False,
            }
        ],
        "missing": [{"month": "2020-07", "what": "2020-07", "reason": "no such file on the server"}],
    }
