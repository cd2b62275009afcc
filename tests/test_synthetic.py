"""Laws of the synthetic frames and archives."""

from __future__ import annotations

import bz2
import gzip
import io
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from radar_nb.errors import CoverageError, MonthError, StorageError, UnknownProduct
from radar_nb.frames import CLUTTER, NO_DATA, NO_DATA_CODE, SECONDARY, SYNTHETIC, VALUE, decode, read_frame
from radar_nb.grids import GRIDS
from radar_nb.sites import RANGE, SITES
from radar_nb.synthetic import SUPPORTED, make_archives, synthetic_frames
from radar_nb.weather import radar_distance

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from radar_nb.products import FamilyName
    from radar_nb.progress import Progress

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


@pytest.fixture(scope="module")
def sums() -> list[bytes]:
    """Make the SF of two hours that follow each other."""
    return [frame for _, frame in synthetic_frames("SF", [DAY - np.timedelta64(1, "h"), DAY])]


def back(minutes: Sequence[int]) -> list[np.datetime64]:
    return [MOMENT - np.timedelta64(step, "m") for step in sorted(minutes, reverse=True)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder that is filled once for all tests."""
    return tmp_path_factory.mktemp("root")


@pytest.fixture(scope="module")
def month(root: Path) -> Path:
    """Make the archive of a month of RADKLIM YW of which there is one day."""
    (path,) = make_archives(root, "YW", "2020-06", days=[13], progress=False)
    return path


class TestFrames:
    """What `synthetic_frames` gives."""

    @pytest.mark.parametrize(("name", "family"), CASES)
    def test_wradlib_reads_them(self, name: str, family: FamilyName) -> None:
        """In every frame wradlib finds the header and the values that radar_nb finds."""
        from wradlib.io import radolan

        frame = one(name, family=family)
        header, codes = read_frame(frame)
        values, theirs = radolan.read_radolan_composite(io.BytesIO(frame), missing=-9999)

        assert theirs["producttype"] == header.product == name
        assert theirs["datetime"] == MOMENT.astype("datetime64[s]").item()
        assert theirs["radarlocations"] == list(SITES)
        assert theirs["intervalseconds"] == header.interval * 60
        assert theirs["maxrange"] == "150 km"
        ours = decode(
            codes, scale=0.5 if name == "RX" else 10.0**header.precision, offset=-32.5 if name == "RX" else 0
        )
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
    def test_headers_are_dwds(self, real_frames: Path, name: str, family: FamilyName, real: str) -> None:
        """But for the radars, and the software that owns up to it, a header says what a real one says."""
        theirs, _ = read_frame((real_frames / real).read_bytes())
        ours, _ = read_frame(one(name, theirs.time, family=family))

        assert ours.software == SYNTHETIC
        same = replace(ours, radars=theirs.radars, software=theirs.software)
        assert replace(same, size=theirs.size, length=theirs.length) == theirs

    def test_header_of_sums_is_dwds(self, real_frames: Path, sums: list[bytes]) -> None:
        """But for the software, an SF's header is a real one to the byte: the radars and the hours of each."""
        theirs = (real_frames / "raa01-sf_10000-1910141950-dwd---bin").read_bytes()
        end = theirs.index(b"\x03") + 1

        assert sums[1][:end] == theirs[:end].replace(b"SW   2.21.0", b"SWSYNTHETIC")

    def test_a_frame_stands_alone(self) -> None:
        """A frame is the same alone and among others, on one thread and on many; another seed gives another."""
        among = list(synthetic_frames("YW", back(range(0, 30, 5)), family="radklim", workers=3))

        assert [time for time, _ in among] == back(range(0, 30, 5))
        assert among[-1][1] == one("YW", family="radklim", workers=1)
        assert among[-1][1] != one("YW", family="radklim", seed=1)

    @pytest.mark.parametrize(("name", "family"), CASES[:5])
    def test_radars_do_not_see_beyond_their_range(self, name: str, family: FamilyName) -> None:
        """No cell farther than 150 km from every radar has a radar's value, and every nearer cell has one."""
        _, codes = read_frame(one(name, family=family))
        far = radar_distance(GRIDS["de1100" if family == "radklim" else "de900"]) > RANGE
        blind = (codes & (NO_DATA | SECONDARY)) != 0

        assert np.array_equal(blind, far)
        assert (codes[(codes & NO_DATA) != 0] == NO_DATA_CODE).all()
        assert ((codes & CLUTTER) != 0).any() == (family == "radklim")
        assert ((codes & SECONDARY) != 0).any() == (name == "RW" and family == "radolan")

    def test_hours_are_sums_of_five_minutes(self) -> None:
        """An RW is the sum of its twelve YW, rounded to 0.1 mm."""
        parts = [read_frame(frame)[1] for _, frame in synthetic_frames("YW", back(range(0, 60, 5)))]
        _, codes = read_frame(one("RW"))
        seen = (codes & (NO_DATA | SECONDARY)) == 0

        total = np.asarray(np.sum(parts, axis=0, dtype=np.uint32))

        assert np.array_equal(codes[seen], (total[seen] + 5) // 10)
        assert codes[seen].max() > 20

    def test_days_are_sums_of_hours(self, sums: list[bytes]) -> None:
        """From one hour to the next, an SF gains the new RW and loses that of a day ago, to the last count."""
        before, after = (read_frame(frame)[1].astype(int) for frame in sums)
        lost, gained = (
            read_frame(one("RW", time))[1].astype(int) for time in (DAY - np.timedelta64(24, "h"), DAY)
        )
        valid = (after & NO_DATA) == 0

        assert np.array_equal((after - before)[valid], ((gained & VALUE) - (lost & VALUE))[valid])
        assert (gained & VALUE)[valid].any()

    def test_only_supported_products(self) -> None:
        """A product that cannot be made is an error that names those that can."""
        with pytest.raises(UnknownProduct, match=f"EX cannot be made .* {', '.join(SUPPORTED)}"):
            one("EX")


class TestArchives:
    """What `make_archives` writes."""

    def test_month_of_days(self, root: Path, month: Path) -> None:
        """RADKLIM YW is a tar of a .tar.gz a day of 288 frames, under DWD's path and names."""
        folder = "climate_environment/CDC/grids_germany/5_minutes/radolan/reproc/2017_002/bin/2020"
        assert month == root / folder / "YW2017.002_202006.tar"
        with tarfile.open(month, "r:") as tar:
            (day,) = tar.getmembers()
            packed = tar.extractfile(day)
            assert packed is not None
            with tarfile.open(fileobj=packed, mode="r:gz") as frames:
                names = frames.getnames()
                last = frames.extractfile(names[-1])
                assert last is not None
                data = last.read()

        assert day.name == "YW2017.002_20200613.tar.gz"
        assert len(names) == 288
        assert names[0] == "raa01-yw2017.002_10000-2006130000-dwd---bin"
        assert data == one("YW", np.datetime64("2020-06-13T23:55"), family="radklim")

    def test_made_again(self, month: Path, root: Path) -> None:
        """What was made of the same is kept as it is."""
        before = month.stat().st_mtime_ns
        seen: list[Progress] = []

        paths = make_archives(root, "YW", "2020-06", days=[13], progress=seen.append)

        assert paths == (month,)
        assert month.stat().st_mtime_ns == before
        assert seen == []

    def test_other_days_are_made_anew(self, tmp_path: Path) -> None:
        """An archive of other days or another seed, or an unfinished one, is replaced."""
        path = (
            tmp_path / "climate_environment/CDC/grids_germany/hourly/radolan/historical/bin/2019/RW201906.tar.gz"
        )
        path.parent.mkdir(parents=True)
        path.write_bytes(b"other days")
        path.with_name(".RW201906.tar.gz.synthetic").write_text("unfinished")
        seen: list[Progress] = []

        made = make_archives(tmp_path, "RW", "2019-06", source="radolan", days=[1], seed=1, progress=seen.append)

        assert made == (path,)
        assert (seen[-1].done, seen[-1].total) == (24, 24)
        with tarfile.open(path, "r:gz") as tar:
            member = tar.getmembers()[-1]
            file = tar.extractfile(member)
            assert file is not None
            assert member.name == "raa01-rw_10000-1906012350-dwd---bin.gz"
            assert gzip.decompress(file.read()) == one("RW", np.datetime64("2019-06-01T23:50"), seed=1)

    def test_single_frames(self, tmp_path: Path) -> None:
        """What DWD publishes as single frames lies there as such; two threads may fill the same folder."""

        def fill(source: str) -> tuple[Path, ...]:
            return make_archives(tmp_path, "RW", "2025-06", source=source, days=[1], progress=False)

        with ThreadPoolExecutor(2) as pool:
            recent, current = pool.map(fill, ("radolan", "nrt"))

        assert len(recent) == len(current) == 24
        assert recent[-1].as_posix().endswith("hourly/radolan/recent/bin/raa01-rw_10000-2506012350-dwd---bin.gz")
        assert current[-1].as_posix().endswith("weather/radar/radolan/rw/raa01-rw_10000-2506012350-dwd---bin.bz2")
        frame = one("RW", np.datetime64("2025-06-01T23:50"))
        assert gzip.decompress(recent[-1].read_bytes()) == frame
        assert bz2.decompress(current[-1].read_bytes()) == frame

    def test_real_files_are_safe(self, tmp_path: Path, month: Path, root: Path) -> None:
        """A file that is not known to be synthetic is never overwritten."""
        real = tmp_path / month.relative_to(root)
        real.parent.mkdir(parents=True)
        real.write_bytes(b"years of work")

        with pytest.raises(StorageError, match=r"YW2017.002_202006.tar is there already .* folder of their own"):
            make_archives(tmp_path, "YW", "2020-06", days=[13], progress=False)
        assert real.read_bytes() == b"years of work"

    def test_days_must_exist(self, tmp_path: Path) -> None:
        """Days that the month does not have are refused."""
        with pytest.raises(MonthError, match=r"2020-06 has none of the days \[31\]: give some of 1 to 30"):
            make_archives(tmp_path, "YW", "2020-06", days=[31], progress=False)

    def test_coverage(self, tmp_path: Path) -> None:
        """Months that DWD files nowhere are refused."""
        with pytest.raises(CoverageError, match="1999-05"):
            make_archives(tmp_path, "YW", "1999-05", progress=False)

    def test_unknown_family(self, tmp_path: Path) -> None:
        """A family that the product does not have is refused."""
        with pytest.raises(UnknownProduct, match="SF has no family 'radklim'"):
            make_archives(tmp_path, "SF", "2020-06", source="radklim", progress=False)
