"""What the parts of a widget show, and an archive for them to fetch."""

from __future__ import annotations

import re
import threading
from html import unescape
from typing import TYPE_CHECKING, Any

import ipywidgets
from hostile import day, month, tar_of

if TYPE_CHECKING:
    from radar_nb.widgets import MonthPicker

FOLDER = "/climate_environment/CDC/grids_germany/5_minutes/radolan/reproc/2017_002/bin/2020"
JUNE = f"{FOLDER}/YW2017.002_202006.tar"
ARCHIVE = month(day(range(0, 60, 5)), day(range(5, 60, 5)))
LONG = tar_of([("frame", bytes(4_000_000))])
RECENT = "/climate_environment/CDC/grids_germany/5_minutes/radolan/recent/"
NOBODY = "http://127.0.0.1:9"


def parts(widget: ipywidgets.Widget) -> dict[str, Any]:
    """Give the parts of a panel by the words on them, the bar as `bar`."""
    found: dict[str, Any] = {}
    for child in getattr(widget, "children", ()):
        found |= parts(child)
        if isinstance(child, ipywidgets.IntProgress):
            found["bar"] = child
        elif getattr(child, "description", ""):
            found[child.description] = child
    return found


def names(picker: MonthPicker) -> list[str]:
    """Give the names of the files that are planned."""
    assert picker.plan is not None
    return [archive.name for archive in picker.plan.archives]


def words(widget: ipywidgets.Widget) -> str:
    """Give all that a panel says."""
    said = [child.value for child in widget.children if isinstance(child, ipywidgets.HTML)]
    said += [words(child) for child in widget.children if isinstance(child, ipywidgets.Box)]
    return unescape(re.sub(r"<style>.*?</style>|<[^>]*>", " ", " ".join(said)))


def changes(widget: ipywidgets.Widget, *names: str) -> list[tuple[str, Any]]:
    """Collect the changes of traits from now on."""
    seen: list[tuple[str, Any]] = []
    widget.observe(lambda change: seen.append((change.name, change.new)), names)
    return seen


def until(widget: ipywidgets.Widget, name: str, holds: Any) -> None:
    """Wait for a trait to satisfy a condition."""
    reached = threading.Event()
    widget.observe(lambda change: reached.set() if holds(change.new) else None, name)
    assert holds(getattr(widget, name)) or reached.wait(10)
