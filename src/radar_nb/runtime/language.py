"""The languages: texts by their keys, how numbers and times are written, and in which one a call speaks.

The texts are in `locales/en.json` and `locales/de.json`, by the same keys. Widgets hold the `Texts` of their
language. Pictures are drawn by many functions, which share `current_texts`: the language of the call, which
`speaks` sets.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, wraps
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, get_args

from radar_nb.errors import SettingsError
from radar_nb.runtime.wording import human_bytes, human_duration, human_interval, human_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from zoneinfo import ZoneInfo

Language = Literal["en", "de"]

_ZONES = {"CET": "MEZ", "CEST": "MESZ"}
"""German names of times (Einheiten- und Zeitgesetz, sections 4 and 5), by those of the tz database."""

LANGUAGES: tuple[Language, ...] = get_args(Language)

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@cache
def table_of(language: Language) -> dict[str, str]:
    """Return all texts of a language by their keys."""
    path = files("radar_nb.runtime").joinpath("locales", f"{language}.json")
    table: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return table


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of one language, and how it writes numbers and times.

    Examples
    --------
    >>> say = Texts("de")
    >>> say("panel.pause"), say.count("month", 3), say.size(1_500_000), say.time(180), say.number("0.4")
    ('Pause', '3 Monate', '1,5 MB', '3 min', '0,4')
    """

    language: Language

    def __call__(self, key: str, **values: Any) -> str:
        """Return a text with its fields filled in."""
        text = table_of(self.language)[key]
        return text.format(**values) if values else text

    def known(self, key: str, text: str) -> str:
        """Return the text of a key, or another text if there is no such key."""
        return table_of(self.language).get(key, text)

    def count(self, noun: str, number: int) -> str:
        """Return a number of things, from the texts `one.<noun>` and `many.<noun>`."""
        return self(f"{'one' if number == 1 else 'many'}.{noun}", n=number)

    def number(self, text: str) -> str:
        """Return a number, written with a decimal point, as the language writes it."""
        return text if self.language == "en" else text.replace(".", ",")

    def integer(self, number: int) -> str:
        """Return an integer with a separator of thousands."""
        return f"{number:,}" if self.language == "en" else f"{number:,}".replace(",", ".")

    def size(self, count: float) -> str:
        """Return a number of bytes as text."""
        return self.number(human_bytes(count))

    def time(self, seconds: float) -> str:
        """Return a duration, rounded for reading."""
        text = human_duration(seconds)
        return text if self.language == "en" else text.replace(" d", " T")

    def moment(self, moment: Any, zone: ZoneInfo | None = None) -> str:
        """Return a time, which is UTC, as `human_time` does.

        Examples
        --------
        >>> from zoneinfo import ZoneInfo
        >>> Texts("de").moment("2020-06-13T15:25", ZoneInfo("Europe/Berlin"))
        '2020-06-13 17:25 MESZ'
        """
        text, _, name = human_time(moment, zone).rpartition(" ")
        return f"{text} {self.zone(name)}"

    def zone(self, name: str) -> str:
        """Return the short name of a time zone's clock, such as CEST."""
        return name if self.language == "en" else _ZONES.get(name, name)

    def interval(self, minutes: float) -> str:
        """Return the exact length of an interval, as `human_interval` does."""
        text = self.number(human_interval(minutes))
        return text if self.language == "en" else text.replace(" d", " T")

    def group(self, prefix: str) -> dict[str, str]:
        """Return all texts whose keys start with `prefix`, by the rest of the key, for a script in the browser."""
        start = f"{prefix}."
        return {key.removeprefix(start): t for key, t in table_of(self.language).items() if key.startswith(start)}


def load_texts(lang: str | None = None) -> Texts:
    """Return the texts in the user's language.

    Parameters
    ----------
    lang : {"en", "de"}, optional
        By default the environment variable `RADAR_NB_LANG`, then `LANG`; English if neither names a language.

    Raises
    ------
    SettingsError
        The language is neither English nor German.

    Examples
    --------
    >>> load_texts("de")("panel.cancel")
    'Abbrechen'
    """
    asked = lang or os.environ.get("RADAR_NB_LANG")
    if not asked:
        return Texts("de" if os.environ.get("LANG", "").lower().startswith("de") else "en")
    for language in LANGUAGES:
        if asked.lower() == language:
            return Texts(language)
    raise SettingsError(
        f"unknown language {asked!r}: choose one of {', '.join(LANGUAGES)} (argument lang= or RADAR_NB_LANG)"
    )


_SPOKEN: ContextVar[Texts | None] = ContextVar("radar_nb_language", default=None)


def current_texts() -> Texts:
    """Return the texts of the language in which this call draws.

    It is that of `speaking`, else that of the environment variable `RADAR_NB_LANG`, else English: pictures go into
    papers and reports, so that the language of the desktop does not decide.
    """
    return _SPOKEN.get() or load_texts(os.environ.get("RADAR_NB_LANG") or "en")


@contextmanager
def speaking(lang: str | None) -> Iterator[Texts]:
    """Draw in a language within the block; None leaves the language as it is.

    Raises
    ------
    SettingsError
        The language is neither English nor German.

    Examples
    --------
    >>> with speaking("de") as say:
    ...     say("plot.no_data"), current_texts().number("4.67")
    ('keine Daten', '4,67')
    """
    say = current_texts() if lang is None else load_texts(lang)
    before = _SPOKEN.set(say)
    try:
        yield say
    finally:
        _SPOKEN.reset(before)


def speaks(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Make a function with an argument `lang` draw in that language."""

    @wraps(function)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        lang: Any = kwargs.get("lang")
        with speaking(lang):
            return function(*args, **kwargs)

    return call
