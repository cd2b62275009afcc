"""Directory listings as written by DWD's server, an nginx."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar_nb.dwd.listings import ListedFile, parse_listing
from radar_nb.errors import ListingError

URL = "https://opendata.dwd.de/climate_environment/CDC/grids_germany/5_minutes/radolan/recent/"
HEAD = (
    "<html>\r\n<head><title>Index of /a/</title></head>\r\n<body>\r\n<h1>Index of /a/</h1><hr><pre>"
    '<a href="../">../</a>\r\n'
)
FOOT = "</pre><hr></body>\r\n</html>\r\n"
LONG = "raa01-yw2017.002_10000-2006131525-dwd---bin_and_more_letters_than_fit.tar.gz"
PAGE = f"""{HEAD}\
<a href="bin/">bin/</a>                                               28-Jun-2019 12:00                   -
<a href="YW-260629.tar.gz">YW-260629.tar.gz</a>                       30-Jun-2026 03:10            12345678
<a href="{LONG}">{LONG[:47]}..&gt;</a> 01-Jan-2020 00:00                  42
<a href="ab%2Bc.pdf">ab+c.pdf</a>                                     29-Feb-2020 23:59                   0
{FOOT}"""


def _names(*hrefs: str) -> list[str]:
    rows = "".join(f'<a href="{href}">x</a> 01-Jan-2020 00:00 1\r\n' for href in hrefs)
    return list(parse_listing(HEAD + rows + FOOT, url=URL))


def test_files_have_size_and_date_in_the_listings_order() -> None:
    """Folders are omitted, shortened names are complete, escaped names are decoded."""
    assert parse_listing(PAGE, url=URL) == {
        "YW-260629.tar.gz": ListedFile(
            name="YW-260629.tar.gz", size=12_345_678, modified=datetime(2026, 6, 30, 3, 10, tzinfo=UTC)
        ),
        LONG: ListedFile(name=LONG, size=42, modified=datetime(2020, 1, 1, 0, 0, tzinfo=UTC)),
        "ab+c.pdf": ListedFile(name="ab+c.pdf", size=0, modified=datetime(2020, 2, 29, 23, 59, tzinfo=UTC)),
    }
    assert list(parse_listing(PAGE, url=URL)) == ["YW-260629.tar.gz", LONG, "ab+c.pdf"]


def test_an_empty_folder_is_a_listing_without_files() -> None:
    """A folder without files is not an error."""
    assert parse_listing(HEAD + FOOT, url=URL) == {}


@pytest.mark.parametrize(
    "href",
    [
        "../",
        "..",
        "/etc/passwd",
        "sub/a.tar",
        "../a.tar",
        "..%2Fa.tar",
        "%2e%2e",
        "https://elsewhere.example/a.tar",
        "a%5Cb.tar",
        "?C=M;O=A",
        "#top",
        "./../a.tar",
        "",
    ],
)
def test_names_with_a_path_are_omitted(href: str) -> None:
    """Only plain names are files of this folder, even if escaped."""
    assert _names(href, "a.tar") == ["a.tar"]


@pytest.mark.parametrize(
    "behind",
    ["", "  ", "yesterday  12 kB", "31-Feb-2020 00:00   5", "01-Foo-2020 00:00   5", "2020-01-01 00:00   5"],
)
def test_an_unlisted_size_is_unknown(behind: str) -> None:
    """A file without a readable date and size is listed with None, not zero."""
    page = f'{HEAD}<a href="a.tar">a.tar</a>{behind}\r\n{FOOT}'

    assert parse_listing(page, url=URL) == {"a.tar": ListedFile(name="a.tar", size=None, modified=None)}


def test_months_are_english_whatever_the_locale() -> None:
    """Each of the server's twelve names is understood."""
    names = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    rows = "".join(f'<a href="{name}">{name}</a> 03-{name}-2024 04:05 6\r\n' for name in names)

    entries = parse_listing(HEAD + rows + FOOT, url=URL)

    assert [entry.modified for entry in entries.values()] == [
        datetime(2024, month, 3, 4, 5, tzinfo=UTC) for month in range(1, 13)
    ]


