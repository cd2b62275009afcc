"""Requirements: pyproject.toml, constraints.txt, environment.yml and the recipe agree."""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
CONDA = {
    "build": "python-build",
    "dask": "dask-core",
    "matplotlib": "matplotlib-base",
    "zlib-ng": "python-zlib-ng",
}
"""PyPI's name of a package -> conda-forge's, if they differ."""


def bounds(lines: list[str]) -> dict[str, SpecifierSet]:
    """Return the bounds of each package in a list of requirements, without this project's extras."""
    found = (Requirement(line) for line in lines)
    return {item.name: item.specifier for item in found if item.name != "radar-nb" and item.marker is None}


def conda_bounds(lines: list[Any]) -> dict[str, SpecifierSet]:
    """Return the bounds in lines in conda's form, including those that pip installs there."""
    plain = [line for line in lines if isinstance(line, str)]
    by_pip = [line for item in lines if isinstance(item, dict) for line in item["pip"]]
    return bounds(plain + by_pip)


CORE = bounds(PROJECT["dependencies"])
ALL = CORE | bounds([line for lines in EXTRAS.values() for line in lines])


def test_the_conda_environment_has_the_projects_requirements() -> None:
    """environment.yml has each package of the core and of every extra, with the same bounds."""
    lines = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    wanted = {CONDA.get(name, name): bound for name, bound in ALL.items()}

    found = conda_bounds(lines)

    assert {name: found.get(name) for name in wanted} == wanted


def test_the_recipe_has_the_cores_requirements() -> None:
    """The recipe names the same packages, besides Python, and the package's version."""
    recipe = yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text(encoding="utf-8"))
    wanted = {CONDA.get(name, name): bound for name, bound in CORE.items()}

    found = conda_bounds(recipe["requirements"]["run"])

    assert found == wanted | {"python": SpecifierSet(PROJECT["requires-python"])}
    source = (ROOT / "src" / "radar_nb" / "__init__.py").read_text(encoding="utf-8")
    assert f'__version__ = "{recipe["context"]["version"]}"' in source


def pins() -> dict[str, Version]:
    """Return the pinned version of each package."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): Version(version) for name, version in pairs}


def test_each_requirement_is_pinned_within_its_bounds() -> None:
    """The versions that `make` installs are within the bounds of pyproject.toml."""
    pinned = pins()

    assert {name for name in ALL if canonicalize_name(name) not in pinned} == set()
    versions = {name: pinned[canonicalize_name(name)] for name in ALL}
    assert {name: version for name, version in versions.items() if version not in ALL[name]} == {}


@pytest.mark.parametrize("python", ["3.11.2", "3.12.0", "3.13.0"])
def test_no_pinned_package_needs_a_later_python(python: str) -> None:
    """Each pin can be installed on Python 3.11.2, as in Debian 12, and needs no later one."""
    wanting = {}
    for name, version in pins().items():
        try:
            installed = metadata(name).json
        except PackageNotFoundError:  # a package of another system
            continue
        if Version(str(installed["version"])) == version and "requires_python" in installed:
            wanting[name] = SpecifierSet(str(installed["requires_python"]))

    if len(wanting) < 100:
        pytest.skip("this environment is not the pinned one")
    assert {name: str(needs) for name, needs in wanting.items() if not needs.contains(python)} == {}
