"""Stored speeds: measurements are stored by server; unreadable ones are ignored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from radar_nb.fetch.throttling import known_speed, remember_speed
from radar_nb.runtime.settings import cache_folder

if TYPE_CHECKING:
    from pathlib import Path


def test_the_last_speed_counts() -> None:
    """Each server has its own speed, and a later one replaces an earlier."""
    remember_speed("opendata.dwd.de", 10_000_000, 2.0)
    remember_speed("127.0.0.1:8930", 90_000_000, 1.0)
    remember_speed("opendata.dwd.de", 10_000_000, 4.0)

    assert known_speed("opendata.dwd.de") == 2_500_000
    assert known_speed("OpenData.DWD.de") == 2_500_000
    assert known_speed("127.0.0.1:8930") == 90_000_000
    assert known_speed("elsewhere.example") is None


@pytest.mark.parametrize(
    ("count", "seconds"), [(3_999_999, 0.5), (0, 1.0), (10**9, 0.0), (10**9, -1.0), (10**9, float("nan")),
                           (10**9, float("inf"))]
)  # fmt: skip
def test_small_transfers_are_ignored(count: int, seconds: float) -> None:
    """A few bytes, or a clock that did not advance, are not a measurement."""
    remember_speed("opendata.dwd.de", count, seconds)

    assert known_speed("opendata.dwd.de") is None
    assert not cache_folder().exists()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1]", "7", "null", '{"opendata.dwd.de": "fast"}', '{"opendata.dwd.de": null}',
     '{"opendata.dwd.de": -1}', '{"opendata.dwd.de": NaN}', '{"opendata.dwd.de": Infinity}', "[" * 100_000],
    ids=lambda text: text[:30],
)  # fmt: skip
def test_an_unreadable_file_is_ignored(text: str) -> None:
    """An unreadable file yields no estimate, and the next measurement replaces it."""
    cache_folder().mkdir(parents=True)
    (cache_folder() / "speeds.json").write_text(text, encoding="utf-8")

    before = known_speed("opendata.dwd.de")
    remember_speed("opendata.dwd.de", 10_000_000, 2.0)

    assert before is None
    assert known_speed("opendata.dwd.de") == 5_000_000


def test_an_unwritable_cache_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """If the cache cannot be written, nothing is raised and no speed is known."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("RADAR_NB_CACHE", str(tmp_path / "file" / "below"))

    remember_speed("opendata.dwd.de", 10_000_000, 2.0)

    assert known_speed("opendata.dwd.de") is None


def test_no_password_is_stored() -> None:
    """A user's name and password in an address are not written to the disk."""
    remember_speed("me:secret@opendata.dwd.de", 10_000_000, 2.0)

    assert "secret" not in (cache_folder() / "speeds.json").read_text(encoding="utf-8")
    assert known_speed("opendata.dwd.de") == 5_000_000


def test_old_servers_are_forgotten() -> None:
    """The file stays small: only the servers of the last downloads are kept."""
    for port in range(40):
        remember_speed(f"127.0.0.1:{port}", 10_000_000, 2.0)

    assert known_speed("127.0.0.1:39") == 5_000_000
    assert known_speed("127.0.0.1:0") is None