@pytest.mark.parametrize(
    "page",
    [
        "",
        '{"error": "not found"}',
        "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>",
        '<html><body>Please <a href="login">log in</a> to see the Index of things</body></html>',
        "YW-260629.tar.gz 12345678",
    ],
    ids=["empty", "json", "error page", "login page", "plain text"],
)
def test_a_page_that_is_not_a_listing_raises(page: str) -> None:
    """The message has the address, the page's beginning and possible causes."""
    begins = page[:12].replace("{", r"\{").replace('"', ".")

    with pytest.raises(
        ListingError, match=rf"^https://opendata.* is not a directory listing .*{begins}.*base URL"
    ):
        parse_listing(page, url=URL)


@given(st.text(max_size=200))
def test_any_page_is_a_listing_or_an_error_of_ours(page: str) -> None:
    """Garbage never raises another exception."""
    try:
        entries = parse_listing(page, url=URL)
    except ListingError:
        return
    assert all(name == entry.name for name, entry in entries.items())


@given(st.text(max_size=60))
def test_text_after_a_name_is_ignored(behind: str) -> None:
    """Names are read whatever the server writes after them."""
    page = f'{HEAD}<a href="a.tar">a.tar</a>{behind.replace("<", "")}\r\n{FOOT}'

    assert "a.tar" in parse_listing(page, url=URL)


def test_the_largest_folder_is_read_completely() -> None:
    """The hourly folder of a year and a half holds 80,000 names: all are read once."""
    rows = "".join(
        f'<a href="raa01-rw_10000-{i:010d}-dwd---bin.gz">raa01-rw_10000-{i:010d}-dwd---bin.gz</a>'
        f"                   28-Jun-2025 12:00               {i}\r\n"
        for i in range(80_000)
    )

    entries = parse_listing(HEAD + rows + FOOT, url=URL)

    assert len(entries) == 80_000
    assert sum(entry.size or 0 for entry in entries.values()) == 80_000 * 79_999 // 2


@pytest.mark.parametrize(
    "row",
    [
        '<img src="/i.gif" alt="[   ]"> <a href="b.tar">b.tar</a>   2020-07-28 12:00  149M  ',
        '<tr><td><a href="b.tar">b.tar</a></td><td align="right">2020-07-28 12:00</td><td>149M</td></tr>',
        '<li><a href="b.tar"> b.tar</a></li>',
    ],
)
def test_apaches_listings_have_names(row: str) -> None:
    """Files are found in each of Apache's forms; its rounded sizes and local times are not read."""
    head = '<html><head><title>Index of /a</title></head><body><h1>Index of /a</h1><a href="?C=N;O=D">Name</a>'

    found = parse_listing(f'{head}<a href="/">Parent Directory</a>{row}</body></html>', url="http://localhost/a/")

    assert found == {"b.tar": ListedFile(name="b.tar", size=None, modified=None)}


@pytest.mark.parametrize(
    "row",
    [
        "<a href='b.tar'>b.tar</a>",
        "<a href=b.tar>b.tar</a>",
        '<a href="javascript:b.tar">b.tar</a>',
        '<a href="http://localhost/a/b.tar">b.tar</a>',
        '<a href="b.tar?x=1">b.tar</a>',
        '<a href="b.tar" 28-Jun-2019 <a href="c.tar">c.tar</a>',
    ],
)
def test_links_in_another_form_are_not_taken_for_an_empty_folder(row: str) -> None:
    """Otherwise a sync would report all files as gone from the server."""
    with pytest.raises(ListingError, match=r"written in another way .*; check the base URL$"):
        parse_listing(HEAD + row + FOOT, url=URL)
