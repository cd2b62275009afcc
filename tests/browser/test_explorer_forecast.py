"""The explorer of one forecast run: lead times, where the forecast begins, playing, a cell's series."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.small_rain import forecasts, showers

import radar_nb as rn
from browser.bare_kernel import BareKernel

if TYPE_CHECKING:
    from collections.abc import Iterator

    import xarray as xr

SHOTS = os.environ.get("RADAR_NB_SHOTS")
LEADS = 25
PLAYER = "document.querySelector('.rnb-explorer').player"


@pytest.fixture(scope="module")
def run() -> xr.Dataset:
    """Return the second of two runs: two hours ahead in steps of five minutes."""
    fields = showers(2 * LEADS, 60, 50, seed=6).reshape(2, LEADS, 60, 50)
    ds: xr.Dataset = rn.forecast(forecasts(fields, first="2020-06-13T15:00"), run="latest")
    return ds


@pytest.fixture
def shown(page: Any, run: xr.Dataset) -> Iterator[Any]:
    """Return the page that shows the run."""
    with BareKernel(rn.Explorer(run, lang="en")) as kernel:
        page.goto(kernel.url)
        page.locator(".rnb-stage[data-index]").wait_for()
        yield page
        page.goto("about:blank")


def seek(page: Any, index: int) -> None:
    """Show a field."""
    page.evaluate(f"() => {PLAYER}.seek({index})")
    page.wait_for_selector(f".rnb-stage[data-index='{index}']")


def test_a_run_shows_its_lead_times_and_where_the_forecast_begins(shown: Any) -> None:
    """The title has the time and, after the analysis, the lead time; the boundary crosses no words."""
    first = shown.locator(".rnb-time").inner_text()
    seek(shown, 6)
    later = shown.locator(".rnb-time").inner_text()
    above = shown.evaluate(
        f"""() => {{
        const canvas = document.querySelector(".rnb-timeline canvas"), {{ width }} = canvas;
        const at = Math.round(width / {LEADS}), context = canvas.getContext("2d");
        const {{ data }} = context.getImageData(at - 5, 0, 10, 12);
        return [...data].filter((_, k) => k % 4 === 3); }}"""
    )
    if SHOTS:
        shown.screenshot(path=f"{SHOTS}/forecast.png")

    assert first.split()[:3] == ["2020-06-13", "15:05", "UTC"]
    assert "+" not in first
    assert later.split()[:4] == ["2020-06-13", "15:35", "UTC", "+30"]
    line = np.reshape(above, (12, 10)) > 0
    assert line.all(axis=0).tolist() == [False] * 4 + [True] * 2 + [False] * 4
    assert line.any(axis=0).sum() == 2, "the line crosses words"


def test_a_run_plays_along_its_lead_times(shown: Any, run: xr.Dataset) -> None:
    """Play shows the leads one after another; a click gives the cell's amounts at their times of validity."""
    shown.get_by_label("Speed").select_option("30")
    shown.get_by_role("button", name="Play").click()
    shown.wait_for_function(f"() => +document.querySelector('.rnb-stage').dataset.frames > {LEADS + 2}")
    shown.get_by_role("button", name="Pause").click()
    box = shown.locator(".rnb-stage").bounding_box()
    shown.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    shown.wait_for_selector(".rnb-marks tr:not(.rnb-loading)")
    cell, values, times = shown.evaluate(
        f"() => [{PLAYER}.marks[0].cell, [...{PLAYER}.marks[0].values], {PLAYER}.info.times]"
    )
    row, col = cell

    assert np.array_equal(np.array(times, "M8[ms]"), run.time.values)
    assert np.allclose(values, run.RV.values[:, row, col], atol=1e-6)
