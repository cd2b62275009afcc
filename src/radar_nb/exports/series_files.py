"""Rain series as files of a model: all checks and all lines first, then the files, each complete or not at all."""

from __future__ import annotations

import io
import re
import tempfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Literal, Self

import numpy as np

from radar_nb.errors import SeriesError, SettingsError
from radar_nb.exports.dfs0 import DFS0
from radar_nb.exports.hystem import HYSTEM_EXTRAN
from radar_nb.exports.infoworks import INFOWORKS
from radar_nb.exports.rain import rain_of
from radar_nb.exports.series_format import Station
from radar_nb.exports.smusi import SMUSI
from radar_nb.exports.swmm import SWMM, SWMM_TIMESERIES
from radar_nb.exports.uvf import UVF
from radar_nb.exports.zrxp import ZRXP
from radar_nb.runtime.files import replacing, replacing_path, storage_errors
from radar_nb.runtime.locks import claimed
from radar_nb.runtime.wording import human_interval, human_time

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from radar_nb.exports.rain import Edge, Rain
    from radar_nb.exports.series_format import SeriesFormat

Gaps = Literal["error", "zero"]

_ALL = (SWMM, SWMM_TIMESERIES, HYSTEM_EXTRAN, SMUSI, UVF, ZRXP, INFOWORKS, DFS0)
FORMATS: dict[str, SeriesFormat] = {form.name: form for form in _ALL}
"""Formats of rain series by the name that `format=` takes."""

_NO_FILE = re.compile(r'[<>:"/\\|?*\x00-\x1f]|^\.|[. ]$')
_KEPT = 1 << 26  # bytes of lines that are kept in memory before they go to a temporary file
_PIECE = 1 << 22  # bytes that are copied at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was written.

    Attributes
    ----------
    form : SeriesFormat
    rain : Rain
    gaps : int
        Intervals without a value, over all stations.
    zero : bool
        Whether they were written as 0 mm.
    change : float
        The largest change of a station's total by rounding, as a share of it.
    totals : dict of str to float
        What was written for each station, mm.
    """

    form: SeriesFormat
    rain: Rain
    gaps: int
    zero: bool
    change: float
    totals: dict[str, float]

    @property
    def sentence(self) -> str:
        """One sentence: stations, span, interval, zone, label, gaps."""
        rain, stations = self.rain, len(self.rain.names)
        edges = rain.begin + rain.before * rain.step, rain.end - rain.after * rain.step
        first, last = (str(moment + rain.zone.offset)[:16].replace("T", " ") for moment in edges)
        return (
            f"{stations} {'station' if stations == 1 else 'stations'}, {first} to {last} {rain.zone.name}, "
            f"mm in {human_interval(rain.minutes)}, times are the {rain.label} of the interval, {self._gaps()}"
        )

    def _gaps(self) -> str:
        if not self.gaps:
            return "no gaps"
        if self.zero:
            return f"{self.gaps} missing intervals written as 0 mm"
        code = self.form.missing or 0
        return f"{self.gaps} missing intervals written as {code / 10**self.form.decimals:g}"


def write_series(
    data: Any, target: Path, form: SeriesFormat, *, tz: str | None, label: Edge | None, gaps: Gaps | None
) -> Written:
    """Write series of rain to a file, or to one for each station: see `radar_nb.export`."""
    if gaps not in {None, "error", "zero"}:
        raise SettingsError(f'unknown gaps={gaps!r}: choose gaps="error" or gaps="zero"')
    zone, edge = form.check_choices(tz, label)
    rain = rain_of(data, zone=zone, label=edge)
    form.check(rain)
    paths = _paths(target, form, rain)
    rain = rain.in_lines(per_line := form.per_line(rain.minutes))
    if form.missing is None and gaps != "zero" and (rain.before or rain.after):
        raise SeriesError(
            f"a line of {form.title} holds {human_interval(per_line * rain.minutes)} from full hours on, and has "
            "no code "
            'for missing: choose full hours with .sel(time=...), or fill the lines with gaps="zero"'
        )
    with storage_errors(target), _Lines(target) as lines:
        written = _fill(lines, rain, form, gaps)
        for path in dict.fromkeys(paths.values()):
            if form.binary is not None:
                _write_binary(path, rain, form, lines)
                continue
            with replacing(path) as file:
                for name in [""] if form.wide else [name for name in rain.names if paths[name] == path]:
                    file.write(form.head(rain, name, written.totals.get(name, 0.0)))
                    lines.copy(name, file)
                    file.write(form.tail)
    files = {name: path.name for name, path in paths.items()}
    with replacing(_beside(target)) as file:
        file.write(_companion(written, files).encode())
    return written


def _write_binary(path: Path, rain: Rain, form: SeriesFormat, lines: _Lines) -> None:
    """Write a file of other than text beside its place, and move it there."""
    units = np.frombuffer(lines.whole(""), np.int64).reshape(-1, len(rain.names))
    amounts = np.where(units == form.missing, np.nan, units / 10**form.decimals)
    with claimed(path), replacing_path(path, suffix=path.suffix) as temporary:
        form.binary(rain, amounts, temporary)  # type: ignore[misc] # the caller has looked


def _beside(target: Path) -> Path:
    """Return the path of the text beside the files, which states what they cannot."""
    return target.with_name(target.name.replace("{name}", "all") + ".txt")


def _companion(written: Written, files: dict[str, str]) -> str:
    rain, form = written.rain, written.form
    names = ", ".join(dict.fromkeys(files.values()))
    first = rain.begin + rain.before * rain.step
    lines = [
        f"{names}: {form.title}",
        rain.title,
        written.sentence,
        f"first interval {human_time(first)} to {human_time(first + rain.step)}",
        f"rounded to {10.0**-form.decimals:g} mm; this changes no total by more than {100 * written.change:.2g} %",
        "Data: Deutscher Wetterdienst (DWD), CC BY 4.0; made with radar_nb",
    ]
    text = "".join(f";; {line}\n" for line in lines)
    return text if form.companion is None else f"{text}\n{form.companion(rain, files)}"


def _paths(target: Path, form: SeriesFormat, rain: Rain) -> dict[str, Path]:
    if "{name}" in target.name:
        if (bad := next((name for name in rain.names if _NO_FILE.search(name)), None)) is not None:
            raise SeriesError(
                f"the name {bad!r} cannot be part of a file's name: state another with .assign_coords(...)"
            )
        return {name: target.with_name(target.name.replace("{name}", name)) for name in rain.names}
    if form.single and len(rain.names) > 1:
        example = f"{target.stem}_{{name}}{target.suffix}"
        raise SettingsError(
            f"{form.title} holds one station, and there are {len(rain.names)}: write one file each, "
            f"export(series, {example!r}), or choose a station"
        )
    return dict.fromkeys(rain.names, target)


def _fill(lines: _Lines, rain: Rain, form: SeriesFormat, gaps: Gaps | None) -> Written:
    """Write the lines of all stations to a temporary file, block by block."""
    missing, before, after = (np.zeros(len(rain.names)) for _ in range(3))
    for block in rain.blocks(form.per_line(rain.minutes)):
        stamps = rain.stamps_of(block.first, len(block.values))
        units, gone = _units(block.values, rain, form, stamps)
        number = np.arange(block.first, block.first + len(stamps))
        added = (number < rain.before) | (number >= rain.steps - rain.after)
        gone[added] = False
        if gone.any() and (gaps == "error" or (gaps is None and form.missing is None)):
            raise _gap(gone, rain, form, block.first)
        missing += gone.sum(axis=0)
        before += np.nansum(block.values, axis=0)
        after += units.sum(axis=0) / 10**form.decimals
        if form.missing is not None:
            units[added] = form.missing
            if gaps != "zero":
                units[gone] = form.missing
        ends = {"is_first": block.first == 0, "is_last": block.first + len(stamps) == rain.steps}
        if form.wide:
            lines.add("", form.rows(rain, Station(name="", stamps=stamps, units=units, **ends)))
            continue
        for place, name in enumerate(rain.names):
            one = np.ascontiguousarray(units[:, place])
            lines.add(name, form.rows(rain, Station(name=name, stamps=stamps, units=one, **ends)))
    if (empty := np.flatnonzero(missing == rain.steps - rain.before - rain.after)).size:
        name = rain.names[empty[0]]
        raise SeriesError(
            f"the station {name!r} has no value at all: leave it out, such as with .drop_sel(...), or check its "
            "place"
        )
    change = np.abs(after - before) / np.where(before > 0, before, 1)
    return Written(
        form=form,
        rain=rain,
        gaps=int(missing.sum()),
        zero=gaps == "zero",
        change=float(change.max()),
        totals=dict(zip(rain.names, after.tolist(), strict=True)),
    )


def _units(
    values: NDArray[np.float64], rain: Rain, form: SeriesFormat, stamps: NDArray[np.datetime64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return amounts as whole units, 0 where missing, and where they are missing."""
    gone = np.isnan(values)
    scaled = np.where(gone, 0, values) * 10**form.decimals
    wrong = ~((scaled >= 0) & (scaled < form.largest + 0.5))
    if wrong.any():
        step, station = np.argwhere(wrong)[0]
        raise SeriesError(
            f"{values[step, station]:g} mm at {rain.names[station]!r}, {stamps[step]} {rain.zone.name}, cannot "
            f"stand in {form.title}, which takes 0 to {form.largest / 10**form.decimals:g} mm: check the series, "
            "or choose another format="
        )
    return np.rint(scaled).astype(np.int64), gone


