"""Plans, progress, errors and reports as lines of HTML, in English or German."""

from __future__ import annotations

import re
from html import escape, unescape
from typing import TYPE_CHECKING, Literal

from radar_nb.runtime.language import Texts, table_of
from radar_nb.runtime.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from radar_nb.dwd.catalogue import Missing, Plan
    from radar_nb.dwd.months import Month
    from radar_nb.fetch.local_state import LocalState
    from radar_nb.runtime.report import Outcome, Report
    from radar_nb.widgets.transfer_progress import Sight

_LISTED = 3
"""How many missing months or days are listed."""

_ROWS = 100
"""Most rows in the table of files: a plan of single frames has thousands."""

_COLOURS = {  # of the theme, if the page has one
    "plain": "inherit",
    "quiet": "var(--jp-ui-font-color2, #616161)",
    "warning": "var(--jp-warn-color0, #b25000)",
    "error": "var(--jp-error-color1, #c62828)",
}

_BAR = {
    "running": "var(--jp-brand-color1, #1976d2)",
    "paused": "var(--jp-ui-font-color3, #9e9e9e)",
    "done": "var(--jp-success-color1, #388e3c)",
    "failed": "var(--jp-error-color1, #d32f2f)",
    "cancelled": "var(--jp-warn-color1, #ef6c00)",
}


