"""The present as it is shown: past and forecast on one time line, answers for places, and a page of them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from radar_nb.analysis.nowcast import DRIZZLE, nowcast
from radar_nb.dwd.grids import GRIDS, to_xy
from radar_nb.errors import SettingsError
from radar_nb.fetch.present import stale_after
from radar_nb.reading.opening import open_dataset
from radar_nb.reading.present import files_until_now
from radar_nb.runtime.clock import duration_of
from radar_nb.runtime.language import load_texts
from radar_nb.runtime.zones import find_zone, time_of_day
from radar_nb.widgets.explorer.widget import Explorer

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from radar_nb.analysis.nowcast import Nowcast, Outlook
    from radar_nb.fetch.present import Newest
    from radar_nb.runtime.language import Texts

PRODUCT = "RV"
_GRID = "de1200-wgs84"
_STEP = timedelta(minutes=5)
_SECOND = timedelta(seconds=1)


def past_and_forecast(newest: Path, past: Iterable[Path]) -> tuple[xr.Dataset, xr.DataArray, int]:
    """Return the newest run, the analyses of the past and that run as one series, and the last analysis's number.

    Parameters
    ----------
    newest : path
        The file of the newest run.
    past : iterable of path
        Files of earlier runs, and the newest.
    """
    run = open_dataset(newest, run="latest", chunks={"time": 1}, progress=False)[PRODUCT]
    files = [str(path) for path in past] or str(newest)
    was = open_dataset(files, lead="0min", chunks={"time": 1}, progress=False)[PRODUCT]
    issued = ["forecast_reference_time", "lead_time", "source"]
    parts = [part.drop_vars(issued, errors="ignore") for part in (was, run.isel(time=slice(1, None)))]
    return run.to_dataset(), xr.concat(parts, "time"), was.sizes["time"] - 1


def first_view(answers: Nowcast | None, boundary: int) -> dict[str, Any]:
    """Return the first view of an explorer: the present, and the places as marks."""
    if answers is None:
        return {}
    grid, found = GRIDS[_GRID], answers.answers
    lon, lat = (np.array([getattr(one, axis) for one in found]) for axis in ("lon", "lat"))
    x, y = to_xy(lon, lat, grid.earth)
    rows, cols = np.rint((y - grid.y0) / grid.cell).astype(int), np.rint((x - grid.x0) / grid.cell).astype(int)
    cells = [
        {"cell": [row, col], "name": one.place}
        for row, col, one in zip(rows.tolist(), cols.tolist(), found, strict=True)
    ]
    return {"index": boundary, "unit": 0, "chosen": None, "palette": "radar_nb", "places": cells}


def answer_text(one: Outlook, say: Texts, zone: ZoneInfo) -> str:
    """Return the answer for a place, in local time."""

    def clock(moment: datetime | None) -> str:
        return "" if moment is None else time_of_day(moment, zone, one.nominal)

    key: str = one.status
    if key == "rain":
        key = "rain_now" if one.raining else "rain_from"
    end = one.clears or one.ends
    text = say(
        f"live.{key}",
        time=clock(one.starts),
        until=f" {say('live.until', time=clock(end))}" if end else "",
        end=clock(one.until),
        peak=say.number(f"{one.peak or 0:.1f}"),
    )
    return f"{one.place}: {text}"


def write_now_page(
    path: str | os.PathLike[str],
    places: Any = None,
    *,
    past: Any = "2h",
    threshold: float = DRIZZLE,
    timezone: str = "Europe/Berlin",
    lang: str | None = None,
    **where: Any,
) -> Newest:
    """Write the explorer with the last hours and the newest forecast as one HTML file, which knows its age.

    The page computes the age and the answers of the places when it is looked at, by that computer's clock: an old
    page says that it is old, and states no all-clear.

    Parameters
    ----------
    path : path
    places, past, timezone, lang
        As for `Live`.
    threshold : float
        As for `nowcast`.
    **where
        `folder`, `base_url` and `clock`, as for `latest`.

    Returns
    -------
    Newest
        The newest run, which the page shows.

    Raises
    ------
    SettingsError
        A duration, time zone, place or language is not valid.
    DownloadError
        The server cannot be reached, or has no run that is whole; the file stays as it was.
    StorageError
        The file cannot be written.
    """
    span, zone, say = duration_of(past, "past"), find_zone(timezone), load_texts(lang)
    newest, files = files_until_now(
        PRODUCT, lambda last: [last - at * _STEP for at in range(span // _STEP + 1)], **where
    )
    run, data, boundary = past_and_forecast(newest.path, files.values())
    answers = None
    if places is not None:
        answers = nowcast(places, data=run, threshold=threshold, now=newest.now, timezone=timezone)
    explorer = Explorer(data, lang=say.language)
    if explorer.problem:
        raise SettingsError(f"the page cannot be written ({explorer.problem}): try again with the next file")
    fresh = stale_after(newest.era)
    present = {
        "product": PRODUCT,
        "nominal": _ms(newest.time),
        "stale_after": fresh // _SECOND * 1000,
        "answers": _answers(answers, newest.time, fresh, say, zone),
    }
    explorer.tell(boundary=boundary, timezone=timezone, present=present)
    explorer.index = boundary
    explorer.view_state = first_view(answers, boundary)
    explorer.save_html(path)
    explorer.close()
    return newest


def _answers(
    found: Nowcast | None, nominal: datetime, fresh: timedelta, say: Texts, zone: ZoneInfo
) -> list[dict[str, Any]]:
    """Return the answers from each time at which they change: texts, until when, and whether they are known."""
    if found is None:
        return [{"until": 0, "lines": []}]
    ends = [nominal + at * _STEP for at in range(found.series.sizes["time"])]
    moments = sorted({*ends, nominal + fresh + _SECOND})
    kept = []
    for moment, until in zip(moments, [*moments[1:], moments[-1]], strict=True):
        lines = [[answer_text(one, say, zone), one.status != "unknown"] for one in found.at(moment).answers]
        kept.append({"until": _ms(until), "lines": lines})
    return kept


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
