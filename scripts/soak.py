"""Prove that what is asked for arrives whole or is named: faults, kills, hostile archives and servers, counted.

    python scripts/soak.py [--short] [--seconds N] [--seed N] [--write docs/reliability.md]

The amount of work is fixed: ten minutes at most on two processors, two with --short. Nothing depends on the clock
but the moments of the kills. Returns 1 when a law is broken, or the time is over before the end. Linux and macOS.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from soak_archives import make_root
from soak_cubes import soak_cubes
from soak_faults import soak_faults
from soak_hdf5 import soak_hdf5
from soak_hostile import soak_hostile
from soak_kills import soak_kills
from soak_rings import soak_rings
from soak_servers import soak_servers
from soak_tables import inserted


def main() -> int:
    """Run all parts, print their tables, and return 1 if a law is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="a part of it, in two minutes")
    parser.add_argument("--seconds", type=int, default=600, help="after which it is ended as failed (600)")
    parser.add_argument("--seed", type=int, default=1, help="other faults, moments and rain (1)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables into a document")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGALRM, end)
    signal.alarm(options.seconds)
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        root = folder / "root"
        make_root(root, options.seed)
        sections = [
            soak_faults(folder / "faults", root, seed=options.seed, short=options.short),
            soak_kills(folder / "kills", root, each=5 if options.short else 24, seed=options.seed),
            soak_hostile(folder / "hostile"),
            soak_hdf5(folder / "hdf5"),
            soak_servers(folder / "servers", next(root.rglob("*.tar")).read_bytes()),
            soak_cubes(folder / "cubes"),
            soak_rings(folder / "rings", short=options.short),
        ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    text = "\n\n".join(map(str, sections))
    print(text)
    broken = sum(len(section.broken) for section in sections)
    print(f"\n{time.monotonic() - began:.0f} s, seed {options.seed}, laws broken: {broken}", file=sys.stderr)
    if options.write:
        document = options.write.read_text(encoding="utf-8")
        options.write.write_text(inserted(document, text), encoding="utf-8")
    return min(broken, 1)


def end(*_: object) -> None:
    """End a soak that takes too long; a handler of signals."""
    raise SystemExit("the soak takes longer than it may (--seconds): the machine is too busy, or something hangs")


if __name__ == "__main__":
    sys.exit(main())
