"""Where DWD publishes its files, and since when: a table, so that a change on the server is a row and not code.

The names and spans are those of DWD's listing of grids_germany of 2026-07-01; the contents of weather/radar are
known from its users.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from radar_nb.dwd.grids import GRIDS
from radar_nb.dwd.months import Month

if TYPE_CHECKING:
    from radar_nb.dwd.products import FamilyName

Form = Literal["binary", "hdf5", "netcdf", "ascii"]

_DAY = 1440  # minutes
_MARGIN = np.timedelta64(1, "h")
"""Tolerance of stamps outside their file: hours of RW's first years end at minute 45 although names say 50."""
_RADKLIM_SHAPE = (1100, 900)  # DWD, RADKLIM 2017.002: the extended national grid


@dataclass(frozen=True, slots=True)
class Era:
    """One way in which DWD publishes a family of a product.

    Attributes
    ----------
    product, family : str
    piece : {"year", "month", "day", "frame"}
        The content of one file.
    first : Month or None
        The first month; None for a rolling folder.
    last : Month or None
        The last known month; None if only a listing shows it.
    typical : int
        Typical bytes of a file, for estimates before the server states the size.
    folder, name : str
        Path below the server's root and file name, with strftime fields; `???` represents the minutes of a lead
        time.
    closed : bool
        Whether `last` is final.
    supplement : bool
        Whether the file replaces some frames of the others (those of 2018-01-01, 00:00 to 05:45, which are empty
        there) instead of replacing the files.
    form : {"binary", "hdf5", "netcdf", "ascii"}
        Format of the frames: RADOLAN binaries, ODIM HDF5, netCDF files of a month or a day, or ASCII grids.
    alias : str
        A second name of the newest file; empty if there is none.
    delay : int
        Minutes, rounded up, from a frame's nominal time to its publication; 0 if unknown.
    """

    product: str
    family: FamilyName
    piece: Literal["year", "month", "day", "frame"]
    first: Month | None
    last: Month | None
    typical: int
    folder: str
    name: str
    closed: bool = False
    supplement: bool = False
    form: Form = "binary"
    alias: str = ""
    delay: int = 0

    @property
    def hdf5(self) -> bool:
        """Whether the files are, or contain, ODIM HDF5 instead of RADOLAN's binary frames."""
        return self.form == "hdf5"

    @property
    def run(self) -> bool:
        """Whether a file contains all frames of a forecast: its analysis and its lead times."""
        return self.piece == "frame" and ".tar" in self.name

    def path(self, time: date) -> str:
        """Return the path of the file for a time or, for months, a day; the first for several lead times."""
        return time.strftime(f"{self.folder}/{self.name}").replace("???", "000")

    def may_hold(self, month: Month) -> bool:
        """Return whether a month may be published this way."""
        begun = self.first is None or self.first <= month
        return begun and not (self.closed and self.last is not None and self.last < month)

    def knows(self, month: Month) -> bool:
        """Return whether the path of a month's file is certain without asking the server."""
        return self.may_hold(month) and self.last is not None and month <= self.last

    def time_of(self, name: str) -> datetime | None:
        """Return the time (UTC) in a file's name; None for a name without one, or of another era."""
        if not name.startswith(self.name.partition("%")[0]):
            return None  # fast path for most names
        match = _regex(_bare(self.name)).fullmatch(_bare(name))
        part = {field: int(text) for field, text in match.groupdict().items()} if match else {}
        if not part:
            return None
        year = part["Y"] if "Y" in part else 2000 + part["y"]
        try:
            return datetime(
                year, part.get("m", 1), part.get("d", 1), part.get("H", 0), part.get("M", 0), tzinfo=UTC
            )
        except ValueError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """The facts that a file's name states about its frames.

    Attributes
    ----------
    era : Era
        The era of the file.
    begin, end : numpy.datetime64[s]
        The first and the last possible stamp, UTC.
    """

    era: Era
    begin: np.datetime64
    end: np.datetime64

    def denies(self, product: str, time: np.datetime64, shape: tuple[int, int]) -> str:
        """Return why a frame does not belong to this file, as the end of a sentence; empty if it may.

        Parameters
        ----------
        product : str
        time : numpy.datetime64
            Its stamp, UTC.
        shape : (int, int)
            Rows and columns. RADKLIM is on the grid of 1100 x 900 cells, RADOLAN's archives are on others. A shape
            of no DWD grid does not identify the family.
        """
        if product != self.era.product:
            return f"is {product}, not {self.era.product}"
        margin = np.timedelta64(0, "h") if self.era.run else _MARGIN
        if not self.begin - margin <= time <= self.end + margin:
            if self.era.run:
                return f"is of {time}, not of the forecast of {self.begin}"
            days = (np.datetime_as_string(stamp, "D") for stamp in (self.begin, self.end))
            return f"is of {time}, not of {' to '.join(days)}"
        known = any(shape == (grid.rows, grid.cols) for grid in GRIDS.values())
        if known and (shape == _RADKLIM_SHAPE) != (self.era.family == "radklim"):
            return f"has {shape[0]} x {shape[1]} cells, which is not the grid of {self.era.family}"
        return ""


