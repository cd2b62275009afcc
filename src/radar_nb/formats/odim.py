"""One composite in ODIM HDF5, the format that follows RADOLAN's binaries: reading and writing.

Source: OPERA, "ODIM_H5 specification" 2.3, sections 4 and 5, and an RW that DWD published in 2025. Rain comes as a
sum (ACRR, mm) or as a rate (RATE, mm/h); the file says which, and here both become mm in the interval.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from zlib_ng import zlib_ng

from radar_nb.dwd.grids import PROJ, find_grid, to_lonlat
from radar_nb.errors import HeaderError
from radar_nb.formats.packing import Packing
from radar_nb.formats.radolan import FRAME_LIMIT, Header
from radar_nb.runtime.wording import decimal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from radar_nb.dwd.grids import Grid
    from radar_nb.formats.radolan import Buffer

QUANTITIES = {"ACRR": "mm", "RATE": "mm/h", "DBZH": "dBZ"}
"""The quantities that are read, and the units that the standard gives them."""

FORECASTS = ("RS", "RV", "WN")
"""Products that come with forecasts: every frame has a lead time, be it zero."""

_MINUTE = timedelta(minutes=1)
_DATA = "dataset1/data1/data"
_LARGEST = 1e9  # in mm, mm/h or dBZ: nothing that a code can stand for is beyond it
_DEFLATE = 1  # HDF5 File Format Specification, IV.A.2.l: the filter's number
_LEVEL = 4  # of compression, as in DWD's files
_FOREIGN: tuple[type[Exception], ...] = (
    *(OSError, LookupError, AttributeError, ValueError, TypeError, RuntimeError, ArithmeticError, MemoryError),
    cast("type[Exception]", zlib_ng.error),  # its stub calls it a value
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Composite:
    """What a composite in HDF5 holds.

    Attributes
    ----------
    header : Header
        In RADOLAN's terms. `time` is the nominal time, UTC: the end of the interval or the base time of a
        forecast; `version` is 5 (WGS84); `precision` is 0 where one count is no power of ten.
    quantity : {"ACRR", "RATE", "DBZH"}
        As the file has it.
    packing : Packing
        To our unit: mm in the interval, also where the file has mm/h, or dBZ.
    codes : ndarray of unsigned int, shape (rows, cols)
        First row in the south, as in RADOLAN's binaries; ODIM stores the north first.
    """

    header: Header
    quantity: str
    packing: Packing
    codes: NDArray[Any]


def read_composite(data: Buffer, *, name: str = "the file", out: NDArray[Any] | None = None) -> Composite:
    """Give header, packing and codes of a composite.

    Parameters
    ----------
    data : bytes-like
        The whole HDF5 file.
    name : str
        What to call it in an error.
    out : ndarray, optional
        Where to put the codes, if it has their shape and type; else new memory is taken.

    Returns
    -------
    Composite

    Raises
    ------
    HeaderError
        The file is no HDF5, no composite with the groups that ODIM asks for, or holds another quantity.
    """
    with _opened(data, name) as file:
        header, quantity, packing = _meaning(file, len(data))
        return Composite(header=header, quantity=quantity, packing=packing, codes=_codes(file[_DATA], out))


def read_header(data: Buffer, *, name: str = "the file") -> Header:
    """Give the header of a composite without reading its codes: see `read_composite`."""
    with _opened(data, name) as file:
        return _meaning(file, len(data))[0]


@contextmanager
def _opened(data: Buffer, name: str) -> Iterator[Any]:
    import h5py  # noqa: PLC0415 - most users never open an HDF5

    try:
        image = bytes(data)
        if image[8:9] in {b"\0", b"\1"}:  # the superblocks that can name a driver, whose size HDF5 believes (II.A)
            at = 48 + 4 * image[8]
            if image[at : at + 8] != b"\xff" * 8:
                raise ValueError("it asks for a driver of its own, as files in several pieces do")
        with h5py.File(h5py.h5f.open_file_image(image)) as file:
            _refuse_netcdf(file, name)
            yield file
    except HeaderError:
        raise
    except _FOREIGN as error:
        raise HeaderError(
            f"{name} is no ODIM composite that radar_nb can read: {error}; fetch it again"
        ) from error


def _refuse_netcdf(file: Any, name: str) -> None:
    if "_NCProperties" in file.attrs:  # every netCDF-4 library writes it
        raise HeaderError(f"{name} is a netCDF, and none of DWD's files: open it with xarray.open_dataset")


def _meaning(file: Any, size: int) -> tuple[Header, str, Packing]:
    """Give header, quantity and packing. What is wrong is a ValueError: `_opened` names the file."""
    data, what = file[_DATA], file["dataset1/data1/what"]
    if data.ndim != 2 or data.dtype.kind != "u" or not 0 < data.size * data.dtype.itemsize <= FRAME_LIMIT:
        raise ValueError(f"its data are no field of unsigned integers (shape {data.shape}, type {data.dtype})")
    quantity = _text(what, "quantity")
    if quantity not in QUANTITIES:
        known = ", ".join(f"{name} ({unit})" for name, unit in QUANTITIES.items())
        raise ValueError(f"it holds the quantity {quantity}, known are {known}")
    nominal = _moment(file["what"], "")
    times = file["dataset1/what"]
    begin, end = _moment(times, "start"), _moment(times, "end")
    interval = round((end - begin) / _MINUTE)
    factor = interval / 60 if quantity == "RATE" else 1.0
    gain, zero = _value(what, "gain"), _value(what, "offset")
    scale, offset = decimal(decimal(gain) * factor), decimal(decimal(zero) * factor)
    codes = np.iinfo(data.dtype).max
    rain = quantity != "DBZH"  # no echo is zero rain, so that there has to be a code of zero
    sound = 0 < scale < _LARGEST / codes and abs(offset) < _LARGEST and (not rain or 0 <= -offset / scale < codes)
    if interval < 0 or not sound:
        raise ValueError(f"gain {gain}, offset {zero} over {interval} min give no values")
    packing = Packing(
        scale=scale,
        offset=offset,
        itemsize=data.dtype.itemsize,
        marks=(_code(what, "nodata", data.dtype),),
        # of reflectivities no echo is the lowest, and not 0 dBZ
        undetect=_code(what, "undetect", data.dtype) if rain else None,
    )
    product = _text(times, "prodname")[:2]
    how = file["how"]
    header = Header(
        product=product,
        time=np.datetime64(nominal, "s"),
        rows=data.shape[0],
        cols=data.shape[1],
        precision=_exponent(scale),
        interval=interval,
        version=5,
        software=f"{_text(how, 'software', '')} {_text(how, 'sw_version', '')}".strip(),
        radars=tuple(node for item in _text(how, "nodes", "").split(",") if (node := item.strip(" '"))),
        lead=max(round((end - nominal) / _MINUTE), 0) if product in FORECASTS else None,
        size=size,
    )
    return header, quantity, packing


def _moment(group: Any, prefix: str) -> datetime:
    text = _text(group, f"{prefix}date") + _text(group, f"{prefix}time")
    return datetime.strptime(text, "%Y%m%d%H%M%S")  # noqa: DTZ007 - UTC


def _text(group: Any, name: str, default: str | None = None) -> str:
    value = default if default is not None and name not in group.attrs else _value(group, name)
    return value.decode() if isinstance(value, bytes) else str(value)


def _value(group: Any, name: str) -> Any:
    """Give an attribute as it is stored: in a damaged file HDF5 may not come back from a conversion."""
    place = group.attrs.get_id(name)
    kind = place.get_type()
    if place.shape != () or place.dtype.kind not in "Sfiu" or kind.get_size() != place.dtype.itemsize:
        raise ValueError(f"its attribute {name} is no number and no text")
    value = np.empty((), place.dtype)
    place.read(value, kind)
    return value[()]


def _code(group: Any, name: str, kind: np.dtype[Any]) -> int:
    value = float(_value(group, name))
    if not (value.is_integer() and 0 <= value <= np.iinfo(kind).max):
        raise ValueError(f"{name} is {value:g}, which is no code of {kind.itemsize} bytes")
    return int(value)


def _exponent(scale: float) -> int:
    exponent = round(np.log10(scale))
    return exponent if scale == float(f"1e{exponent}") else 0


def _codes(data: Any, out: NDArray[Any] | None) -> NDArray[Any]:
    if out is None or (out.shape, out.dtype) != (data.shape, data.dtype):
        out = np.empty(data.shape, data.dtype)
    made = data.id.get_create_plist()
    if data.chunks == data.shape and made.get_nfilters() == 1 and made.get_filter(0)[0] == _DEFLATE:
        # so are DWD's files; HDF5's own zlib would take seven times as long
        packed = data.id.read_direct_chunk((0, 0))[1]
        plain = zlib_ng.decompressobj().decompress(packed, out.nbytes + 1)
        north_first = np.frombuffer(plain, data.dtype).reshape(data.shape)
    else:
        north_first = data[()]
    np.copyto(out, north_first[::-1])
    return out


def write_composite(
    header: Header,
    codes: NDArray[Any],
    *,
    quantity: str,
    gain: float,
    offset: float = 0.0,
    undetect: int = 0,
    method: str = "",
) -> bytes:
    """Give the bytes of a composite, with the groups and attributes of DWD's own files.

    Parameters
    ----------
    header : Header
        Of which `product`, `time`, `lead`, `interval`, `radars` and `software` are written.
    codes : ndarray of unsigned int, shape (rows, cols)
        First row in the south. The largest integer of their type stands for no data.
    quantity : {"ACRR", "RATE", "DBZH"}
    gain, offset : float
        In the standard's unit: mm, mm/h or dBZ.
    undetect : int
        The code of cells where no echo is detected.
    method : str
        How the composite was made, in DWD's words.

    Returns
    -------
    bytes
        The same for the same arguments; what `read_composite` and wradlib read.

    Raises
    ------
    UnknownGrid
        DWD documents no composite of this size.
    """
    import h5py  # noqa: PLC0415 - most users never write an HDF5

    grid = find_grid(header.rows, header.cols, version=5)
    counts = {"gain": gain, "offset": offset, "nodata": np.iinfo(codes.dtype).max, "undetect": undetect}
    groups: dict[str, Mapping[str, Any]] = {
        "/": {"Conventions": "ODIM_H5/V2_3"},
        "how": _how(header),
        "what": _what(header),
        "where": _where(grid),
        "dataset1/how": {"camethod": method},
        "dataset1/what": _interval(header),
        "dataset1/data1/what": {"quantity": quantity} | {key: float(value) for key, value in counts.items()},
    }
    made = io.BytesIO()
    with h5py.File(made, "w", libver="earliest") as file:
        for group, attributes in groups.items():
            for key, value in attributes.items():
                _put(file.require_group(group), key, value)
        data = file.create_dataset(
            _DATA, codes.shape, codes.dtype, chunks=codes.shape, compression="gzip", compression_opts=_LEVEL
        )
        data.id.write_direct_chunk((0, 0), zlib_ng.compress(np.ascontiguousarray(codes[::-1]), _LEVEL))
    return made.getvalue()


def _put(group: Any, key: str, value: Any) -> None:
    """Write an attribute; a text ends with a null byte, as in DWD's files."""
    import h5py  # noqa: PLC0415 - as above

    if not isinstance(value, str):
        group.attrs[key] = value
        return
    text = value.encode() + b"\x00"
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(len(text))
    place = h5py.h5a.create(group.id, key.encode(), kind, h5py.h5s.create(h5py.h5s.SCALAR))
    place.write(np.array(text, f"S{len(text)}"), kind)


