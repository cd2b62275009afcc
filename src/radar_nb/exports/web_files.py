"""Fields for maps on the web and in Google Earth: PNG, KML and KMZ, and GeoJSON of classes and isolines.

Cells are not interpolated: a pixel and a polygon have the class of the cells they lie in. Nothing is drawn outside
the grid and where it is dry, and cells without data are a grey veil. Only isolines lie between centres of cells.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import numpy as np

from radar_nb.analysis.inputs import fields_of, grid_of, variable_of
from radar_nb.dwd.grids import to_lonlat
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.exports.web_grid import web_grid
from radar_nb.plots.overlays import FIRST, Overlay
from radar_nb.plots.selection import cells
from radar_nb.plots.style import CREDIT, amount_minutes, credit, has_fixed_classes, name_label, time_label
from radar_nb.reading.intervals import bounds_of, ends_of, shown_interval
from radar_nb.runtime.files import replacing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import xarray as xr
    from matplotlib.colors import Colormap
    from numpy.typing import NDArray

    from radar_nb.dwd.grids import Grid
    from radar_nb.exports.web_grid import WebGrid

_WIDE = 1000
"""Least width in pixels of a picture: programs blur what they enlarge."""
_PLACES = 6
"""Decimals of degrees in GeoJSON: 0.1 m."""
_KML = "http://www.opengis.net/kml/2.2"
_LICENCE = "CC BY 4.0, https://creativecommons.org/licenses/by/4.0/"
"""Of DWD's data."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WebFields:
    """Fields, their grid and their classes.

    Attributes
    ----------
    fields : xarray.DataArray
        Of dimensions (time, y, x), y and x rising.
    grid : Grid
    overlay : Overlay
    """

    fields: xr.DataArray
    grid: Grid
    overlay: Overlay

    @classmethod
    def of(
        cls, data: xr.Dataset, *, classes: Sequence[float] | None = None, cmap: str | Colormap | None = None
    ) -> WebFields:
        """Choose classes for the fields of a Dataset, as `radar_nb.plot` does.

        Raises
        ------
        SeriesError
            The Dataset holds no fields on a grid of DWD, or no step.
        SettingsError
            Classes or colours are not valid.
        """
        steps = data if "time" in data.dims else data.expand_dims("time")
        fields = fields_of(variable_of(steps) if "time" in steps.coords else _without_time(steps))
        fixed = has_fixed_classes(str(fields.attrs.get("units", "")), amount_minutes(fields))
        values = [] if fixed or classes is not None else [cells(field) for field in fields]
        overlay = Overlay(fields, values, classes=classes, cmap=cmap)
        return cls(fields=fields, grid=grid_of(fields), overlay=overlay)

    def __iter__(self) -> Iterator[tuple[xr.DataArray, NDArray[np.uint8]]]:
        """Yield each field, and the numbers of its cells' classes, first row in the south."""
        for field in self.fields:
            yield field, self.overlay.numbers(np.asarray(field.values, float))

    @property
    def source(self) -> str:
        """The source and its licence, which a map must name."""
        source = credit(self.fields)
        return f"{source}, {_LICENCE}" if source == CREDIT else source


def _without_time(data: xr.Dataset) -> xr.DataArray:
    """Return the only variable of a Dataset without a coordinate time, such as a map of return levels."""
    names = [str(name) for name in data.data_vars if name != "coverage"]
    if len(names) != 1:
        raise SeriesError(
            f"a map shows one variable, and the Dataset has {', '.join(names)}: pass one, as ds[['YW']]"
        )
    return data[names[0]]


def write_web(found: WebFields, target: Path, *, isolines: bool = False) -> None:
    """Write fields by the suffix of the target: .png, .kmz, .kml or .geojson."""
    match target.suffix.lower():
        case ".png":
            _write_png(found, target)
        case ".kmz":
            _write_kmz(found, target)
        case ".kml":
            _write_kml(found, target)
        case _:
            _write_geojson(found, target, isolines=isolines)


