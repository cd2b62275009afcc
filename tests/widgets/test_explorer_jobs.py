"""The explorer's job queue: it answers a browser's questions, and sends the fields needed next first."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
from support.unpacking import unpacked

from radar_nb.runtime.language import Texts
from radar_nb.widgets.explorer.frames import FrameSequence
from radar_nb.widgets.explorer.jobs import JobQueue
from radar_nb.widgets.explorer.packed_fields import NO_VALUE

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
    """Return the rain's frames, read four fields at a time like those of large grids."""
    made = FrameSequence(rain())
    made.batch = 4
    return made


class Answers(list[tuple[dict[str, Any], list[bytes]]]):
    """The answers received so far."""

    def __call__(self, answer: dict[str, Any], buffers: list[bytes]) -> None:
        """Keep an answer."""
        self.append((answer, buffers))

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the answers of one kind."""
        return [answer for answer, _ in self if answer["type"] == kind]

    def fields(self) -> list[dict[str, Any]]:
        """Return the messages about fields."""
        return [field for answer in self.of("frames") for field in answer["frames"]]


async def _until(answers: Answers, kind: str) -> None:
    """Yield to the loop until an answer of this kind is there; the caller has a deadline."""
    while not answers.of(kind):  # noqa: ASYNC110 - answers arrive by a plain function call
        await asyncio.sleep(0)


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def queue(answers: Answers) -> JobQueue:
    return JobQueue(frames(), answers, least=0.01, say=Texts("en"))


class TestFrames:
    """Requests for fields."""

    def test_fields_are_sent_in_the_requested_order(self, queue: JobQueue, answers: Answers) -> None:
        """Fields are sent in the requested order with the Dataset's values; numbers out of range are ignored."""
        queue.ask({"type": "frames", "wanted": [9, 10, 3, COUNT, -1]})

        assert [field["index"] for field in answers.fields()] == [9, 10, 3]
        first, buffers = (
            answers.fields()[0],
            next(found for answer, found in answers if answer["type"] == "frames"),
        )
        values = np.where(
            (found := unpacked(buffers[0]).reshape(ROWS, COLS)) == NO_VALUE, np.nan, found * first["scale"]
        )
        assert np.allclose(values, rain()[9], equal_nan=True)
        assert first["wet"] == pytest.approx(14 / 15, abs=1e-5)
        assert first["cells"] == 15

    def test_coverage_is_sent_when_it_grows(self, queue: JobQueue, answers: Answers) -> None:
        """A column without any value is not covered; fields that add nothing send nothing."""
        queue.ask({"type": "frames", "wanted": [0]})
        queue.ask({"type": "frames", "wanted": [1, 12]})

        assert len(answers.of("coverage")) == 1
        covered = np.frombuffer(zlib.decompress(answers[0][1][0]), "u1").reshape(ROWS, COLS)
        assert covered[:, :3].all()
        assert not covered[:, 3].any()

    def test_an_unreadable_field_is_reported_and_the_others_arrive(self, answers: Answers) -> None:
        """One damaged frame does not block its neighbours."""
        damaged = frames()
        read = damaged.fields

        def pictures(first: int, stop: int) -> Any:
            if first <= 6 < stop:
                raise OSError("the disk is gone")
            return read(first, stop)

        damaged.fields = pictures  # type: ignore[method-assign]
        JobQueue(damaged, answers, least=0.01, say=Texts("en")).ask({"type": "frames", "wanted": [5, 6, 7]})

        fields = answers.fields()
        assert [("problem" in field, field["index"]) for field in fields] == [(False, 5), (True, 6), (False, 7)]
        assert fields[1]["problem"] == "OSError: the disk is gone"

    def test_requested_fields_are_sent_before_a_running_total(self, answers: Answers) -> None:
        """In an event loop, fields requested during a total precede it; later requests replace earlier ones."""

        async def ask() -> None:
            queue = JobQueue(frames(), answers, least=0.01, say=Texts("en"))
            queue.ask({"type": "total", "how": "sum", "span": [0, COUNT - 1]})
            queue.ask({"type": "frames", "wanted": [7]})
            queue.ask({"type": "frames", "wanted": [4]})
            await _until(answers, "total")

        asyncio.run(asyncio.wait_for(ask(), 20))

        kinds = [answer["type"] for answer, _ in answers]
        assert [field["index"] for field in answers.fields()] == [4]
        assert kinds.index("frames") < kinds.index("total")

    def test_a_field_on_its_way_is_not_sent_again(self, answers: Answers) -> None:
        """What a view has asked for already is sent once; what it lost, again."""

        async def ask() -> None:
            queue = JobQueue(frames(), answers, least=0.01, say=Texts("en"))
            queue.ask({"type": "frames", "wanted": [0, 1, 2, 3, 4, 5, 6]})
            await _until(answers, "frames")
            queue.ask({"type": "frames", "wanted": list(range(10)), "coming": list(range(7))})
            while len(answers.fields()) < 10:  # noqa: ASYNC110 - as in _until
                await asyncio.sleep(0)
            queue.ask({"type": "frames", "wanted": [9, 10], "coming": []})
            while 10 not in [field["index"] for field in answers.fields()]:  # noqa: ASYNC110 - as in _until
                await asyncio.sleep(0)

        asyncio.run(asyncio.wait_for(ask(), 20))

        assert [field["index"] for field in answers.fields()] == [*range(10), 9, 10]

    def test_fields_that_are_shown_later_do_not_hold_up_a_job(self, answers: Answers) -> None:
        """Urgent fields come before a series, the others by turns with it."""

        async def ask() -> None:
            some = frames()
            some.batch = 1
            queue = JobQueue(some, answers, least=0.01, say=Texts("en"))
            queue.ask({"type": "frames", "wanted": list(range(COUNT)), "urgent": 3})
            queue.ask({"type": "rain", "start": COUNT - 1})
            while len(answers.fields()) < COUNT:  # noqa: ASYNC110 - as in _until
                await asyncio.sleep(0)

        asyncio.run(asyncio.wait_for(ask(), 20))

        kinds = [answer["type"] for answer, _ in answers if answer["type"] != "coverage"]
        assert 3 <= kinds.index("rain") < COUNT // 2

    def test_fields_that_are_shown_later_wait_for_a_total(self, answers: Answers) -> None:
        """A total comes after what is shown soon, and before all other fields."""

        async def ask() -> None:
            some = frames()
            some.batch = 1
            queue = JobQueue(some, answers, least=0.01, say=Texts("en"))
            queue.ask({"type": "frames", "wanted": list(range(COUNT)), "urgent": 3})
            queue.ask({"type": "total", "how": "sum", "span": [0, COUNT - 1]})
            while len(answers.fields()) < COUNT:  # noqa: ASYNC110 - as in _until
                await asyncio.sleep(0)

        asyncio.run(asyncio.wait_for(ask(), 20))

        kinds = [answer["type"] for answer, _ in answers if answer["type"] not in {"coverage", "progress"}]
        assert kinds == ["frames"] * 3 + ["total"] + ["frames"] * (COUNT - 3)

    def test_a_series_costs_the_same_for_each_field(self, answers: Answers) -> None:
        """A cell's series reads each field once; at most a twelfth as many fields are packed ahead meanwhile."""
        count = 3 * 288
        some = FrameSequence(rain().isel(time=np.arange(count) % COUNT).drop_vars("time"))
        some.batch, packed, read = 4, 0, np.zeros(count, int)
        fields, box = some.fields, some.box

        def counted_fields(first: int, stop: int) -> Any:
            nonlocal packed
            packed += stop - first
            return fields(first, stop)

        def counted_box(first: int, stop: int, rows: slice, cols: slice) -> Any:
            read[first:stop] += 1
            return box(first, stop, rows, cols)

        some.fields, some.box = counted_fields, counted_box  # type: ignore[method-assign]

        async def ask() -> None:
            queue = JobQueue(some, answers, least=0.01, say=Texts("en"))
            queue.ask({"type": "frames", "wanted": list(range(count)), "urgent": 12})
            queue.ask({"type": "series", "places": [{"id": "a", "cell": (2, 1)}], "near": count // 2})
            while not answers.of("series") or "done" not in answers.of("series")[-1]:  # noqa: ASYNC110 - as in _until
                await asyncio.sleep(0)
            queue.close()

        asyncio.run(asyncio.wait_for(ask(), 20))

        assert (read == 1).all()
        assert packed <= 12 + count / 12 + 2 * some.batch


class TestJobs:
    """Jobs that take longer than a field."""

    def test_a_stopped_job_is_not_answered(self, answers: Answers) -> None:
        """A stopped total sends no further answers."""

        async def ask() -> None:
            queue = JobQueue(frames(), answers, least=0.01, say=Texts("en"))
            queue.ask({"type": "total", "how": "sum", "span": [0, COUNT - 1]})
            queue.ask({"type": "stop", "id": "total"})
            queue.ask({"type": "rain", "start": 0})
            await _until(answers, "rain")

        asyncio.run(asyncio.wait_for(ask(), 20))

        assert answers.of("total") == []

    def test_a_removed_place_is_not_answered(self, answers: Answers) -> None:
        """A place that is stopped leaves the job that it shares; one that is asked for again is answered once."""

        async def ask() -> None:
            queue = JobQueue(frames(), answers, least=0.01, say=Texts("en"))
            places = [{"id": name, "cell": [2, 1]} for name in "abc"]
            queue.ask({"type": "series", "places": places})
            queue.ask({"type": "stop", "id": "a"})
            queue.ask({"type": "series", "places": [{"id": "b", "cell": [2, 1]}], "span": [9, 11]})
            while len(answers.of("series")) < 4:  # noqa: ASYNC110 - as in _until
                await asyncio.sleep(0)

        asyncio.run(asyncio.wait_for(ask(), 20))

        found = [(place["id"], "done" in answer) for answer in answers.of("series") for place in answer["places"]]
        assert sorted(found) == [("b", False), ("b", True), ("c", False), ("c", True)]

    def test_a_stopped_job_is_closed(self, answers: Answers) -> None:
        """Stopping a job closes it, with all it has opened, in the job's own thread."""
        ended = asyncio.Event()

        def job() -> Steps:
            try:
                while True:
                    yield {"type": "step"}, []
            finally:
                loop.call_soon_threadsafe(ended.set)

        async def ask() -> None:
            queue = JobQueue(frames(), answers, least=0.01, say=Texts("en"))
            queue.add("a", "endless", job())
            await _until(answers, "step")
            queue.ask({"type": "stop", "view": "a", "id": "endless"})
            await ended.wait()

        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            runner.run(asyncio.wait_for(ask(), 20))

        assert answers.of("problem") == []

    def test_progress_messages_are_limited(self, queue: JobQueue, answers: Answers) -> None:
        """Quick steps send few progress messages, since Jupyter drops many; every answer is sent."""

        def job() -> Steps:
            for done in range(1000):
                yield {"type": "progress", "id": "job", "done": done, "count": 1000}, []
            yield {"type": "done"}, []

        queue.add("", "job", job())

        assert 1 <= len(answers.of("progress")) < 50
        assert len(answers.of("done")) == 1

    def test_an_error_in_a_job_is_reported(self, queue: JobQueue, answers: Answers) -> None:
        """A failed job sends a message with its error and ends."""
        queue.ask({"type": "series", "places": [{"id": "a", "cell": [99, 99]}], "span": [0, 3]})

        assert [answer["type"] for answer, _ in answers] == ["problem"]
        assert answers[0][0]["text"].startswith("IndexError")

    def test_an_unknown_question_is_an_error(self, queue: JobQueue) -> None:
        """An unknown question raises; the widget reports it to the browser."""
        with pytest.raises(ValueError, match="unknown request 'sing': run the cell again"):
            queue.ask({"type": "sing"})


class TestViews:
    """One explorer shown twice on a page."""

    def test_each_view_has_its_own_requests(self, answers: Answers) -> None:
        """A request of one view does not drop the pending request of another."""

        async def ask() -> None:
            queue = JobQueue(frames(), answers, least=0.01, say=Texts("en"))
            queue.ask({"type": "frames", "view": "a", "wanted": [1, 2, 3]})
            queue.ask({"type": "frames", "view": "b", "wanted": [11]})
            queue.ask({"type": "total", "view": "b", "how": "max"})
            await _until(answers, "total")

        asyncio.run(asyncio.wait_for(ask(), 20))

        assert sorted(field["index"] for field in answers.fields()) == [1, 2, 3, 11]

    def test_an_answer_names_the_view_that_asked(self, queue: JobQueue, answers: Answers) -> None:
        """An answer names the view that asked; fields name none, since all views use them."""
        queue.ask({"type": "rain", "view": "a", "start": 0})
        queue.ask({"type": "frames", "view": "a", "wanted": [0]})

        assert answers.of("rain")[0]["view"] == "a"
        assert "view" not in answers.of("frames")[0]

    def test_a_closed_view_drops_its_questions(self, answers: Answers) -> None:
        """Questions of a closed view are dropped; those of other views are answered."""

        async def ask() -> None:
            queue = JobQueue(frames(), answers, least=0.01, say=Texts("en"))
            queue.ask({"type": "series", "view": "a", "places": [{"id": "s", "cell": [0, 0]}]})
            queue.ask({"type": "frames", "view": "a", "wanted": [5]})
            queue.ask({"type": "bye", "view": "a"})
            queue.ask({"type": "rain", "view": "b", "start": 0})
            await _until(answers, "rain")

        asyncio.run(asyncio.wait_for(ask(), 20))

        assert [answer["type"] for answer, _ in answers] == ["rain"]

    def test_a_later_view_gets_the_coverage(self, queue: JobQueue, answers: Answers) -> None:
        """A view opened later gets the coverage, which separates cells without data from cells no radar sees."""
        queue.ask({"type": "frames", "view": "a", "wanted": [0]})
        queue.ask({"type": "hello", "view": "b"})

        assert [answer["type"] for answer, _ in answers] == ["coverage", "frames", "coverage"]
