"""A pytest plugin: the server that the pages of docs/ use, one for all tests that request it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.pages import fetch_all, make_rain

from radar_nb.mirror import Mirror

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def rain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Return the address of a small mirror, and a data folder with all its files."""
    folder = tmp_path_factory.mktemp("pages")
    make_rain(folder / "server")
    with Mirror(folder / "server") as mirror:
        fetch_all(mirror.url, folder / "data")
        yield mirror.url, folder / "data"


@pytest.fixture
def served(rain: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Set that server and that folder in the environment."""
    monkeypatch.setenv("RADAR_NB_BASE_URL", rain[0])
    monkeypatch.setenv("RADAR_NB_DATA", str(rain[1]))
