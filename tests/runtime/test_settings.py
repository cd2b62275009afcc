"""Settings: argument, then environment, then default."""

from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from radar_nb.errors import SettingsError
from radar_nb.runtime.settings import BASE_URL, CONCURRENCY, settings


def test_defaults_are_dwds_server_five_connections_and_the_users_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without arguments and environment variables every setting has its default."""
    monkeypatch.delenv("RADAR_NB_DATA")

    made = settings()

    assert made.base_url == BASE_URL == "https://opendata.dwd.de"
    assert made.concurrency == CONCURRENCY == 5
    assert made.folder == platformdirs.user_data_path("radar_nb", appauthor=False)


def test_the_environment_overrides_the_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Environment variables override the defaults."""
    monkeypatch.setenv("RADAR_NB_DATA", str(tmp_path))
    monkeypatch.setenv("RADAR_NB_BASE_URL", "http://127.0.0.1:8930/")
    monkeypatch.setenv("RADAR_NB_CONCURRENCY", "2")

    made = settings()

    assert (made.folder, made.base_url, made.concurrency) == (tmp_path, "http://127.0.0.1:8930", 2)


def test_an_argument_overrides_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Arguments override the environment, and an invalid variable that is not used is ignored."""
    monkeypatch.setenv("RADAR_NB_BASE_URL", "nonsense")
    monkeypatch.setenv("RADAR_NB_CONCURRENCY", "nonsense")

    made = settings(folder=tmp_path / "mine", base_url="https://localhost/dwd/", concurrency=1)

    assert (made.folder, made.base_url, made.concurrency) == (tmp_path / "mine", "https://localhost/dwd", 1)


@pytest.mark.parametrize("name", ["RADAR_NB_DATA", "RADAR_NB_BASE_URL", "RADAR_NB_CONCURRENCY"])
def test_an_empty_variable_counts_as_unset(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable, as in `RADAR_NB_DATA= radar-nb ...`, means the default."""
    monkeypatch.delenv("RADAR_NB_DATA")
    default = settings()

    monkeypatch.setenv(name, "")

    assert settings() == default


def test_the_home_folder_may_be_written_as_a_tilde() -> None:
    """`~/radar` is below the home folder, not in a folder named `~`."""
    assert settings(folder="~/radar").folder == Path.home() / "radar"


@pytest.mark.parametrize(
    "url",
    ["opendata.dwd.de", "ftp://opendata.dwd.de", "https://", "/data", "http://[::1", "http://127.0.0.1:port"],
)
def test_an_invalid_web_address_is_refused(url: str) -> None:
    """The message has the value, a valid address, and both ways to set it."""
    with pytest.raises(
        SettingsError, match=r"is not a web address: .*https://opendata\.dwd\.de.*RADAR_NB_BASE_URL"
    ):
        settings(base_url=url)


@pytest.mark.parametrize("number", ["0", "-1", "two", "2.5"])
def test_an_invalid_number_of_connections_is_refused(number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the value and the allowed minimum."""
    monkeypatch.setenv("RADAR_NB_CONCURRENCY", number)

    with pytest.raises(SettingsError, match=f"concurrency '{number}' .* from 1 on .*RADAR_NB_CONCURRENCY"):
        settings()


def test_zero_connections_are_refused() -> None:
    """Zero as an argument is an invalid number, not a missing one."""
    with pytest.raises(SettingsError, match="concurrency 0 is not a number of connections"):
        settings(concurrency=0)
