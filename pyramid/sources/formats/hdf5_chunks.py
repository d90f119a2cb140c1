"""The chunks of a variable of HDF5, read and decompressed outside the library.

The HDF5 library decompresses in one thread at a time. Here it only says where the chunks lie; threads then read and
decompress them side by side (HDF5 File Format Specification 4.0, IV.A.2.l, "Data Storage - Filter Pipeline").
"""

from __future__ import annotations

import math
import os
import threading
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.chunks.unpacking import unpack
from lazytile.pyramid.core import process
from lazytile.pyramid.core.byte_lru import BytesLru
from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.fetch.source_url import source_stamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

CACHE_BYTES = 192 << 20
"""Decompressed chunks of sources that a process keeps: those on the edge between two blocks are needed twice."""
MAX_CHUNK_BYTES = CACHE_BYTES // 4
"""Largest chunk that several threads may hold at a time; the library reads larger ones, one after the other."""
LEAST_CHUNK_BYTES = 8 << 10
"""Smallest chunk that is worth it: what Python does for each takes as long as the library takes for a smaller one."""
MAX_CHUNKS = 1 << 22
"""Places of chunks that are remembered of a variable, 24 bytes each."""
_DEFLATE, _SHUFFLE = 1, 2
"""Numbers of filters in the registry of the HDF Group."""
_PLACE = np.dtype([("offset", "<u8"), ("size", "<u8"), ("mask", "<u8")])

Key = tuple["slice | list[int]", ...]


