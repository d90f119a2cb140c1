"""Whether every chunk that a build has written is there, with its size, before anybody sees the dataset."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.chunks.shard_format import index_bytes
from lazytile.pyramid.core.errors import StoreError, first_line
from lazytile.pyramid.storage.object_path import ObjectPath
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.pyramid.storage.read_pool import read_pool
from lazytile.pyramid.store.chunk_file import CHUNKS
from lazytile.pyramid.store.shard import ShardFiles, ShardObjects

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from lazytile.pyramid.chunks.digest_table import Plane
    from lazytile.pyramid.chunks.shard_shape import ShardShape


def first_absent(chunks: Path, sizes: Mapping[Plane, NDArray[np.uint32]], shard: ShardShape | None) -> str | None:
    """Look for what a build has written of one array.

    Args:
        chunks: Folder or prefix of the array's chunks.
        sizes: Bytes of each chunk of the planes that were built, shape (rows, cols), 0 for one that is not stored.
        shard: How many chunks a file holds; None: one.

    Returns:
        What is wrong with the first file that lacks a chunk, or holds one of another size; None where all is there.

    Raises:
        StorageError: Object storage cannot be read.
    """
    if isinstance(chunks, ObjectPath):
        return _first_absent_object(chunks, sizes, shard)
    found = (_first_absent_of(plane, each, shard) for plane, each in sizes.items())
    return next((problem for problem in found if problem is not None), None)


def _first_absent_object(
    chunks: ObjectPath, sizes: Mapping[Plane, NDArray[np.uint32]], shard: ShardShape | None
) -> str | None:
    """Look for the objects of one array: one listing, and the indexes of shards that hold several steps."""
    if shard is not None and shard.axis is not None:
        return _first_absent_step(ShardObjects(chunks, shard), sizes)
    start = len(chunks.key) + 1
    there = {entry.key[start:]: entry.size for entry in chunks.storage.list(chunks.key)}
    for plane, each in sizes.items():
        wanted = _file_sizes(each, plane.shard)
        for row, col in np.argwhere(wanted).tolist():
            name = "/".join(map(str, (*plane.dim_index, row, col)))
            size = there.get(name)
            if size != wanted[row, col]:
                state = "is missing" if size is None else f"has {size} bytes"
                return f"{chunks / name} {state}, {wanted[row, col]} bytes were written"
    return None


def _first_absent_step(shards: ShardObjects, sizes: Mapping[Plane, NDArray[np.uint32]]) -> str | None:
    """Compare the indexes of shards with what was written of their steps."""
    wanted: dict[tuple[int, ...], list[Plane]] = {}
    for plane, each in sizes.items():
        for index in _shards_of(plane, each, shards.shape):
            wanted.setdefault(index, []).append(plane)

    def look(index: tuple[int, ...]) -> str | None:
        try:
            found = shards.sizes(index)
        except StorageError:
            raise
        except StoreError as error:
            return f"{shards.shard(index)} cannot be read: {first_line(error)}"
        problems = (_misfit(plane, sizes[plane], shards.shape, index, found) for plane in wanted[index])
        problem = next((each for each in problems if each is not None), None)
        return None if problem is None else f"{shards.shard(index)} {problem}"

    return next((problem for problem in read_pool().map(look, wanted) if problem is not None), None)


def _first_absent_of(plane: Plane, sizes: NDArray[np.uint32], shard: ShardShape | None) -> str | None:
    """Return what is wrong with the first file that lacks a chunk of a plane, or holds one of another size."""
    folder = Path(plane.array, CHUNKS)
    if shard is None or shard.axis is None:
        return _first_absent_file(folder.joinpath(*map(str, plane.dim_index)), sizes, plane.shard)
    shards = ShardFiles(str(folder), shard)
    for index in _shards_of(plane, sizes, shard):
        try:
            found = shards.sizes(index)
        except (OSError, StoreError) as error:
            return f"{shards.shard(index)} cannot be read: {first_line(error)}"
        problem = _misfit(plane, sizes, shard, index, found)
        if problem is not None:
            return f"{shards.shard(index)} {problem}"
    return None


def _shards_of(plane: Plane, sizes: NDArray[np.uint32], shard: ShardShape) -> Iterator[tuple[int, ...]]:
    """Yield the index of each shard that holds chunks of a plane."""
    rows, cols = sizes.shape
    for row, col in np.ndindex(-(-rows // shard.rows), -(-cols // shard.cols)):
        yield shard.locate(plane.dim_index, row * shard.rows, col * shard.cols)[0]


def _misfit(
    plane: Plane, sizes: NDArray[np.uint32], shard: ShardShape, index: tuple[int, ...], found: NDArray[np.int64]
) -> str | None:
    """Compare the sizes of the chunks of a shard with those of a plane."""
    row, col = index[-2] * shard.rows, index[-1] * shard.cols
    first = shard.locate(plane.dim_index, row, col)[1]
    part = sizes[row:, col:][: shard.rows, : shard.cols]
    wanted = np.zeros((shard.rows, shard.cols), np.int64)
    wanted[: part.shape[0], : part.shape[1]] = part
    there = found[first : first + wanted.size]
    if not wanted.any() or np.array_equal(there, wanted.ravel()):
        return None
    state = f"step {plane.dim_index} has chunks of {there.tolist()} bytes" if there.size else "is missing"
    return f"{state}, {wanted.ravel().tolist()} bytes were written"


def _first_absent_file(folder: Path, sizes: NDArray[np.uint32], shard: int) -> str | None:
    """Return what is wrong with the first file of a plane that is missing or has another size than recorded."""
    expected = _file_sizes(sizes, shard)
    for row, wanted in enumerate(expected):
        if not wanted.any():
            continue
        found = _listed(folder / str(row))
        for col in np.flatnonzero(wanted).tolist():
            size = found.get(str(col))
            if size != wanted[col]:
                state = "is missing" if size is None else f"has {size} bytes"
                return f"{folder / str(row) / str(col)} {state}, {wanted[col]} bytes were written"
    return None


def _file_sizes(sizes: NDArray[np.uint32], shard: int) -> NDArray[np.int64]:
    """Return the bytes of each file of a plane, shape (rows of files, cols of files); 0 where there is none."""
    wide = sizes.astype(np.int64)
    if not shard:
        return wide
    rows, cols = (-(-size // shard) for size in wide.shape)
    padded = np.zeros((rows * shard, cols * shard), np.int64)
    padded[: wide.shape[0], : wide.shape[1]] = wide
    sums = padded.reshape(rows, shard, cols, shard).sum(axis=(1, 3))
    return np.where(sums > 0, sums + index_bytes(shard * shard), 0)


def _listed(folder: Path) -> dict[str, int]:
    """Return the size of each file of a folder by name; none where there is no folder."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry.stat().st_size for entry in entries}
    except FileNotFoundError:
        return {}
