"""The lines of code that do again, in any notebook, what a widget has done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from radar_nb.runtime.settings import settings

if TYPE_CHECKING:
    from pathlib import Path

    from radar_nb.dwd.catalogue import Plan


def cube_code(store: Path) -> str:
    """Give the lines that open a cube."""
    return f"import radar_nb as rn\nds = rn.open_cube({str(store)!r})"


def opening_code(plan: Plan, paths: list[Path], options: dict[str, str]) -> str:
    """Give the lines that open what lies here of a plan.

    Parameters
    ----------
    plan : Plan
    paths : list of pathlib.Path
        The files that lie here.
    options : dict
        Further arguments.
    """
    months, usual = plan.months, settings()
    gaps = len(months) <= months[-1] - months[0] or plan.missing or len(paths) < len(plan.archives)
    if gaps:  # no call asks for just that
        asked = ["[\n" + "".join(f"    {str(path)!r},\n" for path in paths) + "]"]
    else:
        asked = list(map(repr, (plan.product.name, *map(str, dict.fromkeys((months[0], months[-1]))))))
        options |= {"source": str(plan.family.name)}
        options |= {} if plan.folder == usual.folder else {"folder": str(plan.folder)}
        options |= {} if plan.base_url == usual.base_url else {"base_url": plan.base_url}
    call = ", ".join([*asked, *(f"{name}={value!r}" for name, value in options.items())])
    return f"import radar_nb as rn\nds = rn.{'open_dataset' if gaps else 'load'}({call})"
