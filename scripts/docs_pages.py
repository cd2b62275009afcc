"""Run the pages of docs/ and keep what they print and draw; `make docs` shows it, and `make examples` holds it.

    python scripts/docs_pages.py [PAGE ...]

They run against synthetic rain on a small server on this machine. Outputs that still fit, `...` standing for
anything, are left as they are.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from PIL import Image
from support.pages import fetch_all, fits, make_rain, run, runnable

from radar_nb.mirror import Mirror


def main(names: list[str]) -> None:
    """Run the pages of these paths, or all that have something to run."""
    pages = [Path(name).resolve() for name in names] or runnable()
    with TemporaryDirectory(prefix="radar_nb-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        make_rain(folder / "server")
        with Mirror(folder / "server") as mirror:
            os.environ |= {
                "RADAR_NB_BASE_URL": mirror.url,
                "RADAR_NB_DATA": str(folder / "data"),
                "RADAR_NB_CACHE": str(folder / "cache"),
            }
            fetch_all(mirror.url, folder / "data")
            for page in pages:
                with TemporaryDirectory(dir=folder) as work, chdir(work):
                    _write(page)


def _write(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    outputs = list(run(text))
    for one in outputs:
        if one.block.picture and one.figure is not None:
            picture = page.parent / one.block.picture
            picture.parent.mkdir(exist_ok=True)
            _draw(one.figure, picture)
    for one in reversed(outputs):
        if one.block.output and not fits(one):
            text = text[: one.block.output.start] + one.text.rstrip() + "\n" + text[one.block.output.end :]
    page.write_text(text, encoding="utf-8")
    print(page.name)


def _draw(figure: Any, path: Path) -> None:
    """Write a figure in few colours: maps have few, and the repository keeps every picture for ever."""
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=90)
    Image.open(drawn).convert("RGB").quantize(128).save(path, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
