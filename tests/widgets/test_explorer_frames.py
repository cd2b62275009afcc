"""The explorer's frames: fields become codes with the same values."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.small_rain import forecasts, rain
from support.unpacking import unpacked

import radar_nb as rn
from radar_nb.dwd.grids import GRIDS, to_xy
from radar_nb.errors import SeriesError
from radar_nb.runtime.language import Texts
from radar_nb.widgets.explorer.frames import CodedField, FrameSequence, encode, select_variable
from radar_nb.widgets.explorer.map_info import map_info
from radar_nb.widgets.explorer.packed_fields import NO_VALUE
from radar_nb.widgets.explorer.queries import place_series
from radar_nb.widgets.explorer.widget import Explorer

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FLOATS = st.floats(-1e6, 1e6, width=32) | st.just(np.nan)
SHORT = hnp.arrays(np.float64, (3, 4), elements=st.integers(0, 65534).map(lambda k: k / 100) | st.just(np.nan))


def array(values: NDArray[Any], *dims: str, **attrs: Any) -> xr.DataArray:
    coords = {"y": -4_758_000.0 + 1000 * np.arange(values.shape[-2]), "x": 1000.0 * np.arange(values.shape[-1])}
    return xr.DataArray(values, dims=(*dims, "y", "x"), coords=coords, name="YW", attrs=attrs)


class TestPack:
    """Packing of numbers as codes."""

    @given(SHORT)
    def test_hundredths_are_packed_exactly(self, values: NDArray[np.float64]) -> None:
        """Amounts up to 655.34 in steps of 0.01 are unpacked exactly, and missing ones stay missing."""
        assert np.allclose(encode(values).values, values, rtol=1e-6, equal_nan=True)

    def test_thousandths_of_rv_are_packed_exactly(self) -> None:
        """Amounts below 65.534 mm keep their count of 0.001 mm; one between two counts changes the steps."""
        counts = np.arange(65_534).reshape(2, -1)
        amounts = (counts * 0.001).astype(np.float32)
        between = amounts.copy()
        between[1, 5] += 0.0001

        assert np.array_equal(encode(amounts).codes, counts)
        assert encode(between).scale != 0.001

    @given(hnp.arrays(np.float32, (3, 4), elements=FLOATS))
    def test_other_numbers_are_within_one_step(self, values: NDArray[np.float32]) -> None:
        """Other numbers change by about one step at most, which is the field's range divided by 65,534."""
        picture = encode(values)

        away = np.abs(picture.values.astype(float) - values)
        assert np.array_equal(np.isnan(picture.values), np.isnan(values))
        assert not (away > picture.scale + 1e-6 * np.abs(values) + 0.1).any()

    def test_a_field_of_missing_cells_is_packed(self) -> None:
        """A field without any value has only the code of missing cells."""
        assert (encode(np.full((2, 2), np.nan)).codes == NO_VALUE).all()


class TestPicture:
    """One field as codes."""

    @pytest.mark.parametrize(("least", "share"), [(0.0, 1.0), (0.01, 2 / 3), (0.5, 1 / 3), (1e9, 0.0)])
    def test_the_share_is_of_cells_with_data(self, least: float, share: float) -> None:
        """Missing cells are neither wet nor dry, and a cell at the limit is wet."""
        picture = CodedField(codes=np.array([[0, 1], [50, NO_VALUE]], np.uint16), scale=0.01, offset=0.0)

        assert picture.packed().share(least) == pytest.approx(share)

    @given(
        st.lists(st.tuples(st.sampled_from([0, 1, 7, NO_VALUE]), st.integers(1, 90_000)), min_size=1, max_size=5)
        | st.lists(st.tuples(st.integers(0, NO_VALUE), st.just(1)), min_size=1, max_size=300)
    )
    def test_packed_codes_are_unpacked_exactly(self, runs: list[tuple[int, int]]) -> None:
        """A browser unpacks any codes, with long runs or without, to the original codes."""
        codes = np.concatenate([np.full(length, code, np.uint16) for code, length in runs])

        packed = CodedField(codes=codes[None], scale=1.0, offset=0.0).packed().data

        assert np.array_equal(unpacked(packed), codes)
        assert len(zlib.decompress(packed)) <= 2 * codes.size + 4


