"""Find the parts of a widget and read what they show; an archive for them to fetch."""

from __future__ import annotations

import re
import threading
import time
from html import unescape
from typing import TYPE_CHECKING, Any

import ipywidgets
from support.malicious_archives import day, frame, month, name, tar_of

from radar_nb.widgets.month_calendar import MonthCalendar

if TYPE_CHECKING:
    from collections.abc import Callable

    from radar_nb.widgets.download_panel import DownloadPanel
    from radar_nb.widgets.month_picker import MonthPicker

FOLDER = "/climate_environment/CDC/grids_germany/5_minutes/radolan/reproc/2017_002/bin/2020"
JUNE = f"{FOLDER}/YW2017.002_202006.tar"
ARCHIVE = month(day(range(0, 60, 5)), day(range(5, 60, 5)))
STEPS = range(5, 30, 5)
CLEAN = month(tar_of((name(step), frame(step, seed=step, rows=1100, cols=900)) for step in STEPS))
"""Five fields of a known grid, which can be opened; `ARCHIVE` cannot."""
LONG = tar_of([("frame", bytes(4_000_000))])
RECENT = "/climate_environment/CDC/grids_germany/5_minutes/radolan/recent/"
NO_SERVER = "http://127.0.0.1:9"


def parts(widget: ipywidgets.Widget) -> dict[str, Any]:
    """Return the parts of a widget by their labels, the calendar as `calendar`."""
    found: dict[str, Any] = {}
    for child in getattr(widget, "children", ()):
        found |= parts(child)
        if isinstance(child, MonthCalendar):
            found["calendar"] = child
        elif getattr(child, "description", ""):
            found[child.description] = child
    return found


def bars(panel: DownloadPanel) -> dict[str, tuple[int, str]]:
    """Return percentage and state of the bars that a panel shows, by name."""
    shown = panel.children[1].value
    found = re.findall(r'aria-label="([^"]*)".*?aria-valuenow="(\d+)" data-state="(\w+)"', shown)
    return {name: (int(share), state) for name, share, state in found}


def names(picker: MonthPicker) -> list[str]:
    """Return the names of the planned files."""
    assert picker.plan is not None
    return [archive.name for archive in picker.plan.archives]


def words(widget: ipywidgets.Widget) -> str:
    """Return all texts of a widget with a kernel."""
    said = [child.value for child in widget.children if isinstance(child, ipywidgets.HTML)]
    said = [html for html in said if "radar-nb-dead" not in html]
    said += [words(child) for child in widget.children if isinstance(child, ipywidgets.Box)]
    return " ".join(unescape(re.sub(r"<style>.*?</style>|<[^>]*>", " ", " ".join(said))).split())


def changes(widget: ipywidgets.Widget, *names: str) -> list[tuple[str, Any]]:
    """Return a list that collects all later changes of traits."""
    seen: list[tuple[str, Any]] = []
    widget.observe(lambda change: seen.append((change.name, change.new)), names)
    return seen


def until(widget: ipywidgets.Widget, name: str, holds: Any) -> None:
    """Wait for a trait to satisfy a condition."""
    reached = threading.Event()
    widget.observe(lambda change: reached.set() if holds(change.new) else None, name)
    assert holds(getattr(widget, name)) or reached.wait(10)


def reached(condition: Callable[[], bool]) -> None:
    """Wait until a condition is true."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true within 20 s"
        threading.Event().wait(0.01)
