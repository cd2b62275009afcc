"""Write the tables of docs/ that follow from the code into their pages: `make docs-tables`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.pages_tables import pages_with_tables, with_tables

if __name__ == "__main__":
    for page in pages_with_tables():
        before = page.read_text(encoding="utf-8")
        after = with_tables(before)
        if after != before:
            page.write_text(after, encoding="utf-8")
            print(page)
