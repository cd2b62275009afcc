"""Which towns a map names, and where their names stand: by inhabitants and scale, none over another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from radar_nb.geography.towns import towns_within

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from radar_nb.geography.towns import Place

_PEOPLE = 0.4
"""Inhabitants of the smallest town that is named, times the square of the map's width in km: 300,000 on a map of
Germany, 2,500 on a map of 80 km."""
_LOCAL = 60.0
"""Kilometres of a map that names towns beside cities, and districts, too."""
_DENSITY = 0.9
"""Names per square inch, at most."""
_LETTERS = ((100_000, 7.5), (0, 6.5))
"""Inhabitants, and the size of the name in points on a map of usual size."""
_WIDE, _HIGH = 0.58, 1.25
"""Width and height of a letter in its size, of Matplotlib's DejaVu Sans, on average."""

Rectangle = tuple[float, float, float, float]
"""Left, lower, right, upper edge in inches from the lower left corner of the map."""


class Label(NamedTuple):
    """A name on a map: the position of its dot and of its text in inches, and how the text is aligned to it."""

    town: Place
    dot: tuple[float, float]
    text: tuple[float, float]
    align: tuple[str, str]
    letters: float


@dataclass(slots=True, kw_only=True)
class LabelRoom:
    """A map's size in inches, and what already lies on it."""

    width: float
    height: float
    taken: list[Rectangle] = field(default_factory=list)

    def place(self, box: Rectangle) -> bool:
        """Take a place if it is free and on the map; return whether it was."""
        left, lower, right, upper = box
        if left < 0.02 or lower < 0.02 or right > self.width - 0.02 or upper > self.height - 0.02:
            return False
        if not free_of(box, self.taken):
            return False
        self.taken.append(box)
        return True


def free_of(box: Rectangle, taken: Iterable[Rectangle]) -> bool:
    """Return whether a rectangle overlaps none of others."""
    left, lower, right, upper = box
    return not any(left < r and right > at and lower < u and upper > b for at, b, r, u in taken)


def text_size(text: str, letters: float) -> tuple[float, float]:
    """Return the width and height of a line of text in inches; `letters` is its size in points."""
    return _WIDE * letters * len(text) / 72, _HIGH * letters / 72


def candidates(box: tuple[float, float, float, float], width_km: float) -> list[Place]:
    """Return the towns that a map may name, the largest first.

    Parameters
    ----------
    box : tuple of float
        West, south, east, north of the map in degrees.
    width_km : float
        Width of the map on the ground.
    """
    towns = towns_within(box, _PEOPLE * width_km**2)
    return [town for town in towns if width_km <= _LOCAL or not town.beside_city]


def placed(
    towns: Iterable[tuple[Place, tuple[float, float]]], room: LabelRoom, *, size: float, most: int | None = None
) -> list[Label]:
    """Choose which towns are named, in their order, and where: right, left, above or below the dot.

    Parameters
    ----------
    towns : iterable of (Place, (x, y))
        With the position of each in inches from the lower left corner of the map.
    room : LabelRoom
        What it has already taken stays free; the names are added to it.
    size : float
        Of the text, 1 on a map of usual size; names of large cities are larger.
    most : int, optional
        Number of names; by default as many as the map has room for.
    """
    most = max(3, round(_DENSITY * room.width * room.height)) if most is None else most
    found: list[Label] = []
    for town, dot in towns:
        if len(found) >= most:
            break
        mark = (dot[0] - 0.03, dot[1] - 0.03, dot[0] + 0.03, dot[1] + 0.03)
        if not room.place(mark):
            continue
        letters = max(4.5, size * next(points for least, points in _LETTERS if town.inhabitants >= least))
        for label, box in _ways(town, dot, letters):
            room.taken.remove(mark)
            free = room.place(box)
            room.taken.append(mark)
            if free:
                found.append(label)
                break
        else:
            room.taken.remove(mark)
    return found


def _ways(town: Place, dot: tuple[float, float], letters: float) -> Iterator[tuple[Label, Rectangle]]:
    """Yield the places of a name beside its dot, the best first, each with the rectangle that it takes."""
    x, y = dot
    wide, high = text_size(town.name, letters)
    gap = 0.05
    for text, align, (left, lower) in (
        ((x + gap, y), ("left", "center"), (x, y - high / 2)),
        ((x - gap, y), ("right", "center"), (x - gap - wide, y - high / 2)),
        ((x, y + gap), ("center", "bottom"), (x - wide / 2, y)),
        ((x, y - gap), ("center", "top"), (x - wide / 2, y - gap - high)),
    ):
        sideways = align[1] == "center"
        box = (left, lower, left + wide + gap * sideways, lower + high + gap * (not sideways))
        yield Label(town=town, dot=dot, text=text, align=align, letters=letters), box