def filed_under(name: str) -> Filed | None:
    """Return the facts that a file's name states about its frames; None for a name that is not one of DWD's.

    Examples
    --------
    >>> filed = filed_under("RW2017.002_201910.tar.gz")
    >>> filed.denies("RW", np.datetime64("2019-09-01T00:50"), (1100, 900))
    'is of 2019-09-01T00:50, not of 2019-10-01 to 2019-10-31'
    """
    for era in ERAS:
        begin = era.time_of(name)
        if begin is None and name == era.name and era.first is not None:  # a supplement: its name has no month
            begin = datetime.combine(era.first.first_day, time(), UTC)
        if begin is None:
            continue
        minutes = {"year": 366 * _DAY, "month": Month.of(begin).days * _DAY, "day": _DAY, "frame": 1}
        last = minutes[era.piece] - 1
        start: np.datetime64 = np.datetime64(f"{begin:%Y-%m-%dT%H:%M}", "s")
        return Filed(era=era, begin=start, end=start + np.timedelta64(last, "m"))
    return None


def _bare(name: str) -> str:
    """Remove the compression suffix of a frame's name: DWD has changed it, and may again."""
    return re.sub(r"(---bin)\.(gz|bz2)$", r"\1", name)


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    text = re.escape(pattern)
    for field, digits in {"Y": 4, "y": 2, "m": 2, "d": 2, "H": 2, "M": 2}.items():
        text = text.replace(f"%{field}", rf"(?P<{field}>\d{{{digits}}})")
    text = text.replace(r"\?\?\?", r"\d{3}")
    return re.compile(text, re.ASCII)  # no digits of other scripts


def is_dwd_name(name: str) -> bool:
    """Return whether a file's name is one of DWD's for archives or frames of radar composites.

    Examples
    --------
    >>> is_dwd_name("YW2017.002_202006.tar"), is_dwd_name("composite_rv_20250923_0855.tar"), is_dwd_name("a.tar")
    (True, True, False)
    """
    return _OURS.fullmatch(name) is not None


def is_alias(name: str) -> bool:
    """Return whether a file's name is a second name of the newest file, however DWD spells it.

    Examples
    --------
    >>> is_alias("composite_VII_latest-hd5"), is_alias("HG_LATEST_000.bz2"), is_alias("HG2611301000_000.bz2")
    (True, True, False)
    """
    return "latest" in name.lower() and is_dwd_name(name)


_OURS = re.compile(
    r"(?i)raa01-.*-dwd---bin(\.gz|\.bz2|\.hdf5)?"
    r"|composite_[a-z]+_.*(-hd5|\.tar)"
    r"|[A-Z%][A-Z0-9](2017\.002|2016\.003)_supplement(_asc)?\.tar\.gz"
    r"|[A-Z%][A-Z0-9]-?(2017\.002_|2016\.003_|hdf5-)?\d{6,8}(_asc)?\.(tar|tar\.gz)"
    r"|[A-Z%][A-Z0-9]2017\.002_\d{4}_netcdf(_supplement)?\.tar\.gz"
    r"|(DE1200_)?[A-Z%][A-Z0-9](\d{10}|_LATEST)(_\d{3})?(_MF\d{3})?(\.gz|\.bz2|\.tar\.bz2)?"
)

