"""Run the readers on damaged bytes for a given time, and look for new paths through the code.

    python scripts/fuzz.py [TARGET ...] [--seconds N] [--corpus DIR]

Without a target it fuzzes all, one after the other, N seconds each, and ends with a table. It needs atheris (Linux
and macOS), which is not a dependency of the project: `pip install atheris --editable ".[dev]"`, best into an
environment of its own. The laws are those of tests/support/damage.py (frames, archives, HDF5, netCDF, ASCII) and
tests/support/side_files.py (listings, notes, indexes, records and descriptions of cubes). A finding is a broken
law: a foreign exception, wrong bytes, more than `SECONDS` or `MEGABYTES` for one input, a crash. Findings are kept
in DIR/TARGET/findings, the smallest input for each place in the code; the inputs that led somewhere new, in
DIR/TARGET/corpus, where the next run begins. What is found becomes a case of tests/formats/.
"""

from __future__ import annotations

import argparse
import importlib
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

TESTS = Path(__file__).resolve().parents[1] / "tests"
SECONDS = 10
MEGABYTES = 300
TARGETS = {
    **dict.fromkeys(("header", "frame", "archive", "packed", "odim", "netcdf", "grid"), "damage"),
    **dict.fromkeys(("listing", "note", "index", "record", "description"), "side_files"),
}
"""What is fuzzed, and which module of tests/support has its law."""
WATCHED = ["radar_nb", "tarfile", "gzip", "bz2", "_compression", "zlib_ng", "wradlib.io.radolan"]
"""Modules in which a new path counts."""
UNWATCHED = ["radar_nb.formats.packing", "radar_nb.formats.netcdf"]
"""Modules that compare large arrays: atheris 3.0 never frees what it has seen compared."""

_PEAK = 1024 if sys.platform == "linux" else 1  # getrusage(2): kilobytes on Linux, bytes on macOS


def main() -> int:
    """Fuzz each target until its time is over; return 1 if there are findings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help=f"any of {', '.join(TARGETS)}; all by default"
    )
    parser.add_argument("--seconds", type=int, default=600, help="for each target (600)")
    parser.add_argument("--corpus", type=Path, default=Path(tempfile.gettempdir(), "radar_nb-fuzz"))
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if unknown := set(args.targets) - set(TARGETS):
        parser.error(f"unknown target {', '.join(sorted(unknown))}; choose from {', '.join(TARGETS)}")
    if args.once:
        fuzz(args.targets[0], args.corpus / args.targets[0], args.seconds)
    rows = [(target, *run(target, args.corpus, args.seconds)) for target in args.targets or TARGETS]
    print("| target | inputs | places covered | findings |", "| --- | ---: | ---: | ---: |", sep="\n")
    for target, runs, covered, findings in rows:
        print(f"| {target} | {runs:,} | {covered:,} | {len(findings)} |")
    for target, _, _, findings in rows:
        for name in findings:
            print(args.corpus / target / "findings" / name)
    return int(any(row[3] for row in rows))


def run(target: str, corpus: Path, seconds: int) -> tuple[int, int, list[str]]:
    """Fuzz a target, again after each crash, until the time is over: inputs, places covered, names of findings."""
    end, runs, covered = time.monotonic() + seconds, 0, 0
    while (left := int(end - time.monotonic())) > 0:
        done, places = run_once(target, corpus, left)
        runs, covered = runs + done, max(covered, places)
        if not done:
            break
    folder = corpus / target / "findings"
    return runs, covered, sorted(path.name for path in folder.iterdir() if path.suffix != ".txt")


def run_once(target: str, corpus: Path, seconds: int) -> tuple[int, int]:
    """Fuzz in its own process until it ends or crashes; return the number of inputs and what they covered."""
    command = [sys.executable, __file__, target, "--once", "--seconds", str(seconds), "--corpus", str(corpus)]
    runs = covered = 0
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace") as process:
        for line in process.stderr or ():
            if status := re.match(r"#(\d+)\s.*cov: (\d+)", line):
                runs, covered = int(status[1]), int(status[2])
            if not status or " pulse " in line:
                print(line, end="", flush=True)
    return runs, covered


def fuzz(target: str, folder: Path, seconds: int) -> None:
    """Fuzz in this process, which ends with it."""
    # not at the top: only what is imported below is watched, and mypy need not know atheris
    atheris: Any = importlib.import_module("atheris")
    sys.path.insert(0, str(TESTS))
    with atheris.instrument_imports(include=WATCHED, exclude=UNWATCHED):
        law = importlib.import_module(f"support.{TARGETS[target]}").LAWS[target]
        importlib.import_module("wradlib.io.radolan")  # else the first run-length frame counts as a slow input
    warnings.simplefilter("error")  # as in the tests
    corpus, findings = folder / "corpus", folder / "findings"
    for place in (corpus, findings):
        place.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(law.seeds()):
        if len(seed) <= law.limit:
            (corpus / f"seed-{number:03d}").write_bytes(seed)
    limit_memory()
    options = {"max_total_time": seconds, "timeout": SECONDS, "max_len": law.limit, "rss_limit_mb": 4 * MEGABYTES}
    arguments = [f"-{key}={value}" for key, value in options.items()]
    atheris.Setup(
        [sys.argv[0], *arguments, f"-artifact_prefix={findings}/", str(corpus)],
        lambda data: keep_finding(law.holds, data, findings),
        custom_mutator=lambda data, size, seed: mutated(atheris.Mutate, data, size, seed, target),
    )
    atheris.Fuzz()


def keep_finding(law: Callable[[bytes], None], data: bytes, findings: Path) -> None:
    """Check one input against the law."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        law(data)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
        place = traceback.extract_tb(error.__traceback__)[-1]
        story = "".join(traceback.format_exception(error))
        keep(findings / f"{type(error).__name__}-{Path(place.filename).stem}-{place.lineno}", data, story)
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * _PEAK >> 20
    if more > MEGABYTES:
        keep(findings / "memory", data, f"{more} MB")
        forget_peak()


