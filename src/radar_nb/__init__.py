"""German rain radar in a notebook: from months to a plotted field.

Open months and draw a field; times are UTC, and the time of a frame is the end of its interval:

>>> import radar_nb as rn
>>> ds = rn.load("YW", "2020-06")  # doctest: +SKIP
>>> rn.plot(ds.YW, time="2020-06-13T15:25", extent="Leipzig +- 40 km")  # doctest: +SKIP

A day of local time on a catchment, a polygon in any file of a GIS: how much fell, and a map of it with towns:

>>> ds = rn.load("YW", "2020-06-13", timezone="Europe/Berlin")  # doctest: +SKIP
>>> rn.accumulate(rn.over_areas(ds, "my.geojson")).YW.values  # doctest: +SKIP
>>> rn.plot(rn.accumulate(ds).YW, extent="my.geojson", timezone="Europe/Berlin")  # doctest: +SKIP

Where to look on:

- data: `products`, `plan`, `download`, `load`, `open_dataset`, `sync`, `build_cube`, `open_cube`
- now: `latest`, `nowcast`, `follow`, `Live`
- at places: `place`, `at_points`, `over_areas`; `ds.radar.sel("Leipzig")`, `ds.radar.clip("my.geojson")`
- over time: `accumulate`, `reduce`, `exceedance`, `events`, `return_levels`, `compare` with gauges
- pictures: `plot`, `animate`, `plot_series`, `plot_comparison`, `Explorer`; files: `export`, `export_grid`
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from radar_nb import errors
from radar_nb.dwd.catalogue import Plan
from radar_nb.dwd.months import Month
from radar_nb.dwd.products import Product, product, products
from radar_nb.fetch.downloading import Download, download, download_async, start
from radar_nb.fetch.planning import plan, plan_async
from radar_nb.fetch.syncing import SyncPlan, sync, sync_async, sync_plan, sync_plan_async
from radar_nb.formats.extraction import extract, extract_async
from radar_nb.runtime.report import Report

if TYPE_CHECKING:
    from radar_nb.analysis.api import accumulate, at_points, exceedance, over_areas
    from radar_nb.analysis.catrare import catrare
    from radar_nb.analysis.checks import check
    from radar_nb.analysis.citation import cite
    from radar_nb.analysis.comparison import compare
    from radar_nb.analysis.design_storms import design_storm, storm_against_design
    from radar_nb.analysis.event_catalogue import heavy_rain_catalogue
    from radar_nb.analysis.events import events
    from radar_nb.analysis.extremes import annual_maxima
    from radar_nb.analysis.kostra import kostra
    from radar_nb.analysis.nowcast import nowcast
    from radar_nb.analysis.reductions import reduce
    from radar_nb.analysis.return_levels import return_levels, return_period
    from radar_nb.analysis.stored_extremes import extremes
    from radar_nb.analysis.storms import storms_at
    from radar_nb.analysis.verification import verify
    from radar_nb.cube.building import build_cube
    from radar_nb.cube.checking import repair_cube, upgrade_cube, verify_cube
    from radar_nb.cube.opening import cube_coverage, open_cube
    from radar_nb.cube.series import build_series
    from radar_nb.cube.snapshots import commit_cube, cube_snapshots, open_snapshot
    from radar_nb.cube.training import Crops
    from radar_nb.exports.api import export
    from radar_nb.exports.grid_files import export_grid
    from radar_nb.geography.towns import place
    from radar_nb.plots.animation import animate
    from radar_nb.plots.catalogue import plot_catalogue
    from radar_nb.plots.comparison import plot_comparison
    from radar_nb.plots.coverage import plot_coverage
    from radar_nb.plots.idf import plot_idf
    from radar_nb.plots.plotting import plot
    from radar_nb.plots.series import plot_series
    from radar_nb.plots.storms import plot_storm
    from radar_nb.reading.following import follow, wait_for, wait_for_async
    from radar_nb.reading.forecasts import forecast
    from radar_nb.reading.opening import load, load_async, open_dataset
    from radar_nb.reading.present import latest, latest_async
    from radar_nb.reading.rates import to_rate
    from radar_nb.runtime.versions import show_versions
    from radar_nb.widgets.app import App
    from radar_nb.widgets.download_panel import DownloadPanel
    from radar_nb.widgets.explorer.cube_page import cube_page
    from radar_nb.widgets.explorer.widget import Explorer
    from radar_nb.widgets.live import Live
    from radar_nb.widgets.month_picker import MonthPicker

__version__ = "0.1.0"

__all__ = [
    "App",
    "Crops",
    "Download",
    "DownloadPanel",
    "Explorer",
    "Live",
    "Month",
    "MonthPicker",
    "Plan",
    "Product",
    "Report",
    "SyncPlan",
    "accumulate",
    "animate",
    "annual_maxima",
    "at_points",
    "build_cube",
    "build_series",
    "catrare",
    "check",
    "cite",
    "commit_cube",
    "compare",
    "cube_coverage",
    "cube_page",
    "cube_snapshots",
    "design_storm",
    "download",
    "download_async",
    "errors",
    "events",
    "exceedance",
    "export",
    "export_grid",
    "extract",
    "extract_async",
    "extremes",
    "follow",
    "forecast",
    "heavy_rain_catalogue",
    "kostra",
    "latest",
    "latest_async",
    "load",
    "load_async",
    "nowcast",
    "open_cube",
    "open_dataset",
    "open_snapshot",
    "over_areas",
    "place",
    "plan",
    "plan_async",
    "plot",
    "plot_catalogue",
    "plot_comparison",
    "plot_coverage",
    "plot_idf",
    "plot_series",
    "plot_storm",
    "product",
    "products",
    "reduce",
    "repair_cube",
    "return_levels",
    "return_period",
    "show_versions",
    "start",
    "storm_against_design",
    "storms_at",
    "sync",
    "sync_async",
    "sync_plan",
    "sync_plan_async",
    "to_rate",
    "upgrade_cube",
    "verify",
    "verify_cube",
    "wait_for",
    "wait_for_async",
]

_LAZY = {  # names whose modules load xarray, matplotlib or ipywidgets: imported when first asked for
    "App": "widgets.app",
    "Crops": "cube.training",
    "DownloadPanel": "widgets.download_panel",
    "Explorer": "widgets.explorer.widget",
    "Live": "widgets.live",
    "MonthPicker": "widgets.month_picker",
    "accumulate": "analysis.api",
    "animate": "plots.animation",
    "annual_maxima": "analysis.extremes",
    "at_points": "analysis.api",
    "build_cube": "cube.building",
    "build_series": "cube.series",
    "catrare": "analysis.catrare",
    "check": "analysis.checks",
    "commit_cube": "cube.snapshots",
    "cite": "analysis.citation",
    "compare": "analysis.comparison",
    "cube_coverage": "cube.opening",
    "cube_page": "widgets.explorer.cube_page",
    "cube_snapshots": "cube.snapshots",
    "design_storm": "analysis.design_storms",
    "kostra": "analysis.kostra",
    "storm_against_design": "analysis.design_storms",
    "events": "analysis.events",
    "exceedance": "analysis.api",
    "export": "exports.api",
    "extremes": "analysis.stored_extremes",
    "export_grid": "exports.grid_files",
    "follow": "reading.following",
    "forecast": "reading.forecasts",
    "heavy_rain_catalogue": "analysis.event_catalogue",
    "latest": "reading.present",
    "latest_async": "reading.present",
    "load": "reading.opening",
    "load_async": "reading.opening",
    "nowcast": "analysis.nowcast",
    "open_cube": "cube.opening",
    "open_dataset": "reading.opening",
    "open_snapshot": "cube.snapshots",
    "over_areas": "analysis.api",
    "place": "geography.towns",
    "plot": "plots.plotting",
    "plot_catalogue": "plots.catalogue",
    "plot_comparison": "plots.comparison",
    "plot_coverage": "plots.coverage",
    "plot_idf": "plots.idf",
    "plot_series": "plots.series",
    "plot_storm": "plots.storms",
    "reduce": "analysis.reductions",
    "repair_cube": "cube.checking",
    "return_levels": "analysis.return_levels",
    "return_period": "analysis.return_levels",
    "show_versions": "runtime.versions",
    "storms_at": "analysis.storms",
    "to_rate": "reading.rates",
    "upgrade_cube": "cube.checking",
    "verify": "analysis.verification",
    "verify_cube": "cube.checking",
    "wait_for": "reading.following",
    "wait_for_async": "reading.following",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'radar_nb' has no attribute {name!r}")
    return getattr(importlib.import_module(f"radar_nb.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
