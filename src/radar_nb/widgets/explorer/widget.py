"""The explorer: a player of radar fields for the notebook, with values, series, areas and totals."""

from __future__ import annotations

import os
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets
import xarray as xr

from radar_nb.errors import RadarNbError, SettingsError
from radar_nb.plots.animation import filming
from radar_nb.plots.encoders import find_ffmpeg
from radar_nb.reading.opening import open_dataset
from radar_nb.reading.sources import is_cube
from radar_nb.runtime.files import replacing
from radar_nb.widgets.explorer.frames import Reel, choose
from radar_nb.widgets.explorer.html_export import make_page, script, style
from radar_nb.widgets.explorer.jobs import Screening, in_words
from radar_nb.widgets.explorer.scene import PALETTES, scene
from radar_nb.widgets.wording import load_texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from radar_nb.widgets.explorer.queries import Answer, Job

_PIECE = 1 << 20
"""Bytes of a file in one message."""


class Explorer(anywidget.AnyWidget):
    """Play radar fields as a film, and ask them: values, series of cells and areas, totals.

    Fields travel to the browser when they are asked for, as compressed raw codes, and are coloured there; the
    kernel holds no more than a few at a time, so that a month can be played as a day can.

    Parameters
    ----------
    data : xarray.Dataset, xarray.DataArray, what `open_dataset` takes, or the folder of a cube
        Of shape (time, y, x), (lead_time, y, x) or (y, x), as `open_dataset` gives it, or calculated from it.
        Fastest are sources and `open_dataset(..., packed=True)`.
    variable : str, optional
        Which one of a Dataset; the first by default.
    lang : {"en", "de"}, optional
        Then the environment's `RADAR_NB_LANG`, then `LANG`, then English.

    Attributes
    ----------
    index : int
        Number of the field that is shown, from 0; follows the film when it stands, and can be set.
    span : tuple of int
        First and last field of the chosen span; can be set.
    problem : str
        Why there is nothing to be seen; empty if there is. The widget shows it instead of the map.

    Raises
    ------
    SettingsError
        `lang` is none. Data that cannot be shown raise nothing: the widget says why.

    Examples
    --------
    >>> import radar_nb as rn
    >>> explorer = rn.Explorer("YW2017.002_202006.tar")  # doctest: +SKIP
    >>> explorer.field.max().values  # of the field on the map  # doctest: +SKIP
    """

    _esm = script()
    _css = style()
    index = traitlets.Int(0).tag(sync=True)
    span = traitlets.Tuple(traitlets.Int(), traitlets.Int(), default_value=(0, 0)).tag(sync=True)
    texts = traitlets.Dict().tag(sync=True)
    _screening: Screening | None = None

    def __init__(self, data: Any, variable: str | None = None, *, lang: str | None = None) -> None:
        texts = load_texts(lang)
        self._lang = texts.language
        self.problem = ""
        self._scene: dict[str, Any] = {}
        super().__init__(texts=texts.group("explorer"))
        self.add_class("radar-nb-explorer")
        self.on_msg(self._heard)
        try:
            self._open(data, variable)
        except RadarNbError as error:
            self.problem = str(error)

    def _open(self, data: Any, variable: str | None) -> None:
        ours = isinstance(data, xr.Dataset | xr.DataArray)
        ds = data if ours else _open_packed(data, variable)
        self.reel = Reel(choose(ds, variable if ours else None))
        self._scene = scene(self.reel)
        # what the code that is copied opens; objects have no spelling
        named = isinstance(data, str | os.PathLike)
        self._scene["source"] = (
            f"{'open_cube' if is_cube(data) else 'open_dataset'}({str(data)!r})" if named else None
        )
        self._least = float(self._scene["units"][0]["limits"][0])
        self._screening = Screening(self.reel, self._tell, least=self._least)
        self.span = (0, len(self.reel) - 1)

    def __repr__(self) -> str:
        # what a notebook shows that was not run here yet
        told = self.problem or f"{self._scene['title']}, {len(self.reel):,} fields (run the cell to play them)"
        return f"Explorer: {told}"

    @traitlets.validate("index", "span")
    def _on_the_reel(self, proposal: Any) -> Any:
        """Refuse fields that are not there."""
        name, value = proposal["trait"].name, proposal["value"]
        last = 0 if self._screening is None else len(self.reel) - 1
        places = [value] if name == "index" else list(value)
        if self._screening is not None and not 0 <= places[0] <= places[-1] <= last:
            raise SettingsError(f"{name}={value!r} is not on this film: its fields are numbered from 0 to {last}")
        return value

    @property
    def field(self) -> xr.DataArray:
        """The field that is shown, with values in its unit; lazy.

        Raises
        ------
        SettingsError
            There is none.
        """
        data = _decoded(self._reel().data)
        return data.isel({self.reel.along: self.index}) if self.reel.along else data

    def save_html(self, path: str | os.PathLike[str], *, first: int = 0, last: int | None = None) -> Path:
        """Write the explorer as one HTML file that works without a kernel and without a network.

        Parameters
        ----------
        path : path
        first, last : int
            The fields from first to last are written into it, some 50 kB each for YW; by default all.

        Raises
        ------
        SettingsError
            There is nothing to be seen, or the file would be larger than browsers like.
        StorageError
            The file cannot be written.
        """
        reel = self._reel()
        span = max(0, first), len(reel) - 1 if last is None else min(last, len(reel) - 1)
        with replacing(Path(path)) as part:
            part.writelines(text.encode() for text in self._pieces(*span))
        return Path(path)

    def close(self) -> None:
        """Take the explorer from the notebook, and stop what it is doing."""
        if self._screening:
            self._screening.close()
        super().close()

    def _reel(self) -> Reel:
        if self.problem:
            raise SettingsError(f"the explorer shows no field: {self.problem}")
        return self.reel

    def _tell(self, answer: dict[str, Any], buffers: list[bytes]) -> None:
        self.send(answer, buffers)

    def _heard(self, _: Any, question: Mapping[str, Any], __: list[Any]) -> None:
        """Answer what a browser asks; nothing is raised into the kernel's log."""
        view = str(question.get("view", ""))
        if question.get("type") == "hello":
            self.send({"type": "film", "view": view, "problem": self.problem, "scene": self._scene})
        if self._screening is None:
            return
        try:
            match question["type"]:
                case "page":
                    self._screening.add(view, "page", self._page(*question["span"]))
                case "movie":
                    self._screening.add(view, "movie", self._movie(question))
                case _:
                    self._screening.ask(question)
        except (KeyError, TypeError, ValueError) as error:  # a page of another version
            self.send({"type": "problem", "view": view, "text": in_words(error)})

    def _pieces(self, first: int, last: int) -> Iterator[str]:
        return make_page(self._reel(), self._scene, (first, last), self._lang, least=self._least)

    def _page(self, first: int, last: int) -> Job:
        for done, piece in enumerate(self._pieces(first, last)):
            yield _part("page", piece.encode())
            yield {"type": "progress", "id": "page", "done": done, "count": last - first + 1}, []
        yield self._file("page", "html", "text/html")

    def _movie(self, question: Mapping[str, Any]) -> Job:
        first, last = question["span"]
        fields = _decoded(self.reel.data).isel({self.reel.along: slice(first, last + 1)})
        ending, mime = ("mp4", "video/mp4") if find_ffmpeg() else ("gif", "image/gif")
        cmap = question.get("palette", PALETTES[0])
        look = {"classes": question.get("limits"), "cmap": None if cmap == PALETTES[0] else cmap}
        with tempfile.TemporaryDirectory(prefix="radar_nb-") as folder:
            path = Path(folder, f"film.{ending}")
            for told in filming(fields, path, fps=float(question["fps"]), **look):
                yield None
                if told:
                    yield {"type": "progress", "id": "movie", "done": told.done, "count": told.total}, []
            with path.open("rb") as film:
                for piece in iter(partial(film.read, _PIECE), b""):
                    yield _part("movie", piece)
        yield self._file("movie", ending, mime)

    def _file(self, job: str, ending: str, mime: str) -> Answer:
        """Tell that all pieces of a file are there."""
        return {"type": "file", "id": job, "name": f"{self._scene['name'] or 'radar'}.{ending}", "mime": mime}, []


def _open_packed(source: Any, variable: str | None) -> xr.Dataset:
    """Open a source as raw codes, or as values where its frames stand for values in different ways."""
    if is_cube(source):
        from radar_nb.cube.opening import open_cube  # noqa: PLC0415 - zarr is loaded where there is a cube

        return open_cube(source, packed=True, chunks=None)
    try:
        return open_dataset(source, variables=variable, packed=True, chunks=None)
    except RadarNbError as error:
        if "packed=True" not in str(error):
            raise
        return open_dataset(source, variables=variable, chunks=None)


def _decoded(data: xr.DataArray) -> xr.DataArray:
    """Give values of raw integers; others as they are."""
    name = "field" if data.name is None else data.name
    return xr.decode_cf(data.to_dataset(name=name), decode_times=False, decode_coords=False)[name]


def _part(job: str, content: bytes) -> Answer:
    """Give a piece of a file, which is held whole by the browser alone."""
    return {"type": "part", "id": job}, [content]
