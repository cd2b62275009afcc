"""A synthetic catalogue of heavy rain events under the name and in the form of DWD's CatRaRE."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.dwd.catrare import DURATIONS, SELECTIONS, VERSION, file_path, layer_name
from radar_nb.dwd.grids import GRIDS, to_xy
from radar_nb.geography.layers import boxes_as_shape, points_at, table_of_shapes, write_layers
from radar_nb.mirror.archives import Published
from radar_nb.runtime.files import local_path, user_path

if TYPE_CHECKING:
    from typing import IO

_LON, _LAT = (7.0, 14.0), (48.0, 54.0)
"""Degrees: where events are."""


def make_catrare(root: Path | str, *, version: str = VERSION, count: int = 400, seed: int = 0) -> tuple[Path, ...]:
    """Fill a folder with synthetic catalogues: zipped FileGDBs with DWD's layers, names and stamps, without a CRS.

    Parameters
    ----------
    root : path
        Corresponds to the server's root.
    version : str
        DWD's version.
    count : int
        Number of events of each selection, evenly spread from 2001 on.
    seed : int

    Returns
    -------
    tuple of pathlib.Path
        One zip for each selection. Files of an earlier call with the same arguments are kept.

    Raises
    ------
    StorageError
        The files cannot be written, or a file of the same name is not synthetic.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in make_catrare(folder, count=5)]
    ['CatRaRE_2001_2025_W3_Eta_v2026_01.gdb.zip', 'CatRaRE_2001_2025_T5_Eta_v2026_01.gdb.zip']
    """
    made = []
    for number, selection in enumerate(SELECTIONS):
        path = local_path(user_path(root), file_path(selection, version))
        file = Published(path, f"CatRaRE {selection} {version}, {count} events, seed {seed}")
        if not file.is_done():
            path.parent.mkdir(parents=True, exist_ok=True)
            zones, maxima = _events(int(version[:4]), count, np.random.default_rng([seed, number]))
            layers = {
                layer_name(selection, version, "zones"): zones,
                layer_name(selection, version, "maxima"): maxima,
            }
            stem = path.name.removesuffix(".zip")
            file.write(lambda out, stem=stem, layers=layers: _write(out, stem, layers))  # type: ignore[misc]
        made.append(path)
    return tuple(made)


def _events(year: int, count: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """Return events as polygons and as points."""
    grid = GRIDS["de1100"]
    hours = rng.choice(DURATIONS, count)
    all_hours = (np.datetime64(f"{year}", "h") - np.datetime64("2001", "h")).astype(int)
    start = np.sort(rng.choice(all_hours - 100, count, replace=False)).astype("m8[h]") + np.datetime64(
        "2001-01-01T00:50", "m"
    )
    end = start + hours.astype("m8[h]")
    x, y = to_xy(rng.uniform(*_LON, count), rng.uniform(*_LAT, count), "sphere")
    col, row = np.rint((x - grid.x0) / grid.cell).astype(int), np.rint((y - grid.y0) / grid.cell).astype(int)
    height, width = rng.integers(3, 25, (2, count))
    mean = (18 * hours**0.3 * rng.uniform(1, 2, count)).round(1)
    shapes = np.empty(count, object)
    for number in range(count):
        rows, cols = np.indices((height[number], width[number])).reshape(2, -1)
        cut = (rows > 0) | (cols > 0)  # not a mere rectangle
        west, south = grid.x[col[number] + cols[cut]], grid.y[row[number] + rows[cut]]
        half = grid.cell / 2
        shapes[number] = boxes_as_shape(west - half, south - half, west + half, south + half)
    area = height * width - 1
    columns = {
        "Event_ID": np.arange(1, count + 1),
        "Start_Time": _stamps(start),
        "End_Time": _stamps(end),
        "Date_START": start.astype("datetime64[ms]"),
        "Date_END": end.astype("datetime64[ms]"),
        "Duration": hours,
        "Area": area,
        "Eta": (rng.uniform(1.6, 4, count) * np.sqrt(area / np.pi)).round(3),
        "RRmax": (mean * rng.uniform(1.1, 2.5, count)).round(1),
        "RRmean": mean,
        "SRImax": np.where(rng.random(count) < 0.05, np.nan, rng.integers(1, 13, count)),
        "x_RRmax": col + 1,
        "y_RRmax": row + 1,
        "x_RRmaxPRJ": grid.x[col + 1],
        "y_RRmaxPRJ": grid.y[row + 1],
        "BDL_RRmax": ["synthetic"] * count,
    }
    points = points_at(grid.x[col + 1], grid.y[row + 1])
    return table_of_shapes(columns, shapes), table_of_shapes(columns, points)


def _stamps(times: Any) -> list[int]:
    """Return times as YYYYMMDDHHMM."""
    return [int("".join(part for part in str(time) if part.isdigit())) for time in times]


def _write(file: IO[bytes], stem: str, layers: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        database = Path(folder) / stem
        write_layers(database, layers)
        for path in sorted(database.iterdir()):
            archive.write(path, f"{stem}/{path.name}")
