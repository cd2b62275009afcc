"""What a browser needs to draw the fields: grid, lines, towns, radar sites, graticule, units, classes, colours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import to_hex

from radar_nb.dwd.grids import AXES, to_lonlat, to_xy
from radar_nb.dwd.products import PRODUCTS
from radar_nb.dwd.radar_sites import FORMER_SITES, SITES
from radar_nb.geography.lines import ATTRIBUTION, map_lines
from radar_nb.geography.towns import towns_within
from radar_nb.plots.basemap import Frame
from radar_nb.plots.style import INK, class_colours, class_limits, credit, name_colours, name_label, unit_label

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from radar_nb.dwd.grids import Earth
    from radar_nb.runtime.language import Texts
    from radar_nb.widgets.explorer.frames import FrameSequence

PALETTES = ("radar_nb", "dwd", "viridis", "cividis", "turbo", "gray_r")
"""The first is the default; viridis and cividis are readable with every colour vision."""

_INTERVAL = re.compile(
    r"^(\d+[- ](minute|hour|day)s?|hourly|daily) "
    r"| (in|von) (\d+ (minutes|hours|days|Minuten|Stunden|Tagen)|an hour|einer Stunde)",
    re.IGNORECASE,
)
"""How a title states the interval of its fields: that of an attribute, or ours in English or German."""

_RAMP = 256

_STEPS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Degrees between lines of the graticule; the map takes the largest that gives at least four lines."""


def map_info(frames: FrameSequence, say: Texts) -> dict[str, Any]:
    """Describe the data and their map as content for JSON, in the language of `say`.

    Positions are in cells from the south-western corner of the grid; the centre of the first cell is (0.5, 0.5).

    Raises
    ------
    SeriesError
        The fields are not on DWD's projection.
    """
    data = frames.data
    grid = _Grid(frames)
    info = {
        "name": "" if data.name is None else str(data.name),
        "title": str(data.attrs.get("long_name", data.name)),
        "label": name_label(data),
        "credit": credit(data),
        "count": len(frames),
        "shape": list(frames.shape),
        "along": frames.along,
        "flipped": frames.flipped,
        "batch": frames.batch,
        "times": None if frames.times is None else frames.times.astype(np.int64).tolist(),
        "minutes": frames.minutes,
        "resolution": frames.resolution,
        **({} if frames.boundary is None else {"boundary": frames.boundary}),
        "units": units(frames, say),
        "sums": frames.addable,
        "amounts": frames.units in {"mm", "mm h-1"},
        "palettes": {name: ramp(name, frames) for name in PALETTES},
        "grid": grid.json,
        "lines": {name: grid.lines(lines) for name, lines in map_lines(grid.earth).items()},
        "towns": grid.towns(),
        "sources": ATTRIBUTION,
        "graticule": grid.graticule(),
        "sites": grid.sites(data.attrs.get("radars")),
    }
    return info | _titles(info, say)


def _titles(info: dict[str, Any], say: Texts) -> dict[str, str]:
    """Return the title of the fields in the user's words, that of a sum, without an interval, and the rest."""
    name, title = info["name"], info.pop("label")
    known, about = PRODUCTS.get(name), title
    if known and info["title"].lower() == known.title.lower():
        title = f"{say(f'product.{name}')} ({name})"
        about = say(f"means.{name}") if known.families else about
    bare = _INTERVAL.sub("", title)
    if info["minutes"] is None:  # xarray has computed the values: nobody knows which time they cover
        title = about = bare
    return {"title": title[:1].upper() + title[1:], "sum_title": bare[:1].upper() + bare[1:], "about": about}


def units(frames: FrameSequence, say: Texts) -> list[dict[str, Any]]:
    """Return the units to choose from: name, factor from the data's unit, class limits in that unit.

    A class product has one, with the names and colours of its classes; fields hold the numbers of these.
    """
    if frames.class_names:
        names = tuple(_class_text(name, say) for name in (*frames.class_names, "other"))
        colours = [*name_colours(frames.class_names, None).colors, INK]  # type: ignore[misc] # a list, always
        codes = "".join(to_hex(colour)[1:] for colour in colours)
        one = {"name": "", "factor": 1.0, "limits": list(map(float, range(len(names))))}
        return [one | {"names": names, "colours": codes}]
    limits = class_limits(frames.units, frames.minutes, frames.fields(0, 1)[0].values)
    own = {
        "name": unit_label(frames.units, frames.minutes if frames.units == "mm" else None),
        "factor": 1.0,
        "limits": list(limits),
    }
    if not frames.minutes:
        return [own]
    hour = frames.minutes / 60
    match frames.units:
        case "mm":
            rate = {"name": "mm/h", "factor": 1 / hour, "limits": list(class_limits("mm h-1", None, np.empty(0)))}
            return [own, rate] if hour != 1 else [own]
        case "mm h-1":
            of_amount = class_limits("mm", frames.minutes, np.empty(0))
            return [
                own,
                {"name": unit_label("mm", frames.minutes), "factor": hour, "limits": list(of_amount)},
            ]
    return [own]


