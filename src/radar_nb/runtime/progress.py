"""Progress as events: the work reports, the caller draws.

A function that may work for longer than a second takes `progress=` and opens `reporting(progress)`, which yields
a callable for `Progress` events. True selects tqdm (a widget in a notebook, a line in a terminal, otherwise
nothing), False reports nothing, and any callable is used as it is.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from radar_nb.runtime.wording import printable

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a task has come.

    Attributes
    ----------
    task : str
        Name of the task: `"download"`, `"extract"`. There is one bar per task.
    done : int
        Amount done, in `unit`.
    total : int or None
        Total amount, or None while it is unknown.
    unit : str
        `"B"` for bytes (drawn with prefixes), `"s"` for seconds (drawn as a clock), or a plural noun.
    note : str
        The current item, for example a file's name.
    """

    task: str
    done: int
    total: int | None
    unit: str
    note: str = ""


class Reporter(Protocol):
    """Any callable that takes a `Progress`. It is called from the caller's thread."""

    def __call__(self, progress: Progress, /) -> None:
        """Handle one event."""


@contextmanager
def reporting(progress: bool | Reporter) -> Iterator[Reporter]:
    """Yield the reporter for a call's `progress=` argument, and close its bars at the end, also after an error.

    Parameters
    ----------
    progress : bool or Reporter
        True for tqdm, False for nothing, or the caller's own reporter.

    Yields
    ------
    Reporter

    Examples
    --------
    >>> seen = []
    >>> with reporting(seen.append) as report:
    ...     report(Progress(task="count", done=1, total=2, unit="sheep"))
    >>> seen[0].done
    1
    """
    if callable(progress):
        yield progress
    elif progress:
        bars = _TqdmBars()
        try:
            yield bars
        finally:
            bars.close()
    else:
        yield _silent


def _silent(progress: Progress, /) -> None:
    """Draw nothing."""


class _TqdmBars:
    """One tqdm bar per task; tqdm is silent unless standard error is a terminal or a notebook."""

    def __init__(self) -> None:
        self._bars: dict[str, Any] = {}
        self._outputs: dict[str, Any] = {}  # of a notebook

    def __call__(self, progress: Progress, /) -> None:
        bar = self._bars.get(progress.task)
        if bar is None:
            bar = self._bars[progress.task] = _tqdm_bar(progress)
            if hasattr(bar, "container"):  # a notebook's
                self._outputs[progress.task] = _displayed(bar.container)
        if progress.total is not None and bar.total != progress.total:
            bar.total = progress.total
        if progress.note:
            bar.set_postfix_str(printable(progress.note), refresh=False)
        bar.update(progress.done - bar.n)

    def close(self) -> None:
        for task, bar in self._bars.items():
            bar.close()
            if output := self._outputs.get(task):  # as text: a saved notebook would show the bar's beginning
                output.update({"text/plain": repr(bar.container)}, raw=True)


def _displayed(widget: Any) -> Any:
    """Display a widget in a notebook; return what can replace it."""
    from IPython.display import display  # noqa: PLC0415 - there is a notebook

    show: Any = display  # it has no types
    return show(widget, display_id=True)


def _tqdm_bar(progress: Progress) -> Any:
    from tqdm.auto import tqdm  # noqa: PLC0415 - `import radar_nb` stays cheap

    binary = progress.unit == "B"
    notebook = any(base.__module__ == "tqdm.notebook" for base in tqdm.__mro__)
    return tqdm(
        **({"display": False} if notebook else {}),
        desc=progress.task,
        total=progress.total,
        unit="B" if binary else f" {progress.unit}",
        unit_scale=binary,
        unit_divisor=1024,
        **_size(),
        bar_format="{desc}: {elapsed}" if progress.unit == "s" else None,
        disable=False if notebook else None,  # None: silent unless standard error is a terminal
        leave=True,
    )


def _size() -> dict[str, int]:
    """Return a size for bars where the terminal states none, as under `script`: tqdm would draw nothing."""
    try:
        known = os.get_terminal_size(sys.stderr.fileno()).columns
    except (AttributeError, OSError, ValueError):  # not a terminal
        return {}
    return {} if known else {"ncols": 80, "nrows": 24}
