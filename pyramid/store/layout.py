"""The layout of a pyramid: its levels, and the blocks in which one pass over the source builds them.

A block is read once. It starts and ends on chunk edges of every level it builds, so that no two tasks write one chunk.
Levels coarser than a block can build follow in further stages, from the coarsest level stored by then, a small part
of the data; so the memory of a task is bounded whatever the size of the source.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.pyramid.chunks.shard_shape import ShardShape
from lazytile.pyramid.core.grid import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lazytile.pyramid.core.packing import Packing
    from lazytile.pyramid.store.dataset import Dataset, Variable

CHUNK_CELLS = 256
"""Rows and columns of a chunk."""
TARGET_BLOCK_BYTES = 32 << 20
"""Codes of a block where the source leaves a choice."""
MAX_BLOCK_BYTES = 96 << 20
"""Codes of a block at most, however the source is chunked, except where a column of our chunks needs more."""
_PREFERRED_ROWS = 1024

Range = tuple[int, int]
"""First index and the one after the last."""


@dataclass(frozen=True, slots=True)
class Block:
    """A part of one level of a variable that one task reads, and the levels it builds from it."""

    leading: tuple[Range, ...]
    """Range of indices along each leading dimension."""
    rows: Range
    cols: Range
    depth: int
    """Number of coarser levels that the task builds."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One round of tasks: the level they read, and blocks that cover it."""

    level: int
    blocks: tuple[Block, ...]


