"""Forms: an hour opens as the same Dataset from a binary, a netCDF file or an ASCII grid."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
import xarray as xr
from support.radklim_forms import binaries, frames, grids, netcdf, tar_gz

import radar_nb as rn
from radar_nb.cli.main import main
from radar_nb.errors import CubeError, HeaderError, SeriesError
from radar_nb.formats.radolan import write_frame

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAME, DATA = netcdf()


def place(form: str, folder: Path) -> Path:
    """Write the three hours in a form and return the path."""
    folder.mkdir()
    if form == "a netCDF file":
        (folder / NAME).write_bytes(DATA)
        return folder / NAME
    if form == "a folder of netCDF":
        (folder / NAME).write_bytes(DATA)
        (folder / "my_sums.nc").write_bytes(b"a result of radar_nb")
        return folder
    if form == "a yearly archive of netCDF":
        return tar_gz(folder / "RW2017.002_2017_netcdf.tar.gz", {f"2017/{NAME}": DATA})
    if form == "an archive of ASCII":
        return tar_gz(folder / "RW2017.002_201710_asc.tar.gz", grids())
    for name, data in grids().items():
        (folder / name).write_bytes(data)
    return folder


FORMS = (
    *("a netCDF file", "a folder of netCDF", "a yearly archive of netCDF"),
    *("an archive of ASCII", "a folder of ASCII"),
)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_equals_the_binaries(form: str, tmp_path: Path) -> None:
    """Values, names, units, grid on the sphere in metres, and time bounds are equal; so are sums, read once."""
    source = place(form, tmp_path / "form")
    binary = rn.open_dataset(binaries(tmp_path / "binary"), progress=False)

    ds = rn.open_dataset(source, progress=False)

    xr.testing.assert_equal(ds.drop_vars("source").load(), binary.drop_vars("source").load())
    for key in ("units", "standard_name", "cell_methods", "interval_minutes", "grid_mapping", "long_name"):
        assert ds.RW.attrs[key] == binary.RW.attrs[key]
    assert dict(ds.crs.attrs) == dict(binary.crs.attrs)
    files = {source.name} if source.is_file() else {path.name for path in source.glob("RW_*")}
    assert set(ds.source.values) == files
    totals = [rn.accumulate(made, "3h", progress=False, min_coverage=0) for made in (source, tmp_path / "binary")]
    xr.testing.assert_equal(*(total.RW.load() for total in totals))


def test_a_point_is_read_from_netcdf(tmp_path: Path) -> None:
    """The series at a place is that of the binaries."""
    source = place("a yearly archive of netCDF", tmp_path / "form")
    binary = binaries(tmp_path / "binary")

    found = [rn.at_points(made, {"Essen": (7.0, 51.4)}, progress=False) for made in (source, binary)]

    np.testing.assert_array_equal(*(made.RW.values for made in found))


def test_both_forms_in_one_folder_are_counted_once(tmp_path: Path) -> None:
    """An hour in both binary and netCDF is used once, and the Dataset reports it."""
    folder = binaries(tmp_path / "both")
    (folder / NAME).write_bytes(DATA)

    ds = rn.open_dataset(folder, progress=False)

    assert ds.sizes["time"] == ds.attrs["frames_doubled"] == 3
    bare = np.where(frames()[0][2] & 0x2000, np.nan, (frames()[0][2] & 0xFFF) / 10)
    np.testing.assert_allclose(ds.RW[0], bare, rtol=1e-6)


def test_binaries_are_preferred_to_netcdf_and_netcdf_to_ascii(tmp_path: Path) -> None:
    """Of an hour in three forms the binary is taken, then the netCDF, whatever the order of the names."""
    name, data = list(grids().items())[2]
    for folder, found in (("a", frames()[0][0]), ("b", DATA), ("c", data)):
        (tmp_path / folder).mkdir()
        names = {"a": "raa01-rw2017.002_10000-1710010050-dwd---bin", "b": NAME, "c": name}
        (tmp_path / folder / names[folder]).write_bytes(found)

    ds = rn.open_dataset(tmp_path, progress=False)

    assert [source[:5] for source in ds.source.values.tolist()] == ["raa01", "RW_20", "RW_20"]
    assert ds.source.values[2] == NAME
    assert ds.attrs["frames_doubled"] == 2


def test_two_versions_of_radklim_are_not_merged(tmp_path: Path) -> None:
    """Hours of two versions raise an error that names both, in every reader; with errors="report" one opens."""
    folder = binaries(tmp_path / "both")
    _, header, codes = frames()[0]
    other = write_frame(replace(header, reanalysis="2016.003"), codes)
    (folder / "raa01-rw2016.003_10000-1710010050-dwd---bin").write_bytes(other)
    readers: list[Callable[..., object]] = [
        *(rn.open_dataset, rn.check, partial(rn.reduce, how="sum"), partial(rn.accumulate, period="1h")),
        partial(rn.build_cube, store=tmp_path / "cube"),
        partial(rn.at_points, points={"Essen": (7.0, 51.4)}),
        partial(rn.open_dataset, grid="de1200"),
    ]
    for read in readers:
        with pytest.raises(
            SeriesError,
            match=r"(?s)RW 2016\.003 of.*unlike .*RW 2017\.002 of.*open the versions 2016\.003 and 2017\.002",
        ):
            read(folder, progress=False)
    assert main(["info", str(folder)]) != 0

    first = binaries(tmp_path / "one", 1)
    rn.build_cube(first, tmp_path / "cube", progress=False)
    (tmp_path / "later").mkdir()
    late = replace(header, reanalysis="2016.003", time=header.time + np.timedelta64(1, "D"))
    (tmp_path / "later" / "raa01-rw2016.003_10000-1710020050-dwd---bin").write_bytes(write_frame(late, codes))
    with pytest.raises(CubeError, match=r"whose version is 2017\.002, not 2016\.003: use another store"):
        rn.build_cube(tmp_path / "later", tmp_path / "cube", progress=False)

    ds = rn.open_dataset(folder, errors="report", progress=False)
    assert (ds.sizes["time"], ds.attrs["frames_doubled"]) == (3, 0)
    assert "2016.003" in ds.attrs["problems"]


def test_one_form_continues_the_other(tmp_path: Path) -> None:
    """Hours of binaries and of ASCII make one series; `source` names the file of each."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    last = list(grids().items())[2]
    (folder / last[0]).write_bytes(last[1])
    for number in (0, 1):
        (folder / f"raa01-rw2017.002_10000-17100{1}0{number}50-dwd---bin").write_bytes(frames()[number][0])

    ds = rn.open_dataset(folder, progress=False)

    assert ds.sizes["time"] == 3
    assert ds.source.values[2] == last[0]


