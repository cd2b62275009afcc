"""Invalid uses of runs, classes and fine grids: each raises an error with a remedy."""

from __future__ import annotations

import bz2
import io
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import xarray as xr

import radar_nb as rn
from radar_nb.errors import HeaderError, RadarNbError, SeriesError
from radar_nb.formats.odim import write_composite
from radar_nb.formats.radolan import Header, write_frame
from radar_nb.formats.streams import Bunzipper

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

RUN = np.datetime64("2026-06-13T15:25", "s")
RV = Header(product="RV", time=RUN, rows=1200, cols=1100, precision=-2, interval=5, version=5, lead=0)


def member(lead: int, *, product: str = "RV", stated: int | None = None) -> tuple[str, bytes]:
    """Return name and bytes of a lead time in HDF5, of which every cell is `lead` + 1 hundredths."""
    header = replace(RV, lead=lead)
    data = write_composite(header, np.full((1200, 1100), lead + 1, np.uint16), quantity="ACRR", gain=0.01)
    return f"composite_{product.lower()}_20260613_1525_{lead if stated is None else stated:03d}-hd5", data


def run(folder: Path, members: Iterable[tuple[str, bytes]]) -> Path:
    """Write a tar of lead times."""
    path = folder / "composite_rv_20260613_1525.tar"
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def test_a_run_has_only_its_existing_leads(tmp_path: Path) -> None:
    """A run opens with the lead times that it has; none is invented between them."""
    ds = rn.open_dataset(run(tmp_path, [member(0), member(5), member(20)]), progress=False)

    assert (ds.lead_time.values / np.timedelta64(1, "m")).tolist() == [0, 5, 20]
    assert ds.RV[0, :, 3, 3].values.tolist() == pytest.approx([0.01, 0.06, 0.21])


def test_a_duplicate_lead_is_named_and_the_later_one_used(tmp_path: Path) -> None:
    """A duplicate lead time raises an error that names both; with errors="report" the rest opens."""
    other = member(5)[0].replace("composite", "b/composite"), member(5)[1]
    path = run(tmp_path, [member(0), member(5), other])

    with pytest.raises(SeriesError, match=r"has the time of .*_005-hd5: an archive of DWD has each once"):
        rn.open_dataset(path, progress=False)

    ds = rn.open_dataset(path, errors="report", progress=False)
    assert (ds.sizes["lead_time"], ds.attrs["frames_doubled"]) == (2, 1)


@pytest.mark.parametrize(
    ("foreign", "match"),
    [
        (member(10, stated=15), "is RV of .*, 10 min ahead by its header, unlike its name"),
        (member(10, product="WN"), "is RV of .* by its header, unlike its name"),
    ],
)
def test_a_foreign_lead_is_named_and_the_others_open(
    foreign: tuple[str, bytes], match: str, tmp_path: Path
) -> None:
    """A member that contradicts its name raises; with errors="report" the others open."""
    path = run(tmp_path, [member(0), foreign, member(15)])

    with pytest.raises(HeaderError, match=match):
        rn.open_dataset(path, progress=False)

    ds = rn.open_dataset(path, errors="report", progress=False)
    assert (ds.lead_time.values / np.timedelta64(1, "m")).tolist() == [0, 15]
    assert "unlike its name" in ds.attrs["problems"]


def test_an_alias_that_lags_is_counted_once(tmp_path: Path) -> None:
    """Beside its dated file and a newer run, an alias adds no run; it counts as doubled only if it differs."""
    alias = run(tmp_path, [member(0)]).read_bytes()
    (tmp_path / "composite_rv_LATEST.tar").write_bytes(alias)
    header = replace(RV, time=RUN + np.timedelta64(300, "s"))
    data = write_composite(header, np.full((1200, 1100), 9, np.uint16), quantity="ACRR", gain=0.01)
    (tmp_path / "composite_rv_20260613_1530_000-hd5").write_bytes(data)

    ds = rn.open_dataset(tmp_path, progress=False)

    assert ds.RV[..., 3, 3].values.ravel().tolist() == pytest.approx([0.01, 0.09])
    assert ds.attrs["frames_doubled"] == 0

    other = write_composite(RV, np.full((1200, 1100), 7, np.uint16), quantity="ACRR", gain=0.01)
    (tmp_path / "composite_rv_LATEST-hd5").write_bytes(other)
    ds = rn.open_dataset(tmp_path, progress=False)
    assert ds.RV[..., 3, 3].values.ravel().tolist() == pytest.approx([0.01, 0.09])
    assert ds.attrs["frames_doubled"] == 1


