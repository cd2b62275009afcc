"""The pages of docs/: their blocks of code, the rain data that they run on, and their output.

Blocks of `python` and `sh` run from the top of a page to its end, in one namespace and one folder; a block of
`text` behind one of them holds its output, a picture behind it its plot. A block that cannot run says so in a
comment, `<!-- not run: why -->`. Shared by tests/examples/test_pages.py, which compares, and
scripts/docs_pages.py, which writes.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import io
import os
import re
import shlex
import tarfile
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from zlib_ng import gzip_ng

import radar_nb as rn
from radar_nb.cli.main import main
from radar_nb.formats.radolan import NO_DATA, NO_DATA_CODE, VALUE
from radar_nb.mirror import make_catrare, make_kostra
from radar_nb.mirror.frames import synthetic_frames
from radar_nb.runtime.settings import BASE_URL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

DOCS = Path(__file__).resolve().parents[2] / "docs"
RUN = ("python", "sh")
"""Languages of blocks that are run."""
SHOWN = ("text", "toml", "csv", "bibtex")
"""Languages of blocks that are read."""
HOURS = ("2019-06", "2019-07", "2020-06", "2020-07")
"""Months of RW; their 13th has the rain of 13 June 2020, all of it or its afternoon."""

_FENCE = re.compile(r"^(?P<mark>```+)(?P<language>[^\n`]*)\n(?P<code>.*?)^(?P=mark)$", re.MULTILINE | re.DOTALL)
_NOT_RUN = re.compile(r"<!-- not run: (?P<why>[^\n]+) -->\n+$")
_MEASURED = re.compile(r"\d+(\.\d+)? [kMG]?B(/s)?\b|\b\d+\.\d s\b")
_PICTURE = re.compile(r"\s*!\[[^\]]*\]\((?P<path>[^)]+\.png)\)")


@dataclass(slots=True, kw_only=True)
class Block:
    """A block of code or of text on a page; `start` and `end` are where its content lies in the page."""

    language: str
    code: str
    line: int
    start: int
    end: int
    why_not: str | None = None
    picture: str | None = None
    output: Block | None = None


@dataclass(slots=True, kw_only=True)
class Output:
    """A block's printed output, and the matplotlib Figure that it left, if any."""

    block: Block
    text: str
    figure: Any = field(default=None)


def blocks(text: str) -> list[Block]:
    """Return the blocks of a page; a block of text right behind one that runs is its output."""
    found: list[Block] = []
    behind = 0
    for match in _FENCE.finditer(text):
        block = Block(
            language=match["language"].strip(),
            code=match["code"],
            line=text.count("\n", 0, match.start()) + 1,
            start=match.start("code"),
            end=match.end("code"),
        )
        if reason := _NOT_RUN.search(text[: match.start()]):
            block.why_not = reason["why"]
        if picture := _PICTURE.match(text, match.end()):
            block.picture = picture["path"]
        last = found[-1] if found and not text[behind : match.start()].strip() else None
        if block.language == "text" and last and last.language in RUN:
            last.output, last.picture = block, block.picture
        found.append(block)
        behind = match.end()
    return found


def run(page: str, **given: Any) -> Iterator[Output]:
    """Run a page's blocks in the current folder, one after the other, and yield what each prints."""
    import matplotlib.pyplot as plt

    names: dict[str, Any] = {"__name__": "__main__", **given}
    for block in blocks(page):
        if block.language not in RUN or block.why_not:
            continue
        with redirect_stdout(io.StringIO()) as printed:
            if block.language == "sh":
                _run_commands(block.code)
            else:
                _run_code(block, names)
        figure = plt.gcf() if plt.get_fignums() else None
        yield Output(block=block, text=_as_at_home(printed.getvalue()), figure=figure)
        plt.close("all")


def fits(output: Output) -> bool:
    """Return whether a block printed what the page shows; sizes and times may differ, `...` is anything."""
    if output.block.output is None:
        return True
    wanted, got = (_MEASURED.sub("some", text) for text in (output.block.output.code, output.text))
    return OutputChecker().check_output(wanted, got, ELLIPSIS | NORMALIZE_WHITESPACE)


def _as_at_home(text: str) -> str:
    """Replace the test's server and folder with DWD's server and a user's folder."""
    for name, shown in (("RADAR_NB_BASE_URL", BASE_URL), ("RADAR_NB_DATA", "~/.local/share/radar_nb")):
        text = text.replace(os.environ[name], shown)
    return text


