"""The common properties of a kind of frame: grid and projection, unit, and how codes represent values.

Units and steps are taken from the table of products and the header, coordinates and projection from the grid. The
latter are identical to those that wradlib returns for a frame of the grid; a test compares them.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from radar_nb.dwd.grids import AXES, find_grid
from radar_nb.dwd.products import HYDROMETEOR_CLASSES, HYDROMETEORS, PRODUCTS, true_interval
from radar_nb.errors import HeaderError, UnknownGrid, UnknownProduct
from radar_nb.formats.packing import CLASS_PACKING, Packing, radolan_packing

if TYPE_CHECKING:
    from radar_nb.dwd.grids import Earth, Grid
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
_PROJECTION = (
    'PROJCRS["Radolan Projection",BASEGEOGCRS["Radolan Coordinate System",DATUM["{datum}",'
    'ELLIPSOID["{ellipsoid}",{a},{flattening},LENGTHUNIT["metre",1,ID["EPSG",9001]]]],PRIMEM["Greenwich",0,ANGLEUNIT['
    '"degree",0.0174532925199433],ID["EPSG",8901]]],CONVERSION["unnamed",METHOD["Polar Stereographic (variant B)",'
    'ID["EPSG",9829]],'
    'PARAMETER["Latitude of standard parallel",60,ANGLEUNIT["degree",0.0174532925199433],ID["EPSG",8832]],'
    'PARAMETER["Longitude of origin",10,ANGLEUNIT["degree",0.0174532925199433],ID["EPSG",8833]],'
    'PARAMETER["False easting",0,LENGTHUNIT["metre",1],ID["EPSG",8806]],'
    'PARAMETER["False northing",0,LENGTHUNIT["metre",1],ID["EPSG",8807]]],CS[Cartesian,2],'
    'AXIS["easting",south,ORDER[1],LENGTHUNIT["metre",1,ID["EPSG",9001]]],'
    'AXIS["northing",south,ORDER[2],LENGTHUNIT["metre",1,ID["EPSG",9001]]]]'
)
"""The projection as WKT 2, in the words of wradlib 2.9 and PROJ 9."""
_ELLIPSOIDS: dict[Earth, tuple[str, str, float]] = {
    "sphere": ("Erdkugel", "Radolan_Kugel", 0.0),
    "wgs84": ("WGS 84", "Unknown based on WGS 84 ellipsoid", 298.25722356301),
}
"""Name, datum and inverse flattening of the two earths (0 for the sphere), as wradlib has them."""


def grid_coords(grid: Grid) -> dict[str, xr.Variable]:
    """Return `y` and `x`, cell centres in metres, ascending, and `crs` with the attributes of the projection.

    They are identical to wradlib's, whose import takes longer than opening a file.
    """
    axes = {
        name: xr.Variable(
            name,
            values,
            {
                "units": "m",
                "long_name": f"{name} coordinate of projection",
                "standard_name": f"projection_{name}_coordinate",
                "axis": name.upper(),
            },
            _NO_FILL,
        )
        for name, values in (("y", grid.y), ("x", grid.x))
    }
    return axes | {"crs": xr.Variable((), np.int32(0), _crs_attrs(grid.earth))}


def _crs_attrs(earth: Earth) -> dict[str, Any]:
    """Return the attributes of the projection (CF 1.11, appendix F, "Polar stereographic")."""
    (a, b), (ellipsoid, datum, flattening) = AXES[earth], _ELLIPSOIDS[earth]
    words = {"datum": datum, "ellipsoid": ellipsoid, "a": f"{a:.0f}", "flattening": f"{flattening:.15g}"}
    return {
        "long_name": "DWD's polar stereographic projection",
        "latitude_of_projection_origin": 90.0,  # required by CF but missing in wradlib: its centre is the pole
        "crs_wkt": _PROJECTION.format(**words),
        "semi_major_axis": a,
        "semi_minor_axis": b,
        "inverse_flattening": flattening,
        "reference_ellipsoid_name": ellipsoid,
        "longitude_of_prime_meridian": 0.0,
        "prime_meridian_name": "Greenwich",
        "geographic_crs_name": "Radolan Coordinate System",
        "horizontal_datum_name": datum,
        "projected_crs_name": "Radolan Projection",
        "grid_mapping_name": "polar_stereographic",
        "standard_parallel": 60.0,
        "straight_vertical_longitude_from_pole": 10.0,
        "false_easting": 0.0,
        "false_northing": 0.0,
    }
