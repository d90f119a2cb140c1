"""The Zarr arrays of a source at one version, and their decoded chunks, kept in memory.

A chunk of the source has any shape. What is asked of it is cut out; where the rest stays, ``kept_chunks`` decides.
"""

from __future__ import annotations

import threading
from itertools import islice, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from lazytile.pyramid.chunks.bounded_zarr import bounded_unpacking
from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.linked.dated_stores import DatedFolder, DatedObjects, dated_store
from lazytile.pyramid.linked.direct_chunks import direct_chunks
from lazytile.pyramid.linked.kept_chunks import ForeignArray, ForeignChunk
from lazytile.pyramid.sources.formats.container import ZARR
from lazytile.pyramid.sources.formats.virtual_zarr import KERCHUNK, reference_store, virtual_store
from lazytile.pyramid.sources.formats.zarr_bounds import check_arrays
from lazytile.pyramid.streams.spare_threads import for_all

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    from lazytile.pyramid.linked.record import LinkRecord

_Part = tuple[ForeignChunk, tuple[slice, ...], tuple[slice, ...], bool]
"""A chunk, the cells in it and in the box that shows them, and whether these are all that the array has of it."""
MAX_WITNESSES = 256
MAX_CACHED = 16
"""A box that more chunks than this make up is read at once and not kept: its chunks are small."""
PARALLEL = 4
"""Chunks in files from which on several are unpacked at a time."""
QUICK_BYTES = 1 << 20
"""A chunk of so many bytes is unpacked in about a millisecond."""


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
        self._arrays: dict[tuple[str, str], ForeignArray] = {}
        self._lock = threading.Lock()

    def array(self, path: str, name: str) -> ForeignArray:
        """Return an array.

        Args:
            path: Of the source.
            name: Path of the array in it.

        Returns:
            The array, opened once.

        Raises:
            SourceError: It is too large, or no array.
        """
        found = self._arrays.get((path, name))
        if found is not None:
            return found
        with self._lock:
            found = self._arrays.get((path, name))
            if found is None:
                store = self._store(path)
                with bounded_unpacking():
                    opened = zarr.open_array(store, path=name.strip("/"), mode="r")
                check_arrays(path, [(name, opened)])
                direct = direct_chunks(store, name, opened) if isinstance(store, DatedFolder) else None
                found = ForeignArray.of(opened, direct)
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
        return array.direct is not None and array.chunk_bytes <= QUICK_BYTES

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
            NotComputedError: A chunk is not in memory, within ``process.if_known``.
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
        if out is None:
            out = np.empty([stop - start for start, stop in spans], array.dtype)
        parts, into = self._parts(array, (path, name), spans), out
        if len(parts) > MAX_CACHED and array.direct is None:
            process.check_may_compute("a box of a source")
            out[...] = array.opened[tuple(slice(*span) for span in spans)]
            return out

        def copy(part: _Part) -> None:
            chunk, of, to, is_whole = part
            chunk.copy(of, into[to], is_whole=is_whole)

        if array.direct is not None and len(parts) >= PARALLEL and process.may_compute():
            for_all(copy, parts)
        else:
            for part in parts:
                copy(part)
        return out

    def copy_at_hand(self, path: str, name: str, spans: Sequence[tuple[int, int]], out: NDArray[Any]) -> bool:
        """Write the codes of a box of cells to an array if all of them lie unpacked in memory that processes share.

        Args:
            path: Of the source.
            name: Path of the array in it.
            spans: First cell along each axis, and the one after the last.
            out: Where to write them. It may have been written to where this returns False.

        Returns:
            Whether they do.
        """
        array = self.array(path, name)
        shared = array.shared
        if shared is None or any(stop > size for (_, stop), size in zip(spans, array.shape, strict=True)):
            return False
        parts = self._parts(array, (path, name), spans)
        return all(chunk.copy_at_hand(shared, of, out[to]) for chunk, of, to, _ in parts)

    def _parts(self, array: ForeignArray, place: tuple[str, str], spans: Sequence[tuple[int, int]]) -> list[_Part]:
        """Return the chunks that a box of cells has a part of."""
        key = ("foreign", self._identity, *place)
        sides = map(_pieces, spans, array.chunks, array.shape)
        parts: list[_Part] = []
        for pieces in product(*sides):
            index, of, to, is_whole = zip(*pieces, strict=True)
            parts.append((ForeignChunk(array, index, (*key, index)), of, to, all(is_whole)))
        return parts


def _pieces(span: tuple[int, int], size: int, length: int) -> list[tuple[int, slice, slice, bool]]:
    """Return the pieces of a box along an axis: index of the chunk, cells in the chunk and in the box, whether all."""
    start, stop = span
    pieces = []
    for at in range(start // size, -(-stop // size)):
        begin, end = at * size, min((at + 1) * size, length)
        first, last = max(start, begin), min(stop, end)
        is_whole = first == begin and last == end
        pieces.append((at, slice(first - begin, last - begin), slice(first - start, last - start), is_whole))
    return pieces


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
