"""Films of radar fields: the maps of `radar_nb.plot`, one after the other."""

from __future__ import annotations

import base64
import html
import shutil
import tempfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba_array
from matplotlib.figure import Figure

from radar_nb.errors import SettingsError
from radar_nb.plots.basemap import Frame
from radar_nb.plots.captions import credit_of, name_of, time_of
from radar_nb.plots.encoders import find_ffmpeg, gif, mp4
from radar_nb.plots.maps import Look, draw_key, draw_legend, draw_map, draw_words, figure_options, wrapped
from radar_nb.plots.palettes import DRY, INK, NO_DATA
from radar_nb.plots.selection import cells, several_fields
from radar_nb.runtime.files import replacing, storage_errors
from radar_nb.runtime.progress import Progress, reporting
from radar_nb.runtime.wording import human_bytes, human_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    import xarray as xr
    from matplotlib.colors import Colormap
    from numpy.typing import NDArray

    from radar_nb.plots.encoders import Picture
    from radar_nb.runtime.progress import Reporter

_KINDS = (".mp4", ".gif", ".html")
_FASTEST = 50  # pictures a second: see `radar_nb.plots.encoders.gif`
_SECONDS, _BYTES = 0.12, 35_000  # to draw a field, and for it in a GIF: measured with a rainy day of YW
_CHUNK = 3 << 16  # bytes; of a multiple of three base64 makes letters without a filler


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
    title: str | None = None,
    dpi: float = 100,
    progress: bool | Reporter = True,
) -> Film:
    """Make a film of fields: the map of `plot`, its time running.

    The fields are read and drawn one at a time, when the film is shown or saved: memory does not grow with its
    length. Steps that the series does not have are skipped; `open_dataset(..., fill_gaps=True)` gives them as
    fields without data.

    Parameters
    ----------
    da : xarray.DataArray
        As `open_dataset` gives it. Dimensions `time`, `y` and `x`; of a single forecast `lead_time`, `y` and `x`.
    fps : float
        Fields a second, 50 at most.
    every : int
        Every how many-th field is shown: 12 is one an hour of a 5-minute product.
    most : int
        A film of more fields is refused, with the time and the size that it would take.
    classes, cmap, borders, radars
        As in `plot`; one scale for the whole film.
    title : str, optional
        Instead of the product. The time stands below it in any case.
    dpi : float
        Pixels an inch: 100 makes a film some 640 pixels wide.
    progress : bool or Reporter
        Task "film", in fields.

    Returns
    -------
    Film
        A notebook shows it: as a video where ffmpeg is installed, else as a GIF. `.save("rain.mp4")` writes it.

    Raises
    ------
    SettingsError
        Too many fields, or a setting that cannot be.
    SeriesError
        `da` is no series of fields.

    Examples
    --------
    >>> import radar_nb as rn
    >>> ds = rn.open_dataset("YW2017.002_202006.tar")  # doctest: +SKIP
    >>> film = rn.animate(ds.YW.sel(time="2020-06-13"))  # doctest: +SKIP
    >>> film.save("rain.gif")  # doctest: +SKIP
    """
    if not 0 < fps <= _FASTEST:
        raise SettingsError(
            f"fps={fps!r} must be above 0 and at most {_FASTEST}: so many fields are shown a second"
        )
    if not _is_count(every):
        raise SettingsError(f"every={every!r} must be 1 or more: every how many-th field is shown")
    if not 20 <= dpi <= 400:
        raise SettingsError(f"dpi={dpi!r} must be from 20 to 400: pixels an inch of a picture 6.4 inches wide")
    forecast = getattr(da, "sizes", {}).get("time", 1) == 1 and "lead_time" in getattr(da, "dims", ())
    along = "lead_time" if forecast else "time"
    fields = several_fields(da, along)[::every]
    count = len(fields)
    if count > most:
        raise _too_long(count, along, every=every, most=most, fps=fps)
    with reporting(progress) as report:
        values = _watched(fields, report)
        look = Look.of(fields[0], values, classes=classes, cmap=cmap, borders=borders, radars=radars)
    return Film(fields=fields, look=look, fps=fps, dpi=dpi, title=title or name_of(fields), progress=progress)


def _is_count(value: Any) -> bool:
    return isinstance(value, int | np.integer) and bool(value >= 1)


def _watched(fields: xr.DataArray, report: Reporter) -> Iterator[NDArray[Any]]:
    """Give the values of field after field, for a scale that suits them all."""
    for done, shown in enumerate(fields, start=1):
        yield cells(shown)
        report(Progress(task="look through", done=done, total=len(fields), unit="fields"))


