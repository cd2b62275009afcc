"""The error tree: what its drawing says is so."""

from __future__ import annotations

import builtins
import inspect
import pickle
import re
from typing import Any, NamedTuple

import pytest

from radar_nb import errors
from radar_nb.errors import DiskFull, Incomplete, RadarNbError
from radar_nb.report import Outcome, Report


class Drawn(NamedTuple):
    """One line of the drawing."""

    name: str
    parent: str | None
    builtin: str | None


def _drawing() -> dict[str, Drawn]:
    """Read the tree in the module's docstring: four columns a level."""
    path: list[str] = []
    drawn = {}
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"([│├└─ ]*)([A-Z]\w+)(?: \((\w+)\))?(?:  |$)", line)
        if match is None:
            continue
        depth = len(match[1]) // 4
        path[depth:] = [match[2]]
        drawn[match[2]] = Drawn(match[2], path[depth - 1] if depth else None, match[3])
    return drawn


DRAWING = _drawing()
CLASSES: dict[str, type[Any]] = {name: value for name, value in vars(errors).items() if inspect.isclass(value)}


def test_the_drawing_holds_every_class_and_no_other() -> None:
    """Who reads the tree has read all errors."""
    assert set(DRAWING) == set(CLASSES)


@pytest.mark.parametrize("drawn", DRAWING.values(), ids=DRAWING.keys())
def test_each_class_stands_where_it_is_drawn(drawn: Drawn) -> None:
    """A class's bases are the one above it and the builtin in brackets."""
    named = {drawn.parent or "Exception", drawn.builtin} - {None}

    bases = {base.__name__ for base in CLASSES[drawn.name].__bases__}

    assert bases == named
    assert drawn.builtin is None or hasattr(builtins, drawn.builtin)


@pytest.mark.parametrize("name", sorted(set(CLASSES) - {"Incomplete"}))
def test_an_error_survives_a_process_border(name: str) -> None:
    """Pickling gives the same class and the same message."""
    error = CLASSES[name]("the thing, the value, the way out")

    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes

    assert type(again) is type(error)
    assert str(again) == "the thing, the value, the way out"


def test_incomplete_carries_its_report_across_a_process_border() -> None:
    """What failed, and with which error, is still known on the other side."""
    failed = Outcome(name="a.tar", state="failed", error=DiskFull("the disk is full"))
    error = Incomplete("1 of 2 failed", Report(task="download", outcomes=(failed,)))

    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes

    assert str(again) == "1 of 2 failed"
    assert again.report.failed[0].name == "a.tar"
    assert isinstance(again.report.failed[0].error, DiskFull)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_error_is_caught_as_ours_and_says_what_it_means(name: str) -> None:
    """One `except RadarNbError` is enough, and help() tells what it was."""
    assert issubclass(CLASSES[name], RadarNbError)
    assert CLASSES[name].__doc__
