"""How a cube is cut: chunks that suit maps, series, or both.

A shard holds a day of a grid whole; a chunk inside it is what has to be unpacked to get at one value. Chosen by
measurement: `benchmarks/cube.py` prints the table, docs/decisions.md has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from radar_nb.cube.shards import ShardFormat
from radar_nb.errors import SettingsError

if TYPE_CHECKING:
    from radar_nb.formats.packing import Packing

Layout = Literal["balanced", "maps", "series"]

_NEAR: dict[str, tuple[int, int, int]] = {
    "balanced": (36, 110, 100),
    "maps": (12, 220, 225),
    "series": (288, 55, 50),
}
"""Steps, rows and columns of a chunk, or the nearest numbers that divide the grid's."""


def find_layout(layout: Layout, *, steps: int, grid: tuple[int, int], packing: Packing) -> ShardFormat:
    """Give the shards of a layout for a product.

    Parameters
    ----------
    layout : {"balanced", "maps", "series"}
    steps : int
        Of a day.
    grid : tuple of int
        Rows and columns.
    packing : Packing
        What the codes are.

    Raises
    ------
    SettingsError
        There is no such layout.

    Examples
    --------
    >>> from radar_nb.formats.packing import Packing
    >>> find_layout("balanced", steps=288, grid=(900, 900), packing=Packing()).chunk
    (36, 100, 100)
    """
    if layout not in _NEAR:
        raise SettingsError(f"layout={layout!r} is none: possible are {', '.join(get_args(Layout))}")
    t, y, x = (_divisor(n, near) for n, near in zip((steps, *grid), _NEAR[layout], strict=True))
    return ShardFormat(shape=(steps, *grid), chunk=(t, y, x), dtype=f"u{packing.itemsize}", fill=packing.fill)


def _divisor(size: int, near: int) -> int:
    """Give the divisor of a size that is nearest to a number, by their ratio."""
    divisors = [n for n in range(1, size + 1) if size % n == 0]
    return min(divisors, key=lambda n: max(n / near, near / n))
