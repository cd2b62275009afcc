"""Readers of rain files for models, written from the definitions of the formats independent of the writers.

- HYSTEM-EXTRAN and SMUSI `.reg`: https://wiki.bluemodel.org (Hystem-Extran_REG-Format, SMUSI_REG-Format)
- UVF: Aquaplan, IMEX, section UVF
- ZRXP: Kisters, ZRXP 3.0
- InfoWorks ICM: Autodesk, InfoWorks ICM 2027 help, "Events - CSV File Formats"
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MISSING = None


@dataclass(slots=True)
class Gauge:
    """A series as a model reads it: its name, the length of its intervals, and mm at the written times."""

    name: str
    minutes: int | None
    values: dict[datetime, float | None] = field(default_factory=dict)
    head: dict[str, str] = field(default_factory=dict)


def read_hystem(path: Path) -> Gauge:
    """Read a HYSTEM-EXTRAN rain file; columns are counted from 1 as in its definition."""
    lines = path.read_bytes().decode("iso-8859-1").split("\r\n")

    def columns(line: str, first: int, last: int) -> str:
        return line[first - 1 : last]

    assert [columns(line, 6, 13) for line in lines[:2]] == [" 0 0   0"] * 2
    assert [columns(line, 14, 16) for line in lines[:2]] == [" 1 ", " 2 "]
    head = lines[1]
    minutes, power, comments = (int(columns(head, *at)) for at in ((21, 25), (26, 30), (59, 63)))
    assert columns(head, 64, 68) == "N    "
    assert columns(head, 69, 78).strip() == "mm"
    per_line = {1: 12, 5: 12, 10: 12, 15: 12, 20: 12, 30: 12, 60: 12, 120: 12, 2: 10, 3: 10, 720: 2}[minutes]
    gauge = Gauge(columns(lines[0], 21, 50).strip(), minutes)
    gauge.head = {"begin": columns(head, 31, 44), "end": columns(head, 45, 58)}
    for line in lines[2 + comments :]:
        flag = columns(line, 20, 20)
        if flag == "E":
            break
        begin = _digits(columns(line, 6, 19), "%d%m%Y%H%M%S")
        assert flag in {" ", "S"}
        found = [int(columns(line, 21 + 5 * k, 25 + 5 * k)) for k in range(per_line)]
        assert (flag == "S") == (-9999 in found)
        for number, value in enumerate(found):
            time = begin + timedelta(minutes=number * minutes)
            gauge.values[time] = MISSING if value == -9999 else value * 10.0**power
    else:
        raise AssertionError("the file has no last line")
    return gauge


def read_smusi(path: Path) -> Gauge:
    """Read a SMUSI rain file: hours of twelve values in 1/1000 mm."""
    title, annual, rule, *lines = path.read_bytes().decode("iso-8859-1").split("\r\n")
    assert re.fullmatch(r"hN = *\d+ mm/a", annual)
    assert set(rule) == {"="}
    gauge = Gauge(title[:4].strip(), 5, head={"hN": annual.removeprefix("hN =").removesuffix(" mm/a").strip()})
    for line in (line for line in lines if line.strip()):
        assert len(line) == 80
        begin = datetime.strptime(line[5:20], "%d %m %Y   %H")  # noqa: DTZ007 - local
        for number in range(12):
            value = int(line[20 + 5 * number : 25 + 5 * number])
            gauge.values[begin + timedelta(minutes=5 * number)] = value / 1000
    return gauge


def read_uvf(path: Path) -> list[Gauge]:
    """Read a UVF file of several series."""
    gauges: list[Gauge] = []
    lines = iter(path.read_bytes().decode("iso-8859-1").split("\r\n"))
    for line in lines:
        if line.startswith("$") or not line:
            continue
        if line.upper().startswith("*Z"):
            name, place, span = next(lines), next(lines), next(lines)
            assert name[15:30].strip() == "mm"
            century = int(name[30:34]) // 100
            before = int(span[:2])
            gauges.append(Gauge(place[:15].strip(), None, head={"begin": span[:10], "end": span[10:20]}))
            continue
        year = int(line[:2])
        century += year < before
        before = year
        time = datetime.strptime(f"{century:02d}{line[:10]}", "%Y%m%d%H%M")  # noqa: DTZ007 - local
        assert len(line) == 20
        value = float(line[11:20])
        gauges[-1].values[time] = MISSING if value == -777 else value
    return gauges


def read_zrxp(path: Path) -> list[Gauge]:
    """Read a ZRXP file of several series; headers state the time zone and the code for missing values."""
    gauges: list[Gauge] = []
    inside = False
    for line in path.read_bytes().decode("iso-8859-1").splitlines():
        if line.startswith("##") or not line.strip():
            inside = False
            continue
        if line.startswith("#"):
            if not inside:
                gauges.append(Gauge("", None))
            inside = True
            for part in line[1:].split("|*|"):
                for key in (
                    "ZRXPVERSION",
                    "REXCHANGE",
                    "LAYOUT",
                    "RINVAL",
                    "SNAME",
                    "SANR",
                    "CNAME",
                    "CUNIT",
                    "TZ",
                ):
                    if part.startswith(key):
                        gauges[-1].head[key] = part.removeprefix(key)
                        break
            gauges[-1].name = gauges[-1].head.get("SNAME", "")
            continue
        inside = False
        stamp, value = line.split()
        time = datetime.strptime(stamp.ljust(14, "0"), "%Y%m%d%H%M%S")  # noqa: DTZ007 - local
        missing = float(value) == float(gauges[-1].head["RINVAL"])
        gauges[-1].values[time] = MISSING if missing else float(value)
    return gauges


def read_infoworks(path: Path) -> list[Gauge]:
    """Read a rainfall event of InfoWorks ICM: intensities in mm/h of one profile a column."""
    rows = list(csv.reader(path.read_text("utf-8").splitlines(), skipinitialspace=True))
    assert path.read_text("utf-8").splitlines()[0] == "!Version=2,type=RED,charset=UTF8"
    table = {tuple(names): number for number, names in enumerate(rows)}
    settings = dict(zip(*_pair(rows, table, "UserSettings"), strict=True))
    assert (settings["U_VALUES"], settings["U_DATETIME"]) == ("mm/hr", "dd-mm-yyyy hh:mm")
    event = dict(zip(*_pair(rows, table, "G_START"), strict=True))
    seconds, count = int(event["G_TS"]), int(event["G_NPROFILES"])
    titles = next(number for names, number in table.items() if "L_PTITLE" in names)
    at = rows[titles].index("L_PTITLE")
    gauges = [Gauge(rows[titles + 1 + k][at].strip(), seconds // 60) for k in range(count)]
    first = next(number for names, number in table.items() if names[:1] == ("P_DATETIME",))
    assert rows[first][1:] == [str(number) for number in range(1, count + 1)]
    for time, *rates in rows[first + 1 :]:
        moment = datetime.strptime(time, "%d/%m/%Y %H:%M")  # noqa: DTZ007 - local
        for gauge, rate in zip(gauges, rates, strict=True):
            gauge.values[moment] = float(rate) * seconds / 3600
    assert min(gauges[0].values) == datetime.strptime(event["G_START"], "%d/%m/%Y %H:%M")  # noqa: DTZ007 - local
    return gauges


def _pair(rows: list[list[str]], table: dict[tuple[str, ...], int], first: str) -> tuple[list[str], list[str]]:
    number = next(number for names, number in table.items() if names[:1] == (first,))
    return rows[number], rows[number + 1]


def _digits(text: str, pattern: str) -> datetime:
    """Return a time whose numbers may be padded with blanks."""
    return datetime.strptime(text.replace(" ", "0"), pattern)  # noqa: DTZ007 - local
