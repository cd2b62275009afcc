"""The cube in JupyterLab: a click builds it, the calendar shows it, the explorer plays it and reads series."""

from __future__ import annotations

import os
import re
from calendar import monthrange
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support import cubes

import radar_nb as rn
from browser.test_explorer import at, marks, shown
from browser.test_panel import press, shoot
from radar_nb.mirror import Mirror

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make browser").expect

PLACE = "climate_environment/CDC/grids_germany/hourly/radolan/reproc/2017_002/bin/2019/RW2017.002_201910.tar.gz"
HOURS = ("00:50", "12:50")


@pytest.mark.skipif(os.name == "nt", reason="the lab of these tests runs on POSIX")
def test_a_month_is_built_as_a_cube_and_played(run_notebook: Callable[[list[str]], Any], tmp_path: Path) -> None:
    """Two clicks build and open the cube; the rain plays from it; a click draws a cell's whole month."""
    days = [f"2019-10-{day + 1:02d}" for day in range(monthrange(2019, 10)[1])]
    archive = cubes.archive(tmp_path / "server" / PLACE, days, hours=HOURS, rows=1100, cols=900)
    with Mirror(tmp_path / "server") as mirror:
        options = f"folder={str(tmp_path / 'data')!r}, base_url={mirror.url!r}, lang='en'"
        page = run_notebook([f"import radar_nb as rn\napp = rn.App('RW', '2019-10', {options})\napp"])
        app = page.locator(".radar-nb-app")
        press(page, "Download")
        expect(app).to_contain_text("all on disk")

        press(page, "Build cube")
        shown(page, 0)
        page.mouse.click(*at(page, 0.5, 0.5))
        expect(page.locator(".rnb-marks tr")).to_have_count(1)
        page.wait_for_selector("[data-series='1']")
        shoot(page, "cube_app")

    expect(app).to_contain_text("rn.open_cube(")
    (mark,) = marks(page)
    row, col = mark["cell"]
    expected = rn.open_dataset(archive, progress=False).RW[:, row, col]
    assert np.allclose(np.array(mark["values"], float), expected, atol=1e-6, equal_nan=True)
    press(page, "Change months")
    expect(app.get_by_role("gridcell", name=re.compile("October 2019, in the cube, selected"))).to_be_visible()
    shoot(app, "cube_calendar")
