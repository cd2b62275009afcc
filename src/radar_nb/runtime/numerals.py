"""Numbers from texts that came from outside: files, tables, command lines.

Python's own `float` and `int` also accept underscores (`1_0` is ten), digits of other scripts, "nan" and "inf".
"""

from __future__ import annotations

import math
import re

_DECIMAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_LONGEST = 64  # characters; a number of double precision in full has 24


def parse_number(value: object) -> float:
    """Return a number, or the number that a text states.

    Parameters
    ----------
    value : str, bytes or number
        Texts in ASCII digits with a decimal point and an exponent; spaces around them are ignored.

    Raises
    ------
    ValueError
        It is another text, or the number is too large for double precision. Numbers that are not texts are
        returned as they are, even infinite ones.
    TypeError
        It is neither a text nor a number.

    Examples
    --------
    >>> parse_number(" -1.5e3 "), parse_number(b"10")
    (-1500.0, 10.0)
    >>> parse_number("1_0")
    Traceback (most recent call last):
    ...
    ValueError: '1_0' is not a number: write it in digits such as 12.5
    """
    if not isinstance(value, (str, bytes)):
        return float(value)  # type: ignore[arg-type]
    text = (value.decode("utf-8", "replace") if isinstance(value, bytes) else value).strip(" \t")
    number = float(text) if len(text) <= _LONGEST and _DECIMAL.fullmatch(text) else math.inf
    if math.isinf(number):
        raise ValueError(f"{text[:_LONGEST]!a} is not a number: write it in digits such as 12.5")
    return number


def stated_number(value: object) -> float | None:
    """Return the number that an attribute states, a number or a text of one; None if it does not state one.

    Examples
    --------
    >>> stated_number("60"), stated_number("much"), stated_number([60, 60]), stated_number(None)
    (60.0, None, None, None)
    """
    try:
        number = math.nan if getattr(value, "ndim", 0) else parse_number(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def parse_whole_number(text: str) -> int:
    """Return the whole number that a text states in ASCII digits.

    Raises
    ------
    ValueError
        It is another text, or has more than 18 digits.

    Examples
    --------
    >>> parse_whole_number("-12")
    -12
    """
    if not re.fullmatch(r"[+-]?\d{1,18}", text := text.strip(" \t"), re.ASCII):
        raise ValueError(f"{text[:_LONGEST]!a} is not a whole number: write it in digits such as 12")
    return int(text)
