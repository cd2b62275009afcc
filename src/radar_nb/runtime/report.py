"""What a long call did: a value that prints, shows in a notebook and raises on demand."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from radar_nb.errors import Incomplete
from radar_nb.runtime.table import Table
from radar_nb.runtime.wording import human_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from radar_nb.errors import RadarNbError

State = Literal["done", "resumed", "kept", "failed", "missing", "cancelled", "waiting", "running"]
"""done: made now; resumed: made from a part that lay there; kept: lay there whole; missing: was not to be had;
waiting, running: of a report that was asked for before the end."""

_GOOD = frozenset({"done", "resumed", "kept"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one item: an archive to fetch or to extract.

    Attributes
    ----------
    name : str
        The item in the user's words: a file's name.
    state : {"done", "resumed", "kept", "failed", "missing", "cancelled", "waiting", "running"}
    path : pathlib.Path or None
        Where the result lies, if there is one.
    bytes : int
        Bytes moved for this item in this call.
    already : int
        Bytes that an earlier call had left of it, and that were not moved again.
    seconds : float
    retries : int
        Attempts beyond the first.
    error : RadarNbError or None
        Why it failed or is missing.
    notes : tuple of str
        What the user should know although nothing failed, for example frames that came twice.
    """

    name: str
    state: State
    path: Path | None = None
    bytes: int = 0
    already: int = 0
    seconds: float = 0.0
    retries: int = 0
    error: RadarNbError | None = None
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the item is there, whole."""
        return self.state in _GOOD


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a call did, item by item.

    Attributes
    ----------
    task : str
        `"download"`, `"extract"`.
    outcomes : tuple of Outcome
        In the order in which the items were asked for.
    seconds : float
        The whole call's time.

    Examples
    --------
    >>> report = Report(task="download", outcomes=(Outcome(name="a.tar", state="done", bytes=2_000_000),))
    >>> report.summary, report.failed
    ('download: 1 done; 2.0 MB in 0.0 s', ())
    """

    task: str
    outcomes: tuple[Outcome, ...]
    seconds: float = 0.0

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The items that are not there, or not whole, and will not be by this call."""
        return tuple(o for o in self.outcomes if not o.ok and o.state not in {"waiting", "running"})

    @property
    def paths(self) -> tuple[Path, ...]:
        """The results that are there, whole: what the next step takes."""
        return tuple(outcome.path for outcome in self.outcomes if outcome.ok and outcome.path is not None)

    @property
    def bytes(self) -> int:
        """Bytes moved in this call."""
        return sum(outcome.bytes for outcome in self.outcomes)

    @property
    def already(self) -> int:
        """Bytes of parts that an earlier call had left, and that were not moved again."""
        return sum(outcome.already for outcome in self.outcomes)

    def raise_for_failures(self) -> Report:
        """Give the report back if all went well.

        Raises
        ------
        RadarNbError
            The item's own error where one item was asked for and failed.
        Incomplete
            Some of several items failed; the message names all, the attribute `report` holds the rest.
        """
        failed = self.failed
        if not failed:
            return self
        if len(self.outcomes) == 1 and failed[0].error is not None:
            raise failed[0].error
        lines = "\n".join(f"  {outcome.name}: {_reason(outcome)}" for outcome in failed)
        good = len(self.outcomes) - len(failed)
        raise Incomplete(
            f"{self.task}: {len(failed)} of {len(self.outcomes)} did not succeed ({good} did); "
            f'run the same call again to go on, or pass errors="report" to get the report instead:\n{lines}',
            self,
        )

    @property
    def summary(self) -> str:
        """What happened, in one line."""
        counts = Counter(outcome.state for outcome in self.outcomes)
        states = ", ".join(f"{count} {state}" for state, count in counts.items()) or "nothing to do"
        before = f"; {human_bytes(self.already)} were there from before" if self.already else ""
        return f"{self.task}: {states}; {human_bytes(self.bytes)} in {self.seconds:.1f} s{before}"

    def table(self) -> Table:
        """Give the report as a table."""
        return Table(
            title=self.summary,
            columns=("file", "state", "size", "seconds", "retries", "remark"),
            rows=tuple(
                (o.name, o.state, human_bytes(o.bytes), f"{o.seconds:.1f}", str(o.retries), _reason(o))
                for o in self.outcomes
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """Give the report as plain values that JSON can hold."""
        return {
            "task": self.task,
            "seconds": round(self.seconds, 3),
            "bytes": self.bytes,
            "outcomes": [
                {
                    "name": o.name,
                    "state": o.state,
                    "path": None if o.path is None else str(o.path),
                    "bytes": o.bytes,
                    "already": o.already,
                    "seconds": round(o.seconds, 3),
                    "retries": o.retries,
                    "error": None
                    if o.error is None
                    else {"kind": type(o.error).__name__, "message": str(o.error)},
                    "notes": list(o.notes),
                }
                for o in self.outcomes
            ],
        }

    def __str__(self) -> str:
        """Draw it as text."""
        return str(self.table())

    def __repr__(self) -> str:
        """Write one line: `asyncio.run` asks for this, too, and there may be 78,000 files."""
        return f"<Report {self.summary}>"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def _reason(outcome: Outcome) -> str:
    return str(outcome.error) if outcome.error is not None else "; ".join(outcome.notes)