def limit_memory() -> None:
    """Limit the memory of this process, so that an input that asks for too much fails and the fuzzing goes on."""
    forget_peak()
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])  # proc(5): of address space
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (3 * MEGABYTES << 20),) * 2)


def forget_peak() -> None:
    """Reset the peak memory that the system reports, where it can."""
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # proc(5)


def keep(path: Path, data: bytes, story: str) -> None:
    """Save an input and its result, unless a smaller input with this result is saved."""
    if not path.exists() or len(data) < path.stat().st_size:
        path.write_bytes(data)
        path.with_name(f"{path.name}.txt").write_text(story, encoding="utf-8")
        print(f"finding: {path.name}, {len(data)} bytes", file=sys.stderr)


def mutated(mutate: Callable[[bytes, int], bytes], data: bytes, size: int, seed: int, target: str) -> bytes:
    """Return changed bytes, of which the reader's first check mostly accepts the form."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    if TARGETS[target] == "side_files" and target != "listing" and rng.random() < 0.8:
        head, mark, rest = data.partition(b"\0\n")  # JSON, and what follows it in an index
        forged: bytes = importlib.import_module("support.side_files").forged(head, seed)
        return (forged + mark + rest)[:size]
    if target == "packed" and data and rng.random() < 0.5:
        place = rng.randrange(len(data))  # one bit alone: the second hides under the first one's checksum
        return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]
    data = bytes(mutate(data, size))
    if rng.random() < 0.2:
        return data
    if target == "archive":
        return data[:1] + with_checksums(shuffled(data[1:], rng))[: size - 1]
    if target == "frame":
        return re.sub(rb"BY *\d{2,10}", lambda match: b"BY%*d" % (len(match[0]) - 2, len(data)), data, count=1)
    return data


def shuffled(tar: bytes, rng: random.Random) -> bytes:
    """Return a tar in which, once in four times, a block is left out, doubled or moved."""
    blocks = [tar[place : place + 512] for place in range(0, len(tar), 512)]
    if len(blocks) > 1 and rng.random() < 0.25:
        block = blocks.pop(rng.randrange(len(blocks)))
        for _ in range(rng.randrange(3)):
            blocks.insert(rng.randrange(len(blocks) + 1), block)
    return b"".join(blocks)


def with_checksums(tar: bytes) -> bytes:
    """Return the tar with the right checksums in its headers (POSIX.1-2017, pax, "ustar Interchange Format")."""
    made = bytearray(tar)
    for place in range(0, len(made) - 511, 512):
        if made[place + 257 : place + 262] == b"ustar":
            made[place + 148 : place + 156] = b" " * 8
            made[place + 148 : place + 156] = b"%06o\0 " % sum(made[place : place + 512])
    return bytes(made)


if __name__ == "__main__":
    sys.exit(main())
