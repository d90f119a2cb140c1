"""Filters on value tiles. Each reads a margin of pixels around the tile, so that tiles join without seams.

Arrays are float64 with NaN where there is no data; NumPy or CuPy.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.core.array_backend import array_module
from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.core.request_field import RequestField
from lazytile.pyramid.core.stop_flag import StopFlag
from lazytile.pyramid.kernel.relief import gradient, hillshade

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lazytile.pyramid.kernel.job import Kernel

MARGIN_PX = 2
_BINOMIAL = (1.0, 4.0, 6.0, 4.0, 1.0)


class FilterKind(Enum):
    """What a filter shows."""

    SOBEL = "sobel"
    """Magnitude of the gradient, in units of the variable per pixel (Sobel & Feldman 1968, divided by 8)."""
    BLUR = "blur"
    """The 5 x 5 binomial mean of the pixels that have data."""
    HILLSHADE = "hillshade"
    """Brightness 0 to 255 of the values as a relief lit from the north-west (Horn 1981)."""
    CONTOUR = "contour"
    """The values on lines at multiples of ``interval``, no data between them."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter and its parameter."""

    kind: FilterKind
    interval: float | None = None
    """Contour: distance of lines, in units of the variable. Hillshade: height of a unit, in pixels."""

    @classmethod
    def parse(cls, text: str) -> Filter:
        """Parse ``sobel``, ``blur``, ``hillshade[:EXAGGERATION]`` or ``contour:INTERVAL``.

        Args:
            text: The filter as a request spells it.

        Returns:
            The filter.

        Raises:
            InvalidParameterError: The text is none of these, or its number is out of range.
        """
        name, _, number = text.partition(":")
        try:
            kind = FilterKind(name)
            value = float(number) if number else None
        except ValueError:
            raise _refusal(text) from None
        needs = kind is FilterKind.CONTOUR
        takes = needs or kind is FilterKind.HILLSHADE
        if (value is None and needs) or (value is not None and (not takes or not 1e-9 <= value <= 1e9)):
            raise _refusal(text)
        return cls(kind, value)

    def apply(self, values: NDArray[Any], kernel: Kernel | None = None, stop: StopFlag | None = None) -> NDArray[Any]:
        """Filter a tile that has a margin.

        Args:
            values: Shape (height + 2 * MARGIN_PX, width + 2 * MARGIN_PX), float64.
            kernel: What computes where it can do better than the array's own library; None for NumPy or CuPy.
            stop: Looked at between strips of rows, or None.

        Returns:
            Shape (height, width), float64.
        """
        match self.kind:
            case FilterKind.BLUR:
                return _blur(values)
            case FilterKind.SOBEL:
                across, down = gradient(_with_neighbours(values))
                xp = array_module(values)
                return xp.hypot(across, down)  # type: ignore[no-any-return]
            case FilterKind.HILLSHADE:
                exaggeration = 1.0 if self.interval is None else self.interval
                shade = hillshade if kernel is None else functools.partial(kernel.hillshade, stop=stop or StopFlag())
                return shade(_with_neighbours(values), exaggeration)
            case FilterKind.CONTOUR:
                assert self.interval is not None
                return _contour(values, self.interval)


def _refusal(text: str) -> InvalidParameterError:
    return InvalidParameterError(
        RequestField.FILTER,
        f"filter {text[:40]!r} is invalid, it may be sobel, blur, hillshade[:EXAGGERATION] or contour:INTERVAL",
    )


def _with_neighbours(values: NDArray[Any]) -> NDArray[Any]:
    """Return the pixels of the tile and those around it: a margin of one."""
    return values[MARGIN_PX - 1 : 1 - MARGIN_PX, MARGIN_PX - 1 : 1 - MARGIN_PX]


def _shifted(values: NDArray[Any], down: int, right: int) -> NDArray[Any]:
    """Return the pixels so many rows below and columns to the right of each pixel of the tile."""
    height, width = values.shape[0] - 2 * MARGIN_PX, values.shape[1] - 2 * MARGIN_PX
    top, left = MARGIN_PX + down, MARGIN_PX + right
    return values[top : top + height, left : left + width]


def _blur(values: NDArray[Any]) -> NDArray[Any]:
    xp = array_module(values)
    total: Any = 0.0
    share: Any = 0.0
    for i, down in enumerate(_BINOMIAL):
        for j, right in enumerate(_BINOMIAL):
            cell = _shifted(values, i - 2, j - 2)
            valid = ~xp.isnan(cell)
            total = total + xp.where(valid, cell, 0.0) * (down * right)
            share = share + xp.astype(valid, xp.float64) * (down * right)
    centre = _shifted(values, 0, 0)
    return xp.where(xp.isnan(centre), xp.nan, total / xp.where(share > 0, share, 1.0))  # type: ignore[no-any-return]


def _contour(values: NDArray[Any], interval: float) -> NDArray[Any]:
    """Keep the pixels where a multiple of the interval lies between them and their right or lower neighbour."""
    xp = array_module(values)
    centre = _shifted(values, 0, 0)
    step = xp.floor(centre / interval)
    crosses: Any = centre != centre  # noqa: PLR0124 - True only where there is no data
    for down, right in ((0, 1), (1, 0)):
        neighbour = _shifted(values, down, right)
        crosses = crosses | ((xp.floor(neighbour / interval) != step) & ~xp.isnan(neighbour))
    return xp.where(crosses & ~xp.isnan(centre), centre, xp.nan)  # type: ignore[no-any-return]
