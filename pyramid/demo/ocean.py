"""The demo's ocean: a synthetic sea surface temperature and a land mask, computed at any position and resolution.

The temperature falls from the equator to the ice, has warm and cold regions where the real ocean has them, is stirred
by eddies and has fine structure along its fronts. It is the same on every run. Coarse fields are computed once; bands
of rows are sampled from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from lazytile.pyramid.demo.land import LAND, WATER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Field = NDArray[Any]

FREEZING = 271.35
COARSE = (720, 1440)
"""Rows and columns of the coarse fields: a quarter of a degree, south to north, from -180 eastwards."""
SEED = 20260101
STIRRING_STEPS = 12
STIRRING = 0.55
"""Degrees that water moves per step and unit of the stream function's slope."""

# Longitude, latitude, half-widths in degrees, tilt in degrees (anticlockwise from east), anomaly in kelvin.
_ANOMALIES = (
    (150, 2, 45, 12, 0, 2.2),  # west Pacific warm pool
    (75, 0, 25, 10, 0, 1.0),
    (-105, -1, 35, 3.5, 0, -4.2),  # equatorial cold tongue
    (-8, -2, 16, 3, 0, -2.0),
    (-79, -15, 5, 16, 20, -5.0),  # Peru
    (-122, 34, 4, 11, 40, -4.5),  # California
    (-17, 23, 3.5, 10, -25, -4.5),  # Canary
    (11, -23, 4.5, 11, 20, -6.0),  # Benguela
    (53, 13, 4, 6, 40, -4.0),  # Somalia
    (-72, 36, 9, 2.2, 28, 5.0),  # Gulf Stream
    (-50, 42, 16, 3, 12, 5.0),
    (-20, 52, 22, 7, 25, 4.0),
    (5, 67, 14, 6, 55, 6.0),  # Norwegian Current
    (-58, 48, 8, 4, 40, -6.0),  # Labrador Current
    (-50, 57, 9, 8, 0, -2.5),
    (138, 34, 8, 2, 15, 3.5),  # Kuroshio
    (155, 37, 14, 2.5, 5, 3.5),
    (150, 45, 11, 4, 30, -4.5),  # Oyashio
    (33, -30, 3, 8, 25, 3.0),  # Agulhas
    (22, -39, 14, 2, 0, 2.5),
    (-46, -29, 3.5, 9, -25, 3.0),  # Brazil
    (-57, -41, 3.5, 8, 15, -5.0),  # Malvinas
    (155, -30, 3.5, 9, -10, 2.5),  # East Australian
    (18, 37, 16, 4, 0, 3.5),  # Mediterranean
    (38, 22, 3, 9, 25, 2.0),  # Red Sea
    (-90, 25, 9, 5, 0, 1.5),  # Gulf of Mexico
)
# Longitude, latitude, half-widths: where eddies are strong.
_EDDY_BELTS = (
    (-60, 39, 20, 6),
    (155, 37, 22, 6),
    (18, -39, 22, 5),
    (-53, -40, 11, 8),
    (155, -34, 9, 8),
    (70, -47, 45, 7),
    (-150, -56, 60, 6),
    (-70, -58, 25, 5),
    (90, -25, 40, 8),
    (-115, 3, 40, 5),
    (-150, 22, 30, 7),
)


def _smooth_step(x: Field) -> Field:
    """Return 0 below 0, 1 above 1, and a smooth rise in between."""
    x = np.clip(x, 0, 1)
    risen: Field = x * x * (3 - 2 * x)
    return risen


@dataclass(frozen=True)
class _Axis:
    """The four lattice values and weights of each sample along one axis (cubic B-spline)."""

    index: NDArray[np.intp]
    """Shape (4, samples)."""
    weight: Field
    """Shape (4, samples)."""

    @classmethod
    def at(cls, position: NDArray[np.float64], size: int, *, circle: bool) -> _Axis:
        """Return the taps for positions in units of the lattice, 0 at the centre of its first value."""
        base = np.floor(position)
        t = position - base
        steps = base.astype(np.intp)[None, :] + np.arange(-1, 3)[:, None]
        index = steps % size if circle else np.clip(steps, 0, size - 1)
        weight = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]) / 6
        return cls(index, weight.astype(np.float32))


