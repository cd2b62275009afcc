"""A picture of each widget in its output, for pages without a kernel: GitHub, nbviewer, nbconvert.

A picture shows the state when the cell was run, and says so. It holds texts, menus, the calendar and the field of
an explorer, but neither buttons nor progress bars, which would do nothing and move no further.
"""

from __future__ import annotations

import base64
import re
from contextlib import suppress
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import ipywidgets

from radar_nb.errors import RadarNbError
from radar_nb.plots.stills import INK, QUIET, Line, still_png

if TYPE_CHECKING:
    from collections.abc import Iterator

    from radar_nb.runtime.language import Texts

_BLOCKS = {"div", "h3", "pre", "p", "table", "tr", "summary", "details", "caption"}
_ALONE = {"br", "hr", "img", "input", "meta", "link"}
_COLOUR = re.compile(r"(?<![-\w])color:[^;]*?(#[0-9a-fA-F]{6})")


class InSavedNotebooks:
    """A widget that leaves a picture in saved notebooks; front ends that show widgets show the widget."""

    _say: Texts

    def _still(self) -> bytes | None:
        """Return a picture of the widget, PNG; None if there is nothing to show."""
        now = datetime.now(UTC)
        return still_png(
            [*_parts(self), Line(text=self._say("still.made", time=f"{now:%Y-%m-%d %H:%M}"), colour=QUIET)]
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Return the widget, and a picture of it for pages that cannot show widgets."""
        found = super()._repr_mimebundle_(**kwargs)  # type: ignore[misc] # of the widget
        data = found[0] if isinstance(found, tuple) else found
        with suppress(RadarNbError):  # such as a field that cannot be read: the widget says so
            if data is not None and (still := self._still()):
                data["image/png"] = base64.b64encode(still).decode("ascii")
        return found


def _parts(widget: Any) -> Iterator[Line | bytes]:
    """Yield what a box shows, from above; pictures of those in it that make their own."""
    for child in sorted(widget.children, key=lambda child: int(child.layout.order or 0)):
        if child.layout.display == "none":
            continue
        if isinstance(child, ipywidgets.Box):
            yield from _parts(child)
        elif isinstance(child, InSavedNotebooks):
            with suppress(RadarNbError):
                if still := child._still():  # noqa: SLF001 - of our own widgets
                    yield still
        elif isinstance(child, ipywidgets.Dropdown):
            yield Line(text=f"{child.description}: {child.label}")
        elif isinstance(child, ipywidgets.HTML):
            yield from lines_of(child.value)


def lines_of(html: str) -> list[Line]:
    """Return the lines of text that HTML of our widgets shows.

    Examples
    --------
    >>> lines_of('<h3>Rain</h3><div style="color:var(--x, #c62828)">1 &lt; 2</div>')
    [Line(text='Rain', colour='#1f2933', bold=True), Line(text='1 < 2', colour='#c62828', bold=False)]
    """
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.lines


class _Reader(HTMLParser):
    """Collects lines of text; `_open` holds of each open element whether it is hidden, its colour and weight."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Line] = []
        self._open: list[tuple[str, bool, str, bool]] = [("", False, INK, False)]
        self._fresh = True

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        about = {name: value or "" for name, value in attrs}
        parent, hidden, colour, bold = self._open[-1]
        folded = parent == "folded" and tag != "summary"
        hidden = hidden or folded or tag == "style" or "radar-nb-dead" in about.get("class", "")
        found = _COLOUR.search(about.get("style", ""))
        self._fresh = self._fresh or tag in _BLOCKS or tag == "br"
        if tag not in _ALONE:
            name = "folded" if tag == "details" and "open" not in about else tag
            self._open.append((name, hidden, found[1] if found else colour, bold or tag in {"h3", "th"}))

    def handle_endtag(self, tag: str) -> None:
        self._fresh = self._fresh or tag in _BLOCKS
        if len(self._open) > 1:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        _, hidden, colour, bold = self._open[-1]
        if hidden:
            return
        for number, text in enumerate(data.split("\n")):
            if number:
                self._fresh = True
            if not text.strip():
                continue
            if self._fresh:
                self.lines.append(Line(text=text.rstrip(), colour=colour, bold=bold))
            else:
                last = self.lines[-1]
                self.lines[-1] = Line(text=f"{last.text}  {text.strip()}", colour=last.colour, bold=last.bold)
            self._fresh = False