_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters, among them those that reverse the direction of writing."""


def plain(text: object) -> str:
    r"""Return text without control characters, since texts of servers and files are not trusted.

    Examples
    --------
    >>> plain("404 \x1b]0;owned\x07")
    '404 ]0;owned'
    """
    return _CONTROLS.sub("", str(text))


def shown(text: object) -> str:
    """Return any text as HTML, escaped and without control characters.

    Examples
    --------
    >>> shown("<b>")
    '&lt;b&gt;'
    """
    return escape(plain(text))


def line(text: str, kind: Literal["plain", "quiet", "warning", "error"] = "plain") -> str:
    """Return one line of text as HTML.

    Examples
    --------
    >>> line("1 < 2")
    '<div style="padding:2px 0;line-height:1.5;color:inherit">1 &lt; 2</div>'
    """
    return f'<div style="padding:2px 0;line-height:1.5;color:{_COLOURS[kind]}">{shown(text)}</div>'


def month_span(months: Sequence[Month], say: Texts) -> str:
    """Return months as text.

    Examples
    --------
    >>> from radar_nb.dwd.months import month_range
    >>> from radar_nb.runtime.language import Texts
    >>> months = month_range("2020-06", "2020-08")
    >>> [month_span(part, Texts("en")) for part in (months, months[:1], months[::2], ())]
    ['2020-06 to 2020-08', '2020-06', '2020-06 to 2020-08, with gaps', '-']
    """
    if len(months) < 2:
        return str(months[0]) if months else "-"
    text = say("plan.span", first=months[0], last=months[-1])
    return text if len(months) == months[-1] - months[0] + 1 else say("plan.gaps", span=text)


def day_span(days: tuple[date, date], say: Texts) -> str:
    """Return a range of days as text.

    Examples
    --------
    >>> from datetime import date
    >>> from radar_nb.runtime.language import Texts
    >>> day_span((date(2020, 6, 13), date(2020, 6, 15)), Texts("en"))
    '2020-06-13 to 2020-06-15'
    """
    first, last = days
    return str(first) if first == last else say("plan.span", first=first, last=last)


def plan_lines(plan: Plan, local: LocalState, *, free: int, speed: float | None, say: Texts) -> str:
    """Describe a plan: size, what is on disk, how long the rest takes, and what is missing on the server.

    Parameters
    ----------
    plan : Plan
    local : LocalState
        What is on disk.
    free : int
        Free bytes on the disk.
    speed : float or None
        Bytes per second of the last download from this server; None if unknown.
    say : Texts
    """
    name = say(f"family.{plan.family.name}").partition(":")[0]
    months = say.count("month", len(plan.months))
    if plan.span is None:
        facts = [say("plan.of", months=months, name=name, span=month_span(plan.months, say))]
    else:
        first, last = (stamp.astype("datetime64[D]").item() for stamp in plan.span)
        days = say.count("day", (last - first).days + 1)
        asked, every = map(say.integer, plan.frames)
        span = day_span((first, last), say)
        facts = [say("plan.days", days=days, name=name, span=span, asked=asked, all=every, months=months)]
    scarce = False
    if plan.archives:
        rest = local.bytes_to_fetch
        size = (
            _about(plan, local.bytes_whole + local.bytes_begun + rest, say)
            if rest
            else say.size(local.bytes_whole)
        )
        facts.append(f"{say.count('file', len(plan.archives))}, {size}")
        if len(local.whole) == len(plan.archives):
            facts.append(say("plan.here"))
        else:
            files = say.count("file", len(local.whole))
            some = say("plan.some", files=files, size=_about(plan, rest, say)) if local.whole else ""
            facts.append(some or say("plan.none"))
            facts.append(_time(rest, speed, say))
            scarce = rest > free
        facts.append(say("plan.full" if scarce else "plan.free", size=say.size(free)))
    gaps = [_gap(gap, say) for gap in plan.missing]
    more = [say("plan.more", n=len(gaps) - _LISTED)] if len(gaps) > _LISTED else []
    some = " ".join([", ".join(gaps[:_LISTED]), *more])
    warning = line(say("plan.missing", gaps=some), "warning") if gaps else ""
    whole = (fact.replace(" ", "\N{NO-BREAK SPACE}") for fact in facts)  # break lines between facts only
    return line(" · ".join(whole), "warning" if scarce else "plain") + warning


def _gap(missing: Missing, say: Texts) -> str:
    first, _, last = missing.what.partition(" to ")
    return say("plan.span", first=first, last=last) if last else first


def _about(plan: Plan, count: int, say: Texts) -> str:
    return say.size(count) if plan.exact else say("plan.about", size=say.size(count))


def _time(count: int, speed: float | None, say: Texts) -> str:
    if not speed:
        return say("time.unknown")
    return say("time.about", time=say.time(count / speed), speed=say.size(speed))


def local_state_line(plan: Plan, local: LocalState, say: Texts) -> str:
    """Describe what is on disk: "2 of 5 files on disk, 1 partly downloaded (148.0 MB)"."""
    if len(local.whole) == len(plan.archives):
        return line(say("panel.whole" if plan.archives else "panel.waiting"), "quiet")
    facts = [say("panel.disk", here=len(local.whole), files=say.count("file", len(plan.archives)))]
    if local.begun:
        facts.append(say("panel.begun", n=local.begun, size=say.size(local.bytes_begun)))
    if local.broken:
        facts.append(say("panel.broken", n=local.broken))
    return line(", ".join(facts), "quiet")


def progress_lines(sight: Sight, state: str, say: Texts) -> str:
    """Return a progress bar for all files with figures, and a thin bar for each running file."""
    facts = [_amount(sight, say)]
    if sight.files > 1:
        facts.append(say("panel.disk", here=sight.finished, files=say.count("file", sight.files)))
    if sight.failed and state in ("running", "paused"):
        facts.append(say("panel.sofar", n=sight.failed))
    if state == "paused":
        facts.append(say("panel.paused"))
    elif sight.silent and state == "running" and not (sight.total and sight.done >= sight.total):
        facts.append(say("panel.silent", time=say.time(sight.silent)))
    elif sight.speed and state == "running":
        facts += [f"{say.size(sight.speed)}/s"] if sight.unit == "B" else []
        if sight.total > sight.done:
            facts.append(say("time.left", time=say.time((sight.total - sight.done) / sight.speed)))
    # the bytes of failed files are not counted
    share = (sight.finished, sight.files) if state == "failed" and sight.files else (sight.done, sight.total)
    whole = _bar(*share, state, say("panel.bar"), height=14)
    rows = []
    for file in sight.running:
        of = say("panel.of", done=say.size(file.done), total=say.size(file.total))
        figures = [of if file.total else say.size(file.done)]
        figures += [say.count("retry", file.retries)] if file.retries else []
        rows.append(
            '<div style="display:flex;align-items:center;gap:0.8em;line-height:1.7">'
            f'<span style="flex:0 0 19.4em;overflow:hidden;text-overflow:ellipsis">{shown(file.name)}</span>'
            f'{_bar(file.done, file.total, state, file.name, height=6)}<span style="color:{_COLOURS["quiet"]};'
            f'flex:1 0 14em;font-variant-numeric:tabular-nums">{shown(" · ".join(figures))}</span></div>'
        )
    more = line(say("panel.others", n=sight.others), "quiet") if sight.others else ""
    return (
        '<div style="display:flex;align-items:center;gap:0.8em;line-height:1.8">'
        f'{whole}<span style="flex:1 0 20em;font-variant-numeric:tabular-nums">{shown(" · ".join(facts))}</span>'
        f"</div>{''.join(rows)}{more}"
    )


def _amount(sight: Sight, say: Texts) -> str:
    if not sight.total:  # unknown
        return say.size(sight.done) if sight.unit == "B" and sight.done else say("panel.connecting")
    if sight.unit == "B":
        return say("panel.of", done=say.size(sight.done), total=say.size(sight.total))
    return say("panel.days" if sight.unit == "days" else "panel.read", done=sight.done, total=sight.total)


def _bar(done: int, total: int, state: str, label: str, *, height: int) -> str:
    """Return a bar that screen readers can read."""
    share = 100 if state == "done" else min(100.0, 100 * done / total) if total else 0
    return (
        f'<div role="progressbar" aria-label="{shown(label)}" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{share:.0f}" data-state="{state}" style="flex:0 0 19.4em;height:{height}px;'
        f'border-radius:{height / 2:g}px;overflow:hidden;background:var(--jp-layout-color2, #e3e3e3)">'
        f'<div style="width:{share:.1f}%;height:100%;background:{_BAR[state]}"></div></div>'
    )


def error_line(error: BaseException, say: Texts) -> str:
    """Describe an error in a few words, then by its message; unexpected errors with their class."""
    short, own = _described(error, say)
    return line(f"{short} {own}", "error")


def error_text(error: BaseException, say: Texts) -> str:
    """Return an error as text without traceback: its own message, in German after a German summary.

    Examples
    --------
    >>> from radar_nb.errors import SettingsError
    >>> from radar_nb.runtime.language import Texts
    >>> error_text(SettingsError("unknown unit"), Texts("de"))
    'Ungültige Einstellung. unknown unit'
    """
    short, own = _described(error, say)
    return plain(own if say.language == "en" else f"{short} {own}")


def _described(error: BaseException, say: Texts) -> tuple[str, str]:
    kinds = [f"error.{kind.__name__}" for kind in type(error).__mro__]
    key = next((kind for kind in kinds if kind in table_of("en")), "error.Exception")
    own = f"{type(error).__name__}: {error}" if key == "error.Exception" else str(error)
    return say(key), own


def report_lines(report: Report, say: Texts) -> str:
    """Return a report as a scrolling table.

    Failures come first; if there are none, the table is folded.
    """
    outcomes = sorted(report.outcomes, key=lambda outcome: outcome.ok)
    rest = len(outcomes) - _ROWS
    table = Table(
        title="",
        columns=tuple(say(f"report.{name}") for name in ("file", "state", "size", "time", "remark")),
        rows=tuple(
            (plain(outcome.name), say(f"state.{outcome.state}"), *_effort(outcome, say), _remark(outcome, say))
            for outcome in outcomes[:_ROWS]
        ),
        notes=(say("report.more", files=say.count("file", rest)),) if rest > 0 else (),
    )
    return (
        "<style>.radar-nb-lines td {white-space:nowrap}"
        ".radar-nb-lines td:last-child {white-space:normal;overflow-wrap:anywhere}</style>"
        f'<details class="radar-nb-lines" {"open" * bool(report.failed)} style="line-height:1.4">'
        f"<summary>{shown(say.count('file', len(outcomes)))}</summary>"
        f'<div style="max-height:20em;overflow:auto">{table._repr_html_()}</div></details>'
    )


def _effort(outcome: Outcome, say: Texts) -> tuple[str, str]:
    """Return bytes and time of a transfer; empty texts if nothing was transferred."""
    return (say.size(outcome.bytes), say.time(outcome.seconds)) if outcome.bytes else ("", "")


def _remark(outcome: Outcome, say: Texts) -> str:
    notes = [" ".join(_described(outcome.error, say))] if outcome.error is not None else list(outcome.notes)
    return plain("; ".join([*([say.count("retry", outcome.retries)] if outcome.retries else []), *notes]))


def end_line(report: Report, say: Texts) -> str:
    """Describe in one line how a download or an extraction ended."""
    if report.failed:
        return line(say("panel.failed", failed=len(report.failed), all=len(report.outcomes)), "error")
    if not report.bytes:
        return line(say("panel.kept"))
    moved = say("panel.moved", size=say.size(report.bytes), time=say.time(report.seconds))
    before = [say("panel.before", size=say.size(report.already))] if report.already else []
    return line("; ".join([moved, *before]))


def code_lines(code: str, say: Texts) -> str:
    """Return code to copy into a cell."""
    style = (
        "margin:2px 0;padding:6px 8px;background:var(--jp-cell-editor-background, #f5f5f5);user-select:all;"
        "font-family:var(--jp-code-font-family, monospace);line-height:1.5;max-height:16em;overflow:auto"
    )
    return f'{line(say("panel.opened"))}<pre style="{style}">{shown(code)}</pre>'


def no_kernel_line(say: Texts) -> str:
    """Return a line that the page shows only when the widget has no kernel."""
    ours, dead = ":is(.radar-nb-app, .radar-nb-picker, .radar-nb-panel)", ".jupyter-widgets-disconnected"
    return (
        f"<style>.radar-nb-dead {{display:none}} {dead} .radar-nb-dead {{display:block}} "
        # hides the broken chain at each control
        f"{ours}{dead}::before, {ours} {dead}::before {{content:none}}</style>"
        f'<div class="radar-nb-dead">{line(say("panel.dead"), "warning")}</div>'
    )


def spoken(html: str) -> str:
    """Return the text of lines without markup, for a screen reader.

    Examples
    --------
    >>> spoken(line("1 < 2"))
    '1 < 2'
    """
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def heading(text: str) -> str:
    """Return a heading as HTML, smaller than those of a notebook.

    Examples
    --------
    >>> heading("Months")[:3]
    '<h3'
    """
    return f'<h3 style="margin:0.7em 2px 0.2em;font-size:1.15em;font-weight:600">{shown(text)}</h3>'
