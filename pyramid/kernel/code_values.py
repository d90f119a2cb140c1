"""The values of all codes of a packing, ascending: cuts are searched for in them, not each of them among the cuts.

Decoding rounds, and so does a conversion of units, but neither lets a higher code have a lower value. So the codes of
one colour follow each other, and a palette of some hundred cuts becomes a table of 65,536 codes by some hundred
searches: a tenth of a millisecond in place of six.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core import process

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lazytile.colormaps.compiled.palette import Palette
    from lazytile.colormaps.core.units import Conversion
    from lazytile.pyramid.core.packing import Packing


@dataclass(frozen=True, slots=True, eq=False)
class CodeValues:
    """What the codes of a packing are in the units of a palette, in the order of their values."""

    here: NDArray[np.float64]
    """Shape (256 or 65536,): the value of each code, ascending; codes that mean no data are numbers, too."""
    before_next: NDArray[np.float64]
    """Same shape: the last float64 before the value of the next code."""
    falls: bool
    """Whether values fall as codes rise."""
    is_signed: bool
    missing: NDArray[np.intp]
    """The unsigned bit patterns of the codes that mean no data."""

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.here.nbytes + self.before_next.nbytes + self.missing.nbytes

    def index(self, palette: Palette) -> NDArray[Any]:
        """Return the palette index of every code, also of those that mean no data.

        Args:
            palette: The palette, in whose units the values are.

        Returns:
            By unsigned bit pattern of the code: shape (256 or 65536,), type of the palette's slots.
        """
        return self._by_pattern(np.repeat(palette.slots[:-1], palette.runs(self.here)))

    def is_cut(self, palette: Palette) -> NDArray[np.bool_]:
        """Return after which codes a colour ends before the next one.

        Args:
            palette: As for ``index``.

        Returns:
            Same shape.
        """
        counts = np.arange(len(palette.slots) - 1, dtype=np.uint32)
        reached, following = (np.repeat(counts, palette.runs(values)) for values in (self.here, self.before_next))
        return self._by_pattern(reached != following)

    def _by_pattern(self, ascending: NDArray[Any]) -> NDArray[Any]:
        """Return what belongs to ascending values in the order of the bit patterns of their codes."""
        if self.falls:
            ascending = ascending[::-1]
        half = len(ascending) // 2
        return (
            np.concatenate([ascending[half:], ascending[:half]]) if self.is_signed else np.ascontiguousarray(ascending)
        )


def code_values(palette: Palette, packing: Packing) -> CodeValues:
    """Return the values of all codes, kept in the cache of tables: they are the same for all palettes of a unit.

    Args:
        palette: In whose units.
        packing: An 8- or 16-bit packing.

    Returns:
        The values.
    """
    conversion = palette.conversion
    values: CodeValues = process.computed(
        "tables", ("values of codes", packing, conversion), lambda: _ordered(packing, conversion)
    )
    return values


def _ordered(packing: Packing, conversion: Conversion) -> CodeValues:
    ends = np.iinfo(packing.dtype)
    codes = np.arange(ends.min, ends.max + 1, dtype=np.float64)
    with np.errstate(over="ignore"):  # a value beyond the largest float64 is infinite, as it is for `Palette`
        here = codes * packing.scale_factor + packing.add_offset
        following = (codes + 1.0) * packing.scale_factor + packing.add_offset
        last = np.nextafter(following, here)
        here, last = (conversion.apply(values) for values in (here, last))
    falls = bool(here[0] > here[-1])
    if falls:
        here, last = here[::-1].copy(), last[::-1].copy()
    (missing,) = np.nonzero(packing.is_missing(packing.all_codes()))
    return CodeValues(here, last, falls, ends.min < 0, missing)
