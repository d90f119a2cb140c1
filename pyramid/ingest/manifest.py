"""Writing the tables of checksums of a conversion, and checking before it is published that every chunk is there.

``lazytile.pyramid.chunks.digest_table`` describes the tables.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.chunks.digest_table import FOLDER, Plane
from lazytile.pyramid.chunks.whole_table import encode_shared_table, encode_table
from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.ingest.presence import first_absent
from lazytile.pyramid.storage.object_path import ObjectPath
from lazytile.pyramid.storage.object_writer import ObjectWriter
from lazytile.pyramid.store.chunk_file import CHUNKS, read_file
from lazytile.pyramid.store.chunk_reader import level_digests
from lazytile.pyramid.store.layout import shard_shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lazytile.pyramid.chunks.array_digests import ArrayDigests
    from lazytile.pyramid.chunks.digest_table import ChunkDigest
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
            folder: Of the dataset, or its prefix in object storage.
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
        self._objects = ObjectWriter()

    def finish(self) -> None:
        """Wait until the tables are written that have all they need.

        Raises:
            StorageError: One cannot be written.
        """
        self._objects.finish()

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
        path = plane.file
        if plane.axis is None:
            data = encode_table(plane, table[plane])
        else:
            before = None
            if self._old is not None:
                parts = path.parts[len(self._folder.parts) :]
                before = read_file(self._old.joinpath(*parts), plane.table_bytes)
            data = encode_shared_table(table, before)
        if isinstance(path, ObjectPath):
            self._objects.put(path, data)
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
        self._sizes |= {each: digests[..., 0].copy() for each, digests in table.items()}

    def check_presence(self) -> None:
        """Check that every chunk of the planes that are complete is there, with its size.

        Raises:
            StoreError: One is missing or has another size, or no plane is complete.
        """
        if self._open or not self._sizes:
            raise StoreError(f"{self._folder}: {len(self._open)} planes were not finished")
        arrays: dict[tuple[int, str], dict[Plane, NDArray[np.uint32]]] = {}
        for plane, sizes in self._sizes.items():
            arrays.setdefault((plane.level, plane.variable), {})[plane] = sizes
        for (level, variable), planes_of in arrays.items():
            chunks = self._folder / str(level) / variable / CHUNKS
            shard = shard_shape(self._dataset, self._dataset.variable(variable), level)
            for attempt in range(LISTINGS):
                problem = first_absent(chunks, planes_of, shard)
                if problem is None:
                    break
                if attempt < LISTINGS - 1:
                    time.sleep(_PAUSE_S)
            else:
                raise StoreError(
                    f"dataset {self._dataset.name} is not published: {problem}; a worker that wrote it probably does "
                    "not see the same store, or its file system lost it"
                )


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
