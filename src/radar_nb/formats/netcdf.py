"""RADKLIM's netCDF files, a month of RW or a day of YW in one: reading and writing.

The file is HDF5 with the variable `RR(time, y, x)` in kg m-2, which is mm of water, and stamps at the ends of the
intervals. `x` and `y` are rounded to kilometres although the file says metres, so that places come from the
registry of grids, after a comparison. Sources: the converter of mlcast to Zarr, and an excerpt of DWD's files
(int16 in steps of 0.1 mm); Unidata, "NetCDF-4 format".
"""

from __future__ import annotations

import io
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from zlib_ng import zlib_ng

from radar_nb.dwd.grids import find_grid
from radar_nb.dwd.products import PRODUCTS
from radar_nb.errors import HeaderError
from radar_nb.formats.odim import CHUNK_LIMIT, DEFLATE, SHUFFLE, UntrustedFile, open_hdf5
from radar_nb.formats.packing import SMALLEST_SCALE
from radar_nb.formats.radolan import NO_DATA, NO_DATA_CODE, VALUE, Header
from radar_nb.runtime.wording import AGAIN, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from radar_nb.formats.radolan import Buffer

_NAME = re.compile(r"(?:^|[/\\ ])(?P<product>[A-Z]{2})_(?P<version>\d{4}\.\d{3})_(?P<stamp>\d{6}|\d{8})\.nc$")
_VERSION = re.compile(r"(?<![\d.])20\d\d\.00\d(?!\.?\d)")
_FIELD = "RR"
_UNITS = {"kg m-2", "kg m^-2", "kg/m2", "kg m**-2", "kg", "mm"}
"""Spellings of the unit: DWD's excerpt has kg, for a square metre."""
_SINCE = re.compile(
    r"(second|minute|hour|day)s? since (\d{4}-\d\d?-\d\d?)(?:[T ](\d\d?):(\d\d)(?::(\d\d)(?:\.0+)?)?)?"
    r" *(?:Z|UTC|GMT|[+-]?0?0:?0?0)?"
)
_CALENDARS = {"", "standard", "gregorian", "proleptic_gregorian"}
"""Names of the one calendar in which these times are equal (CF conventions 1.11, 4.4.1)."""
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_MOST = 10_000  # fields of a file: a month of 5 minutes has 8,928
_LATEST = 1e11  # of any unit: seconds of three thousand years
_ROUNDING = 0.501  # of a cell: how far from the grid a place may be, which DWD writes in whole kilometres
_MINUTES = {"RW": (45, 50), "YW": (0,)}  # ends of intervals, after its begin; some of RW's first hours end early
_OFF = 0.02  # of a step: how far from a count a value may be
_CRS = {
    "latitude_of_projection_origin": 90.0,
    "straight_vertical_longitude_from_pole": 10.0,
    "standard_parallel": 60.0,
    "earth_radius": 6_370_040.0,
}
_OPEN = "open it with xarray.open_dataset"


def is_netcdf(data: Buffer, name: str) -> bool:
    """Return whether an HDF5 file is a netCDF file, by its name or by what every netCDF library leaves in it."""
    return name.endswith(".nc") or b"_NCProperties" in bytes(data[: 64 << 10])


def is_radklim_name(name: str) -> bool:
    """Return whether DWD names RADKLIM's netCDF files so.

    Examples
    --------
    >>> is_radklim_name("2017/RW_2017.002_201710.nc"), is_radklim_name("my_sums.nc")
    (True, False)
    """
    return _NAME.search(name) is not None


