"""The layout: layers, owners and house rules, read from the source itself."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import radar_nb

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(radar_nb.__file__).parent

LAYERS = {
    "errors": 0,
    "loops": 0,
    "progress": 0,
    "serving": 0,
    "sites": 0,
    "table": 0,
    "buckets": 1,
    "captions": 1,
    "crew": 1,
    "encoders": 1,
    "faults": 1,
    "frames": 1,
    "grids": 1,
    "jobs": 1,
    "listing": 1,
    "months": 1,
    "names": 1,
    "palettes": 1,
    "politeness": 1,
    "report": 1,
    "settings": 1,
    "shards": 1,
    "streams": 1,
    "texts": 1,
    "versions": 1,
    "workspace": 1,
    "answers": 2,
    "archives": 2,
    "basemap": 2,
    "blocks": 2,
    "claims": 2,
    "configuration": 2,
    "copied_code": 2,
    "eras": 2,
    "far_archives": 2,
    "fields": 2,
    "layouts": 2,
    "ledger": 2,
    "levels": 2,
    "month_calendar": 2,
    "packing": 2,
    "periods": 2,
    "products": 2,
    "regridding": 2,
    "runlength": 2,
    "speeds": 2,
    "spoiling": 2,
    "variables": 2,
    "vectors": 2,
    "watch": 2,
    "weather": 2,
    "words": 2,
    "accumulators": 3,
    "areas": 3,
    "bodies": 3,
    "catalogue": 3,
    "citation": 3,
    "cube_array": 3,
    "exports": 3,
    "maps": 3,
    "misbehaving": 3,
    "odim": 3,
    "places": 3,
    "reel": 3,
    "returns": 3,
    "scene": 3,
    "staging": 3,
    "stores": 3,
    "timeline": 3,
    "totals": 3,
    "transport": 3,
    "unfinished": 3,
    "verification": 3,
    "windows": 3,
    "animation": 4,
    "choices": 4,
    "comparison": 4,
    "doctor": 4,
    "facets": 4,
    "index": 4,
    "localities": 4,
    "questions": 4,
    "shelf": 4,
    "synthetic": 4,
    "transfers": 4,
    "extract": 5,
    "fetching": 5,
    "filming": 5,
    "plotting": 5,
    "publishing": 5,
    "screening": 5,
    "sources": 5,
    "template": 5,
    "cursor": 6,
    "download": 6,
    "inventory": 6,
    "mirror": 6,
    "series": 6,
    "standalone": 6,
    "blueprint": 7,
    "coverage": 7,
    "cube_stages": 7,
    "lazy": 7,
    "assembly": 8,
    "calendars": 8,
    "cube_days": 8,
    "cube_months": 8,
    "cube": 9,
    "cube_opening": 9,
    "films": 9,
    "reading": 9,
    "cube_film": 10,
    "gathering": 10,
    "cube_checks": 10,
    "pipeline": 10,
    "subjects": 10,
    "explorer": 11,
    "areal": 11,
    "extremes": 11,
    "reductions": 11,
    "panel": 11,
    "picker": 11,
    "quality": 11,
    "storms": 11,
    "sync": 11,
    "analysis": 12,
    "app": 13,
    "__init__": 14,
    "cli": 16,
    "__main__": 17,
    "cube_commands": 15,
}
"""Each module's layer: what it imports, at the top or within a function, lies strictly below. Imports for types
alone may point anywhere: they load nothing."""

OWNERS = {
    "aiohttp": {"transport"},
    "anywidget": {"explorer", "month_calendar"},
    "argparse": {"cli"},
    "bz2": {"publishing", "streams"},  # the one writes archives, the other reads them
    "distributed": {"crew"},
    "exactextract": {"areas"},
    "filelock": {"claims"},
    "geopandas": {"vectors"},
    "google_crc32c": {"shards"},
    "gzip": {"publishing"},
    "h5py": {"odim"},
    "http.server": {"mirror"},
    "ipywidgets": {"app", "panel", "picker"},
    "matplotlib": {
        "animation",
        "basemap",
        "calendars",
        "encoders",
        "facets",
        "maps",
        "palettes",
        "plotting",
        "scene",
        "timeline",
    },
    "nest_asyncio2": {"loops"},
    "numcodecs": {"shards"},
    "obstore": {"buckets"},
    "pandas": {"periods", "storms"},
    "PIL": {"encoders"},
    "platformdirs": {"settings"},
    "pyarrow": {"exports"},
    "pyproj": {"grids"},
    "rasterio": {"exports"},
    "scipy": {"returns", "storms"},
    "shtab": {"cli"},
    "tarfile": {"archives", "publishing"},
    "tqdm": {"progress"},
    "traitlets": {"explorer", "month_calendar", "panel", "picker"},
    "wradlib": {"runlength", "template"},  # its decoder of run lengths, and its engine
    "xarray": {
        "areal",
        "assembly",
        "blueprint",
        "cube_array",
        "cube_opening",
        "explorer",
        "exports",
        "extremes",
        "fields",
        "lazy",
        "localities",
        "reading",
        "reductions",
        "reel",
        "returns",
        "subjects",
        "template",
        "timeline",
        "totals",
        "variables",
    },
    "zarr": {"blueprint"},
    "zlib_ng": {"archives", "odim", "reel", "screening", "streams"},
}
"""Who may import what. All but the standard library and numpy must stand here."""

HEAVY = ("xarray", "wradlib", "aiohttp", "matplotlib", "ipywidgets", "dask", "pandas", "pyproj", "h5py", "tqdm")
"""What `import radar_nb` leaves alone."""

TREES = {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(SOURCE.glob("*.py"))}
every_module = pytest.mark.parametrize("module", TREES)


def _running_code(tree: ast.AST) -> Iterator[ast.AST]:
    """Give all nodes but those of `if TYPE_CHECKING:` blocks."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        yield from _running_code(node)


