"""Lines of code that repeat the work of a widget in any notebook."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.dwd.catalogue import Plan
from radar_nb.reading.sources import is_cube
from radar_nb.runtime.files import user_path
from radar_nb.runtime.settings import settings

if TYPE_CHECKING:
    from collections.abc import Mapping


def cube_code(store: Path) -> str:
    """Return the lines that open a cube."""
    return f"import radar_nb as rn\nds = rn.open_cube({str(store)!r})"


def opening_code(plan: Plan, paths: list[Path], options: Mapping[str, str]) -> str:
    """Return the lines that open the files of a plan that are on disk.

    Parameters
    ----------
    plan : Plan
    paths : list of pathlib.Path
        The files on disk.
    options : mapping
        Further arguments.
    """
    months, usual, options = plan.months, settings(), dict(options)
    span = _span_texts(plan)
    gaps = len(months) <= months[-1] - months[0] or plan.missing or len(paths) < len(plan.archives)
    if gaps:  # `load` takes a span without gaps
        asked = ["[\n" + "".join(f"    {str(path)!r},\n" for path in paths) + "]"]
    else:
        asked = list(map(repr, (plan.product.name, *dict.fromkeys(span or map(str, (months[0], months[-1]))))))
        options |= {"source": str(plan.family.name)}
        options |= {} if plan.folder == usual.folder else {"folder": str(plan.folder)}
        options |= {} if plan.base_url == usual.base_url else {"base_url": plan.base_url}
    call = ", ".join([*asked, *(f"{name}={value!r}" for name, value in options.items())])
    return (
        f"import radar_nb as rn\nds = rn.{'open_dataset' if gaps else 'load'}({call}){_cut(span) if gaps else ''}"
    )


def _span_texts(plan: Plan) -> list[str]:
    """Return the first and the last requested day, or minute if not whole days are requested; [] for months."""
    if plan.span is None:
        return []
    (begin, end), second = plan.span, np.timedelta64(1, "s")
    days = all(time == time.astype("datetime64[D]") for time in (begin, end + second))
    return [str(time.astype("datetime64[D]" if days else "datetime64[m]")) for time in plan.span]


def _cut(span: list[str]) -> str:
    return f".sel(time=slice({span[0]!r}, {span[1]!r}))" if span else ""


def source_call(data: Any, *, names_only: bool = False) -> str | None:
    """Return the call that opens what an explorer shows; None for objects, which have no spelling.

    Parameters
    ----------
    data : path or sequence of paths, or Plan
        As passed to the explorer. Paths below the working folder are written relative to it.
    names_only : bool
        Leave the folders out, for a page that others read.

    Examples
    --------
    >>> source_call("rain/RW.tar"), source_call("/home/me/rain/RW.tar", names_only=True)
    ("open_dataset('rain/RW.tar')", "open_dataset('RW.tar')")
    """
    if isinstance(data, str | os.PathLike):
        function = "open_cube" if is_cube(data) else "open_dataset"
        return f"{function}({_short(data, names_only=names_only)!r})"
    if isinstance(data, Plan):
        one, *others = data.paths
        call = source_call([one, *others] if others else one, names_only=names_only)
        return f"{call}{_cut(_span_texts(data))}"
    if isinstance(data, list | tuple) and data and all(isinstance(part, str | os.PathLike) for part in data):
        return f"open_dataset({[_short(part, names_only=names_only) for part in data]!r})"
    return None


def _short(path: str | os.PathLike[str], *, names_only: bool) -> str:
    if "://" in str(path):  # an address has no folder of this machine
        return str(path)
    if names_only:
        return Path(path).name
    here, whole = Path.cwd(), user_path(path)
    return str(whole.relative_to(here)) if whole.is_relative_to(here) else str(path)