def _gap(gone: NDArray[np.bool_], rain: Rain, form: SeriesFormat, first: int) -> SeriesError:
    step, station = np.argwhere(gone)[0]
    begin = rain.begin + (first + int(step)) * rain.step
    why = 'gaps="error" was chosen' if form.missing is not None else f"{form.title} has no code for missing"
    return SeriesError(
        f"{rain.names[station]!r} has no value from {human_time(begin)} to {human_time(begin + rain.step)}, and "
        f"{why}: "
        "choose times without gaps with .sel(time=...), fill it, leave the station out, or write gaps as 0 mm "
        "with "
        'gaps="zero"'
    )


class _Lines:
    """Lines of stations, kept in one temporary file until all are there.

    Parameters
    ----------
    target : pathlib.Path
        The file that they will become; the temporary file lies in its folder.
    """

    def __init__(self, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - closed in __exit__
            _KEPT, dir=str(target.parent)
        )
        self._places: dict[str, list[tuple[int, int]]] = {}
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()

    def add(self, name: str, lines: bytes) -> None:
        """Append lines of a station."""
        self._file.write(lines)
        self._places.setdefault(name, []).append((self._end, len(lines)))
        self._end += len(lines)

    def whole(self, name: str) -> bytes:
        """Return all lines of a station."""
        buffer = io.BytesIO()
        self.copy(name, buffer)
        return buffer.getvalue()

    def copy(self, name: str, file: IO[bytes]) -> None:
        """Write all lines of a station to a file."""
        for start, length in self._places[name]:
            self._file.seek(start)
            left = length
            while left:
                piece = self._file.read(min(left, _PIECE))
                file.write(piece)
                left -= len(piece)
