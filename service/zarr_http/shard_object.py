"""A shard of a dataset, opened to be sent: what is sent is compared with its checksums first.

The index is compared with its own checksum and with the table of checksums, then every chunk that the wanted bytes
touch. The system sends the bytes from a file, and the shard is never in memory as a whole. Of a shard in object storage
only these bytes are fetched, in pieces, several at once, to a file without a name.
"""

from __future__ import annotations

import operator
import os
import tempfile
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING

import google_crc32c
import numpy as np

from lazytile.pyramid.chunks.array_digests import misfit
from lazytile.pyramid.chunks.damage import DamagedChunkError
from lazytile.pyramid.chunks.digest_table import NO_CHUNK, ChunkDigest, Unknown
from lazytile.pyramid.chunks.shard_format import index_bytes
from lazytile.pyramid.core.errors import StoreUnavailableError
from lazytile.pyramid.storage.object_path import ObjectPath, location
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.pyramid.store.sound_chunk import read_sound

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import FileIO
    from typing import Self

    from lazytile.pyramid.chunks.shard_shape import ChunkPosition, ShardShape
    from lazytile.pyramid.store.store import StoredDataset
    from lazytile.pyramid.store.stored_chunks import StoredChunks

_ENTRY = np.dtype([("offset", "<u8"), ("size", "<u8")])
_ABSENT = 0xFFFFFFFFFFFFFFFF
FETCH_BYTES = 1 << 20
"""Bytes that one request to object storage asks for."""
FETCHES = 8
"""Requests to object storage at a time."""


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


class ShardBytes:
    """The bytes of a shard: its file, or a file with the parts of an object that were fetched."""

    def __init__(self, file: FileIO, source: ObjectPath | None = None) -> None:
        """Own an open file.

        Args:
            file: As large as the shard.
            source: The object of which it holds parts; None: it is the shard's own.
        """
        self.file = file
        self._source = source
        self._fetched: tuple[int, int] | None = None

    @classmethod
    def open(cls, path: str, chunks: int) -> Self:
        """Open a shard. It blocks.

        Args:
            path: Path or URL of the shard.
            chunks: Of the shard, whose index is fetched.

        Returns:
            The shard.

        Raises:
            FileNotFoundError: There is none.
            StoreUnavailableError: Object storage cannot be reached.
        """
        place = location(path)
        if not isinstance(place, ObjectPath):
            return cls(open(path, "rb", buffering=0))  # noqa: PTH123
        try:
            end = place.storage.get_end(place.key, index_bytes(chunks))
        except StorageError as error:
            raise StoreUnavailableError(str(error)) from error
        if end is None:
            raise FileNotFoundError(f"{path} does not exist")
        data, size = end
        with tempfile.TemporaryFile(buffering=0) as copy:
            file = os.fdopen(os.dup(copy.fileno()), "r+b", buffering=0)
        os.ftruncate(file.fileno(), size)
        os.pwrite(file.fileno(), data, size - len(data))
        return cls(file, place)

    def fetch(self, start: int, stop: int) -> None:
        """Have some bytes in the file.

        Args:
            start: First byte.
            stop: The byte after the last.

        Raises:
            FileNotFoundError: The object is gone.
            StoreUnavailableError: Object storage cannot be reached.
        """
        source, known = self._source, self._fetched
        if source is None or start >= stop or (known is not None and known[0] <= start and stop <= known[1]):
            return
        ranges = [(first, min(stop, first + FETCH_BYTES)) for first in range(start, stop, FETCH_BYTES)]
        for at in range(0, len(ranges), FETCHES):
            wanted = ranges[at : at + FETCHES]
            try:
                parts = source.storage.get_ranges(source.key, wanted)
            except StorageError as error:
                raise StoreUnavailableError(str(error)) from error
            if parts is None:
                raise FileNotFoundError(f"{source} does not exist")
            for (first, _), part in zip(wanted, parts, strict=True):
                os.pwrite(self.file.fileno(), part, first)
        self._fetched = start, stop


@dataclass(frozen=True, slots=True)
class ShardPlace:
    """Where a shard lies in its array."""

    index: tuple[int, ...]
    """Of the shard along every axis."""
    shape: ShardShape
    lengths: tuple[int, ...]
    """Of the leading dimensions of the array."""

    def position(self, number: int) -> ChunkPosition:
        """Return the position of a chunk of the shard in the array.

        Args:
            number: Of the chunk in the shard.

        Returns:
            The position; it may lie beyond the array's edges.
        """
        return self.shape.member(self.index, number)

    def digests(
        self, reader: StoredChunks, numbers: Iterable[int] | None = None, *, again: bool = False
    ) -> Iterator[ChunkDigest | Unknown]:
        """Look up the digests of chunks.

        Args:
            reader: Of the array.
            numbers: Of the chunks in the shard; None: all.
            again: Whether to read them from the disk.

        Yields:
            The digest of each; of one beyond the edge of the array, that of an absent one.
        """
        for number in range(self.shape.count) if numbers is None else numbers:
            dim_index, row, col = self.position(number)
            if reader.digests is None:
                yield Unknown.UNCHECKED
                continue
            rows, cols = reader.digests.grid
            if row < rows and col < cols and all(map(operator.lt, dim_index, self.lengths)):
                yield reader.digests.find(dim_index, row, col, again=again)
            else:
                yield NO_CHUNK


class ShardObject(FileObject):
    """A shard."""

    def __init__(
        self, etag: str, content: ShardBytes, stored: StoredDataset, reader: StoredChunks, place: ShardPlace
    ) -> None:
        """Own an open shard.

        Args:
            etag: Entity tag, quoted.
            content: The shard's bytes.
            stored: The dataset.
            reader: Of the array.
            place: Of the shard in the array.
        """
        super().__init__(etag, content.file)
        self._content = content
        self._stored = stored
        self._reader = reader
        self._place = place

    def check(self, start: int, stop: int) -> None:
        """Compare the index, and every chunk that the bytes touch, with their checksums. It blocks.

        Args:
            start: First byte to be sent.
            stop: The byte after the last.

        Raises:
            DamagedChunkError: One of them is damaged.
            StoreUnavailableError: Object storage cannot be reached.
        """
        entries = self._index()
        self._fetch(entries, start, stop)
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

    def _fetch(self, entries: list[tuple[int, int]], start: int, stop: int) -> None:
        """Have the bytes to be sent in the file, and the whole of every chunk that they touch."""
        for offset, size in entries:
            if (offset, size) != (_ABSENT, _ABSENT) and offset < stop and start < offset + size <= self.size:
                start, stop = min(start, offset), max(stop, offset + size)
        try:
            self._content.fetch(start, min(stop, self.size))
        except FileNotFoundError as error:
            raise self._damaged(0, "its shard is missing") from error

    def _index(self) -> list[tuple[int, int]]:
        """Return offset and size of every chunk after comparing the index with its checksum."""
        wanted = index_bytes(self._place.shape.count)
        index = os.pread(self.file.fileno(), wanted, max(self.size - wanted, 0))
        table, checksum = index[:-4], int.from_bytes(index[-4:], "little")
        if len(index) != wanted or google_crc32c.value(table) != checksum:
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
        at = self._place.position(number)
        place = None if self._reader.array is None else self._reader.array.chunk(*at)
        return DamagedChunkError(place, reason, self._reader.source.name(*at))