def test_a_class_product_has_no_mean(tmp_path: Path) -> None:
    """HYMECNG holds classes: a mean or a sum raises, a count does not; xarray has their names as flags."""
    header = replace(RV, product="HYMECNG", lead=None)
    codes = np.full((1200, 1100), 3, np.uint8)
    codes[5, 5], codes[6, 6] = 254, 255
    data = write_composite(header, codes, quantity="CLASS", gain=1.0, undetect=254)
    (tmp_path / "composite_HymecNG_20260613_1525_000-hd5").write_bytes(data)

    with pytest.raises(SeriesError, match="HYMECNG holds classes, which have no sum, no mean, no quantiles"):
        rn.reduce(tmp_path, "mean", progress=False)
    with pytest.raises(SeriesError, match="no mean, no quantiles"):
        rn.reduce(tmp_path, "quantile", quantile=0.5, progress=False)
    with pytest.raises(SeriesError, match="holds classes, which have no sum"):
        rn.accumulate(tmp_path, "1h", progress=False)

    field = rn.open_dataset(tmp_path, progress=False).HYMECNG[0]
    meanings = field.attrs["flag_meanings"].split()
    assert (float(field[0, 0]), float(field[5, 5])) == (3, 0)
    assert (meanings[0], meanings[3], meanings[10]) == ("no_precipitation", "rain", "large_hail")
    assert bool(field[6, 6].isnull())


def test_a_fine_field_is_not_added_to_a_coarse_cube(tmp_path: Path) -> None:
    """Adding 250 m cells to a cube of 1 km cells of the same product raises an error that names both grids."""
    for stamp, shape in (("1525", (1200, 1100)), ("1530", (4800, 4400))):
        folder = tmp_path / stamp
        folder.mkdir()
        header = replace(RV, product="HX", lead=None, rows=shape[0], cols=shape[1])
        header = replace(header, time=RUN + np.timedelta64(5 * (stamp == "1530"), "m"))
        data = write_composite(header, np.ones(shape, np.uint16), quantity="DBZH", gain=0.5, offset=-32.5)
        (folder / f"composite_hx_20260613_{stamp}-hd5").write_bytes(data)
    rn.build_cube(tmp_path / "1525", tmp_path / "cube", progress=False)

    with pytest.raises(RadarNbError, match="de4800-wgs84") as caught:
        rn.build_cube(tmp_path / "1530", tmp_path / "cube", progress=False)

    assert rn.open_dataset(tmp_path / "1530", progress=False).HX.chunks == ((1,), (2400, 2400), (4400,))
    assert "de1200-wgs84" in str(caught.value)


@pytest.mark.parametrize("name", ["composite_rs_20260703_0750_000-hd5", "composite_hx_20251117_1500-hd5"])
def test_xarrays_engine_opens_present_files(name: str, real_present: Path) -> None:
    """`engine="radar_nb"` returns the same variables; xarray finds the engine by DWD's names."""
    from radar_nb.reading.opening import RadarNbBackend

    ours = rn.open_dataset(real_present / name, progress=False, chunks=None)

    found = xr.open_dataset(real_present / name, engine="radar_nb")

    xr.testing.assert_equal(found.drop_vars("source"), ours.drop_vars("source"))
    assert RadarNbBackend().guess_can_open(str(real_present / name))


def test_xarray_finds_the_engine_of_a_run(real_present: Path) -> None:
    """A tar of lead times opens without engine=."""
    assert xr.open_dataset(real_present / "composite_rv_20250923_0855.tar").RV.sizes["lead_time"] == 2


def test_leads_of_a_bzip2_run_are_decompressed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading the leads one by one, backwards, decompresses the run as often as reading them at once."""
    frames = [(f"RV2606131525_{lead:03d}", replace(RV, lead=lead)) for lead in (0, 5, 10, 15)]
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, header in frames:
            data = write_frame(header, np.full((1200, 1100), 257 * (1 + (header.lead or 0) // 5), np.uint16))
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    path = tmp_path / "DE1200_RV2606131525.tar.bz2"
    path.write_bytes(bz2.compress(made.getvalue()))  # quick, since both bytes of a code are equal
    ds = rn.open_dataset(path, chunks=None, progress=False)
    unpacked = []
    original = Bunzipper.readinto

    def counting(self: Bunzipper, buffer: memoryview) -> int:
        count = original(self, buffer)
        unpacked.append(count)
        return count

    monkeypatch.setattr(Bunzipper, "readinto", counting)
    values = [float(ds.RV[0, lead, 7, 7]) for lead in (3, 2, 1, 0)]

    assert values == pytest.approx([10.28, 7.71, 5.14, 2.57])
    assert sum(unpacked) == len(made.getvalue())
