"""Films of radar fields: the maps of `radar_nb.plot`, one after the other, shown or saved."""

from __future__ import annotations

import base64
import html
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba_array
from matplotlib.figure import Figure

from radar_nb.errors import SettingsError
from radar_nb.geography.extents import is_shapes
from radar_nb.plots.basemap import Frame, part_within
from radar_nb.plots.encoders import find_ffmpeg, gif, mp4
from radar_nb.plots.maps import Look, draw_key, draw_legend, draw_map, draw_words, figure_options, sources, wrapped
from radar_nb.plots.selection import cells, several_fields
from radar_nb.plots.style import DRY, INK, NO_DATA, credit, name_label, time_label
from radar_nb.reading.forecasts import as_series
from radar_nb.runtime.files import replacing, storage_errors, user_path
from radar_nb.runtime.language import current_texts, speaking, speaks
from radar_nb.runtime.progress import Progress, reporting
from radar_nb.runtime.wording import human_bytes
from radar_nb.runtime.zones import find_zone

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from zoneinfo import ZoneInfo

    import xarray as xr
    from matplotlib.colors import Colormap, Normalize
    from numpy.typing import NDArray

    from radar_nb.plots.encoders import Picture
    from radar_nb.runtime.language import Texts
    from radar_nb.runtime.progress import Reporter

_KINDS = (".mp4", ".gif", ".html")
_FASTEST = 50  # pictures a second: see `radar_nb.plots.encoders.gif`
_SECONDS, _BYTES = 0.12, 35_000  # of one field in a GIF: measured with a rainy day of YW
_CHUNK = 3 << 16  # bytes; base64 of a multiple of three needs no padding


@speaks
def animate(
    da: xr.DataArray,
    *,
    fps: float = 12,
    every: int = 1,
    most: int = 1000,
    classes: Sequence[float] | None = None,
    cmap: str | Colormap | None = None,
    borders: bool = True,
    radars: bool = True,
    towns: bool = True,
    extent: Any = None,
    areas: Any = None,
    vmin: float | None = None,
    vmax: float | None = None,
    norm: Normalize | None = None,
    graticule: bool = False,
    timezone: str | None = None,
    title: str | None = None,
    dpi: float = 100,
    progress: bool | Reporter = True,
    lang: str | None = None,  # noqa: ARG001 - read by `speaks`
) -> Film:
    """Make a film of fields: the maps of `plot` in the order of time.

    The fields are read and drawn one at a time, when the film is shown or saved: memory does not grow with its
    length. Steps that are missing in the series are skipped; `open_dataset(..., fill_gaps=True)` inserts them as
    fields without data.

    Parameters
    ----------
    da : xarray.DataArray
        As `open_dataset` returns it. Dimensions `time`, `y` and `x`; of a forecast one run, which is drawn along
        its lead times, or one lead time of many runs.
    fps : float
        Fields per second, 50 at most.
    every : int
        Show every n-th field: 12 shows one per hour of a 5-minute product.
    most : int
        Largest number of fields; the error for a longer film estimates its time and size.
    classes, cmap, borders, radars, towns, extent, areas, vmin, vmax, norm, graticule, timezone
        As in `plot`; one scale for the whole film.
    title : str, optional
        Instead of the product. The time always stands below it.
    dpi : float
        Pixels per inch: 100 makes a film about 640 pixels wide.
    progress : bool or Reporter
        Task "film", in fields.
    lang : {"en", "de"}, optional
        Language of titles, labels and numbers, by default that of the environment variable `RADAR_NB_LANG`, else
        English.

    Returns
    -------
    Film
        A notebook shows it as a video if ffmpeg is installed, else as a GIF. `.save("rain.mp4")` writes it.

    Raises
    ------
    SettingsError
        Too many fields, or an invalid setting.
    SeriesError
        `da` is not a series of fields.

    Examples
    --------
    >>> import radar_nb as rn
    >>> ds = rn.open_dataset("YW2017.002_202006.tar")  # doctest: +SKIP
    >>> film = rn.animate(ds.YW.sel(time="2020-06-13"))  # doctest: +SKIP
    >>> film.save("rain.gif")  # doctest: +SKIP
    """
    if not 0 < fps <= _FASTEST:
        raise SettingsError(
            f"fps={fps!r} must be above 0 and at most {_FASTEST}: the number of fields shown per second"
        )
    if not _is_count(every):
        raise SettingsError(f"every={every!r} must be a whole number from 1 on: every n-th field is shown")
    if not 20 <= dpi <= 400:
        raise SettingsError(f"dpi={dpi!r} must be from 20 to 400: pixels per inch of a picture 6.4 inches wide")
    zone = None if timezone is None else find_zone(timezone)
    fields = part_within(several_fields(as_series(da), "time"), extent)[::every]
    count = len(fields)
    if count > most:
        raise _too_long(count, every=every, most=most, fps=fps)
    shown = extent if areas is None and is_shapes(extent) else areas
    with reporting(progress) as report:
        values = _watched(fields, report)
        look = Look.of(
            fields[0],
            values,
            classes=classes,
            cmap=cmap,
            vmin=vmin,
            vmax=vmax,
            norm=norm,
            borders=borders,
            radars=radars,
            towns=towns,
            graticule=graticule,
            areas=shown,
        )
    name = title or name_label(fields)
    return Film(
        fields=fields, look=look, fps=fps, dpi=dpi, title=name, progress=progress, zone=zone, say=current_texts()
    )