def test_a_netcdf_of_radar_nb_is_not_radklim(tmp_path: Path) -> None:
    """For a netCDF file written by radar_nb the message says to open it with xarray."""
    rn.open_dataset(place("a netCDF file", tmp_path / "form"), progress=False).to_netcdf(tmp_path / "mine.nc")

    with pytest.raises(
        HeaderError, match=r"without the variable RR of RADKLIM.*open it with xarray\.open_dataset"
    ):
        rn.open_dataset(tmp_path / "mine.nc", progress=False)


def test_the_real_ascii_day_is_summed(real_forms: Path) -> None:
    """24 hours of 18 October 2022 open from the archive; each hour is in mm, and none is missing."""
    ds = rn.open_dataset(real_forms / "RW-20221018.tar.gz", progress=False)

    assert ds.sizes["time"] == 24
    assert float(ds.RW.isel(time=slice(0, 2)).max()) < 50
    assert str(ds.time_bnds.values[0, 0]) == "2022-10-17T23:50:00.000000000"


def test_ascii_of_two_products_is_two_series(tmp_path: Path) -> None:
    """YW and RW in one folder are distinguished by their names."""
    folder = place("a folder of ASCII", tmp_path / "form")
    name, data = next(iter(grids().items()))
    (folder / name.replace("RW", "YW")).write_bytes(data)

    with pytest.raises(
        SeriesError, match=r"holds 2 products, RW \(3 frames\), YW \(1 frame\): choose one, such as variables='RW'"
    ):
        rn.open_dataset(folder, progress=False)