def _too_long(count: int, along: str, *, every: int, most: int, fps: float) -> SettingsError:
    sparse = every * -(-count // most)
    runs, takes, size = count / fps / 60, count * _SECONDS / 60, human_bytes(count * _BYTES)
    return SettingsError(
        f"a film of {count:,} fields would run {runs:.1f} min, take about {takes:.0f} min to make and {size} as a "
        f"GIF: at most {most:,} are made (most=). Take every={sparse}, which leaves "
        f"{-(-count * every // sparse):,}, or a part, such as da.isel({along}=slice(0, {most}))"
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Film:
    """Fields that run: shown by a notebook, or saved.

    Attributes
    ----------
    fields : xarray.DataArray
        Of dimensions (time, y, x) or (lead_time, y, x), as lazy as it was.
    look : Look
    fps : float
        Fields a second.
    dpi : float
    title : str
    progress : bool or Reporter
    """

    fields: xr.DataArray
    look: Look = field(repr=False)
    fps: float
    dpi: float
    title: str
    progress: bool | Reporter
    _shown: list[str] = field(default_factory=list, repr=False)  # what a notebook has shown, to show it again

    def __len__(self) -> int:
        return len(self.fields)

    def __repr__(self) -> str:
        return f"<Film: {self.words}, {len(self)} fields in {len(self) / self.fps:.1f} s>"

    @property
    def words(self) -> str:
        """What is shown, from when to when."""
        name = "prediction_time" if "prediction_time" in self.fields.coords else "time"
        if name not in self.fields.coords:
            return self.title
        first, last = (human_time(time) for time in np.atleast_1d(self.fields[name].values)[[0, -1]])
        return f"{self.title}, {first} to {last}"

    def save(self, path: str | Path) -> Path:
        """Draw the film into a file, which is there whole or not at all.

        Parameters
        ----------
        path : path
            Ends in `.gif`, in `.mp4` (which needs ffmpeg), or in `.html`: a page that holds the film itself.

        Returns
        -------
        pathlib.Path

        Raises
        ------
        SettingsError
            Another ending, or there is no ffmpeg for an MP4.
        StorageError
            The disk refused.

        Examples
        --------
        >>> film.save("rain.mp4")  # doctest: +SKIP
        """
        target = Path(path)
        if target.suffix.lower() not in _KINDS:
            raise SettingsError(
                f"a film is saved as {', '.join(_KINDS)}, not as {target.name!r}: give such an ending"
            )
        kind = _best_kind() if target.suffix.lower() == ".html" else target.suffix.lower()
        if kind == ".mp4" and find_ffmpeg() is None:
            raise SettingsError(f"{target.name} needs ffmpeg, which is not found: install it, or save a .gif")
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
        yield '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">'
        yield f"<title>{html.escape(self.words)}</title></head>\n<body>\n"
        yield from self._element(made)
        yield f"\n<p>{html.escape(credit_of(self.fields))}</p>\n</body>\n</html>\n"

    def _element(self, made: Path) -> Iterator[str]:
        """Give the film as a piece of HTML that needs nothing else."""
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
        """Draw field after field into a file, and give it back."""
        scene = _Scene(self)
        with storage_errors(path), self._opened(path, scene.size) as add, reporting(self.progress) as report:
            for done, shown in enumerate(self.fields, start=1):
                add(scene.picture(shown))
                report(Progress(task="film", done=done, total=len(self), unit="fields"))
        return path

    def _opened(self, path: Path, size: tuple[int, int]) -> AbstractContextManager[Any]:
        if path.suffix == ".mp4":
            return mp4(path, self.fps, size, find_ffmpeg() or "ffmpeg")
        kept = to_rgba_array([*self.look.colours(range(len(self.look.limits))), DRY, NO_DATA, INK, "white"])
        return gif(path, self.fps, np.round(255 * kept[:, :3]).astype(np.uint8))


def _best_kind() -> str:
    return ".mp4" if find_ffmpeg() else ".gif"


class _Scene:
    """A map whose field and time change while all around it stays."""

    def __init__(self, film: Film) -> None:
        first = film.fields[0]
        frame = Frame.of(first)
        size, edges = figure_options(frame)
        # without pyplot, which would show the figure in a notebook, and keep it
        figure = Figure(figsize=size, dpi=film.dpi, layout="constrained")
        self._canvas = cast("Any", FigureCanvasAgg(figure))
        self._ax: Any = figure.subplots(gridspec_kw=edges)
        nothing = np.full(first.shape, np.nan)
        drawn = draw_map(self._ax, nothing, frame, film.look, first.attrs.get("radars"))
        draw_key(self._ax, drawn.image, film.look, drawn.size)
        draw_legend(self._ax, film.look, dry=True, unknown=drawn.unknown, size=drawn.size)
        self._head = film.title
        self._image = drawn.image
        self._words = draw_words(self._ax, self._title(first, nothing), credit_of(first), drawn.size)
        width, letters = self._ax.get_window_extent().width / film.dpi, float(self._words.get_fontsize())
        self._wrap = partial(wrapped, width=width, letters=letters)
        self._canvas.draw()  # puts everything in its place, where it stays
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
        """Give the picture of a field; the next one overwrites it."""
        values = cells(shown)
        self._image.set_data(values)
        self._words.set_text(self._wrap(self._title(shown, values)))
        self._canvas.restore_region(self._around)
        self._ax.draw(self._canvas.get_renderer())
        return np.asarray(self._canvas.buffer_rgba())

    def _title(self, shown: xr.DataArray, values: NDArray[Any]) -> str:
        told = [time_of(shown), "" if np.isfinite(values).any() else "no data"]
        return f"{self._head}\n{', '.join(filter(None, told))}"