@dataclass(frozen=True, slots=True, eq=False)
class Hdf5Chunks:
    """Where the chunks of a variable lie in a file, and how they were compressed. Thread-safe."""

    path: str
    name: str
    """Path of the variable in the file."""
    stamp: tuple[int, ...]
    """Of the file when it was looked at."""
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[Any]
    """In the order of bytes of the file."""
    fill: Any
    """Value of the cells of chunks that the file does not hold."""
    filters: tuple[tuple[int, int], ...]
    """Number of each filter in the order of writing, and its first parameter."""
    places: NDArray[Any]
    """Offset, size and omitted filters of each chunk in C order; a size of 0: the file does not hold it."""

    def read(self, key: Key) -> NDArray[Any]:
        """Return the values of a box of cells.

        Args:
            key: Cells along each axis: a list, or a slice of step 1, its ends within the variable or None.

        Returns:
            Values as they are stored, shape by ``key``.

        Raises:
            SourceError: A chunk is damaged, or the file was changed.
            OSError: The file cannot be read.
        """
        for axis, cells in enumerate(key):
            if isinstance(cells, list):
                steps = [(*key[:axis], slice(cell, cell + 1), *key[axis + 1 :]) for cell in cells]
                return np.concatenate([self.read(step) for step in steps], axis=axis)
        spans = [
            cells.indices(size)[:2] for cells, size in zip(key, self.shape, strict=True) if isinstance(cells, slice)
        ]
        out = np.empty([stop - start for start, stop in spans], self.dtype)
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if source_stamp(self.path) != self.stamp:
                raise SourceError(f"{self.path} has been changed")
            for index, to, of in _parts(spans, self.chunks):
                identity = (self.path, self.stamp, self.name, index)
                chunk = _cache().get(identity, partial(self._chunk, descriptor, index))
                out[to] = chunk.values[of]
                if chunk.is_used_up(out[to].size):
                    _cache().remove(identity)
        finally:
            os.close(descriptor)
        return out

    def _chunk(self, descriptor: int, index: tuple[int, ...]) -> _Chunk:
        """Read a chunk."""
        lengths = (min(each, size - at * each) for at, each, size in zip(index, self.chunks, self.shape, strict=True))
        return _Chunk(self._values(descriptor, index), math.prod(lengths))

    def _values(self, descriptor: int, index: tuple[int, ...]) -> NDArray[Any]:
        """Read the values of a chunk and undo its filters, the last one first."""
        extent = [-(-size // length) for size, length in zip(self.shape, self.chunks, strict=True)]
        place = self.places[int(np.ravel_multi_index(index, extent))]
        size, nbytes = int(place["size"]), math.prod(self.chunks) * self.dtype.itemsize
        if not size:
            return np.broadcast_to(np.asarray(self.fill, self.dtype), self.chunks)
        if size > 2 * nbytes + 1024:
            raise SourceError(f"chunk {index} has {size} bytes, one of {nbytes} is at most twice as large")
        data: Any = os.pread(descriptor, size, int(place["offset"]))
        if len(data) != size:
            raise SourceError(f"the file ends in chunk {index}")
        for at, (number, parameter) in reversed(list(enumerate(self.filters))):
            if int(place["mask"]) >> at & 1:
                continue  # it was omitted for this chunk
            data = unpack("zlib", data, nbytes) if number == _DEFLATE else _unshuffled(data, parameter)
        if memoryview(data).nbytes != nbytes:
            raise SourceError(f"chunk {index} has {memoryview(data).nbytes} bytes, not {nbytes}")
        return np.frombuffer(data, self.dtype).reshape(self.chunks)


class _Chunk:
    """The values of a chunk, and how many of its cells nobody has read yet."""

    __slots__ = ("_lock", "_unread", "values")

    def __init__(self, values: NDArray[Any], unread: int) -> None:
        self.values = values
        self._unread = unread
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Size in memory."""
        return self.values.nbytes

    def is_used_up(self, cells: int) -> bool:
        """Count cells that were read; return whether those were the last: a conversion reads each of them once."""
        with self._lock:
            self._unread -= cells
            return self._unread <= 0


def hdf5_chunks(path: str, stamp: tuple[int, ...], name: str, shape: tuple[int, ...]) -> Hdf5Chunks | None:
    """Find out whether and where the chunks of a variable can be read outside the library.

    The caller holds the locks of the libraries: h5py and netCDF4 may share one HDF5 library, as they do on conda.

    Args:
        path: Of the file.
        stamp: Of the file, see ``source_stamp``.
        name: Path of the variable in it.
        shape: Of the variable as netCDF has it, which may be larger than the array that holds it.

    Returns:
        Their places; None where only the library can read them: other filters, types or layouts.
    """
    if not Path(path).is_file():
        return None
    import h5py  # noqa: PLC0415 - other formats do not need it

    try:
        with h5py.File(path, "r") as file:
            found = file.get(name)
            if not isinstance(found, h5py.Dataset) or file.userblock_size:
                return None
            return _chunks_of(found, path, name, stamp, shape)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError):
        return None  # the library of netCDF understood it; it may say what is wrong


def forget(path: str) -> None:
    """Drop the decompressed chunks of a file.

    Args:
        path: Of the file.
    """
    _cache().drop(lambda key: isinstance(key, tuple) and key[0] == path)


def _chunks_of(found: Any, path: str, name: str, stamp: tuple[int, ...], shape: tuple[int, ...]) -> Hdf5Chunks | None:
    """Return the places of the chunks of an open variable."""
    dtype, chunks = found.dtype, found.chunks
    if not chunks or found.shape != shape or dtype.kind not in "iuf" or dtype.metadata:
        return None
    kind = found.id.get_type()
    if kind.get_size() != dtype.itemsize or kind.get_precision() != 8 * dtype.itemsize:
        return None
    extent = [-(-size // length) for size, length in zip(shape, chunks, strict=True)]
    nbytes = math.prod(chunks) * dtype.itemsize
    if not LEAST_CHUNK_BYTES <= nbytes <= MAX_CHUNK_BYTES or math.prod(extent) > MAX_CHUNKS:
        return None
    properties = found.id.get_create_plist()
    filters = tuple(_filter(properties.get_filter(at)) for at in range(properties.get_nfilters()))
    if not {number for number, _ in filters} <= {_DEFLATE, _SHUFFLE}:
        return None
    places = np.zeros(extent, _PLACE)

    def note(chunk: Any) -> None:
        at = tuple(first // length for first, length in zip(chunk.chunk_offset, chunks, strict=True))
        if all(each < count for each, count in zip(at, extent, strict=True)):  # a variable may have been cut
            places[at] = (chunk.byte_offset, chunk.size, chunk.filter_mask)

    found.id.chunk_iter(note)
    return Hdf5Chunks(path, name, stamp, shape, chunks, dtype, found.fillvalue, filters, places.reshape(-1))


def _filter(found: tuple[Any, ...]) -> tuple[int, int]:
    number, _, parameters, _ = found
    return int(number), int(parameters[0]) if parameters else 0


def _parts(
    spans: Sequence[tuple[int, int]], chunks: Sequence[int]
) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...], tuple[slice, ...]]]:
    """Yield the index of each chunk that a box touches, and the cells that they share: of the box, of the chunk."""
    counts = [range(start // size, -(-stop // size)) for (start, stop), size in zip(spans, chunks, strict=True)]
    for index in product(*counts):
        shared = [
            (at * size, max(start, at * size), min(stop, (at + 1) * size), start)
            for at, size, (start, stop) in zip(index, chunks, spans, strict=True)
        ]
        to = tuple(slice(first - start, last - start) for _, first, last, start in shared)
        of = tuple(slice(first - corner, last - corner) for corner, first, last, _ in shared)
        yield index, to, of


def _unshuffled(data: Any, size: int) -> Any:
    """Undo the filter that puts the first bytes of all elements first; what is left over stays at the end."""
    taken = np.frombuffer(data, np.uint8)
    count = len(taken) // size if size > 1 else 0
    if not count:
        return data
    out = np.empty(len(taken), np.uint8)
    elements, planes = out[: count * size].reshape(count, size), taken[: count * size].reshape(size, count)
    for at in range(size):
        elements[:, at] = planes[at]
    out[count * size :] = taken[count * size :]
    return out


def _cache() -> BytesLru[_Chunk]:
    """Return the decompressed chunks of this process."""
    return process.current().resource(
        "decompressed source chunks", lambda: BytesLru[_Chunk](CACHE_BYTES, lambda chunk: chunk.nbytes)
    )
