"""Synthetic frames."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from radar_nb.dwd.grids import GRIDS
from radar_nb.dwd.radar_sites import RANGE, SITES
from radar_nb.errors import UnknownProduct
from radar_nb.formats.odim import read_composite
from radar_nb.formats.packing import radolan_packing
from radar_nb.formats.radolan import CLUTTER, NO_DATA, NO_DATA_CODE, SECONDARY, SYNTHETIC, VALUE, read_frame
from radar_nb.mirror import frames as making
from radar_nb.mirror.frames import SUPPORTED, SUPPORTED_HDF5, synthetic_frames, synthetic_runs
from radar_nb.mirror.weather import radar_distance

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from radar_nb.dwd.grids import Grid
    from radar_nb.dwd.products import FamilyName

MOMENT = np.datetime64("2020-06-13T15:50:00")
DAY = np.datetime64("2019-10-14T19:50:00")
CASES: list[tuple[str, FamilyName]] = [
    ("YW", "radklim"),
    ("YW", "radolan"),
    ("RY", "nrt"),
    ("RW", "radklim"),
    ("RW", "radolan"),
    ("RX", "radolan"),
]


def one(name: str, time: np.datetime64 = MOMENT, *, family: FamilyName = "radolan", **options: Any) -> bytes:
    return next(synthetic_frames(name, [time], family=family, **options))[1]


class Downpour:
    """Quickly made weather: a day has 288 fields. Its heaviest rain exceeds the twelve bits of a day's sum."""

    def __init__(self, seed: int) -> None:
        del seed
        self._rain = np.linspace(0, 40, 1200 * 1100, dtype=np.float32).reshape(1200, 1100)

    def rate(self, time: np.datetime64, grid: Grid) -> Any:
        """Return mm/h, the same in a cell of both grids, twice as much in each 25th hour."""
        hours = -(int((DAY - time) / np.timedelta64(1, "m")) // 60)
        return (2 - bool(hours % 25)) * (self._rain if grid.name == "de1200" else self._rain[150:1050, 20:920])


@pytest.fixture
def _downpour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "_weather", Downpour)


@pytest.fixture(scope="module")
def sums() -> list[bytes]:
    """Make the SF of two consecutive hours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(making, "_weather", Downpour)
        return [frame for _, frame in synthetic_frames("SF", [DAY - np.timedelta64(1, "h"), DAY])]


def back(minutes: Sequence[int]) -> list[np.datetime64]:
    return [MOMENT - np.timedelta64(step, "m") for step in sorted(minutes, reverse=True)]


@pytest.mark.parametrize(("name", "family"), CASES)
def test_wradlib_reads_them(name: str, family: FamilyName) -> None:
    """Header and values of every frame are the same in wradlib and radar_nb."""
    from wradlib.io import radolan

    frame = one(name, family=family)
    header, codes = read_frame(frame)
    values, theirs = radolan.read_radolan_composite(io.BytesIO(frame), missing=-9999)

    assert theirs["producttype"] == header.product == name
    assert theirs["datetime"] == MOMENT.astype("datetime64[s]").item()
    assert theirs["radarlocations"] == list(SITES)
    assert theirs["intervalseconds"] == header.interval * 60
    assert theirs["maxrange"] == "150 km"
    packing = radolan_packing(
        codes.dtype.itemsize,
        scale=0.5 if name == "RX" else 10.0**header.precision,
        offset=-32.5 if name == "RX" else 0,
    )
    ours = packing.values(codes)
    if name == "RX":
        values = np.where(values == -9999, -9999, values / 2 - 32.5)
    assert np.allclose(np.nan_to_num(ours, nan=-9999), values, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "family", "real"),
    [
        ("YW", "radklim", "raa01-yw2017.002_10000-2006131525-dwd---bin"),
        ("RW", "radklim", "raa01-rw2017.002_10000-1712310850-dwd---bin"),
        ("RW", "radolan", "raa01-rw_10000-1910141450-dwd---bin"),
        ("RY", "nrt", "raa01-ry_10000-1910182355-dwd---bin"),
    ],
)
def test_headers_are_dwds(real_frames: Path, name: str, family: FamilyName, real: str) -> None:
    """Except for the radars and the software, which says that it is synthetic, a header equals a real one."""
    theirs, _ = read_frame((real_frames / real).read_bytes())
    ours, _ = read_frame(one(name, theirs.time, family=family))

    assert ours.software == SYNTHETIC
    same = replace(ours, radars=theirs.radars, software=theirs.software)
    assert replace(same, size=theirs.size, length=theirs.length) == theirs


def test_header_of_sums_is_dwds(real_frames: Path, sums: list[bytes]) -> None:
    """Except for the software, an SF's header equals a real one: the radars and the hours of each."""
    theirs = (real_frames / "raa01-sf_10000-1910141950-dwd---bin").read_bytes()
    end = theirs.index(b"\x03") + 1

    assert sums[1][:end] == theirs[:end].replace(b"SW   2.21.0", b"SWSYNTHETIC")


