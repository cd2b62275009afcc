"""The calendar of the month picker: a range of months or days, and years across, months down, in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import anywidget
import traitlets

from radar_nb.dwd.months import Month

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

_HERE = Path(__file__).parent


class MonthCalendar(anywidget.AnyWidget):
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
