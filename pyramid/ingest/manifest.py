"""Writing the tables of checksums of a conversion, and checking before it is published that every chunk is there.

``lazytile.pyramid.chunks.digest_table`` describes the tables.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.chunks.digest_table import FOLDER, Plane
from lazytile.pyramid.chunks.shard_format import index_bytes
from lazytile.pyramid.chunks.whole_table import encode_shared_table, encode_table
from lazytile.pyramid.core.errors import StoreError, first_line
from lazytile.pyramid.store.chunk_file import CHUNKS, read_file
from lazytile.pyramid.store.chunk_reader import level_digests
from lazytile.pyramid.store.layout import shard_shape
from lazytile.pyramid.store.shard import ShardFiles

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lazytile.pyramid.chunks.array_digests import ArrayDigests
    from lazytile.pyramid.chunks.digest_table import ChunkDigest
    from lazytile.pyramid.chunks.shard_shape import ShardShape
    from lazytile.pyramid.store.dataset import Dataset

_PLANE = re.compile(r"[0-9]+(?:-[0-9]+)*|plane")
LISTINGS = 3
"""Times that a folder is listed before a chunk counts as missing: a network file system may show it a little later."""
_PAUSE_S = 0.5
_TableKey = tuple[str, int, tuple[int, ...]]
"""Variable, level, and index of a table."""


class Manifests:
    """Collects the digests of chunks in any order, and writes a table once it has all that the build adds to it."""

    def __init__(
        self, folder: Path, dataset: Dataset, time_steps: Sequence[int] | None = None, old: Path | None = None
    ) -> None:
        """Start without digests.

        Args:
            folder: Of the dataset.
            dataset: Its description.
            time_steps: Stored indices of the steps that are built; None: all.
            old: Folder of the dataset before steps were appended or replaced; None: there is none.
        """
        self._folder = folder
        self._dataset = dataset
        self._time_steps = time_steps
        self._old = old
        self._arrays: dict[tuple[str, int], ArrayDigests] = {}
        self._open: dict[_TableKey, dict[Plane, tuple[NDArray[np.uint32], int]]] = {}
        self._sizes: dict[Plane, NDArray[np.uint32]] = {}

    def add(self, variable: str, level: int, index: tuple[int, ...], digest: ChunkDigest) -> None:
        """Add the digest of a chunk.

        Args:
            variable: Name of the variable.
            level: Of the pyramid.
            index: Index along each leading dimension, row and column.
            digest: Of the chunk.
        """
        array = self._arrays.get((variable, level))
        if array is None:
            path = self._folder / str(level) / variable
            array = self._arrays[variable, level] = level_digests(path, self._dataset, variable, level)
        plane = array.plane(index[:-2])
        rows, cols = plane.grid
        key = variable, level, plane.table
        table = self._open.setdefault(key, {})
        digests, missing = table.get(plane) or (np.zeros((rows, cols, 2), np.uint32), rows * cols)
        digests[index[-2:]] = digest.size, digest.crc
        table[plane] = digests, missing - 1
        if missing == 1 and len(table) == self._planes_in(plane) and not any(count for _, count in table.values()):
            del self._open[key]
            self._write({each: found for each, (found, _) in table.items()})

    def _planes_in(self, plane: Plane) -> int:
        """Return how many planes the build adds to the table that a plane is in."""
        if plane.axis is None:
            return 1
        first = plane.table[plane.axis] * plane.steps
        steps = range(first, first + plane.steps)
        if self._time_steps is not None:
            return sum(step in steps for step in self._time_steps)
        length = len(self._dataset.variable(plane.variable).dimensions[plane.axis].labels)
        return min(steps.stop, length) - first

    def _write(self, table: dict[Plane, NDArray[np.uint32]]) -> None:
        """Write a table."""
        plane = next(iter(table))
        plane.file.parent.mkdir(exist_ok=True)
        if plane.axis is None:
            plane.file.write_bytes(encode_table(plane, table[plane]))
        else:
            before = None
            if self._old is not None:
                before = read_file(self._old / plane.file.relative_to(self._folder), plane.table_bytes)
            plane.file.write_bytes(encode_shared_table(table, before))
        self._sizes |= {each: digests[..., 0].copy() for each, digests in table.items()}

    def check_presence(self) -> None:
        """Check that every chunk of the planes that are complete is there, with its size.

        Raises:
            StoreError: One is missing or has another size, or no plane is complete.
        """
        if self._open or not self._sizes:
            raise StoreError(f"{self._folder}: {len(self._open)} planes were not finished")
        for plane, sizes in self._sizes.items():
            shard = shard_shape(self._dataset, self._dataset.variable(plane.variable), plane.level)
            for attempt in range(LISTINGS):
                problem = _first_absent(plane, sizes, shard)
                if problem is None:
                    break
                if attempt < LISTINGS - 1:
                    time.sleep(_PAUSE_S)
            else:
                raise StoreError(
                    f"dataset {self._dataset.name} is not published: {problem}; a worker that wrote it probably does "
                    "not see the same store, or its file system lost it"
                )


def _first_absent(plane: Plane, sizes: NDArray[np.uint32], shard: ShardShape | None) -> str | None:
    """Return what is wrong with the first file that lacks a chunk of a plane, or holds one of another size."""
    folder = Path(plane.array, CHUNKS)
    if shard is None or shard.axis is None:
        return _first_absent_file(folder.joinpath(*map(str, plane.dim_index)), sizes, plane.shard)
    shards = ShardFiles(str(folder), shard)
    rows, cols = sizes.shape
    for row, col in np.ndindex(-(-rows // shard.rows), -(-cols // shard.cols)):
        index, first = shard.locate(plane.dim_index, row * shard.rows, col * shard.cols)
        part = sizes[row * shard.rows :, col * shard.cols :][: shard.rows, : shard.cols]
        wanted = np.zeros((shard.rows, shard.cols), np.int64)
        wanted[: part.shape[0], : part.shape[1]] = part
        try:
            found = shards.sizes(index)
        except (OSError, StoreError) as error:
            return f"{shards.shard(index)} cannot be read: {first_line(error)}"
        there = found[first : first + wanted.size]
        if wanted.any() and not np.array_equal(there, wanted.ravel()):
            state = f"step {plane.dim_index} has chunks of {there.tolist()} bytes" if there.size else "is missing"
            return f"{shards.shard(index)} {state}, {wanted.ravel().tolist()} bytes were written"
    return None


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


def planes(array: Path) -> Iterator[Path]:
    """List the tables of all planes of an array.

    Args:
        array: Folder of the array.

    Yields:
        Their paths.
    """
    folder = array / FOLDER
    if folder.is_dir():
        yield from (path for path in folder.iterdir() if _PLANE.fullmatch(path.name))
