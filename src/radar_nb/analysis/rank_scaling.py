"""How intensities scale with duration, by the ranks of annual maxima, in many cells at once.

Koutsoyiannis et al. (1998, J. Hydrol. 206, 118-135) choose theta and eta so that the intensities of all
durations D, times (D + theta)**eta, differ least by the statistic of Kruskal and Wallis (1952). It changes in
steps. But the mean ranks that it is made of change nearly as a shift of the logarithms does: so a few steps of
Gauss and Newton come close to the minimum, and some neighbours are compared at the end.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_STEPS = 5
"""Steps of Gauss and Newton; more do not lower the statistic by more than 0.002 on average."""
_SPACINGS = ((1 / 64, 1 / 128), (1 / 128, 1 / 256))
"""Distances of the neighbours that are compared, in the square root of theta (in hours) and in eta."""
_LOGS = 16.0
"""Larger natural logarithms count as this; those of intensities from 1e-6 to 8e6 mm/h are smaller."""


def scaling(logs: Array, hours: Array) -> tuple[Array, Array]:
    """Return theta (0 to 1 h) and eta (0 to 1) with nearly the smallest statistic.

    Parameters
    ----------
    logs : ndarray, shape (..., durations, years)
        Natural logarithms of intensities; NaN where missing.
    hours : ndarray, shape (durations,)

    Returns
    -------
    theta, eta : ndarray, shape (...)
        NaN where a duration has no intensity.
    """
    flat = logs.reshape(-1, *logs.shape[-2:])
    whole = np.isfinite(flat).any(axis=-1).all(axis=-1)
    found = np.full((2, len(flat)), np.nan)
    if whole.any():
        found[:, whole] = _search(flat if whole.all() else flat[whole], hours)
    theta, eta = found.reshape(2, *logs.shape[:-2])
    return theta, eta


def statistic(logs: Array, hours: Array, theta: Array, eta: Array) -> Array:
    """Return the statistic of Kruskal and Wallis of the durations, of shape (cells,), without ties.

    Parameters
    ----------
    logs : ndarray, shape (cells, durations, years)
    hours : ndarray, shape (durations,)
    theta, eta : ndarray, shape (cells,)
    """
    ranks = _Ranks(logs, hours)
    return ranks.statistic(ranks.deviations(theta, eta))


class _Ranks:
    """The ranks of the intensities of cells, of which each duration has at least one.

    Logarithms are integers whose lowest bits hold the number of the duration: sorting them needs no second array.
    """

    def __init__(self, logs: Array, hours: Array) -> None:
        cells, durations, years = logs.shape
        valid = np.isfinite(logs)
        self.count = valid.sum(axis=-1)
        self.total = self.count.sum(axis=-1)
        self._hours = hours
        self._bits = durations.bit_length()  # one number more than durations, for what is missing
        self._scale = 2.0 ** (30 - self._bits) / (2 * _LOGS)
        keys = self._integers(np.where(valid, logs, 0.0))
        keys |= np.arange(durations, dtype=np.int32)[:, None]
        self._keys, self._missing = keys, None if valid.all() else ~valid
        self._rank = np.tile(np.arange(1.0, durations * years + 1), cells)
        self._first = (np.arange(cells) << self._bits)[:, None]

    def _integers(self, logs: Array) -> NDArray[np.int32]:
        scaled: NDArray[np.int32] = np.rint(np.clip(logs, -_LOGS, _LOGS) * self._scale).astype(np.int32)
        shifted: NDArray[np.int32] = np.left_shift(scaled, self._bits)
        return shifted

    def deviations(self, theta: Array, eta: Array) -> Array:
        """Return by how much the mean rank of each duration is above the middle, shape (cells, durations)."""
        keys = self._keys + self._integers(eta[:, None] * np.log(self._hours + theta[:, None]))[..., None]
        if self._missing is not None:
            np.copyto(keys, np.iinfo(np.int32).max, where=self._missing)
        keys = keys.reshape(len(keys), -1)
        keys.sort(axis=-1)
        keys &= (1 << self._bits) - 1
        sums = np.bincount((keys + self._first).ravel(), self._rank, len(keys) << self._bits)
        sums = sums.reshape(len(keys), -1)[:, : self._hours.size]
        found: Array = sums / self.count - (self.total[:, None] + 1) / 2
        return found

    def statistic(self, deviations: Array) -> Array:
        """Return the statistic of mean ranks that are so far from the middle."""
        found: Array = 12 / (self.total * (self.total + 1)) * (self.count * deviations**2).sum(axis=-1)
        return found


def _search(logs: Array, hours: Array) -> Array:
    """Return theta and eta, shape (2, cells)."""
    ranks = _Ranks(logs, hours)
    means, slope = _moments(logs, ranks)
    weights = ranks.count / ranks.total[:, None]
    theta, eta = _start(means, weights, hours)
    best = np.stack([np.full(len(logs), np.inf), theta, eta])
    for _ in range(_STEPS):
        far = ranks.deviations(theta, eta)
        best = _lower(best, ranks.statistic(far), theta, eta)
        theta, eta = _step(far / slope[:, None], weights, hours, theta, eta)
    best[1] = np.sqrt(best[1])  # small offsets differ more
    for spacing in _SPACINGS:
        _, *centre = best
        for aside in product((-1, 0, 1), repeat=2):
            if any(aside):
                root, eta = (
                    np.clip(one + number * far, 0, 1)
                    for one, number, far in zip(centre, aside, spacing, strict=True)
                )
                best = _lower(best, ranks.statistic(ranks.deviations(root**2, eta)), root, eta)
    return np.stack([best[1] ** 2, best[2]])


def _lower(best: Array, found: Array, *at: Array) -> Array:
    """Return, of each cell, the smaller statistic and where it is."""
    return np.where(found < best[0], np.stack([found, *at]), best)


def _moments(logs: Array, ranks: _Ranks) -> tuple[Array, Array]:
    """Return the mean of each duration, and by how much a mean rank rises for a shift of one.

    That is the number of values times their mean density, which is 1 / (2 sqrt(pi) sigma) for normal ones.
    """
    valid = np.isfinite(logs)
    values = np.where(valid, logs, 0.0)
    means = values.sum(axis=-1) / ranks.count
    square = np.where(valid, values - means[..., None], 0.0) ** 2
    sigma = np.sqrt(square.sum(axis=(-1, -2)) / ranks.total)
    return means, ranks.total / (2 * np.sqrt(np.pi) * np.maximum(sigma, 1e-6))


def _start(means: Array, weights: Array, hours: Array) -> tuple[Array, Array]:
    """Return where the means of the logarithms differ least: eta by regression, for some theta."""
    best = np.full((3, len(means)), np.inf)
    level = means - (weights * means).sum(axis=-1, keepdims=True)
    for root in np.linspace(0, 1, 9):
        slopes = np.log(hours + root**2)
        slopes = slopes - (weights * slopes).sum(axis=-1, keepdims=True)
        eta = -(weights * slopes * level).sum(axis=-1) / (weights * slopes**2).sum(axis=-1)
        eta = np.clip(eta, 0, 1)
        rest = (weights * (level + eta[:, None] * slopes) ** 2).sum(axis=-1)
        best = _lower(best, rest, np.full_like(eta, root**2), eta)
    return best[1], best[2]


def _step(far: Array, weights: Array, hours: Array, theta: Array, eta: Array) -> tuple[Array, Array]:
    """Return theta and eta after a step of Gauss and Newton; both stay within their bounds.

    `far` are the shifts by which the durations are away from each other, shape (cells, durations).
    """
    beside = hours + theta[:, None]
    slopes = np.stack([eta[:, None] / beside, np.log(beside)])
    slopes -= (weights * slopes).sum(axis=-1, keepdims=True)
    by_theta, by_eta = (weights * slopes * far).sum(axis=-1)
    theta_theta, eta_eta = (weights * slopes**2).sum(axis=-1) * (1 + 1e-6) + 1e-12
    both = (weights * slopes[0] * slopes[1]).sum(axis=-1)
    rise = (both * by_eta - eta_eta * by_theta) / (theta_theta * eta_eta - both**2)
    moved = np.clip(theta + rise, 0, 1)
    return moved, np.clip(eta - (by_eta + both * (moved - theta)) / eta_eta, 0, 1)
