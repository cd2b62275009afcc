"""What all frames of a kind share, asked of wradlib once: coordinates, projection, scale and unit."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from radar_nb.dwd.grids import find_grid
from radar_nb.dwd.products import HYDROMETEORS, PRODUCTS, true_interval
from radar_nb.errors import UnknownGrid, UnknownProduct
from radar_nb.formats import odim
from radar_nb.formats.index import FrameKind
from radar_nb.formats.packing import Packing, radolan_packing
from radar_nb.formats.radolan import Header, write_frame
from radar_nb.formats.runlength import NO_CLASS
from radar_nb.runtime.wording import decimal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from radar_nb.dwd.grids import Grid
    from radar_nb.formats.packing import Clutter

_HG_NO_DATA = 1 << 31  # the bit of cells without data (see `radar_nb.dwd.products.HYDROMETEORS`)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Template:
    """What all frames of a kind share.

    Attributes
    ----------
    grid : Grid
    x, y : xarray.Variable
        Cell centres in metres, rising.
    crs : dict
        Attributes of the grid mapping.
    attrs : dict
        Of the variable.
    packing : Packing
        How codes stand for values in the variable's unit.
    minutes : int
        The interval.
    """

    grid: Grid
    x: xr.Variable
    y: xr.Variable
    crs: dict[str, Any]
    attrs: dict[str, Any]
    packing: Packing
    minutes: int


_NO_FILL = {"_FillValue": None}  # coordinates have no missing values (CF 1.11, 2.5.1)
_CRS = {"long_name": "DWD's polar stereographic projection", "latitude_of_projection_origin": 90.0}

_known: dict[tuple[Any, ...], Template] = {}
_KNOWN_LIMIT = 64


def find_template(kind: FrameKind, sample: Callable[[], bytes], *, clutter: Clutter, name: str) -> Template:
    """Give the template of a kind; wradlib is asked when the kind is new to this process.

    Parameters
    ----------
    kind : FrameKind
    sample : callable
        Gives the bytes of a frame of the kind.
    clutter : {"keep", "mask"}
    name : str
        What to call the sample in an error.

    Raises
    ------
    UnknownProduct, UnknownGrid
        wradlib or the registry of grids does not know it.
    """
    header = kind.header
    keys = (header.product, header.rows, header.cols, header.precision, header.interval, header.version)
    key = (*keys, kind.itemsize, kind.hdf5, clutter)
    if key not in _known:
        if len(_known) >= _KNOWN_LIMIT:
            _known.clear()
        _known[key] = _made(kind, sample(), clutter=clutter, name=name)
    return _known[key]


def _made(kind: FrameKind, data: bytes, *, clutter: Clutter, name: str) -> Template:
    header = kind.header
    try:
        grid = find_grid(header.rows, header.cols, version=header.version)
    except UnknownGrid as error:
        raise UnknownGrid(f"{name}: {error}") from error
    minutes = true_interval(header.product, header.interval)
    ds = _reference(data, kind, name)
    reference_crs = ds["crs"] if "crs" in ds else ds["crs_wkt"]
    variable = next((ds[key] for key in ds.data_vars if key != "crs"), None)
    attrs = {} if variable is None else variable.attrs
    known = PRODUCTS.get(header.product)
    rate = attrs.get("unit") == "mm h-1" and (known is None or known.quantity == "amount")
    factor = minutes / 60 if rate else 1.0
    if kind.hdf5:
        packing = odim.read_composite(data, name=name).packing
    else:
        encoding = {} if variable is None else variable.encoding
        packing = _packing(kind, encoding, factor, clutter)
    return Template(
        grid=grid,
        x=xr.Variable("x", ds["x"].values, {**ds["x"].attrs, "axis": "X"}, _NO_FILL),
        y=xr.Variable("y", np.sort(ds["y"].values), {**ds["y"].attrs, "axis": "Y"}, _NO_FILL),
        # what CF asks for beyond what wradlib gives: the projection's centre is the pole
        crs={**_CRS, **reference_crs.attrs},
        attrs=_attrs(header, "mm" if rate else attrs.get("unit", "1"), attrs, minutes),
        packing=packing,
        minutes=minutes,
    )


def grid_template(grid: Grid, like: Template) -> Template:
    """Give a template as another, but of a grid; wradlib is asked for its coordinates and projection."""
    if grid == like.grid:
        return like
    there = _grid_alone(grid)
    return replace(like, grid=grid, x=there.x, y=there.y, crs=there.crs)


def grid_coordinates(grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64], dict[str, Any]]:
    """Return y and x of the cell centres in metres and the attributes of the grid mapping, as wradlib has them."""
    there = _grid_alone(grid)
    return there.y.values, there.x.values, there.crs


def _grid_alone(grid: Grid) -> Template:
    header = Header(
        product="RV",
        time=np.datetime64("2020-01-01T00:00", "s"),
        rows=grid.rows,
        cols=grid.cols,
        precision=-2,
        interval=5,
        version=5 if grid.earth == "wgs84" else 3,
    )
    kind = FrameKind(header=header, itemsize=2, hdf5=False)
    return find_template(
        kind, lambda: write_frame(header, np.zeros(grid.shape, "u2")), clutter="keep", name=grid.name
    )


def _reference(data: bytes, kind: FrameKind, name: str) -> xr.Dataset:
    """Give wradlib's Dataset of a frame."""
    if not kind.hdf5 and kind.itemsize not in {1, 2}:  # wradlib's engine does not know HG, and stumbles over some
        header = replace(kind.header, product="RV", precision=-2)  # run lengths: of these the grid alone is asked
        data = write_frame(header, np.zeros((header.rows, header.cols), np.uint16))
    # the class, not the name "radolan", for which xarray would load every engine that is installed (0.3 to 1.3 s)
    from wradlib.io.backends import RadolanBackendEntrypoint  # noqa: PLC0415 - only where it is needed

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its `_FillValue` of three values, which we do not pass on
        try:
            with xr.open_dataset(io.BytesIO(data), engine=RadolanBackendEntrypoint) as reference:
                return reference.load()
        except ValueError as error:
            raise UnknownProduct(
                f"{name}: wradlib does not know the product ({error}): try a newer wradlib"
            ) from error


