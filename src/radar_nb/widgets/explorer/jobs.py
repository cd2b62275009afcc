"""The jobs that browsers ask for, done step by step: the fields that are shown next come before everything else.

An explorer can be displayed several times. Each display is a view with requests of its own. Fields go to all
views, since all show the same data; other answers name the view that asked.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.widgets.explorer.packed_fields import packed_mask
from radar_nb.widgets.explorer.queries import next_rain, place_series, span_total
from radar_nb.widgets.wording import error_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from radar_nb.runtime.language import Texts
    from radar_nb.widgets.explorer.frames import FrameSequence
    from radar_nb.widgets.explorer.packed_fields import PackedField
    from radar_nb.widgets.explorer.queries import Message, Steps, Totals

    Send = Callable[[dict[str, Any], list[bytes]], None]
    Work = Callable[[], list[Message] | None]
    Key = tuple[str, str]
    """A view, and the name of its job."""

_PROGRESS_EVERY = 0.1
"""Seconds between two progress messages of a job: Jupyter drops messages above 1,000 per second."""


class JobQueue:
    """The work that views have asked for.

    Parameters
    ----------
    frames : FrameSequence
    send : callable
        Sends a message and its buffers to the browser.
    least : float
        Smallest value of a wet cell.
    say : Texts
        In whose language errors are.
    """

    def __init__(self, frames: FrameSequence, send: Send, *, least: float, say: Texts) -> None:
        self.frames = frames
        self._send = send
        self._least = least
        self._say = say
        self._wanted: dict[str, list[int]] = {}
        self._urgent: dict[str, int] = {}  # how many of the wanted fields go before jobs
        self._jobs_turn = False  # of fields that are not urgent and jobs
        self._jobs: dict[Key, _Job] = {}
        self._numbers = itertools.count()  # of the jobs that read series
        self._places: dict[Key, Mapping[str, Any]] = {}  # as last asked for, by the place's id
        self._dropped: list[_Job] = []
        self._totals: Totals = {}
        self._working: asyncio.Task[None] | None = None
        self.covered: NDArray[np.bool_] = np.zeros(frames.shape, bool)

    def ask(self, question: Mapping[str, Any]) -> None:
        """Take a request. A task answers it if a loop runs; without a loop it is answered before this returns.

        Parameters
        ----------
        question : mapping
            `view`: the name of the view. `type`: "hello" and "bye" when a view appears and disappears; "frames"
            with `wanted`, the numbers of fields, which replace the earlier ones, `urgent`, how many of these
            are shown soon, by default all, and `coming`, which of them the view has asked for already: they are
            not sent twice; "series" with `span` and `places`, each with an `id`, and `cell` (row,
            col) or `polygon` of (col, row) corners; "total" with `how` ("sum" or "max") and `span`; "rain" with
            `start` and `span`; "stop" with the `id` of a job or a place.

        Raises
        ------
        ValueError
            The type is unknown.
        """
        view, kind, last = str(question.get("view", "")), question["type"], len(self.frames) - 1
        first, end = question.get("span", (0, last))
        span = max(0, int(first)), min(last, int(end)) + 1
        match kind:
            case "hello":
                if self.covered.any():
                    self._send(*self._coverage())
            case "bye":
                self._forget(view)
            case "frames":
                sent = {*question.get("coming", ())} - {*self._wanted.get(view, ())}  # or being read
                soon = int(question.get("urgent", len(question["wanted"])))
                kept = [(k, i) for k, i in enumerate(question["wanted"]) if 0 <= i <= last and i not in sent]
                self._wanted[view], self._urgent[view] = [i for _, i in kept], sum(k < soon for k, _ in kept)
            case "stop":
                self._drop((view, question["id"]))
                self._places.pop((view, question["id"]), None)
            case "series":
                self._add_series(view, question["places"], span, question.get("near"))
            case "total":
                self.add(view, kind, span_total(self.frames, question["how"], span, self._totals))
            case "rain":
                self.add(view, kind, next_rain(self.frames, int(question["start"]), span, least=self._least))
            case _:
                raise ValueError(f"unknown request {kind!r}: run the cell again and reload the page")
        self._start()

    def add(self, view: str, name: str, steps: Steps) -> None:
        """Add a job of a view; it replaces the view's earlier job of this name."""
        self._drop((view, name))
        self._jobs[view, name] = _Job(view, name, steps, self._say)
        self._start()

    def _add_series(
        self, view: str, places: list[Mapping[str, Any]], span: tuple[int, int], near: int | None
    ) -> None:
        """Add one job for some places; a place that is asked for again leaves the job it was in."""

        def wanted(place: Mapping[str, Any]) -> bool:
            return self._places.get((view, place["id"])) is place

        self._places |= {(view, place["id"]): place for place in places}
        series = place_series(self.frames, places, span, near=near, wanted=wanted)
        self.add(view, f"series {next(self._numbers)}", series)

    def close(self) -> None:
        """Drop all requests."""
        for view in {*self._wanted, *(view for view, _ in self._jobs)}:
            self._forget(view)
        self._start()

    def _forget(self, view: str) -> None:
        self._wanted.pop(view, None)
        self._urgent.pop(view, None)
        for key in [key for key in self._jobs if key[0] == view]:
            self._drop(key)
        for key in [key for key in self._places if key[0] == view]:
            del self._places[key]

    def _drop(self, key: Key) -> None:
        """Remove a job. The worker ends it, since it may be running just now."""
        if key in self._jobs:
            self._dropped.append(self._jobs.pop(key))

    def _start(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            while work := self._next():
                self._answer(work, work())
            return
        if self._working is None or self._working.done():
            self._working = loop.create_task(self._work())

    async def _work(self) -> None:
        """Do one step after the other in a thread; the loop decides what comes next."""
        while work := self._next():
            self._answer(work, await asyncio.to_thread(work))

    def _next(self) -> Work | None:
        """Return the next small piece of work: fields that are shown soon, then totals, then by turns."""
        if self._dropped:
            return self._dropped.pop().close
        jobs_turn = self._jobs_turn or any(name == "total" for _, name in self._jobs)  # nothing plays meanwhile
        for view, wanted in self._wanted.items():
            if wanted and (self._urgent[view] > 0 or not self._jobs or not jobs_turn):
                self._jobs_turn = True
                self._wanted[view] = self._wanted.pop(view)  # to the end
                first = wanted[0]
                count = next((k for k, i in enumerate(wanted) if i != first + k), len(wanted))
                most = self.frames.batch if self.covered.any() else 1  # show the very first field at once
                del wanted[: min(count, most)]
                self._urgent[view] -= min(count, most)
                return partial(self._read, first, first + min(count, most))
        if not self._jobs:
            return None
        self._jobs_turn = False
        key = next((key for key in self._jobs if key[1] == "total"), next(iter(self._jobs)))
        self._jobs[key] = self._jobs.pop(key)
        return self._jobs[key]

    def _answer(self, work: Work, messages: list[Message] | None) -> None:
        """Send messages, unless their job was dropped meanwhile; None means that the job has ended."""
        more = {}
        if isinstance(work, _Job):
            if self._jobs.get(work.key) is not work:
                return
            if messages is None:
                del self._jobs[work.key]
            more["view"] = work.key[0]
        for message, buffers in messages or []:
            self._send(message | more, buffers)

    def _read(self, first: int, stop: int) -> list[Message]:
        try:
            fields = self.frames.packed(first, stop)
        except Exception as error:  # noqa: BLE001 - a widget shows a sentence, never a traceback
            if stop - first > 1:  # show the other fields
                return [message for i in range(first, stop) for message in self._read(i, i + 1)]
            return [
                ({"type": "frames", "frames": [{"index": first, "problem": error_text(error, self._say)}]}, [])
            ]
        about = [{"index": first + k} | field_info(field, self._least) for k, field in enumerate(fields)]
        return [
            *self._more_covered(fields),
            ({"type": "frames", "frames": about}, [field.data for field in fields]),
        ]

    def _more_covered(self, fields: list[PackedField]) -> list[Message]:
        """Return which cells have ever had a value, if these fields add some."""
        covered = self.covered.copy()
        for field in fields:
            covered |= field.valid(self.frames.shape)
        if not (covered > self.covered).any():
            return []
        self.covered = covered
        return [self._coverage()]

    def _coverage(self) -> Message:
        return {"type": "coverage"}, [packed_mask(self.covered)]


def field_info(field: PackedField, least: float) -> dict[str, Any]:
    """Return what a field's codes mean, the share of wet cells, and the number of cells with a value."""
    shares = {"wet": round(field.share(least), 5), "cells": field.count}
    return {"scale": field.scale, "offset": field.offset, **shares}


class _Job:
    """A job that does one step per call and returns None at its end; errors become a message."""

    def __init__(self, view: str, name: str, steps: Steps, say: Texts) -> None:
        self.key = view, name
        self._say = say
        self._steps = steps
        self._sent = 0.0

    def __call__(self) -> list[Message] | None:
        try:
            message = next(self._steps)
        except StopIteration:
            return None
        except Exception as error:  # noqa: BLE001 - a widget shows a sentence, never a traceback
            return [({"type": "problem", "id": self.key[1], "text": error_text(error, self._say)}, [])]
        if message is None:
            return []
        if message[0]["type"] == "progress" and time.monotonic() - self._sent < _PROGRESS_EVERY:
            return []
        self._sent = time.monotonic()
        return [message]

    def close(self) -> list[Message]:
        """End the job early."""
        self._steps.close()
        return []
