"""Docstrings: `help` of a public name is complete, and names the existing arguments."""

from __future__ import annotations

import inspect
import re
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest
from numpydoc.docscrape import (  # type: ignore[import-untyped]  # ships no types
    ClassDoc,
    FunctionDoc,
    NumpyDocString,
)

import radar_nb as rn

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMED = {name: getattr(rn, name) for name in rn.__all__ if callable(getattr(rn, name))}
CLASSES = {name: value for name, value in NAMED.items() if inspect.isclass(value)}
FUNCTIONS = {name: value for name, value in NAMED.items() if not inspect.isclass(value)}
TWINS = {name for name in FUNCTIONS if name.endswith("_async")}


def _read(name: str) -> NumpyDocString:
    kind = (
        ClassDoc(NAMED[name], config={"show_class_members": False})
        if name in CLASSES
        else FunctionDoc(NAMED[name])
    )
    found: NumpyDocString = kind
    return found


def _groups(doc: NumpyDocString) -> Iterator[list[str]]:
    """Return the names of each line under Parameters or, of a value, Attributes."""
    for line in [*doc["Parameters"], *(doc["Attributes"] if not doc["Parameters"] else ())]:
        yield [name.strip().lstrip("*") for name in line.name.split(",")]


@pytest.mark.parametrize("name", sorted(set(NAMED) - TWINS))
def test_every_parameter_is_documented(name: str) -> None:
    """The names are those of the signature; lines, and the names that share one, stand in its order."""
    asked = list(inspect.signature(NAMED[name]).parameters)
    groups = list(_groups(_read(name)))

    assert sorted(chain.from_iterable(groups)) == sorted(asked)
    assert all(group == sorted(group, key=asked.index) for group in groups)
    assert groups == sorted(groups, key=lambda group: asked.index(group[0]))


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - TWINS))
def test_every_result_is_documented(name: str) -> None:
    """Each result has its type, and a sentence if the type is not enough."""
    doc = _read(name)

    documented = [*doc["Returns"], *doc["Yields"]]

    assert bool(documented) or inspect.signature(NAMED[name]).return_annotation in {None, "None"}
    assert all(result.type for result in documented)


@pytest.mark.parametrize("name", sorted(set(NAMED) - TWINS))
def test_every_name_has_an_example(name: str) -> None:
    """Each public function has an example of a call."""
    assert ">>> " in "\n".join(_read(name)["Examples"])


@pytest.mark.parametrize("name", sorted(TWINS))
def test_a_coroutine_function_has_the_signature_of_its_plain_function(name: str) -> None:
    """`help` shows the same parameters and result for both, and says which one to await."""
    plain: Any = NAMED[name.removesuffix("_async")]
    doc = inspect.getdoc(NAMED[name]) or ""

    assert doc == inspect.getdoc(plain) or f"`{plain.__name__}`" in doc.splitlines()[0]
    assert inspect.signature(NAMED[name]) == inspect.signature(plain)
    assert inspect.iscoroutinefunction(NAMED[name])
    assert not inspect.iscoroutinefunction(plain)
    assert (plain.__module__, plain.__name__) == (NAMED[name].__module__, name.removesuffix("_async"))


@pytest.mark.parametrize("name", sorted(NAMED))
def test_every_error_under_raises_is_public(name: str) -> None:
    """Each error named under Raises can be caught by that name."""
    documented = {error for line in _read(name)["Raises"] for error in re.findall(r"\b[A-Z]\w+", line.type)}

    assert documented <= set(vars(rn.errors))