class Fields:
    """The fields of a netCDF file, read one by one from its bytes; safe to use from several threads.

    Parameters
    ----------
    data : bytes
        The whole file.
    name : str
        Path of the file, for its product and for errors.

    Attributes
    ----------
    header : Header
        Of all fields, in RADOLAN's terms, with the first field's time.
    times : ndarray of datetime64[s], shape (n,)
        The stamps, UTC: the ends of the intervals.

    Raises
    ------
    HeaderError
        The file is not such a netCDF file, or contradicts DWD's grid.
    UnsafeMember
        It leads to other files or places.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self._data = data
        self._name = name
        self._block: tuple[int, NDArray[Any]] | None = None
        with open_hdf5(data, name) as file:
            field = self._checked(file)
            rows, cols = self._shape = tuple(int(n) for n in field.shape[1:])
            self.times = _times(file, field.shape[0])
            product, version = self._identity(file)
            ends = self.times.astype("datetime64[m]").astype(int) % PRODUCTS[product].interval
            if not np.isin(ends, _MINUTES[product]).all():
                raise file.refusal(f"has times between the steps of {product}, such as {self.times[0]}: {AGAIN}")
            self._flip = _is_north_first(file, rows, cols)
            self._step = float(f"1e{round(np.log10(PRODUCTS[product].precision))}")
            self._packing = _packing(file, field)
            self._dtype = field.dtype
            self._fill = field.fillvalue
            self._missing = bool(np.isin(self._fill, self._packing[2])) or self._fill != self._fill
            software = _text(file, file.root, "software")
            self._chunks = field.chunks
            self._filters = _filters(field)
            self._places = _places(field) if self._direct else {}
        self.header = Header(
            product=product,
            time=self.times[0],
            rows=rows,
            cols=cols,
            precision=round(np.log10(self._step)),
            interval=PRODUCTS[product].interval,
            software=software,
            reanalysis=version,
            size=len(data),
        )

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self._data)

    @property
    def _direct(self) -> bool:
        """Whether fields can be read without HDF5's own lock and inflater."""
        return bool(self._chunks) and self._chunks[0] == 1 and set(self._filters) <= {DEFLATE, SHUFFLE}

    def codes(self, number: int) -> NDArray[np.uint16]:
        """Return the codes of a field, as RADOLAN's binaries have them, first row in the south.

        Raises
        ------
        HeaderError
            Values are damaged, negative, between the steps of the product, or larger than any.
        """
        raw = self._read(number) if self._direct else self._read_block(number)
        codes = self._counted(raw)
        return codes[::-1] if self._flip else codes

    def _checked(self, file: UntrustedFile) -> Any:
        field = file.find(_FIELD)
        if field is None or not hasattr(field, "shape"):
            have = ", ".join(sorted(file.root)[:9])
            raise file.refusal(
                f"is a netCDF file without the variable {_FIELD} of RADKLIM 2017.002 (it has {have}): {_OPEN}"
            )
        field = file.field(_FIELD)
        if field.ndim != 3 or not 0 < field.shape[0] <= _MOST or field.dtype.kind not in "iuf":
            raise file.refusal(
                f"has the variable {_FIELD} of shape {field.shape} and type {field.dtype}, and RADKLIM's has "
                f"time, y and x: {_OPEN}"
            )
        if (unit := _text(file, field, "units")) not in _UNITS:
            raise file.refusal(f"states {_FIELD} in {unit[:40]!r}, and RADKLIM's is in kg m-2: {_OPEN}")
        return field

    def _identity(self, file: UntrustedFile) -> tuple[str, str]:
        match = _NAME.search(self._name)
        steps = np.diff(self.times).astype(int) // 60
        titled = set(_VERSION.findall(_text(file, file.root, "title")))  # DWD's wording is not known
        if match is None:
            every = " ".join(_text(file, file.root, key) for key in sorted(file.root.attrs))
            found = titled or set(_VERSION.findall(every))
            product = {60: "RW", 5: "YW"}.get(int(steps.min()) if steps.size else 0)
            if len(found) != 1 or product is None:
                raise file.refusal(
                    "does not state its product and version: name it as DWD does, RW_2017.002_201710.nc"
                )
            return product, found.pop()
        product = match["product"]
        if product not in {"RW", "YW"}:
            raise file.refusal(f"is of the product {product}, and RADKLIM has RW and YW: {_OPEN}")
        interval = PRODUCTS[product].interval
        if steps.size and ((steps % interval).any() or (interval < 60 and steps.min() >= 60)):  # hourly sums
            raise file.refusal(
                f"has times that are {steps.min()} min apart, and {product} comes every {interval} min: {AGAIN}"
            )
        begin, end = _named(match["stamp"])
        if not begin <= self.times[0] <= self.times[-1] <= end:
            raise file.refusal(
                f"holds {self.times[0]} to {self.times[-1]}, unlike its name: it was renamed or mixed up; "
                f"{AGAIN}, or give it its own name"
            )
        if titled and match["version"] not in titled:
            raise file.refusal(
                f"is of version {' and '.join(sorted(titled))} by its title, unlike its name: it was renamed or "
                f"mixed up; {AGAIN}, or give it its own name"
            )
        return product, match["version"]

    def _read(self, number: int) -> NDArray[Any]:
        _, height, width = self._chunks
        rows, cols = self._shape
        field = np.full((rows, cols), self._fill, self._dtype)
        for y in range(0, rows, height):
            for x in range(0, cols, width):
                place = self._places.get((number, y, x))
                if place is None:  # never written: the fill value
                    if not self._missing:
                        raise HeaderError(
                            f"{self._name} is damaged: parts of its {_FIELD} were never written; {AGAIN}"
                        )
                    continue
                chunk = self._chunk(place, height * width).reshape(height, width)
                part = field[y : y + height, x : x + width]
                part[...] = chunk[: part.shape[0], : part.shape[1]]
        return field

    def _chunk(self, place: tuple[int, int, int], count: int) -> NDArray[Any]:
        at, size, skipped = place
        data: Any = memoryview(self._data)[at : at + size]
        itemsize = self._dtype.itemsize
        if DEFLATE in self._filters and not skipped & 1 << self._filters.index(DEFLATE):
            try:
                inflater = zlib_ng.decompressobj()
                data = inflater.decompress(data, count * itemsize + 1)
            except cast("type[Exception]", zlib_ng.error) as error:  # its stub calls it a value
                raise HeaderError(f"{self._name} is damaged ({error}): {AGAIN}") from error
            if not inflater.eof:  # its checksum stands at the end
                raise HeaderError(f"{self._name} is damaged: a chunk has no end; {AGAIN}")
        if len(data) != count * itemsize:
            raise HeaderError(f"{self._name} is damaged: a chunk has {len(data):,} bytes; {AGAIN}")
        if SHUFFLE in self._filters and not skipped & 1 << self._filters.index(SHUFFLE):
            mixed = np.empty((count, itemsize), np.uint8)
            for byte, plane in enumerate(np.frombuffer(data, np.uint8).reshape(itemsize, count)):
                mixed[:, byte] = plane  # a transposed copy takes seven times as long
            data = mixed
        return np.frombuffer(data, self._dtype)

    def _read_block(self, number: int) -> NDArray[Any]:
        """Read through HDF5 as many fields as share their chunks and fit."""
        block = self._block
        if block is None or not block[0] <= number < block[0] + len(block[1]):
            size = int(np.prod(self._shape)) * self._dtype.itemsize
            length = max(1, min((self._chunks or (1,))[0], CHUNK_LIMIT // size))
            start = number // length * length
            with open_hdf5(self._data, self._name) as file:
                field = file.field(_FIELD)
                stop = min(start + length, field.shape[0])
                block = self._block = start, file.values(field, start, stop, missing=self._missing)
        read: NDArray[Any] = block[1][number - block[0]]
        return read

    def _counted(self, raw: NDArray[Any]) -> NDArray[np.uint16]:
        scale, offset, marks = self._packing
        missing = np.isin(raw, marks) if len(marks) > 1 else raw == marks[0] if len(marks) else np.False_
        if raw.dtype.kind == "f":
            missing = missing | np.isnan(raw)
        if raw.dtype.kind != "f" and abs(scale / self._step - 1) < 1e-6 and not offset:
            counts: NDArray[Any] = raw
        else:
            with np.errstate(over="ignore", invalid="ignore"):
                exact = (np.where(missing, 0, raw).astype(float) * scale + offset) / self._step
            exact = np.clip(exact, -VALUE - 1, VALUE + 1)  # reported below
            counts = np.rint(exact).astype(np.int64)
            if (far := np.abs(exact - counts)).max(initial=0) > _OFF:
                raise HeaderError(
                    f"{self._name} holds {exact.flat[far.argmax()] * self._step:g} mm, which is not a multiple of "
                    f"{self._step:g} mm, the step of {self.header.product}: {_OPEN}"
                )
        wrong = ((counts < 0) | (counts > VALUE)) & ~missing
        if wrong.any():
            amount = counts[wrong][0] * self._step
            raise HeaderError(f"{self._name} holds the amount {amount:g} mm, which no file of DWD has: {AGAIN}")
        return np.where(missing, NO_DATA_CODE, counts).astype(np.uint16)


def _named(stamp: str) -> tuple[np.datetime64, np.datetime64]:
    """Return begin and end of the month or the day in a name; an interval may end with it."""
    text = "-".join((stamp[:4], stamp[4:6], *filter(None, (stamp[6:],))))
    begin = np.datetime64(text)
    unit: Any = np.datetime_data(begin.dtype)[0]
    end = begin + np.timedelta64(1, unit)
    return begin.astype("datetime64[s]"), end.astype("datetime64[s]")


def _times(file: UntrustedFile, count: int) -> NDArray[np.datetime64]:
    units = _text(file, file.field("time"), "units")
    match, calendar = _SINCE.fullmatch(units.strip()), _text(file, file.field("time"), "calendar")
    if match is None or calendar not in _CALENDARS:
        raise file.refusal(
            f"has no valid time in UTC (its units are {units[:40]!r}, its calendar is "
            f"{calendar[:20] or 'standard'!r}): {_OPEN}"
        )
    if any(_number(file, file.field("time"), key) is not None for key in ("scale_factor", "add_offset")):
        raise file.refusal(f"contradicts itself: its times are packed, unlike DWD's; {_OPEN}")
    unit, date, hour, minute, second = match.groups()
    begin = datetime.strptime(f"{date} {hour or 0}:{minute or 0}:{second or 0}", "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - UTC
    stamps = file.axis("time", count).astype(float)
    if not (np.abs(stamps) < _LATEST).all():
        raise file.refusal(f"has the time {stamps[0]:g} {match[0]}: {AGAIN}")
    seconds = np.rint(stamps * _SECONDS[unit] / 60) * 60
    times: NDArray[np.datetime64] = np.datetime64(begin, "s") + seconds.astype("timedelta64[s]")
    if (np.diff(times).astype(int) <= 0).any():
        raise file.refusal(f"has times that do not rise: {AGAIN}")
    return times


def _is_north_first(file: UntrustedFile, rows: int, cols: int) -> bool:
    """Compare `x` and `y` with the registry, in metres or kilometres; return whether `y` falls."""
    grid = find_grid(rows, cols)
    x, y = (file.axis(axis, count).astype(float) for axis, count in (("x", cols), ("y", rows)))
    falls = y[0] > y[-1]
    for unit in (1.0, 1000.0):
        south_first = y[::-1] if falls else y
        far = np.abs(x - grid.x / unit).max(), np.abs(south_first - grid.y / unit).max()
        if all(off <= _ROUNDING * grid.cell / unit for off in far):  # NaN is not
            return bool(falls)
    raise file.refusal(
        f"contradicts its grid: x and y are not those of {grid.name}, DWD's grid of {rows} x {cols} cells: {_OPEN}"
    )


def _packing(file: UntrustedFile, field: Any) -> tuple[float, float, NDArray[Any]]:
    """Return scale, offset, and the numbers that mark missing cells."""
    numbers = {
        key: _number(file, field, key) for key in ("scale_factor", "add_offset", "_FillValue", "missing_value")
    }
    marks = {value for key in ("_FillValue", "missing_value") if (value := numbers[key]) is not None}
    scale, offset = numbers["scale_factor"], numbers["add_offset"]
    if not (scale is None or SMALLEST_SCALE <= scale < np.inf) or not (offset is None or -np.inf < offset <= 0):
        raise file.refusal(
            f"contradicts itself: scale_factor {scale} and add_offset {offset} are not valid; {AGAIN}"
        )
    return (
        1.0 if scale is None else float(f"{scale:.6g}"),
        0.0 if offset is None else offset,
        np.array(sorted(mark for mark in marks if np.isfinite(mark)), field.dtype),
    )


def _number(file: UntrustedFile, holder: Any, key: str) -> float | None:
    value = file.stored(holder, key)
    if isinstance(value, bytes) or (value is None and key in holder.attrs):
        raise file.refusal(f"has the attribute {key}, which is not a number: {_OPEN}")
    return None if value is None else float(value)


def _text(file: UntrustedFile, holder: Any, key: str) -> str:
    """Return a text; empty if there is none that can be read safely."""
    value = file.stored(holder, key)
    return printable(value.decode("utf-8", "replace")) if isinstance(value, bytes) else ""


def _filters(field: Any) -> tuple[int, ...]:
    made = field.id.get_create_plist()
    return tuple(made.get_filter(number)[0] for number in range(made.get_nfilters()))


def _places(field: Any) -> dict[tuple[int, ...], tuple[int, int, int]]:
    """Return where each chunk lies in the file: its first byte, its length, and the filters that it skipped."""
    places: dict[tuple[int, ...], tuple[int, int, int]] = {}

    def note(chunk: Any) -> None:
        places[tuple(chunk.chunk_offset)] = chunk.byte_offset, chunk.size, chunk.filter_mask

    field.id.chunk_iter(note)
    return places


def write_fields(header: Header, times: Sequence[np.datetime64], fields: Iterable[NDArray[Any]]) -> bytes:
    """Return the bytes of a netCDF file in the structure of RADKLIM 2017.002.

    Parameters
    ----------
    header : Header
        Of which product, size, `precision`, `reanalysis` and `software` are used.
    times : sequence of numpy.datetime64
        The ends of the intervals, UTC.
    fields : iterable of ndarray of uint16, shape (rows, cols)
        Codes as in RADOLAN's binaries, first row in the south.

    Returns
    -------
    bytes
        What `Fields` reads, and xarray and netCDF4 too: int16 with `scale_factor`, one chunk a field.
    """
    import h5py  # noqa: PLC0415 - most users never write one

    grid = find_grid(header.rows, header.cols)
    made = io.BytesIO()
    with h5py.File(made, "w", libver="earliest") as file:
        file.attrs["Conventions"] = np.bytes_("CF-1.6")
        file.attrs["title"] = np.bytes_(f"RADKLIM {header.product} {header.reanalysis}")
        file.attrs["institution"] = np.bytes_("Deutscher Wetterdienst")
        file.attrs["software"] = np.bytes_(header.software)
        file.attrs["_NCProperties"] = np.bytes_("version=2,netcdf=4.9.2,hdf5=1.14.2")
        minutes = np.array([int(time.astype("datetime64[m]").astype(np.int64)) for time in times], "i8")
        axes = {
            "time": (minutes, {"units": "minutes since 1970-01-01 00:00:00", "standard_name": "time"}),
            "y": (np.rint(grid.y / 1000), {"units": "m", "standard_name": "projection_y_coordinate"}),
            "x": (np.rint(grid.x / 1000), {"units": "m", "standard_name": "projection_x_coordinate"}),
        }
        for axis, (values, attrs) in axes.items():
            scale = file.create_dataset(axis, data=values)
            scale.make_scale(axis)
            for key, text in attrs.items():
                scale.attrs[key] = np.bytes_(text)
        crs = file.create_dataset("crs", data=np.int32(0))
        crs.attrs["grid_mapping_name"] = np.bytes_("polar_stereographic")
        for key, number in _CRS.items():
            crs.attrs[key] = np.array([number])
        shape = (len(times), header.rows, header.cols)
        chunks = (1, header.rows, header.cols)
        field = file.create_dataset(
            _FIELD, shape, "<i2", chunks=chunks, compression="gzip", compression_opts=4, shuffle=True, fillvalue=-1
        )
        field.attrs["_FillValue"] = np.array([-1], "i2")
        field.attrs["scale_factor"] = np.array([float(f"1e{header.precision}")])
        for key, text in {"units": "kg m-2", "long_name": "rainfall amount", "grid_mapping": "crs"}.items():
            field.attrs[key] = np.bytes_(text)
        for number, axis in enumerate(axes):
            field.dims[number].attach_scale(file[axis])
        for number, codes in enumerate(fields):
            counts = np.where(codes & NO_DATA, -1, (codes & VALUE).astype(np.int16)).astype("<i2")
            shuffled = counts.view(np.uint8).reshape(-1, 2).T.tobytes()
            field.id.write_direct_chunk((number, 0, 0), zlib_ng.compress(shuffled, 4))
    return made.getvalue()


def fields_name(header: Header) -> str:
    """Return the name of a file as DWD has it: a month of RW, a day of YW.

    Examples
    --------
    >>> rw = Header(product="RW", time=np.datetime64("2017-10-18T00:50"), rows=1100, cols=900, precision=-1,
    ...             interval=60, reanalysis="2017.002")
    >>> fields_name(rw)
    'RW_2017.002_201710.nc'
    """
    time = header.time.astype("datetime64[s]").item()
    return f"{header.product}_{header.reanalysis}_{time:{'%Y%m' if header.interval >= 60 else '%Y%m%d'}}.nc"
