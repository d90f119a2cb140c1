"""Colour: from value tiles to palette indices, by one gather from a table wherever there are few enough codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core import process
from lazytile.pyramid.core.array_backend import array_module, to_device_of
from lazytile.pyramid.kernel.code_values import code_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lazytile.colormaps.compiled.palette import Palette
    from lazytile.pyramid.core.packing import Packing
    from lazytile.pyramid.resampling.value_tile import ValueTile

_STRIP_PIXELS = 1 << 15
"""Of a table look-up."""


@dataclass(frozen=True, slots=True, eq=False)
class BetweenTable:
    """The palette index of the values from one code to the next."""

    index: NDArray[Any]
    """By unsigned bit pattern of the code: shape (256 or 65536,)."""
    is_cut: NDArray[np.bool_]
    """Where a colour ends before the next code, so that the index is that of the code only; same shape."""

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.index.nbytes + self.is_cut.nbytes


def paint(tile: ValueTile, palette: Palette) -> NDArray[Any]:
    """Return the palette indices of a value tile.

    Args:
        tile: The values.
        palette: The palette.

    Returns:
        Shape of the tile, uint8 (uint16 over 256 colours).
    """
    packing = tile.packing
    if tile.whole is not None:
        index = _index_of_fractions(tile.codes, tile.outside, tile.whole, palette)
    elif packing.has_table:
        index = _looked_up(code_table(palette, packing), tile.codes.view(f"u{tile.codes.dtype.itemsize}"))
    else:
        index = palette.index_of(packing.decode(tile.codes))
    if tile.outside is not None:
        index *= ~tile.outside  # 0 is no data; several times faster than assignment by a mask
    return index


def _looked_up(table: NDArray[Any], codes: NDArray[Any]) -> NDArray[Any]:
    """Return ``table[codes]``, in the shape of ``codes``.

    NumPy first widens every index to 8 bytes. In strips those stay in the processor's cache, which is 3 times faster
    for a block of many tiles. Every code is in the table, so clipping changes nothing and saves a copy.
    """
    xp = array_module(codes)
    if xp is not np:
        found: NDArray[Any] = xp.take(to_device_of(table, codes), codes)
        return found
    index = np.empty(codes.shape, table.dtype)
    rows = max(1, _STRIP_PIXELS // max(1, codes.shape[-1]))
    for top in range(0, codes.shape[0], rows):
        table.take(codes[top : top + rows], out=index[top : top + rows], mode="clip")
    return index


def _index_of_fractions(
    codes: NDArray[np.float64], outside: NDArray[np.bool_] | None, whole: Packing, palette: Palette
) -> NDArray[Any]:
    """Return the palette indices of blended codes, finite, shape (height, width); meaningless where ``outside``.

    Most lie between two codes of one colour, which one gather finds; the others are decoded and searched for.
    """
    xp = array_module(codes)
    table = between_table(palette, whole)
    dtype = np.dtype(whole.dtype)
    # Blends by Keys's weights may overshoot the type; they are clipped to its nearer end and searched for.
    ends = np.iinfo(dtype)
    floors = xp.clip(xp.floor(codes), ends.min, ends.max)
    patterns = floors.astype(dtype).view(f"u{dtype.itemsize}")
    index = _looked_up(table.index, patterns)
    is_cut = _looked_up(table.is_cut, patterns)
    is_cut &= codes != floors  # whole codes, as where all cells are equal, are in the table
    if outside is not None:
        is_cut &= ~outside
    (cut,) = xp.nonzero(is_cut.reshape(-1))
    if cut.size:
        values = xp.take(codes.reshape(-1), cut) * whole.scale_factor + whole.add_offset
        index.reshape(-1)[cut] = palette.index_of(values)
    return index


def code_table(palette: Palette, packing: Packing) -> NDArray[Any]:
    """Return the palette index of every code.

    Args:
        palette: The palette.
        packing: An 8- or 16-bit packing.

    Returns:
        By unsigned bit pattern of the code: shape (256 or 65536,).
    """

    def make() -> NDArray[Any]:
        values = code_values(palette, packing)
        index = values.index(palette)
        index[values.missing] = 0
        return index

    table: NDArray[Any] = process.computed("tables", ("code", palette.key, packing), make)
    return table


def between_table(palette: Palette, packing: Packing) -> BetweenTable:
    """Return the palette index between codes. Codes that mean no data are treated as numbers.

    Args:
        palette: The palette.
        packing: An 8- or 16-bit packing.

    Returns:
        The table.
    """

    def make() -> BetweenTable:
        codes = packing.all_codes()
        values = code_values(palette, packing)
        is_cut = values.is_cut(palette)
        # Values beyond the first and the last code are clipped to them.
        ends = np.iinfo(packing.dtype)
        is_cut[(codes == ends.min) | (codes == ends.max)] = True
        return BetweenTable(values.index(palette), is_cut)

    table: BetweenTable = process.computed("tables", ("between codes", palette.key, packing), make)
    return table
