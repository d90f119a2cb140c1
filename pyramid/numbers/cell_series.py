"""The codes of one cell at many steps, read shard by shard where shards hold several steps.

A series of ten thousand steps needs as many chunks. Where a shard holds the steps of a time, its index is read once and
the chunks that lie beside each other in one piece, several shards at a time; each chunk is compared with its checksum,
and the decoded ones are not kept. Whatever is not as it should be (a chunk that is missing, damaged, or of a dataset
without checksums) is read again by ``StoredDataset.chunk``, which repairs, records and reports.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.chunks.array_digests import misfit
from lazytile.pyramid.chunks.digest_table import NO_CHUNK, ChunkDigest
from lazytile.pyramid.chunks.unpacking import unpack
from lazytile.pyramid.cluster.read_counts import ReadCounts
from lazytile.pyramid.core.errors import StoreError, StoreUnavailableError
from lazytile.pyramid.core.stop_flag import StoppedError
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.pyramid.storage.read_pool import READ_AHEAD, read_pool
from lazytile.pyramid.store.shard import ShardFiles, ShardObjects
from lazytile.pyramid.store.stored_chunks import StoredChunks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from lazytile.pyramid.store.dataset import Variable
    from lazytile.pyramid.store.store import StoredDataset

PIECE_BYTES = 4 << 20
"""Encoded chunks that one thread holds at a time; a larger chunk is read alone."""
_TURN = 64 * READ_AHEAD
"""Steps between two looks at whether to stop, where each is read for itself by several threads."""

Step = tuple[int, ...]


def read_series(
    stored: StoredDataset,
    variable: Variable,
    steps: Sequence[Step],
    cell: tuple[int, int],
    is_stopped: Callable[[], bool],
) -> NDArray[Any]:
    """Read the codes of a cell of level 0 at several indices along the leading dimensions.

    Args:
        stored: The dataset.
        variable: The variable.
        steps: The indices.
        cell: Row and column.
        is_stopped: Called every few chunks, from any thread; True stops the reading.

    Returns:
        Shape (steps,), the dtype of the codes.

    Raises:
        StoreError: A chunk cannot be read.
        StoppedError: ``is_stopped`` returned True.
    """
    series = _Series(stored, variable, cell, is_stopped)
    codes = np.empty(len(steps), variable.packing.dtype)
    if len(steps) < 2:
        for at, dim_index in enumerate(steps):
            codes[at] = series.one(dim_index)
        return codes
    reader = stored.reader(0, variable.name)
    if isinstance(reader, StoredChunks) and isinstance(reader.source, ShardFiles | ShardObjects):
        shards: dict[tuple[int, ...], list[tuple[int, int]]] = {}
        for at, dim_index in enumerate(steps):
            shard, number = reader.source.shape.locate(dim_index, *series.chunk)
            shards.setdefault(shard, []).append((at, number))
        if len(shards) < len(steps):
            wanted = [_Wanted(shard, members, steps) for shard, members in shards.items()]
            for part, found in read_pool().map(lambda each: (each, series.of_shard(reader, each)), wanted):
                codes[[at for at, _ in part.members]] = found
            return codes
    read: Callable[[Callable[[Step], Any], Iterable[Step]], Iterable[Any]] = read_pool().map if reader.waits else map
    for first in range(0, len(steps), _TURN):
        codes[first : first + _TURN] = list(read(series.one, steps[first : first + _TURN]))
    return codes


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The steps that are read from one shard."""

    index: tuple[int, ...]
    """Of the shard along every axis."""
    members: list[tuple[int, int]]
    """Position in the series and number in the shard of each step."""
    steps: Sequence[Step]
    """Of the whole series."""


class _Series:
    """Reads the codes of one cell."""

    def __init__(
        self, stored: StoredDataset, variable: Variable, cell: tuple[int, int], is_stopped: Callable[[], bool]
    ) -> None:
        rows, cols = stored.description.chunk.rows, stored.description.chunk.cols
        self._stored, self._variable, self._is_stopped = stored, variable, is_stopped
        self.chunk = cell[0] // rows, cell[1] // cols
        self._within = cell[0] % rows, cell[1] % cols
        self._number = self._within[0] * cols + self._within[1]

    def one(self, dim_index: Step) -> Any:
        """Return the code at one step, from a chunk that is read in the usual way."""
        if self._is_stopped():
            raise StoppedError
        return self._stored.chunk(0, self._variable.name, dim_index, *self.chunk)[self._within]

    def of_shard(self, reader: StoredChunks, wanted: _Wanted) -> NDArray[Any]:
        """Return the codes of the steps of one shard."""
        codes = np.empty(len(wanted.members), self._variable.packing.dtype)
        waiting: list[tuple[int, int, ChunkDigest]] = []
        size = 0
        for at, (position, number) in enumerate(wanted.members):
            digest = self._digest(reader, wanted.steps[position])
            if digest is None:
                codes[at] = self.one(wanted.steps[position])
            elif digest == NO_CHUNK:
                codes[at] = reader.fill_value
            else:
                if waiting and size + digest.size > PIECE_BYTES:
                    self._fill(codes, reader, wanted, waiting)
                    waiting, size = [], 0
                waiting.append((at, number, digest))
                size += digest.size
        if waiting:
            self._fill(codes, reader, wanted, waiting)
        return codes

    def _digest(self, reader: StoredChunks, dim_index: Step) -> ChunkDigest | None:
        """Return the digest of a chunk; None where nothing is known of it."""
        if reader.digests is None:
            return None
        try:
            digest = reader.digests.find(dim_index, *self.chunk)
        except StorageError as error:
            raise StoreUnavailableError(str(error)) from error
        except OSError:
            return None
        return digest if isinstance(digest, ChunkDigest) else None

    def _fill(
        self, codes: NDArray[Any], reader: StoredChunks, wanted: _Wanted, waiting: list[tuple[int, int, ChunkDigest]]
    ) -> None:
        """Read some chunks of a shard at once, and write the cell's code in each."""
        if self._is_stopped():
            raise StoppedError
        source = reader.source
        assert isinstance(source, ShardFiles | ShardObjects)
        try:
            found = source.get_many(wanted.index, [number for _, number, _ in waiting], reader.most_bytes)
        except StorageError as error:
            raise StoreUnavailableError(str(error)) from error
        except (StoreError, OSError):
            found = [None] * len(waiting)
        counts = ReadCounts.current()
        for (at, _, digest), data in zip(waiting, found, strict=True):
            unpacked = None
            if data is not None and misfit(digest, data) is None:
                counts.add(len(data))
                with suppress(StoreError):
                    unpacked = unpack(reader.compressor, data, reader.nbytes)
            if unpacked is None:
                codes[at] = self.one(wanted.steps[wanted.members[at][0]])
            else:
                codes[at] = np.frombuffer(unpacked, reader.stored_dtype)[self._number]
