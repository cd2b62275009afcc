"""Screenings: a browser is told what the fields hold, and the field that it needs next comes first."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
from support.unpacking import unpacked

from radar_nb.widgets.explorer.frames import NO_VALUE, FrameSequence
from radar_nb.widgets.explorer.jobs import JobQueue

if TYPE_CHECKING:
    from radar_nb.widgets.explorer.queries import Steps

ROWS, COLS, COUNT = 5, 4, 20


def rain() -> xr.DataArray:
    """Return fields with rain from the ninth on, a missing column, and one missing field."""
    values = np.zeros((COUNT, ROWS, COLS), np.float32)
    values[8:] = np.arange(ROWS * COLS).reshape(ROWS, COLS) / 100
    values[:, :, 3] = np.nan
    values[12] = np.nan
    times = np.datetime64("2020-06-13", "ns") + np.arange(COUNT) * np.timedelta64(5, "m")
    coords = {"time": times, "y": -4_658_144.72 + 1000 * np.arange(ROWS), "x": -443e3 + 1000 * np.arange(COLS)}
    attrs = {"units": "mm", "interval_minutes": 5}
    return xr.DataArray(values, coords, ("time", "y", "x"), name="YW", attrs=attrs)


def frames() -> FrameSequence:
    """Return its frames, read four fields at a time as those of large grids are."""
    made = FrameSequence(rain())
    made.batch = 4
    return made


class Told(list[tuple[dict[str, Any], list[bytes]]]):
    """The answers so far."""

    def __call__(self, answer: dict[str, Any], buffers: list[bytes]) -> None:
        """Take an answer."""
        self.append((answer, buffers))

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the answers of one kind."""
        return [answer for answer, _ in self if answer["type"] == kind]

    def fields(self) -> list[dict[str, Any]]:
        """Return the messages about fields."""
        return [field for answer in self.of("frames") for field in answer["frames"]]


async def _until(told: Told, kind: str) -> None:
    """Yield to the loop until an answer of this kind is there; the caller has a deadline."""
    while not told.of(kind):  # noqa: ASYNC110 - the answers' taker is a plain function
        await asyncio.sleep(0)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def queue(told: Told) -> JobQueue:
    return JobQueue(frames(), told, least=0.01)


class TestFrames:
    """Fields on request."""

    def test_they_come_in_the_order_they_are_wanted(self, queue: JobQueue, told: Told) -> None:
        """Numbers outside the film are left away, and values are those of the Dataset."""
        queue.ask({"type": "frames", "wanted": [9, 10, 3, COUNT, -1]})

        assert [field["index"] for field in told.fields()] == [9, 10, 3]
        first, buffers = told.fields()[0], next(found for answer, found in told if answer["type"] == "frames")
        values = np.where(
            (found := unpacked(buffers[0]).reshape(ROWS, COLS)) == NO_VALUE, np.nan, found * first["scale"]
        )
        assert np.allclose(values, rain()[9], equal_nan=True)
        assert first["wet"] == pytest.approx(14 / 15, abs=1e-5)
        assert first["cells"] == 15

    def test_coverage_is_sent_when_it_grows(self, queue: JobQueue, told: Told) -> None:
        """A column without any value is not covered; fields that add nothing send nothing."""
        queue.ask({"type": "frames", "wanted": [0]})
        queue.ask({"type": "frames", "wanted": [1, 12]})

        assert len(told.of("coverage")) == 1
        covered = np.frombuffer(zlib.decompress(told[0][1][0]), "u1").reshape(ROWS, COLS)
        assert covered[:, :3].all()
        assert not covered[:, 3].any()

    def test_an_unreadable_field_is_reported_and_the_others_arrive(self, told: Told) -> None:
        """One damaged frame does not block its neighbours."""
        damaged = frames()
        read = damaged.fields

        def pictures(first: int, stop: int) -> Any:
            if first <= 6 < stop:
                raise OSError("the disk is gone")
            return read(first, stop)

        damaged.fields = pictures  # type: ignore[method-assign]
        JobQueue(damaged, told, least=0.01).ask({"type": "frames", "wanted": [5, 6, 7]})

        fields = told.fields()
        assert [("problem" in field, field["index"]) for field in fields] == [(False, 5), (True, 6), (False, 7)]
        assert fields[1]["problem"] == "OSError: the disk is gone"

    def test_what_is_to_be_seen_overtakes_a_sum(self, told: Told) -> None:
        """With a loop, fields asked for while a total is made come before it, and later wishes replace earlier."""

        async def ask() -> None:
            queue = JobQueue(frames(), told, least=0.01)
            queue.ask({"type": "total", "how": "sum", "span": [0, COUNT - 1]})
            queue.ask({"type": "frames", "wanted": [7]})
            queue.ask({"type": "frames", "wanted": [4]})
            await _until(told, "total")

        asyncio.run(asyncio.wait_for(ask(), 20))

        kinds = [answer["type"] for answer, _ in told]
        assert [field["index"] for field in told.fields()] == [4]
        assert kinds.index("frames") < kinds.index("total")


