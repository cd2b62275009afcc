"""Pages of docs/ and README.md: their code runs and prints the shown output."""

from __future__ import annotations

import re
import runpy
from contextlib import chdir
from typing import TYPE_CHECKING

import pytest
from support.pages import DOCS, fits, run, runnable

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["support.pages_served"]

ROOT = DOCS.parent
PAGES = [*runnable(), ROOT / "README.md"]


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_each_block_of_a_page_runs_and_prints_the_shown_output(page: Path, tmp_path: Path) -> None:
    """The blocks of a page run in order in one namespace, and print the output shown after them."""
    with chdir(tmp_path):
        outputs = list(run(page.read_text("utf-8")))

    wrong = [f"line {one.block.line} printed\n{one.text}" for one in outputs if not fits(one)]
    assert not wrong, "\n".join(wrong)
    assert [one.block.line for one in outputs if one.block.picture and one.figure is None] == []


def test_the_page_that_plays_on_the_site_is_small(tmp_path: Path) -> None:
    """The explorer of the site is one file of at most 3 MB, which loads nothing from elsewhere."""
    pages = runpy.run_path(str(DOCS / "generated_pages.py"))
    page = tmp_path / "extra" / "player.html"

    pages["write_player"](page)

    text = page.read_text("utf-8")
    assert len(text.encode()) <= pages["LARGEST"] == 3_000_000
    assert text.count('class="frame"') == 25
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", text)
