"""Quantiles and histograms: for any codes they are NumPy's of the values, however little memory there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from radar_nb.analysis.order_statistics import Asked, Counter, OtherCodes
from radar_nb.formats.packing import Packing, radolan_packing
from radar_nb.formats.radolan import CLUTTER, NO_DATA, NO_DATA_CODE, VALUE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CELLS = 5
PACKINGS = (
    radolan_packing(2, scale=0.01),
    radolan_packing(2, scale=0.1, clutter="mask"),
    radolan_packing(1, scale=0.5, offset=-32.5),
    Packing(scale=0.001, offset=-0.001, itemsize=2, marks=(65535,), undetect=0),
    Packing(scale=0.001, itemsize=4, marks=(2**32 - 2,), undetect=2**32 - 1),
)


def found(
    frames: Sequence[tuple[NDArray[Any], Packing]], asked: Asked, *, floats: bool = False, room: int = 1 << 20
) -> tuple[Counter, int]:
    """Count frames of codes or values, in as many passes as they need; return how many as well."""
    values = np.stack([value_of(data, packing) for data, packing in frames])
    counter = Counter(CELLS, len(frames), asked, floats=floats, room=room)
    passes = 0
    again = True
    while again:
        for data, packing in frames:
            counter.add(data, packing)
        passes += 1
        again = counter.turn((~np.isnan(values)).sum(axis=0).astype(np.int32))
    return counter, passes


def value_of(data: NDArray[Any], packing: Packing) -> NDArray[np.float32]:
    """Return the values of codes, or values unchanged."""
    return data if data.dtype.kind == "f" else packing.values(data)


def by_numpy(values: NDArray[np.float32], shares: Sequence[float]) -> NDArray[np.float64]:
    """Return the quantiles of each cell's values, NaN without any."""
    out = np.full((len(shares), values.shape[1]), np.nan)
    some = ~np.isnan(values).all(axis=0)
    if some.any():
        out[:, some] = np.nanquantile(values[:, some].astype(np.float64), shares, axis=0)
    return out


@st.composite
def series(draw: st.DrawFn) -> list[tuple[NDArray[Any], Packing]]:
    """Return frames of one packing, most of whose cells rest or are missing."""
    packing = draw(st.sampled_from(PACKINGS))
    marked = [packing.undetect] if packing.undetect is not None else [0]
    marked += [NO_DATA_CODE, NO_DATA | 7, CLUTTER | 3, 1] if packing.flagged else list(packing.marks)
    most = VALUE if packing.flagged else 2 ** (8 * packing.itemsize) - 300 * (packing.itemsize > 1) - 1
    codes = draw(
        hnp.arrays(
            packing.dtype,
            (draw(st.integers(1, 14)), CELLS),
            elements=st.sampled_from(marked) | st.integers(0, 12) | st.integers(0, most),
        )
    )
    return [(frame, packing) for frame in codes]


SHARES = st.lists(st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 0.9, 0.99, 1.0]), min_size=1, max_size=3).map(tuple)


@settings(max_examples=30)
@given(frames=series(), shares=SHARES, room=st.sampled_from([1, 500, 1 << 20]), floats=st.booleans())
def test_quantiles_equal_numpys(
    frames: list[tuple[NDArray[Any], Packing]], shares: tuple[float, ...], room: int, floats: bool
) -> None:
    """Of codes and of values, in one pass or in many, the quantiles are NumPy's, and NaN without a value."""
    values = np.stack([packing.values(data) for data, packing in frames])

    counter, passes = found(frames, Asked(shares=shares), floats=floats, room=room)

    np.testing.assert_allclose(counter.quantiles, by_numpy(values, shares), rtol=3e-7, atol=1e-7)
    assert passes == 1 or room < 1 << 20 or max(packing.itemsize for _, packing in frames) > 2 or floats


@settings(max_examples=40)
@given(
    frames=series(),
    floats=st.booleans(),
    edges=st.sampled_from([(0.0, 0.01, 0.29, 5.0), (-32.5, 0.1), (1.0, 1e6)]),
)
def test_histograms_equal_numpys(
    frames: list[tuple[NDArray[Any], Packing]], floats: bool, edges: tuple[float, ...]
) -> None:
    """Each value is in NumPy's bin; edges are decimal numbers, and the last bin holds its upper edge."""
    # six digits, since a code stands for a decimal number
    values = np.stack([packing.values(data) for data, packing in frames]).astype(np.float64).round(5)

    counter, _ = found(frames, Asked(edges=edges), floats=floats)

    expected = [np.histogram(cell[~np.isnan(cell)], edges)[0] for cell in values.T]
    np.testing.assert_array_equal(counter.counts, np.array(expected).T)


def test_frames_of_two_scales_have_no_common_codes() -> None:
    """Codes of another scale are refused; compared as values they have NumPy's quantiles."""
    one, other = (Packing(scale=scale, itemsize=2, marks=(65535,)) for scale in (0.01, 0.013))
    codes = np.arange(40, dtype=np.uint16).reshape(8, CELLS)
    frames = [(frame, (one, other)[number % 2]) for number, frame in enumerate(codes)]
    values = np.stack([packing.values(data) for data, packing in frames])

    with pytest.raises(OtherCodes):
        found(frames, Asked(shares=(0.5,)))
    counter, _ = found(frames, Asked(shares=(0.5,)), floats=True)

    np.testing.assert_allclose(counter.quantiles, by_numpy(values, [0.5]), rtol=1e-6)
