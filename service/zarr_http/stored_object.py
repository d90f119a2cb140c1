"""One chunk, shard or coordinate of a dataset, opened to be sent: nothing is sent that differs from its checksum.

A chunk in a file of its own is read and compared whole; a shard as ``shard_object`` says. A damaged chunk of an
overview is computed again, and one that a lazy dataset has not made is made.
"""

from __future__ import annotations

import hashlib
import operator
import os
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.chunks.array_digests import misfit
from lazytile.pyramid.chunks.checksum import crc32
from lazytile.pyramid.chunks.damage import ChunkNotMadeError, ChunkPlace, DamagedChunkError
from lazytile.pyramid.chunks.digest_table import ChunkDigest
from lazytile.pyramid.core.errors import StoreUnavailableError
from lazytile.pyramid.storage.object_path import ObjectPath, location
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.pyramid.store.chunk_file import CHUNKS
from lazytile.pyramid.store.chunk_reader import open_level
from lazytile.pyramid.store.codec import Codec
from lazytile.pyramid.store.generation_attempts import check_opened
from lazytile.pyramid.store.geozarr import coordinate_problem
from lazytile.pyramid.store.overview import ChunkIndex
from lazytile.pyramid.store.shard import ShardFiles, ShardObjects
from lazytile.pyramid.store.sound_chunk import read_sound
from lazytile.pyramid.store.stored_chunks import StoredChunks
from lazytile.service.zarr_http.shard_object import FileObject, ShardBytes, ShardObject, ShardPlace

if TYPE_CHECKING:
    from io import FileIO
    from pathlib import Path

    from numpy.typing import NDArray

    from lazytile.pyramid.store.store import StoredDataset

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
                found = _shard(stored, reader, ShardPlace(index, reader.source.shape, _lengths(stored, array)))
            else:
                found = _chunk(stored, reader, ChunkIndex(level, dim_index, row, col))
            check_opened(stored)
            return found
    else:
        problem = coordinate_problem(stored.path / str(level), array)
        if problem is not None:
            check_opened(stored)
            place = ChunkPlace(str(stored.path), description.name, array, level, (), 0, 0)
            raise DamagedChunkError(place, problem, f"{level}/{array}/{CHUNKS}/0")
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


def _lengths(stored: StoredDataset, variable: str) -> tuple[int, ...]:
    return tuple(len(dimension.labels) for dimension in stored.description.variable(variable).dimensions)


def _shard(stored: StoredDataset, reader: StoredChunks, place: ShardPlace) -> ShardObject | None:
    digests = list(place.digests(reader))
    path = reader.source.file(*place.position(0))
    present = [number for number, each in enumerate(digests) if isinstance(each, ChunkDigest) and each.size]
    try:
        file = ShardBytes.open(path, place.shape.count)
    except FileNotFoundError:
        if not present:
            return None
        at = place.position(present[0])
        read_sound(stored, reader, *at)  # an overview's is written again
        try:
            file = ShardBytes.open(path, place.shape.count)
        except FileNotFoundError as error:
            chunk = None if reader.array is None else reader.array.chunk(*at)
            raise DamagedChunkError(chunk, "its shard is missing", path) from error
    steps = dict.fromkeys(place.position(number)[0] for number in range(place.shape.count))
    contents = dict.fromkeys(
        _content(stored, reader, step) for step in steps if all(map(operator.lt, step, place.lengths))
    )
    # That of a shard of one plane is as it was before shards of several.
    content = next(iter(contents)) if place.shape.axis is None else tuple(contents)
    if all(isinstance(each, ChunkDigest) for each in digests):
        etag = _etag(content, *place.index[-2:], *digests)
    else:
        status = os.fstat(file.file.fileno())
        etag = _etag(content, *place.index[-2:], status.st_size, status.st_mtime_ns)
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
