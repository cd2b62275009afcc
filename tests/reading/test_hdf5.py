"""Laws of opening ODIM HDF5: nothing of a file reaches other libraries, and places are those of its grid."""

from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

import radar_nb as rn
from radar_nb.dwd.grids import GRIDS
from radar_nb.errors import HeaderError
from radar_nb.formats.odim import write_composite
from radar_nb.formats.radolan import Header, write_frame

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def rv(time: str = "2026-06-13T15:25", product: str = "RV", shape: tuple[int, int] = (1200, 1100)) -> Header:
    """Return the header of a composite on the ellipsoid."""
    lead = 0 if product == "RV" else None
    return Header(
        product=product,
        time=np.datetime64(time, "s"),
        rows=shape[0],
        cols=shape[1],
        precision=-2,
        interval=60 if product == "RW" else 5,
        version=5,
        lead=lead,
    )


def composite(
    header: Header | None = None, *, change: Callable[[Any], None] = lambda _: None, **options: Any
) -> bytes:
    """Write a composite in HDF5 that holds 0.07 mm everywhere, and change it."""
    header = header or rv()
    codes = np.full((header.rows, header.cols), 70, "u2")
    stated: dict[str, Any] = {"quantity": "ACRR", "gain": 0.001} | options
    data = io.BytesIO(write_composite(header, codes, **stated))
    with h5py.File(data, "r+") as file:
        change(file)
    return data.getvalue()


def without(*names: str) -> Callable[[Any], None]:
    """Return a change that removes attributes, such as `how/sw_version`."""

    def change(file: Any) -> None:
        for name in names:
            group, _, key = name.rpartition("/")
            del file[group].attrs[key]

    return change


class TestForeignParts:
    """What a file holds beside its field."""

    def test_a_loop_of_hard_links_is_not_followed(self, tmp_path: Path) -> None:
        """A file whose groups contain themselves opens as fast as any."""

        def loop(file: Any) -> None:
            file["dataset1/loop"] = file["/"]

        (tmp_path / "rv").write_bytes(composite(change=loop))

        assert float(rn.open_dataset(tmp_path / "rv", progress=False).RV.max()) == pytest.approx(0.07)

    def test_attributes_that_say_how_it_was_made_may_be_missing(self, tmp_path: Path) -> None:
        """`how/sw_version` and `how/camethod` change nothing of the values."""
        change = without("how/sw_version", "dataset1/how/camethod")
        (tmp_path / "rv").write_bytes(composite(change=change))

        assert float(rn.open_dataset(tmp_path / "rv", progress=False).RV.min()) == pytest.approx(0.07)

    def test_another_quantity_than_the_products_is_refused(self, tmp_path: Path) -> None:
        """A reflectivity under the name of an hour's rain has no unit that could be trusted."""
        data = composite(rv(product="RW"), quantity="DBZH", gain=0.5, offset=-32.5)
        (tmp_path / "rw").write_bytes(data)

        with pytest.raises(HeaderError, match=r"rw holds the quantity DBZH, and RW is hourly.* in mm"):
            rn.open_dataset(tmp_path / "rw", progress=False)


class TestPlaces:
    """Coordinates are those of the file's grid."""

    def test_the_first_file_of_a_product_does_not_place_the_next(self, tmp_path: Path) -> None:
        """Two grids of one product are opened after each other, each with its own coordinates."""
        shapes = {"de1200-wgs84": (1200, 1100), "de900-wgs84": (900, 900)}
        for name, shape in shapes.items():
            (tmp_path / name).write_bytes(composite(rv(product="RW", shape=shape)))

        for name in shapes:
            ds = rn.open_dataset(tmp_path / name, progress=False)
            np.testing.assert_allclose(ds.x, GRIDS[name].x, atol=1e-6)
            np.testing.assert_allclose(ds.y, GRIDS[name].y, atol=1e-6)

    def test_threads_that_open_at_once_get_the_same_coordinates(self, tmp_path: Path) -> None:
        """What is kept of a grid is shared by threads."""
        (tmp_path / "rv").write_bytes(composite())
        found: list[Any] = []
        threads = [
            threading.Thread(target=lambda: found.append(rn.open_dataset(tmp_path / "rv", progress=False).x))
            for _ in range(4)
        ]

        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(found) == 4
        assert all(found[0].identical(other) for other in found)

    def test_a_datasets_coordinates_are_its_own(self, tmp_path: Path) -> None:
        """A change of attributes stays in the Dataset in which it was made."""
        (tmp_path / "rv").write_bytes(composite())
        rn.open_dataset(tmp_path / "rv", progress=False).crs.attrs["crs_wkt"] = "changed"

        assert rn.open_dataset(tmp_path / "rv", progress=False).crs.attrs["crs_wkt"].startswith("PROJCRS")

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("projdef", "+proj=stere +lat_0=90 +lat_ts=60 +lon_0=10 +a=6370040 +b=6370040 +units=m"),
            (
                "projdef",
                "+proj=stere +lat_0=90 +lat_ts=60 +lon_0=10 +a=6378137 +nadgrids=/etc/passwd",
            ),
            ("projdef", "hostile"),
            ("LL_lon", 3.6),
            ("UR_lat", float("nan")),
            ("xsize", 900),
            ("yscale", 2000.0),
        ],
    )
    def test_places_that_contradict_the_grid_are_refused(self, tmp_path: Path, name: str, value: Any) -> None:
        """Projection, corners and cells are those of the registry; the message names both."""

        def change(file: Any) -> None:
            file["where"].attrs[name] = np.bytes_(value) if isinstance(value, str) else value

        (tmp_path / "rv").write_bytes(composite(change=change))

        with pytest.raises(HeaderError, match=rf"rv contradicts its grid: where/{name} is .*de1200-wgs84.* has "):
            rn.open_dataset(tmp_path / "rv", progress=False)

    def test_an_empty_where_is_no_contradiction(self, tmp_path: Path) -> None:
        """DWD's RY in HDF5 does not say where it is; its size does."""
        (tmp_path / "rv").write_bytes(composite(change=lambda file: file["where"].attrs.clear()))

        ds = rn.open_dataset(tmp_path / "rv", progress=False)

        np.testing.assert_allclose(ds.x, GRIDS["de1200-wgs84"].x, atol=1e-6)


class TestBothForms:
    """RV as binaries, and as HDF5 from a day on."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """Write a binary frame and the HDF5 that follows it."""
        header = rv("2026-06-13T15:20")
        (tmp_path / "RV2606131520_000").write_bytes(write_frame(header, np.full((1200, 1100), 7, "u2")))
        (tmp_path / "composite_rv").write_bytes(composite())
        return tmp_path

    def test_hdf5_goes_on_where_binaries_end(self, folder: Path) -> None:
        """One series of both, without a parameter; `source` names the files."""
        ds = rn.open_dataset(folder, progress=False)

        assert ds.RV[:, 0, 0].values.tolist() == pytest.approx([0.07, 0.07])
        assert ds.source.values.tolist() == ["RV2606131520_000", "composite_rv"]
        assert ds.attrs["frames_missing"] == 0

    def test_packed_integers_of_both_are_refused(self, folder: Path) -> None:
        """Their steps differ, so that no packed integers hold both."""
        with pytest.raises(rn.errors.SeriesError, match="leave packed=True away"):
            rn.open_dataset(folder, packed=True, progress=False)
