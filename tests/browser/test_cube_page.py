"""The page of a cube: it reads the shards of a web space by Range requests, and says in a sentence what fails."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from google_crc32c import value as crc32c
from support import cubes

import radar_nb as rn
from browser.test_explorer import marks, shown
from browser.test_panel import shoot
from radar_nb.mirror import Mirror
from radar_nb.mirror.faults.rules import Fault, Faults

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAYS = ("2019-12-30", "2020-01-01", "2020-01-03")
SHARD = "RW/c.365.0.0"
"""That of 2020-01-01: the axis begins with 2019."""

SERIES_OF = "(cells) => document.querySelector('.rnb-explorer').player.addMarks(cells)"
SEEK = "(index) => document.querySelector('.rnb-explorer').player.seek(index)"


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cube of three days of two years, four hours each, with its series of 2020."""
    folder = tmp_path_factory.mktemp("cube")
    rn.build_cube(
        cubes.archive(folder / "RW.tar.gz", DAYS, rows=900, cols=900), folder / "RW.zarr", progress=False
    )
    rn.build_series(folder / "RW.zarr", years=[2020], progress=False)
    return folder / "RW.zarr"


@pytest.fixture
def own(cube: Path, tmp_path: Path) -> Path:
    """Return a copy of the cube with its page, to be damaged."""
    cubes.copy(cube, tmp_path)
    rn.cube_page(tmp_path / "cube", lang="en")
    return tmp_path / "cube"


@pytest.fixture
def plain_page(browser: Any) -> Iterator[Any]:
    """Return a page whose console may hold errors: Chromium reports each failed request there."""
    page = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page.set_default_timeout(60_000)
    yield page
    page.close()


def refused(page: Any, address: str) -> str:
    """Open a page and return the sentence that it shows instead of the map."""
    page.goto(address)
    text: str = page.locator(".rnb-refused").inner_text()
    return text


def warned(page: Any, index: int) -> str:
    """Go to a field and return the sentence on the map."""
    page.evaluate(SEEK, index)
    page.wait_for_selector(f"[data-broken='{index}']")
    text: str = page.locator(".rnb-word.warn").inner_text()
    return text


def test_values_are_those_of_the_cube(cube: Path, page: Any, tmp_path: Path) -> None:
    """From another origin, cells and an area answer as in Python, from days and from the series alike."""
    ds = rn.open_cube(cube, chunks=None).RW
    year = ds.sel(time="2020")
    step = (year.time.values - np.datetime64("2020-01-01T00:50")) // np.timedelta64(1, "h")
    row, col = (int(places[0]) for places in np.nonzero(year.values[2] > 0))
    area = [[col, row], [col + 30, row], [col + 30, row + 25], [col, row + 25]]
    places = [{"cell": [row, col]}, {"cell": [0, 0]}, {"polygon": area}]
    with (
        Mirror(cube.parent, allow_origin="*", faults=Faults()) as space,
        Mirror(tmp_path) as site,
    ):
        rn.cube_page(cube, tmp_path / "rain.html", url=f"{space.url}/RW.zarr", lang="en")
        page.goto(f"{site.url}/rain.html")
        shown(page, 0)
        page.evaluate(SERIES_OF, places)
        page.wait_for_selector("[data-series='3']")
        from_series = marks(page)
        page.evaluate(SEEK, int(step[2]))
        shown(page, int(step[2]))
        cell = page.evaluate(
            "([row, col]) => { const { shown, map } = document.querySelector('.rnb-explorer').player; "
            "return shown.field.codes[row * map.cols + col] * shown.field.scale; }",
            [row, col],
        )
        shoot(page, "cube_page")
        page.locator("#years select").select_option("2019")
        page.wait_for_function(
            "() => { const { marks, info } = document.querySelector('.rnb-explorer').player; return "
            "document.title.endsWith('2019') && info && marks.length === 3 && marks.every(({ done }) => done); }"
        )
        from_days = marks(page)
        paths = [one.path for one in space.served]

    assert cell == pytest.approx(float(year[2, row, col]))
    for found, when in ((from_series, year), (from_days, ds.sel(time="2019"))):
        hours = (when.time.values - when.time.values[0].astype("datetime64[D]")) // np.timedelta64(1, "h")
        for mark, box in zip(found, ((row, col), (0, 0), None), strict=True):
            values = np.array(mark["values"], float)
            expected = np.full(values.size, np.nan)
            part = when[:, row : row + 25, col : col + 30] if box is None else when[:, *box]
            expected[hours] = part.mean(("y", "x")) if box is None else part
            np.testing.assert_allclose(values, expected, rtol=2e-6)
            assert box is None or (values.astype("f4")[hours] == part.values.astype("f4"))[~np.isnan(part)].all()
    assert any("series/2020" in path for path in paths)
    assert not any("series/2019" in path for path in paths)