def level_shape(shape: Shape, level: int) -> Shape:
    """Return the rows and columns of a level.

    Args:
        shape: Of level 0.
        level: Of the pyramid.

    Returns:
        The shape, halved and rounded up once per level.
    """
    factor = 1 << level
    return Shape(-(-shape.rows // factor), -(-shape.cols // factor))


def plan_levels(shape: Shape, chunk_cells: int = CHUNK_CELLS) -> tuple[Shape, ...]:
    """Return the shape of each level, the finest first; the last is the first that fits one chunk.

    Args:
        shape: Of level 0.
        chunk_cells: Rows and columns of a chunk.

    Returns:
        The shapes.
    """
    levels = [shape]
    while max(levels[-1].rows, levels[-1].cols) > chunk_cells:
        levels.append(level_shape(shape, len(levels)))
    return tuple(levels)


def plan_stages(
    leading: Sequence[int], shape: Shape, item_bytes: int, source_chunks: Sequence[int], chunk_cells: int = CHUNK_CELLS
) -> tuple[Stage, ...]:
    """Plan all tasks of a variable.

    Args:
        leading: Length of each leading dimension.
        shape: Of level 0.
        item_bytes: Bytes of a code.
        source_chunks: Cells that the source compresses together, by axis, rows and columns last. Blocks are so large
            that few of these are read twice.
        chunk_cells: Rows and columns of a chunk.

    Returns:
        The stages, in their order.
    """
    levels = plan_levels(shape, chunk_cells)
    stages: list[Stage] = []
    level = 0
    while level < len(levels):
        here = levels[level]
        above = len(levels) - 1 - level
        # A later stage reads our own chunks, and those of all steps may share a task.
        chunks = source_chunks if level == 0 else (*(1 for _ in leading), chunk_cells, chunk_cells)
        cut = _cut(leading, here, item_bytes, chunks, chunk_cells)
        depth = min(above, _depth(cut, here, chunk_cells))
        stages.append(Stage(level, tuple(_blocks(leading, here, cut, depth))))
        if depth == above:
            break
        level += depth
    return tuple(stages)


@dataclass(frozen=True, slots=True)
class _Cut:
    """Size of the blocks of a stage."""

    leading: tuple[int, ...]
    rows: int
    cols: int


def _cut(leading: Sequence[int], shape: Shape, item_bytes: int, chunks: Sequence[int], chunk_cells: int) -> _Cut:
    height = _covering(shape.rows, chunk_cells)
    steps = tuple(min(size, max(1, chunk)) for size, chunk in zip(leading, chunks, strict=False))
    if _product(steps) * 4 * chunk_cells * chunk_cells * item_bytes > MAX_BLOCK_BYTES:
        # A source chunked through so many steps is read repeatedly rather than held whole.
        steps = tuple(1 for _ in leading)
    cell_bytes = _product(steps) * item_bytes
    rows, cols = min(height, max(_PREFERRED_ROWS, _covering(chunks[-2], chunk_cells))), shape.cols
    while rows > 2 * chunk_cells and rows * min(cols, rows) * cell_bytes > MAX_BLOCK_BYTES:
        rows //= 2
    # Whole rows where they fit: then at most two blocks, one after the other, share a source chunk.
    while cols > rows and rows * cols * cell_bytes > MAX_BLOCK_BYTES:
        cols = _covering(-(-cols // 2), chunk_cells)
    while rows < height and cols >= shape.cols and 2 * rows * cols * cell_bytes <= TARGET_BLOCK_BYTES:
        rows *= 2
    return _Cut(_batched(leading, steps, min(rows, shape.rows) * min(cols, shape.cols) * item_bytes), rows, cols)


def _batched(leading: Sequence[int], steps: Sequence[int], plane_bytes: int) -> tuple[int, ...]:
    """Combine several steps in a block where each is small, the last dimension first."""
    batch = list(steps)
    for axis in range(len(leading) - 1, -1, -1):
        room = TARGET_BLOCK_BYTES // 4 // max(1, _product(batch) * plane_bytes)
        if room <= 1:
            break
        batch[axis] = min(leading[axis], batch[axis] * room)
        if batch[axis] < leading[axis]:
            break
    return tuple(batch)


def _covering(cells: int, chunk_cells: int) -> int:
    """Return the least chunk_cells * 2**n that is at least ``cells``."""
    size = chunk_cells
    while size < cells:
        size *= 2
    return size


def _depth(cut: _Cut, shape: Shape, chunk_cells: int) -> int:
    """Return for how many coarser levels the blocks' edges are chunk edges; an axis within one block sets no limit."""
    rows = 64 if cut.rows >= shape.rows else (cut.rows // chunk_cells).bit_length() - 1
    cols = 64 if cut.cols >= shape.cols else (cut.cols // chunk_cells).bit_length() - 1
    return min(rows, cols)


def _blocks(leading: Sequence[int], shape: Shape, cut: _Cut, depth: int) -> Iterator[Block]:
    """Yield the blocks step by step, column after column, each from north to south, which suits chunk caches."""
    for steps in itertools.product(*(_ranges(size, step) for size, step in zip(leading, cut.leading, strict=True))):
        for cols in _ranges(shape.cols, cut.cols):
            for rows in _ranges(shape.rows, cut.rows):
                yield Block(steps, rows, cols, depth)


def _ranges(length: int, step: int) -> Iterator[Range]:
    for start in range(0, length, step):
        yield start, min(length, start + step)


def _product(sizes: Sequence[int]) -> int:
    product = 1
    for size in sizes:
        product *= size
    return product


def padding_code(packing: Packing) -> float:
    """Return the code that pads chunks at the edge.

    Args:
        packing: Of the variable.

    Returns:
        The fill code, or 0 where every code is data.
    """
    return 0 if packing.fill_code is None else packing.fill_code


def chunk_grid(shape: Shape, level: int) -> tuple[int, int]:
    """Return how many chunks a level has in rows and columns.

    Args:
        shape: Of level 0.
        level: Of the pyramid.

    Returns:
        Rows and columns of chunks.
    """
    here = level_shape(shape, level)
    return -(-here.rows // CHUNK_CELLS), -(-here.cols // CHUNK_CELLS)


def shard_shape(dataset: Dataset, variable: Variable, level: int) -> ShardShape | None:
    """Return how many chunks a file of an array holds.

    Args:
        dataset: The description.
        variable: Of the dataset.
        level: Of the pyramid.

    Returns:
        The shape; None where each chunk has a file of its own.
    """
    side, axis = dataset.shard, variable.time_axis
    steps = dataset.shard_steps[level] if dataset.shard_steps and axis is not None else 1
    if steps > 1:
        # Planes that are small enough to be stored together are not divided.
        rows, cols = (side, side) if side else chunk_grid(dataset.grid.shape, level)
        return ShardShape(rows, cols, steps, axis)
    return ShardShape(side, side) if side else None
