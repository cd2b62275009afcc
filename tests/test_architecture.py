"""The architecture: which room may import which, which rooms own a library, and that the import is cheap.

Read from the source itself. `docs/architecture.md` explains the rooms.
"""

from __future__ import annotations

import ast
import functools
import graphlib
import importlib
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import radar_nb

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(radar_nb.__file__).parent

ALLOWED = {
    "dwd": {"runtime"},
    "runtime": set[str](),
    "formats": {"dwd", "runtime"},
    "geography": {"dwd", "runtime"},
    "fetch": {"dwd", "formats", "runtime"},
    "reading": {"dwd", "fetch", "formats", "geography", "runtime"},
    "cube": {"dwd", "fetch", "formats", "reading", "runtime"},
    "analysis": {"cube", "dwd", "formats", "geography", "reading", "runtime"},
    "exports": {"analysis", "dwd", "plots", "reading", "runtime"},
    "plots": {"dwd", "geography", "reading", "runtime"},
    "mirror": {"dwd", "formats", "geography", "runtime"},
    "widgets": {"analysis", "cube", "dwd", "fetch", "formats", "geography", "plots", "reading", "runtime"},
    "cli": {"analysis", "cube", "dwd", "exports", "fetch", "geography", "mirror", "plots", "runtime", "widgets"},
}
"""The rooms that each room imports from, lazily or not. `radar_nb.errors` and the public API are open to all."""

OWNERS = {
    "aiohttp": {"fetch"},
    "anywidget": {"widgets"},
    "argparse": {"cli"},
    "bz2": {"formats", "mirror"},
    "contourpy": {"exports"},
    "distributed": {"runtime"},
    "exactextract": {"analysis"},
    "filelock": {"runtime"},
    "geopandas": {"geography"},
    "google_crc32c": {"cube"},
    "gzip": {"mirror"},
    "h5netcdf": {"exports"},
    "h5py": {"formats"},
    "icechunk": {"cube"},
    "http.server": {"mirror"},
    "IPython": {"runtime"},
    "ipywidgets": {"widgets"},
    "matplotlib": {"plots", "widgets"},
    "mikeio": {"exports"},
    "nest_asyncio2": {"runtime"},
    "numcodecs": {"cube"},
    "obstore": {"cube"},
    "openpyxl": {"exports"},
    "pandas": {"analysis", "exports"},
    "PIL": {"plots"},
    "platformdirs": {"runtime"},
    "pyarrow": {"exports"},
    "pyogrio": {"geography"},
    "pyproj": {"dwd", "exports"},
    "rasterio": {"exports"},
    "scipy": {"analysis", "exports"},
    "shapely": {"geography"},
    "shtab": {"cli"},
    "tarfile": {"formats", "mirror"},
    "torch": {"cube"},
    "tqdm": {"runtime"},
    "traitlets": {"widgets"},
    "wradlib": {"formats"},
    "xarray": {"analysis", "cube", "exports", "plots", "reading", "widgets"},
    "zarr": {"cube"},
    "zlib_ng": {"formats", "widgets"},
}
"""The rooms that may import a library. Otherwise only the standard library and NumPy are imported."""

HEAVY = ("xarray", "wradlib", "aiohttp", "matplotlib", "ipywidgets", "dask", "pandas", "pyproj", "h5py", "tqdm")
"""Libraries that `import radar_nb` must not load."""

MODULES = {".".join(path.relative_to(SOURCE).with_suffix("").parts): path for path in sorted(SOURCE.rglob("*.py"))}
"""The file of each module, by its name below `radar_nb`: "dwd.months", "dwd.__init__", "errors"."""

every_room = pytest.mark.parametrize("room", sorted(ALLOWED))


def room_of(module: str) -> str:
    """Return the room of a module, "" for a module outside the rooms."""
    return module.partition(".")[0] if "." in module else ""