def _write_png(found: WebFields, target: Path) -> None:
    """Write one field in EPSG:3857, and beside it its bounds for web pages (.json) and for a GIS (.aux.xml)."""
    if (count := found.fields.sizes["time"]) > 1:
        raise SeriesError(
            f"a PNG shows one field, and {found.fields.name!r} has {count}: choose one with .isel(time=...), sum "
            "them first, or write a .kmz, which holds all"
        )
    ((field, numbers),) = found
    pixels = web_grid(found.grid, 3857, wide=_WIDE)
    title = _title(field)
    facts = {
        "title": title,
        "time": _span(field),
        "unit": found.overlay.unit,
        "source": found.source,
        "crs": "EPSG:3857",
        "bounds": dict(zip(("west", "south", "east", "north"), pixels.bounds, strict=True)),
        "bounds_in_degrees": dict(zip(("west", "south", "east", "north"), pixels.degrees, strict=True)),
        "classes": [
            {"from": one.lower, "to": one.upper, "name": one.name, "colour": one.colour}
            for one in found.overlay.classes
        ],
    }
    texts = {"Title": title, "Source": found.source, "radar_nb": json.dumps(facts)}
    picture = found.overlay.png(pixels.take(numbers, np.uint8(0)), texts)
    beside = {".json": json.dumps(facts, indent=1, ensure_ascii=False).encode(), ".aux.xml": _pam(pixels)}
    for suffix, content in beside.items():
        with replacing(target.with_name(target.name + suffix)) as file:
            file.write(content)
    with replacing(target) as file:
        file.write(picture)


def _pam(pixels: WebGrid) -> bytes:
    """Return the file from which GDAL, QGIS and ArcGIS take the position of a picture beside it."""
    root = Element("PAMDataset")
    SubElement(root, "SRS", dataAxisToSRSAxisMapping="1,2").text = pixels.crs.to_wkt()
    numbers = (pixels.west, pixels.dx, 0.0, pixels.north, 0.0, -pixels.dy)
    SubElement(root, "GeoTransform").text = ", ".join(f"{number:.17g}" for number in numbers)
    return _xml(root, declared=False)  # GDAL expects none


def _write_kmz(found: WebFields, target: Path) -> None:
    """Write the document, then field after field, so that memory does not grow with their number."""
    pixels = web_grid(found.grid, 4326, wide=_WIDE)
    with replacing(target) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("doc.kml", _document(found, pixels, "files"), zipfile.ZIP_DEFLATED)
        for name, picture in _pictures(found, pixels):
            archive.writestr(f"files/{name}", picture)


def _write_kml(found: WebFields, target: Path) -> None:
    """Write the pictures into a folder beside, then the document that names them."""
    pixels = web_grid(found.grid, 4326, wide=_WIDE)
    folder = target.with_name(f"{target.stem}-files")
    for name, picture in _pictures(found, pixels):
        with replacing(folder / name) as file:
            file.write(picture)
    with replacing(target) as file:
        file.write(_document(found, pixels, folder.name))


def _pictures(found: WebFields, pixels: WebGrid) -> Iterator[tuple[str, bytes]]:
    """Yield the names and bytes of the key and of each field's picture."""
    yield "key.png", found.overlay.key(found.source)
    for number, (_, numbers) in enumerate(found):
        yield f"{number}.png", found.overlay.png(pixels.take(numbers, np.uint8(0)), {"Source": found.source})


def _document(found: WebFields, pixels: WebGrid, folder: str) -> bytes:
    """Return the KML: one ground overlay a field with its span of time, and the key as a screen overlay."""
    root = Element("kml", xmlns=_KML)
    document = SubElement(root, "Document")
    _texts(document, name=name_label(found.fields), open="1", description=found.source)
    key = SubElement(document, "ScreenOverlay")
    _texts(key, name="Key")
    _texts(SubElement(key, "Icon"), href=f"{folder}/key.png")
    for tag, x, y in (("overlayXY", "0", "1"), ("screenXY", "0.01", "0.98")):
        SubElement(key, tag, x=x, y=y, xunits="fraction", yunits="fraction")
    west, south, east, north = (f"{edge:.8f}" for edge in pixels.bounds)
    for number, field in enumerate(found.fields):
        overlay = SubElement(document, "GroundOverlay")
        _texts(overlay, name=_title(field))
        if span := _span(field):
            _texts(SubElement(overlay, "TimeSpan"), **span)
        _texts(overlay, color="ccffffff")  # opacity 80 %: what lies below shows through
        _texts(SubElement(overlay, "Icon"), href=f"{folder}/{number}.png")
        _texts(SubElement(overlay, "LatLonBox"), north=north, south=south, east=east, west=west)
    return _xml(root)


def _xml(root: Element, *, declared: bool = True) -> bytes:
    indent(root)
    written: bytes = tostring(root, encoding="utf-8", xml_declaration=declared)
    return written


def _texts(element: Element, **children: str) -> None:
    for tag, text in children.items():
        SubElement(element, tag).text = text


