"""One composite in ODIM HDF5, the format that follows RADOLAN's binaries: header and raw codes.

Source: OPERA, "ODIM_H5 specification" 2.3, sections 4 and 5, and a published RW of 2025. Quantities come as a sum
(ACRR, mm) or a rate (RATE, mm/h): which of the two, the file says and the reader must heed.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.errors import HeaderError
from radar_nb.frames import Header

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from radar_nb.frames import Buffer

MAGIC = b"\x89HDF\r\n\x1a\n"
"""How every HDF5 file begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """How codes stand for values: value = code * gain + offset.

    Attributes
    ----------
    quantity : str
        `ACRR` in mm, `RATE` in mm/h, `DBZH` in dBZ.
    gain, offset : float
    nodata, undetect : float
        The codes of cells that no radar sees, and of cells seen to be without an echo (a true zero).
    """

    quantity: str
    gain: float
    offset: float
    nodata: float
    undetect: float


def read_composite(data: Buffer, *, name: str = "the file") -> tuple[Header, Packing, NDArray[Any]]:
    """Give header, packing and codes of a composite.

    Parameters
    ----------
    data : bytes-like
        The whole HDF5 file.
    name : str
        What to call it in an error.

    Returns
    -------
    header : Header
        In RADOLAN's terms; `time` is the end of the interval, UTC, `version` is 5 (WGS84).
    packing : Packing
    codes : ndarray, shape (rows, cols)
        First row in the south, as in RADOLAN's binaries (ODIM stores north first).

    Raises
    ------
    HeaderError
        The file is no HDF5, or no composite with the groups that ODIM asks for.
    """
    import h5py  # noqa: PLC0415 - most users never open an HDF5

    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            what, dataset = file["dataset1/data1/what"].attrs, file["dataset1/what"].attrs
            codes = np.flipud(file["dataset1/data1/data"][()])
            packing = Packing(
                quantity=_text(what["quantity"]),
                gain=float(what["gain"]),
                offset=float(what["offset"]),
                nodata=float(what["nodata"]),
                undetect=float(what["undetect"]),
            )
            header = _header(dataset, _text(file["how"].attrs.get("nodes", "")), codes.shape, len(data))
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise HeaderError(f"{name} is no ODIM composite that radar_nb can read: {error}") from error
    return header, packing, codes


def decode(codes: NDArray[Any], packing: Packing, *, out: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the values of codes: NaN where no radar sees, 0 of an amount where none detects.

    Parameters
    ----------
    codes : ndarray
        Any shape.
    packing : Packing
    out : ndarray of float32
        Where to put them, same shape.

    Returns
    -------
    ndarray of float32
        In the unit of the packing's quantity.
    """
    np.multiply(codes, np.float32(packing.gain), out=out, casting="unsafe")
    if packing.offset:
        out += np.float32(packing.offset)
    if packing.quantity != "DBZH":
        out[codes == packing.undetect] = 0.0
    out[codes == packing.nodata] = np.nan
    return out


def _header(what: Any, nodes: str, shape: tuple[int, ...], size: int) -> Header:
    begin = datetime.strptime(_text(what["startdate"]) + _text(what["starttime"]), "%Y%m%d%H%M%S")  # noqa: DTZ007
    end = datetime.strptime(_text(what["enddate"]) + _text(what["endtime"]), "%Y%m%d%H%M%S")  # noqa: DTZ007 - UTC
    rows, cols = shape
    return Header(
        product=_text(what["prodname"])[:2],
        time=np.datetime64(end, "s"),
        rows=rows,
        cols=cols,
        precision=0,
        interval=round((end - begin).total_seconds() / 60),
        version=5,
        software="",
        radars=tuple(node.strip(" '") for node in nodes.split(",") if node.strip(" '")),
        size=size,
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
