"""The format of shards: chunks, and an index of them with a checksum at the end (Zarr v3, ``sharding_indexed``)."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, TypeVar

import google_crc32c
import numpy as np

from lazytile.pyramid.core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import BinaryIO

    from numpy.typing import NDArray

Place = TypeVar("Place")

_ENTRY = np.dtype([("offset", "<u8"), ("size", "<u8")])
_CHECKSUM_BYTES = 4
_PIECE_BYTES = 8 << 20
"""Chunks are read together up to this size."""
_ABSENT = 0xFFFFFFFFFFFFFFFF
"""Offset and size of an absent chunk (Zarr v3, sharding codec, section "Binary shard format")."""


def checked_table(index: bytes, count: int) -> bytes:
    """Return the table of an index as it is stored.

    Args:
        index: The last ``index_bytes(count)`` bytes of a shard.
        count: Chunks of a shard.

    Returns:
        The table, without its checksum.

    Raises:
        StoreError: The checksum does not fit.
    """
    table, checksum = index[:-_CHECKSUM_BYTES], int.from_bytes(index[-_CHECKSUM_BYTES:], "little")
    if len(index) != index_bytes(count) or google_crc32c.value(table) != checksum:
        raise StoreError("the checksum of the shard's index is wrong")
    return table


def find_chunk(table: bytes, number: int, end: int, limit: int) -> tuple[int, int] | None:
    """Return where a chunk is.

    Args:
        table: As ``checked_table`` returns it.
        number: Of the chunk in the shard.
        end: Where the index begins.
        limit: Most bytes of a chunk.

    Returns:
        First byte and number of bytes; None for an absent chunk.

    Raises:
        StoreError: The table states what cannot be.
    """
    offset, count = np.frombuffer(table, _ENTRY)[number].tolist()
    if offset == count == _ABSENT:
        return None
    if offset + count > end:
        raise StoreError(f"the shard's index points past the {end} bytes of its chunks")
    if count > limit:
        raise StoreError(f"the shard's index states {count} bytes, more than a chunk can take")
    return offset, count


def read_chunks(path: str, count: int, numbers: Sequence[int], limit: int) -> list[bytes | None]:
    """Read chunks of a file in the format of a shard.

    Args:
        path: Of the file.
        count: Chunks of a shard.
        numbers: Of the chunks to read.
        limit: Most bytes of one.

    Returns:
        The bytes of each; None for one that is absent, or where there is no file.

    Raises:
        StoreError: The index is damaged, or a chunk has more bytes.
        OSError: The file cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return [None] * len(numbers)
    try:
        end = os.fstat(descriptor).st_size - index_bytes(count)
        table = checked_table(os.pread(descriptor, index_bytes(count), max(end, 0)), count)
        found = [find_chunk(table, number, end, limit) for number in numbers]
        return read_places(found, lambda spans: [os.pread(descriptor, stop - start, start) for start, stop in spans])
    finally:
        os.close(descriptor)


def read_first(
    shards: Iterable[Place],
    count: int,
    numbers: Iterable[int],
    read: Callable[[Place, int, Sequence[int]], Sequence[bytes | None]],
) -> dict[int, bytes]:
    """Read chunks from several files or objects in the format of a shard: each from the first that has it.

    Args:
        shards: Where they are; no more are read than needed.
        count: Chunks of a shard.
        numbers: Of the chunks to read.
        read: Reads chunks, as ``read_chunks`` does.

    Returns:
        The bytes of those that are present, by number.
    """
    missing = list(numbers)
    found: dict[int, bytes] = {}
    for shard in shards:
        chunks = read(shard, count, missing)
        found |= {number: chunk for number, chunk in zip(missing, chunks, strict=True) if chunk is not None}
        missing = [number for number in missing if number not in found]
        if not missing:
            break
    return found