class TestJobs:
    """What takes longer than a field."""

    def test_a_stopped_job_is_not_answered(self, told: Told) -> None:
        """A stopped total sends no answer any more."""

        async def ask() -> None:
            queue = JobQueue(frames(), told, least=0.01)
            queue.ask({"type": "total", "how": "sum", "span": [0, COUNT - 1]})
            queue.ask({"type": "stop", "id": "total"})
            queue.ask({"type": "rain", "start": 0})
            await _until(told, "rain")

        asyncio.run(asyncio.wait_for(ask(), 20))

        assert told.of("total") == []

    def test_a_job_that_is_stopped_is_ended(self, told: Told) -> None:
        """What it has opened is closed, in the thread that worked at it."""
        ended = asyncio.Event()

        def job() -> Steps:
            try:
                while True:
                    yield {"type": "step"}, []
            finally:
                loop.call_soon_threadsafe(ended.set)

        async def ask() -> None:
            queue = JobQueue(frames(), told, least=0.01)
            queue.add("a", "endless", job())
            await _until(told, "step")
            queue.ask({"type": "stop", "view": "a", "id": "endless"})
            await ended.wait()

        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            runner.run(asyncio.wait_for(ask(), 20))

        assert told.of("problem") == []

    def test_progress_is_sent_now_and_then(self, queue: JobQueue, told: Told) -> None:
        """Jupyter drops messages above a thousand a second: of quick steps only few are sent, answers all."""

        def job() -> Steps:
            for done in range(1000):
                yield {"type": "progress", "id": "job", "done": done, "count": 1000}, []
            yield {"type": "done"}, []

        queue.add("", "job", job())

        assert 1 <= len(told.of("progress")) < 50
        assert len(told.of("done")) == 1

    def test_an_error_is_a_message(self, queue: JobQueue, told: Told) -> None:
        """A job that fails is reported, and ends."""
        queue.ask({"type": "series", "id": "a", "cell": [99, 99], "span": [0, 3]})

        assert [(answer["type"], answer["id"]) for answer, _ in told] == [("problem", "a")]
        assert told[0][0]["text"].startswith("IndexError")

    def test_an_unknown_question_is_an_error(self, queue: JobQueue) -> None:
        """The widget reports it to the browser."""
        with pytest.raises(ValueError, match="unknown request 'sing': run the cell again"):
            queue.ask({"type": "sing"})


class TestViews:
    """One film in two places of a page."""

    def test_each_view_has_its_own_wishes(self, told: Told) -> None:
        """What one wants next does not drop what the other waits for."""

        async def ask() -> None:
            queue = JobQueue(frames(), told, least=0.01)
            queue.ask({"type": "frames", "view": "a", "wanted": [1, 2, 3]})
            queue.ask({"type": "frames", "view": "b", "wanted": [11]})
            queue.ask({"type": "total", "view": "b", "how": "max"})
            await _until(told, "total")

        asyncio.run(asyncio.wait_for(ask(), 20))

        assert sorted(field["index"] for field in told.fields()) == [1, 2, 3, 11]

    def test_an_answer_names_the_view_that_asked(self, queue: JobQueue, told: Told) -> None:
        """Only that one shows it; fields are for all."""
        queue.ask({"type": "rain", "view": "a", "start": 0})
        queue.ask({"type": "frames", "view": "a", "wanted": [0]})

        assert told.of("rain")[0]["view"] == "a"
        assert "view" not in told.of("frames")[0]

    def test_a_view_that_goes_takes_its_questions_along(self, told: Told) -> None:
        """The kernel does not work for a page that is closed."""

        async def ask() -> None:
            queue = JobQueue(frames(), told, least=0.01)
            queue.ask({"type": "series", "view": "a", "id": "s", "cell": [0, 0]})
            queue.ask({"type": "frames", "view": "a", "wanted": [5]})
            queue.ask({"type": "bye", "view": "a"})
            queue.ask({"type": "rain", "view": "b", "start": 0})
            await _until(told, "rain")

        asyncio.run(asyncio.wait_for(ask(), 20))

        assert [answer["type"] for answer, _ in told] == ["rain"]

    def test_a_later_view_gets_the_coverage(self, queue: JobQueue, told: Told) -> None:
        """Otherwise it would take cells without data for cells that no radar sees."""
        queue.ask({"type": "frames", "view": "a", "wanted": [0]})
        queue.ask({"type": "hello", "view": "b"})

        assert [answer["type"] for answer, _ in told] == ["coverage", "frames", "coverage"]