def _packing(kind: FrameKind, encoding: Mapping[str, Any], factor: float, clutter: Clutter) -> Packing:
    if kind.itemsize == 4:
        return Packing(itemsize=4, missing=_HG_NO_DATA)
    if not kind.itemsize:
        return Packing(itemsize=1, marks=(NO_CLASS,))
    scale = decimal(decimal(encoding.get("scale_factor", 1.0)) * factor)
    offset = decimal(decimal(encoding.get("add_offset", 0.0)) * factor)
    return radolan_packing(kind.itemsize, scale=scale, offset=offset, clutter=clutter)


def _attrs(header: Header, unit: str, reference: Mapping[str, Any], minutes: int) -> dict[str, Any]:
    known = PRODUCTS.get(header.product)
    attrs: dict[str, Any] = {
        "long_name": known.title if known else header.product,
        "units": known.unit if known and known.quantity in {"percentage", "class"} else unit,
        "grid_mapping": "crs",
        "interval_minutes": minutes,
    }
    if unit == "mm":
        # CF's name for a depth of water from rain and snow alike; rainfall_amount would have to be kg m-2
        attrs |= {"standard_name": "lwe_thickness_of_precipitation_amount", "cell_methods": "time: sum"}
    elif unit == "dBZ":
        attrs["standard_name"] = reference["standard_name"]
    if header.product == "HG":
        meanings = " ".join(meaning.replace(" ", "_") for meaning in HYDROMETEORS.values())
        attrs |= {"flag_values": np.array(list(HYDROMETEORS), "u4"), "flag_meanings": meanings}
    return attrs
