"""The explorer: plays radar fields in the notebook, with values, series, areas and totals."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets
import xarray as xr

from radar_nb.errors import RadarNbError, SettingsError
from radar_nb.geography.towns import place
from radar_nb.plots.animation import filming
from radar_nb.plots.encoders import find_ffmpeg
from radar_nb.plots.plotting import field_png
from radar_nb.reading.opening import open_dataset
from radar_nb.reading.sources import is_cube
from radar_nb.runtime.files import replacing, user_path
from radar_nb.runtime.language import load_texts, speaking
from radar_nb.widgets.explorer.frames import FrameSequence, select_variable
from radar_nb.widgets.explorer.gauges import gauge_info
from radar_nb.widgets.explorer.html_export import asset, make_page
from radar_nb.widgets.explorer.jobs import JobQueue
from radar_nb.widgets.explorer.map_info import PALETTES, map_info
from radar_nb.widgets.explorer.own_areas import read_areas
from radar_nb.widgets.explorer.rarity import levels_of_cells, period_of
from radar_nb.widgets.snippets import source_call
from radar_nb.widgets.stills import InSavedNotebooks
from radar_nb.widgets.wording import error_text

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

    from radar_nb.widgets.explorer.queries import Message, Steps

_MOST_CELLS = 1500
"""Cells of a row or column of the picture for pages without widgets; of larger fields it leaves some out."""

_PIECE = 1 << 20
"""Bytes of a file in one message."""


class Explorer(InSavedNotebooks, anywidget.AnyWidget):
    """Play radar fields and query them: values, series of cells and areas, totals.

    Fields travel to the browser on request, as compressed raw codes, and are coloured there. The kernel holds only
    a few at a time, so that a month plays as well as a day.

    Parameters
    ----------
    data : xarray.Dataset, xarray.DataArray, anything that `open_dataset` takes, or a cube's folder or address
        Of shape (time, y, x) or (y, x), from `open_dataset` or computed from its result; of forecasts one run,
        which plays along its lead times, or one lead time.
        Paths and `open_dataset(..., packed=True)` are fastest.
    variable : str, optional
        The variable of a Dataset; by default the first.
    lang : {"en", "de"}, optional
        By default the environment variable `RADAR_NB_LANG`, then `LANG`, then English.
    gauges : xarray.DataArray, optional
        Amounts of rain gauges to show on the map, of shape (point,) or (time, point), as `at_points` returns: with
        `lon` and `lat` in degrees, in the unit of the fields, at the end of their interval in UTC.
    levels : xarray.Dataset, optional
        As `return_levels` returns it for the cells of the fields. Under the pointer stands the return period of
        the amount, or of the sum of the time span, if the levels have its duration; "kostra" and "dgev" have all.

    Attributes
    ----------
    index : int
        Number of the field on the map, from 0. It follows the map when nothing plays, and can be set.
    span : tuple of int
        First and last field of the chosen time span; can be set.
    view_state : dict
        Unit, class limits, palette, places, part of the map and layers, as last chosen with the mouse or keys; a
        further display of the explorer and `save_html` begin with it.
    problem : str
        Why the data cannot be shown; empty if they can. The widget shows this text instead of the map.

    Raises
    ------
    SettingsError
        `lang` is unknown. Data that cannot be shown raise nothing: the widget says why.

    Examples
    --------
    >>> import radar_nb as rn
    >>> explorer = rn.Explorer("YW2017.002_202006.tar")  # doctest: +SKIP
    >>> explorer.field.max().values  # of the field on the map  # doctest: +SKIP
    """

    _esm = asset("explorer.bundle.js")
    _css = asset("explorer.css")
    index = traitlets.Int(0).tag(sync=True)
    span = traitlets.Tuple(traitlets.Int(), traitlets.Int(), default_value=(0, 0)).tag(sync=True)
    view_state = traitlets.Dict().tag(sync=True)
    texts = traitlets.Dict().tag(sync=True)
    _queue: JobQueue | None = None
    _levels: xr.Dataset | None = None
    _edition = 0

    def __init__(
        self,
        data: Any,
        variable: str | None = None,
        *,
        lang: str | None = None,
        gauges: Any = None,
        levels: xr.Dataset | None = None,
    ) -> None:
        self._texts = texts = load_texts(lang)
        self._lang = texts.language
        self.problem = ""
        self._info: dict[str, Any] = {}
        super().__init__(texts=texts.group("explorer"))
        self.add_class("radar-nb-explorer")
        self.on_msg(self._receive)
        if data is None:  # see `waiting`
            self.problem = texts("app.later")
            return
        try:
            self._open(data, variable)
            if gauges is not None:
                self.tell(gauges=gauge_info(gauges, self.frames))
            if levels is not None:
                self._levels = levels_of_cells(levels, self.frames)
                self.tell(levels=True)
        except RadarNbError as error:
            self.problem = error_text(error, self._texts)

    @classmethod
    def waiting(cls, lang: str | None = None) -> Explorer:
        """Return an explorer without data, for `renew`: marimo starts widgets only while a cell runs."""
        return cls(None, lang=lang)

    def _open(self, data: Any, variable: str | None) -> None:
        ours = isinstance(data, xr.Dataset | xr.DataArray)
        ds = data if ours else _open_packed(data, variable)
        self.frames = FrameSequence(select_variable(ds, variable if ours else None))
        with speaking(self._lang):
            self._info = map_info(self.frames, self._texts) | {"source": source_call(data)}
        self._page_source = source_call(data, names_only=True)
        least = self._info["units"][0]["limits"][1 if self.frames.class_names else 0]  # the first class is dry
        self._least = float(least)
        self._info["edition"] = self._edition
        self._queue = JobQueue(self.frames, partial(self._post, self._edition), least=self._least, say=self._texts)
        self.span = (0, len(self.frames) - 1)
        start = self.frames.fields(0, min(self.frames.batch, len(self.frames)))
        self.index = next((number for number, field in enumerate(start) if field.count), 0)

    def __repr__(self) -> str:
        # shown in a notebook that was not run yet
        text = self.problem or f"{self._info['title']}, {len(self.frames):,} fields (run the cell to play them)"
        return f"Explorer: {text}"

    def _still(self) -> bytes | None:
        """Return a picture of the field, PNG; None without a field. Saved notebooks show it."""
        if self.problem:
            return None
        field = self.field
        steps = {name: slice(None, None, -(-field.sizes[name] // _MOST_CELLS)) for name in ("y", "x")}
        return field_png(field.isel(steps), lang=self._lang)

    @traitlets.validate("index", "span")
    def _within_the_data(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        last = 0 if self._queue is None else len(self.frames) - 1
        numbers = [value] if name == "index" else list(value)
        if self._queue is not None and not 0 <= numbers[0] <= numbers[-1] <= last:
            raise SettingsError(f"{name}={value!r} is out of range: the fields are numbered from 0 to {last}")
        return value

    @property
    def field(self) -> xr.DataArray:
        """The field on the map, with values in its unit; lazy.

        Raises
        ------
        SettingsError
            The explorer shows no field.
        """
        data = _decoded(self._shown().data)
        return data.isel({self.frames.along: self.index}) if self.frames.along else data

    def save_html(self, path: str | os.PathLike[str], *, first: int = 0, last: int | None = None) -> Path:
        """Write the explorer as it is seen now: one HTML file that works without a kernel and without a network.

        Parameters
        ----------
        path : path
        first, last : int
            Numbers of the first and the last field to write, from 0; by default all. A YW field takes some 50 kB.

        Raises
        ------
        SettingsError
            The explorer shows no field, `first` and `last` name none, or the file would be too large for browsers.
        StorageError
            The file cannot be written.
        """
        count = len(self._shown())
        last = count - 1 if last is None else last
        if not 0 <= first <= last < count:
            raise SettingsError(
                f"first={first}, last={last} is not a span of fields: they are numbered from 0 to {count - 1}, "
                "and first must not exceed last"
            )
        target = user_path(path)
        with replacing(target) as part:
            part.writelines(text.encode() for text in self._pieces(first, last))
        return target

    def renew(self, data: Any, **info: Any) -> None:
        """Show other data of the same kind in the place of those shown; views keep their place, marks and field.

        Parameters
        ----------
        data : xarray.DataArray
        **info
            Facts for the browser beside those of the data: `boundary`, the number of the last field before the
            forecast; `timezone`, in which times are shown; `state`, the first view; `autoplay`.
        """
        if self._queue:
            self._queue.close()
        self._edition, index = self._edition + 1, self.index
        try:
            self._queue = None
            self._open(data, None)
            self.index = min(index, len(self.frames) - 1)
            self.tell(**info)
            self.problem = ""
        except RadarNbError as error:
            self.problem = error_text(error, self._texts)
        self.send({"type": "info", "problem": self.problem, "info": self._info})

    def tell(self, **info: Any) -> None:
        """Add facts for the browser: see `renew`. Views that are open already do not see them."""
        self._info |= info

    def close(self) -> None:
        """Remove the explorer from the notebook and stop its work."""
        if self._queue:
            self._queue.close()
        super().close()

    def _shown(self) -> FrameSequence:
        if self.problem:
            raise SettingsError(f"the explorer shows no field: {self.problem}")
        return self.frames

    def _post(self, edition: int, message: dict[str, Any], buffers: list[bytes]) -> None:
        if edition == self._edition:
            self.send(message | {"edition": edition}, buffers)

    def _receive(self, _: Any, question: Mapping[str, Any], buffers: list[Any]) -> None:
        """Answer a browser; nothing is raised into the kernel's log."""
        view = str(question.get("view", ""))
        if question.get("type") == "hello":
            self.send({"type": "info", "view": view, "problem": self.problem, "info": self._info})
        if self._queue is None:
            return
        try:
            match question["type"]:
                case "page":
                    self._queue.add(view, "page", self._page(question))
                case "animation":
                    self._queue.add(view, "animation", self._animation(question))
                case "period" if self._levels is not None:
                    self._queue.add(view, "period", period_of(self._levels, self.frames, question))
                case "areas":
                    areas = read_areas(self.frames, str(question["name"]), bytes(buffers[0]))
                    self._queue.add(view, "areas", areas)
                case "town":
                    self.send({"type": "town", "view": view} | _town(question["name"]))
                case _:
                    self._queue.ask(question)
        except (IndexError, KeyError, TypeError, ValueError) as error:  # a page of another version
            self._post(
                self._edition, {"type": "problem", "view": view, "text": error_text(error, self._texts)}, []
            )

    def _pieces(self, first: int, last: int, state: Mapping[str, Any] | None = None) -> Iterator[str]:
        if state is None:
            state = self.view_state | {"index": min(max(self.index - first, 0), last - first)}
        info = self._info | {"source": self._page_source, "state": dict(state), "edition": 0, "autoplay": False}
        info.pop("levels", None)  # a page has no kernel that knows them
        if "boundary" in info:
            info["boundary"] -= first
        return make_page(self._shown(), info, (first, last), self._lang, least=self._least)

    def _page(self, question: Mapping[str, Any]) -> Steps:
        first, last = question["span"]
        for done, piece in enumerate(self._pieces(first, last, question.get("state"))):
            yield _part("page", piece.encode())
            yield {"type": "progress", "id": "page", "done": done, "count": last - first + 1}, []
        yield self._file("page", "html", "text/html")

    def _animation(self, question: Mapping[str, Any]) -> Steps:
        first, last = question["span"]
        fields = _decoded(self.frames.data).isel({self.frames.along: slice(first, last + 1)})
        ending, mime = ("mp4", "video/mp4") if find_ffmpeg() else ("gif", "image/gif")
        cmap = question.get("palette", PALETTES[0])
        look = {"classes": question.get("limits"), "cmap": None if cmap == PALETTES[0] else cmap}
        with tempfile.TemporaryDirectory(prefix="radar_nb-") as folder:
            path = Path(folder, f"animation.{ending}")
            for progress in filming(fields, path, fps=float(question["fps"]), lang=self._lang, **look):
                yield None
                if progress:
                    count = {"done": progress.done, "count": progress.total}
                    yield {"type": "progress", "id": "animation", **count}, []
            with path.open("rb") as file:
                for piece in iter(partial(file.read, _PIECE), b""):
                    yield _part("animation", piece)
        yield self._file("animation", ending, mime)

    def _file(self, job: str, ending: str, mime: str) -> Message:
        """Return the message that all pieces of a file are sent."""
        return {"type": "file", "id": job, "name": f"{self._info['name'] or 'radar'}.{ending}", "mime": mime}, []


def _town(name: str) -> dict[str, Any]:
    """Return a town's name and position; only the name if it is not that of one known town."""
    try:
        found = place(name)
    except SettingsError:
        return {"name": name}
    return {"name": found.name, "lon": found.lon, "lat": found.lat}


def _open_packed(source: Any, variable: str | None) -> xr.Dataset:
    """Open a source as raw codes; as values if the codes of its frames mean different values."""
    if is_cube(source):
        from radar_nb.cube.opening import open_cube  # noqa: PLC0415 - load zarr for cubes only

        return open_cube(source, packed=True, chunks=None)
    try:
        return open_dataset(source, variables=variable, packed=True, chunks=None)
    except RadarNbError as error:
        if "packed=True" not in str(error):
            raise
        return open_dataset(source, variables=variable, chunks=None)


def _decoded(data: xr.DataArray) -> xr.DataArray:
    """Return the values of raw integers; other data unchanged."""
    name = "field" if data.name is None else data.name
    return xr.decode_cf(data.to_dataset(name=name), decode_times=False, decode_coords=False)[name]


def _part(job: str, content: bytes) -> Message:
    """Return a piece of a file; only the browser holds all of it."""
    return {"type": "part", "id": job}, [content]
