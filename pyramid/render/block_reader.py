"""Reading what a block of tiles shows: plan a job, fetch its chunks, run a kernel (``kernel.job``)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.stop_flag import StopFlag
from lazytile.pyramid.kernel.job import FilledJob, Job
from lazytile.pyramid.kernel.numpy_kernel import NumpyKernel
from lazytile.pyramid.kernel.selection import kernel_for
from lazytile.pyramid.resampling.method import Resampling

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lazytile.colormaps.compiled.palette import Palette
    from lazytile.pyramid.kernel.job import Kernel, Position
    from lazytile.pyramid.resampling.location import Location
    from lazytile.pyramid.resampling.value_tile import ValueTile
    from lazytile.pyramid.store.dataset import Variable
    from lazytile.pyramid.store.store import StoredDataset

CHUNK_BYTES = 64 << 20
"""Most bytes of chunks that a job holds at once; one that needs more is cut into strips, of one row at least."""


def read_index(  # noqa: PLR0917 - data, pixels, colours
    stored: StoredDataset,
    variable: Variable,
    dim_index: tuple[int, ...],
    location: Location,
    method: Resampling,
    palette: Palette,
    stop: StopFlag | None = None,
) -> NDArray[Any]:
    """Read the cells that a block of tiles shows, resample and colour them.

    Args:
        stored: The dataset.
        variable: One of its variables.
        dim_index: Index along each dimension before rows and columns.
        location: Where the block's pixels lie.
        method: How they are resampled.
        palette: What colours them.
        stop: Looked at between strips of rows, or None.

    Returns:
        Palette indices, shape (height, width), uint8, or uint16 where the palette has over 256 colours.

    Raises:
        StoreError: A chunk is missing or damaged.
        StoppedError: ``stop`` was set.
    """
    job = plan(stored, variable, location, method, palette)
    kernel, flag = kernel_for(job), stop or StopFlag()
    parts = [
        kernel.run([filled], flag)[0] for filled in _filled(stored, variable, dim_index, kernel, job)
    ]  # fmt: skip
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def read_values(  # noqa: PLR0917 - data, pixels
    stored: StoredDataset,
    variable: Variable,
    dim_index: tuple[int, ...],
    location: Location,
    method: Resampling,
    stop: StopFlag | None = None,
) -> ValueTile:
    """Read the cells that a block of tiles shows, and resample them.

    Args:
        stored: The dataset.
        variable: One of its variables.
        dim_index: Index along each dimension before rows and columns.
        location: Where the block's pixels lie.
        method: How they are resampled.
        stop: Looked at between strips of rows, or None.

    Returns:
        The block's values.

    Raises:
        StoreError: A chunk is missing or damaged.
        StoppedError: ``stop`` was set.
    """
    job = plan(stored, variable, location, method)
    return _values(stored, variable, dim_index, kernel_for(job), job, stop)


def read_codes(stored: StoredDataset, variable: Variable, dim_index: tuple[int, ...], location: Location) -> ValueTile:
    """Read the nearest cells of a block of tiles, still packed.

    Args:
        stored: The dataset.
        variable: One of its variables.
        dim_index: Index along each dimension before rows and columns.
        location: Where the block's pixels lie.

    Returns:
        The block's codes.

    Raises:
        StoreError: A chunk is missing or damaged.
    """
    job = plan(stored, variable, location, Resampling.NEAREST)
    return _values(stored, variable, dim_index, NumpyKernel(), job, None)


def plan(
    stored: StoredDataset, variable: Variable, location: Location, method: Resampling, palette: Palette | None = None
) -> Job:
    """Plan the pixels of a block. Reads no chunk.

    Args:
        stored: The dataset.
        variable: One of its variables.
        location: Where the block's pixels lie.
        method: How they are resampled.
        palette: What colours them; None where values are wanted.

    Returns:
        The job.
    """
    description = stored.description
    grid, packing = description.grid, variable.packing
    shape = grid.shape_at(location.level)
    return Job(location, method, shape, description.chunk, grid.is_full_circle, packing, palette)


def fetch(  # noqa: PLR0917 - data, kernel, job
    stored: StoredDataset,
    variable: Variable,
    dim_index: tuple[int, ...],
    kernel: Kernel,
    job: Job,
    positions: Sequence[Position],
) -> FilledJob:
    """Read the chunks that a job needs.

    Args:
        stored: The dataset.
        variable: One of its variables.
        dim_index: Index along each dimension before rows and columns.
        kernel: What will run the job.
        job: The job.
        positions: Of the chunks, as the kernel returns them.

    Returns:
        The job with its chunks.

    Raises:
        StoreError: A chunk is missing or damaged.
    """
    level = job.location.level
    if not kernel.holds_chunks:
        return FilledJob(job, positions, list(stored.chunks(level, variable.name, dim_index, positions)))
    keys = stored.chunk_keys(level, variable.name, dim_index, positions)
    held = kernel.held(job, keys)
    lacking = [position for position, chunk in zip(positions, held, strict=True) if chunk is None]
    read = stored.chunks(level, variable.name, dim_index, lacking)
    return FilledJob(job, positions, [next(read) if chunk is None else chunk for chunk in held], keys)


def _values(  # noqa: PLR0917 - data, kernel, job
    stored: StoredDataset,
    variable: Variable,
    dim_index: tuple[int, ...],
    kernel: Kernel,
    job: Job,
    stop: StopFlag | None,
) -> ValueTile:
    flag = stop or StopFlag()
    tiles = [kernel.values([filled], flag)[0] for filled in _filled(stored, variable, dim_index, kernel, job)]
    return tiles[0] if len(tiles) == 1 else _joined(tiles)


def _filled(
    stored: StoredDataset, variable: Variable, dim_index: tuple[int, ...], kernel: Kernel, job: Job
) -> Iterator[FilledJob]:
    """Yield a job with its chunks, in strips of rows where these are too many to hold at once."""
    height, positions = job.pixels[0], kernel.positions(job)
    chunk_bytes = job.chunk.rows * job.chunk.cols * np.dtype(job.packing.dtype).itemsize
    if height > 1 and len(positions) * chunk_bytes > CHUNK_BYTES:
        for half in (slice(0, height // 2), slice(height // 2, height)):
            yield from _filled(stored, variable, dim_index, kernel, job.rows(half))
    else:
        yield fetch(stored, variable, dim_index, kernel, job, positions)


def _joined(tiles: list[ValueTile]) -> ValueTile:
    """Join the strips of a block."""
    codes = np.concatenate([tile.codes for tile in tiles])
    outside = [
        np.zeros(tile.codes.shape, np.bool_) if tile.outside is None else tile.outside for tile in tiles
    ]  # fmt: skip
    shown = all(tile.outside is None for tile in tiles)
    return replace(tiles[0], codes=codes, outside=None if shown else np.concatenate(outside))
