"""What the widgets say: plans, progress, errors and reports in words, as lines of HTML."""

from __future__ import annotations

import re
from html import escape, unescape
from typing import TYPE_CHECKING, Literal

from radar_nb.runtime.table import Table
from radar_nb.widgets.texts import TEXTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from radar_nb.dwd.catalogue import Missing, Plan
    from radar_nb.dwd.months import Month
    from radar_nb.fetch.local_state import Shelf
    from radar_nb.runtime.report import Outcome, Report
    from radar_nb.widgets.texts import Speech
    from radar_nb.widgets.transfer_progress import Sight

_TOLD = 3
"""How many missing months or days are spelt out."""

_ROWS = 100
"""Of how many files the table tells: a plan of single frames has thousands."""

_COLOURS = {  # the theme's where the page has one
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


def line(text: str, kind: Literal["plain", "quiet", "warning", "error"] = "plain") -> str:
    """Give one line of text as HTML.

    Examples
    --------
    >>> line("1 < 2")
    '<div style="padding:2px 0;line-height:1.5;color:inherit">1 &lt; 2</div>'
    """
    return f'<div style="padding:2px 0;line-height:1.5;color:{_COLOURS[kind]}">{escape(text)}</div>'


def span(months: Sequence[Month], say: Speech) -> str:
    """Write which months, as a span.

    Examples
    --------
    >>> from radar_nb.dwd.months import month_range
    >>> from radar_nb.widgets.texts import Speech
    >>> months = month_range("2020-06", "2020-08")
    >>> [span(part, Speech("en")) for part in (months, months[:1], months[::2], ())]
    ['2020-06 to 2020-08', '2020-06', '2020-06 to 2020-08, with gaps', '-']
    """
    if len(months) < 2:
        return str(months[0]) if months else "-"
    told = say("plan.span", first=months[0], last=months[-1])
    return told if len(months) == months[-1] - months[0] + 1 else say("plan.gaps", span=told)


def plan_lines(plan: Plan, shelf: Shelf, *, free: int, speed: float | None, say: Speech) -> str:
    """Tell a plan: how much it is, what of it is here, how long the rest takes, and what is not to be had.

    Parameters
    ----------
    plan : Plan
    shelf : Shelf
        How much of it is here.
    free : int
        Bytes free on the disk.
    speed : float or None
        Bytes a second of the last download from this server; None where none is known.
    say : Speech
    """
    name = say(f"family.{plan.family.name}").partition(":")[0]
    facts = [say("plan.of", months=say.count("month", len(plan.months)), name=name, span=span(plan.months, say))]
    scarce = False
    if plan.archives:
        rest = shelf.bytes_to_fetch
        size = (
            _about(plan, shelf.bytes_whole + shelf.bytes_begun + rest, say)
            if rest
            else say.size(shelf.bytes_whole)
        )
        facts.append(f"{say.count('file', len(plan.archives))}, {size}")
        if len(shelf.whole) == len(plan.archives):
            facts.append(say("plan.here"))
        else:
            files = say.count("file", len(shelf.whole))
            some = say("plan.some", files=files, size=_about(plan, rest, say)) if shelf.whole else ""
            facts.append(some or say("plan.none"))
            facts.append(_time(rest, speed, say))
            scarce = rest > free
        facts.append(say("plan.full" if scarce else "plan.free", size=say.size(free)))
    gaps = [_gap(gap, say) for gap in plan.missing]
    more = [say("plan.more", n=len(gaps) - _TOLD)] if len(gaps) > _TOLD else []
    some = " ".join([", ".join(gaps[:_TOLD]), *more])
    warning = line(say("plan.missing", gaps=some), "warning") if gaps else ""
    whole = (fact.replace(" ", "\N{NO-BREAK SPACE}") for fact in facts)  # where the line breaks, it breaks between
    return line(" · ".join(whole), "warning" if scarce else "plain") + warning


def _gap(missing: Missing, say: Speech) -> str:
    first, _, last = missing.what.partition(" to ")
    return say("plan.span", first=first, last=last) if last else first


def _about(plan: Plan, count: int, say: Speech) -> str:
    return say.size(count) if plan.exact else say("plan.about", size=say.size(count))


def _time(count: int, speed: float | None, say: Speech) -> str:
    if not speed:
        return say("time.unknown")
    return say("time.about", time=say.time(count / speed), speed=say.size(speed))


def shelf_line(plan: Plan, shelf: Shelf, say: Speech) -> str:
    """Tell how much of a plan lies on the disk: "2 of 5 files here, 1 begun at 148.0 MB"."""
    if len(shelf.whole) == len(plan.archives):
        return line(say("panel.whole" if plan.archives else "panel.waiting"), "quiet")
    facts = [say("panel.disk", here=len(shelf.whole), files=say.count("file", len(plan.archives)))]
    if shelf.begun:
        facts.append(say("panel.begun", n=shelf.begun, size=say.size(shelf.bytes_begun)))
    if shelf.broken:
        facts.append(say("panel.broken", n=shelf.broken))
    return line(", ".join(facts), "quiet")


def progress_lines(sight: Sight, state: str, say: Speech) -> str:
    """Tell how far work has come: a bar for the whole with its words, and a thin one for each file at work."""
    facts = [_amount(sight, say) if sight.total or state == "done" else say("panel.connecting")]
    if sight.files > 1:
        facts.append(say("panel.disk", here=sight.finished, files=say.count("file", sight.files)))
    if sight.failed and state in ("running", "paused"):
        facts.append(say("panel.sofar", n=sight.failed))
    if state == "paused":
        facts.append(say("panel.paused"))
    elif sight.speed and state == "running":
        facts += [f"{say.size(sight.speed)}/s"] if sight.unit == "B" else []
        facts.append(say("time.left", time=say.time((sight.total - sight.done) / sight.speed)))
    # of what has failed, the bytes are no longer counted in
    share = (sight.finished, sight.files) if state == "failed" and sight.files else (sight.done, sight.total)
    whole = _bar(*share, state, say("panel.bar"), height=14)
    rows = []
    for file in sight.running:
        of = say("panel.of", done=say.size(file.done), total=say.size(file.total))
        told = [of if file.total else say.size(file.done)]
        told += [say.count("retry", file.retries)] if file.retries else []
        rows.append(
            '<div style="display:flex;align-items:center;gap:0.8em;line-height:1.7">'
            f'<span style="flex:0 0 19.4em;overflow:hidden;text-overflow:ellipsis">{escape(file.name)}</span>'
            f'{_bar(file.done, file.total, state, file.name, height=6)}<span style="color:{_COLOURS["quiet"]};'
            f'flex:1 0 14em;font-variant-numeric:tabular-nums">{escape(" · ".join(told))}</span></div>'
        )
    more = line(say("panel.others", n=sight.others), "quiet") if sight.others else ""
    return (
        '<div style="display:flex;align-items:center;gap:0.8em;line-height:1.8">'
        f'{whole}<span style="flex:1 0 20em;font-variant-numeric:tabular-nums">{escape(" · ".join(facts))}</span>'
        f"</div>{''.join(rows)}{more}"
    )


def _amount(sight: Sight, say: Speech) -> str:
    if sight.unit == "B":
        return say("panel.of", done=say.size(sight.done), total=say.size(sight.total))
    return say("panel.days" if sight.unit == "days" else "panel.read", done=sight.done, total=sight.total)


def _bar(done: int, total: int, state: str, label: str, *, height: int) -> str:
    """Draw a bar that a screen reader can read."""
    share = 100 if state == "done" else min(100.0, 100 * done / total) if total else 0
    return (
        f'<div role="progressbar" aria-label="{escape(label)}" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{share:.0f}" data-state="{state}" style="flex:0 0 19.4em;height:{height}px;'
        f'border-radius:{height / 2:g}px;overflow:hidden;background:var(--jp-layout-color2, #e3e3e3)">'
        f'<div style="width:{share:.1f}%;height:100%;background:{_BAR[state]}"></div></div>'
    )


def error_line(error: BaseException, say: Speech) -> str:
    """Tell an error in a few words, then in its own, without a trace; one that is not ours says its kind too."""
    short, own = _told(error, say)
    return line(f"{short} {own}", "error")


def _told(error: BaseException, say: Speech) -> tuple[str, str]:
    kinds = [f"error.{kind.__name__}" for kind in type(error).__mro__]
    key = next((kind for kind in kinds if kind in TEXTS), "error.Exception")
    own = f"{type(error).__name__}: {error}" if key == "error.Exception" else str(error)
    return say(key), own


def report_lines(report: Report, say: Speech) -> str:
    """Tell a report as a table that scrolls where it is long, and breaks the addresses in its last column.

    What did not succeed comes first; where all did, the table is folded.
    """
    outcomes = sorted(report.outcomes, key=lambda outcome: outcome.ok)
    rest = len(outcomes) - _ROWS
    table = Table(
        title="",
        columns=tuple(say(f"report.{name}") for name in ("file", "state", "size", "time", "remark")),
        rows=tuple((o.name, say(f"state.{o.state}"), *_effort(o, say), _remark(o, say)) for o in outcomes[:_ROWS]),
        notes=(say("report.more", files=say.count("file", rest)),) if rest > 0 else (),
    )
    return (
        "<style>.radar-nb-lines td {white-space:nowrap}"
        ".radar-nb-lines td:last-child {white-space:normal;overflow-wrap:anywhere}</style>"
        f'<details class="radar-nb-lines" {"open" * bool(report.failed)} style="line-height:1.4">'
        f"<summary>{escape(say.count('file', len(outcomes)))}</summary>"
        f'<div style="max-height:20em;overflow:auto">{table._repr_html_()}</div></details>'
    )


def _effort(outcome: Outcome, say: Speech) -> tuple[str, str]:
    """Tell bytes and time of what was moved; nothing of what was not."""
    return (say.size(outcome.bytes), say.time(outcome.seconds)) if outcome.bytes else ("", "")


def _remark(outcome: Outcome, say: Speech) -> str:
    told = [" ".join(_told(outcome.error, say))] if outcome.error is not None else list(outcome.notes)
    return "; ".join([*([say.count("retry", outcome.retries)] if outcome.retries else []), *told])


def end_line(report: Report, say: Speech) -> str:
    """Tell in one line how a download or an extraction ended."""
    if report.failed:
        return line(say("panel.failed", failed=len(report.failed), all=len(report.outcomes)), "error")
    if not report.bytes:
        return line(say("panel.kept"))
    moved = say("panel.moved", size=say.size(report.bytes), time=say.time(report.seconds))
    before = [say("panel.before", size=say.size(report.already))] if report.already else []
    return line("; ".join([moved, *before]))


def code_lines(code: str, say: Speech) -> str:
    """Show code to copy into a cell."""
    style = (
        "margin:2px 0;padding:6px 8px;background:var(--jp-cell-editor-background, #f5f5f5);user-select:all;"
        "font-family:var(--jp-code-font-family, monospace);line-height:1.5;max-height:16em;overflow:auto"
    )
    return f'{line(say("panel.opened"))}<pre style="{style}">{escape(code)}</pre>'


def dead_line(say: Speech) -> str:
    """Give a line that the page shows only when no kernel is behind the widget that holds it."""
    ours, dead = ":is(.radar-nb-app, .radar-nb-picker, .radar-nb-panel)", ".jupyter-widgets-disconnected"
    return (
        f"<style>.radar-nb-dead {{display:none}} {dead} .radar-nb-dead {{display:block}} "
        # instead of a broken chain at each control
        f"{ours}{dead}::before, {ours} {dead}::before {{content:none}}</style>"
        f'<div class="radar-nb-dead">{line(say("panel.dead"), "warning")}</div>'
    )


def spoken(html: str) -> str:
    """Give the bare text of lines, for a screen reader.

    Examples
    --------
    >>> spoken(line("1 < 2"))
    '1 < 2'
    """
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def heading(text: str) -> str:
    """Give a heading as HTML, below those of a notebook.

    Examples
    --------
    >>> heading("Months")[:3]
    '<h3'
    """
    return f'<h3 style="margin:0.7em 2px 0.2em;font-size:1.15em;font-weight:600">{escape(text)}</h3>'
