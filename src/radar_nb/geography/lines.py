"""Lines that maps show: borders, rivers, lakes. Natural Earth, public domain; see scripts/make_basemap.py."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from radar_nb.dwd.grids import to_xy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from radar_nb.dwd.grids import Earth

ATTRIBUTION = "GeoNames CC BY 4.0, Natural Earth"
"""The sources of towns and lines, to be named on maps that show towns."""


@cache
def map_lines(earth: Earth) -> dict[str, list[NDArray[np.float64]]]:
    """Return the lines of each kind, each of shape (points, 2), in metres of DWD's projection on an earth.

    The kinds are `germany` (closed rings), `neighbours`, `states` (borders between two states of Germany), and
    `rivers` and `lakes`, each `_large`, `_medium` and `_small`. Lakes are closed.
    """
    content = json.loads(files("radar_nb.geography").joinpath("lines.json").read_text(encoding="utf-8"))
    kinds = {name: lines for name, lines in content.items() if isinstance(lines, list)}
    flat = [np.array(line).reshape(-1, 2) for lines in kinds.values() for line in lines]
    lon, lat = np.vstack(flat).T
    plane = np.column_stack(to_xy(lon, lat, earth))  # all at once: a call costs a millisecond
    ends = np.cumsum([len(line) for line in flat])
    split = iter(np.split(plane, ends[:-1]))
    return {name: [next(split) for _ in lines] for name, lines in kinds.items()}
