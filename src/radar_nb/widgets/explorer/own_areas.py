"""Areas of a user's file on the map: their rings in cells, with no more corners than can be seen."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from radar_nb.errors import SettingsError
from radar_nb.geography.shapes import outlines
from radar_nb.plots.basemap import Frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from radar_nb.widgets.explorer.frames import FrameSequence
    from radar_nb.widgets.explorer.queries import Steps

MOST_AREAS = 100
"""Most areas of a file: as many places as an explorer compares."""

_TOLERANCE = 0.02
"""How far, in cells, a corner may lie from a straight line that replaces it: 20 m on grids of 1 km."""


def read_areas(frames: FrameSequence, name: str, content: bytes) -> Steps:
    """Yield the areas of a file as `name` and `rings` of (col, row) corners, in cells from the south-west.

    Parameters
    ----------
    frames : FrameSequence
    name : str
        Of the file; its ending says which format it has.
    content : bytes
        Any file of polygons that GDAL reads; a Shapefile as ZIP.

    Raises
    ------
    SettingsError
        The file cannot be read, has other shapes than polygons or no CRS, or holds more than `MOST_AREAS`.
    """
    ending = re.fullmatch(r".*(\.[a-z0-9]{1,8})", name.lower(), re.DOTALL)
    frame = Frame.of(frames.data)
    rows, cols = frames.shape
    with tempfile.TemporaryDirectory(prefix="radar_nb-") as folder:
        path = Path(folder, f"areas{ending[1] if ending else ''}")
        path.write_bytes(content)
        try:
            found = outlines(path, frame.earth)
        except SettingsError as error:
            error.args = (str(error).replace(str(path), name),)
            raise
    if len(found) > MOST_AREAS:
        raise SettingsError(
            f"{name} holds {len(found):,} areas, but the explorer compares at most {MOST_AREAS}: "
            "use rn.over_areas, or a file with fewer areas"
        )
    low = np.array([frame.x[0], frame.y[0]])
    size = np.array([(frame.x[1] - frame.x[0]) / cols, (frame.y[1] - frame.y[0]) / rows])
    areas = [
        {
            "name": outline.name,
            "rings": [simplified((ring[:-1] - low) / size).round(2).tolist() for ring in outline.rings],
        }
        for outline in found
    ]
    yield {"type": "areas", "file": name, "areas": areas}, []


def simplified(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a ring without the corners that lie within the tolerance of what is left (Douglas and Peucker).

    Examples
    --------
    >>> simplified(np.array([[0, 0], [1, 0.001], [2, 0], [2, 2], [0, 2]])).tolist()
    [[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]]
    """
    kept = np.zeros(len(ring), bool)
    far = int(np.argmax(np.hypot(*(ring - ring[0]).T)))
    kept[[0, far]] = True
    closed = np.vstack([ring, ring[:1]])
    waiting = [(0, far), (far, len(ring))]
    while waiting:
        first, last = waiting.pop()
        if last - first < 2:
            continue
        (x0, y0), (x1, y1) = closed[first], closed[last]
        between = closed[first + 1 : last]
        length = np.hypot(x1 - x0, y1 - y0)
        if length:
            away = np.abs((x1 - x0) * (between[:, 1] - y0) - (y1 - y0) * (between[:, 0] - x0)) / length
        else:
            away = np.hypot(between[:, 0] - x0, between[:, 1] - y0)
        worst = int(np.argmax(away))
        if away[worst] > _TOLERANCE:
            kept[first + 1 + worst] = True
            waiting += [(first, first + 1 + worst), (first + 1 + worst, last)]
    return ring[kept] if kept.sum() > 2 else ring
