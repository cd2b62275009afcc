"""Synthetic weather over Germany, and the coverage of DWD's radars.

The rain is a function of seed, place and time without time stepping, so any frame can be made alone and
consecutive frames are consistent, across midnight and months. Random textures of five scales, from weather systems
to single cells, travel with a slowly turning wind; each texture fades from one random key frame to the next within
its own lifetime. It rains where their sum exceeds a threshold: gently where the large scales dominate, hard where
the small ones do.

It resembles weather in amount, extent and texture, but is not a physical model.
"""

from __future__ import annotations

from functools import lru_cache
from math import cos, pi, sqrt
from typing import TYPE_CHECKING

import numpy as np

from radar_nb.dwd.grids import AXES, to_lonlat, to_xy
from radar_nb.dwd.radar_sites import SITES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from radar_nb.dwd.grids import Grid

    Field = NDArray[np.float32]

_EARTH = AXES["sphere"][0] / 1000  # km
_CELL = 2000.0  # metres: the textures are made on every second cell, and interpolated
_PERIOD = 768  # cells: the textures repeat after 1536 km, which is wider than every grid
_EPOCH = np.datetime64("2000-01-01T00:00:00", "s")
_HOUR = 3600.0
_EAST, _NORTH, _SWAY = 6.5, 2.0, 4.5  # m/s: the wind's mean, and how much it varies over days
_MARGIN = 2  # cells: more than the wind travels in 2.5 minutes
_SEED = 19  # so that seed 0 has thunderstorms over Germany on 2020-06-13, as observed


class _Index:
    """A random, smooth function of time with mean 0 and variance 1: sines, so that its integral is known."""

    def __init__(self, rng: np.random.Generator, shortest: float, longest: float) -> None:
        """Draw the sines; periods from `shortest` to `longest` hours."""
        self._frequency = 2 * np.pi / (rng.uniform(shortest, longest, 8) * _HOUR)
        self._phase = rng.uniform(0, 2 * np.pi, 8)

    def at(self, seconds: float) -> float:
        return float(np.sin(self._frequency * seconds + self._phase).sum() / 2)

    def integral(self, seconds: float) -> float:
        return float(-(np.cos(self._frequency * seconds + self._phase) / self._frequency).sum() / 2)


