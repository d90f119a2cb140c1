"""Value tiles: what the pixels of a block of tiles show, before any colour.

The nearest cell keeps the variable's codes, still packed; other methods give fractions of codes (``blend``). A value
tile is what restyling, filters, expressions and data tiles start from, so it is kept in memory for a while: a second
style of the same pixels touches neither the store nor the map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.packing import Packing

if TYPE_CHECKING:
    from numpy.typing import NDArray

VALUES = Packing("float64")
"""The packing of blended tiles: physical values, NaN where there is no data."""


@dataclass(frozen=True, slots=True, eq=False)
class ValueTile:
    """The codes of a block of tiles."""

    codes: NDArray[Any]
    """Any shape, (height, width) of a whole tile; anything where ``outside``."""
    packing: Packing
    outside: NDArray[np.bool_] | None
    """Shape (height, width): pixels that show no cell. None where every pixel shows one."""
    whole: Packing | None = None
    """Of blended codes of 8 or 16 bits: the packing of the codes that these are between."""

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.codes.nbytes + (0 if self.outside is None else self.outside.nbytes)

    def take(self, cells: NDArray[np.intp]) -> ValueTile:
        """Return some of its pixels by flat index: a tile of the shape of ``cells``."""
        outside = None if self.outside is None else self.outside.ravel().take(cells)
        return ValueTile(self.codes.ravel().take(cells), self.packing, outside, self.whole)

    def decode(self) -> NDArray[np.float64]:
        """Physical values, float64, the shape of the codes, NaN where there is no data."""
        values = self.packing.decode(self.codes)
        if self.outside is not None:
            values[self.outside] = np.nan
        return values
