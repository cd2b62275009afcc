"""The explorer that follows the server: the past hours and the forecast on one time line, own places, the age."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import ipywidgets

from radar_nb.analysis.nowcast import nowcast
from radar_nb.errors import RadarNbError
from radar_nb.fetch.following import Follower
from radar_nb.runtime.background import Job
from radar_nb.runtime.clock import Clock, duration_of
from radar_nb.runtime.language import load_texts
from radar_nb.runtime.wording import human_duration
from radar_nb.runtime.zones import find_zone
from radar_nb.widgets.explorer.widget import Explorer
from radar_nb.widgets.face import InMarimo
from radar_nb.widgets.present import PRODUCT, answer_text, first_view, past_and_forecast
from radar_nb.widgets.stills import InSavedNotebooks
from radar_nb.widgets.wording import error_text, line

if TYPE_CHECKING:
    import os
    from datetime import datetime
    from pathlib import Path

    import xarray as xr

    from radar_nb.analysis.nowcast import Nowcast
    from radar_nb.widgets.face import Face

_LOOK = 5.0  # seconds between two looks at the age: a stale or lost server is seen well within a minute
_SILENT = 60_000  # ms without a word of the kernel after which the page says so
_SPARE = timedelta(hours=1)  # of files that are kept beyond those that are shown


class Live(InSavedNotebooks, InMarimo, ipywidgets.VBox):  # type: ignore[misc] # ipywidgets ships no types
    """Show rain now: the last hours and the next two on one time line, following the server.

    It fetches each new RV as it comes. The line on top states the age at all times, and says so if the forecast is
    stale or the server does not answer. Times are local.

    Parameters
    ----------
    places : mapping or sequence, optional
        Places with an answer each, as for `nowcast`; marked on the map.
    past : str or timedelta
        How far back, "2h" by default.
    play : bool
        Whether it plays from the start.
    timezone : str
        In which times are shown.
    folder, base_url, clock
        As for `follow`.
    lang : {"en", "de"}, optional
        By default the environment variable `RADAR_NB_LANG`, then `LANG`.

    Attributes
    ----------
    explorer : Explorer or None
        None until the first field has come.
    answers : Nowcast or None
        Of `places`.
    status : {"opening", "fresh", "stale", "lost"}
        Whether what is shown is the present.

    Raises
    ------
    SettingsError
        A duration, the address or the language is not valid.

    Examples
    --------
    >>> rn.Live({"Leipzig": None, "home": (12.31, 51.32)})  # doctest: +SKIP
    """

    _job: Job[None] | None = None
    explorer: Explorer | None = None
    _spare: Explorer | None = None

    def __init__(
        self,
        places: Any = None,
        *,
        past: Any = "2h",
        play: bool = True,
        timezone: str = "Europe/Berlin",
        folder: str | os.PathLike[str] | None = None,
        base_url: str | None = None,
        clock: Clock | None = None,
        lang: str | None = None,
    ) -> None:
        super().__init__([])
        self._say = load_texts(lang)
        self._places = places
        self._past = duration_of(past, "past")
        self._play = play
        self._timezone, self._zone = timezone, find_zone(timezone)
        self._clock = clock or Clock()
        self.follower = Follower(
            PRODUCT,
            keep=self._past + _SPARE,
            backfill=self._past,
            folder=folder,
            base_url=base_url,
            clock=self._clock,
            on_trouble=lambda _: self.refresh(),
        )
        self.answers: Nowcast | None = None
        self._problem = ""
        self._shown: datetime | None = None
        self._head, self._list = ipywidgets.HTML(), ipywidgets.HTML()
        self._stage = ipywidgets.VBox([])
        self.children = [self._head, self._list, self._stage]
        self.add_class("radar-nb-live")
        self.refresh()
        self._job = Job(self._run(), self._ended)

    def __repr__(self) -> str:
        # shown in a notebook that was not run yet
        past = human_duration(self._past.total_seconds())
        return f"Live: {PRODUCT}, the last {past} and the next two hours (run the cell to see it)"

    def _display_(self) -> Face:
        """Return what marimo displays; it starts widgets only while a cell runs, such as the explorer to come."""
        self._spare = self._spare or Explorer.waiting(self._say.language)
        return super()._display_()

    @property
    def status(self) -> str:
        """Whether what is shown is the present: "fresh", "stale", "lost" (no answer), "opening" (nothing yet)."""
        if self.follower.trouble:
            return "lost"
        if self._shown is None:
            return "opening"
        return "stale" if self.follower.is_stale(self._shown) else "fresh"

    def refresh(self) -> None:
        """State the age, and whether it is stale or the server does not answer."""
        say, lines = self._say, []
        newest = self._shown
        if newest is not None:
            stale = self.follower.is_stale(newest)
            local = newest.astimezone(self._zone)
            age = max(0.0, (self.follower.now - newest).total_seconds())
            text = say(
                "live.age",
                product=PRODUCT,
                time=f"{local:%H:%M} {say.zone(str(local.tzname()))}",
                age=say.time(age),
            )
            lines.append(line(text, "warning" if stale else "plain"))
            if stale:
                lines.append(line(say("live.stale"), "warning"))
        elif not self.follower.trouble:
            lines.append(line(say("live.opening"), "quiet"))
        if self.follower.trouble:
            lines.append(line(say("live.trouble", reason=self.follower.trouble), "error"))
        if self._problem:
            lines.append(line(self._problem, "error"))
        if self._head.value != (html := "".join(lines)):
            self._head.value = html
            self._answer()

    def close(self) -> None:
        """Stop following, and remove the widget from the notebook."""
        if self._job is not None:
            self._job.cancel()
        if self.explorer is not None:
            self.explorer.close()
        super().close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        self._problem = self._say("live.stopped") if error is None else error_text(error, self._say)
        if not task.cancelled():
            self.refresh()

    async def _run(self) -> None:
        looking = asyncio.create_task(self._look())
        try:
            async for one in self.follower:
                if not self.follower.waiting or self.explorer is None:
                    await self._show(one.path)
        finally:
            looking.cancel()

    async def _look(self) -> None:
        while True:
            self.refresh()
            if self.explorer is not None:
                self.explorer.send({"type": "alive"})
            await asyncio.sleep(_LOOK / self._clock.speed)

    async def _show(self, came: Path) -> None:
        try:
            newest = self.follower.newest
            data, boundary = await asyncio.to_thread(self._fields, came, newest)
        except RadarNbError as error:  # such as a file that another process has removed
            self._problem = error_text(error, self._say)
            return
        self._problem, self._shown = "", newest
        facts: dict[str, Any] = {
            "boundary": boundary,
            "timezone": self._timezone,
            "heartbeat": _SILENT,
        }
        if self.explorer is None:
            self.explorer = self._spare or Explorer.waiting(self._say.language)
        seen = bool(self.explorer.view_state)  # the browser has shown it, and keeps its view
        if not seen:
            facts |= {"autoplay": self._play, "state": first_view(self.answers, boundary)}
        self.explorer.renew(data, **facts)
        if not seen:
            self.explorer.index = boundary
            self._stage.children = [self.explorer]
        self.refresh()
        self._answer()

    def _fields(self, came: Path, newest: datetime | None) -> tuple[xr.DataArray, int]:
        """Return the analyses of the past and the newest run as a series, and the number of the last analysis."""
        stored = self.follower.stored()
        path = came if newest is None else stored.get(newest, came)
        past = [file for time, file in stored.items() if newest and newest - self._past <= time <= newest]
        run, fields, boundary = past_and_forecast(path, past)
        if self._places is not None:
            self.answers = nowcast(self._places, data=run, now=self.follower.now, timezone=self._timezone)
        return fields, boundary

    def _answer(self) -> None:
        """Show what is known of the places; from a stale forecast no all-clear."""
        if self.answers is None:
            return
        lost = self.status != "fresh"
        found = self.answers.at(self.follower.now, stale=lost).answers
        lines = [
            line(answer_text(one, self._say, self._zone), "warning" if one.status == "unknown" else "plain")
            for one in found
        ]
        self._list.value = "".join(lines)
