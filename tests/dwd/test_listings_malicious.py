"""Malicious listings: a name that is not exactly DWD's becomes neither a path nor a request."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.servers import Reply, Server, serving

from radar_nb.dwd.archive_names import ERAS
from radar_nb.dwd.catalogue import archives_of, folders_to_list, make_plan
from radar_nb.dwd.listings import ListedFile, parse_listing
from radar_nb.dwd.months import Month, month_range
from radar_nb.dwd.products import product
from radar_nb.errors import ListingError, RadarNbError
from radar_nb.fetch.planning import plan as plan_of
from radar_nb.fetch.syncing import sync, sync_plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from radar_nb.dwd.catalogue import Plan

GOOD = "YW2017.002_202006.tar"
FOLDER = "climate_environment/CDC/grids_germany/5_minutes/radolan/reproc/2017_002/bin/2020"
RECENT = "climate_environment/CDC/grids_germany/hourly/radolan/recent/bin"
NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)

EVIL = {
    "up": f"../{GOOD}",
    "up, escaped": f"%2e%2e%2f{GOOD}",
    "up, escaped twice": f"%252e%252e%252f{GOOD}",
    "dots": "..",
    "absolute": f"/{GOOD}",
    "two slashes: another host": f"//elsewhere.example/{GOOD}",
    "absolute address": f"http://elsewhere.example/{GOOD}",
    "other scheme": f"file:///etc/{GOOD}",
    "script": "javascript:alert(1)",
    "backslash": f"..%5C{GOOD}",
    "drive": f"C:{GOOD}",
    "stream": f"{GOOD}:hidden",
    "NUL": f"{GOOD}%00",
    "NUL inside": "YW2017.002%00_202006.tar",
    "newline": f"{GOOD}%0A",
    "newline first": f"%0A{GOOD}",
    "carriage return, for a header": f"{GOOD}%0D%0AHost:%20elsewhere",
    "tab": f"{GOOD}%09",
    "300 letters": "a" * 300,
    "300 letters, the right end": "a" * 300 + GOOD,
    "hidden": f".{GOOD}",
    "only a dot": ".",
    "trailing dot": f"{GOOD}.",
    "trailing blank": f"{GOOD}%20",
    "leading blank": f"%20{GOOD}",
    "Windows device": "CON",
    "Windows device with a suffix": "aux.tar",
    "Windows port": "COM1.tar.gz",
    "not UTF-8": "YW2017.002_2020%FF06.tar",
    "overlong UTF-8 for a slash": f"..%C0%AF{GOOD}",
    "right to left": f"%E2%80%AE{GOOD}",
    "no width": "YW2017.002_%E2%80%8B202006.tar",
    "digits of another script": "YW2017.002_%D9%A2%D9%A0%D9%A2%D9%A0%D9%A0%D9%A6.tar",
    "full-width letters": "%EF%BC%B9W2017.002_202006.tar",
    "a query": f"{GOOD}?x=1",
    "a query, escaped": f"{GOOD}%3Fx=1",
    "a fragment": f"{GOOD}#x",
    "an escape left in": "YW2017.002_202006%252Etar",
    "shell": "$(reboot).tar",
    "other case": GOOD.lower(),
    "a copy": f"{GOOD}.1",
    "a note of ours": f"{GOOD}.meta.json",
    "a part of ours": f"{GOOD}.part",
    "another product": "RW2017.002_202006.tar.gz",
    "no month": "YW2017.002_202013.tar",
    "a month before all": "YW2017.002_000106.tar",
    "a month after all": "YW2017.002_999912.tar",
    "the year 0": "YW2017.002_000000.tar",
}


def page(*rows: str) -> str:
    return (
        f"<html><head><title>Index of /a/</title></head><body><h1>Index of /a/</h1><hr><pre>{''.join(rows)}</pre>"
    )


def row(href: str, size: str = "42", date: str = "28-Jun-2026 12:00") -> str:
    return f'<a href="{href}">{href[:40]}</a>      {date}       {size}\r\n'


def planned(text: str, folder: str = FOLDER, *, name: str = "YW", month: str = "2020-06") -> Plan:
    """Return the plan for a month from one listing, with all other folders empty."""
    item = product(name)
    family = item.families[0] if folder == FOLDER else item.family("radolan")
    months = month_range(month)
    listings: dict[str, dict[str, ListedFile]] = {
        place: {} for place in folders_to_list(item, family, months, complete=True)
    }
    listings[folder] = parse_listing(text, url="http://127.0.0.1/")
    return make_plan(
        item, family, months, base_url="http://127.0.0.1", folder=Path("data"), listings=listings, now=NOW
    )


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.mark.parametrize("href", EVIL.values(), ids=EVIL)
def test_a_malicious_name_is_not_planned(href: str) -> None:
    """Only the one valid name is planned, whatever the others look like."""
    made = planned(page(row(href), row(GOOD), row(href)))

    assert [archive.path for archive in made.archives] == [f"{FOLDER}/{GOOD}"]
    assert made.paths == (Path("data", *FOLDER.split("/"), GOOD),)


def test_malicious_names_cause_no_request_and_no_file(server: Server, tmp_path: Path) -> None:
    """A plan and a sync of a listing full of them request only the listing."""
    rows = [row(href) for href in EVIL.values()]
    server.script(f"/{FOLDER}/", Reply(body=page(*rows).encode()))

    made = plan_of("YW", "2020-06", folder=tmp_path, base_url=server.url, listing=True)
    report = sync("YW", "2020-06", folder=tmp_path, base_url=server.url, progress=False, errors="report")

    assert made.archives == ()
    assert [outcome.state for outcome in report.outcomes] == ["missing"]
    assert {request.path for request in server.requests} == {f"/{FOLDER}/"}
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@given(
    st.text(max_size=40)
    | st.builds(lambda a, b: f"YW2017.002_{a}202006{b}.tar", st.text(max_size=3), st.text(max_size=3))
)
@example("YW2017.002_202006.tar")
@example("YW2017.002_\u0662\u0660\u0662\u0660\u0660\u0666.tar")
def test_a_planned_name_is_exactly_an_eras_name(name: str) -> None:
    """Any text as a name, escaped as by a server, is planned only if the table of eras writes it so."""
    text = page(row(quote(name.encode("utf-8", "surrogatepass"))), row("other.txt"))

    made = planned(text)

    written = {Month(2020, 6).first_day.strftime(era.name) for era in ERAS if era.product == "YW"}
    assert {archive.name for archive in made.archives} <= written


@given(st.dictionaries(st.text(max_size=30), st.none(), max_size=5))
def test_only_valid_names_on_disk_are_read(names: dict[str, None]) -> None:
    """Names in the data folder are not trusted either: `archives_of` accepts only those of an era."""
    item = product("RW")
    family = item.family("radolan")
    entries = {name: ListedFile(name=name, size=1, modified=None) for name in names}

    found = archives_of(item, family, month_range("2025-03"), {RECENT: entries})

    assert all(archive.name.isascii() and archive.name.startswith("raa01-rw_10000-2503") for archive in found)


@pytest.mark.parametrize(
    "size",
    [
        str(10**30),
        "9" * 5_000,
        str(10**18),
        str(2**63),
        "-5",
        "-",
        "1e9",
        "0x10",
        "1,000",
        "12K",
        "\u0663",
        "\u00b2",
        "NaN",
    ],
    ids=lambda text: text[:12],
)
def test_an_invalid_size_is_ignored(size: str) -> None:
    """An excessive, negative or malformed size is unknown, the date and the file are kept."""
    (archive,) = planned(page(row(GOOD, size))).archives

    assert archive.size is None
    assert archive.expected == archive.typical
    assert archive.modified == datetime(2026, 6, 28, 12, tzinfo=UTC)


def test_an_invalid_size_reserves_no_space(server: Server, tmp_path: Path) -> None:
    """A plan of it prints, and only a typical file's bytes are required on disk."""
    server.script(f"/{FOLDER}/", Reply(body=page(row(GOOD, str(10**30))).encode()))

    made = sync_plan("YW", "2020-06", folder=tmp_path, base_url=server.url, progress=False)

    assert "1 new; about 200.0 MB to fetch" in made.summary


