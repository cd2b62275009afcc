"""Requests: how long to wait between them, and with how many connections."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from radar_nb.fetch.http import Patience, connected

if TYPE_CHECKING:
    import pytest


@given(failures=st.integers(1, 50), demanded=st.none() | st.floats(0, 1000))
def test_the_wait_lies_between_the_demand_and_the_ceiling(failures: int, demanded: float | None) -> None:
    """A wait is at least the server's demand, and without a demand at most the growing ceiling."""
    patience = Patience(first_wait=0.5, longest_wait=8.0)

    wait = patience.wait(failures, demanded)

    assert wait >= (demanded or 0)
    assert wait <= max(demanded or 0, min(8.0, 0.5 * 2 ** (failures - 1)))


def test_a_session_takes_its_limit_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings determine the number of connections unless the caller does."""
    monkeypatch.setenv("RADAR_NB_CONCURRENCY", "3")

    async def limit() -> int:
        async with connected() as connection:
            return connection.limit

    assert asyncio.run(limit()) == 3
