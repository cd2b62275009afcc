"""Laws of the table of texts: none is missing in a language, none is unused, and all fit together."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path
from string import Formatter
from typing import get_args

import pytest

import radar_nb
from radar_nb import errors
from radar_nb.dwd.products import PRODUCTS
from radar_nb.errors import RadarNbError, SettingsError
from radar_nb.fetch.local_state import MonthState
from radar_nb.runtime.report import State
from radar_nb.widgets.texts import TEXTS, Speech, speech

SOURCE = Path(radar_nb.__file__).parent
SPEAKERS = {
    *("app", "choices", "month_calendar", "panel", "picker", "texts", "words"),
    *("download_panel", "month_picker", "wording"),
}
SCRIPT = next(SOURCE.rglob("month_calendar.js")).read_text(encoding="utf-8")
KINDS = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, RadarNbError)}
PUBLISHED = {name: product for name, product in PRODUCTS.items() if product.families}
FAMILIES = {family.name for product in PUBLISHED.values() for family in product.families}

every_text = pytest.mark.parametrize("key", TEXTS)


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@functools.cache
def asked() -> tuple[set[str], set[re.Pattern[str]]]:
    """Give all texts in the code that may be keys or parts of them, and the keys with gaps."""
    whole: set[str] = set()
    gaps: set[re.Pattern[str]] = set()
    for path in SOURCE.rglob("*.py"):
        if path.stem not in SPEAKERS:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        tree.body = [part for part in tree.body if not ast.unparse(part).startswith("TEXTS")]
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                whole.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = (re.escape(str(p.value)) if isinstance(p, ast.Constant) else "(.+)" for p in node.values)
                gaps.add(re.compile("".join(parts)))
    return whole, gaps


@every_text
def test_each_text_is_there_in_both_languages(key: str) -> None:
    """With the same fields, no blank at its ends, and a translation that is one."""
    english, german = TEXTS[key]

    assert english.strip() == english != ""
    assert german.strip() == german != ""
    assert fields(english) == fields(german)
    if len(english.split()) > 2:
        assert english != german or fields(english)


@every_text
def test_no_text_is_unused(key: str) -> None:
    """Each is asked for by its key, or by a key whose gap is filled with a name that the code knows."""
    whole, gaps = asked()
    known = whole | KINDS | set(PUBLISHED) | FAMILIES | set(get_args(State)) | {"Exception"}
    in_script = {f"calendar.{name}" for name in (*re.findall(r"words\.(\w+)", SCRIPT), *get_args(MonthState))}
    filled = [match.groups() for gap in gaps if (match := gap.fullmatch(key)) and match.groups()]

    assert key in whole | in_script or any(set(names) <= known for names in filled)


def test_what_the_code_asks_for_is_there() -> None:
    """Keys that stand in the code, what the script says, and all that stands in tables of ours."""
    whole, _ = asked()
    prefixes = {key.partition(".")[0] for key in TEXTS}
    keys = {text for text in whole if re.fullmatch(rf"({'|'.join(prefixes)})(\.[a-z]+)+", text)}
    keys |= {f"calendar.{name}" for name in re.findall(r"words\.(\w+)", SCRIPT)}
    keys |= {f"calendar.{state}" for state in get_args(MonthState)}
    keys |= {f"state.{state}" for state in get_args(State)}
    keys |= {f"{kind}.{name}" for kind in ("product", "means") for name in PUBLISHED}
    keys |= {f"family.{name}" for name in ("auto", *FAMILIES)}

    assert sorted(keys - TEXTS.keys()) == []


def test_each_text_of_an_error_belongs_to_one() -> None:
    """An error that is renamed takes its words with it."""
    told = {key.removeprefix("error.") for key in TEXTS if key.startswith("error.")}

    assert told <= KINDS | {"Exception"}


def test_the_calendar_has_twelve_months_and_four_seasons() -> None:
    """The script counts on it."""
    for language in (0, 1):
        assert len(TEXTS["calendar.months"][language].split()) == 12
        assert len(TEXTS["calendar.short"][language].split()) == 12
        assert len(TEXTS["calendar.seasons"][language].split()) == 4


@pytest.mark.parametrize(
    ("lang", "ours", "system", "spoken"),
    [
        (None, None, None, "en"),
        (None, None, "de_DE.UTF-8", "de"),
        (None, None, "C.UTF-8", "en"),
        (None, "en", "de_DE.UTF-8", "en"),
        (None, "DE", None, "de"),
        ("de", "en", "en_US.UTF-8", "de"),
    ],
)
def test_the_language_is_the_arguments_then_the_environments(
    lang: str | None, ours: str | None, system: str | None, spoken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`lang=`, then RADAR_NB_LANG, then LANG, then English."""
    for name, value in (("RADAR_NB_LANG", ours), ("LANG", system)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)

    assert speech(lang).language == spoken


def test_another_language_is_refused() -> None:
    """A word that is none is not taken for English."""
    with pytest.raises(SettingsError, match="'fr' is no language of radar_nb: choose 'en' or 'de'"):
        speech("fr")


def test_numbers_are_written_as_the_language_does() -> None:
    """One and many, decimal comma, days."""
    english, german = Speech("en"), Speech("de")

    assert [english.count("file", 1), german.count("file", 0)] == ["1 file", "0 Dateien"]
    assert [english.size(1.5e9), german.size(1.5e9)] == ["1.5 GB", "1,5 GB"]
    assert [english.time(200_000), german.time(200_000)] == ["2 d 8 h", "2 T 8 h"]
    assert german.time(3590) == "1 h"
