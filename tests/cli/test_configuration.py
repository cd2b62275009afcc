"""`radar-nb config show`: values in force, and their origins."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from radar_nb.cli.configuration import VARIABLES, configuration, without_password
from radar_nb.errors import SettingsError

SOURCE = Path(__file__).resolve().parents[2] / "src" / "radar_nb"


def shown(**options: str) -> dict[str, tuple[str, str]]:
    """Return each setting's value and origin."""
    return {row["setting"]: (row["value"], row["origin"]) for row in configuration(**options, origin=True)}


def test_an_argument_overrides_the_environment_and_that_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The table states which of the three a value came from."""
    monkeypatch.setenv("RADAR_NB_DATA", "rain")
    monkeypatch.setenv("RADAR_NB_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.delenv("RADAR_NB_CONCURRENCY", raising=False)

    found = shown(base_url="http://127.0.0.1:8930/")

    assert found["data folder"] == ("rain", "environment RADAR_NB_DATA")
    assert found["server"] == ("http://127.0.0.1:8930", "option --base-url")
    assert found["connections"] == ("5", "default")


def test_passwords_of_proxies_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are replaced, since the output may be part of a bug report."""
    monkeypatch.setenv("https_proxy", "http://anna:secret@proxy.example:3128")

    assert shown()["proxy"] == ("http://***@proxy.example:3128", "environment HTTPS_PROXY")
    assert without_password("https://proxy.example:3128") == "https://proxy.example:3128"


def test_an_invalid_setting_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """`config show` reports an invalid setting, which would make every call fail."""
    monkeypatch.setenv("RADAR_NB_CONCURRENCY", "many")

    with pytest.raises(SettingsError, match="whole number from 1 on"):
        configuration()


def test_every_variable_that_the_code_reads_is_in_the_table() -> None:
    """The table is complete, and has no unused variable."""
    paths = [path for path in SOURCE.rglob("*.py") if path.stem != "configuration"]
    text = "".join(path.read_text("utf-8") for path in paths)
    read = set(re.findall(r'environ\.get\("(RADAR_NB_\w+)"', text))

    assert read == {one.name for one in VARIABLES if one.name.startswith("RADAR_NB")}
