"""What the widgets say: plans, errors and reports in words, as lines of HTML."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Literal

from radar_nb.errors import RadarNbError
from radar_nb.table import human_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from radar_nb.catalogue import Plan
    from radar_nb.months import Month
    from radar_nb.report import Report

_TOLD = 3
"""How many missing months or days are spelt out."""

_COLOURS = {  # the theme's where the page has one
    "plain": "inherit",
    "quiet": "var(--jp-ui-font-color2, #616161)",
    "warning": "var(--jp-warn-color0, #b25000)",
    "error": "var(--jp-error-color1, #c62828)",
}


def line(text: str, kind: Literal["plain", "quiet", "warning", "error"] = "plain") -> str:
    """Give one line of text as HTML.

    Examples
    --------
    >>> line("1 < 2")
    '<div style="padding:4px 0;line-height:1.5;color:inherit">1 &lt; 2</div>'
    """
    return f'<div style="padding:4px 0;line-height:1.5;color:{_COLOURS[kind]}">{escape(text)}</div>'


def span(months: Sequence[Month]) -> str:
    """Write a span of months.

    Examples
    --------
    >>> from radar_nb.months import month_range
    >>> span(month_range("2020-06", "2020-08")), span(month_range("2020-06"))
    ('2020-06 to 2020-08', '2020-06')
    """
    return str(months[0]) if len(months) == 1 else f"{months[0]} to {months[-1]}"


def plan_lines(plan: Plan) -> str:
    """Tell a plan: how much it is and what is on disk, looked up now, and what is not to be had."""
    name = plan.family.title.partition(":")[0]
    facts = [f"{_count(len(plan.months), 'month')} of {name} ({span(plan.months)})"]
    if plan.archives:
        here = plan.on_disk
        about = "" if plan.exact else "about "
        facts.append(f"{_count(len(plan.archives), 'file')}, {about}{human_bytes(plan.bytes)}")
        if len(here) == len(plan.archives):
            facts.append("all on disk")
        elif here:
            to_fetch = plan.bytes - sum(archive.expected for archive in here)
            facts.append(f"{_count(len(here), 'file')} on disk, {about}{human_bytes(to_fetch)} to fetch")
        else:
            facts.append("none on disk yet")
    gaps = [f"{gap.what} ({gap.reason})" for gap in plan.missing]
    more = f" and {len(gaps) - _TOLD} more" if len(gaps) > _TOLD else ""
    warning = line(f"Not to be had: {', '.join(gaps[:_TOLD])}{more}", "warning") if gaps else ""
    return line(" · ".join(facts)) + warning


def error_line(error: BaseException) -> str:
    """Tell an error, without a trace; one that is not ours says its kind too."""
    ours = isinstance(error, RadarNbError)
    return line(str(error) if ours else f"{type(error).__name__}: {error}", "error")


def report_lines(report: Report) -> str:
    """Tell a report as a table that scrolls where it is long, and breaks the addresses in its last column."""
    return (
        "<style>.radar-nb-lines td:last-child {overflow-wrap: anywhere}</style>"
        '<div class="radar-nb-lines" style="line-height:1.4;max-height:20em;overflow:auto">'
        f"{report.table()._repr_html_()}</div>"
    )


def end_line(report: Report) -> str:
    """Tell in one line how a download or an extraction ended."""
    if report.failed:
        return line(f"{len(report.failed)} of {len(report.outcomes)} did not succeed, see below", "error")
    if not report.bytes:
        return line("all was there already")
    before = f"; {human_bytes(report.already)} were there from before" if report.already else ""
    return line(f"{human_bytes(report.bytes)} in {report.seconds:.1f} s{before}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
