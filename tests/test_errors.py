"""The error tree: its drawing equals the classes, and each message has a remedy."""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import pickle
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from radar_nb import errors
from radar_nb.cube.shards import remedy
from radar_nb.errors import DiskFull, Incomplete, RadarNbError
from radar_nb.runtime.report import Outcome, Report


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


def test_the_drawing_contains_every_class() -> None:
    """The tree and the classes are the same."""
    assert set(DRAWING) == set(CLASSES)


@pytest.mark.parametrize("drawn", DRAWING.values(), ids=DRAWING.keys())
def test_each_class_is_at_its_place_in_the_drawing(drawn: Drawn) -> None:
    """A class's bases are the one above it and the builtin in brackets."""
    named = {drawn.parent or "Exception", drawn.builtin} - {None}

    bases = {base.__name__ for base in CLASSES[drawn.name].__bases__}

    assert bases == named
    assert drawn.builtin is None or hasattr(builtins, drawn.builtin)


@pytest.mark.parametrize("name", sorted(set(CLASSES) - {"Incomplete"}))
def test_an_error_survives_a_process_border(name: str) -> None:
    """Pickling restores the same class and the same message."""
    error = CLASSES[name]("the thing, the value, the way out")

    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes

    assert type(again) is type(error)
    assert str(again) == "the thing, the value, the way out"


def test_incomplete_carries_its_report_across_a_process_border() -> None:
    """An unpickled Incomplete still has the failed items and their errors."""
    failed = Outcome(name="a.tar", state="failed", error=DiskFull("the disk is full"))
    error = Incomplete("1 of 2 failed", Report(task="download", outcomes=(failed,)))

    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes

    assert str(again) == "1 of 2 failed"
    assert again.report.failed[0].name == "a.tar"
    assert isinstance(again.report.failed[0].error, DiskFull)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_error_is_a_radar_nb_error_with_a_docstring(name: str) -> None:
    """`except RadarNbError` catches all, and help() describes each."""
    assert issubclass(CLASSES[name], RadarNbError)
    assert CLASSES[name].__doc__


# --- every message has a remedy -------------------------------------------------------------------------------

SOURCES = sorted(
    path for path in Path(errors.__file__).parent.rglob("*.py") if path.name != "torch_crops.py"
)  # it needs PyTorch, and raises nothing
ADVICE = re.compile(
    r"(^|[:;,.(] |\b(and|in|or|then) )"
    r"(add|ask|await|build|bring|check|choose|download|draw|extract|fetch|give|install|keep|leave|let|look|make|name|omit|open|pass|"
    r"reduce|remove|repair|restore|run|save|say|rewrite|see|set|sort|start|state|take|try|update|upgrade|use|wait|write)\b"
    r"|build_cube (adds|brings)|da\.to_dataset|pip install|\?$",
    re.IGNORECASE,
)
ALLOWED = re.compile(
    r"\b(known are|possible are|expected)\b|\b(it|they) (has|have|holds|may be|may have) |\bmust be\b|\bneeds \w+="
    r"|\b(at least|from) \d|\bat most \{|\bneither\b|\bwhich holds\b|\ba series has$"
    r"|(^|: )\{error\}$"  # another message of radar_nb, with its own remedy
)
PASSED_ON = {
    "{} is {found}": "what a foreign file is, with its remedy, from a table whose texts have their own test",
    "{} {reason}": "the reason of a refusal, which ends in its own remedy",
    "to show: ": "what the Dataset has",
    "is not available: ": "a line of an Incomplete, which has a remedy",
    " faults:\n": "a list of messages, each with its own remedy",
    "the area ": "three texts defined above it, each with its own remedy",
    "the explorer shows no field: ": "the message of the explorer's own error",
}


def _text(message: ast.expr, known: dict[str, str]) -> str:
    """Return the literal parts of a message, with {name} or {} for other values."""
    match message:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text(part, known) for part in parts)
        case ast.BinOp(left=left, right=right):
            return _text(left, known) + _text(right, known)
        case ast.Call(func=ast.Attribute(value=ast.JoinedStr() as inner)):
            return _text(inner, known)
        case (
            ast.FormattedValue(value=ast.Call(func=ast.Name(id="remedy" as name)))
            | ast.FormattedValue(value=ast.Name(id=name))
            | ast.Call(args=[ast.Name(id=name)])
            | ast.Name(id=name)
        ):
            return known.get(name, f"{{{name}}}")
    return "{}"


def _messages(source: Path) -> list[tuple[int, str]]:
    """Return line and text of every error message of a module."""
    place = source.relative_to(Path(errors.__file__).parent.parent).with_suffix("")
    loaded = importlib.import_module(".".join(place.parts).removesuffix(".__init__"))
    known = {name: value for name, value in vars(loaded).items() if isinstance(value, str)}
    known["remedy"] = remedy("a cube")
    tree = ast.parse(source.read_text(encoding="utf-8"))
    found = []
    for scope in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
        here = dict(known)
        for node in sorted(ast.walk(scope), key=lambda node: getattr(node, "lineno", 0)):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                here[node.targets[0].id] = _text(node.value, here)
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in CLASSES
                and node.args
            ):
                found.append((node.lineno, _text(node.args[0], here)))
    return found


def test_a_message_keeps_its_beginning_and_its_remedy_whatever_was_put_into_it() -> None:
    """A text from outside with a million characters is cut in the middle."""
    text = str(errors.SettingsError(f"the column {10**6 * 'A'} is not known: choose another"))

    assert len(text) < 8100
    assert text.startswith("the column AAA")
    assert text.endswith("AAA is not known: choose another")


def test_every_message_has_a_remedy() -> None:
    """Each of some hundred messages ends in what to do next or what is allowed, or contains one that does."""
    messages = [(source, line, text) for source in SOURCES for line, text in _messages(source)]

    silent = [
        f"{source.name}:{line}: {text}"
        for source, line, text in messages
        if not (ADVICE.search(text) or ALLOWED.search(text) or any(part in text for part in PASSED_ON))
    ]
    assert silent == []
    assert len(messages) > 250
