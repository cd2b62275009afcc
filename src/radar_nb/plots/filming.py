"""A film file in the making, watched: it takes a thread of its own, and can be stopped at any field."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event
from typing import TYPE_CHECKING

from radar_nb.plots.animation import animate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import xarray as xr

    from radar_nb.runtime.progress import Progress

_LOOK = 0.2
"""Seconds between two looks at how far it has come."""


class _Stopped(Exception):
    """Nobody waits for the film any more."""


def filming(
    fields: xr.DataArray, path: Path, *, fps: float, classes: Sequence[float] | None, cmap: str | None
) -> Iterator[Progress | None]:
    """Draw fields into a file, and tell now and then how far it has come.

    Parameters
    ----------
    fields, fps, classes, cmap
        As in `radar_nb.animate`.
    path : pathlib.Path
        As in `radar_nb.plots.animation.Film.save`.

    Yields
    ------
    Progress or None
        What is being done; None before it has begun. When there is no more, the file is there; a caller that
        closes the generator before stops the drawing.

    Raises
    ------
    SettingsError, SeriesError, StorageError
        As there.
    """
    stop = Event()
    latest: list[Progress] = []

    def report(progress: Progress) -> None:
        if stop.is_set():
            raise _Stopped
        latest[:] = [progress]

    def draw() -> None:
        animate(fields, fps=fps, classes=classes, cmap=cmap, progress=report).save(path)

    with ThreadPoolExecutor(1, "radar_nb-film") as pool:
        drawing = pool.submit(draw)
        try:
            while not wait([drawing], _LOOK).done:
                yield latest[0] if latest else None
        finally:
            stop.set()
        drawing.result()
