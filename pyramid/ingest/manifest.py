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
from lazytile.pyramid.chunks.whole_table import encode_table
from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.store.chunk_file import CHUNKS
from lazytile.pyramid.store.chunk_reader import level_digests
from lazytile.pyramid.store.shard import index_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lazytile.pyramid.chunks.array_digests import ArrayDigests
    from lazytile.pyramid.chunks.digest_table import ChunkDigest
    from lazytile.pyramid.store.dataset import Dataset

_PLANE = re.compile(r"[0-9]+(?:-[0-9]+)*|plane")
LISTINGS = 3
"""Times that a folder is listed before a chunk counts as missing: a network file system may show it a little later."""
_PAUSE_S = 0.5


class Manifests:
    """Collects the digests of a dataset's chunks in any order, and writes a plane's table once it has all of them."""

    def __init__(self, folder: Path, dataset: Dataset) -> None:
        """Start without digests.

        Args:
            folder: Of the dataset.
            dataset: Its description.
        """
        self._folder = folder
        self._dataset = dataset
        self._arrays: dict[tuple[str, int], ArrayDigests] = {}
        self._open: dict[Plane, tuple[NDArray[np.uint32], int]] = {}
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
        digests, missing = self._open.get(plane) or (np.zeros((rows, cols, 2), np.uint32), rows * cols)
        digests[index[-2:]] = digest.size, digest.crc
        if missing > 1:
            self._open[plane] = digests, missing - 1
            return
        self._open.pop(plane, None)
        plane.file.parent.mkdir(exist_ok=True)
        plane.file.write_bytes(encode_table(plane, digests))
        self._sizes[plane] = digests[..., 0].copy()

    def check_presence(self) -> None:
        """Check that every chunk of the planes that are complete is there, with its size.

        Raises:
            StoreError: One is missing or has another size, or no plane is complete.
        """
        if self._open or not self._sizes:
            raise StoreError(f"{self._folder}: {len(self._open)} planes were not finished")
        for plane, sizes in self._sizes.items():
            for attempt in range(LISTINGS):
                problem = _first_absent(plane, sizes)
                if problem is None:
                    break
                if attempt < LISTINGS - 1:
                    time.sleep(_PAUSE_S)
            else:
                raise StoreError(
                    f"dataset {self._dataset.name} is not published: {problem}; a worker that wrote it probably does "
                    "not see the same store, or its file system lost it"
                )


def _first_absent(plane: Plane, sizes: NDArray[np.uint32]) -> str | None:
    """Return what is wrong with the first file of a plane that is missing or has another size than recorded."""
    folder = Path(plane.array, CHUNKS, *map(str, plane.dim_index))
    expected = _file_sizes(sizes, plane.shard)
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
