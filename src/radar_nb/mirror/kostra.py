"""Synthetic tables of KOSTRA-DWD-2020 under DWD's names, with DWD's columns, separators and marks."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import numpy as np

from radar_nb.dwd.kostra import DURATIONS, FOLDER, PERIODS, cells_of, table_name
from radar_nb.mirror.archives import Published
from radar_nb.runtime.files import local_path, user_path

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

    from numpy.typing import NDArray

_THETA, _ETA, _XI, _ALPHA, _KAPPA = 0.0179, 0.7278, 13.646, 4.193, -0.1
"""Parameters that reproduce DWD's table of cell 49125 within 0.42 mm (Koutsoyiannis et al. 1998; fitted)."""
_LON, _LAT = (5.8, 15.1), (47.2, 55.1)
"""Degrees: the rectangle that has values."""


def make_kostra(root: Path | str, *, seed: int = 0) -> tuple[Path, ...]:
    """Fill a folder with synthetic tables of KOSTRA-DWD-2020: depths of DWD's formula, scaled from place to place.

    Parameters
    ----------
    root : path
        Corresponds to the server's root.
    seed : int
        Different seeds scale differently, by 0.8 to 1.4.

    Returns
    -------
    tuple of pathlib.Path
        One zip for each duration. Tables of an earlier call with the same seed are kept.

    Raises
    ------
    StorageError
        The files cannot be written, or a file of the same name is not synthetic.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     len(make_kostra(folder))
    22
    """
    cells, scale = _scales(seed)
    made = []
    for minutes in DURATIONS:
        path = local_path(user_path(root), f"{FOLDER}/{table_name(minutes)}")
        table = Published(path, f"KOSTRA {minutes} min, seed {seed}")
        if not table.is_done():
            path.parent.mkdir(parents=True, exist_ok=True)
            text = _table(minutes, cells, scale)
            table.write(lambda file, text=text, minutes=minutes: _write(file, minutes, text))  # type: ignore[misc]
        made.append(path)
    return tuple(made)


def _scales(seed: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the cells of a rectangle around Germany, and a smooth factor for each, in steps of 0.01."""
    lon, lat = np.meshgrid(np.arange(*_LON, 0.03), np.arange(*_LAT, 0.02))
    cells = np.unique(cells_of(lon, lat))
    row, col = np.divmod(cells, 1000)
    phase = np.random.default_rng(seed).uniform(0, 2 * np.pi, 2)
    return cells, (1.1 + 0.3 * np.sin(row / 25 + phase[0]) * np.sin(col / 20 + phase[1])).round(2)


def _table(minutes: int, cells: NDArray[np.int64], scale: NDArray[np.float64]) -> str:
    """Return a table's text; cells of equal scale have the same row, which is written once."""
    scale, step = np.unique(scale, return_inverse=True)
    hours = minutes / 60
    y = 1 / np.array(PERIODS, float)  # of a partial series
    depth = (_XI + _ALPHA / _KAPPA * (1 - y**_KAPPA)) * hours / (hours + _THETA) ** _ETA
    depths = (scale[:, None] * depth).round(1)
    yields = depths * 166.67 / minutes  # l/(s ha)
    spread = np.broadcast_to(10 + 4 * np.log(PERIODS), depths.shape)
    names = [f"{kind}_{period:03d}A" for kind in ("HN", "RN", "UC") for period in PERIODS]
    rows = np.column_stack([depths, yields, spread]).tolist()
    texts = [(";%.1f" * len(row) % tuple(row)).replace(".", ",") for row in rows]
    lines = [f"{cell}{texts[which]}" for cell, which in zip(cells.tolist(), step.tolist(), strict=True)]
    return "\r\n".join([";".join(["INDEX_RC", *names]), *lines, ""])


def _write(file: IO[bytes], minutes: int, text: str) -> None:
    info = zipfile.ZipInfo(table_name(minutes).removesuffix(".zip"), (2022, 12, 1, 0, 0, 0))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(info, text.encode("latin-1"), zipfile.ZIP_DEFLATED)
