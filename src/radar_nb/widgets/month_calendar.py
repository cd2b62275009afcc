"""The calendar of the month picker: years across, months down, drawn in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anywidget
import traitlets

from radar_nb.dwd.months import Month

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from radar_nb.fetch.local_state import MonthState
    from radar_nb.widgets.wording import Texts

LETTERS: dict[MonthState, str] = {
    "unpublished": "-",
    "server": ".",
    "begun": "b",
    "downloaded": "d",
    "extracted": "x",
    "cube": "c",
    "broken": "!",
}
"""Each state as the script reads it: 26 years of months are 312 letters."""

_HERE = Path(__file__).parent


class MonthCalendar(anywidget.AnyWidget):
    """Months of many years as a grid, each coloured and signed by its state, to be selected by mouse or keyboard.

    Attributes
    ----------
    value : list of str
        The months selected, "2020-06", in order. It can be observed, and set.
    states : str
        A letter for each month from January of `first_year` on, of whole years.
    first_year : int
    said : str
        What a screen reader says when it changes.
    """

    _esm = (_HERE / "month_calendar.js").read_text(encoding="utf-8")
    _css = (_HERE / "month_calendar.css").read_text(encoding="utf-8")

    first_year = traitlets.Int(2001).tag(sync=True)
    states = traitlets.Unicode("").tag(sync=True)
    value = traitlets.List(traitlets.Unicode()).tag(sync=True)
    words = traitlets.Dict().tag(sync=True)
    said = traitlets.Unicode("").tag(sync=True)

    def __init__(self, say: Texts) -> None:
        super().__init__(words=say.group("calendar"))

    def show(self, states: Mapping[Month, MonthState], months: Iterable[Month]) -> None:
        """Show the state of months, and which are selected, in one message."""
        first, last = min(states).year, max(states).year
        every = (Month(year, month) for year in range(first, last + 1) for month in range(1, 13))
        with self.hold_sync():
            self.first_year = first
            self.states = "".join(LETTERS[states.get(month, "unpublished")] for month in every)
            self.value = [str(month) for month in months]
