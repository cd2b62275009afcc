"""What browsers ask of a film, worked off step by step: the fields that are to be seen next before all else.

An explorer can be shown several times, each time by a view with wishes of its own. Fields go to all views, which
show the same film; other answers carry the name of the view that asked.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.errors import RadarNbError
from radar_nb.widgets.explorer.frames import packed_mask
from radar_nb.widgets.explorer.queries import next_rain, series, total

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from radar_nb.widgets.explorer.frames import Picture, Reel
    from radar_nb.widgets.explorer.queries import Answer, Job

    Send = Callable[[dict[str, Any], list[bytes]], None]
    Work = Callable[[], list[Answer] | None]
    Key = tuple[str, str]
    """A view, and the name of its job."""

_OFTEN = 0.1
"""Seconds between two words on how far a job has come: Jupyter drops messages above 1,000 a second."""


class Screening:
    """Answers to the questions about a film.

    Parameters
    ----------
    reel : Reel
    send : callable
        Takes an answer and its buffers.
    least : float
        From which value on a cell is wet.
    """

    def __init__(self, reel: Reel, send: Send, *, least: float) -> None:
        self.reel = reel
        self._send = send
        self._least = least
        self._wishes: dict[str, list[int]] = {}
        self._jobs: dict[Key, _Steps] = {}
        self._dropped: list[_Steps] = []
        self._working: asyncio.Task[None] | None = None
        self.covered: NDArray[np.bool_] = np.zeros(reel.shape, bool)

    def ask(self, question: Mapping[str, Any]) -> None:
        """Take a question. With a running loop it is answered by a task, else before this returns.

        Parameters
        ----------
        question : mapping
            `view`, its name; `type`, and what belongs to it. "hello" and "bye": a view is there, or gone.
            "frames": `wanted`, the numbers of fields, which replace those asked for before. "series": `id`,
            `span`, and `cell` (row, col) or `polygon` of (col, row) corners. "total": `how` ("sum" or "max") and
            `span`. "rain": `start` and `span`. "stop": the `id` of a job.
        """
        view, kind, last = str(question.get("view", "")), question["type"], len(self.reel) - 1
        first, end = question.get("span", (0, last))
        span = max(0, int(first)), min(last, int(end)) + 1
        match kind:
            case "hello":
                if self.covered.any():
                    self._send(*self._coverage())
            case "bye":
                self._forget(view)
            case "frames":
                self._wishes[view] = [i for i in question["wanted"] if 0 <= i <= last]
            case "stop":
                self._drop((view, question["id"]))
            case "series":
                self.add(view, question["id"], series(self.reel, question, span))
            case "total":
                self.add(view, kind, total(self.reel, question["how"], span))
            case "rain":
                self.add(view, kind, next_rain(self.reel, int(question["start"]), span, least=self._least))
            case _:
                raise ValueError(f"an explorer is not asked for {kind!r}: run the cell again, and reload the page")
        self._start()

    def add(self, view: str, name: str, job: Job) -> None:
        """Work off a job of a view, instead of the one of this name that it has asked for before."""
        self._drop((view, name))
        self._jobs[view, name] = _Steps(view, name, job)
        self._start()

    def close(self) -> None:
        """Forget all questions."""
        for view in {*self._wishes, *(view for view, _ in self._jobs)}:
            self._forget(view)
        self._start()

    def _forget(self, view: str) -> None:
        self._wishes.pop(view, None)
        for key in [key for key in self._jobs if key[0] == view]:
            self._drop(key)

    def _drop(self, key: Key) -> None:
        """Take a job off; it is ended by the one who works, who may be at it just now."""
        if key in self._jobs:
            self._dropped.append(self._jobs.pop(key))

    def _start(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            while work := self._next():
                self._tell(work, work())
            return
        if self._working is None or self._working.done():
            self._working = loop.create_task(self._work())

    async def _work(self) -> None:
        """Do the steps in a thread, one after the other; what is to be done is decided on the loop."""
        while work := self._next():
            self._tell(work, await asyncio.to_thread(work))

    def _next(self) -> Work | None:
        """Give the next small piece of work: fields before all else, views and jobs each in their turn."""
        if self._dropped:
            return self._dropped.pop().close
        for view, wanted in self._wishes.items():
            if wanted:
                self._wishes[view] = self._wishes.pop(view)  # to the end
                first = wanted[0]
                count = next((k for k, i in enumerate(wanted) if i != first + k), len(wanted))
                most = self.reel.together if self.covered.any() else 1  # the very first is not kept waiting
                del wanted[: min(count, most)]
                return partial(self._frames, first, first + min(count, most))
        if not self._jobs:
            return None
        key = next(iter(self._jobs))
        self._jobs[key] = self._jobs.pop(key)
        return self._jobs[key]

    def _tell(self, work: Work, answers: list[Answer] | None) -> None:
        """Send answers, if nobody has stopped their job meanwhile; None means that it has ended."""
        more = {}
        if isinstance(work, _Steps):
            if self._jobs.get(work.key) is not work:
                return
            if answers is None:
                del self._jobs[work.key]
            more["view"] = work.key[0]
        for answer, buffers in answers or []:
            self._send(answer | more, buffers)

    def _frames(self, first: int, stop: int) -> list[Answer]:
        try:
            pictures = self.reel.pictures(first, stop)
        except Exception as error:  # noqa: BLE001 - what a widget shows is a word, never a trace
            if stop - first > 1:  # the others are to be seen
                return [answer for i in range(first, stop) for answer in self._frames(i, i + 1)]
            return [({"type": "frames", "frames": [{"index": first, "problem": in_words(error)}]}, [])]
        told = [{"index": first + k} | about(picture, self._least) for k, picture in enumerate(pictures)]
        fields = {"type": "frames", "frames": told}, [picture.packed() for picture in pictures]
        return [*self._more_covered(pictures), fields]

    def _more_covered(self, pictures: list[Picture]) -> list[Answer]:
        """Tell which cells have ever had a value, if more have now."""
        covered = self.covered.copy()
        for picture in pictures:
            covered |= picture.valid
        if not (covered > self.covered).any():
            return []
        self.covered = covered
        return [self._coverage()]

    def _coverage(self) -> Answer:
        return {"type": "coverage"}, [packed_mask(self.covered)]


def about(picture: Picture, least: float) -> dict[str, Any]:
    """Tell of a field what its codes stand for, the share of its cells that are wet, and how many have a value."""
    shares = {"wet": round(picture.share(least), 5), "cells": picture.count}
    return {"scale": picture.scale, "offset": picture.offset, **shares}


class _Steps:
    """A job that does one step a call, and gives None when it has ended; errors become a word."""

    def __init__(self, view: str, name: str, steps: Job) -> None:
        self.key = view, name
        self._steps = steps
        self._told = 0.0

    def __call__(self) -> list[Answer] | None:
        try:
            answer = next(self._steps)
        except StopIteration:
            return None
        except Exception as error:  # noqa: BLE001 - what a widget shows is a word, never a trace
            return [({"type": "problem", "id": self.key[1], "text": in_words(error)}, [])]
        if answer is None or (answer[0]["type"] == "progress" and time.monotonic() - self._told < _OFTEN):
            return []
        self._told = time.monotonic()
        return [answer]

    def close(self) -> list[Answer]:
        """End the job before its end."""
        self._steps.close()
        return []


def in_words(error: BaseException) -> str:
    """Tell an error without a trace; one that is not ours says its kind too."""
    return str(error) if isinstance(error, RadarNbError) else f"{type(error).__name__}: {error}"
