"""Which chunks the pixels of a mesh want."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.core.grid import cells_of
from lazytile.pyramid.resampling.method import Resampling
from lazytile.pyramid.resampling.taps import MAX_TAPS, taps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lazytile.pyramid.kernel.job import Job

STRIP_PIXELS = 1 << 16
"""Pixels whose taps are in memory at a time."""


def mesh_positions(job: Job) -> tuple[tuple[int, int], ...]:
    """Return the chunks of which a pixel has a cell with a weight.

    Args:
        job: A job of a mesh.

    Returns:
        Row and column of each chunk, row by row; found once for each method of a location.
    """
    key = ("positions", job.method, job.chunk)
    found: tuple[tuple[int, int], ...] | None = job.location.kept.get(key)
    if found is None:
        used = np.zeros(chunk_counts(job), np.bool_)
        height, width = job.pixels
        step = max(1, STRIP_PIXELS // max(1, width))
        for top in range(0, height, step):
            _mark(used, job.rows(slice(top, top + step)))
        found = job.location.kept[key] = positions_of(used)
    return found


def chunk_counts(job: Job) -> tuple[int, int]:
    """Return how many chunks a level has.

    Args:
        job: A job of the level.

    Returns:
        Chunks from north to south and from west to east.
    """
    return -(-job.shape.rows // job.chunk.rows), -(-job.shape.cols // job.chunk.cols)


def positions_of(used: NDArray[np.bool_]) -> tuple[tuple[int, int], ...]:
    """Return the rows and columns of the chunks that are marked.

    Args:
        used: Shape of ``chunk_counts``.

    Returns:
        The positions, row by row.
    """
    rows, cols = np.nonzero(used)
    return tuple(zip(rows.tolist(), cols.tolist(), strict=True))


def _mark(used: NDArray[np.bool_], job: Job) -> None:
    location, chunk = job.location, job.chunk
    if job.method is Resampling.NEAREST:
        rows, cols = cells_of(location.y), cells_of(location.x)
        shown = (rows >= 0) & (cols >= 0)
        used[rows[shown] // chunk.rows, cols[shown] // chunk.cols] = True
        return
    down = _ends(taps(job.method, location.y, location.height_cells, job.shape.rows, wraps=False).index, chunk.rows)
    across = _ends(
        taps(job.method, location.x, location.width_cells, job.shape.cols, wraps=job.wraps).index, chunk.cols
    )
    for row in down:
        for col in across:
            shown = (row >= 0) & (col >= 0)
            used[row[shown], col[shown]] = True


def _ends(index: NDArray[np.int64], length: int) -> list[NDArray[np.int64]]:
    """Return the chunks of taps, shape (*pixels, taps) -> a list of shape (*pixels,); -1 where there is none.

    The taps of a pixel are neighbours, so that chunks longer than them hold the first or the last.
    """
    chunks = np.where(index >= 0, index // length, -1)
    count = chunks.shape[-1]
    if length < MAX_TAPS:
        return [chunks[..., tap] for tap in range(count)]
    there = chunks >= 0
    first = np.argmax(there, axis=-1)
    last = count - 1 - np.argmax(there[..., ::-1], axis=-1)
    ends = (np.take_along_axis(chunks, at[..., None], axis=-1)[..., 0] for at in (first, last))
    return list(ends)