def read_places(
    places: Sequence[tuple[int, int] | None], read: Callable[[list[tuple[int, int]]], Sequence[bytes] | None]
) -> list[bytes | None]:
    """Read chunks of a shard; those that lie beside each other in one piece.

    Args:
        places: First byte and number of bytes of each chunk; None for an absent one.
        read: Reads pieces, each given by its first byte and the one after the last; None where there is no shard.

    Returns:
        The bytes of each chunk; None for an absent one, and where there is no shard.
    """
    spans: list[tuple[int, int]] = []
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for place in sorted({each for each in places if each is not None}):
        start, stop = place[0], place[0] + place[1]
        if spans and start == spans[-1][1] and stop - spans[-1][0] <= _PIECE_BYTES:
            spans[-1] = spans[-1][0], stop
        else:
            spans.append((start, stop))
        found[place] = len(spans) - 1, start - spans[-1][0]
    pieces = read(spans) if spans else None
    if pieces is None:
        return [None] * len(places)
    chunks: list[bytes | None] = []
    for each in places:
        piece, start = found[each] if each is not None else (0, 0)
        chunks.append(None if each is None else pieces[piece][start : start + each[1]])
    return chunks


def chunk_sizes(path: str, count: int) -> NDArray[np.int64]:
    """Return the bytes of every chunk of a file in the format of a shard.

    Args:
        path: Of the file.
        count: Chunks of a shard.

    Returns:
        Shape (chunks,), 0 for an absent chunk; shape (0,) where there is no file.

    Raises:
        StoreError: The index is damaged.
        OSError: The file cannot be read.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as above
            file.seek(max(0, os.fstat(file.fileno()).st_size - index_bytes(count)))
            table = checked_table(file.read(), count)
    except FileNotFoundError:
        return np.zeros(0, np.int64)
    return sizes_in(table)


def sizes_in(table: bytes) -> NDArray[np.int64]:
    """Return the bytes of every chunk of a shard.

    Args:
        table: As ``checked_table`` returns it.

    Returns:
        Shape (chunks,), 0 for an absent chunk.
    """
    sizes = np.frombuffer(table, _ENTRY)["size"]
    return np.where(sizes == _ABSENT, 0, sizes).astype(np.int64)


def index_bytes(chunks: int) -> int:
    """Return the size of a shard's index.

    Args:
        chunks: Of the shard.

    Returns:
        Bytes, with the checksum.
    """
    return chunks * _ENTRY.itemsize + _CHECKSUM_BYTES


class ShardWriter:
    """Writes a shard to a file chunk by chunk, so that the whole is never in memory."""

    def __init__(self, file: BinaryIO, count: int) -> None:
        """Begin a shard.

        Args:
            file: Open for writing, at its start.
            count: Chunks of the shard.
        """
        self._file = file
        self._index = np.full(count, np.array((_ABSENT, _ABSENT), _ENTRY))
        self._offset = 0
        self.is_empty = True
        """Whether no chunk is present."""

    def add(self, number: int, chunk: bytes) -> None:
        """Write a chunk.

        Args:
            number: Of the chunk in the shard; each is written once.
            chunk: Its bytes.
        """
        self._index[number] = self._offset, len(chunk)
        self._offset += len(chunk)
        self._file.write(chunk)
        self.is_empty = False

    def finish(self) -> None:
        """Write the index and its checksum; chunks that were not added are absent."""
        table = self._index.tobytes()
        self._file.write(table + google_crc32c.value(table).to_bytes(_CHECKSUM_BYTES, "little"))


def encode_shard(chunks: Sequence[bytes | None]) -> bytes:
    """Return the bytes of a shard.

    Args:
        chunks: The bytes of every chunk in their order; None for an absent one.

    Returns:
        The chunks that are present, the index and its checksum.
    """
    file = io.BytesIO()
    writer = ShardWriter(file, len(chunks))
    for number, chunk in enumerate(chunks):
        if chunk is not None:
            writer.add(number, chunk)
    writer.finish()
    return file.getvalue()
