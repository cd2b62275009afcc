"""Synthetic composites: one weather in the codes of every product."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING
from urllib.request import urlopen

import numpy as np
import pytest

import radar_nb as rn
from radar_nb.cli.main import main
from radar_nb.dwd.products import HYDROMETEOR_CLASSES, HYDROMETEORS, product
from radar_nb.errors import ArchiveError, CoverageError, NothingFound
from radar_nb.formats.odim import read_composite
from radar_nb.formats.radolan import SYNTHETIC, read_frame
from radar_nb.mirror import Mirror
from radar_nb.mirror.archives import make_archives, make_present
from radar_nb.mirror.composites import IN_HDF5
from radar_nb.mirror.frames import synthetic_frames

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MOMENT = np.datetime64("2020-06-13T15:50:00")


def values(name: str, time: np.datetime64 = MOMENT, lead: int = 0) -> NDArray[np.float32]:
    """Make one frame in HDF5 and return its values."""
    ((_, data),) = synthetic_frames(name, [time], hdf5=True, lead=lead)
    composite = read_composite(data)
    return composite.packing.values(composite.codes)


@pytest.mark.parametrize("name", IN_HDF5)
def test_a_composite_describes_itself(name: str) -> None:
    """Product, time, lead time, grid and quantity are the table's; the software says that it is synthetic."""
    lead = 60 if product(name).leads else 0
    ((_, data),) = synthetic_frames(name, [MOMENT], hdf5=True, lead=lead)
    composite = read_composite(data)
    header = composite.header
    quantities = {"amount": "ACRR", "reflectivity": "DBZH", "water_content": "VIL", "class": "CLASS"}

    assert (header.product, header.time, header.lead) == (name, MOMENT, lead or None)
    assert (header.interval, header.software) == (product(name).interval, SYNTHETIC)
    assert f"de{header.rows}-wgs84" == product(name).families[0].grid
    assert composite.quantity == quantities[product(name).quantity]


def test_rs_is_the_sum_of_twelve_rv() -> None:
    """Its lead time of 5 minutes is the hour that ends then, in thousandths of a millimetre."""
    parts = [values("RV", MOMENT + np.timedelta64(5 - back, "m")) for back in range(0, 60, 5)]

    total = values("RS", lead=5)

    np.testing.assert_allclose(total, np.sum(parts, axis=0), atol=1e-4)
    assert np.nanmax(total) > 10


def test_fine_cells_lie_in_the_coarse_ones() -> None:
    """Sixteen cells of HX show the WN of their kilometre, and the column's maximum is never less."""
    coarse, fine, highest = values("WN"), values("HX"), values("DMAX")

    np.testing.assert_array_equal(fine[2::4, 3::4], coarse)
    np.testing.assert_array_equal(np.isnan(highest), np.isnan(fine))
    assert (highest[fine > 0] > fine[fine > 0]).all()
    assert np.nanmax(fine) > 45


def test_the_classes_of_both_forms_agree() -> None:
    """HG's bits and HYMECNG's numbers name the same kinds."""
    ((_, frame),) = synthetic_frames("HG", [MOMENT])
    header, bits = read_frame(frame)
    numbers = values("HYMECNG")
    seen = np.isfinite(numbers)

    assert (header.product, bits.shape) == ("HG", numbers.shape)
    found = {HYDROMETEORS[int(bit)] for bit in np.unique(bits[seen])}
    assert found == {"drizzle", "rain", "hail", "no_precipitation"}
    np.testing.assert_array_equal(bits == 1 << 31, ~seen)
    rain = HYDROMETEOR_CLASSES.index("rain")
    np.testing.assert_array_equal(bits[seen] == 16, numbers[seen] == rain)


def test_it_snows_in_winter() -> None:
    """The class of cells other than drizzle follows the season."""
    numbers = values("HYMECNG", np.datetime64("2021-01-13T12:00:00"))
    kinds = {HYDROMETEOR_CLASSES[int(number)] for number in np.unique(numbers[np.isfinite(numbers)])}

    assert "snow" in kinds
    assert "rain" not in kinds


