"""The common properties of a kind of frame: grid and projection, unit, and how codes represent values.

Units and steps are taken from the table of products and the header, coordinates and projection from wradlib, which
reads an empty frame of the grid: no byte of an opened file reaches it.
"""

from __future__ import annotations

import io
import itertools
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from radar_nb.dwd.grids import find_grid
from radar_nb.dwd.products import HYDROMETEOR_CLASSES, HYDROMETEORS, PRODUCTS, true_interval
from radar_nb.errors import HeaderError, UnknownGrid, UnknownProduct
from radar_nb.formats.packing import CLASS_PACKING, Packing, radolan_packing
from radar_nb.formats.radolan import Header, write_frame

if TYPE_CHECKING:
    from radar_nb.dwd.grids import Grid
    from radar_nb.dwd.products import Product
    from radar_nb.formats.index import FrameKind
    from radar_nb.formats.odim import Meaning
    from radar_nb.formats.packing import Clutter

_HG_NO_DATA = 1 << 31  # the bit of cells without data (see `radar_nb.dwd.products.HYDROMETEORS`)
_DBZ_STEP, _DBZ_OFFSET = 0.5, -32.5  # DWD, Kompositformat 2.5: dBZ = n / 2 - 32.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Template:
    """The common properties of a kind of frame.

    Attributes
    ----------
    grid : Grid
    attrs : dict
        Attributes of the variable.
    packing : Packing
        How codes represent values in the variable's unit.
    minutes : int
        The interval.
    """

    grid: Grid
    attrs: dict[str, Any]
    packing: Packing
    minutes: int

    @property
    def coords(self) -> dict[str, xr.Variable]:
        """See `grid_coords`."""
        return grid_coords(self.grid)


def find_template(kind: FrameKind, stated: Meaning | None, *, clutter: Clutter, name: str) -> Template:
    """Return the template of a kind of frame.

    Parameters
    ----------
    kind : FrameKind
    stated : Meaning or None
        For HDF5, a file of the kind, which states its packing.
    clutter : {"keep", "mask"}
    name : str
        Name of the frame in errors.

    Raises
    ------
    UnknownProduct, UnknownGrid
        The product or the grid is unknown.
    HeaderError
        An HDF5 file holds another quantity than its product.
    """
    header = kind.header
    product = PRODUCTS.get(header.product)
    if product is None:
        raise UnknownProduct(
            f"{name} is of the product {header.product}, whose unit and meaning are unknown: known are "
            f"{', '.join(PRODUCTS)}. Exclude it with variables=, or open it with wradlib"
        )
    try:
        grid = find_grid(header.rows, header.cols, version=header.version)
    except UnknownGrid as error:
        raise UnknownGrid(f"{name}: {error}") from error
    minutes = true_interval(header.product, header.interval)
    packing = _packing(kind, product, clutter) if stated is None else _stated(stated, product, name)
    return Template(grid=grid, attrs=_attrs(product, minutes, header.levels), packing=packing, minutes=minutes)


def _stated(stated: Meaning, product: Product, name: str) -> Packing:
    """Return the packing of a composite in HDF5, after checking that its quantity is the product's."""
    if _QUANTITIES.get(stated.quantity, "amount") != product.quantity:
        raise HeaderError(
            f"{name} holds the quantity {stated.quantity}, but {product.name} is {product.title} in "
            f"{product.unit}: fetch it again"
        )
    return stated.packing


_QUANTITIES = {"DBZH": "reflectivity", "VIL": "water_content", "CLASS": "class"}
"""Our quantities of ODIM's; the others are amounts."""


def _packing(kind: FrameKind, product: Product, clutter: Clutter) -> Packing:
    if kind.itemsize == 4:
        return Packing(itemsize=4, missing=_HG_NO_DATA)
    if not kind.itemsize:
        return CLASS_PACKING
    step = float(f"1e{kind.header.precision}")
    if product.quantity != "reflectivity":
        return radolan_packing(kind.itemsize, scale=step, clutter=clutter)
    scale = _DBZ_STEP if kind.itemsize == 1 else float(f"{_DBZ_STEP * step:.9g}")
    return radolan_packing(kind.itemsize, scale=scale, offset=_DBZ_OFFSET, clutter=clutter)