_CDC = "climate_environment/CDC/grids_germany"
_MINUTES, _HOURLY, _DAILY = f"{_CDC}/5_minutes/radolan", f"{_CDC}/hourly/radolan", f"{_CDC}/daily/radolan"
_REPROC, _ASC, _NETCDF = "reproc/2017_002/bin", "reproc/2017_002/asc", "reproc/2017_002/netCDF"
_NRT, _COMPOSITE, _RADVOR = "weather/radar/radolan", "weather/radar/composite", "weather/radar/radvor"
_M = Month
_KB, _MB = 1_000, 1_000_000

# fmt: off
ERAS: tuple[Era, ...] = (
    Era("YW", "radklim", "month", _M(2001, 1), _M(2026, 1), 200 * _MB,
        f"{_MINUTES}/{_REPROC}/%Y", "YW2017.002_%Y%m.tar"),
    Era("YW", "radklim", "month", _M(2018, 1), _M(2018, 1), 5 * _MB,
        f"{_MINUTES}/{_REPROC}/supplement", "YW2017.002_Supplement.tar.gz", closed=True, supplement=True),
    Era("YW", "radklim", "year", _M(2001, 1), _M(2020, 12), 13500 * _MB,
        f"{_MINUTES}/{_NETCDF}/%Y", "YW2017.002_%Y_netcdf.tar.gz", closed=True, form="netcdf"),
    Era("YW", "radklim", "year", _M(2021, 1), _M(2021, 12), 13500 * _MB,
        f"{_MINUTES}/{_NETCDF}/supplement", "YW2017.002_%Y_netcdf_supplement.tar.gz", closed=True, form="netcdf"),
    Era("YW", "radklim", "year", _M(2022, 1), _M(2025, 12), 13500 * _MB,
        f"{_MINUTES}/{_NETCDF}/%Y", "YW2017.002_%Y_netcdf.tar.gz", form="netcdf"),
    Era("YW", "radklim", "month", _M(2001, 1), _M(2026, 1), 400 * _MB,
        f"{_MINUTES}/{_ASC}/%Y", "YW2017.002_%Y%m_asc.tar", form="ascii"),
    Era("YW", "radklim", "month", _M(2018, 1), _M(2018, 1), 5 * _MB,
        f"{_MINUTES}/{_ASC}/supplement", "YW2017.002_Supplement_asc.tar.gz",
        closed=True, supplement=True, form="ascii"),
    Era("YW", "radolan", "day", _M(2024, 12), None, 10 * _MB,
        f"{_MINUTES}/recent", "YW-%y%m%d.tar.gz"),
    Era("YW", "radolan", "day", _M(2025, 11), None, 15 * _MB,
        f"{_MINUTES}/recent", "YW-hdf5-%y%m%d.tar.gz", form="hdf5"),
    Era("YW", "nrt", "frame", None, None, 90 * _KB,
        f"{_NRT}/yw", "raa01-yw_10000-%y%m%d%H%M-dwd---bin.hdf5",
        form="hdf5", alias="raa01-yw_10000-latest-dwd---bin.hdf5", delay=30),
    Era("YW", "nrt", "frame", None, None, 50 * _KB,
        f"{_NRT}/yw", "raa01-yw_10000-%y%m%d%H%M-dwd---bin.bz2",
        alias="raa01-yw_10000-latest-dwd---bin.bz2", delay=30),

    Era("RW", "radklim", "month", _M(2001, 1), _M(2026, 1), 25 * _MB,
        f"{_HOURLY}/{_REPROC}/%Y", "RW2017.002_%Y%m.tar.gz"),
    Era("RW", "radklim", "month", _M(2018, 1), _M(2018, 1), 1 * _MB,
        f"{_HOURLY}/{_REPROC}/supplement", "RW2017.002_Supplement.tar.gz", closed=True, supplement=True),
    Era("RW", "radolan", "month", _M(2005, 6), _M(2005, 12), 30 * _MB,
        f"{_HOURLY}/historical/bin/%Y", "RW-%Y%m.tar.gz", closed=True),
    Era("RW", "radolan", "month", _M(2006, 1), _M(2024, 12), 30 * _MB,
        f"{_HOURLY}/historical/bin/%Y", "RW%Y%m.tar.gz"),
    Era("RW", "radolan", "frame", _M(2025, 1), None, 60 * _KB,
        f"{_HOURLY}/recent/bin", "raa01-rw_10000-%y%m%d%H%M-dwd---bin.gz"),
    Era("RW", "radolan", "day", _M(2025, 12), None, 4 * _MB,
        f"{_HOURLY}/recent/hdf5", "RW-hdf5-%y%m%d.tar.gz", form="hdf5"),
    Era("RW", "radklim", "year", _M(2001, 1), _M(2020, 12), 840 * _MB,
        f"{_HOURLY}/{_NETCDF}/%Y", "RW2017.002_%Y_netcdf.tar.gz", closed=True, form="netcdf"),
    Era("RW", "radklim", "year", _M(2021, 1), _M(2021, 12), 840 * _MB,
        f"{_HOURLY}/{_NETCDF}/supplement", "RW2017.002_%Y_netcdf_supplement.tar.gz", closed=True, form="netcdf"),
    Era("RW", "radklim", "year", _M(2022, 1), _M(2025, 12), 840 * _MB,
        f"{_HOURLY}/{_NETCDF}/%Y", "RW2017.002_%Y_netcdf.tar.gz", form="netcdf"),
    Era("RW", "radklim", "month", _M(2001, 1), _M(2026, 1), 40 * _MB,
        f"{_HOURLY}/{_ASC}/%Y", "RW2017.002_%Y%m_asc.tar.gz", form="ascii"),
    Era("RW", "radklim", "month", _M(2018, 1), _M(2018, 1), 5 * _MB,
        f"{_HOURLY}/{_ASC}/supplement", "RW2017.002_Supplement_asc.tar.gz",
        closed=True, supplement=True, form="ascii"),
    Era("RW", "radolan", "month", _M(2005, 6), _M(2024, 12), 40 * _MB,
        f"{_HOURLY}/historical/asc/%Y", "RW-%Y%m.tar", form="ascii"),
    Era("RW", "radolan", "day", _M(2025, 1), None, 1 * _MB,
        f"{_HOURLY}/recent/asc", "RW-%Y%m%d.tar.gz", form="ascii"),
    Era("RW", "nrt", "frame", None, None, 130 * _KB,
        f"{_NRT}/rw", "raa01-rw_10000-%y%m%d%H%M-dwd---bin.hdf5",
        form="hdf5", alias="raa01-rw_10000-latest-dwd---bin.hdf5", delay=28),
    Era("RW", "nrt", "frame", None, None, 60 * _KB,
        f"{_NRT}/rw", "raa01-rw_10000-%y%m%d%H%M-dwd---bin.bz2",
        alias="raa01-rw_10000-latest-dwd---bin.bz2", delay=28),

    Era("SF", "radolan", "month", _M(2006, 10), _M(2008, 12), 200 * _MB,
        f"{_DAILY}/historical/bin/%Y", "SF-%Y%m.tar.gz", closed=True),
    Era("SF", "radolan", "month", _M(2009, 1), _M(2024, 12), 200 * _MB,
        f"{_DAILY}/historical/bin/%Y", "SF%Y%m.tar.gz"),
    Era("SF", "radolan", "frame", _M(2025, 1), None, 100 * _KB,
        f"{_DAILY}/recent/bin", "raa01-sf_10000-%y%m%d%H%M-dwd---bin.gz"),
    Era("SF", "radolan", "day", _M(2025, 12), None, 8 * _MB,
        f"{_DAILY}/recent/hdf5", "SF-hdf5-%y%m%d.tar.gz", form="hdf5"),
    Era("SF", "nrt", "frame", None, None, 400 * _KB,
        f"{_NRT}/sf", "raa01-sf_10000-%y%m%d%H%M-dwd---bin.hdf5",
        form="hdf5", alias="raa01-sf_10000-latest-dwd---bin.hdf5", delay=29),
    Era("SF", "nrt", "frame", None, None, 100 * _KB,
        f"{_NRT}/sf", "raa01-sf_10000-%y%m%d%H%M-dwd---bin.bz2",
        alias="raa01-sf_10000-latest-dwd---bin.bz2", delay=29),

    Era("RY", "nrt", "frame", None, None, 60 * _KB,
        f"{_NRT}/ry", "raa01-ry_10000-%y%m%d%H%M-dwd---bin.hdf5",
        form="hdf5", alias="raa01-ry_10000-latest-dwd---bin.hdf5"),
    Era("RY", "nrt", "frame", None, None, 30 * _KB,
        f"{_NRT}/ry", "raa01-ry_10000-%y%m%d%H%M-dwd---bin.bz2",
        alias="raa01-ry_10000-latest-dwd---bin.bz2"),

    Era("RV", "nrt", "frame", None, None, 1350 * _KB,
        f"{_COMPOSITE}/rv", "composite_rv_%Y%m%d_%H%M.tar",
        form="hdf5", alias="composite_rv_LATEST.tar", delay=4),
    Era("RV", "nrt", "frame", None, None, 260 * _KB,
        f"{_COMPOSITE}/rv", "DE1200_RV%y%m%d%H%M.tar.bz2",
        alias="DE1200_RV_LATEST.tar.bz2", delay=4),
    Era("RS", "nrt", "frame", None, None, 5 * _MB,
        f"{_COMPOSITE}/rs", "composite_rs_%Y%m%d_%H%M.tar",
        form="hdf5", alias="composite_rs_LATEST.tar", delay=5),
    Era("WN", "nrt", "frame", None, None, 3 * _MB,
        f"{_COMPOSITE}/wn", "composite_wn_%Y%m%d_%H%M.tar",
        form="hdf5", alias="composite_wn__LATEST.tar"),
    Era("HX", "nrt", "frame", None, None, 720 * _KB,
        f"{_COMPOSITE}/hx", "composite_hx_%Y%m%d_%H%M-hd5",
        form="hdf5", alias="composite_hx_LATEST-hd5"),
    Era("DMAX", "nrt", "frame", None, None, 1340 * _KB,
        f"{_COMPOSITE}/dmax", "composite_dmax_%Y%m%d_%H%M-hd5",
        form="hdf5", alias="composite_dmax_LATEST-hd5"),
    Era("VII", "nrt", "frame", None, None, 74 * _KB,
        f"{_COMPOSITE}/vii", "composite_VII_%Y%m%d_%H%M-hd5",
        form="hdf5", alias="composite_VII_latest-hd5"),
    Era("HYMECNG", "nrt", "frame", None, None, 39 * _KB,
        f"{_COMPOSITE}/hymecng", "composite_HymecNG_%Y%m%d_%H%M_000-hd5",
        form="hdf5", alias="composite_HymecNG_LATEST_000-hd5", delay=2),
    Era("HG", "nrt", "frame", None, None, 15 * _KB,
        f"{_COMPOSITE}/hg", "HG%y%m%d%H%M_000.bz2",
        alias="HG_LATEST_000.bz2"),
    Era("RE", "nrt", "frame", None, None, 23 * _KB,
        f"{_RADVOR}/re", "RE%y%m%d%H%M_???.gz"),
)
# fmt: on
"""Where DWD files what. Binaries and HDF5 are planned together, netCDF and ASCII where they are asked for.

Within a family the earlier row is preferred: archives of months before single frames; in archives, whose series
began as binaries, these before HDF5 for as long as there are both; in near real time HDF5, since DWD has announced
the end of the binaries (newsletter of 29 September 2026). Of the year 2021 DWD's regular netCDF files are wrong,
and the supplement takes their place (readme.txt beside them).

Of near real time, folders, names and sizes are those of listings of 5 August 2026, as users of the server have
noted them. The spelling of an alias follows no rule. Delays were measured between nominal time and Last-Modified:
RV 3:12 to 3:44 min on 29 September 2026, HymecNG about 2 min, RW 25 to 29 min, SF 28 to 29 min, YW about 30 min;
RS is there after 4:10 min."""
