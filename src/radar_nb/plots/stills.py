"""Pictures of lines of text, coloured cells and other pictures, for pages that cannot show widgets."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.ImageFont import FreeTypeFont

INK, QUIET, PAPER = "#1f2933", "#616161", "#ffffff"
_WIDTH, _EDGE, _TEXT, _SMALL = 780, 10, 13, 10  # pixels
_CELL, _GAP = (26, 12), 2
_COLOURS = 128
_MOST_LINES, _MOST_LETTERS = 50, 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of text; long ones are wrapped."""

    text: str
    colour: str = INK
    bold: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """A table of coloured cells.

    Attributes
    ----------
    rows, cols : sequence of str
        Their names.
    colours : sequence of sequence of str
        One a cell, row by row; an empty text leaves its cell blank.
    framed : set of tuple of int
        Row and column of cells with a frame.
    key : sequence of tuple of str
        Colours, and what they mean; an empty colour is the frame.
    """

    rows: Sequence[str]
    cols: Sequence[str]
    colours: Sequence[Sequence[str]]
    framed: set[tuple[int, int]]
    key: Sequence[tuple[str, str]]


def still_png(parts: Sequence[Line | Cells | bytes]) -> bytes:
    """Return lines, cells and PNG files below each other as one small PNG of 128 colours."""
    from PIL import Image  # noqa: PLC0415 - pictures are made after the import

    if len(parts) > _MOST_LINES:  # the last one says when the picture was made
        parts = [*parts[: _MOST_LINES - 2], Line(text="…"), parts[-1]]
    pieces = [_piece(part) for part in parts]
    height = sum(piece.height for piece in pieces) + 2 * _EDGE
    width = max([piece.width for piece in pieces], default=0) + 2 * _EDGE
    paper = Image.new("RGB", (width, height), PAPER)
    top = _EDGE
    for piece in pieces:
        paper.paste(piece, (_EDGE, top))
        top += piece.height
    file = io.BytesIO()
    paper.quantize(_COLOURS).save(file, "PNG", optimize=True)
    return file.getvalue()


def _piece(part: Line | Cells | bytes) -> Any:
    from PIL import Image  # noqa: PLC0415 - see above

    if isinstance(part, bytes):
        return Image.open(io.BytesIO(part)).convert("RGB")
    return _lines(part) if isinstance(part, Line) else _cells(part)


def _font(size: int, *, bold: bool = False) -> FreeTypeFont:
    import matplotlib as mpl  # noqa: PLC0415 - see above
    from PIL import ImageFont  # noqa: PLC0415 - see above

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(mpl.get_data_path(), "fonts", "ttf", name)), size)


def _lines(line: Line) -> Any:
    from PIL import Image, ImageDraw  # noqa: PLC0415 - see above

    font = _font(_TEXT + 2 * line.bold, bold=line.bold)
    rows = _wrapped(line.text, font)
    step = _TEXT + 6
    image = Image.new("RGB", (_WIDTH, step * len(rows) + 6 * line.bold), PAPER)
    draw = ImageDraw.Draw(image)
    for number, row in enumerate(rows):
        draw.text((0, step * number + 3 + 3 * line.bold), row, fill=line.colour, font=font)
    return image


def _wrapped(text: str, font: FreeTypeFont) -> list[str]:
    """Break a line between words, and inside of long words; a text that is too long ends in dots."""
    rows = [""]
    for piece in re.findall(r"[^ ]{1,50}| ", text[:_MOST_LETTERS]):
        if font.getlength(rows[-1] + piece) <= _WIDTH:
            rows[-1] += piece
        elif piece != " ":
            rows.append(piece)
    return rows if len(text) <= _MOST_LETTERS else [*rows[:-1], f"{rows[-1]} …"]


def _cells(cells: Cells) -> Any:
    from PIL import Image, ImageDraw  # noqa: PLC0415 - see above

    font, (wide, high) = _font(_SMALL), _CELL
    left = round(max([font.getlength(name) for name in cells.rows], default=0)) + 6
    top, step_x, step_y = _SMALL + 8, wide + _GAP, high + _GAP
    bottom = top + step_y * len(cells.rows)
    image = Image.new("RGB", (_WIDTH, bottom + _SMALL + 16), PAPER)
    draw = ImageDraw.Draw(image)
    for col, name in enumerate(cells.cols):
        draw.text((left + step_x * col + wide / 2, top - 2), name, fill=QUIET, font=font, anchor="ms")
    for row, (name, colours) in enumerate(zip(cells.rows, cells.colours, strict=True)):
        draw.text((left - 4, top + step_y * row + high / 2), name, fill=QUIET, font=font, anchor="rm")
        for col, colour in enumerate(colours):
            x, y = left + step_x * col, top + step_y * row
            if colour:
                draw.rectangle((x, y, x + wide - 1, y + high - 1), fill=colour)
            if (row, col) in cells.framed:
                draw.rectangle((x - 1, y - 1, x + wide, y + high), outline=INK, width=2)
    x, y = left, bottom + 6
    for colour, text in cells.key:
        draw.rectangle((x, y, x + wide - 1, y + high - 1), fill=colour or PAPER, outline=None if colour else INK)
        draw.text((x + wide + 5, y + high / 2), text, fill=INK, font=font, anchor="lm")
        x += wide + 20 + round(font.getlength(text))
    return image
