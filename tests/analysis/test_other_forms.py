"""Analyses of RADKLIM's other forms: an archive of netCDF or of ASCII answers as the binaries do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.radklim_forms import binaries, grids, netcdf, tar_gz

import radar_nb as rn

if TYPE_CHECKING:
    from pathlib import Path

LEIPZIG = {"Leipzig": (12.37, 51.34)}


def test_every_analysis_equals_that_of_the_binaries(tmp_path: Path) -> None:
    """Totals, reductions, points, areas, cubes, checks and files for models are equal in the three forms."""
    geopandas = pytest.importorskip("geopandas", reason="geopandas is not installed")
    shapely = pytest.importorskip("shapely", reason="shapely is not installed")
    area = geopandas.GeoDataFrame(geometry=[shapely.box(12, 51, 12.5, 51.5)], crs="EPSG:4326")
    name, data = netcdf(2)
    sources = (
        binaries(tmp_path / "binary", 2),
        tar_gz(tmp_path / "RW2017.002_2017_netcdf.tar.gz", {f"2017/{name}": data}),
        tar_gz(tmp_path / "RW2017.002_201710_asc.tar.gz", grids(2)),
    )
    found = []
    for number, source in enumerate(sources):
        rn.build_cube(source, tmp_path / f"cube{number}", progress=False)
        points = rn.at_points(source, LEIPZIG, progress=False)
        fields = (
            rn.accumulate(source, "1h", progress=False).RW,
            rn.reduce(source, "max", progress=False).RW,
            points.RW,
            rn.over_areas(source, area, progress=False).RW,
            rn.open_cube(tmp_path / f"cube{number}").RW,
        )
        model = rn.export(points, tmp_path / f"rain{number}.dat", format="swmm", tz="UTC").read_text()
        lines = [line for line in model.splitlines() if not line.startswith(";")]
        found.append(([field.values for field in fields], str(rn.check(source, progress=False)), lines))

    first, *others = found
    for arrays, said, written in others:
        for values, expected in zip(arrays, first[0], strict=True):
            np.testing.assert_array_equal(values, expected)
        assert said == first[1]
        assert written == first[2]