def _attrs(product: Product, minutes: int, levels: tuple[float, ...]) -> dict[str, Any]:
    attrs: dict[str, Any] = {
        "long_name": product.title,
        "units": product.unit,
        "grid_mapping": "crs",
        "interval_minutes": minutes,
    }
    if product.quantity == "amount":
        # CF's name for a depth of water from rain and snow alike; rainfall_amount would require kg m-2
        attrs |= {"standard_name": "lwe_thickness_of_precipitation_amount", "cell_methods": "time: sum"}
    elif product.quantity == "reflectivity":
        attrs["standard_name"] = "equivalent_reflectivity_factor"
    elif product.quantity == "water_content":
        attrs["cell_methods"] = "time: point"
    if levels:
        attrs |= _class_attrs(levels)
    if product.name == "HG":
        meanings = " ".join(meaning.replace(" ", "_") for meaning in HYDROMETEORS.values())
        attrs |= {"flag_values": np.array(list(HYDROMETEORS), "u4"), "flag_meanings": meanings}
    elif product.name == "HYMECNG":
        codes = np.arange(len(HYDROMETEOR_CLASSES), dtype=np.uint8)
        attrs |= {"flag_values": codes, "flag_meanings": " ".join(HYDROMETEOR_CLASSES)}
    return attrs


def _class_attrs(levels: tuple[float, ...]) -> dict[str, Any]:
    """Return CF's meanings of classes of reflectivity, and the lower bounds of classes 1, 2, ... in dBZ."""
    texts = [f"{level:g}" for level in levels]
    between = [f"from_{low}_to_{high}_dBZ" for low, high in itertools.pairwise(texts)]
    meanings = [f"below_{texts[0]}_dBZ", *between, f"from_{texts[-1]}_dBZ"]
    return {
        "levels_dbz": np.array(levels, np.float32),
        "flag_values": np.arange(len(meanings), dtype=np.uint8),
        "flag_meanings": " ".join(meanings),
    }


_NO_FILL = {"_FillValue": None}  # coordinates have no missing values (CF 1.11, 2.5.1)
_CRS = {"long_name": "DWD's polar stereographic projection", "latitude_of_projection_origin": 90.0}


def grid_coords(grid: Grid) -> dict[str, xr.Variable]:
    """Return `y` and `x`, cell centres in metres, ascending, and `crs` with the attributes of the projection."""
    return {name: variable.copy() for name, variable in _grid_coords(grid).items()}


@lru_cache
def _grid_coords(grid: Grid) -> dict[str, xr.Variable]:
    """Let wradlib compute the coordinates of a grid from an empty frame."""
    header = Header(
        product="RX",  # one byte a cell
        time=np.datetime64("2020-01-01T00:00", "s"),
        rows=grid.rows,
        cols=grid.cols,
        precision=0,
        interval=5,
        version=5 if grid.earth == "wgs84" else 3,
    )
    data = write_frame(header, np.zeros(grid.shape, np.uint8))
    # the class, not the name "radolan", for which xarray would load every installed engine (0.3 to 1.3 s)
    from wradlib.io.backends import RadolanBackendEntrypoint  # noqa: PLC0415 - only where it is needed

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its `_FillValue` of three values is ignored
        with xr.open_dataset(io.BytesIO(data), engine=RadolanBackendEntrypoint) as reference:
            y, x, crs = reference["y"], reference["x"], reference["crs"].attrs
    return {
        "y": xr.Variable("y", np.sort(y.values), {**y.attrs, "axis": "Y"}, _NO_FILL),
        "x": xr.Variable("x", x.values, {**x.attrs, "axis": "X"}, _NO_FILL),
        # required by CF but missing in wradlib: the projection's centre is the pole
        "crs": xr.Variable((), np.int32(0), {**_CRS, **crs}),
    }
