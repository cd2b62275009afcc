"""The month picker: a product and months or days of it, chosen in a calendar, a slider, fields or from code.

No callback blocks: a request to the server is a background job, and only names are looked up on the disk.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import ipywidgets
import traitlets

from radar_nb.cube.locations import built_months, cube_path
from radar_nb.dwd.catalogue import Plan
from radar_nb.dwd.months import Month, month_range, time_span
from radar_nb.dwd.products import product as find_product
from radar_nb.errors import (
    CoverageError,
    DownloadError,
    ListingError,
    MonthError,
    RadarNbError,
    StorageError,
)
from radar_nb.fetch.local_state import look, month_states
from radar_nb.fetch.planning import plan_async
from radar_nb.fetch.throttling import known_speed
from radar_nb.runtime.background import Job
from radar_nb.runtime.files import free_bytes, storage_errors
from radar_nb.runtime.language import load_texts
from radar_nb.runtime.settings import settings
from radar_nb.widgets.choices import (
    narrowed,
    offer,
    plan_now,
    product_menu,
    series_line,
    series_menu,
    whole_days,
)
from radar_nb.widgets.face import InMarimo
from radar_nb.widgets.month_calendar import MonthCalendar
from radar_nb.widgets.stills import InSavedNotebooks
from radar_nb.widgets.wording import day_span, error_line, line, month_span, no_kernel_line, plan_lines, spoken

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator
    from datetime import date

    from radar_nb.dwd.products import Product
    from radar_nb.fetch.local_state import MonthState
    from radar_nb.fetch.planning import Source
    from radar_nb.widgets.choices import Offer

_WIDE = {"width": "auto", "max_width": "820px"}  # the width of a calendar of 26 years

_CALM = 0.2
"""Seconds without a change before the server is asked: a drag passes many months."""

_PASSING = (DownloadError, ListingError, StorageError)  # errors that may pass: the button "Try again" appears


class MonthPicker(InSavedNotebooks, InMarimo, ipywidgets.VBox):  # type: ignore[misc] # ipywidgets ships no types
    """Pick a product and months, and see the files, their size, what is on disk, and how long the rest takes.

    Calendar, slider and fields show the same choice: months that DWD publishes, or days of them. Slider and
    fields set a range without gaps; the calendar takes any months. Archives hold whole months: a choice of days
    downloads their months, and Open cuts them. A choice by hand never raises: it moves to the nearest valid
    months, or the line below the calendar says what is wrong.

    Parameters
    ----------
    product : str or Product
        A product of DWD's archives, such as "YW".
    first, last : month, optional
        First and last month or day of the range, as for `plan`; an hour means its day. By default the newest month
        whose file name is known.
    source : {"auto", "radklim", "radolan", "nrt"}
        The family; "auto" takes the best that covers all months.
    folder, base_url
        As for `plan`.
    lang : {"en", "de"}, optional
        By default the environment variable `RADAR_NB_LANG`, then `LANG`.

    Attributes
    ----------
    product, source : str
        The choice. They and `value` can be observed, and set from code.
    value : tuple of Month
        The months in order, with or without gaps, or none. Code may set one or several months in any form that
        `Month.of` takes; that ends a choice of days.
    days : tuple of datetime.date, or None
        The first and the last day, UTC, of a choice of days; None for whole months. It can be observed, and set
        from code, which sets `value` to the months that the days touch.
    plan : Plan or None
        The plan for them; it can be observed. None while the server is asked (for months newer than the
        catalogue), if no month is selected, and if no plan can be made.

    Raises
    ------
    UnknownProduct, MonthError, CoverageError, SettingsError
        An argument, or a value set from code, is not valid.

    Examples
    --------
    >>> picker = MonthPicker("YW", "2020-06", folder="data")
    >>> picker.value, picker.plan.archives[0].name
    ((Month(2020, 6),), 'YW2017.002_202006.tar')
    >>> picker.value = ["2019-07", "2020-07"]
    >>> len(picker.plan.archives)
    2
    >>> picker.days = ("2020-06-13", "2020-06-15")
    >>> picker.value, picker.plan.frames
    ((Month(2020, 6),), (864, 8640))
    """

    product = traitlets.Unicode("YW")
    source = traitlets.Unicode("auto")
    value = traitlets.Any(())
    days = traitlets.Any(None, allow_none=True)
    plan = traitlets.Instance(Plan, allow_none=True)

    def __init__(
        self,
        product: str | Product = "YW",
        first: Any = None,
        last: Any = None,
        *,
        source: Source = "auto",
        folder: str | os.PathLike[str] | None = None,
        base_url: str | None = None,
        lang: str | None = None,
    ) -> None:
        self._settings = settings(folder=folder, base_url=base_url)
        self._say = load_texts(lang)
        self._updating = False  # true while code sets controls and traits
        self._job: Job[Plan] | None = None
        self._question = object()
        self._error: BaseException | None = None
        self._states: dict[Month, MonthState] = {}
        self._absent: frozenset[Month] = frozenset()
        self._make_controls()
        menus = ipywidgets.VBox([self._product_menu, self._source_menu])
        status = ipywidgets.HBox([self._line, self._again], layout={"align_items": "flex-start"})
        dead = ipywidgets.HTML(no_kernel_line(self._say), layout={"order": "-1", "margin": "0 2px"})
        super().__init__([menus, self._meaning, self._calendar, status, dead])
        self.add_class("radar-nb-picker")
        with self._silently():
            self.product = find_product(product).name
            self.source = source
            self.value = month_range(self._offer.newest if first is None else first, last)
            if first is not None and time_span(first, last) is not None:
                self.days = (first, first if last is None else last)
        self._look()
        self._show()
        self._make_plan()

    def __repr__(self) -> str:
        # shown by pages that cannot show widgets
        return f"MonthPicker: {self.product}, source {self.source}, {self.chosen}"

    @property
    def language(self) -> str:
        """The language of the texts, "en" or "de"."""
        return self._say.language

    @property
    def chosen(self) -> str:
        """The chosen months or days as text."""
        return month_span(self.value, self._say) if self.days is None else day_span(self.days, self._say)

    def refresh(self) -> None:
        """Look at the disk again; if there is no plan, try to make one."""
        self._look()
        self._show()
        if self.plan is None:
            self._make_plan()
        else:
            self._accept(self.plan)

    def mark_absent(self, absent: Iterable[Month], *, found: Iterable[Month] = ()) -> None:
        """Show in the calendar that the server does not have some months, and that it has others after all."""
        self._absent = self._absent - set(found) | set(absent)
        self._show()

    async def done(self) -> Plan | None:
        """Wait for the server's answer and return the plan.

        Raises
        ------
        RadarNbError
            There is no plan; the error is the one shown below the calendar.
        """
        while (job := self._job) is not None:
            await job.ended()
            if job is self._job:  # no newer request
                break
        if self._error is not None:
            raise self._error
        return self.plan

    def _make_controls(self) -> None:
        say = self._say
        menu = partial(ipywidgets.Dropdown, layout=_WIDE)
        self._product_menu = menu(options=product_menu(say), description=say("picker.product"))
        self._source_menu = menu(options=(("", "auto"),), description=say("picker.series"))
        self._meaning = ipywidgets.HTML(layout={"margin": "0 2px 4px 90px", "max_width": "730px"})
        self._calendar = MonthCalendar(say)
        self._line = ipywidgets.HTML(layout={"margin": "2px 4px", "max_width": "820px"})
        self._again = ipywidgets.Button(description=say("picker.again"), icon="repeat", layout={"width": "auto"})
        self._again.on_click(lambda _: self.refresh())
        self._product_menu.observe(partial(self._on_menu, "product"), "value")
        self._source_menu.observe(partial(self._on_menu, "source"), "value")
        self._calendar.observe(self._on_calendar, ["value", "days"])

    def _on_menu(self, trait: str, change: Any) -> None:
        if not self._updating:
            setattr(self, trait, change.new)

    def _on_calendar(self, _: Any) -> None:
        if self._updating:
            return
        months = self._offer.keep([Month.of(month) for month in self._calendar.value])
        if not self._calendar.days:
            self._choose(months)
        elif months:
            self.days = tuple(self._calendar.days)

    def _choose(self, months: tuple[Month, ...]) -> None:
        if months == self.value and self.days is not None:  # the same months, now as a whole
            self.days = None
        else:
            self.value = months
        self._show()  # also where the page selected months that are not published

    @property
    def _offer(self) -> Offer:
        return offer(find_product(self.product), self.source, datetime.now(UTC))

    @traitlets.validate("product")
    def _check_product(self, proposal: Any) -> str:
        return offer(find_product(proposal.value), "auto", datetime.now(UTC)).product.name

    @traitlets.validate("source")
    def _check_source(self, proposal: Any) -> str:
        return offer(find_product(self.product), proposal.value, datetime.now(UTC)).source

    @traitlets.validate("value")
    def _check_value(self, proposal: Any) -> tuple[Month, ...]:
        return self._offer.check(proposal.value)

    @traitlets.validate("days")
    def _check_days(self, proposal: Any) -> tuple[date, date] | None:
        days = whole_days(proposal.value)
        if days is not None:
            self._offer.check(month_range(*days))
        return days

    @traitlets.observe("product", "source", "value", "days")
    def _settle(self, change: Any) -> None:
        """Update everything after one trait has changed."""
        if self._updating:
            return
        with self._silently():
            if self.source not in ("auto", *(family.name for family in find_product(self.product).families)):
                self.source = "auto"
            if change.name == "days" and self.days is not None:
                self.value = month_range(*self.days)
            self.value = self._offer.keep(self.value)
            if self.days is not None and self.value != month_range(*self.days):
                self.days = None
        if change.name in ("product", "source"):
            self._absent = frozenset()
            self._look()
        self._show()
        self._make_plan()

    @contextmanager
    def _silently(self) -> Iterator[None]:
        self._updating = True
        try:
            yield
        finally:
            self._updating = False

    def _look(self) -> None:
        """Look up the state of each month on the disk."""
        offered, folder, now = self._offer, self._settings.folder, datetime.now(UTC)
        try:
            states = month_states(offered.product, offered.families, offered.months, folder=folder, now=now)
            for family in offered.families:
                built = built_months(cube_path(folder, offered.product, family), offered.months)
                states |= dict.fromkeys(built & states.keys(), "cube")
            self._states = states
        except RadarNbError:  # the plan reports it: it looks at the same folder
            self._states = dict.fromkeys(offered.months, "server")

    def _show(self) -> None:
        """Set all controls from the traits."""
        menu, offered = self._source_menu, self._offer
        with self._silently(), menu.hold_sync():
            self._product_menu.value = self.product
            menu.options = series_menu(offered.product, self._say)
            menu.value = self.source
            absent = dict.fromkeys(month for month in self._absent if self._states.get(month) == "server")
            self._calendar.show(self._states | dict.fromkeys(absent, "absent"), self.value, self.days)

    def _make_plan(self) -> None:
        """Make the plan: at once if the catalogue knows all names, else by asking the server."""
        folder, base_url = self._settings.folder, self._settings.base_url
        question = self._question = object()
        if self._job is not None:
            self._job.cancel()
        if not self.value:
            nothing = line(self._say("picker.nothing"), "quiet")
            self._refuse(MonthError("no month is selected: choose at least one"), nothing)
            return
        try:
            plan = plan_now(
                self._offer,
                self.value,
                days=self.days,
                folder=folder,
                base_url=base_url,
                now=datetime.now(UTC),
            )
        except CoverageError as error:
            self._refuse(error, series_line(self._offer, self.value, datetime.now(UTC), self._say))
            return
        except RadarNbError as error:
            self._refuse(error)
            return
        if plan is not None:
            self._accept(plan)
            return
        self.plan, self._error = None, None
        self._describe(None)
        self._report(line(self._say("picker.asking"), "quiet"))
        self._job = Job(self._ask(), partial(self._on_answer, question))

    async def _ask(self) -> Plan:
        folder, base_url, months = self._settings.folder, self._settings.base_url, self.value
        product, source = self.product, cast("Source", self.source)
        first, last = self.days or (months[0], months[-1])
        await asyncio.sleep(_CALM)
        plan = await plan_async(product, first, last, source=source, folder=folder, base_url=base_url)
        return narrowed(plan, months)

    def _on_answer(self, question: object, task: asyncio.Task[Plan]) -> None:
        if task.cancelled() or question is not self._question:  # a newer request runs
            return
        if (error := task.exception()) is None:
            self._accept(task.result())
        else:
            self._refuse(error)

    def _accept(self, plan: Plan) -> None:
        try:
            local = look(plan)
            with storage_errors(plan.folder):
                free = free_bytes(plan.folder)
        except RadarNbError as error:
            self._refuse(error)
            return
        self._error = None
        speed = known_speed(urlsplit(plan.base_url).netloc)
        self._describe(plan)
        self.mark_absent({gap.month for gap in plan.missing} - {archive.month for archive in plan.archives})
        self._report(plan_lines(plan, local, free=free, speed=speed, say=self._say))
        self.plan = plan

    def _refuse(self, error: BaseException, html: str | None = None) -> None:
        self._error = error
        self._describe(None)  # not before each plan: the calendar would move while months are dragged
        self._report(html or error_line(error, self._say))
        self.plan = None

    def _describe(self, plan: Plan | None) -> None:
        """Describe the product, and the family if it was chosen automatically."""
        texts = [self._say(f"means.{self.product}")]
        if plan is not None and self.source == "auto":
            texts.append(self._say("family.used", title=self._say(f"family.{plan.family.name}")))
        self._meaning.value = line(" ".join(texts), "quiet")

    def _report(self, html: str) -> None:
        self._line.value = html
        self._again.layout.display = None if isinstance(self._error, _PASSING) else "none"
        self._calendar.said = spoken(html)
