"""Pages of docs/: their links and names exist, their tables are those of the code. `make examples` runs them."""

from __future__ import annotations

import ast
import functools
import importlib
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.pages import DOCS, RUN, SHOWN, blocks
from support.pages_tables import pages_with_tables, records, with_tables

import radar_nb as rn

ROOT = DOCS.parent
PACKAGE = ROOT / "src" / "radar_nb"
PAGES = [path for path in sorted(DOCS.rglob("*.md")) if not {"_build", "generated", "notebooks"} & set(path.parts)]
PAGES += [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
LINK = re.compile(r"\[[^\]]*\](?:\(|: )(?P<target>[^)\s]+)")
DIRECTIVE = re.compile(r"^\{[\w-]+\}")

NAMED = re.compile(r"`([\w/.-]+\.(?:py|js|json))(?::([\w.]+))?`")
"""A file that a page names, from the repository's root or from the package, and a function or class of it."""
PATH = re.compile(r"(?<![\w/])(?:tests|scripts|benchmarks|src)/[\w/]+\.py\b")
BOUND = re.compile(r"^\| [^|]+ \| ([\d,]+)(?: (bytes|KiB|MiB|GiB))? \| `([\w/.]+)`, `([\w.]+)` \|$", re.MULTILINE)

UNUSUAL = re.compile(
    r"(?<!here )\b(?:is|are) none\b|(?<!here )\bis no (?!longer|more|larger|later)|(?<!\.)\btells\b|\btold\b"
)
"""What a translation from German has instead of "not a", "unknown", "reports"."""


def name_of(page: Path) -> str:
    """Return a page's path from the repository's root."""
    return page.relative_to(ROOT).as_posix()


def links(page: Path) -> list[str]:
    """Return the targets of a page's links and pictures, without those in code."""
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [match["target"] for match in LINK.finditer(text)]


def test_each_block_is_run_or_has_a_reason() -> None:
    """No block of code is silently untested: it is in a language that is run, or shown, or a directive."""
    strange = [
        f"{name_of(page)}:{block.line}: {block.language!r}"
        for page in PAGES
        for block in blocks(page.read_text("utf-8"))
        if block.language not in RUN + SHOWN and not DIRECTIVE.match(block.language)
    ]

    assert strange == []


def test_each_link_inside_leads_to_a_file() -> None:
    """Pages, pictures and notebooks that a page points to are in the repository, also on its web page."""
    generated = {"generated": DOCS / "generated", "notebooks": ROOT / "notebooks"}
    missing = []
    for page, target in [(one, target) for one in PAGES for target in links(one)]:
        path = target.partition("#")[0]
        if urlsplit(target).scheme or not path:
            continue
        found = (page.parent / path).resolve()
        first = found.relative_to(DOCS).parts[0] if found.is_relative_to(DOCS) else ""
        if not (generated[first] / found.name if first in generated else found).exists():
            missing.append(f"{name_of(page)}: {target}")

    assert missing == []


def test_each_link_outside_is_https_and_well_formed() -> None:
    """Tests have no network, so they check the form only: a host with a dot, https, not http."""
    outside = [(page, urlsplit(target)) for page in PAGES for target in links(page) if urlsplit(target).scheme]

    assert outside
    assert [
        f"{name_of(page)}: {url.geturl()}"
        for page, url in outside
        if url.scheme != "https" or "." not in url.netloc
    ] == []


@pytest.mark.parametrize("page", pages_with_tables(), ids=lambda path: path.relative_to(DOCS).as_posix())
def test_the_tables_of_a_page_are_those_of_the_code(page: Path) -> None:
    """Products, commands, errors and settings on a page equal those of the code; run `make docs-tables`."""
    text = page.read_text("utf-8")

    assert text.split() == with_tables(text).split()  # versions of Python wrap the lines of a help differently


def test_a_decision_has_its_parts_and_is_in_the_index() -> None:
    """A record has a title, a date, the context, the decision and the reason."""
    listed = links(DOCS / "decisions" / "index.md")
    for record in records():
        text = record.read_text("utf-8")
        parts = re.findall(r"^(?:## |\**)(Date|Context|Decision|Why)\b", text, re.MULTILINE)
        assert text.startswith("# "), record.name
        assert parts == ["Date", "Context", "Decision", "Why"], record.name
        assert record.name in listed, record.name


def test_each_file_and_function_that_a_page_names_exists() -> None:
    """Each file, function and class that a page names exists in the repository."""
    wrong = []
    for page in PAGES:
        if page.parent.name == "decisions":  # they name what was there at the time
            continue
        text = page.read_text("utf-8")
        missing = [match[0] for match in NAMED.finditer(text) if not _is_there(match[1], match[2] or "")]
        missing += [path for path in PATH.findall(text) if not (ROOT / path).is_file()]
        wrong += [f"{name_of(page)}: {one}" for one in missing]

    assert wrong == []


def _is_there(file: str, name: str) -> bool:
    paths = [path for root in (ROOT, PACKAGE) if (path := root / file).is_file()]
    if not paths:
        return "/" not in file
    text = paths[0].read_text("utf-8")
    if not name or not file.endswith(".py"):
        return name in text
    place: ast.AST | None = _parsed(text)
    for part in name.split("."):
        place = (
            next((node for node in ast.iter_child_nodes(place) if part in _names(node)), None) if place else None
        )
    return place is not None


_parsed = functools.cache(ast.parse)


def _names(node: ast.AST) -> set[str]:
    """Return the names that a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    targets = (
        node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    )
    return {target.id for target in targets if isinstance(target, ast.Name)}


def test_texts_are_ordinary_english() -> None:
    """Code, the widgets' texts, pages and notebooks' cells have none of the phrases of a translation."""
    texts = {path: path.read_text("utf-8") for path in (*PAGES, ROOT / "CHANGELOG.md", *PACKAGE.rglob("*.py"))}
    texts |= {path: path.read_text("utf-8") for path in PACKAGE.rglob("en.json")}
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        texts[path] = "".join("".join(cell["source"]) for cell in json.loads(path.read_text("utf-8"))["cells"])

    wrong = [f"{name_of(path)}: {found[0]}" for path, text in texts.items() for found in UNUSUAL.finditer(text)]

    assert wrong == []


def test_the_architecture_page_lists_the_rooms() -> None:
    """The page's table has exactly one row per folder of the package."""
    rows = re.findall(r"^\| `(\w+)` \|", (DOCS / "architecture.md").read_text("utf-8"), re.MULTILINE)

    assert sorted(rows) == sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


def test_the_bounds_in_security_are_those_of_the_code() -> None:
    """Each value of the table equals that of the constant in its row."""
    sizes = {"": 1, "bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    stated = {
        (file, name): int(value.replace(",", "")) * sizes[unit] for value, unit, file, name in BOUND.findall(text)
    }

    found = {(file, name): _constant(file, name) for file, name in stated}

    assert len(stated) == text.count(".py`, `")
    assert stated == found


def _constant(file: str, name: str) -> Any:
    module = importlib.import_module("radar_nb." + file.removesuffix(".py").replace("/", "."))
    owner, _, attribute = name.rpartition(".")
    return getattr(getattr(module, owner)() if owner else module, attribute)


def test_the_reference_holds_every_public_name() -> None:
    """The reference has every public name of `radar_nb`."""
    text = "\n".join(path.read_text("utf-8") for path in (DOCS / "reference").glob("*.md"))
    listed = set(re.findall(r"auto\w+:: radar_nb\.(\w+)", text))

    assert set(rn.__all__) - listed == set()


def test_each_how_to_page_is_listed() -> None:
    """The index lists every how-to page."""
    listed = set(links(DOCS / "howto" / "index.md"))

    assert {path.name for path in (DOCS / "howto").glob("*.md")} - {"index.md"} == listed


def test_each_picture_is_shown() -> None:
    """Each picture in the repository is shown on a page."""
    shown = {Path(target).name for page in PAGES for target in links(page)}

    assert {path.name for path in (DOCS / "images").glob("*.png")} - shown == set()