def test_a_frame_is_independent_of_others() -> None:
    """A frame is the same alone and among others, for any number of threads; another seed makes another."""
    among = list(synthetic_frames("YW", back(range(0, 30, 5)), family="radklim", workers=3))

    assert [time for time, _ in among] == back(range(0, 30, 5))
    assert among[-1][1] == one("YW", family="radklim", workers=1)
    assert among[-1][1] != one("YW", family="radklim", seed=1)


@pytest.mark.parametrize(("name", "family"), CASES[:5])
def test_radars_do_not_see_beyond_their_range(name: str, family: FamilyName) -> None:
    """No cell farther than 150 km from every radar has a radar's value, and every nearer cell has one."""
    _, codes = read_frame(one(name, family=family))
    far = radar_distance(GRIDS["de1100" if family == "radklim" else "de900"]) > RANGE
    blind = (codes & (NO_DATA | SECONDARY)) != 0

    assert np.array_equal(blind, far)
    assert (codes[(codes & NO_DATA) != 0] == NO_DATA_CODE).all()
    assert ((codes & CLUTTER) != 0).any() == (family == "radklim")
    assert ((codes & SECONDARY) != 0).any() == (name == "RW" and family == "radolan")


def test_hours_are_sums_of_five_minutes() -> None:
    """An RW is the sum of its twelve YW, rounded to 0.1 mm."""
    parts = [read_frame(frame)[1] for _, frame in synthetic_frames("YW", back(range(0, 60, 5)))]
    _, codes = read_frame(one("RW"))
    seen = (codes & (NO_DATA | SECONDARY)) == 0

    total = np.asarray(np.sum(parts, axis=0, dtype=np.uint32))

    assert np.array_equal(codes[seen], (total[seen] + 5) // 10)
    assert codes[seen].max() > 20


@pytest.mark.usefixtures("_downpour")
def test_days_are_sums_of_hours(sums: list[bytes]) -> None:
    """From one hour to the next, an SF gains the new RW and loses that of a day ago, to the last count."""
    before, after = (read_frame(frame)[1].astype(int) for frame in sums)
    lost, gained = (read_frame(one("RW", time))[1].astype(int) for time in (DAY - np.timedelta64(24, "h"), DAY))
    valid = ((after & NO_DATA) == 0) & ((after & VALUE) < VALUE)

    assert np.array_equal((after - before)[valid], ((gained & VALUE) - (lost & VALUE))[valid])
    assert (gained > lost)[valid].any()


def test_only_supported_products() -> None:
    """The error for an unsupported product lists the supported ones."""
    with pytest.raises(UnknownProduct, match=f"EX cannot be made .* {', '.join(SUPPORTED)}"):
        one("EX")


@pytest.mark.parametrize(
    ("name", "quantity", "interval"), [("YW", "RATE", 5), ("RY", "RATE", 5), ("RW", "ACRR", 60)]
)
def test_hdf5_shows_the_same_rain(name: str, quantity: str, interval: int) -> None:
    """Cells are equal as counts of the same size, as rates or sums as at DWD, with a synthetic software."""
    composite = read_composite(one(name, hdf5=True))
    _, codes = read_frame(one(name))
    header, packing = composite.header, composite.packing
    inner = composite.codes[150:1050, 20:920]  # DWD, Kompositformat 2.5: the place of the old grid in the new
    both = (inner != packing.marks[0]) & ((codes & (NO_DATA | SECONDARY)) == 0)

    assert (header.product, header.time, header.interval) == (name, MOMENT, interval)
    assert (composite.quantity, header.software, header.rows, header.cols) == (quantity, SYNTHETIC, 1200, 1100)
    assert header.radars == tuple(f"de{site}" for site in sorted(SITES))
    assert (packing.scale, header.precision) == ((0.01, -2) if interval == 5 else (0.1, -1))
    assert both.sum() > 400_000
    np.testing.assert_array_equal(inner[both], codes[both])
    assert (inner[both] > 0).any()


@pytest.mark.usefixtures("_downpour")
def test_sums_in_hdf5_have_no_limit_of_twelve_bits(sums: list[bytes]) -> None:
    """A day's sum equals that of the binaries as far as these can hold it."""
    _, codes = read_frame(sums[1])
    ((_, data),) = synthetic_frames("SF", [DAY], hdf5=True)

    composite = read_composite(data)

    inner = composite.codes[150:1050, 20:920]
    both = (inner != composite.packing.marks[0]) & ((codes & (NO_DATA | SECONDARY)) == 0)
    assert (composite.header.product, composite.header.interval, composite.packing.scale) == ("SF", 1440, 0.1)
    np.testing.assert_array_equal(np.minimum(inner, VALUE)[both], (codes & VALUE)[both])
    assert (inner[both] > VALUE).any()


def test_a_forecast_is_the_weather_of_its_time() -> None:
    """RV's forecast is correct: the lead time is in the header, whose time is the base time."""
    base = MOMENT - np.timedelta64(30, "m")
    header, codes = read_frame(one("RV", base, lead=30))
    analysis, truth = read_frame(one("RV", MOMENT))

    assert (header.time, header.lead, analysis.time, analysis.lead) == (base, 30, MOMENT, 0)
    assert (header.version, header.rows, header.cols, header.precision) == (5, 1200, 1100, -2)
    np.testing.assert_array_equal(codes, truth)


def test_hdf5_resolves_more_than_the_binary() -> None:
    """The binary has whole hundredths of a millimetre, at least one (measured on DWD's RV)."""
    fine = read_composite(one("RV", lead=15, hdf5=True))
    _, codes = read_frame(one("RV", lead=15))
    values = fine.packing.values(fine.codes)
    seen = np.isfinite(values)
    thousandths = np.where(seen, np.rint(1000.0 * values), 0).astype(np.int64)

    assert (fine.header.lead, fine.header.time, fine.packing.scale) == (15, MOMENT, 0.001)
    np.testing.assert_array_equal(codes == NO_DATA_CODE, ~seen)
    expected = np.where(thousandths > 0, np.maximum(thousandths // 10, 1), 0)
    np.testing.assert_array_equal(codes[seen], expected[seen])
    assert ((thousandths > 0) & (thousandths < 10) & seen).any()


def test_runs_are_the_frames_of_their_lead_times() -> None:
    """Frames are in order of base time and lead time; a field that two runs share is the same in both."""
    times = [MOMENT, MOMENT + np.timedelta64(5, "m")]

    frames = {(time, lead): frame for time, lead, frame in synthetic_runs("RV", times, leads=(0, 5))}

    assert list(frames) == [(time, lead) for time in times for lead in (0, 5)]
    assert frames[times[0], 5] == one("RV", times[0], lead=5, hdf5=True)
    np.testing.assert_array_equal(
        read_composite(frames[times[0], 5]).codes, read_composite(frames[times[1], 0]).codes
    )


@pytest.mark.parametrize("name", ["RX", "EX"])
def test_only_supported_products_in_hdf5(name: str) -> None:
    """The error for an unsupported product lists the supported ones."""
    with pytest.raises(UnknownProduct, match=f"{name} cannot be made .* in HDF5: .* {', '.join(SUPPORTED_HDF5)}"):
        one(name, hdf5=True)