@functools.cache
def _imports(module: str) -> frozenset[str]:
    """Give the full names that a module imports: `a.b` of `from a import b` as of `import a.b`."""
    names: set[str] = set()
    for node in _running_code(TREES[module]):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def _own_imports(module: str) -> set[str]:
    """Give the modules of radar_nb that a module imports; the package itself is `__init__`."""
    found = set()
    for name in _imports(module) - {"radar_nb.__version__"}:  # a text, there before any module is
        package, _, rest = name.partition(".")
        if package == "radar_nb":
            first = rest.partition(".")[0]
            found.add(first if first in TREES else "__init__")
    return found


def _functions(module: str) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [n for n in ast.walk(TREES[module]) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count a function's lines without those of its docstring."""
    text = function.body[0] if ast.get_docstring(function) else None
    docstring = 0 if text is None else (text.end_lineno or 0) - text.lineno + 1
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


# --- layers and owners ----------------------------------------------------------------------------------------


def test_every_file_has_its_place_on_the_map() -> None:
    """A new file is placed in LAYERS before it is merged, and no place is kept for a file that is gone."""
    assert set(TREES) == set(LAYERS)


@every_module
def test_imports_point_to_lower_layers_only(module: str) -> None:
    """Lazily or not, so that there is no cycle and each layer can be understood without those above it."""
    assert [name for name in _own_imports(module) if LAYERS[name] >= LAYERS[module]] == []


@every_module
def test_each_outside_library_has_its_owner(module: str) -> None:
    """Beside the standard library and numpy a module imports only what it owns; others go through the owner."""
    strange = [
        name
        for name in _imports(module)
        if name.partition(".")[0] not in sys.stdlib_module_names | {"numpy", "radar_nb"}
        and module not in OWNERS.get(name.partition(".")[0], set())
    ]
    taken = [
        name
        for name in _imports(module)
        for library, owners in OWNERS.items()
        if f"{name}.".startswith(f"{library}.") and module not in owners
    ]

    assert strange + taken == []


def test_each_owner_uses_what_it_owns() -> None:
    """The table of owners holds no library that is gone."""
    used = {
        library
        for library in OWNERS
        for module in TREES
        for name in _imports(module)
        if f"{name}.".startswith(f"{library}.")
    }

    assert used == {library for library, owners in OWNERS.items() if owners}


def test_wradlib_is_asked_in_one_place() -> None:
    """Its engine is named in reading alone."""
    naming = {
        module
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "engine"
        if ast.unparse(node.value) == "RadolanBackendEntrypoint"
    }

    assert naming == {"template"}


# --- house rules ----------------------------------------------------------------------------------------------


@every_module
def test_no_file_and_no_function_is_too_long(module: str) -> None:
    """A file can be read in one go (450 lines), a function seen on one screen (60 lines beside its docstring)."""
    lines = (SOURCE / f"{module}.py").read_text(encoding="utf-8").count("\n")

    assert lines <= 450
    assert {function.name: _lines(function) for function in _functions(module) if _lines(function) > 60} == {}


@every_module
def test_files_are_named_as_the_user_would(module: str) -> None:
    """A drawer for what belongs nowhere fills up."""
    assert not {"utils", "util", "helpers", "helper", "common", "misc"} & set(module.split("_"))


@every_module
def test_only_the_command_line_prints(module: str) -> None:
    """A library that prints cannot be used in a pipe; it sets no handlers for its log either."""
    called = {ast.unparse(node.func) for node in ast.walk(TREES[module]) if isinstance(node, ast.Call)}

    assert "print" not in called or module == "cli"
    assert not [name for name in called if name.endswith(("addHandler", "basicConfig", "StreamHandler"))]


@every_module
def test_everything_public_says_what_it_gives(module: str) -> None:
    """Modules, public classes, their methods and public functions have a docstring."""
    tree = TREES[module]
    outer: list[ast.AST] = [tree]
    for node in outer:  # grows while it is walked: classes hold methods
        if isinstance(node, ast.Module | ast.ClassDef):
            outer += [
                inner
                for inner in node.body
                if isinstance(inner, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
                and not inner.name.startswith("_")
                and "overload"
                not in map(ast.unparse, inner.decorator_list)  # what it says, the function itself says
            ]
    silent = [
        getattr(node, "name", module)
        for node in outer
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and not ast.get_docstring(node)
    ]

    assert silent == []


def test_the_public_names_are_sorted_and_there() -> None:
    """Each name of `__all__` can be had, also those whose modules are loaded when first asked for."""
    assert radar_nb.__all__ == sorted(radar_nb.__all__)
    assert [name for name in radar_nb.__all__ if not hasattr(radar_nb, name)] == []
    assert set(radar_nb.__all__) < set(dir(radar_nb))


def test_an_unknown_name_is_an_attribute_error() -> None:
    """Lazy loading tells a name that is none as any module does."""
    with pytest.raises(AttributeError, match="module 'radar_nb' has no attribute 'no_such_name'"):
        getattr(radar_nb, "no_such_name")  # noqa: B009 - a plain attribute would be told by mypy


def test_import_is_cheap() -> None:
    """Heavy libraries are loaded when they are first needed, and no log handler is set."""
    code = (
        "import logging, sys, radar_nb; "
        f"print([name for name in {HEAVY} if name in sys.modules], "
        "logging.getLogger('radar_nb').handlers, logging.getLogger().handlers)"
    )

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603

    assert told.stdout.split("\n") == ["[] [] []", ""]
    assert not told.stderr
