"""Colour ramps: a few anchor colours each, blended in Oklab so that steps look even.

Oklab: B. Ottosson, "A perceptual color space for image processing" (2020). The anchors are this project's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lazytile.colormaps.core.errors import ColormapError
from lazytile.colormaps.core.model import Rgba

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

RAMPS: dict[str, str] = {
    # Cold water violet and blue, temperate teal and green, the tropics yellow to dark red.
    "ocean": "1d0b3a 2d1b73 2741a8 1f6dc4 2b98cc 52bdc4 93d7b0 d9e79a f9d56e f5a548 e36a34 bf3030 7d1230",
    "air": "33114f 5b2a86 6f5fc0 5c93d6 6fc0de b4dfe3 eef0d8 f9dc94 f4b05a e47a3c c4452f 8f1f2e 551022",
    "diverging": "0c2c5e 1c559b 3d83c2 7db2dc bcd9ec f4f2ee f5cfb6 ea9c7b d35f4c a92a36 650d26",
    "grey": "060606 fafafa",
    # One hue family at a time, dark to light: what a quantity without a better-known look gets.
    "lagoon": "16123f 28316f 2b5a8e 2f8496 4cab90 85cc82 cfe48b fbf6c3",
    "rain": "eef4f2 c4dfe6 8cc3df 559fd3 3876bf 3a4ea0 4b2b7e 4a1055 2b0930",
    "ice": "0b1d3a 124272 2171a3 4fa0c4 8fc7da c9e4ea f8fbfb",
    "growth": "f3ecd6 d9cf9a aebd63 74a542 3f8636 1d6534 0c4130",
    "algae": "221146 283c86 1f6f9c 22988f 56b96c a9d04f f0d64f ef9a3d cf4a37 861b38",
    "relief": "0a2748 17568c 3f92bf 9fd0d6 dfeeda 7fae6b b8b26a b48a58 8f6a58 d8cdc6 ffffff",
}
"""Anchor colours of each ramp, evenly spaced, lowest first."""

CLASS_COLOURS = (
    "3b6fb6 e08a2e 4d9a57 c24b4b 8a63b0 8c6a4f d981b0 7c7f83 b9b23b 35a7b5 "
    "1f4170 a85f14 23633a 86282e 573a7a 5b4030 a04f7c 4a4d52 7d7a1e 15707c"
)
"""Colours for classes that have none."""

_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def ramp_colours(name: str, count: int) -> tuple[Rgba, ...]:
    """Return colours from the low end of a ramp to its high end.

    Args:
        name: Of a ramp.
        count: Number of colours.

    Returns:
        The colours.

    Raises:
        ColormapError: There is no such ramp.
    """
    if name not in RAMPS:
        raise ColormapError(f"there is no ramp {name!r}; there are {', '.join(RAMPS)}")
    return blend([parse_hex(text) for text in RAMPS[name].split()], count)


def blend(anchors: Sequence[Rgba], count: int) -> tuple[Rgba, ...]:
    """Return colours through evenly spaced anchors.

    Args:
        anchors: Blended in Oklab; alpha is blended linearly.
        count: Number of colours.

    Returns:
        The colours.
    """
    positions = np.linspace(0.0, 1.0, len(anchors))
    return blend_at(positions.tolist(), anchors, np.linspace(0.0, 1.0, count) if count > 1 else np.array([0.5]))


def blend_at(positions: Sequence[float], anchors: Sequence[Rgba], wanted: NDArray[np.float64]) -> tuple[Rgba, ...]:
    """Return colours at some positions between anchors; beyond them, the end colours.

    Args:
        positions: Of the anchors, ascending.
        anchors: Colours, blended in Oklab; alpha is blended linearly.
        wanted: Positions of the colours to return, shape (colours,).

    Returns:
        The colours.
    """
    lab = _oklab(np.array([anchor[:3] for anchor in anchors], np.float64) / 255.0)
    mixed = np.stack([np.interp(wanted, positions, lab[:, part]) for part in range(3)], axis=-1)
    alpha = np.interp(wanted, positions, [anchor.alpha for anchor in anchors])
    rgb = np.rint(_srgb(mixed) * 255.0).astype(int)
    return tuple(
        Rgba(red, green, blue, round(opacity))
        for (red, green, blue), opacity in zip(rgb.tolist(), alpha.tolist(), strict=True)
    )


def parse_hex(text: str) -> Rgba:
    """Parse a colour.

    Args:
        text: ``rrggbb`` or ``rrggbbaa``, with or without ``#``.

    Returns:
        The colour.

    Raises:
        ColormapError: The text is anything else.
    """
    digits = text.strip().removeprefix("#")
    if len(digits) not in {6, 8} or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
        raise ColormapError(f"a colour is written rrggbb or rrggbbaa, not {text!r}")
    return Rgba(*bytes.fromhex(digits))


def _oklab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    lab: NDArray[np.float64] = np.cbrt(linear @ _TO_LMS.T) @ _TO_LAB.T
    return lab


def _srgb(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = ((lab @ np.linalg.inv(_TO_LAB).T) ** 3) @ np.linalg.inv(_TO_LMS).T
    linear = np.clip(linear, 0.0, 1.0)
    encoded: NDArray[np.float64] = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.clip(encoded, 0.0, 1.0)
