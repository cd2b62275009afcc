"""The page of a cube as a file: where it expects the cube, and what it says about it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support import cubes

import radar_nb as rn
from radar_nb.cli.main import main
from radar_nb.errors import NothingFound, SettingsError

if TYPE_CHECKING:
    from pathlib import Path

DAYS = ("2019-12-30", "2019-12-31", "2020-01-03")


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cube")
    rn.build_cube(
        cubes.archive(folder / "RW.tar.gz", DAYS, hours=("00:45", "01:45", "12:45")),
        folder / "R W",
        progress=False,
    )
    return folder / "R W"


def content(page: Path) -> Any:
    found = re.search(r'<script id="content"[^>]*>(.*?)</script>', page.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return json.loads(found[1])


def test_the_page_states_days_sizes_and_shifted_stamps(cube: Path) -> None:
    """A browser knows from the page which days exist, how long their files are, and which stamps differ."""
    described = content(rn.cube_page(cube, lang="en"))["cube"]

    first = int(np.datetime64(DAYS[0], "D").astype(int))
    sizes = [(cube / "RW" / f"c.{number}.0.0").stat().st_size for number in (363, 364, 367)]
    assert described["days"] == [[first, sizes[:2]], [first + 4, sizes[2:]]]
    assert (described["every"], described["minute"]) == (60, 50)
    hours = [(first + day) * 24 + hour for day in (0, 1, 4) for hour in (0, 12)]
    assert described["shifts"] == [[hour, 2 - k % 2, -300] for k, hour in enumerate(hours)]
    assert described["series"] is None


@pytest.mark.parametrize(
    ("path", "url", "expected"),
    [
        ("R W/index.html", None, "./"),
        ("page.html", None, "R%20W/"),
        ("pages/page.html", None, "../R%20W/"),
        ("page.html", "https://example.org/RW", "https://example.org/RW/"),
    ],
)
def test_the_cube_is_sought_beside_the_page_or_at_its_address(
    cube: Path, path: str, url: str | None, expected: str
) -> None:
    """Without an address, page and cube lie in the web space as on this disk."""
    page = rn.cube_page(cube, cube.parent / path, url=url)

    assert content(page)["cube"]["url"] == expected


def test_what_cannot_be_shown_raises(tmp_path: Path) -> None:
    """An empty folder, and a cube elsewhere without the address for browsers."""
    with pytest.raises(NothingFound, match="there is no cube in"):
        rn.cube_page(tmp_path)
    with pytest.raises(SettingsError, match=r"not in a folder: pass path=.*and url="):
        rn.cube_page("memory:///cube")


def test_the_command_writes_the_page(cube: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`radar-nb cube page` prints where the page is."""
    status = main(["cube", "page", str(cube), "--lang", "de"])

    assert status == 0
    assert f"{cube / 'index.html'} (" in capsys.readouterr().out
    assert content(cube / "index.html")["texts"]["year"] == "Jahr"
