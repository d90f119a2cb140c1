"""What it costs to read tiles from a source where it is, as far as its chunks tell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.store.layout import CHUNK_CELLS

if TYPE_CHECKING:
    from lazytile.pyramid.linked.opened_source import OpenedSource
    from lazytile.pyramid.sources.source_variable import SourceVariable

TILE_CELLS = 256
"""Rows and columns of cells under a tile that shows level 0 cell by cell."""


@dataclass(frozen=True, slots=True)
class ReadingCost:
    """Bytes that one variable takes, unpacked."""

    variable: str
    chunk_bytes: int
    """Of a chunk of the source."""
    tile_bytes: int
    """Most that a tile of level 0 reads."""
    stored_tile_bytes: int
    """Most that it would read of a converted dataset."""
    step_bytes: int
    """What the first map of one step reads to make overviews: chunks that hold it."""

    @property
    def text(self) -> str:
        """One line for people."""
        is_less = self.stored_tile_bytes < self.tile_bytes
        return (
            f"{self.variable}: chunk {size_text(self.chunk_bytes)}: a tile reads {size_text(self.tile_bytes)}, the "
            f"first map of the whole {size_text(self.step_bytes)}"
            + (f"; convert would bring a tile to {size_text(self.stored_tile_bytes)}" if is_less else "")
        )


def reading_cost(opened: OpenedSource, variable: SourceVariable) -> ReadingCost:
    """Estimate what tiles of a variable read.

    Args:
        opened: The source.
        variable: Of the source.

    Returns:
        The cost.
    """
    shape, placement = opened.source.found.grid.shape, variable.placement
    item_bytes = np.dtype(variable.variable.packing.dtype).itemsize
    chunks = placement.chunks
    if math.prod(chunks) == 1:  # contiguous: what is asked for is what is read
        chunks = (*chunks[:-2], 1, min(shape.cols, TILE_CELLS))
    chunk_bytes = math.prod(chunks) * item_bytes
    sides = tuple(zip((shape.rows, shape.cols), chunks[-2:], strict=True))
    if opened.source.found.resampling is not None:
        # Neighbouring cells may lie anywhere in the source.
        whole = shape.rows * shape.cols * item_bytes
        stored = _stored(shape.rows, shape.cols, item_bytes)
        return ReadingCost(variable.variable.name, chunk_bytes, whole, stored, whole)
    touched = math.prod(_touched(length, chunk) for length, chunk in sides)
    every = math.prod(-(-length // max(1, chunk)) for length, chunk in sides)
    return ReadingCost(
        variable.variable.name,
        chunk_bytes,
        touched * chunk_bytes,
        _stored(shape.rows, shape.cols, item_bytes),
        every * chunk_bytes,
    )


def touched_bytes(opened: OpenedSource, variable: SourceVariable, rows: tuple[int, int], cols: tuple[int, int]) -> int:
    """Return what reading a box of one step takes of a source with regular rows and columns.

    Args:
        opened: The source.
        variable: Of the source.
        rows: First row, and the one after the last.
        cols: First column, and the one after the last.

    Returns:
        Bytes of the chunks that the box touches, unpacked; of a contiguous array those of the box.
    """
    item_bytes = np.dtype(variable.variable.packing.dtype).itemsize
    chunks = variable.placement.chunks
    if math.prod(chunks) == 1 or opened.source.found.resampling is not None:
        return (rows[1] - rows[0]) * (cols[1] - cols[0]) * item_bytes
    counts = (-(-stop // size) - start // size for (start, stop), size in zip((rows, cols), chunks[-2:], strict=True))
    return math.prod(counts) * math.prod(chunks) * item_bytes


def _stored(rows: int, cols: int, item_bytes: int) -> int:
    touched = _touched(rows, CHUNK_CELLS) * _touched(cols, CHUNK_CELLS)
    return touched * CHUNK_CELLS * CHUNK_CELLS * item_bytes


def _touched(length: int, chunk: int) -> int:
    """Return how many chunks along an axis a tile touches at most."""
    chunk = max(1, chunk)
    return min(-(-length // chunk), (min(TILE_CELLS, length) - 2) // chunk + 2)


def size_text(count: int) -> str:
    """Return a number of bytes for people.

    Args:
        count: Bytes.

    Returns:
        Such as ``40 MB`` or ``0.5 MB``.
    """
    if count < 1000:
        return f"{count} bytes"
    unit, name = next(each for each in ((10**9, "GB"), (10**6, "MB"), (1000, "kB")) if count >= each[0] / 2)
    number = count / unit
    return f"{number:.0f} {name}" if number >= 10 else f"{number:.1f} {name}"
