"""How many time steps one file holds: chosen by their size, so that small grids with many steps make few files.

A file is at most as large as ``SHARD_BYTES`` before compression, since an append writes the last one again. Coarser
levels have smaller planes, so their files hold more steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.store.layout import CHUNK_CELLS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lazytile.pyramid.core.grid import Shape
    from lazytile.pyramid.store.dataset import Variable

SHARD_BYTES = 8 << 20
"""Codes that a file holds, before compression, where the number of steps is chosen by size."""
LEAST_STEPS = 32
"""Fewer steps have a file each: so few files are no burden."""
AUTOMATIC_CHUNKS = 512
"""Chunks that a file holds at most where the number of steps is chosen by size: each costs 16 bytes of its index, which
is read with every chunk."""
MAX_SHARD_CHUNKS = 4096
"""Chunks that a file holds at most."""
MAX_SHARD_STEPS = MAX_SHARD_CHUNKS


def automatic_steps(levels: Sequence[Shape], variables: Iterable[Variable], side: int = 0) -> tuple[int, ...]:
    """Return how many time steps a file of each level holds, chosen by size.

    Args:
        levels: Rows and columns of each level.
        variables: Of the dataset.
        side: Chunks along a side of a shard; 0: shards hold whole planes.

    Returns:
        A power of two for each level; nothing where no file holds several.
    """
    timed = [variable for variable in variables if variable.time is not None]
    if max((len(each.time.labels) for each in timed if each.time is not None), default=0) < LEAST_STEPS:
        return ()
    item_bytes = max(np.dtype(each.packing.dtype).itemsize for each in timed)
    found = []
    for shape in levels:
        rows, cols = (min(each, side * CHUNK_CELLS) if side else each for each in (shape.rows, shape.cols))
        steps = min(SHARD_BYTES // (rows * cols * item_bytes), AUTOMATIC_CHUNKS // _chunks(shape, side))
        found.append(1 << max(0, steps.bit_length() - 1))
    return tuple(found) if max(found) > 1 else ()


def chosen_steps(levels: Sequence[Shape], variables: Iterable[Variable], side: int, steps: int) -> tuple[int, ...]:
    """Return how many time steps a file of each level holds, as the user chose.

    Args:
        levels: Rows and columns of each level.
        variables: Of the dataset.
        side: Chunks along a side of a shard; 0: shards hold whole planes.
        steps: Of a file; 0 or 1: each step has its own.

    Returns:
        The number for each level; nothing where no file holds several.

    Raises:
        StoreError: A file would hold too many chunks.
    """
    if steps < 2 or all(variable.time is None for variable in variables):
        return ()
    most = MAX_SHARD_CHUNKS // max(_chunks(shape, side) for shape in levels)
    if steps > most:
        raise StoreError(f"a shard of this grid holds up to {most} time steps, not {steps}")
    return (steps,) * len(levels)


def _chunks(shape: Shape, side: int) -> int:
    """Return the chunks of one step in a shard."""
    return side * side if side else -(-shape.rows // CHUNK_CELLS) * -(-shape.cols // CHUNK_CELLS)
