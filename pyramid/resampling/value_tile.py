"""Value tiles: what the pixels of a block of tiles show, before any colour.

The nearest cell has the variable's codes, still packed; other methods yield fractions of codes (``blend``). Restyling,
filters, expressions and data tiles start from a value tile, so it is cached: a second style of the same pixels reads
neither the store nor the map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.packing import Packing

if TYPE_CHECKING:
    from numpy.typing import NDArray

VALUES = Packing("float64")
"""The packing of decoded tiles: physical values, NaN where there is no data."""


@dataclass(frozen=True, slots=True, eq=False)
class ValueTile:
    """The codes of a block of tiles."""

    codes: NDArray[Any]
    """Any shape, (height, width) for a whole tile; meaningless where ``outside``."""
    packing: Packing
    outside: NDArray[np.bool_] | None
    """Shape (height, width): pixels that show no cell. None where every pixel shows one."""
    whole: Packing | None = None
    """Packing of the whole codes that blended codes of 8 or 16 bits lie between."""

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.codes.nbytes + (0 if self.outside is None else self.outside.nbytes)

    def take(self, cells: NDArray[np.intp]) -> ValueTile:
        """Return some of the pixels.

        Args:
            cells: Flat indices of pixels, any shape.

        Returns:
            A tile of the shape of ``cells``.
        """
        outside = None if self.outside is None else self.outside.ravel().take(cells)
        return ValueTile(self.codes.ravel().take(cells), self.packing, outside, self.whole)

    def decode(self) -> NDArray[np.float64]:
        """Return physical values, float64, in the shape of the codes; NaN where there is no data."""
        values = self.packing.decode(self.codes)
        if self.outside is not None:
            values[self.outside] = np.nan
        return values
