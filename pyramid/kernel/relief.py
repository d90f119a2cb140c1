"""Reliefs: shading values as heights, in NumPy or CuPy.

Sums, products, quotients and a root only, which every machine rounds alike; sines of angles differ from one to another.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.core.array_backend import array_module

if TYPE_CHECKING:
    from numpy.typing import NDArray

_AZIMUTH = math.radians(90.0 - 315.0)
_ALTITUDE = math.radians(45.0)
SUN = (math.sin(_ALTITUDE), math.cos(_ALTITUDE), math.sin(_AZIMUTH), math.cos(_AZIMUTH))
"""A sun in the north-west, 45 degrees high: sine and cosine of its altitude, and of its direction from the east."""


def gradient(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the change per pixel (3 x 3 Sobel, divided by 8).

    Args:
        values: Shape (height + 2, width + 2), float64.

    Returns:
        The change to the right and down, shape (height, width) each; NaN next to no data.
    """
    height, width = values.shape[0] - 2, values.shape[1] - 2

    def shifted(down: int, right: int) -> NDArray[Any]:
        return values[1 + down : 1 + down + height, 1 + right : 1 + right + width]

    right = shifted(-1, 1) + 2 * shifted(0, 1) + shifted(1, 1)
    left = shifted(-1, -1) + 2 * shifted(0, -1) + shifted(1, -1)
    below = shifted(1, -1) + 2 * shifted(1, 0) + shifted(1, 1)
    above = shifted(-1, -1) + 2 * shifted(-1, 0) + shifted(-1, 1)
    return (right - left) / 8.0, (below - above) / 8.0


def hillshade(values: NDArray[Any], exaggeration: float) -> NDArray[Any]:
    """Shade values as heights (Horn 1981).

    The sine and cosine of slope and aspect follow from the gradient itself, without an angle.

    Args:
        values: Shape (height + 2, width + 2), float64.
        exaggeration: Height of a unit, in pixels.

    Returns:
        Brightness, shape (height, width), float64, 0 to 255; NaN next to no data.
    """
    xp = array_module(values)
    sin_altitude, cos_altitude, sin_azimuth, cos_azimuth = SUN
    across, down = gradient(values)
    across, down = across * exaggeration, down * exaggeration
    slope = xp.sqrt(1.0 + across * across + down * down)
    light = (sin_altitude + cos_altitude * (sin_azimuth * down - cos_azimuth * across)) / slope
    return 255.0 * xp.where(light < 0.0, 0.0, light)  # type: ignore[no-any-return]
