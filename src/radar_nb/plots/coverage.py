"""A calendar of a source: each month, or each hour of a month, coloured by its share of frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.patches import Patch

from radar_nb.plots.style import CREDIT, INK, ink_on, literal, page_on
from radar_nb.reading.coverage import find_coverage
from radar_nb.runtime.language import current_texts, speaks
from radar_nb.runtime.wording import human_time

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from radar_nb.reading.coverage import Coverage
    from radar_nb.runtime.progress import Reporter

_SHARES = (0.5, 0.9, 0.99)
_NONE, _FEW = "#d55e00", "#f8cfa8"
_MOST = ("#c6dbef", "#86b6dc", "#4b8fc4", "#0b4a8f")
_WORDS = (
    "coverage.none",
    "coverage.below_half",
    "coverage.to_90",
    "coverage.to_99",
    "coverage.above_99",
    "coverage.all",
)
"""Keys of the meaning of the colours: orange if many frames are missing, blue if few, dark if none."""
_UNNAMED = "#e6e6e6"
_WIDTH, _ROW, _AROUND = 7.4, 0.19, 1.1  # inches


@speaks
def plot_coverage(
    source: Any,
    first: Any = None,
    last: Any = None,
    *,
    product: str | None = None,
    errors: Literal["raise", "report"] = "raise",
    progress: bool | Reporter = True,
    lang: str | None = None,  # noqa: ARG001 - read by `speaks`
) -> Axes:
    """Draw which frames exist: a calendar of years and months; of a single month, one of days and hours.

    A cell shows the share of the expected frames. Requested months that are missing are orange, others blank.
    Below, each radar has the share of the frames whose headers name it.

    Parameters
    ----------
    source
        As in `open_dataset`, or a Dataset. Of archives only the indexes are read; an archive without one is read
        and verified once, as by `open_dataset`. A frame counts whatever its cells contain.
    first, last : optional
        The requested months, as for `radar_nb.plan`; both belong to the range. By default those of a plan; for
        archives and folders all months from the first frame's to the last one's; for a Dataset the time from its
        first to its last step. Future frames are not expected.
    product : str, optional
        DWD's letters, if the source contains several.
    errors : {"raise", "report"}
        Whether unreadable files raise an error that names all of them, or are counted in the title.
    progress : bool or Reporter
        Task "read", of archives without an index.
    lang : {"en", "de"}, optional
        Language of titles, labels and numbers, by default that of the environment variable `RADAR_NB_LANG`, else
        English.

    Returns
    -------
    matplotlib.axes.Axes
        Of the calendar. The radars' axes, where headers name them, come after it in `ax.figure.axes`.

    Raises
    ------
    NothingFound
        No such file, or a file without frames.
    SeriesError
        Several products and none chosen, or a Dataset without time.
    MonthError
        `first` and `last` are not a range of months.
    ArchiveError, FrameError
        An unreadable file.

    Examples
    --------
    >>> import radar_nb as rn
    >>> rn.plot_coverage("data")  # doctest: +SKIP
    >>> rn.plot_coverage("data", "2020-06")  # doctest: +SKIP
    """
    import matplotlib.pyplot as plt  # noqa: PLC0415 - it chooses a backend, which only a new figure needs

    found = find_coverage(source, product=product, first=first, last=last, errors=errors, progress=progress)
    one = len(found.months) == 1
    rows = found.months[0].days if one else found.months[-1].year - found.months[0].year + 1
    heights = [rows * _ROW + 0.3, len(found.radars) * _ROW + 0.3] if found.radars else [rows * _ROW + 0.3]
    figure, axes = plt.subplots(
        len(heights),
        squeeze=False,
        figsize=(_WIDTH, sum(heights) + _AROUND),
        height_ratios=heights,
        layout="constrained",
    )
    ax: Axes = axes[0, 0]
    (_draw_days if one else _draw_months)(ax, found)
    ax.set_title(literal(_title(found)), loc="left", fontsize=10, color=ink_on(ax), linespacing=1.25, pad=7)
    if found.radars:
        _draw_radars(axes[1, 0], found, by_day=one)
    credit = current_texts()("plot.made_up") if found.made_up else CREDIT
    figure.supxlabel(credit, x=0.995, ha="right", fontsize=6.5, color=ink_on(ax))
    return ax


def _draw_months(ax: Axes, found: Coverage) -> None:
    years = range(found.months[0].year, found.months[-1].year + 1)
    edges = np.arange(f"{years[0]}-01", f"{years[-1] + 1}-02", dtype="datetime64[M]")
    share = found.share(edges).reshape(len(years), 12)
    _draw_shares(ax, share, _NONE)
    for row, col in np.argwhere((share > 0) & (share < 1)).tolist():
        text = f"{min(max(round(100 * share[row, col]), 1), 99)}"  # 0 and 100 mean none and all
        colour = "white" if share[row, col] >= _SHARES[-1] else INK
        ax.text(col + 0.5, row + 0.5, text, fontsize=6.5, ha="center", va="center", color=colour)
    ax.set_xticks(np.arange(12) + 0.5, current_texts()("calendar.short").split())
    ax.set_yticks(np.arange(len(years)) + 0.5, [str(year) for year in years])
    _draw_legend(ax)


def _draw_days(ax: Axes, found: Coverage) -> None:
    month = found.months[0]
    begin = np.datetime64(month.first_day, "h")
    share = found.share(begin + np.arange(24 * month.days + 1)).reshape(month.days, 24)
    _draw_shares(ax, share, _NONE)
    ax.set_xticks(np.arange(0, 25, 3))
    ax.set_xlabel(current_texts()("coverage.hour"), loc="left", fontsize=8, color=ink_on(ax))
    ax.set_yticks(np.arange(month.days) + 0.5, [str(day + 1) for day in range(month.days)])
    ax.set_ylabel(current_texts()("coverage.day", month=month), fontsize=8, color=ink_on(ax))
    _draw_legend(ax)


def _draw_radars(ax: Axes, found: Coverage, *, by_day: bool) -> None:
    first = found.months[0]
    if by_day:
        edges = np.datetime64(first.first_day, "D") + np.arange(first.days + 1).astype("timedelta64[D]")
        ax.set_xticks(np.arange(first.days) + 0.5, [str(day + 1) for day in range(first.days)])
        ax.set_xlabel(current_texts()("coverage.day", month=first), loc="left", fontsize=8, color=ink_on(ax))
    else:
        edges = np.datetime64(str(first), "M") + np.arange(len(found.months) + 1).astype("timedelta64[M]")
        _mark_months(ax, found)
    _draw_shares(ax, found.radar_share(edges), _UNNAMED)
    ax.set_yticks(np.arange(len(found.radars)) + 0.5, [literal(name) for name in found.radars])
    ax.set_title(
        current_texts()("coverage.radars_of_days" if by_day else "coverage.radars_of_months"),
        loc="left",
        fontsize=9,
        color=ink_on(ax),
    )


def _mark_months(ax: Axes, found: Coverage) -> None:
    """Label a few months below their cells; of many, the years at their begin."""
    if len(found.months) <= 12:
        ax.set_xticks(np.arange(len(found.months)) + 0.5, [str(month) for month in found.months])
        return
    begins = [number for number, month in enumerate(found.months) if month.month == 1]
    begins = begins[:: -(-len(begins) // 13)]
    ax.set_xticks(begins, [str(found.months[number].year) for number in begins])


def _draw_shares(ax: Axes, share: NDArray[np.float64], none: str) -> None:
    """Draw shares as cells, the first row at the top; NaN is blank."""
    limits = (-1, 1e-9, *_SHARES, 1 - 1e-9, 2)
    colours = ListedColormap([none, _FEW, *_MOST], bad=page_on(ax))
    # thin gaps between cells, as far as there is room for them
    gap = 1.0 if share.shape[1] <= 40 else 0.0
    ax.pcolormesh(
        np.ma.masked_invalid(share),
        cmap=colours,
        norm=BoundaryNorm(limits, colours.N),
        edgecolors=page_on(ax),
        linewidth=gap,
    )
    ax.set_ylim(len(share), 0)
    ax.set_xlim(0, share.shape[1])
    ax.tick_params(labelsize=7.5, length=0 if gap else 2.5, color=ink_on(ax), labelcolor=ink_on(ax), width=0.6)
    for spine in ax.spines.values():
        spine.set(linewidth=0.6, color=ink_on(ax))


def _draw_legend(ax: Axes) -> None:
    edge: dict[str, Any] = {"edgecolor": ink_on(ax), "linewidth": 0.4}
    entries = [
        Patch(facecolor=colour, label=current_texts()(word), **edge)
        for colour, word in zip((_NONE, _FEW, *_MOST), _WORDS, strict=True)
    ]
    entries.append(Patch(facecolor=page_on(ax), label=current_texts()("coverage.blank"), **edge))
    ax.figure.legend(
        handles=entries,
        loc="outside lower left",
        ncols=len(entries),
        frameon=False,
        fontsize=7,
        labelcolor=ink_on(ax),
        handlelength=1.0,
        handleheight=0.9,
        handletextpad=0.4,
        columnspacing=0.8,
    )


def _title(found: Coverage) -> str:
    """Return the product, how many of its frames exist, and what could not be read."""
    whole = np.array([found.begin, found.end])
    expected = int(found.expected(whole)[0])
    there = int(np.diff(np.searchsorted(found.times, whole))[0])
    say = current_texts()
    lost = say("coverage.missing", n=say.integer(max(expected - there, 0)))
    name = found.title if say.language == "en" else say.known(f"product.{found.product}", found.title)
    lines = [
        f"{found.product}: {name}",
        say("coverage.frames", there=say.integer(there), expected=say.integer(expected), span=_span(found))
        + f", {lost if there < expected else say('coverage.complete')}",
    ]
    if not there:
        times = say("plot.span", first=human_time(found.times[0]), last=human_time(found.times[-1]))
        lines[1] += f" ({say('coverage.elsewhere', span=times)})"
    if found.problems:
        lines.append(say("coverage.problems", n=found.problems))
    return "\n".join(lines)


def _span(found: Coverage) -> str:
    """Return the requested time, as months if it consists of whole months."""
    first, last = found.months[0], found.months[-1]
    if (found.begin, found.end) == (np.datetime64(first.first_day), np.datetime64((last + 1).first_day)):
        return str(first) if first == last else current_texts()("plot.span", first=first, last=last)
    return current_texts()("plot.span", first=human_time(found.begin), last=human_time(found.end))
