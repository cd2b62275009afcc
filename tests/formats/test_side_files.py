"""Side files of the data: damaged or forged ones count as absent or are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import settings as law
from hypothesis import strategies as st
from support.side_files import LAWS, forged

if TYPE_CHECKING:
    from support.damage import Law

EACH = 60


@pytest.mark.parametrize("name", LAWS)
def test_forged_files_are_refused_or_absent(name: str) -> None:
    """Replaced values anywhere in the JSON, under a correct checksum, never raise a foreign error."""
    seeds = LAWS[name].seeds()

    for number in range(EACH):
        head, mark, rest = seeds[number % len(seeds)].partition(b"\0\n")
        LAWS[name].holds(forged(head, number) + mark + rest)


@pytest.mark.parametrize("name", LAWS)
@law(derandomize=True, deadline=None, max_examples=EACH)
@given(st.data())
def test_damaged_files_are_refused_or_absent(name: str, data: st.DataObject) -> None:
    """Bytes removed, inserted or flipped anywhere never raise a foreign error."""
    LAWS[name].holds(damaged(LAWS[name], data))


def damaged(one: Law, data: st.DataObject) -> bytes:
    """Return a seed with a piece replaced by other bytes."""
    seed = data.draw(st.sampled_from(one.seeds()))
    first, second = sorted(data.draw(st.tuples(*[st.integers(0, len(seed))] * 2)))
    return seed[:first] + data.draw(st.binary(max_size=20)) + seed[second:]