class _Texture:
    """A periodic random field with mean 0 and variance 1 that changes within its lifetime.

    One field is made by filtering noise; the key frames are this field, shifted and mirrored at random. Between
    two key frames they are blended so that the variance stays 1.
    """

    def __init__(
        self,
        seed: Sequence[int],
        *,
        smallest: float,
        largest: float,
        lifetime: float,
        stretch: float = 1.0,
    ) -> None:
        """Make the field; wavelengths in km, lifetime in hours, `stretch` elongates its shapes to bands."""
        self._seed = tuple(seed)
        self._lifetime = lifetime * _HOUR
        east = np.fft.rfftfreq(_PERIOD, _CELL / 1000)[None, :]
        north = np.fft.fftfreq(_PERIOD, _CELL / 1000)[:, None]
        angle = np.radians(62)  # bands lie across the westerly wind, as fronts do
        along = east * np.cos(angle) + north * np.sin(angle)
        across = north * np.cos(angle) - east * np.sin(angle)
        wavelength = 1 / np.maximum(np.hypot(along * stretch, across / stretch), 1e-6)
        outside = np.log(np.maximum(smallest / wavelength, 1)) + np.log(np.maximum(wavelength / largest, 1))
        amplitude = wavelength * np.exp(-8 * outside**2)  # slope of the spectrum of rain: power -2 to -3
        noise = np.fft.rfft2(np.random.default_rng(self._seed).standard_normal((_PERIOD, _PERIOD)))
        field = np.fft.irfft2(noise * amplitude, s=(_PERIOD, _PERIOD))
        field = (field - field.mean()) / field.std()
        self._field = np.pad(field.astype(np.float32), (0, _PERIOD), mode="wrap")

    def at(self, seconds: float, row: int, col: int, shape: tuple[int, int]) -> Field:
        """Return a window at a moment."""
        key = int(seconds // self._lifetime)
        part = seconds / self._lifetime - key
        part *= part * (3 - 2 * part)
        field = self._key_frame(key, row, col, shape) * sqrt(1 - part)
        field += self._key_frame(key + 1, row, col, shape) * sqrt(part)
        return field

    def _key_frame(self, key: int, row: int, col: int, shape: tuple[int, int]) -> Field:
        shift_row, shift_col, flips = _draw(self._seed, key)
        rows, down = _window(row, shape[0], shift_row, flip=bool(flips & 1))
        cols, left = _window(col, shape[1], shift_col, flip=bool(flips & 2))
        return self._field[rows, cols][down, left]


@lru_cache(maxsize=64)
def _draw(seed: tuple[int, ...], key: int) -> tuple[int, int, int]:
    row, col, flips = np.random.default_rng((*seed, key % (1 << 32))).integers(0, (_PERIOD, _PERIOD, 4))
    return int(row), int(col), int(flips)


def _window(start: int, count: int, shift: int, *, flip: bool) -> tuple[slice, slice]:
    """Return the slices for `count` cells of the periodic field, and for the reading direction."""
    begin = (shift - start - count if flip else shift + start) % _PERIOD
    return slice(begin, begin + count), slice(None, None, -1 if flip else 1)


class Weather:
    """The weather of a seed, at any time and place.

    Parameters
    ----------
    seed : int
        Different seeds have different storms on different days.

    Examples
    --------
    >>> from radar_nb.dwd.grids import GRIDS
    >>> Weather(1).rate(np.datetime64("2020-06-13T15:00"), GRIDS["de1100"]).shape
    (1100, 900)
    """

    def __init__(self, seed: int = 0) -> None:
        """Make the textures: half a second of work."""
        root = (seed + _SEED) % (1 << 63)
        rng = np.random.default_rng((root, 0))
        self._east, self._north = _Index(rng, 40, 300), _Index(rng, 40, 300)
        self._wet, self._stormy = _Index(rng, 50, 400), _Index(rng, 30, 300)
        self._systems = _Texture((root, 1), smallest=450, largest=1300, lifetime=16)
        self._fronts = _Texture((root, 2), smallest=350, largest=900, lifetime=10, stretch=1.4)
        self._bands = _Texture((root, 3), smallest=70, largest=260, lifetime=6, stretch=1.7)
        self._clusters = _Texture((root, 4), smallest=24, largest=90, lifetime=1.5)
        self._cells = _Texture((root, 5), smallest=12, largest=32, lifetime=0.6)

    def rate(self, time: np.datetime64, grid: Grid) -> Field:
        """Return the mean rain rate of the five minutes that end at a time, without gaps in radar coverage.

        Parameters
        ----------
        time : numpy.datetime64
            UTC.
        grid : Grid
            With cells of 1 km.

        Returns
        -------
        ndarray of float32, shape (rows, cols)
            mm/h, first row in the south, no missing values.
        """
        seconds = float((time - _EPOCH) / np.timedelta64(1, "s"))
        east = _EAST * seconds + _SWAY * self._east.integral(seconds)  # distance in metres since 2000
        north = _NORTH * seconds + _SWAY * self._north.integral(seconds)
        row, col = (grid.y0 - north) / _CELL, (grid.x0 - east) / _CELL
        shape = (grid.rows // 2 + 2 + 2 * _MARGIN, grid.cols // 2 + 2 + 2 * _MARGIN)

        def window(texture: _Texture, speed: float = 1.0) -> Field:
            """Cut a texture; large shapes travel slower than the wind."""
            at_row, at_col = (grid.y0 - speed * north) / _CELL, (grid.x0 - speed * east) / _CELL
            return texture.at(seconds, int(at_row // 1) - _MARGIN, int(at_col // 1) - _MARGIN, shape)

        coarse = self._rain(
            seconds,
            systems=window(self._systems, 0.75),
            fronts=window(self._fronts, 0.9),
            bands=window(self._bands, 0.95),
            clusters=window(self._clusters),
            cells=window(self._cells),
        )
        # average over the motion of 2.5 minutes; otherwise sums over time would show the frames' steps
        ago_row = round((_NORTH + _SWAY * self._north.at(seconds)) * 150 / _CELL)
        ago_col = round((_EAST + _SWAY * self._east.at(seconds)) * 150 / _CELL)
        mean = np.float32(0.5) * (_inner(coarse, 0, 0) + _inner(coarse, ago_row, ago_col))
        return _interpolate_cols(_interpolate_rows(mean, row % 1, grid.rows), col % 1, grid.cols)

    def _rain(
        self, seconds: float, *, systems: Field, fronts: Field, bands: Field, clusters: Field, cells: Field
    ) -> Field:
        """Combine the textures to mm/h. The constants were tuned by eye and to monthly sums of Germany."""
        summer = -cos(2 * pi * (seconds / 86400 - 15) / 365.2425)  # 1 in July, -1 in January
        afternoon = cos(2 * pi * (seconds / _HOUR - 15.5) / 24)
        wet, stormy = self._wet.at(seconds), self._stormy.at(seconds)

        gate = np.clip(0.8 * systems + 0.3 * bands + (0.6 * stormy - 0.6 + 0.3 * summer), 0, 1)
        behind = np.clip(fronts * 5, 0, 1)
        line = np.square(1 - np.minimum(np.abs(fronts) * 5, 1)) * gate
        trail = behind * np.square(1 - np.minimum(np.abs(fronts) * 1.2, 1)) * gate

        steady = 0.9 * systems + 0.5 * bands + 0.33 * clusters + 0.13 * cells + 0.7 * trail
        steady += 0.75 * wet - 1.3 - 0.15 * summer
        showers = 0.6 * systems + 0.4 * bands + 0.55 * clusters + 0.5 * cells + 1.1 * line
        showers += 0.4 * stormy + 0.45 * summer + 0.3 * max(summer, 0.0) * afternoon - 2.9

        wetted = np.flatnonzero((steady > 0) | (showers > 0))  # a sixth of the cells, and the rest is dry
        steady, showers = (np.maximum(part.ravel()[wetted], 0) for part in (steady, showers))
        bands, clusters, cells = (part.ravel()[wetted] for part in (bands, clusters, cells))
        rain = steady * np.sqrt(steady) * 0.36
        rain *= np.exp(0.35 * clusters + 0.28 * cells + 0.2 * bands)
        rain += showers * (3 + showers * (7 + 9 * showers))
        field = np.zeros(systems.shape, np.float32)
        field.ravel()[wetted] = rain / (1 + rain / 180)
        return field


def _inner(field: Field, row: int, col: int) -> Field:
    """Remove the margin, after a shift by a few cells."""
    rows, cols = field.shape
    return field[_MARGIN + row : rows - _MARGIN + row, _MARGIN + col : cols - _MARGIN + col]


def _interpolate_rows(field: Field, offset: float, count: int) -> Field:
    """Interpolate rows linearly to half their distance, starting `offset` rows (0 to 1) after the first."""
    fine = np.empty((count, field.shape[1]), np.float32)
    for odd in (0, 1):
        part = fine[odd::2]
        first, weight = divmod(offset + odd / 2, 1)
        below, above = (field[start : start + len(part)] for start in (int(first), int(first) + 1))
        np.multiply(below, 1 - weight, out=part)
        part += above * weight
    return fine


def _interpolate_cols(field: Field, offset: float, count: int) -> Field:
    """Do the same with columns."""
    fine = np.empty((len(field), count), np.float32)
    for odd in (0, 1):
        part = fine[:, odd::2]
        first, weight = divmod(offset + odd / 2, 1)
        below, above = (field[:, start : start + part.shape[1]] for start in (int(first), int(first) + 1))
        mean = below * (1 - weight)
        mean += above * weight
        part[:] = mean
    return fine


@lru_cache(maxsize=4)
def radar_distance(grid: Grid) -> Field:
    """Return the distance from every cell to the nearest radar.

    Parameters
    ----------
    grid : Grid

    Returns
    -------
    ndarray of float32, shape (rows, cols)
        km along the great circle, first row in the south. Shared between callers: read-only.
    """
    lon, lat = to_lonlat(*np.meshgrid(grid.x, grid.y), grid.earth)
    cells = _unit_vectors(lon, lat)
    nearest = np.full(grid.shape, -1.0)
    for site in _unit_vectors(*np.transpose(list(SITES.values()))).T:
        np.maximum(nearest, np.tensordot(site, cells, axes=1), out=nearest)
    return np.asarray(_EARTH * np.arccos(np.minimum(nearest, 1)), np.float32)


def _unit_vectors(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.float64]:
    lon, lat = np.radians(lon), np.radians(lat)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


@lru_cache(maxsize=4)
def clutter_cells(grid: Grid, seed: int) -> NDArray[np.bool_]:
    """Return the cells where hills and towers disturb the radars: the same at all times.

    There are some 4,000 of them, in clumps; RADKLIM YW flags 4,000 to 4,600 cells.

    Parameters
    ----------
    grid : Grid
    seed : int

    Returns
    -------
    ndarray of bool, shape (rows, cols)
        Shared between callers: read-only.
    """
    rng = np.random.default_rng((seed % (1 << 63), 99))
    lon, lat = np.transpose(list(SITES.values()))
    x, y = to_xy(lon, lat, grid.earth)
    radius, angle = rng.uniform(2_000, 120_000, (17, 24)), rng.uniform(0, 2 * np.pi, (17, 24))
    clumps = np.stack([y[:, None] + radius * np.sin(angle), x[:, None] + radius * np.cos(angle)])
    points = clumps[..., None] + rng.normal(0, 1500, (2, 17, 24, 11))
    row, col = np.rint((points - np.reshape([grid.y0, grid.x0], (2, 1, 1, 1))) / grid.cell).astype(int)
    inside = (row >= 0) & (row < grid.rows) & (col >= 0) & (col < grid.cols)
    mask = np.zeros(grid.shape, bool)
    mask[row[inside], col[inside]] = True
    return mask