def _is_count(value: Any) -> bool:
    return isinstance(value, int | np.integer) and bool(value >= 1)


def _watched(fields: xr.DataArray, report: Reporter) -> Iterator[NDArray[Any]]:
    """Yield the values of each field, for a scale that suits all."""
    for done, shown in enumerate(fields, start=1):
        yield cells(shown)
        report(Progress(task="scan", done=done, total=len(fields), unit="fields"))


def _too_long(count: int, *, every: int, most: int, fps: float) -> SettingsError:
    sparse = every * -(-count // most)
    runs, takes, size = count / fps / 60, count * _SECONDS / 60, human_bytes(count * _BYTES)
    return SettingsError(
        f"a film of {count:,} fields would run {runs:.1f} min, take about {takes:.0f} min to make and {size} as a "
        f"GIF: the limit is {most:,} (most=). Use every={sparse}, which leaves "
        f"{-(-count * every // sparse):,}, or choose a part, such as da.isel(time=slice(0, {most}))"
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Film:
    """A film of fields, shown by a notebook or saved.

    Attributes
    ----------
    fields : xarray.DataArray
        Of dimensions (time, y, x), still lazy if it was.
    look : Look
    fps : float
        Fields per second.
    dpi : float
    title : str
    progress : bool or Reporter
    zone : ZoneInfo, optional
        Of the times in titles; UTC by default.
    say : Texts
        The language in which it is drawn.
    """

    fields: xr.DataArray
    look: Look = field(repr=False)
    fps: float
    dpi: float
    title: str
    progress: bool | Reporter
    zone: ZoneInfo | None = None
    say: Texts = field(default_factory=current_texts, repr=False)
    _shown: list[str] = field(default_factory=list, repr=False)  # what a notebook has shown

    def __len__(self) -> int:
        return len(self.fields)

    def __repr__(self) -> str:
        return f"<Film: {self.words}, {len(self)} fields in {len(self) / self.fps:.1f} s>"

    @property
    def words(self) -> str:
        """What is shown, and its first and last time."""
        ends = [name for name in ("period_end", "time") if name in self.fields.coords]
        if not ends:
            return self.title
        first, last = (
            self.say.moment(time, self.zone) for time in np.atleast_1d(self.fields[ends[0]].values)[[0, -1]]
        )
        return f"{self.title}, {self.say('plot.span', first=first, last=last)}"

    def save(self, path: str | Path) -> Path:
        """Draw the film into a file; a failed call leaves no file, or the old one.

        Parameters
        ----------
        path : path
            Ends in `.gif`, `.mp4` (needs ffmpeg) or `.html` (a page that contains the film).

        Returns
        -------
        pathlib.Path

        Raises
        ------
        SettingsError
            The suffix is unknown, or ffmpeg is missing for an MP4.
        StorageError
            The file cannot be written.

        Examples
        --------
        >>> film.save("rain.mp4")  # doctest: +SKIP
        """
        target = user_path(path)
        if target.suffix.lower() not in _KINDS:
            raise SettingsError(
                f"a film is saved as {', '.join(_KINDS)}, not as {target.name!r}: choose one of these suffixes"
            )
        kind = _best_kind() if target.suffix.lower() == ".html" else target.suffix.lower()
        if kind == ".mp4" and find_ffmpeg() is None:
            raise SettingsError(f"{target.name} needs ffmpeg, which was not found: install it, or save a .gif")
        with tempfile.TemporaryDirectory(prefix="radar_nb-") as folder:
            made = self._draw(Path(folder, f"film{kind}"))
            with replacing(target) as file, made.open("rb") as ready:
                if kind == target.suffix.lower():
                    shutil.copyfileobj(ready, file)
                else:
                    file.writelines(part.encode() for part in self._page(made))
        return target

    def _repr_html_(self) -> str:
        if not self._shown:
            with tempfile.TemporaryDirectory(prefix="radar_nb-") as folder:
                self._shown.append("".join(self._element(self._draw(Path(folder, f"film{_best_kind()}")))))
        return self._shown[0]

    def _page(self, made: Path) -> Iterator[str]:
        yield f'<!DOCTYPE html>\n<html lang="{self.say.language}">\n<head><meta charset="utf-8">'
        yield f"<title>{html.escape(self.words)}</title></head>\n<body>\n"
        yield from self._element(made)
        with speaking(self.say.language):
            source = credit(self.fields)
        yield f"\n<p>{html.escape(source)}</p>\n</body>\n</html>\n"

    def _element(self, made: Path) -> Iterator[str]:
        """Yield the film as HTML that needs no other file."""
        words = html.escape(f"Film: {self.words}", quote=True)
        style = 'style="max-width:100%;height:auto"'
        video = made.suffix == ".mp4"
        if video:
            yield f'<video controls loop autoplay muted playsinline {style} aria-label="{words}" '
        else:
            yield f'<img {style} alt="{words}" '
        yield f'src="data:{"video/mp4" if video else "image/gif"};base64,'
        with made.open("rb") as file:
            yield from (base64.b64encode(part).decode() for part in iter(partial(file.read, _CHUNK), b""))
        yield '"></video>' if video else '">'

    def _draw(self, path: Path) -> Path:
        """Draw field after field into a file; return its path."""
        with speaking(self.say.language):
            canvas = _Canvas(self)
            with storage_errors(path), self._opened(path, canvas.size) as add, reporting(self.progress) as report:
                for done, shown in enumerate(self.fields, start=1):
                    add(canvas.picture(shown))
                    report(Progress(task="film", done=done, total=len(self), unit="fields"))
        return path

    def _opened(self, path: Path, size: tuple[int, int]) -> AbstractContextManager[Any]:
        if path.suffix == ".mp4":
            return mp4(path, self.fps, size, find_ffmpeg() or "ffmpeg")
        scale = self.look.colours(np.linspace(0, 1, min(self.look.colours.N, 64)))
        kept = to_rgba_array([*scale, DRY, NO_DATA, INK, "white"])
        return gif(path, self.fps, np.round(255 * kept[:, :3]).astype(np.uint8))


def _best_kind() -> str:
    return ".mp4" if find_ffmpeg() else ".gif"


class _Canvas:
    """A map whose field and title are replaced; everything else is drawn once."""

    def __init__(self, film: Film) -> None:
        first = film.fields[0]
        frame = Frame.of(first)
        size, edges = figure_options(frame)
        # without pyplot, which would show the figure in a notebook and keep it
        figure = Figure(figsize=size, dpi=film.dpi, layout="constrained")
        self._canvas = cast("Any", FigureCanvasAgg(figure))
        self._ax: Any = figure.subplots(gridspec_kw=edges)
        nothing = np.full(first.shape, np.nan)
        drawn = draw_map(self._ax, nothing, frame, film.look, first.attrs.get("radars"))
        draw_key(self._ax, drawn.image, film.look, drawn.size)
        draw_legend(self._ax, film.look, drawn, dry=True, size=drawn.size)
        self._name, self._zone = film.title, film.zone
        self._image, self._shown = drawn.image, film.look.shown
        longest = max(
            film.fields, key=lambda shown: len(time_label(shown, film.zone))
        )  # leaves room for every title
        self._text = draw_words(
            self._ax, self._title(longest, nothing), sources(film.look, credit(first)), drawn.size
        )
        width, letters = self._ax.get_window_extent().width / film.dpi, float(self._text.get_fontsize())
        self._wrap = partial(wrapped, width=width, letters=letters)
        figure.draw_without_rendering()  # computes the layout, which then stays
        figure.set_layout_engine("none")
        self._ax.set_animated(True)
        self._canvas.draw()
        self._around = self._canvas.copy_from_bbox(figure.bbox)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows of a picture."""
        columns, rows = self._canvas.get_width_height()
        return columns, rows

    def picture(self, shown: xr.DataArray) -> Picture:
        """Return the picture of a field; the next one overwrites it."""
        values = cells(shown)
        self._image.set_data(self._shown(values))
        self._text.set_text(self._wrap(self._title(shown, values)))
        self._canvas.restore_region(self._around)
        self._ax.draw(self._canvas.get_renderer())
        return np.asarray(self._canvas.buffer_rgba())

    def _title(self, shown: xr.DataArray, values: NDArray[Any]) -> str:
        empty = "" if np.isfinite(values).any() else current_texts()("plot.no_data")
        words = [time_label(shown, self._zone), empty]
        return f"{self._name}\n{', '.join(filter(None, words))}"


_LOOK = 0.2
"""Seconds between two reports of progress."""


class _Stopped(Exception):
    """The caller has closed the generator."""


def filming(
    fields: xr.DataArray,
    path: Path,
    *,
    fps: float,
    classes: Sequence[float] | None,
    cmap: str | None,
    lang: str | None = None,
) -> Iterator[Progress | None]:
    """Draw fields into a file in a thread, and yield the progress regularly; None before it has begun.

    When the generator ends, the file is complete. A caller that closes it before stops the drawing. Arguments and
    errors are those of `animate` and `Film.save`.
    """
    stop = Event()
    latest: list[Progress] = []

    def report(progress: Progress) -> None:
        if stop.is_set():
            raise _Stopped
        latest[:] = [progress]

    def draw() -> None:
        animate(fields, fps=fps, classes=classes, cmap=cmap, progress=report, lang=lang).save(path)

    with ThreadPoolExecutor(1, "radar_nb-film") as pool:
        drawing = pool.submit(draw)
        try:
            while not wait([drawing], _LOOK).done:
                yield latest[0] if latest else None
        finally:
            stop.set()
        drawing.result()
