"""The Zarr arrays of a source at one version, and their decoded chunks, kept in memory.

A chunk of the source has any shape. What is asked of it is cut out; the whole of it stays in the cache of decoded
chunks as long as there is room, and is read once for all threads that wait for it.
"""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from lazytile.pyramid.chunks.bounded_zarr import bounded_unpacking
from lazytile.pyramid.core import process
from lazytile.pyramid.core.byte_lru import BytesLru
from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.core.processors import processor_count
from lazytile.pyramid.linked.dated_stores import DatedFolder, DatedObjects, dated_store
from lazytile.pyramid.linked.direct_chunks import DirectChunks, direct_chunks
from lazytile.pyramid.sources.formats.container import ZARR
from lazytile.pyramid.sources.formats.virtual_zarr import KERCHUNK, reference_store, virtual_store
from lazytile.pyramid.sources.formats.zarr_bounds import check_arrays

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from numpy.typing import NDArray

    from lazytile.pyramid.linked.record import LinkRecord

MAX_WITNESSES = 256
MAX_CACHED = 16
"""A box that more chunks than this make up is read at once and not kept: its chunks are small."""
PARALLEL = 4
"""Chunks in files from which on several are unpacked at a time."""
QUICK_BYTES = 1 << 20
"""A chunk of so many bytes is unpacked in about a millisecond."""
LARGE_SHARE = 4
"""A chunk that is larger than this part of the cache would drive out most others."""