def _title(field: xr.DataArray) -> str:
    return ", ".join(filter(None, (name_label(field), time_label(field))))


def _span(field: xr.DataArray) -> dict[str, str]:
    """Return begin and end of a field in UTC; the end alone of a moment, nothing without time."""
    if "time" not in field.coords:
        return {}
    bounds, end = bounds_of(field), ends_of(field)
    minutes = shown_interval(field) if field.attrs.get("units") == "mm" else None
    begin = bounds[0] if bounds is not None else end - np.timedelta64(60 * minutes, "s") if minutes else None
    stamps = {"begin": begin, "end": end if bounds is None else bounds[1]}
    return {name: f"{np.datetime_as_string(at, 's')}Z" for name, at in stamps.items() if at is not None}


def _write_geojson(found: WebFields, target: Path, *, isolines: bool) -> None:
    """Write a feature for each class and time: its cells as polygons, or the line of its lower limit."""
    with replacing(target) as file:
        head = {"type": "FeatureCollection", "source": found.source}
        file.write(json.dumps(head, ensure_ascii=False)[:-1].encode() + b', "features": [\n')
        before = b""
        for field, numbers in found:
            drawn = _lines(found, field) if isolines else _polygons(found.grid, numbers)
            for number, geometry in drawn:
                one = found.overlay.classes[number]
                facts: dict[str, Any] = {"variable": str(field.name), "unit": found.overlay.unit, **_span(field)}
                facts |= (
                    {"value": one.lower} if isolines else {"from": one.lower, "to": one.upper, "name": one.name}
                )
                facts |= {"stroke": one.colour} if isolines else {"fill": one.colour, "stroke-width": 0}
                feature = {"type": "Feature", "properties": facts, "geometry": geometry}
                file.write(before + json.dumps(feature, ensure_ascii=False).encode())
                before = b",\n"
        file.write(b"\n]}\n")


def _polygons(grid: Grid, numbers: NDArray[np.uint8]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number of each class that occurs, and its cells as a MultiPolygon in degrees."""
    try:
        from rasterio.features import shapes  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise SettingsError("GeoJSON of classes needs rasterio: pip install 'radar-nb[gis]'") from error
    found: dict[int, list[Any]] = {}
    for shape, value in shapes(numbers, mask=numbers >= FIRST):
        found.setdefault(int(value) - FIRST, []).append(shape["coordinates"])
    for number in sorted(found):
        rings = [[np.array(ring) for ring in polygon] for polygon in found[number]]
        corners = np.concatenate([ring for polygon in rings for ring in polygon])
        degrees = iter(_degrees(grid, corners - 0.5, [len(ring) for polygon in rings for ring in polygon]))
        parts = [[_turned(next(degrees), left=not hole) for hole, _ in enumerate(polygon)] for polygon in rings]
        yield number, {"type": "MultiPolygon", "coordinates": parts}


def _turned(ring: list[list[float]], *, left: bool) -> list[list[float]]:
    """Return a ring counterclockwise, or a hole clockwise (RFC 7946, 3.1.6)."""
    x, y = np.array(ring).T
    return ring if (np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) > 0) == left else ring[::-1]


def _lines(found: WebFields, field: xr.DataArray) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number of each class that begins on the field, and the lines of its lower limit in degrees.

    Between the centres of cells values are taken to change evenly; beside cells without data lines end.
    """
    from contourpy import contour_generator  # noqa: PLC0415 - loaded where lines are drawn

    values = np.asarray(field.values, float)
    if min(values.shape) < 2:
        return
    made = contour_generator(z=np.ma.masked_invalid(values))
    for number, one in enumerate(found.overlay.classes):
        lines: Any = made.lines(one.lower * (1 - 1e-3))  # through no centre, where lines would touch
        if lines:
            degrees = _degrees(found.grid, np.concatenate(lines), [len(line) for line in lines])
            yield number, {"type": "MultiLineString", "coordinates": list(degrees)}


def _degrees(grid: Grid, cells: NDArray[np.float64], lengths: Sequence[int]) -> Iterator[list[list[float]]]:
    """Yield lines in degrees; `cells` are their points in columns and rows from the centre of the first cell."""
    x, y = grid.x0 + grid.cell * cells[:, 0], grid.y0 + grid.cell * cells[:, 1]
    points = np.column_stack(to_lonlat(x, y, grid.earth)).round(_PLACES).tolist()
    at = 0
    for length in lengths:
        yield points[at : at + length]
        at += length
