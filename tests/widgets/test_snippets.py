"""The code that widgets show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from radar_nb.fetch.planning import plan
from radar_nb.widgets.snippets import opening_code, source_call

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_options_are_not_changed(tmp_path: Path) -> None:
    """The caller's arguments stay unchanged."""
    june, options = plan("YW", "2020-06", folder=tmp_path), {"errors": "report"}

    code = opening_code(june, list(june.paths), options)

    assert "errors='report', source='radklim'" in code
    assert options == {"errors": "report"}


def test_a_range_of_days_is_in_the_code(tmp_path: Path) -> None:
    """The code opens the days or hours that were planned, from the server or from files."""
    days = plan("YW", "2020-06-13", "2020-06-15", folder=tmp_path)
    hours = plan("YW", "2020-06-13T12", "2020-06-13T18", folder=tmp_path)

    assert "rn.load('YW', '2020-06-13', '2020-06-15', source='radklim'" in opening_code(days, list(days.paths), {})
    assert "'2020-06-13T12:00', '2020-06-13T18:59'" in opening_code(hours, list(hours.paths), {})
    assert opening_code(days, [], {}).endswith("]).sel(time=slice('2020-06-13', '2020-06-15'))")
    opened = source_call(days, names_only=True)
    assert opened == "open_dataset('YW2017.002_202006.tar').sel(time=slice('2020-06-13', '2020-06-15'))"


def test_paths_below_the_working_folder_are_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code has relative paths below the working folder, so it runs on machines with the same folders."""
    monkeypatch.chdir(tmp_path)

    assert source_call(tmp_path / "rain" / "RW.tar") == "open_dataset('rain/RW.tar')"
    assert source_call([tmp_path / "a.tar", "/elsewhere/b.tar"]) == "open_dataset(['a.tar', '/elsewhere/b.tar'])"
    assert source_call(object()) is None