def _how(header: Header) -> dict[str, str]:
    software, _, version = header.software.partition(" ")
    nodes = ",".join(f"'{radar}'" for radar in header.radars)
    return {"nodes": nodes, "software": software, "sw_version": version}


def _what(header: Header) -> dict[str, str]:
    time = header.time.astype("datetime64[s]").item()
    source = "ORG:78,CTY:616,CMT:Deutscher Wetterdienst radolan@dwd.de"
    return {
        "date": f"{time:%Y%m%d}",
        "time": f"{time:%H%M%S}",
        "object": "COMP",
        "source": source,
        "version": "H5rad 2.3",
    }


def _interval(header: Header) -> dict[str, str]:
    end = header.time.astype("datetime64[s]").item() + (header.lead or 0) * _MINUTE
    begin = end - header.interval * _MINUTE
    return {
        "product": "COMP",
        "prodname": header.product,
        "startdate": f"{begin:%Y%m%d}",
        "starttime": f"{begin:%H%M%S}",
        "enddate": f"{end:%Y%m%d}",
        "endtime": f"{end:%H%M%S}",
    }


@lru_cache
def _where(grid: Grid) -> Mapping[str, Any]:
    """Give projection, size and outer corners; DWD's false origin is the centre of the north-western cell."""
    west, south, half = grid.x0 - grid.cell / 2, grid.y0 - grid.cell / 2, grid.cell / 2
    east, north = west + grid.cols * grid.cell, south + grid.rows * grid.cell
    corners: dict[str, float] = {}
    for corner, x, y in (("LL", west, south), ("LR", east, south), ("UL", west, north), ("UR", east, north)):
        lon, lat = to_lonlat(x, y, grid.earth)
        corners |= {f"{corner}_lon": float(lon), f"{corner}_lat": float(lat)}
    projection = PROJ[grid.earth].replace(" +type=crs", "").replace("+x_0=0 +y_0=0", "{}")
    return corners | {
        "projdef": projection.format(f"+x_0={-west - half!r} +y_0={half - north!r}"),
        "xscale": grid.cell,
        "xsize": np.uint64(grid.cols),
        "yscale": grid.cell,
        "ysize": np.uint64(grid.rows),
    }