_CLASS = re.compile(r"(?:from ([\d.]+))? ?(?:(?:to|below) ([\d.]+))? dBZ")


def _class_text(name: str, say: Texts) -> str:
    """Return the name of a class in the user's language; names that DWD does not use stay."""
    if levels := _CLASS.fullmatch(name):
        low, high = (say.number(level or "") for level in levels.groups())
        return say("kind.between" if low and high else "kind.above" if low else "kind.below", low=low, high=high)
    return say.known(f"kind.{name.replace(' ', '_')}", name)


def ramp(name: str, frames: FrameSequence) -> str:
    """Return a palette as 256 colours of six hexadecimal digits, from the lowest class to the highest."""
    colours = class_colours(None if name == "radar_nb" else name, _RAMP, reflectivity=frames.units == "dBZ")
    return "".join(to_hex(colour)[1:] for colour in colours(range(_RAMP)))


_SMALLEST = 3000
"""Inhabitants of the smallest town that the map can name: all of them would double its description."""


class _Grid:
    """The grid of the fields, and positions on it in cells."""

    def __init__(self, frames: FrameSequence) -> None:
        frame = self._frame = Frame.of(frames.data)
        self.earth: Earth = frame.earth
        self._rows, self._cols = frames.shape
        self._x, self._y = frame.x, frame.y
        self._dx = (frame.x[1] - frame.x[0]) / self._cols
        self._dy = (frame.y[1] - frame.y[0]) / self._rows
        axes = AXES[self.earth]
        # the south-western corner and the size of a cell in metres
        self.json = {"x": frame.x[0], "y": frame.y[0], "dx": self._dx, "dy": self._dy, "a": axes[0], "b": axes[1]}

    def _cells(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack([(x - self._x[0]) / self._dx, (y - self._y[0]) / self._dy]).round(1)

    def _near(self, places: NDArray[np.float64], margin: float = 0) -> bool:
        """Return whether the bounding box of some positions touches the map, or comes as near as so many cells."""
        low, high = places.min(axis=0) - margin, places.max(axis=0) + margin
        return bool((high >= 0).all() and low[0] <= self._cols and low[1] <= self._rows)

    def lines(self, lines: list[NDArray[np.float64]]) -> list[list[float]]:
        """Return lines in metres as lists of col, row, col, row, ...; lines far off the map are left out.

        A wide stage shows what lies beside the map: lines go on for half its size, so that none ends there.
        """
        found = [self._cells(*line.T) for line in lines]
        margin = max(self._rows, self._cols) / 2
        return [line.ravel().tolist() for line in found if self._near(line, margin)]

    def sites(self, named: Any) -> list[list[Any]]:
        """Return the radars on the map: id, col, row."""
        known = SITES | FORMER_SITES
        names = (named.split(",") if isinstance(named, str) else named) or SITES
        ids = [name for name in (str(name).strip().lower().removeprefix("de") for name in names) if name in known]
        lon, lat = np.array([known[name] for name in ids]).reshape(-1, 2).T
        places = self._cells(*to_xy(lon, lat, self.earth))
        return [
            [name, *place.tolist()] for name, place in zip(ids, places, strict=True) if self._near(place[None, :])
        ]

    def towns(self) -> list[list[Any]]:
        """Return the towns on the map, the largest first: name, col, row, inhabitants, 1 if beside a city."""
        towns = towns_within(self._frame.degrees, _SMALLEST)
        lon, lat = np.array([(town.lon, town.lat) for town in towns]).reshape(-1, 2).T
        places = self._cells(*to_xy(lon, lat, self.earth)).tolist()
        return [
            [town.name, col, row, town.inhabitants, int(town.beside_city)]
            for town, (col, row) in zip(towns, places, strict=True)
            if 0 <= col <= self._cols and 0 <= row <= self._rows
        ]

    def graticule(self) -> list[dict[str, Any]]:
        """Return meridians and parallels, each with its degree and its line."""
        x, y = (np.linspace(*edge, 41) for edge in (self._x, self._y))
        lon, lat = to_lonlat(*np.meshgrid(x, y), self.earth)
        found = []
        for degrees, other, east in ((lon, lat, True), (lat, lon, False)):
            low, high = float(degrees.min()), float(degrees.max())
            step = next((s for s in reversed(_STEPS) if (high - low) / s >= 4), _STEPS[0])
            along = np.linspace(float(other.min()) - step, float(other.max()) + step, 60)
            for degree in np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step:
                same = np.full(along.size, degree)
                x, y = to_xy(same, along, self.earth) if east else to_xy(along, same, self.earth)
                line = self._cells(x, y)
                found.append({"degree": round(float(degree), 1), "east": east, "line": line.ravel().tolist()})
        return found