@pytest.mark.parametrize(
    "date",
    ["31-Feb-2020 00:00", "00-Jan-2020 00:00", "01-Jan-0000 00:00", "01-Foo-2020 00:00", "01-Jan-2020 24:61",
     "\u0660\u0661-Jan-2020 00:00", "99-Dec-9999 99:99"],
)  # fmt: skip
def test_an_invalid_date_is_unknown(date: str) -> None:
    """A date that does not exist is ignored, without an error."""
    (archive,) = planned(page(row(GOOD, date=date))).archives

    assert archive.modified is None


def test_a_repeated_name_is_one_file() -> None:
    """A listing that repeats a name returns one file to fetch."""
    made = planned(page(row(GOOD, "1"), row(GOOD, "2"), row(GOOD, "3")))

    assert [archive.size for archive in made.archives] == [3]


@pytest.mark.parametrize(
    "piece",
    ["<a href='", '<a href="', "<a ", "<", "</", "<!--", "<![CDATA[", "<a href=a>", '<a href="a">', "&amp;", " ",
     '<a href="a">b</a>01-Jan-2020 00:00 ', ">Index of", "> ", "%2e", "01-Jan-2020 00:00"],
)  # fmt: skip
def test_parsing_any_page_is_quick(piece: str) -> None:
    """Any page, malicious or not, is parsed in one pass."""
    text = page() + piece * (1_000_000 // len(piece))
    begin = time.process_time()

    with suppress(ListingError):
        parse_listing(text, url="http://127.0.0.1/")

    assert time.process_time() - begin < 5  # a parser that backtracks takes minutes


@given(st.binary(max_size=300))
def test_any_bytes_are_a_plan_or_an_error_of_ours(data: bytes) -> None:
    """Whatever a server sends as a listing, the result is a plan or an error that names the page."""
    text = "<h1>Index of /</h1>" * (len(data) % 2) + data.decode("utf-8", "replace")

    try:
        made = planned(text)
    except RadarNbError as error:
        assert "http://127.0.0.1/" in str(error)  # noqa: PT017 - both ends are fine, this one with an address
    else:
        assert len(made.archives) <= 1