def _run_code(block: Block, names: dict[str, Any]) -> None:
    code = compile("\n" * block.line + block.code, "page", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(eval(code, names))  # noqa: S307 - our own pages
    else:
        exec(code, names)  # noqa: S102 - our own pages


def _run_commands(text: str) -> None:
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if not words:
            continue
        if words[0] != "radar-nb":
            raise ValueError(f"{line!r}: only radar-nb is run; mark the block as not run, and say why")
        if code := main(words[1:]):
            raise ValueError(f"{line!r} ended with {code}")


def runnable() -> list[Path]:
    """Return the pages that have blocks to run; test_neighbours.py runs neighbours.md, part by part."""
    return [
        path
        for path in sorted(DOCS.rglob("*.md"))
        if "_build" not in path.parts
        and path.stem != "neighbours"
        and any(block.language in RUN and not block.why_not for block in blocks(path.read_text(encoding="utf-8")))
    ]


def make_rain(root: Path) -> None:
    """Fill a server's folder: 13 June 2020 in YW and RW, its afternoon in RW of other months, and catalogues."""
    make_kostra(root)
    make_catrare(root, count=200)
    hours: list[NDArray[np.uint16]] = []
    day = _tar_gz(_five_minutes(hours))
    _write(root, "YW", "2020-06", _tar([("YW2017.002_20200613.tar.gz", day)]))
    _, like = next(synthetic_frames("RW", [np.datetime64("2020-06-13T00:50")], family="radklim"))
    for month in HOURS:
        some = range(24) if month == "2020-06" else range(12, 18)
        _write(root, "RW", month, _tar_gz(_hour(like, month, each, hours[each]) for each in some))


def _five_minutes(hours: list[NDArray[np.uint16]]) -> Iterator[tuple[str, bytes]]:
    """Return names and bytes of a day's YW, and fill in the codes of its RW, which are their sums."""
    times = np.arange("2020-06-13", "2020-06-14", 5, dtype="datetime64[m]")
    hour = np.zeros((1100, 900), np.uint16)
    for time, frame in synthetic_frames("YW", times, family="radklim"):
        codes = np.frombuffer(frame[-hour.nbytes :], "<u2").reshape(hour.shape)
        hour += codes & VALUE
        if f"{time.item():%M}" == "50":
            hours.append(np.where(codes & NO_DATA, NO_DATA_CODE, (hour + 5) // 10).astype("<u2"))
            hour = np.zeros_like(hour)
        yield f"raa01-yw2017.002_10000-{time.item():%y%m%d%H%M}-dwd---bin", frame


def _hour(like: bytes, month: str, hour: int, codes: NDArray[Any]) -> tuple[str, bytes]:
    """Return name and bytes of an RW that ends at minute 50, with another's header except for the time."""
    stamp, year = f"13{hour:02}50", f"{month[5:]}{month[2:4]}"
    head = like[: like.index(b"\x03") + 1]
    frame = head[:2] + stamp.encode() + head[8:13] + year.encode() + head[17:] + codes.tobytes()
    return f"raa01-rw2017.002_10000-{month[2:4]}{month[5:]}{stamp}-dwd---bin", frame


def _tar_gz(members: Iterable[tuple[str, bytes]]) -> bytes:
    packed = io.BytesIO()
    with gzip_ng.open(packed, "wb", 1) as file:  # type: ignore[no-untyped-call] # ships none
        _write_tar(file, members)
    return packed.getvalue()


def _tar(members: Iterable[tuple[str, bytes]]) -> bytes:
    plain = io.BytesIO()
    _write_tar(plain, members)
    return plain.getvalue()


def _write_tar(file: IO[bytes], members: Iterable[tuple[str, bytes]]) -> None:
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def _write(root: Path, product: str, month: str, archive: bytes) -> None:
    (path,) = rn.plan(product, month, source="radklim", folder=root).paths
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(archive)


def fetch_all(url: str, folder: Path) -> None:
    """Download all of `make_rain`, so that no page depends on another's downloads."""
    rn.download(rn.plan("YW", "2020-06", base_url=url, folder=folder), progress=False)
    for month in HOURS:
        rn.download(rn.plan("RW", month, base_url=url, folder=folder), progress=False)
