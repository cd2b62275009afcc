"""The download panel: download, unpack and open the files of a plan, with progress.

Work runs in a thread with an event loop of its own, so that a busy cell does not stop it. Only that thread draws
the progress. The end of the work is handled on the loop from which the panel was used, where observers run.
"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import ipywidgets
import traitlets

from radar_nb.cube.building import build_cube
from radar_nb.cube.locations import cube_path
from radar_nb.cube.opening import open_cube
from radar_nb.dwd.catalogue import Plan
from radar_nb.errors import CoverageError, NothingFound, NotOnServer, RadarNbError
from radar_nb.fetch.downloading import start
from radar_nb.fetch.local_state import look
from radar_nb.formats.extraction import extract_async
from radar_nb.reading.opening import open_dataset
from radar_nb.runtime.background import EVERY, Job
from radar_nb.runtime.event_loop import run
from radar_nb.runtime.files import user_path
from radar_nb.runtime.language import load_texts
from radar_nb.runtime.report import Report
from radar_nb.widgets.face import InMarimo
from radar_nb.widgets.snippets import cube_code, opening_code
from radar_nb.widgets.stills import InSavedNotebooks
from radar_nb.widgets.transfer_progress import Watch, measured
from radar_nb.widgets.wording import (
    code_lines,
    end_line,
    error_line,
    line,
    local_state_line,
    no_kernel_line,
    progress_lines,
    report_lines,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable, Coroutine
    from pathlib import Path

    import xarray as xr

    from radar_nb.fetch.downloading import Download
    from radar_nb.fetch.local_state import LocalState
    from radar_nb.runtime.progress import Progress, Reporter
    from radar_nb.widgets.month_picker import MonthPicker
    from radar_nb.widgets.transfer_progress import Sight

T = TypeVar("T")

_SHARE = 20
"""Drawing takes at most this fraction (1/20) of the time, however many files there are."""

_WORKING = ("running", "paused")


class _Same(traitlets.Any):
    """A trait that compares objects by identity: Datasets compare cell by cell."""

    def set(self, obj: traitlets.HasTraits, value: Any) -> None:
        name, old = str(self.name), self.get(obj)
        obj._trait_values[name] = value  # noqa: SLF001 - as traitlets' own types do
        if value is not old:
            obj._notify_trait(name, old, value)  # noqa: SLF001 - the same


class DownloadPanel(InSavedNotebooks, InMarimo, ipywidgets.VBox):  # type: ignore[misc] # ipywidgets ships no types
    """Download, unpack and open the files of a plan: one progress bar for all, and one for each running file.

    The notebook stays usable meanwhile. After Cancel, or a restart of the kernel, the next start continues where
    the work stopped.

    Parameters
    ----------
    source : MonthPicker or Plan
        The panel follows a picker: a button uses the plan that the picker has when it is pressed.
    folder : path, optional
        Data folder, instead of the plan's.
    concurrency : int, optional
        Number of parallel connections, as for `download`.
    lang : {"en", "de"}, optional
        By default that of the picker; of a plan the environment variable `RADAR_NB_LANG`, then `LANG`.

    Attributes
    ----------
    state : {"idle", "running", "paused", "done", "failed", "cancelled"}
        It can be observed, as can `report` and `dataset`.
    report : Report or None
        The report of the last finished download or extraction.
    dataset : xarray.Dataset or None
        What Open opened: the files of the plan that are on disk, or the cube that was built last.
    opened : tuple of pathlib.Path
        These files, or the folder of the cube.
    source : Plan, pathlib.Path or None
        What opens the same again with `open_dataset` or `open_cube`: the plan of these files, with its range of
        days, or the folder of the cube.
    plan : Plan or None
        The plan that the buttons use.

    Examples
    --------
    >>> from radar_nb.fetch.planning import plan
    >>> panel = DownloadPanel(plan("YW", "2020-06", folder="data"))
    >>> panel.start()  # doctest: +SKIP
    >>> report = await panel.done()  # doctest: +SKIP
    """

    state = traitlets.Enum(("idle", "running", "paused", "done", "failed", "cancelled"), "idle")
    report = traitlets.Instance(Report, allow_none=True)
    dataset = _Same(None)
    plan = traitlets.Instance(Plan, allow_none=True)

    def __init__(
        self,
        source: MonthPicker | Plan,
        *,
        folder: str | os.PathLike[str] | None = None,
        concurrency: int | None = None,
        lang: str | None = None,
    ) -> None:
        self._picker = None if isinstance(source, Plan) else source
        self._say = load_texts(lang or (self._picker.language if self._picker else None))
        self._folder = None if folder is None else user_path(folder)
        self._concurrency = concurrency
        self._job: Job[Any] | None = None
        self._ended: Future[None] | None = None  # set after the end of the job is shown
        self._again: Callable[[], None] = self.start
        self._download: Download | None = None
        self._local: LocalState | None = None
        self._sight: Sight | None = None
        self._error: BaseException | None = None
        self.opened: tuple[Path, ...] = ()
        self.source: Plan | Path | None = None
        self._home: asyncio.AbstractEventLoop | None = None
        self._make_controls()
        dead = ipywidgets.HTML(no_kernel_line(self._say), layout={"order": "-1", "margin": "0 2px"})
        super().__init__([self._buttons, self._progress, self._text, self._lines, dead])
        self.add_class("radar-nb-panel")
        if isinstance(source, Plan):
            self._follow(source)
        else:
            self._follow(source.plan)
            source.observe(lambda change: self._follow(change.new), "plan")

    def __repr__(self) -> str:
        return f"DownloadPanel: {self.state}"

    def start(self) -> None:
        """Start the download, like the button. Nothing happens while other work runs."""
        plan = self._planned()
        watch = Watch({archive.name: archive.size for archive in plan.archives if archive.size is not None})
        self._launch(self.start, partial(self._fetch, plan, watch), self._on_report)

    def pause(self) -> None:
        """Stop receiving until `resume`. What was received is kept."""
        if self.state == "running" and self._download is not None:
            self._download.pause()
            self._set_state("paused")

    def resume(self) -> None:
        """Continue after `pause`, at the byte where it stopped."""
        if self.state == "paused" and self._download is not None:
            self._download.resume()
            self._set_state("running")

    def extract(self) -> None:
        """Start to unpack the archives on disk, like the button."""
        paths, watch = self._paths(), Watch()
        work = partial(extract_async, paths, progress=watch, errors="report")
        self._launch(self.extract, lambda: self._attend(work(), watch), self._on_report)

    def build_cube(self) -> None:
        """Start to build a cube from the files on disk, in the folder `cubes` beside them, like the button."""
        paths, plan = self._paths(), self._planned()
        store = cube_path(plan.folder, plan.product, plan.family)
        self._launch(self.build_cube, partial(self._build, paths, store), partial(self._on_cube, store))

    def open_dataset(self) -> None:
        """Start to open the files on disk as `dataset`, like the button."""
        plan = self._planned()
        there = replace(plan, archives=look(plan).whole)
        self._launch(self.open_dataset, partial(self._read, there), partial(self._on_dataset, plan, there))
        if self.state == "running":
            self._text.value = line(self._say("panel.opening"), "quiet")

    def retry(self) -> None:
        """Try the failed work again, like the button: a download, an extraction or an opening."""
        self._again()

    def cancel(self) -> None:
        """Stop the work. Finished files stay; the next start continues partial ones."""
        if self.state in _WORKING and self._job is not None:
            self._text.value = line(self._say("panel.stopping"), "quiet")
            self._job.cancel()

    async def done(self) -> Report | None:
        """Wait for the end of the work and return its report; None after a cancel.

        Raises
        ------
        RadarNbError
            As `download` and `extract` raise; the panel shows the same error.
        """
        if self._ended is not None:
            await asyncio.shield(asyncio.wrap_future(self._ended))
        if self._error is not None:
            raise self._error
        return None if self.report is None else self.report.raise_for_failures()

    def wait(self) -> Report | None:
        """Wait like `done`, from code without `await`."""
        return run(self.done())

    # --- display

    def _make_controls(self) -> None:
        def button(name: str, icon: str, call: Callable[[], None]) -> ipywidgets.Button:
            say = self._say
            made = ipywidgets.Button(
                description=say(f"panel.{name}"),
                icon=icon,
                tooltip=say(f"panel.{name}.tip"),
                layout={"width": "auto", "min_width": "8.5em"},
            )
            made.on_click(lambda _: self._press(call))
            buttons.append(made)
            return made

        buttons: list[ipywidgets.Button] = []
        self._start = button("download", "download", self.start)
        self._pause = button("pause", "pause", self.pause)
        self._resume = button("resume", "play", self.resume)
        self._cancel = button("cancel", "stop", self.cancel)
        self._retry = button("retry", "repeat", self.retry)
        self._extract = button("extract", "archive", self.extract)
        self._open = button("open", "folder-open", self.open_dataset)
        self._build_button = button("cube", "cube", self.build_cube)
        self._buttons = ipywidgets.HBox(buttons, layout={"flex_flow": "row wrap"})
        self._progress = ipywidgets.HTML(layout={"margin": "4px 2px 0"})
        self._text = ipywidgets.HTML(layout={"margin": "0 2px"})
        self._lines = ipywidgets.HTML(layout={"margin": "0 2px"})

    def _press(self, call: Callable[[], None]) -> None:
        try:
            call()
        except RadarNbError as error:  # shown in the panel
            self._text.value = error_line(error, self._say)

    def _follow(self, plan: Plan | None) -> None:
        self.plan = plan if plan is None or self._folder is None else replace(plan, folder=self._folder)
        if self.state not in _WORKING:
            self._progress.value = self._lines.value = ""
            self._text.value = self._take_stock()
            self._set_state("idle")

    def _take_stock(self) -> str:
        """Look up which files of the plan are on disk, and return that as a line."""
        self._local = None
        if self.plan is None:
            return line(self._say("panel.waiting"), "quiet")
        try:
            self._local = look(self.plan)
        except RadarNbError as error:
            return error_line(error, self._say)
        return local_state_line(self.plan, self._local, self._say)

    def _enable(self, state: str) -> None:
        idle, plan, local = state not in _WORKING, self.plan, self._local
        here = len(local.whole) if local is not None else 0
        self._start.disabled = not (idle and plan is not None and plan.archives)
        for button in (self._extract, self._build_button, self._open):
            button.disabled = not (idle and here)
        self._cancel.disabled = idle
        self._pause.disabled = state != "running" or self._download is None
        self._pause.layout.display = "none" if state == "paused" else None
        self._resume.layout.display = None if state == "paused" else "none"
        self._retry.layout.display = None if state == "failed" else "none"
        step = self._start if plan is None or here < len(plan.archives) else self._open
        step = {"running": None, "paused": self._resume, "failed": self._retry}.get(state, step)
        for button in self._buttons.children:  # highlight the next step
            button.button_style = "primary" if button is step else ""

    def _set_state(self, state: str) -> None:
        self._enable(state)
        self.state = state

    def _draw(self, sight: Sight) -> None:
        self._sight = sight
        self._progress.value = progress_lines(sight, self.state, self._say)

    # --- work

    def _planned(self) -> Plan:
        if self.plan is None:
            raise CoverageError("there is no plan: await picker.done() waits for one, or raises the reason")
        return self.plan

    def _paths(self) -> list[Path]:
        """Return the complete files of the plan that are on disk."""
        plan = self._planned()
        return [plan.local(archive) for archive in look(plan).whole]

    def _launch(
        self,
        again: Callable[[], None],
        work: Callable[[], Coroutine[Any, Any, Any]],
        show: Callable[[Any], None],
    ) -> None:
        if self.state in _WORKING:
            return
        try:
            self._home = asyncio.get_running_loop()
        except RuntimeError:
            self._home = None
        self._again, self._ended = again, Future()
        self._error = self.report = self._download = self._sight = None
        self._progress.value = self._text.value = self._lines.value = ""
        self._set_state("running")
        with ThreadPoolExecutor(1) as aside:  # without a running loop, so that the job makes its own thread
            self._job = aside.submit(lambda: Job(work(), partial(self._on_end, show))).result()

    async def _fetch(self, plan: Plan, watch: Watch) -> Report:
        self._download = handle = start(plan, concurrency=self._concurrency, errors="report", progress=watch)
        self._at_home(lambda: self._enable(self.state))
        try:
            return await self._attend(handle, watch, lambda: measured(plan, handle.report, watch))
        except asyncio.CancelledError:
            handle.cancel()
            await handle
            raise

    async def _read(self, plan: Plan) -> xr.Dataset:
        """Open the files. Files without an index take a while; this can be stopped."""
        return await self._aside(lambda report: open_dataset(plan, progress=report, errors="report"))

    async def _build(self, paths: list[Path], store: Path) -> tuple[Report, xr.Dataset | None]:
        """Build a cube and open it; None instead of a Dataset if it has no day."""

        def build(report: Reporter) -> tuple[Report, xr.Dataset | None]:
            built = build_cube(paths, store, progress=report, errors="report")
            try:
                return built, open_cube(store, errors="report")
            except NothingFound:
                return built, None

        return await self._aside(build)

    async def _aside(self, work: Callable[[Reporter], T]) -> T:
        """Work in a thread and draw its progress; after a cancel its next progress report stops it."""
        watch, stopped = Watch(), threading.Event()

        def report(progress: Progress, /) -> None:
            if stopped.is_set():
                raise asyncio.CancelledError
            watch(progress)

        try:
            return await self._attend(asyncio.to_thread(work, report), watch)
        finally:
            stopped.set()

    async def _attend(
        self, work: Awaitable[T], watch: Watch, report: Callable[[], Report | None] = lambda: None
    ) -> T:
        """Wait for work and draw its progress at a readable pace, and once at the end."""
        task, rest = asyncio.ensure_future(work), 0.0
        try:
            while not (await asyncio.wait({task}, timeout=rest))[0]:
                begin = time.perf_counter()
                if self.state == "paused":
                    watch.pause()
                self._draw(watch.sight(report()))
                rest = max(EVERY, _SHARE * (time.perf_counter() - begin))
            return task.result()
        finally:
            if task.cancel():
                await asyncio.wait({task})
            self._draw(watch.sight(report()))

    def _at_home(self, call: Callable[..., None], *values: Any) -> None:
        """Call on the loop from which the panel was used, or here if it is closed."""
        with suppress(RuntimeError):  # that loop is closed
            if self._home is not None:
                self._home.call_soon_threadsafe(call, *values)
                return
        call(*values)

    def _on_end(self, show: Callable[[Any], None], task: asyncio.Task[Any]) -> None:
        self._at_home(self._finish, show, task)

    def _finish(self, show: Callable[[Any], None], task: asyncio.Task[Any]) -> None:
        self._download = None
        try:
            if task.cancelled():
                self._close("cancelled", line(self._say("panel.stopped"), "warning"))
            elif (error := task.exception()) is not None:
                self._error = error
                self._close("failed", error_line(error, self._say))
            else:
                show(task.result())
        finally:
            if self._ended is not None:
                self._ended.set_result(None)

    def _on_report(self, report: Report) -> None:
        self.report = report
        self._lines.value = report_lines(report, self._say)
        self._close("failed" if report.failed else "done", end_line(report, self._say))

    def _mark_absent(self, picker: MonthPicker) -> None:
        """Mark the months of which the server has none of the files that were asked for."""
        if self.plan is not None and self.report is not None:
            lost = {outcome.name for outcome in self.report.failed if isinstance(outcome.error, NotOnServer)}
            found = {archive.month for archive in self.plan.archives if archive.name not in lost}
            picker.mark_absent({archive.month for archive in self.plan.archives} - found, found=found)

    def _on_cube(self, store: Path, built: tuple[Report, xr.Dataset | None]) -> None:
        report, ds = built
        self._on_report(report)
        if ds is not None:
            self._lines.value = code_lines(cube_code(store), self._say) + (
                self._lines.value if report.failed else ""
            )
            self.opened, self.source, self.dataset = (store,), store, ds

    def _on_dataset(self, plan: Plan, there: Plan, ds: xr.Dataset) -> None:
        problems = ds.attrs.get("problems")
        code = opening_code(plan, list(there.paths), {"errors": "report"} if problems else {})
        self._sight, self._progress.value = None, ""
        self._lines.value = code_lines(code, self._say)
        self._close("done", line(self._say("panel.problems", problems=problems), "warning") if problems else "")
        self.opened, self.source, self.dataset = there.paths, there, ds

    def _close(self, state: str, text: str) -> None:
        """Show the end. The state changes last, when everything else is up to date."""
        self._take_stock()
        if self._sight is not None:
            self._progress.value = progress_lines(self._sight, state, self._say)
        self._text.value = text
        if self._picker is not None:
            self._picker.refresh()
            self._mark_absent(self._picker)
        self._set_state(state)
