"""The texts: each exists in both languages, each is used, and each text that the code uses exists."""

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
from radar_nb.dwd.products import HYDROMETEOR_CLASSES, HYDROMETEORS, PRODUCTS
from radar_nb.errors import RadarNbError, SettingsError
from radar_nb.runtime.language import LANGUAGES, Texts, load_texts, table_of
from radar_nb.runtime.report import State
from radar_nb.widgets.explorer.map_info import PALETTES
from radar_nb.widgets.month_calendar import LETTERS

SOURCE = Path(radar_nb.__file__).parent
SPEAKERS = {
    "language",
    "present",
    "animation",
    "app",
    "basemap",
    "catalogue",
    "choices",
    "comparison",
    "coverage",
    "cube_page",
    "download_panel",
    "idf",
    "live",
    "map_info",
    "maps",
    "month_calendar",
    "month_picker",
    "overlays",
    "plotting",
    "series",
    "stills",
    "storms",
    "style",
    "wording",
}
ENGLISH, GERMAN = (table_of(language) for language in LANGUAGES)
SCRIPT = next(SOURCE.rglob("month_calendar.js")).read_text(encoding="utf-8")
EXPLORER = "\n".join(path.read_text(encoding="utf-8") for path in sorted(SOURCE.rglob("explorer/js/*.js")))
KINDS = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, RadarNbError)}
PUBLISHED = {name: product for name, product in PRODUCTS.items() if product.families}
FAMILIES = {family.name for product in PUBLISHED.values() for family in product.families}


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@functools.cache
def asked() -> tuple[set[str], set[re.Pattern[str]]]:
    """Return all strings in the code that may be keys or parts of keys, and keys with placeholders as patterns."""
    whole: set[str] = set()
    gaps: set[re.Pattern[str]] = set()
    for path in SOURCE.rglob("*.py"):
        if path.stem not in SPEAKERS:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                whole.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = (re.escape(str(p.value)) if isinstance(p, ast.Constant) else "(.+)" for p in node.values)
                gaps.add(re.compile("".join(parts)))
    return whole, gaps


def explorer_keys() -> set[str]:
    """Return the keys that the explorer's scripts read: `texts.<key>`, `t.<key>`, or a key in quotes."""
    named = set(re.findall(r"(?:\btexts|\bt)\.([a-z_]+)\b", EXPLORER))
    return {f"explorer.{name}" for name in named}


def test_both_languages_have_the_same_keys_in_order() -> None:
    """Both languages have the same keys in the same, sorted order."""
    assert list(ENGLISH) == list(GERMAN) == sorted(ENGLISH)


def test_each_text_is_a_translation() -> None:
    """Both texts have the same fields and no blanks at the ends; long ones differ."""
    for key, english in ENGLISH.items():
        german = GERMAN[key]
        assert english.strip() == english != "", key
        assert german.strip() == german != "", key
        assert fields(english) == fields(german), key
        if len(english.split()) > 2:
            assert english != german or fields(english), key


def test_each_text_is_used() -> None:
    """The code contains each text's key, or builds it from names in the code."""
    whole, gaps = asked()
    known = (
        whole
        | KINDS
        | set(PRODUCTS)
        | FAMILIES
        | set(get_args(State))
        | {"Exception", *HYDROMETEOR_CLASSES, *HYDROMETEORS.values()}
    )
    in_script = {f"calendar.{name}" for name in (*re.findall(r"words\.(\w+)", SCRIPT), *LETTERS)}
    in_explorer, named = explorer_keys(), whole | in_script

    def is_used(key: str) -> bool:
        if not key.startswith("explorer."):
            filled = [match.groups() for gap in gaps if (match := gap.fullmatch(key)) and match.groups()]
            return key in named or any(set(names) <= known for names in filled)
        name = key.removeprefix("explorer.")
        stem = re.sub(r"^palette_|_hint$", "", name)
        return key in in_explorer or f'"{name}"' in EXPLORER or f'"{stem}"' in EXPLORER or stem in PALETTES

    assert [key for key in ENGLISH if not is_used(key)] == []


def test_each_text_that_the_code_uses_exists() -> None:
    """Keys in the code, in the scripts, and of our tables exist."""
    whole, _ = asked()
    prefixes = {key.partition(".")[0] for key in ENGLISH}
    keys = {text for text in whole if re.fullmatch(rf"({'|'.join(prefixes)})(\.[a-z]+)+", text)}
    keys |= {f"calendar.{name}" for name in re.findall(r"words\.(\w+)", SCRIPT)}
    keys |= {f"calendar.{state}" for state in LETTERS}
    keys |= {f"state.{state}" for state in get_args(State)}
    keys |= {f"product.{name}" for name in PRODUCTS} | {f"means.{name}" for name in PUBLISHED}
    keys |= {f"family.{name}" for name in ("auto", *FAMILIES)}
    keys |= {f"explorer.palette_{name}" for name in PALETTES} | explorer_keys()

    assert sorted(keys - ENGLISH.keys()) == []


def test_each_error_text_belongs_to_an_error_class() -> None:
    """Each text of an error names an existing error class."""
    named = {key.removeprefix("error.") for key in ENGLISH if key.startswith("error.")}

    assert named <= KINDS | {"Exception"}


def test_the_calendar_has_twelve_months_and_four_seasons() -> None:
    """The calendar's script gets twelve months and four seasons."""
    for table in (ENGLISH, GERMAN):
        assert len(table["calendar.months"].split()) == 12
        assert len(table["calendar.short"].split()) == 12
        assert len(table["calendar.seasons"].split()) == 4


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
def test_the_language_is_chosen_in_order(
    lang: str | None, ours: str | None, system: str | None, spoken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The language comes from `lang=`, then RADAR_NB_LANG, then LANG, and is else English."""
    for name, value in (("RADAR_NB_LANG", ours), ("LANG", system)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)

    assert load_texts(lang).language == spoken


def test_an_unknown_language_is_refused() -> None:
    """An unknown language raises instead of meaning English."""
    with pytest.raises(SettingsError, match="unknown language 'fr': choose one of en, de"):
        load_texts("fr")


def test_numbers_are_formatted_for_the_language() -> None:
    """Singular and plural, decimal comma and days follow the language."""
    english, german = Texts("en"), Texts("de")

    assert [english.count("file", 1), german.count("file", 0)] == ["1 file", "0 Dateien"]
    assert [english.size(1.5e9), german.size(1.5e9)] == ["1.5 GB", "1,5 GB"]
    assert [english.time(200_000), german.time(200_000)] == ["2 d 8 h", "2 T 8 h"]
    assert german.time(3590) == "1 h"