class TestFrames:
    """A variable as a sequence of fields."""

    @pytest.mark.parametrize("packed", [True, False])
    @pytest.mark.parametrize("name", ["rw", "rx", "yw", "ry"])
    def test_real_fields_have_the_datasets_values(self, real_frames: Path, name: str, *, packed: bool) -> None:
        """Codes of real fields have the values of `open_dataset`, from packed integers and from floats."""
        path = next((found for found in sorted(real_frames.rglob("*")) if name in found.name.lower()), None)
        if path is None:
            pytest.skip(f"there is no real frame of {name}")
        expected = select_variable(rn.open_dataset(path, progress=False))

        frames = FrameSequence(select_variable(rn.open_dataset(path, packed=packed, chunks=None, progress=False)))

        (picture,) = frames.fields(0, 1)
        assert np.allclose(picture.values, expected.values[0], atol=1e-4, equal_nan=True)
        assert np.array_equal(
            frames.box(0, 1, slice(3, 4), slice(5, 6))[0], picture.values[3:4, 5:6], equal_nan=True
        )

    def test_descending_coordinates_are_reversed(self) -> None:
        """The first row of a picture is the southernmost and its first column the westernmost."""
        values = np.arange(6.0).reshape(1, 2, 3)
        turned = array(values, "time").isel(y=slice(None, None, -1), x=slice(None, None, -1))

        assert np.array_equal(FrameSequence(turned).fields(0, 1)[0].values, values[0])

    def test_one_field_is_a_sequence_of_one(self) -> None:
        """A field without time has one frame and no dimension to play along."""
        frames = FrameSequence(array(np.ones((2, 3))))

        assert (len(frames), frames.along, frames.times) == (1, None, None)
        assert frames.box(0, 1, slice(1, 2), slice(1, 2)).tolist() == [[[1.0]]]

    def test_a_forecast_plays_along_its_lead_time(self) -> None:
        """The times of the fields are the forecast times."""
        data = array(np.zeros((1, 3, 2, 2)), "time", "lead_time")
        ends = np.array([["2020-06-13T15:05", "2020-06-13T15:10", "2020-06-13T15:15"]], "datetime64[ns]")
        data = data.assign_coords(prediction_time=(("time", "lead_time"), ends))

        frames = FrameSequence(data)

        assert frames.along == "lead_time"
        assert frames.times is not None
        assert str(frames.times[1]) == "2020-06-13T15:10:00.000"

    def test_a_run_plays_over_its_time_of_validity(self) -> None:
        """One opened forecast run plays over its valid times; several runs raise."""
        ds = forecasts(np.zeros((2, 3, 2, 2)), first="2020-06-13T15:00")

        frames = FrameSequence(ds.RV.isel(time=[1]))

        assert (frames.along, len(frames), frames.minutes) == ("time", 3, 5)
        assert frames.times is not None
        assert str(frames.times[1]) == "2020-06-13T15:10:00.000"
        assert Explorer(ds).problem.startswith("RV has 2 runs of several lead times")
        assert len(Explorer(ds.isel(lead_time=2)).frames) == 2

    def test_two_dimensions_to_play_along_raise(self) -> None:
        """Two dimensions to play along raise: the caller must select one."""
        with pytest.raises(SeriesError, match=r"plays along one|along one dimension.*time \(2\), lead_time \(3\)"):
            FrameSequence(array(np.zeros((2, 3, 2, 2)), "time", "lead_time"))

    def test_an_empty_series_raises(self) -> None:
        """A series without a field raises."""
        with pytest.raises(SeriesError, match="holds no field: its time is empty"):
            FrameSequence(array(np.zeros((0, 2, 2)), "time"))


