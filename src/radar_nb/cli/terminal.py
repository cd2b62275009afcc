"""What the terminal shows: results as text or JSON, and errors of the library in the command's own terms."""

from __future__ import annotations

import argparse
import itertools
import json
import re
import sys
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, TextIO

from radar_nb.errors import Incomplete, RadarNbError
from radar_nb.runtime.progress import Progress, reporting
from radar_nb.runtime.wording import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from radar_nb.dwd.catalogue import Plan
    from radar_nb.fetch.syncing import SyncPlan
    from radar_nb.runtime.report import Report
    from radar_nb.runtime.table import Table

_LINES = 12
"""Lines of an error that are shown; a folder may hold thousands of damaged files."""

_VALUE = r"""\.\.\.|"[^"]*"|'[^']*'|\[[^\]]*\]|\([^)]*\)|[\w.:+-]*\w"""


_CUBE_CALL = re.compile(
    r"\b(?:(build|commit|repair|upgrade|verify)_cube|build_(series))\b(?:\(overwrite=(True)\)| \(`[^`]*`\))?"
)
"""A function that has a command, with what its message says of that."""


class Parser(argparse.ArgumentParser):
    """An argument parser that knows the option of each Python parameter: the `dest` of the option is its name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.parameters: dict[str, argparse.Action] = {}
        super().__init__(*args, **kwargs)
        self.set_defaults(parser=self)

    def add_argument(self, *args: Any, **kwargs: Any) -> argparse.Action:
        """Add an argument as `ArgumentParser` does, and remember it."""
        action = super().add_argument(*args, **kwargs)
        self.parameters[action.dest] = action
        return action

    def in_options(self, text: str) -> str:
        """Return a message of the library with options in the place of Python's arguments, and printable.

        Examples
        --------
        >>> parser = Parser()
        >>> _ = parser.add_argument("--errors")
        >>> _ = parser.add_argument("--no-verify", action="store_false", dest="verify")
        >>> parser.in_options('errors="report" opens the rest; verify=False skips checks (folder=)')
        '--errors report opens the rest; --no-verify skips checks'
        """
        text = _CUBE_CALL.sub(_cube_command, text)
        names = "|".join(map(re.escape, self.parameters))
        text = re.sub(rf"(?<![\w/?&.-])({names})=({_VALUE})?", self._option, text)
        text = re.sub(r" \((?:argument )?[a-z_]+=\)", "", text)
        text = re.sub(r' \(errors="report" [a-z ]*\)', "", text)  # of a command without that option
        text = re.sub(
            r"\b[a-z_]+= (?:and|or) (?=--)", "", text
        )  # an argument without an option, before one with it
        text = re.sub(r",? or open (?:it|them) with open_(?:cube|dataset)\b", "", text)
        text = text.replace(" with forecast(ds, ...)", "")
        text = text.replace("with overwrite=True", "with radar-nb download --overwrite")  # of commands without it
        text = text.replace("with verify=False", "with radar-nb download --no-verify")
        return printable(text.replace("the same call", "the same command"))

    def _option(self, match: re.Match[str]) -> str:
        action, value = self.parameters[match[1]], match[2] or ""
        name = action.option_strings[-1] if action.option_strings else str(action.metavar or action.dest.upper())
        if action.nargs == 0:
            return name if value in {"", str(action.const)} else f"without {name}"
        if value[:1] in {"[", "("}:
            value = " ".join(part.strip().strip("\"'") for part in value[1:-1].split(","))
        value = "" if value == "..." else value.strip("\"'")
        return f"{name} {value}".strip()


def _cube_command(match: re.Match[str]) -> str:
    return f"radar-nb cube {match[1] or match[2]}{' --overwrite' if match[3] else ''}"


def say(text: object, *, file: TextIO | None = None) -> None:
    """Print a text at once, without control characters: names and attributes in it may come from outside."""
    print(printable(str(text)), file=file, flush=True)


def show(options: argparse.Namespace, value: Table | Plan | SyncPlan | Report) -> None:
    """Print a table, plan or report; with --json as one JSON value."""
    if not options.json:
        say(options.parser.in_options(str(value)))
        return
    plain = value.to_dict() if hasattr(value, "to_dict") else list(value)
    print(json.dumps(_in_options(plain, options.parser), indent=1))


def finish(options: argparse.Namespace, report: Report) -> int:
    """Print a report; raise the error of its failures, or return 0."""
    if options.json or len(report.outcomes) > 1 or not report.failed:  # the reason of the only item is the error
        show(options, report)
    report.raise_for_failures()
    return 0


@contextmanager
def waiting(task: str, *, every: float = 1.0) -> Iterator[None]:
    """Show in a terminal for how long a task runs, second by second, if its work cannot be counted."""
    ended = Event()

    def tick() -> None:
        with reporting(progress=True) as report:
            for seconds in itertools.count(1):
                if ended.wait(every):
                    return
                report(Progress(task=task, done=seconds, total=None, unit="s"))

    clock = Thread(target=tick, name="radar_nb-waiting", daemon=True)
    clock.start()
    try:
        yield
    finally:
        ended.set()
        clock.join()


def print_error(options: argparse.Namespace, error: Exception) -> int:
    """Print why a command failed, and return its exit code: 1, or 3 for an error that radar_nb did not expect."""
    if isinstance(error, Incomplete):
        report = error.report
        text = (
            f"{report.task}: {len(report.failed)} of {len(report.outcomes)} failed, as listed above; run the same "
            "command again to resume"
        )
    elif isinstance(error, RadarNbError):
        lines = options.parser.in_options(str(error)).splitlines()
        more = len(lines) - _LINES
        text = "\n".join([*lines[:_LINES], *([f"  ... and {more} more lines (--debug shows all)"] * (more > 0))])
    else:
        reason = printable(" ".join(f"{type(error).__name__}: {error}".split())[:300])
        text = f"unexpected error ({reason}); run again with --debug, and report what it prints"
    say(f"radar-nb: {text}", file=sys.stderr)
    return 1 if isinstance(error, RadarNbError) else 3


def _in_options(value: Any, parser: Parser) -> Any:
    if isinstance(value, dict):
        return {key: _in_options(part, parser) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_in_options(part, parser) for part in value]
    return parser.in_options(value) if isinstance(value, str) else value
