"""The script that lets a shell complete commands, options, products, towns and files."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import shtab

from radar_nb.dwd.products import PRODUCTS
from radar_nb.geography.towns import towns_within

if TYPE_CHECKING:
    from collections.abc import Iterator

_GERMANY = (5.8, 47.2, 15.1, 55.1)  # west, south, east, north
_INHABITANTS = 50_000
"""Of the smallest town that is completed: a script with 15,000 names would slow the start of each shell."""
_FILES = {"PATH", "FILE", "ARCHIVE", "STORE"}


def completion_script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the script for a shell; what an argument is follows from its name in the help, such as TOWN."""
    words = {"PRODUCT": sorted(PRODUCTS), "TOWN": _towns()}
    for action in _actions(parser):
        first = action.metavar[0] if isinstance(action.metavar, tuple) else action.metavar
        kinds = str(first).replace("PLACE", "TOWN").split("|")
        if kinds[0] in words:
            action.complete = _complete(kinds, words[kinds[0]])  # type: ignore[attr-defined] # shtab looks for it
        elif kinds[0] in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined] # the same
        elif kinds[0] == "DIR":
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined] # the same
    functions = "\n".join(_function(name, some) for name, some in words.items())
    return str(shtab.complete(parser, shell, preamble=functions if shell == "bash" else ""))


def _towns() -> list[str]:
    """Return large German towns whose names are one word, as shells separate words."""
    large = towns_within(_GERMANY, _INHABITANTS)
    return sorted(
        {one.name for one in large if one.region.startswith("DE") and one.name.replace("-", "").isalpha()}
    )


def _complete(kinds: list[str], words: list[str]) -> dict[str, Any]:
    files = "PATH" in kinds
    return {
        "bash": f"_radar_nb_{kinds[0].lower()}{'_or_file' * files}",
        "zsh": f"{{compadd {' '.join(words)}; _files}}" if files else f"({' '.join(words)})",
        "fish": " ".join(words) + " (__fish_complete_path (commandline -ct))" * files,
    }


def _function(name: str, words: list[str]) -> str:
    """Return functions of bash that complete some words, and words or files."""
    begin, some = f"_radar_nb_{name.lower()}", " ".join(words)
    return (
        f'{begin}() {{ compgen -W "{some}" -- "$1"; }}\n{begin}_or_file() {{ {begin} "$1"; compgen -f -- "$1"; }}'
    )


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # noqa: SLF001 - argparse has no public list of arguments
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            for command in action.choices.values():
                yield from _actions(command)
        else:
            yield action