@functools.cache
def tree_of(module: str) -> ast.Module:
    """Return the syntax tree of a module; not made while tests are collected."""
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def _running_code(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes except those of `if TYPE_CHECKING:` blocks."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        yield from _running_code(node)


@functools.cache
def imports(module: str, *, types: bool = False) -> frozenset[str]:
    """Return the full names that a module imports, `a.b` for `from a import b`; with `types` all of them."""
    nodes = ast.walk(tree_of(module)) if types else _running_code(tree_of(module))
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


@functools.cache
def own_imports(module: str, *, types: bool = False) -> frozenset[str]:
    """Return the modules of radar_nb that a module imports, by their names below `radar_nb`."""
    found = set()
    for name in imports(module, types=types):
        parts = name.split(".")
        if parts[0] == "radar_nb":
            known = [".".join(parts[1:end]) for end in range(len(parts), 1, -1)]
            found.add(next((n for k in known for n in (k, f"{k}.__init__") if n in MODULES), "__init__"))
    return frozenset(found)


# --- rooms ----------------------------------------------------------------------------------------------------


def test_the_package_holds_rooms_and_little_else() -> None:
    """Besides the rooms there are only the public names, the errors and the entry of `python -m radar_nb`."""
    inside = {path.name for path in SOURCE.iterdir()} - {"__pycache__"}

    assert inside == {*ALLOWED, "__init__.py", "__main__.py", "errors.py", "py.typed"}
    endings = {path.suffix for path in SOURCE.rglob("*") if path.is_file() and path.parent.name != "__pycache__"}
    assert endings == {".css", ".js", ".json", ".py", ".tsv", ".typed"}


@every_room
def test_a_room_imports_only_from_the_rooms_it_may_know(room: str) -> None:
    """`ALLOWED` is the exact map; imports for types and imports within functions count too."""
    modules = [module for module in MODULES if room_of(module) == room]
    known = {room_of(name) for module in modules for name in own_imports(module, types=True)}

    assert known - {"", room} == ALLOWED[room]


def test_the_map_of_rooms_has_no_cycle() -> None:
    """Each room can be understood without those that import it."""
    graphlib.TopologicalSorter(ALLOWED).prepare()


def test_modules_of_a_room_do_not_import_each_other_in_a_circle() -> None:
    """Lazy imports count; imports for types load nothing and may point anywhere within the room."""
    graphlib.TopologicalSorter(
        {name: own_imports(name) - {"__init__"} for name in MODULES if not name.endswith("__init__")}
    ).prepare()


@every_room
def test_a_room_has_a_docstring_and_a_sorted_all(room: str) -> None:
    """Its `__init__` has a docstring of several sentences and a sorted `__all__` of existing modules or names."""
    package = importlib.import_module(f"radar_nb.{room}")
    text = package.__doc__ or ""

    assert 3 <= text.count(". ") + text.count(".\n") <= 12
    assert package.__all__ == sorted(package.__all__)
    for name in package.__all__:
        assert hasattr(package, name) or importlib.util.find_spec(f"radar_nb.{room}.{name}") is not None


@every_room
def test_a_room_names_its_modules(room: str) -> None:
    """The docstring or the `__all__` of the room, or of a folder in it, names each module, for newcomers."""
    modules = {module for module in MODULES if room_of(module) == room and not module.endswith(".__init__")}
    unnamed = {
        module
        for module in modules
        for folder, _, name in [module.rpartition(".")]
        for package in [importlib.import_module(f"radar_nb.{folder}")]
        if f"`{name}`" not in (package.__doc__ or "") and name not in getattr(package, "__all__", ())
    }

    assert unnamed == set()


@every_room
def test_a_room_names_what_exists(room: str) -> None:
    """Each name in the room's docstring is a room, a module, a file, or a word of the room's own code."""
    text = importlib.import_module(f"radar_nb.{room}").__doc__ or ""
    known = {part for module in MODULES for part in module.split(".")} | {"radar-nb"}
    code = "".join(path.read_text("utf-8") for path in (SOURCE / room).rglob("*.py") if path.name != "__init__.py")
    named = {name for name in re.findall(r"`([\w.-]+)`", text) if not (SOURCE / room / name).exists()}

    words = {name.rpartition(".")[2] for name in named} - known

    assert {word for word in words if not re.search(rf"\b{word}\b", code)} == set()


def test_only_names_in_a_rooms_all_are_imported_elsewhere() -> None:
    """A module that a room's `__all__` does not name is private to the room."""
    hidden = {
        (module, name)
        for module in MODULES
        for name in own_imports(module, types=True)
        if (room := room_of(name)) not in {"", room_of(module)}
        and name.split(".")[1] not in {*importlib.import_module(f"radar_nb.{room}").__all__, "__init__"}
    }

    assert hidden == set()


def test_no_two_public_classes_or_functions_share_a_name() -> None:
    """Each name of a public class or function has one meaning; methods may share names."""
    homes: dict[str, set[str]] = {}
    for module in MODULES:
        for node in tree_of(module).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_":
                homes.setdefault(node.name, set()).add(module)

    assert {name: modules for name, modules in homes.items() if len(modules) > 1} == {}


# --- libraries ------------------------------------------------------------------------------------------------


def test_each_library_is_imported_only_in_its_own_rooms() -> None:
    """A library is imported only in the rooms that own it."""
    foreign = {
        (module, name)
        for module in MODULES
        for name in imports(module)
        if name.partition(".")[0] not in sys.stdlib_module_names | {"numpy", "radar_nb"}
        and room_of(module) not in OWNERS.get(name.partition(".")[0], set())
    }
    owned = {
        (module, name)
        for module in MODULES
        for name in imports(module)
        for library, rooms in OWNERS.items()
        if f"{name}.".startswith(f"{library}.") and room_of(module) not in rooms
    }

    assert foreign | owned == set()


def test_each_owner_uses_its_library() -> None:
    """The table of owners has no unused library or room."""
    used = {
        (library, room_of(module))
        for library in OWNERS
        for module in MODULES
        for name in imports(module)
        if f"{name}.".startswith(f"{library}.")
    }

    assert used == {(library, room) for library, rooms in OWNERS.items() for room in rooms}


# --- the package ----------------------------------------------------------------------------------------------


def test_the_public_names_are_sorted_and_exist() -> None:
    """Each name of `__all__` can be imported, including those whose modules are loaded on first use."""
    assert radar_nb.__all__ == sorted(radar_nb.__all__)
    assert [name for name in radar_nb.__all__ if not hasattr(radar_nb, name)] == []
    assert set(radar_nb.__all__) < set(dir(radar_nb))


def test_an_unknown_name_is_an_attribute_error() -> None:
    """Lazy loading reports an unknown name as any module does."""
    with pytest.raises(AttributeError, match="module 'radar_nb' has no attribute 'no_such_name'"):
        getattr(radar_nb, "no_such_name")  # noqa: B009 - mypy would report a plain attribute


def test_import_is_cheap() -> None:
    """Heavy libraries are loaded when they are first needed, and no log handler is set."""
    code = (
        "import logging, sys, radar_nb; "
        f"print([name for name in {HEAVY} if name in sys.modules], "
        "logging.getLogger('radar_nb').handlers, logging.getLogger().handlers)"
    )

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603

    assert run.stdout.split("\n") == ["[] [] []", ""]
    assert not run.stderr
