"""Maximum likelihood of extreme value distributions in many cells at once, by Newton's method.

A cell has annual maxima of one duration, or of several that share a distribution: sigma(D) = sigma0 (D +
theta)**-eta, mu(D) = m sigma(D) and one shape k (Koutsoyiannis et al. 1998; Fauer et al. 2021, Hydrol. Earth Syst.
Sci. 25, 6479-6494). All sums over years are taken once a duration; what remains are small numbers a cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_STEPS = 100
"""Maximum number of steps; a cell that needs more has no fit. Most need fewer than ten."""
_ACCURATE = 1e-6
"""The likelihood's expected gain, from which on a step is the last."""
_VALUES = 1 << 14
"""Values that are added up at once: what they need fits into a processor's cache."""
_SUMS = 10
"""Number of sums over years that a likelihood, its slope and its curvature need."""
_FLAT = 1e-5
"""Shapes nearer to zero than this are computed as this: the formulas divide by the square of the shape."""
_BOUNDS = {"k": (-3.0, 0.99), "eta": (0.0, 2.0), "theta": (0.0, 24.0)}
"""A likelihood has no maximum for k of 1 and more. theta is in hours."""


def fit(samples: Array, start: Array, hours: Array | None = None) -> Array:
    """Return the parameters of the largest likelihood.

    Parameters
    ----------
    samples : ndarray, shape (years, durations, cells)
        Maxima; for several durations intensities in mm/h. NaN where missing.
    start : ndarray, shape (parameters, cells)
        Where to begin: m = mu / sigma0, log(sigma0), shape k (Hosking's sign), and for durations eta and theta.
        NaN where no fit is wanted.
    hours : ndarray, shape (durations,), optional
        The durations, if they scale the distribution.

    Returns
    -------
    ndarray, shape (parameters, cells)
        NaN where there is no maximum within the bounds of k.
    """
    found = np.full(start.shape, np.nan)
    valid = np.isfinite(samples)
    whole = bool(valid.all())
    left = np.flatnonzero(np.isfinite(start).all(axis=0))
    at = start[:, left].copy()
    samples, valid = samples[..., left], valid[..., left]
    np.copyto(samples, 0, where=~valid)
    likelihood = _Likelihood(samples, None if whole else valid, hours)
    value, slope, curve = likelihood.at(at)
    damping = np.full(left.size, 1e-3)
    low, high = _limits(len(at))
    for _ in range(_STEPS):
        held = ((at <= low) & (slope > 0)) | ((at >= high) & (slope < 0))
        step, gain = _newton(slope, curve, damping, held)
        tried = np.clip(at + step, low, high)
        new, new_slope, new_curve = likelihood.at(tried)
        better = new <= value
        done = (better & (gain < _ACCURATE)) | (damping > 1e12)
        at = np.where(better, tried, at)
        value = np.where(better, new, value)
        slope, curve = np.where(better, new_slope, slope), np.where(better, new_curve, curve)
        damping = np.where(better, damping / 10, damping * 10)
        if done.any():
            inside = done & (at[2] > low[2]) & (at[2] < high[2]) & (damping <= 1e12)
            found[:, left[inside]] = at[:, inside]
            rest = ~done
            left, at, value, damping = left[rest], at[:, rest], value[rest], damping[rest]
            slope, curve = slope[:, rest], curve[:, :, rest]
            likelihood = likelihood.of(rest)
        if not left.size:
            break
    return found


def _limits(count: int) -> tuple[Array, Array]:
    """Return the bounds of the parameters, shape (parameters, 1)."""
    bounds = [(-np.inf, np.inf), (-np.inf, np.inf), *_BOUNDS.values()][:count]
    low, high = np.array(bounds).T[..., None]
    return low, high


