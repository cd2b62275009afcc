"""The result of a long call: a value that prints, displays in a notebook and raises on demand."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from radar_nb.errors import Incomplete
from radar_nb.runtime.table import ShownAsTable, Table
from radar_nb.runtime.wording import human_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from radar_nb.errors import RadarNbError

State = Literal["done", "resumed", "kept", "failed", "missing", "cancelled", "waiting", "running"]
"""done: made now; resumed: completed from a partial file; kept: already complete; missing: not available;
waiting, running: in a report of a call that has not ended."""

_GOOD = frozenset({"done", "resumed", "kept"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result for one item: an archive to download or to extract.

    Attributes
    ----------
    name : str
        The item: a file's name.
    state : {"done", "resumed", "kept", "failed", "missing", "cancelled", "waiting", "running"}
    path : pathlib.Path or None
        Path of the result, if there is one.
    bytes : int
        Bytes transferred for this item in this call.
    already : int
        Bytes of an earlier call that were not transferred again.
    seconds : float
    retries : int
        Attempts beyond the first.
    error : RadarNbError or None
        Why it failed or is missing.
    notes : tuple of str
        Remarks although nothing failed, for example on duplicate frames.
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
        """Whether the item is complete."""
        return self.state in _GOOD


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(ShownAsTable):
    """The result of a call, item by item.

    Attributes
    ----------
    task : str
        `"download"`, `"extract"`.
    outcomes : tuple of Outcome
        In the order of the request.
    seconds : float
        Duration of the whole call.

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
        """The items that this call did not complete."""
        return tuple(o for o in self.outcomes if not o.ok and o.state not in {"waiting", "running"})

    @property
    def paths(self) -> tuple[Path, ...]:
        """The paths of complete results, as input of the next step."""
        return tuple(outcome.path for outcome in self.outcomes if outcome.ok and outcome.path is not None)

    @property
    def bytes(self) -> int:
        """Bytes transferred in this call."""
        return sum(outcome.bytes for outcome in self.outcomes)

    @property
    def already(self) -> int:
        """Bytes of earlier calls that were not transferred again."""
        return sum(outcome.already for outcome in self.outcomes)

    def raise_for_failures(self) -> Report:
        """Return the report itself unless an item failed.

        Raises
        ------
        RadarNbError
            The item's own error if the only requested item failed.
        Incomplete
            Some of several items failed; the message names them, and the attribute `report` is the whole report.
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
            f'run the same call again to resume, or pass errors="report" to get the report instead:\n{lines}',
            self,
        )

    @property
    def summary(self) -> str:
        """The result in one line."""
        counts = Counter(outcome.state for outcome in self.outcomes)
        states = ", ".join(f"{count} {state}" for state, count in counts.items()) or "nothing to do"
        before = f"; {human_bytes(self.already)} already present" if self.already else ""
        return f"{self.task}: {states}; {human_bytes(self.bytes)} in {self.seconds:.1f} s{before}"

    def table(self) -> Table:
        """Return the report as a table."""
        return Table(
            title=self.summary,
            columns=("file", "state", "size", "seconds", "retries", "remark"),
            rows=tuple(
                (o.name, o.state, human_bytes(o.bytes), f"{o.seconds:.1f}", str(o.retries), _reason(o))
                for o in self.outcomes
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values for JSON."""
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

    def __repr__(self) -> str:
        """Return one line: `asyncio.run` calls this too, and there may be 78,000 files."""
        return f"<Report {self.summary}>"


def _reason(outcome: Outcome) -> str:
    return str(outcome.error) if outcome.error is not None else "; ".join(outcome.notes)