class TestChoose:
    """Choice of the variable that is shown."""

    def test_the_default_is_the_first_field_other_than_flags(self) -> None:
        """The default is the first gridded variable other than flags and coverage, which are shown on request."""
        ds = xr.Dataset({"flags": array(np.zeros((2, 2))), "n": 1, "RW": array(np.ones((2, 2)))})

        assert select_variable(ds).name == "RW"
        assert select_variable(ds, "flags").name == "flags"

    def test_a_dataset_without_fields_raises(self) -> None:
        """The error names what is required."""
        with pytest.raises(SeriesError, match="no field to show: none of its variables has the dim"):
            select_variable(xr.Dataset({"n": 1}))

    def test_an_unknown_variable_lists_the_known_ones(self) -> None:
        """The error names the existing variables."""
        with pytest.raises(SeriesError, match="no field RX to show: it has RW"):
            select_variable(xr.Dataset({"RW": array(np.ones((2, 2)))}), "RX")


class TestClasses:
    """Products whose values are names, such as kinds of precipitation."""

    CODES = np.array([0, 3, 10], np.uint8)

    def _field(self, values: Any, **attrs: Any) -> xr.DataArray:
        attrs = {
            "flag_values": self.CODES,
            "flag_meanings": "no_precipitation rain large_hail",
            "units": "1",
        } | attrs
        field = rain(np.zeros((1, 2, 2)))["YW"].isel(time=0, drop=True).copy(data=values)
        return field.assign_attrs(attrs).rename("HYMECNG")

    @pytest.mark.parametrize("packed", [False, True])
    def test_fields_hold_the_numbers_of_classes(self, packed: bool) -> None:
        """Codes with gaps become 0, 1, 2, ...; an unnamed code follows the last; missing stays missing."""
        raw = np.array([[0, 3], [77, 255]], np.uint8)
        values = self._field(raw, _FillValue=255) if packed else self._field(np.where(raw == 255, np.nan, raw))
        frames = FrameSequence(values)

        (field,) = frames.fields(0, 1)

        assert frames.class_names == ("no precipitation", "rain", "large hail")
        assert field.codes.tolist() == [[0, 1], [3, NO_VALUE]]
        assert np.array_equal(frames.box(0, 1, slice(0, 1), slice(0, 2))[0], [[0, 1]])

    def test_the_legend_names_each_class(self) -> None:
        """Each class has a name and a colour of its own, the unnamed ones included."""
        (unit,) = map_info(FrameSequence(self._field(np.zeros((2, 2)))), Texts("en"))["units"]

        assert unit["names"] == ("no precipitation", "rain", "large hail", "other")
        assert unit["limits"] == [0, 1, 2, 3]
        assert len({unit["colours"][k : k + 6] for k in range(0, 24, 6)}) == 4

    def test_an_area_has_no_series_of_classes(self) -> None:
        """A mean of class numbers is not a class."""
        frames = FrameSequence(self._field(np.zeros((2, 2))))

        with pytest.raises(SeriesError, match="HYMECNG holds classes, which have no mean over an area"):
            list(place_series(frames, [{"id": "a", "polygon": [(0, 0), (2, 0), (2, 2)]}], (0, 1)))


class TestMap:
    """What the browser draws around the field."""

    def test_towns_and_rivers_stand_in_cells_of_the_grid(self) -> None:
        """Leipzig and the Danube at Passau lie where the projection puts them, the largest town comes first."""
        grid = GRIDS["de1100"]
        field = array(np.zeros(grid.shape), units="mm", interval_minutes=60)
        info = map_info(FrameSequence(field.assign_coords(y=grid.y, x=grid.x)), Texts("en"))
        towns = {name: (col, row) for name, col, row, *_ in info["towns"]}
        x, y = to_xy([12.371, 13.46], [51.34, 48.575], "sphere")
        col, row = (x - grid.x0) / grid.cell + 0.5, (y - grid.y0) / grid.cell + 0.5
        danube = np.vstack([np.reshape(line, (-1, 2)) for line in info["lines"]["rivers_large"]])

        assert towns["Leipzig"] == pytest.approx((col[0], row[0]), abs=0.1)
        assert info["towns"][0][0] == "Berlin"
        assert np.hypot(*(danube - (col[1], row[1])).T).min() < 6
        assert "GeoNames" in info["sources"]
