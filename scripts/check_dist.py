"""Build the sdist and the wheel twice and check that they are the same, small and without tests.

`make dist` runs it. The second build takes place in a copy of the first sdist, so that what a stranger builds from
it is what is published. Prints a table; ends with 1 and says why where something is not as it must be.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[1]
LARGEST = 1 << 20  # bytes of one file in a distribution
WHOLE = 4 << 20  # bytes of a distribution
FOREIGN = re.compile(r"(^|/)(tests?|benchmarks|notebooks|\.ci|\.github|__pycache__)/|\.(ipynb|gz|tar|bin|h5|nc)$")
"""What no distribution contains: tests, notebooks, data, leftovers."""


def main() -> int:
    """Build into the folder, print the result, and return 0 on success."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=ROOT / "dist", help="where the distributions go")
    folder: Path = parser.parse_args().folder.resolve()
    for old in (*folder.glob("radar_nb-*.whl"), *folder.glob("radar_nb-*.tar.gz")):
        old.unlink()
    first = built(ROOT, folder)
    with tempfile.TemporaryDirectory() as away:
        (sdist,) = (path for path in first.values() if path.suffix == ".gz")
        with tarfile.open(sdist) as tar:
            tar.extractall(away, filter="data")
        (copy,) = Path(away).iterdir()
        second = {name: digest(path) for name, path in built(copy, Path(away, "again")).items()}
    faults: list[str] = []
    for name, path in first.items():
        same = second.get(name) == digest(path)
        faults += [] if same else [f"{name}: a second build, from the sdist, has other bytes"]
        faults += [f"{name}: {fault}" for fault in wrong(path)]
        files = len(list(contents(path)))
        print(f"{name:40} {path.stat().st_size:>10,} bytes {files:>5} files  sha256 {digest(path)}")
    print(*faults, sep="\n", file=sys.stderr)
    return int(bool(faults))


def built(source: Path, folder: Path) -> Mapping[str, Path]:
    """Build both distributions of a source tree; return them by name."""
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(source)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return {path.name: path for path in sorted(folder.glob("radar_nb-*")) if path.suffix in {".whl", ".gz"}}


def contents(path: Path) -> Iterator[tuple[str, int]]:
    """Return the name and the size of each file in a distribution."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            yield from ((info.filename, info.file_size) for info in wheel.infolist())
    else:
        with tarfile.open(path) as tar:
            yield from ((member.name, member.size) for member in tar if member.isfile())


def wrong(path: Path) -> Iterator[str]:
    """Return what a distribution must not contain but does, and what it lacks."""
    names = dict(contents(path))
    yield from (f"{name} does not belong there" for name in names if FOREIGN.search(name))
    yield from (f"{name} has {size:,} bytes" for name, size in names.items() if size > LARGEST)
    if path.stat().st_size > WHOLE:
        yield f"has {path.stat().st_size:,} bytes, more than {WHOLE:,}"
    for needed in (
        "radar_nb/py.typed",
        "radar_nb/widgets/explorer/widget.bundle.js",
        "radar_nb/runtime/locales/de.json",
        "LICENSE",
    ):
        if not any(name.endswith(needed) for name in names):
            yield f"lacks {needed}"


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