def test_what_is_not_there_is_named(own: Path, page: Any) -> None:
    """Days that were never built and frames that the archives lack are distinguished."""
    with Mirror(own.parent) as space:
        page.goto(f"{space.url}/cube/index.html")
        shown(page, 0)
        texts = warned(page, 2), warned(page, 24 + 5)

    assert texts == (
        "There is no frame of 2020-01-01 02:50 UTC: the archives lack it.",
        "2020-01-02 was never built.",
    )


def test_playing_goes_on_over_the_ends_of_days(own: Path, page: Any) -> None:
    """From one built day to the next, each field is shown in its turn; a gap stops nothing."""
    there = rn.open_cube(own, chunks=None).time.sel(time="2020").values
    steps = [int(step) for step in (there - there[0].astype("M8[D]")) // np.timedelta64(1, "h")]
    with Mirror(own.parent) as space:
        page.goto(f"{space.url}/cube/index.html")
        shown(page, steps[0])
        page.evaluate(
            """() => {
                const stage = document.querySelector(".rnb-stage");
                window.seen = [Number(stage.dataset.index)];
                new MutationObserver(() => window.seen.push(Number(stage.dataset.index)))
                    .observe(stage, { attributeFilter: ["data-index"] });
                document.querySelector(".rnb-explorer").player.play(true);
            }"""
        )
        page.wait_for_function("(last) => window.seen.includes(last)", arg=steps[-1])
        seen = page.evaluate("() => window.seen")

    assert [step for step in seen[: seen.index(steps[-1]) + 1] if step in steps] == steps


def test_failures_of_the_server_are_sentences(cube: Path, plain_page: Any, tmp_path: Path) -> None:
    """Another origin is not allowed, Range requests are ignored, the cube is gone, the page lies on the disk."""
    with Mirror(cube.parent) as closed, Mirror(tmp_path) as site:
        rn.cube_page(cube, tmp_path / "rain.html", url=f"{closed.url}/RW.zarr", lang="en")
        cors = refused(plain_page, f"{site.url}/rain.html")
        rn.cube_page(cube, tmp_path / "rain.html", url="nowhere", lang="de")
        gone = refused(plain_page, f"{site.url}/rain.html")
        disk = refused(plain_page, (tmp_path / "rain.html").as_uri())
        origin, address = site.url, f"{closed.url}/RW.zarr/zarr.json"
    cubes.copy(cube, tmp_path)
    rn.cube_page(tmp_path / "cube", lang="en")
    with Mirror(tmp_path, faults=Faults(rules=(Fault(kind="no-range", path="*/RW/*"),))) as ranges:
        plain_page.goto(f"{ranges.url}/cube/index.html")
        plain_page.wait_for_selector("[data-broken='0']")
        ignored = plain_page.locator(".rnb-word.warn").inner_text()

    assert cors == (
        f"{address} cannot be read: its server does not answer, or does not allow pages of {origin} to read it "
        "(CORS)."
    )
    assert "gibt es nicht oder darf nicht gelesen werden (Status 404)" in gone
    assert disk.startswith("Browser lesen einen Cube nur über HTTP")
    assert ignored.endswith("ignores Range requests: use a web space that answers them, such as object storage.")


def _described(cube: Path) -> None:
    path = cube / "zarr.json"
    content = json.loads(path.read_text())
    content["attributes"]["radar_nb"]["shards"]["chunk"] = [24, 900, 900]
    path.write_text(json.dumps(content))


def _patched(place: int, value: bytes, *, checksum: bool) -> Any:
    """Return a change of a shard: bytes of its index, counted from the index's first."""

    def change(cube: Path) -> None:
        path = cube / SHARD
        data = bytearray(path.read_bytes())
        start = len(data) - 4 - 16 * 81
        data[start + place : start + place + len(value)] = value
        if checksum:
            data[-4:] = crc32c(bytes(data[start:-4])).to_bytes(4, "little")
        path.write_bytes(data)

    return change


def _first_chunk(cube: Path) -> None:
    path = cube / SHARD
    data = bytearray(path.read_bytes())
    data[2000] ^= 1
    path.write_bytes(data)


HUGE = (1 << 60).to_bytes(8, "little")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (_described, "is not the one for which this page was made"),
        (_patched(0, b"\1", checksum=False), "is damaged"),
        (_patched(8 + 16 * 40, HUGE, checksum=True), "is damaged"),
        (_first_chunk, "is damaged"),
    ],
    ids=["another description", "an index with a wrong sum", "a chunk of an exabyte", "a flipped bit"],
)
def test_forged_and_damaged_cubes_are_refused(own: Path, plain_page: Any, change: Any, sentence: str) -> None:
    """Sizes come from the page and are checked; sums of indexes and chunks are compared."""
    change(own)
    with Mirror(own.parent) as space:
        plain_page.goto(f"{space.url}/cube/index.html")
        text = plain_page.locator(".rnb-refused, .rnb-word.warn").first.inner_text()

    assert sentence in text
