"""A web page of its own: the explorer with the fields of a time span, without a kernel and without a network."""

from __future__ import annotations

import base64
import json
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.errors import SettingsError
from radar_nb.plots.style import class_limits
from radar_nb.runtime.language import Texts
from radar_nb.runtime.wording import human_bytes
from radar_nb.widgets.explorer.jobs import field_info
from radar_nb.widgets.explorer.packed_fields import packed_mask

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from radar_nb.runtime.language import Language
    from radar_nb.widgets.explorer.frames import FrameSequence

PROGRAM = "explorer.bundle.js"
"""The explorer's scripts."""

PAGE_LIMIT = 300_000_000
"""Bytes of a page that browsers open without trouble."""

_SUMS = (15, 180, 2880, 30_240, 132_480, 525_600)
"""Minutes of sums, one for each set of class limits: see `radar_nb.plots.style`."""

_HEAD = """<!doctype html>
<html lang="{lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,">
<title>{title}</title><style>
:root {{color-scheme: light dark}}
body {{margin: 16px; background: #fff}}
@media (prefers-color-scheme: dark) {{
  :root {{--jp-ui-font-color1: #e3e5e8; --jp-ui-font-color2: #a2a8b0; --jp-layout-color1: #181a1d;
    --jp-layout-color2: #26292e; --jp-border-color2: #3b4047; --jp-border-color0: #6b727c;
    --jp-brand-color1: #5ea7f0; --jp-ui-inverse-font-color1: #111; --jp-warn-color0: #f0a35e}}
  body {{background: #181a1d}}
}}
{style}
.rnb-explorer {{--rnb-tall: clamp(340px, calc(100vh - 190px), 1800px)}} /* no bars of JupyterLab */
</style></head>
"""
_BODY = """<body><main id="explorer"></main>
<script id="content" type="application/json">{content}</script>
"""
_FRAME = """<script class="frame" type="application/json">{frame}</script>
"""
_TAIL = """<script id="covered" type="text/plain">{covered}</script>
<script type="module">{script}
openPage();</script></body></html>
"""


def asset(name: str) -> str:
    """Return the text of a file that browsers load, such as "explorer.bundle.js" or "explorer.css"."""
    return files("radar_nb.widgets.explorer").joinpath(name).read_text(encoding="utf-8")


def make_page(
    frames: FrameSequence, info: Mapping[str, Any], span: tuple[int, int], lang: Language, *, least: float
) -> Iterator[str]:
    """Yield the page piece by piece: the head, each field, and the end.

    Parameters
    ----------
    frames : FrameSequence
    info : mapping
        From `radar_nb.widgets.explorer.map_info.map_info`.
    span : tuple of int
        First and last field, both on the page.
    lang : {"en", "de"}
    least : float
        Smallest value of a wet cell.

    Raises
    ------
    SettingsError
        The page would be larger than `PAGE_LIMIT`.
    """
    first, stop = span[0], span[1] + 1
    times = info["times"]
    here = {
        "count": stop - first,
        "times": None if times is None else times[first:stop],
        "alone": True,
        "sum_limits": sum_limits(),
    }
    content = json_text({"info": {**info, **here}, "texts": Texts(lang).group("explorer")})
    yield page_head(lang, str(info["title"])) + _BODY.format(content=content)
    covered, size = np.zeros(frames.shape, bool), 0
    for index in range(first, stop):
        (field,) = frames.packed(index, index + 1)
        covered |= field.valid(frames.shape)
        frame = field_info(field, least) | {"data": _base64(field.data)}
        size += len(frame["data"])
        if size > PAGE_LIMIT:
            raise SettingsError(
                f"a page with {stop - first:,} fields would be larger than {human_bytes(PAGE_LIMIT)}: choose a "
                f"span of {index - first:,} fields at most"
            )
        yield _FRAME.format(frame=json_text(frame))
    yield _TAIL.format(covered=_base64(packed_mask(covered)), script=asset(PROGRAM))


def page_head(lang: Language, title: str) -> str:
    """Return the head of a page, with the explorer's style."""
    return _HEAD.format(lang=lang, title=escape(title), style=asset("explorer.css"))


def sum_limits() -> list[tuple[float, ...]]:
    """Return class limits of sums, for short intervals first: a page chooses the first that reach its maximum."""
    return [class_limits("mm", minutes, np.empty(0)) for minutes in _SUMS]


def json_text(content: Any) -> str:
    """Return content as JSON for a script element."""
    return json.dumps(content, allow_nan=False).replace("<", "\\u003c")


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
