"""The calendar of the month picker: a range of months or days, and years across, months down, in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import anywidget
import traitlets

from radar_nb.dwd.months import Month
from radar_nb.plots.stills import Cells, still_png
from radar_nb.widgets.stills import InSavedNotebooks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from radar_nb.fetch.local_state import MonthState
    from radar_nb.runtime.language import Texts

CalendarState: TypeAlias = 'MonthState | Literal["absent"]'
"""As `MonthState`; absent: the server was asked for the month's files and has none of them."""

LETTERS: dict[CalendarState, str] = {
    "unpublished": "-",
    "server": ".",
    "begun": "b",
    "downloaded": "d",
    "extracted": "x",
    "cube": "c",
    "broken": "!",
    "absent": "?",
}
"""The letter of each state in `states`: 26 years of months are 312 letters."""

_COLOURS: dict[CalendarState, str] = {
    "unpublished": "",
    "server": "#e6eaee",
    "begun": "#c9dff5",
    "downloaded": "#9cc7f0",
    "extracted": "#1c5d99",
    "cube": "#0b2f52",
    "broken": "#f4b08a",
    "absent": "#b9bec4",
}
"""Of the months in a picture; as in `month_calendar.css`, where two states are striped."""

_HERE = Path(__file__).parent


class MonthCalendar(InSavedNotebooks, anywidget.AnyWidget):
    """Months of many years as a grid, coloured and marked by state, and a range of them or of days.

    Attributes
    ----------
    value : list of str
        The selected months, such as "2020-06", in order. It can be observed and set.
    days : list of str
        The first and the last selected day, such as "2020-06-13"; empty for whole months. The months of `value`
        are those that the days touch.
    states : str
        One letter for each month of whole years, from January of `first_year`.
    first_year : int
    said : str
        Text that a screen reader speaks when it changes.
    """

    _esm = (_HERE / "month_calendar.js").read_text(encoding="utf-8")
    _css = (_HERE / "month_calendar.css").read_text(encoding="utf-8")

    first_year = traitlets.Int(2001).tag(sync=True)
    states = traitlets.Unicode("").tag(sync=True)
    value = traitlets.List(traitlets.Unicode()).tag(sync=True)
    days = traitlets.List(traitlets.Unicode()).tag(sync=True)
    words = traitlets.Dict().tag(sync=True)
    said = traitlets.Unicode("").tag(sync=True)

    def __init__(self, say: Texts) -> None:
        super().__init__(words=say.group("calendar"))

    def _still(self) -> bytes:
        """Return a picture of the months."""
        states = [next(state for state, letter in LETTERS.items() if letter == each) for each in self.states]
        years = [str(self.first_year + k) for k in range(len(states) // 12)]
        chosen = [Month.of(month) - Month(self.first_year, 1) for month in self.value]
        words = self.words
        key = [(colour, words[state]) for state, colour in _COLOURS.items() if colour and state in states]
        return still_png(
            [
                Cells(
                    rows=words["short"].split(),
                    cols=years,
                    colours=[[_COLOURS[state] for state in states[month::12]] for month in range(12)],
                    framed={(number % 12, number // 12) for number in chosen},
                    key=[*key, ("", words["selected"])],
                )
            ]
        )

    def show(
        self, states: Mapping[Month, CalendarState], months: Iterable[Month], days: tuple[date, date] | None = None
    ) -> None:
        """Set the states and the selected months and days in one message."""
        first, last = min(states).year, max(states).year
        every = (Month(year, month) for year in range(first, last + 1) for month in range(1, 13))
        with self.hold_sync():
            self.first_year = first
            self.states = "".join(LETTERS[states.get(month, "unpublished")] for month in every)
            self.value = [str(month) for month in months]
            self.days = [day.isoformat() for day in days or ()]