@pytest.mark.parametrize(
    ("name", "file", "alias"),
    [
        ("HX", "hx/composite_hx_20200613_1550-hd5", "composite_hx_LATEST-hd5"),
        ("DMAX", "dmax/composite_dmax_20200613_1550-hd5", "composite_dmax_LATEST-hd5"),
        ("VII", "vii/composite_VII_20200613_1550-hd5", "composite_VII_latest-hd5"),
        ("HYMECNG", "hymecng/composite_HymecNG_20200613_1550_000-hd5", "composite_HymecNG_LATEST_000-hd5"),
        ("HG", "hg/HG2006131550_000.bz2", "HG_LATEST_000.bz2"),
    ],
)
def test_composites_are_stored_at_dwds_paths(tmp_path: Path, name: str, file: str, alias: str) -> None:
    """Each is stored under its folder and name, and under its alias, in DWD's spelling."""
    (path,) = make_archives(tmp_path, name, "2020-06-13T15:50", source="nrt", hdf5=name != "HG", progress=False)

    assert path == tmp_path / "weather/radar/composite" / file
    assert path.with_name(alias).read_bytes() == path.read_bytes()


def test_the_solid_share_is_published_in_tenths_of_percent(tmp_path: Path) -> None:
    """RE is a gzipped frame of one lead time on its grid, mostly solid in winter, flagged as in DWD's files."""
    (path,) = make_archives(tmp_path, "RE", "2021-01-13T12:00", source="nrt", progress=False)
    header, codes = read_frame(gzip.decompress(path.read_bytes()))

    ds = rn.open_dataset(path, progress=False)

    assert path == tmp_path / "weather/radar/radvor/re/RE2101131200_000.gz"
    assert (header.product, header.precision, header.interval, header.lead) == ("RE", -3, 60, 0)
    assert set(np.unique(codes[(codes & 0xFFF > 0) & (codes & 0x2000 == 0)] & 0xF000)) == {0x1000}
    assert ds.RE.shape[-2:] == (900, 900)
    assert 0.5 < float(ds.RE.max()) <= 1
    assert int(ds.RE.isnull().sum()) > 100_000


def test_bufr_is_refused_on_every_road(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """PG, published and downloaded, is refused by plan, open and commands, each of which names WN and HX."""
    (published,) = make_present(tmp_path, ["PG"], progress=False)
    with Mirror(tmp_path) as mirror:
        address = f"{mirror.url}/{published.relative_to(tmp_path).as_posix()}"
        path = tmp_path / "data" / published.name
        path.parent.mkdir()
        with urlopen(address) as response:  # noqa: S310 - the mirror's own address
            path.write_bytes(response.read())
        for ask in (rn.plan, rn.load, rn.sync, rn.wait_for):
            with pytest.raises(CoverageError, match=r"DWD publishes it as BUFR today, .* choose WN or HX instead"):
                ask("PG", "2026-11-29T10:00", folder=tmp_path / "data", base_url=mirror.url)
        assert main(["download", "PG", "2026-11-29", "--base-url", mirror.url, "--folder", str(path.parent)]) == 1
        assert main(["latest", "PG", "--base-url", mirror.url]) == 1
    assert main(["plot", str(path)]) == 1
    assert main(["info", str(path.parent)]) == 1
    said = capsys.readouterr().err.split("radar-nb: ")[1:]
    for text in said:
        assert "WN" in text
        assert "HX" in text
    assert len(said) == 4
    with pytest.raises(ArchiveError, match=r"a BUFR file, .* \(PG\) is WN and HX in HDF5"):
        rn.open_dataset(path, progress=False)
    with pytest.raises(NothingFound, match=r"latest-dwd---bufr was skipped: it is a BUFR file"):
        rn.open_dataset(path.parent, progress=False)