def _newton(slope: Array, curve: Array, damping: Array, held: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Return damped steps (Marquardt 1963) that leave some parameters, and the gains that they promise."""
    count = len(slope)
    right = np.where(held, 0.0, -slope)
    matrix = np.where(held[:, None] | held[None], 0.0, curve)
    for number in range(count):
        scale = np.maximum(np.abs(curve[number, number]), 1e-6)
        matrix[number, number] = np.where(held[number], 1.0, matrix[number, number] + damping * scale)
    step = right.copy()
    with np.errstate(all="ignore"):  # a matrix that cannot be solved leads to a step that is not taken
        for pivot in range(count):
            for row in range(pivot + 1, count):
                share = matrix[row, pivot] / matrix[pivot, pivot]
                matrix[row, pivot:] -= share * matrix[pivot, pivot:]
                step[row] -= share * step[pivot]
        for pivot in reversed(range(count)):
            for column in range(pivot + 1, count):
                step[pivot] -= matrix[pivot, column] * step[column]
            step[pivot] /= matrix[pivot, pivot]
    step = np.where(np.isfinite(step), step, 0.0)
    gain: Array = np.abs((step * right).sum(axis=0))
    return step, gain


class _Likelihood:
    """The negative logarithm of the likelihood, its slope and its curvature, in all cells.

    With w = x / sigma, z = w - m, t = 1 - k z and u = -log(t) / k, an amount x contributes
    log(sigma) + (1 - k) u + exp(-u): Hosking and Wallis 1997, Regional Frequency Analysis, A.6.
    """

    def __init__(self, samples: Array, valid: NDArray[np.bool_] | None, hours: Array | None) -> None:
        self._samples, self._valid, self._hours = samples, valid, hours
        self._count: Any = float(len(samples)) if valid is None else valid.sum(axis=0).astype(float)

    def of(self, some: NDArray[np.bool_]) -> _Likelihood:
        """Return that of some of the cells."""
        valid = None if self._valid is None else self._valid[..., some]
        return _Likelihood(self._samples[..., some], valid, self._hours)

    def at(self, parameters: Array) -> tuple[Array, Array, Array]:
        """Return values (cells,), slopes (parameters, cells) and curvatures (parameters, parameters, cells)."""
        m, s, k = parameters[:3]
        if self._hours is None:
            logs = q = np.zeros((1, 1))
            beside = np.ones((1, 1))
            eta: Any = 0.0
            log_scale = s[None]
        else:
            eta, theta = parameters[3:]
            beside = self._hours[:, None] + theta
            logs, q = np.log(beside), eta / beside
            log_scale = s - eta * logs
        f_z, f_zw, f_zz, f_zzw, f_zzww, f_zk, f_zkw, *of_k, values = self._sums(m, k, log_scale)
        f_k, f_kk = (one.sum(axis=0) for one in of_k)
        value = (values + self._count * log_scale).sum(axis=0)
        value[~np.isfinite(value)] = np.inf
        one = np.ones_like(logs)
        # the slope of z: -1 for m, and w times one of these for the others, which is that of log(sigma), negative
        along = [-one] if self._hours is None else [-one, logs, q]
        count = np.broadcast_to(self._count, f_z.shape)
        size = len(parameters)
        slope = np.empty((size, m.size))
        curve = np.empty((size, size, m.size))
        places = [1, 3, 4][: len(along)]
        slope[0], slope[2] = -f_z.sum(axis=0), f_k
        curve[0, 0], curve[0, 2], curve[2, 2] = f_zz.sum(axis=0), -f_zk.sum(axis=0), f_kk
        for number, (place, factor) in enumerate(zip(places, along, strict=True)):
            slope[place] = (f_zw * factor - count * factor).sum(axis=0)
            curve[0, place] = -(f_zzw * factor).sum(axis=0)
            curve[2, place] = (f_zkw * factor).sum(axis=0)
            for other in range(number, len(along)):
                second = f_zzww * factor * along[other] + f_zw * factor * along[other]
                if other == 2:  # theta: its factor depends on eta and on theta itself
                    change = {1: 1 / beside, 2: -eta / beside**2}.get(number)
                    if change is not None:
                        second = second + (f_zw - count) * change
                curve[place, places[other]] = second.sum(axis=0)
        for row in range(size):
            for column in range(row):
                low, high = curve[row, column], curve[column, row]
                upper = (row, column) == (2, 1)
                curve[row, column] = curve[column, row] = low if upper else high
        return value, slope, curve

    def _sums(self, m: Array, k: Array, log_scale: Array) -> Array:
        """Return sums over years of derivatives by z and k, and of values, shape (sums, durations, cells)."""
        years, durations, cells = self._samples.shape
        found = np.empty((_SUMS, durations, cells))
        step = max(1, _VALUES // (years * durations))
        for start in range(0, cells, step):
            some = slice(start, start + step)
            found[..., some] = self._part(some, m[some], k[some], log_scale[:, some])
        return found

    def _part(self, some: slice, m: Array, k: Array, log_scale: Array) -> Array:
        """Return the sums of f_z, f_zw, f_zz, f_zzw, f_zzww, f_zk, f_zkw, f_k, f_kk and the values of some cells.

        The value is NaN where an amount is beyond a limit of the distribution.
        """
        k = np.where(np.abs(k) < _FLAT, np.where(k < 0, -_FLAT, _FLAT), k)
        with np.errstate(all="ignore"):
            w = self._samples[..., some] * np.exp(-log_scale)
            z = w - m
            inverse = 1 / (1 - k * z)
            u = np.log(inverse)  # of -log(t): NaN where t is negative
            u /= k
            e = np.exp(-u)
            u_k = (z * inverse - u) / k
            g = 1 - k - e
            f_z = g * inverse
            f_zz = (e + g * k) * inverse * inverse
            f_zzw = f_zz * w
            f_zk = ((e * u_k - 1) + f_z * z) * inverse
            f_kk = (e * u_k - 2) * u_k + g * ((z * inverse) ** 2 - 2 * u_k) / k
            terms = (f_z, f_z * w, f_zz, f_zzw, f_zzw * w, f_zk, f_zk * w, g * u_k - u, f_kk, (1 - k) * u + e)
        if self._valid is not None:
            missing = ~self._valid[..., some]
            for term in terms:
                term[missing] = 0
        return np.stack([term.sum(axis=0) for term in terms])
