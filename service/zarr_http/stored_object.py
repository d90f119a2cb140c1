"""One chunk, shard or coordinate of a dataset, opened to be sent: nothing is sent that differs from its checksum.

A chunk in a file of its own is read and compared whole. Of a shard, the index is compared with its own checksum and
with the table of checksums, then every chunk that the wanted bytes touch; the system sends the file, which is never in
memory as a whole. A damaged chunk of an overview is computed again, and one that a lazy dataset has not made is made.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import google_crc32c
import numpy as np

from lazytile.pyramid.chunks.array_digests import misfit
from lazytile.pyramid.chunks.checksum import crc32
from lazytile.pyramid.chunks.damage import ChunkNotMadeError, DamagedChunkError
from lazytile.pyramid.chunks.digest_table import NO_CHUNK, ChunkDigest, Unknown
from lazytile.pyramid.core.errors import StoreError, StoreUnavailableError
from lazytile.pyramid.storage.object_path import ObjectPath, location
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.pyramid.store.chunk_file import CHUNKS
from lazytile.pyramid.store.chunk_reader import open_level
from lazytile.pyramid.store.codec import Codec
from lazytile.pyramid.store.generation_attempts import check_opened
from lazytile.pyramid.store.geozarr import coordinate_problem
from lazytile.pyramid.store.overview import ChunkIndex
from lazytile.pyramid.store.shard import ShardFiles, ShardObjects, index_bytes
from lazytile.pyramid.store.sound_chunk import read_sound
from lazytile.pyramid.store.stored_chunks import StoredChunks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import FileIO
    from pathlib import Path

    from numpy.typing import NDArray

    from lazytile.pyramid.core.grid import Shape
    from lazytile.pyramid.store.store import StoredDataset

_ENTRY = np.dtype([("offset", "<u8"), ("size", "<u8")])
_ABSENT = 0xFFFFFFFFFFFFFFFF
SMALL_BYTES = 8 << 20
"""A file without checksums up to this size is read at once."""


@dataclass(frozen=True, slots=True)
class WholeObject:
    """An object in memory."""

    etag: str
    data: bytes

    @property
    def size(self) -> int:
        """Bytes of the object."""
        return len(self.data)


class FileObject:
    """An object in an open file, which closes with it. It may go on to exist after it was replaced in the store."""

    def __init__(self, etag: str, file: FileIO) -> None:
        """Own an open file.

        Args:
            etag: Entity tag, quoted.
            file: The file.
        """
        self.etag = etag
        self.file = file
        self.size = os.fstat(file.fileno()).st_size
        self.close = weakref.finalize(self, file.close)
        """Closes the file; it does nothing the second time."""

    def check(self, start: int, stop: int) -> None:
        """Compare what is about to be sent with its checksums, of which this kind of object has none.

        Args:
            start: First byte to be sent.
            stop: The byte after the last.
        """


class ShardObject(FileObject):
    """A shard."""

    def __init__(self, etag: str, file: FileIO, stored: StoredDataset, reader: StoredChunks, place: _Shard) -> None:
        super().__init__(etag, file)
        self._stored = stored
        self._reader = reader
        self._place = place

    def check(self, start: int, stop: int) -> None:
        """Compare the index, and every chunk that the bytes touch, with their checksums.

        Args:
            start: First byte to be sent.
            stop: The byte after the last.

        Raises:
            DamagedChunkError: One of them is damaged.
        """
        entries = self._index()
        for number, (entry, digest) in enumerate(zip(entries, self._place.digests(self._reader), strict=True)):
            if self._problem(entry, digest, start, stop) is not None:
                # The table in memory may be older than the shard, or have been damaged itself.
                (present,) = self._place.digests(self._reader, (number,), again=True)
                reason = self._problem(entry, present, start, stop)
                if reason is not None:
                    raise self._damaged(number, reason)

    def repair(self, error: DamagedChunkError) -> None:
        """Have a damaged chunk computed again, which is possible in overviews.

        Args:
            error: What ``check`` has found.

        Raises:
            DamagedChunkError: It cannot be computed.
        """
        if error.place is None:
            raise error
        read_sound(self._stored, self._reader, error.place.dim_index, error.place.row, error.place.col)

    def _index(self) -> list[tuple[int, int]]:
        """Return offset and size of every chunk after comparing the index with its checksum."""
        count = self._place.side.rows * self._place.side.cols
        index = os.pread(self.file.fileno(), index_bytes(count), max(self.size - index_bytes(count), 0))
        table, checksum = index[:-4], int.from_bytes(index[-4:], "little")
        if len(index) != index_bytes(count) or google_crc32c.value(table) != checksum:
            digests = enumerate(self._place.digests(self._reader))
            number = next((at for at, each in digests if isinstance(each, ChunkDigest) and each.size), 0)
            raise self._damaged(number, "the checksum of the shard's index is wrong")
        return [(offset, size) for offset, size in np.frombuffer(table, _ENTRY).tolist()]

    def _problem(self, entry: tuple[int, int], digest: ChunkDigest | Unknown, start: int, stop: int) -> str | None:
        """Return what is wrong with a chunk, in a few words; None where nothing is, or nothing is known."""
        offset, size = entry
        is_there = entry != (_ABSENT, _ABSENT)
        if not isinstance(digest, ChunkDigest):
            return None if digest in (Unknown.UNCHECKED, Unknown.IN_SHARD) else str(digest.value)
        if (size if is_there else 0) != digest.size:
            return "the shard's index differs from the table of checksums"
        is_touched = is_there and offset < stop and start < offset + size
        return misfit(digest, os.pread(self.file.fileno(), size, offset)) if is_touched else None

    def _damaged(self, number: int, reason: str) -> DamagedChunkError:
        row, col = self._place.position(number)
        place = None if self._reader.array is None else self._reader.array.chunk(self._place.dim_index, row, col)
        name = self._reader.source.name(self._place.dim_index, row, col)
        return DamagedChunkError(place, reason, name)


@dataclass(frozen=True, slots=True)
class _Shard:
    """Where a shard lies in its array."""

    dim_index: tuple[int, ...]
    row: int
    col: int
    """Of the shard among shards."""
    side: Shape
    """Chunks in a shard."""

    def position(self, number: int) -> tuple[int, int]:
        """Return row and column, in the array, of a chunk of the shard."""
        down, across = divmod(number, self.side.cols)
        return self.row * self.side.rows + down, self.col * self.side.cols + across

    def digests(
        self, reader: StoredChunks, numbers: Iterable[int] | None = None, *, again: bool = False
    ) -> Iterator[ChunkDigest | Unknown]:
        """Yield the digest of each chunk; of one beyond the edge of the array, that of an absent one."""
        for number in range(self.side.rows * self.side.cols) if numbers is None else numbers:
            row, col = self.position(number)
            if reader.digests is None:
                yield Unknown.UNCHECKED
            elif row >= reader.digests.grid[0] or col >= reader.digests.grid[1]:
                yield NO_CHUNK
            else:
                yield reader.digests.find(self.dim_index, row, col, again=again)


def open_object(
    stored: StoredDataset, level: int, array: str, index: tuple[int, ...]
) -> WholeObject | FileObject | None:
    """Open the object that a key of a chunk names. It blocks.

    Args:
        stored: The dataset.
        level: Of the pyramid.
        array: Name of a variable or coordinate.
        index: Of the chunk or shard along each axis, within the array.

    Returns:
        The object; None for a chunk that is empty: all fill value, and not stored.

    Raises:
        DamagedChunkError: It is damaged or missing.
        GenerationChangedError: The dataset was replaced meanwhile.
        StoreError: It cannot be read at the moment.
    """
    description = stored.description
    found: WholeObject | FileObject | None
    if any(variable.name == array for variable in description.variables):
        reader = open_level(stored.path, description, array, level)
        if isinstance(reader, StoredChunks):
            dim_index, row, col = index[:-2], index[-2], index[-1]
            if isinstance(reader.source, ShardFiles | ShardObjects):
                found = _shard(stored, reader, _Shard(dim_index, row, col, reader.source.side))
            else:
                found = _chunk(stored, reader, ChunkIndex(level, dim_index, row, col))
            check_opened(stored)
            return found
    else:
        problem = coordinate_problem(stored.path / str(level), array)
        if problem is not None:
            check_opened(stored)
            raise StoreError(f"coordinate {array} of level {level} of dataset {description.name}: {problem}")
    found = _plain(
        stored.path.joinpath(str(level), array, CHUNKS, *map(str, index)), (description.generation, level, array, index)
    )
    check_opened(stored)
    return found


def _chunk(stored: StoredDataset, reader: StoredChunks, at: ChunkIndex) -> WholeObject | None:
    place = at.dim_index, at.row, at.col
    try:
        data = reader.whole(*place)
    except (ChunkNotMadeError, DamagedChunkError):
        data = _made(stored, reader, at, read_sound(stored, reader, *place))
    if data is None:
        return None
    return WholeObject(_etag(_content(stored, reader, at.dim_index), at.row, at.col, len(data), crc32(data)), data)


def _made(stored: StoredDataset, reader: StoredChunks, at: ChunkIndex, codes: NDArray[Any]) -> bytes | None:
    """Return the bytes of a chunk whose codes were just computed, also where they cannot be stored."""
    place = at.dim_index, at.row, at.col
    try:
        return reader.whole(*place)
    except (ChunkNotMadeError, DamagedChunkError):
        encoded = Codec.parse(stored.description.codec).encode(np.ascontiguousarray(codes).astype(reader.stored_dtype))
        digest = None if reader.digests is None else reader.digests.find(*place)
        if isinstance(digest, ChunkDigest) and misfit(digest, encoded) is not None:
            raise
        return encoded


def _shard(stored: StoredDataset, reader: StoredChunks, place: _Shard) -> ShardObject | None:
    digests = list(place.digests(reader))
    path = reader.source.file(place.dim_index, *place.position(0))
    present = [number for number, each in enumerate(digests) if isinstance(each, ChunkDigest) and each.size]
    try:
        file = _opened(path)
    except FileNotFoundError:
        if not present:
            return None
        row, col = place.position(present[0])
        read_sound(stored, reader, place.dim_index, row, col)  # an overview's is written again
        try:
            file = _opened(path)
        except FileNotFoundError as error:
            at = None if reader.array is None else reader.array.chunk(place.dim_index, row, col)
            raise DamagedChunkError(at, "its shard is missing", path) from error
    content = _content(stored, reader, place.dim_index)
    if all(isinstance(each, ChunkDigest) for each in digests):
        etag = _etag(content, place.row, place.col, *digests)
    else:
        status = os.fstat(file.fileno())
        etag = _etag(content, place.row, place.col, status.st_size, status.st_mtime_ns)
    return ShardObject(etag, file, stored, reader, place)


def _plain(path: Path, content: tuple[object, ...]) -> WholeObject | FileObject | None:
    """Open a file that is not checked here, or was."""
    try:
        file = _opened(path)
    except FileNotFoundError:
        return None
    status = os.fstat(file.fileno())
    if status.st_size > SMALL_BYTES:
        return FileObject(_etag(content, status.st_size, status.st_mtime_ns), file)
    with file:
        data = file.read()
    return WholeObject(_etag(content, hashlib.sha256(data).hexdigest()), data)


def _opened(path: str | Path) -> FileIO:
    """Open a file, or a copy of an object in a file without a name; whoever gets it closes it."""
    place = location(path)
    if not isinstance(place, ObjectPath):
        return open(path, "rb", buffering=0)  # noqa: PTH123
    try:
        data = place.read_bytes()
    except StorageError as error:
        raise StoreUnavailableError(str(error)) from error
    with tempfile.TemporaryFile(buffering=0) as copy:
        copy.write(data)
        copy.seek(0)
        return open(os.dup(copy.fileno()), "rb", buffering=0)  # noqa: PTH123


def _content(stored: StoredDataset, reader: StoredChunks, dim_index: tuple[int, ...]) -> tuple[object, ...]:
    array = reader.array
    assert array is not None
    generation = stored.description.content_generation((array.variable,), dim_index)
    return generation, array.variable, array.level, dim_index


def _etag(*parts: object) -> str:
    """Return a strong entity tag. It is the same on every host that has the same dataset."""
    return f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:40]}"'
