"""Two instruments for the notebook: one to pick months, one to watch them arrive.

No callback ever waits: a download, an extraction or a question to the server is a job (see `jobs`), and while it
lasts only the loop that it runs on sets traits.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets
import traitlets

from radar_nb.catalogue import Plan
from radar_nb.choices import offer, plan_now, published, series
from radar_nb.download import download_async
from radar_nb.errors import CoverageError, RadarNbError
from radar_nb.extract import extract_async
from radar_nb.jobs import Job, Meter
from radar_nb.loops import run
from radar_nb.months import Month, month_range
from radar_nb.pipeline import plan_async
from radar_nb.products import product as find_product
from radar_nb.report import Report
from radar_nb.settings import settings
from radar_nb.words import end_line, error_line, line, plan_lines, report_lines, span

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Coroutine, Iterator

    from radar_nb.choices import Offer
    from radar_nb.pipeline import Source
    from radar_nb.products import Product
    from radar_nb.progress import Progress

    Folder = str | os.PathLike[str] | None

_WIDE = {"width": "auto", "max_width": "46em"}

_PAUSE = 0.8
"""Seconds without a change after which a date counts as typed: on the way to a date there are others."""


class MonthPicker(ipywidgets.VBox):  # type: ignore[misc] # ipywidgets ships no types
    """Pick a product and a span of months, and see what that is: files, size, what is on disk, what is missing.

    Date pickers and slider are views of one choice: whole months, in order, within what DWD publishes. A choice
    made by hand never raises; it is moved to the nearest that makes sense, or the line below says what is wrong.

    Parameters
    ----------
    product : str or Product
        Such as "YW"; one that DWD's archives hold.
    first, last : month, optional
        Both belong to the span, as for `plan`. Without `first` it is the newest month whose file is known by name.
    source : {"auto", "radklim", "radolan", "nrt"}
        The family; "auto" takes the one that covers the whole span.
    folder, base_url
        As for `plan`.

    Attributes
    ----------
    product, source : str
        As chosen. They, and `value`, can be observed, and set from code.
    value : tuple of Month
        The months, in order and without a gap, never empty. From code it takes one month, or several, in any form
        that `Month.of` takes.
    plan : Plan or None
        What to fetch for them; it can be observed. None while the server is asked (for months newer than the table
        of archives), and where no plan can be made.

    Raises
    ------
    UnknownProduct, MonthError, CoverageError, SettingsError
        What is given, or set from code, makes no sense.

    Examples
    --------
    >>> picker = MonthPicker("YW", "2020-06", folder="data")
    >>> picker.value, picker.plan.archives[0].name
    ((Month(2020, 6),), 'YW2017.002_202006.tar')
    """

    product = traitlets.Unicode("YW")
    source = traitlets.Unicode("auto")
    value = traitlets.Any(())
    plan = traitlets.Instance(Plan, allow_none=True)

    def __init__(
        self,
        product: str | Product = "YW",
        first: Any = None,
        last: Any = None,
        *,
        source: Source = "auto",
        folder: Folder = None,
        base_url: str | None = None,
    ) -> None:
        self._settings = settings(folder=folder, base_url=base_url)
        self._deaf = False  # while they are set from code, the controls and traits do not answer
        self._job: Job[Plan] | None = None
        self._typing: asyncio.TimerHandle | None = None
        self._error: BaseException | None = None
        self._make_controls()
        super().__init__([self._product_menu, self._source_menu, self._dates, self._slider, self._line])
        self.add_class("radar-nb-picker")
        with self._unheard():
            self.product = find_product(product).name
            self.source = source
            self.value = month_range(self._offer.newest if first is None else first, last)
        self._show()
        self._make_plan()

    def __repr__(self) -> str:
        # what a page that cannot show widgets shows
        return f"MonthPicker: {self.product}, source {self.source}, {span(self.value)}"

    def refresh(self) -> None:
        """Look at the disk again; where there is no plan, try again to make one."""
        if self.plan is None:
            self._make_plan()
        else:
            self._accept(self.plan)

    async def done(self) -> Plan | None:
        """Wait until the server has answered, and give the plan.

        Raises
        ------
        RadarNbError
            There is no plan: the error is the one that the line tells.
        """
        if self._job is not None:
            await self._job.ended()
        if self._error is not None:
            raise self._error
        return self.plan

    def _make_controls(self) -> None:
        half = {"width": "auto", "flex": "1 1 0%", "margin": "2px 0"}
        self._product_menu = ipywidgets.Dropdown(options=published(), description="Product", layout=_WIDE)
        self._source_menu = ipywidgets.Dropdown(options=(("", "auto"),), description="Series", layout=_WIDE)
        latest = date(2999, 12, 31)  # of Month; it also makes browsers take years of four digits
        self._first_date = ipywidgets.DatePicker(description="From", max=latest, layout=half)
        self._last_date = ipywidgets.DatePicker(description="To", max=latest, layout=half)
        self._dates = ipywidgets.HBox([self._first_date, self._last_date], layout=_WIDE | {"margin": "0 2px"})
        self._slider = ipywidgets.SelectionRangeSlider(
            options=("", " "), description="Months", continuous_update=False, layout=_WIDE
        )
        self._line = ipywidgets.HTML(description="Selected", layout=_WIDE | {"max_width": "60em"})
        self._product_menu.observe(partial(self._on_menu, "product"), "value")
        self._source_menu.observe(partial(self._on_menu, "source"), "value")
        self._first_date.observe(self._on_date, "value")
        self._last_date.observe(self._on_date, "value")
        self._slider.observe(self._on_slider, "value")

    def _on_menu(self, trait: str, change: Any) -> None:
        if not self._deaf:
            setattr(self, trait, change.new)

    def _on_date(self, change: Any) -> None:
        if self._deaf:
            return
        if self._typing is not None:
            self._typing.cancel()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # nobody types where no loop runs
            self._take_dates(change.owner)
        else:
            self._typing = loop.call_later(_PAUSE, self._take_dates, change.owner)

    def _take_dates(self, moved: ipywidgets.DatePicker) -> None:
        first, last = self._first_date.value, self._last_date.value
        if first is None or last is None or min(first, last).year < 1900:
            self._show()  # emptied, or left with the year unfinished, such as 0020
        elif first <= last:
            self._choose(Month.of(first), Month.of(last))
        else:  # the other end follows the one that was moved
            self._choose(Month.of(moved.value), Month.of(moved.value))

    def _on_slider(self, change: Any) -> None:
        if not self._deaf:
            self._choose(*change.new)

    def _choose(self, first: Month, last: Month) -> None:
        months = self._offer.nearest(first, last)
        if months == self.value:
            self._show()  # the dates snap all the same
        self.value = months

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

    @traitlets.observe("product", "source", "value")
    def _settle(self, _: Any) -> None:
        """Bring everything in step with the one trait that was changed."""
        if self._deaf:
            return
        with self._unheard():
            if self.source not in dict(series(find_product(self.product))).values():
                self.source = "auto"
            self.value = self._offer.nearest(self.value[0], self.value[-1])
        self._show()
        self._make_plan()

    @contextmanager
    def _unheard(self) -> Iterator[None]:
        self._deaf = True
        try:
            yield
        finally:
            self._deaf = False

    def _show(self) -> None:
        """Set all controls to the traits."""
        menu, slider, offered = self._source_menu, self._slider, self._offer.months
        with self._unheard(), menu.hold_sync(), slider.hold_sync():
            self._product_menu.value = self.product
            menu.options = series(find_product(self.product))
            menu.value = self.source
            self._first_date.value = self.value[0].first_day
            self._last_date.value = self.value[-1].last_day
            slider.layout.display = None if len(offered) > 1 else "none"  # one month leaves nothing to slide
            if len(offered) > 1:
                slider.options = tuple((f" {month} ", month) for month in offered)
                slider.value = (self.value[0], self.value[-1])

    def _make_plan(self) -> None:
        """Make the plan: at once where the table of archives knows all names, else by asking the server."""
        folder, base_url = self._settings.folder, self._settings.base_url
        question = self._question = object()
        try:
            plan = plan_now(self._offer, self.value, folder=folder, base_url=base_url, now=datetime.now(UTC))
        except RadarNbError as error:
            self._refuse(error)
            return
        if plan is not None:
            self._accept(plan)
            return
        self.plan, self._error = None, None
        self._line.value = line("asking the server …", "quiet")
        months = self.value[0], self.value[-1]
        asked = plan_async(self.product, *months, source=self.source, folder=folder, base_url=base_url)  # type: ignore[arg-type]
        self._job = Job(asked, partial(self._on_answer, question))

    def _on_answer(self, question: object, task: asyncio.Task[Plan]) -> None:
        if task.cancelled() or question is not self._question:  # another question was asked meanwhile
            return
        if (error := task.exception()) is None:
            self._accept(task.result())
        else:
            self._refuse(error)

    def _accept(self, plan: Plan) -> None:
        self._error = None
        self._line.value = plan_lines(plan)
        self.plan = plan

    def _refuse(self, error: BaseException) -> None:
        self._error = error
        self._line.value = error_line(error)
        self.plan = None


class DownloadPanel(ipywidgets.VBox):  # type: ignore[misc] # ipywidgets ships no types
    """Download and extract what is planned, and watch it: a bar, its speed, and what became of each file.

    The notebook stays usable meanwhile. What Cancel has stopped goes on from there when it is started again.

    Parameters
    ----------
    source : MonthPicker or Plan
        A picker is followed: a button works on the plan that the picker has when it is pressed.
    folder : path, optional
        The data folder instead of the plan's.
    concurrency : int, optional
        Connections at a time, as for `download`.

    Attributes
    ----------
    state : {"idle", "running", "done", "failed", "cancelled"}
        It can be observed, as `report` can.
    report : Report or None
        Of the last download or extraction that came to an end.
    plan : Plan or None
        What the buttons work on.

    Examples
    --------
    >>> from radar_nb.pipeline import plan
    >>> panel = DownloadPanel(plan("YW", "2020-06", folder="data"))
    >>> panel.start()  # doctest: +SKIP
    >>> report = await panel.done()  # doctest: +SKIP
    """

    state = traitlets.Enum(("idle", "running", "done", "failed", "cancelled"), "idle")
    report = traitlets.Instance(Report, allow_none=True)
    plan = traitlets.Instance(Plan, allow_none=True)

    def __init__(
        self, source: MonthPicker | Plan, *, folder: Folder = None, concurrency: int | None = None
    ) -> None:
        self._picker = source if isinstance(source, MonthPicker) else None
        self._folder = None if folder is None else Path(folder).expanduser()
        self._concurrency = concurrency
        self._job: Job[Report] | None = None
        self._error: BaseException | None = None
        self._make_controls()
        buttons = ipywidgets.HBox([self._download, self._cancel, self._extract])
        super().__init__(
            [buttons, ipywidgets.HBox([self._bar, self._text], layout={"align_items": "center"}), self._lines]
        )
        self.add_class("radar-nb-panel")
        self._follow(source.plan if isinstance(source, MonthPicker) else source)
        if isinstance(source, MonthPicker):
            source.observe(lambda change: self._follow(change.new), "plan")

    def __repr__(self) -> str:
        return f"DownloadPanel: {self.state}"

    def start(self) -> None:
        """Begin the download, as the button does; nothing happens while something is running."""
        plan = self._planned()
        files = len(plan.archives) - len(plan.on_disk)
        self._launch(files, partial(download_async, plan, concurrency=self._concurrency))

    def extract(self) -> None:
        """Begin to unpack the archives that lie on the disk, as the button does."""
        plan = self._planned()
        paths = [plan.local(archive) for archive in plan.on_disk]
        self._launch(len(paths), partial(extract_async, paths))

    def cancel(self) -> None:
        """Stop what is running. Finished files stay, begun ones are continued by the next start."""
        if self.state == "running" and self._job is not None:
            self._text.value = line("stopping …", "quiet")
            self._job.cancel()

    async def done(self) -> Report | None:
        """Wait for the end of what is running, and give its report; None after a cancel.

        Raises
        ------
        RadarNbError
            As `download` and `extract` raise: the error is what the panel tells.
        """
        if self._job is not None:
            await self._job.ended()
        if self._error is not None:
            raise self._error
        return None if self.report is None else self.report.raise_for_failures()

    def wait(self) -> Report | None:
        """Do what `done` does, from plain code."""
        return run(self.done())

    def _make_controls(self) -> None:
        button = partial(ipywidgets.Button, layout={"width": "9em"})
        told = {"tooltip": "Fetch what is not on disk yet", "button_style": "primary"}
        self._download = button(description="Download", icon="download", **told)
        self._cancel = button(description="Cancel", icon="stop", tooltip="Stop; it can go on from there later")
        told = {"tooltip": "Unpack the archives into files; not needed to open them"}
        self._extract = button(description="Extract", icon="folder-open", **told)
        self._bar = ipywidgets.IntProgress(max=1, layout={"width": "18.6em"})
        self._text = ipywidgets.HTML(layout={"margin": "2px 2px 2px 0.8em"})
        self._lines = ipywidgets.HTML()
        self._download.on_click(lambda _: self.start())
        self._cancel.on_click(lambda _: self.cancel())
        self._extract.on_click(lambda _: self.extract())

    def _follow(self, plan: Plan | None) -> None:
        self.plan = plan if plan is None or self._folder is None else replace(plan, folder=self._folder)
        self._enable()

    def _enable(self) -> None:
        """Let those buttons be pressed that would do something."""
        idle = self.state != "running"
        self._download.disabled = not (idle and self.plan is not None and self.plan.archives)
        self._extract.disabled = not (idle and self.plan is not None and self.plan.on_disk)
        self._cancel.disabled = idle

    def _planned(self) -> Plan:
        if self.plan is None:
            raise CoverageError("there is no plan to work on: await picker.done() waits for it, or tells why not")
        return self.plan

    def _launch(self, files: int, work: Callable[..., Coroutine[Any, Any, Report]]) -> None:
        if self.state == "running":
            return
        self._meter = Meter(self._draw, files)
        self._error = self.report = None
        with self._bar.hold_sync():
            self._bar.value, self._bar.max, self._bar.bar_style = 0, 1, ""
        self._text.value = self._lines.value = ""
        self.state = "running"
        self._enable()
        self._job = Job(work(progress=self._meter, errors="report"), self._on_end)

    def _draw(self, progress: Progress, words: str) -> None:
        with self._bar.hold_sync():
            self._bar.max = max(progress.total or 0, progress.done, 1)
            self._bar.value = progress.done
        self._text.value = line(words)

    def _on_end(self, task: asyncio.Task[Report]) -> None:
        self._meter.close()
        if task.cancelled():
            self._close("cancelled", "warning", line("stopped; the next start goes on from here", "warning"))
        elif (error := task.exception()) is not None:
            self._error = error
            self._close("failed", "danger", error_line(error))
        else:
            report = self.report = task.result()
            self._lines.value = report_lines(report)
            if report.failed:
                self._close("failed", "danger", end_line(report))
            else:
                self._bar.value = self._bar.max
                self._close("done", "success", end_line(report))

    def _close(self, state: str, style: str, text: str) -> None:
        self._bar.bar_style, self._text.value = style, text
        if self._picker is not None:
            self._picker.refresh()
        self.state = state
        self._enable()
