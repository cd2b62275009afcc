"""The commands of cubes."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

import pytest
from support.cubes import archive

from radar_nb.cli.cube_commands import add_cube
from radar_nb.errors import Incomplete, SettingsError
from radar_nb.mirror import Mirror

if TYPE_CHECKING:
    from pathlib import Path


BIN = "climate_environment/CDC/grids_germany/hourly/radolan/reproc/2017_002/bin/2019"


def command(*words: object) -> Any:
    """Run a command and return its output."""
    parser = argparse.ArgumentParser()
    parser.set_defaults(json=False)  # an option of all commands
    add_cube(parser)
    options = parser.parse_args([str(word) for word in words])
    return options.shown(options)


@pytest.fixture
def hours(tmp_path: Path) -> Path:
    """Write an archive of two days, with a missing one between them."""
    return archive(tmp_path / "RW201910.tar.gz", ["2019-10-14", "2019-10-16"])


def test_from_archives_to_a_repaired_cube(hours: Path, tmp_path: Path) -> None:
    """A cube is built, described, verified, damaged, repaired and rebuilt with one command each."""
    store = tmp_path / "cube"
    assert "2 done" in command("build", store, hours, "--flags", "--layout", "maps").summary

    info = command("info", store)

    assert info.title.startswith("RW on de450, maps (")
    assert info.rows == (("2019", "8", "40", "1", "78.2%"),)
    assert "2 done" in command("verify", store, hours).summary
    os.truncate(next((store / "RW").glob("c.*")), 99)
    with pytest.raises(Incomplete, match="cut short"):
        command("verify", store)
    repaired = command("repair", store)
    assert not repaired.failed  # so that the command ends with 0
    assert sorted(outcome.state for outcome in repaired.outcomes) == ["done", "kept"]
    assert "1 done" in command("build", store, hours).summary


def test_from_months_to_a_cube(tmp_path: Path) -> None:
    """A product and months are fetched and built; the archives can be removed."""
    archive(tmp_path / "root" / BIN / "RW2017.002_201910.tar.gz", ["2019-10-14"], rows=1100, cols=900)
    with Mirror(tmp_path / "root") as mirror:
        words = ("--months", "RW", "2019-10", "--base-url", mirror.url, "--folder", tmp_path / "data")

        report = command("build", tmp_path / "cube", *words, "--remove-archives")

    assert "1 done" in report.summary
    assert not [path for path in (tmp_path / "data").rglob("*") if path.is_file()]


@pytest.mark.parametrize("words", [(), ("a", "--months", "RW", "2019-10"), ("--months", "RW")])
def test_invalid_arguments(words: tuple[str, ...], tmp_path: Path) -> None:
    """Each error says what to pass."""
    with pytest.raises(SettingsError, match="one or two months"):
        command("build", tmp_path / "cube", *words)