class ForeignArrays:
    """The arrays of a Zarr source. Thread-safe."""

    def __init__(self, engine: str, record: LinkRecord, identity: Hashable) -> None:
        """Open nothing yet.

        Args:
            engine: Name of the format, one of the Zarrs.
            record: Of the source.
            identity: Names the version of the source, in keys of caches.
        """
        self._engine = engine
        self._record = record
        self.objects: dict[str, DatedObjects] = {}
        """What was opened of remote Zarr, by source."""
        self._identity = identity
        self._arrays: dict[tuple[str, str], zarr.Array[Any]] = {}
        self._direct: dict[tuple[str, str], DirectChunks | None] = {}
        self._lock = threading.Lock()

    def array(self, path: str, name: str) -> zarr.Array[Any]:
        """Return an array.

        Args:
            path: Of the source.
            name: Path of the array in it.

        Returns:
            The array, opened once.

        Raises:
            SourceError: It is too large, or no array.
        """
        with self._lock:
            found = self._arrays.get((path, name))
            if found is None:
                store = self._store(path)
                with bounded_unpacking():
                    found = zarr.open_array(store, path=name.strip("/"), mode="r")
                check_arrays(path, [(name, found)])
                is_folder = isinstance(store, DatedFolder)
                self._direct[path, name] = direct_chunks(store, name, found) if is_folder else None
                self._arrays[path, name] = found
        return found

    def _store(self, path: str) -> Any:
        """Return the store of a source, one for all its arrays; the caller holds the lock."""
        if self._engine == KERCHUNK:
            return reference_store(Path(path), self._dated)
        return self._dated(path) if self._engine == ZARR else virtual_store(Path(path), self._engine)[0]

    def _dated(self, path: str) -> DatedFolder | DatedObjects:
        """Return the folder or objects of a source, or of what its references point to; those are opened once."""
        if path in self.objects:
            return self.objects[path]
        store = witnessed_store(self._record, path)
        if isinstance(store, DatedObjects):
            self.objects[path] = store
        return store

    def witnesses(self) -> tuple[tuple[str, str, str], ...]:
        """Return source, name and entity tag of objects that were read, at most ``MAX_WITNESSES``."""
        met = ((path, key, tag) for path, store in self.objects.items() for key, tag in list(store.seen.items()) if tag)
        return tuple(islice(met, MAX_WITNESSES))

    def is_quick(self, path: str, name: str) -> bool:
        """Return whether chunks of an array are unpacked in less time than other threads take to do it.

        Args:
            path: Of the source.
            name: Path of the array in it.

        Returns:
            Whether they are: small ones, in files.

        Raises:
            SourceError: It is too large, or no array.
        """
        array = self.array(path, name)
        is_direct = self._direct[path, name] is not None
        return is_direct and math.prod(array.chunks) * array.dtype.itemsize <= QUICK_BYTES

    def read(
        self, path: str, name: str, key: tuple[slice | list[int], ...], out: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Return the codes of a box of cells.

        Args:
            path: Of the source.
            name: Path of the array in it.
            key: Cells along each axis; slices have a start and a stop.
            out: Where to write the codes of a box without lists, shape by ``key``; None: to a new array.

        Returns:
            Codes as they are stored, read-only, shape by ``key``.

        Raises:
            SourceError: The array is smaller than that.
        """
        array = self.array(path, name)
        for axis, cells in enumerate(key):
            if isinstance(cells, list):
                # In the order of the source first: its chunks are then read once.
                least, greatest = min(cells), max(cells) + 1
                box = self.read(path, name, (*key[:axis], slice(least, greatest), *key[axis + 1 :]))
                return box.take([cell - least for cell in cells], axis=axis)
        spans = [(int(cells.start), int(cells.stop)) for cells in key if isinstance(cells, slice)]
        if any(start < 0 or stop > size for (start, stop), size in zip(spans, array.shape, strict=True)):
            raise SourceError(f"{path}: {name} has the shape {array.shape}, too small for {spans}")
        chunks = array.chunks
        counts = [range(start // size, -(-stop // size)) for (start, stop), size in zip(spans, chunks, strict=True)]
        if out is None:
            out = np.empty([stop - start for start, stop in spans], array.dtype)
        is_direct = self._direct[path, name] is not None
        if math.prod(map(len, counts)) > MAX_CACHED and not is_direct:
            out[...] = array[tuple(slice(*span) for span in spans)]
            return out
        indices = list(product(*counts))
        into = out

        def copy(index: tuple[int, ...]) -> None:
            chunk = self._chunk(array, path, name, index)
            to, of = [], []
            for at, size, (start, stop), length in zip(index, chunks, spans, chunk.shape, strict=True):
                first = max(start, at * size)
                last = min(stop, at * size + length)
                to.append(slice(first - start, last - start))
                of.append(slice(first - at * size, last - at * size))
            into[tuple(to)] = chunk[tuple(of)]

        if is_direct and len(indices) >= PARALLEL:
            _for_all(copy, indices)
        else:
            for index in indices:
                copy(index)
        return out

    def _chunk(self, array: zarr.Array[Any], path: str, name: str, index: tuple[int, ...]) -> NDArray[Any]:
        """Return a chunk, cut at the edge of the array."""
        box = tuple(
            slice(at * size, min((at + 1) * size, length))
            for at, size, length in zip(index, array.chunks, array.shape, strict=True)
        )

        direct = self._direct[path, name]

        def read() -> NDArray[Any]:
            if direct is None:
                return np.asarray(array[box])
            return direct.read(index)[tuple(slice(cells.stop - cells.start) for cells in box)]

        cache = process.cache("chunks")
        nbytes = math.prod(array.chunks) * array.dtype.itemsize
        if nbytes * LARGE_SHARE > cache.statistics.limit_bytes:
            cache = process.current().resource("large foreign chunk", lambda: BytesLru(1, lambda _: 1))
        found: NDArray[Any] = cache.get(("foreign", self._identity, path, name, index), read, raw=True)
        return found


def _for_all(work: Callable[[tuple[int, ...]], None], indices: Sequence[tuple[int, ...]]) -> None:
    """Do work for each index, in this thread and in those that have nothing else to do."""
    waiting, lock = iter(indices), threading.Lock()

    def run() -> None:
        while True:
            with lock:
                index = next(waiting, None)
            if index is None:
                return
            work(index)

    helpers = [_threads().submit(run) for _ in range(min(processor_count(), len(indices)) - 1)]
    try:
        run()
    finally:
        with lock:
            waiting = iter(())  # after an error nobody needs the rest
        errors = [helper.exception() for helper in helpers if not helper.cancel()]
    for error in errors:
        if error is not None:
            raise error


def _threads() -> ThreadPoolExecutor:
    """Return the threads of this process that unpack chunks; they wait for nobody."""
    return process.current().resource(
        "threads of foreign chunks", lambda: ThreadPoolExecutor(processor_count(), thread_name_prefix="foreign")
    )


def witnessed_store(record: LinkRecord, path: str) -> DatedFolder | DatedObjects:
    """Open Zarr of a source as it was when it was linked.

    Args:
        record: Of the source.
        path: One of its folders or URLs.

    Returns:
        The store.

    Raises:
        SourceError: The URL cannot be read.
    """
    return dated_store(path, record.as_of_ns, {key: tag for source, key, tag in record.witnesses if source == path})