@dataclass(frozen=True)
class _Lattice:
    """A coarse global field that is sampled smoothly and wraps in longitude."""

    values: Field
    shape: tuple[int, int]
    """Rows and columns of the globe; fewer values are repeated."""

    def sample(self, lat: NDArray[np.float64], lon: NDArray[np.float64]) -> Field:
        """Return the field at all crossings of the given latitudes and longitudes, shape (lat, lon)."""
        rows, cols = self.shape
        circle = self.values.shape[0] < rows
        down = _Axis.at((lat + 90) / 180 * rows - 0.5, self.values.shape[0], circle=circle)
        along = _Axis.at((lon + 180) / 360 * cols - 0.5, self.values.shape[1], circle=True)
        strip: Field = np.asarray(sum(self.values[down.index[tap]] * down.weight[tap][:, None] for tap in range(4)))
        result: Field = strip[:, along.index[0]] * along.weight[0]
        for tap in range(1, 4):
            result += strip[:, along.index[tap]] * along.weight[tap]
        return result


def _noise(generator: np.random.Generator, cell_degrees: float) -> _Lattice:
    """Return smooth noise of about unit variance with features of about two cells."""
    rows, cols = max(4, round(180 / cell_degrees)), max(8, round(360 / cell_degrees))
    if cols > 4096:
        cols = -(-cols // 2048) * 2048
        values = generator.standard_normal((2048, 2048), dtype=np.float32)
    else:
        values = generator.standard_normal((rows, cols), dtype=np.float32)
    return _Lattice(values * np.float32(2.0), (rows, cols))


@dataclass(frozen=True)
class Ocean:
    """The smooth fields of one day, and the noise that adds detail."""

    temperature: _Lattice
    slope: _Lattice
    """Steepness of the temperature, kelvin a degree."""
    detail: tuple[tuple[float, _Lattice], ...]
    day: int

    def band(self, lat: NDArray[np.float64], lon: NDArray[np.float64]) -> Field:
        """Return temperatures, on land too.

        Args:
            lat: Shape (rows,), float64, degrees.
            lon: Shape (cols,), float64, degrees.

        Returns:
            Shape (rows, cols), float32, kelvin.
        """
        kelvin = self.temperature.sample(lat, lon)
        slope = self.slope.sample(lat, lon)
        for share, octave in self.detail:
            # Fine structure moves faster than coarse.
            kelvin += octave.sample(lat, lon + 0.12 * self.day) * (slope * np.float32(share) + np.float32(share * 0.12))
        np.maximum(kelvin, np.float32(FREEZING), out=kelvin)
        return kelvin


@dataclass(frozen=True)
class Land:
    """The smooth shape of the land, and the noise that shapes its coasts."""

    share: _Lattice
    """Above 0.5 on land."""
    coast: tuple[tuple[float, _Lattice], ...]

    def band(self, lat: NDArray[np.float64], lon: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return the land mask.

        Args:
            lat: Shape (rows,), float64, degrees.
            lon: Shape (cols,), float64, degrees.

        Returns:
            Shape (rows, cols), bool; true on land.
        """
        share = self.share.sample(lat, lon)
        for weight, octave in self.coast:
            share += octave.sample(lat, lon) * np.float32(weight)
        result: NDArray[np.bool_] = share > 0.5
        return result


def _coarse_axes() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the latitudes and longitudes of the coarse fields."""
    rows, cols = COARSE
    return -90 + (np.arange(rows) + 0.5) * 180 / rows, -180 + (np.arange(cols) + 0.5) * 360 / cols


def _land_share() -> Field:
    """Return the land fraction round each coarse cell."""
    rows, cols = COARSE
    image = Image.new("L", (2 * cols, 2 * rows))
    draw = ImageDraw.Draw(image)
    for rings, value in ((LAND, 255), (WATER, 0)):
        for ring in rings:
            draw.polygon([((lon + 180) / 360 * 2 * cols, (lat + 90) / 180 * 2 * rows) for lon, lat in ring], fill=value)
    share = np.asarray(image, dtype=np.float32).reshape(rows, 2, cols, 2).mean(axis=(1, 3)) / 255
    return _blur(_blur(share, 1), 1)


def _blur(field: Field, reach: int) -> Field:
    """Return the running mean over 2 * reach + 1 cells on both axes."""
    padded = np.pad(field, ((reach, reach), (0, 0)), mode="edge")
    down = sum(padded[shift : shift + field.shape[0]] for shift in range(2 * reach + 1))
    both: Field = np.asarray(sum(np.roll(down, shift, axis=1) for shift in range(-reach, reach + 1)))
    result: Field = (both / (2 * reach + 1) ** 2).astype(np.float32)
    return result


def _still_temperature(lat: Field, lon: Field) -> Field:
    """Return the temperature of an unstirred ocean, kelvin."""
    # A flat tropical top, steep mid-latitudes, ice beyond about 65 degrees.
    centred = np.abs(lat - 3)
    kelvin = 271.0 + 29.6 * (1 - _smooth_step((centred - 6) / 66)) ** 0.95
    for lon0, lat0, wide, high, tilt, anomaly in _ANOMALIES:
        east = (lon - lon0 + 180) % 360 - 180
        north = lat - lat0
        turn = np.radians(tilt)
        along = (east * np.cos(turn) + north * np.sin(turn)) / wide
        across = (north * np.cos(turn) - east * np.sin(turn)) / high
        kelvin += anomaly * np.exp(-np.minimum(along**2 + across**2, 40))
    result: Field = kelvin.astype(np.float32)
    return result


def _stirred(
    lat: NDArray[np.float64], lon: NDArray[np.float64], stream: Field, strength: NDArray[np.float64]
) -> tuple[Field, Field]:
    """Return where the water of each coarse cell came from, traced back along the streamlines."""
    rows, cols = COARSE
    stream_lat, stream_lon = np.gradient(stream)
    north = stream_lon * strength
    east = -stream_lat * strength / np.maximum(np.cos(np.radians(lat)), 0.15)
    from_lat, from_lon = lat.copy(), lon.copy()
    for _ in range(STIRRING_STEPS):
        row = np.clip(((from_lat + 90) / 180 * rows).astype(np.intp), 0, rows - 1)
        col = ((from_lon + 180) / 360 * cols).astype(np.intp) % cols
        from_lat -= north[row, col] * STIRRING
        from_lon -= east[row, col] * STIRRING
    return from_lat.astype(np.float32), from_lon.astype(np.float32)


def make_ocean(day: int, finest_degrees: float) -> Ocean:
    """Return one day.

    Args:
        day: Number of the day, from 0.
        finest_degrees: Size of the cells that the detail goes down to.

    Returns:
        The ocean.
    """
    generator = np.random.default_rng(SEED)
    lat, lon = _coarse_axes()
    grid_lat, grid_lon = np.meshgrid(lat, lon, indexing="ij")
    strength = np.full(COARSE, 0.35, np.float32)
    for lon0, lat0, wide, high in _EDDY_BELTS:
        east = (grid_lon - lon0 + 180) % 360 - 180
        strength += np.exp(-((east / wide) ** 2) - ((grid_lat - lat0) / high) ** 2).astype(np.float32)
    stream = np.zeros(COARSE, np.float32)
    for cell, speed in ((6.0, 2.2), (3.0, 1.8), (1.5, 1.0), (0.8, 0.35)):
        stream += _noise(generator, cell).sample(lat, lon + 0.1 * day) * np.float32(speed)
    kelvin = _still_temperature(*_stirred(grid_lat, grid_lon, stream, np.minimum(1.0, 1.3 * strength)))
    kelvin += _noise(generator, 12.0).sample(lat, lon) * np.float32(0.35)
    slope_lat, slope_lon = np.gradient(kelvin)
    slope = _blur(np.hypot(slope_lat, slope_lon).astype(np.float32) * 4, 2)
    octaves = ((0.5, 0.12), (0.25, 0.07), (0.12, 0.04), (0.06, 0.02), (0.025, 0.01))
    detail = tuple((share, _noise(generator, cell)) for cell, share in octaves if cell > finest_degrees)
    return Ocean(_Lattice(kelvin, COARSE), _Lattice(slope, COARSE), detail, day)


def make_land() -> Land:
    """Return the land, the same on every day."""
    generator = np.random.default_rng(SEED + 1)
    octaves = ((1.6, 0.07), (0.6, 0.06), (0.22, 0.045), (0.09, 0.03))
    coast = tuple((weight, _noise(generator, cell)) for cell, weight in octaves)
    return Land(_Lattice(_land_share(), COARSE), coast)
