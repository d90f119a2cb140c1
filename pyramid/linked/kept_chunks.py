"""The chunks of a source that stay in memory once they are unpacked, since others may need the rest of them.

A server of several processes keeps them in memory that all of them share, any other program in its cache of decoded
chunks. Either way a chunk is read once for all threads that wait for it. Of a chunk that is needed whole nobody needs
the rest, and it is not kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.cluster.shared_chunks import SharedChunks
from lazytile.pyramid.core import process
from lazytile.pyramid.core.byte_lru import BytesLru

if TYPE_CHECKING:
    from collections.abc import Hashable

    import zarr
    from numpy.typing import NDArray

    from lazytile.pyramid.linked.direct_chunks import DirectChunks

LARGE_SHARE = 4
"""A chunk that is larger than this part of the cache would drive out most others."""


@dataclass(frozen=True, slots=True)
class ForeignArray:
    """An array of a source, and what zarr-python takes microseconds to say of it."""

    opened: zarr.Array[Any]
    direct: DirectChunks | None
    """Reads its chunks without zarr-python; None where that is impossible."""
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[Any]
    native: np.dtype[Any]
    """The same in this machine's order of bytes."""
    chunk_bytes: int
    """Bytes of an unpacked chunk."""

    @classmethod
    def of(cls, opened: zarr.Array[Any], direct: DirectChunks | None) -> ForeignArray:
        """Return an array.

        Args:
            opened: As zarr-python opened it.
            direct: Reads its chunks without zarr-python, where that is possible.

        Returns:
            The array.
        """
        dtype, chunks = opened.dtype, opened.chunks
        chunk_bytes = math.prod(chunks) * dtype.itemsize
        return cls(opened, direct, opened.shape, chunks, dtype, dtype.newbyteorder("="), chunk_bytes)

    @property
    def shared(self) -> SharedChunks | None:
        """The memory that processes share, where it takes chunks of this array."""
        shared = SharedChunks.current()
        if shared is None or self.dtype.kind not in "iuf" or not shared.takes(self.chunk_bytes):
            return None
        return shared


@dataclass(frozen=True, slots=True)
class ForeignChunk:
    """One chunk of an array of a source."""

    array: ForeignArray
    index: tuple[int, ...]
    """Along each axis."""
    key: Hashable
    """Names the chunk and the version of its source."""

    def copy(self, of: tuple[slice, ...], out: NDArray[Any], *, is_whole: bool) -> None:
        """Write a part of the chunk to an array.

        Args:
            of: The part, in cells of the chunk along each axis.
            out: Of the shape of the part.
            is_whole: Whether the part is all that the array has of the chunk.

        Raises:
            StoreError: It is damaged, or the source is not there.
            NotComputedError: It is not in memory, within ``process.if_known``.
        """
        shared = self.array.shared
        if shared is not None:
            self._copy_shared(shared, of, out, is_whole=is_whole)
            return
        cache = process.cache("chunks")
        kept = cache.peek(self.key, again=True) if is_whole or not process.may_compute() else None
        if kept is None:
            process.check_may_compute("a chunk of a source")
        if kept is None and is_whole and self.array.direct is not None:
            self.array.direct.copy(self.index, out)
            return
        if kept is None:
            if self.array.chunk_bytes * LARGE_SHARE > cache.statistics.limit_bytes:
                cache = process.current().resource("large foreign chunk", lambda: BytesLru(1, lambda _: 1))
            kept = cache.get(self.key, self._read, raw=True)
        out[...] = kept[of]

    def copy_at_hand(self, shared: SharedChunks, of: tuple[slice, ...], out: NDArray[Any]) -> bool:
        """Write a part of the chunk to an array if it lies unpacked in memory that processes share.

        Args:
            shared: That memory.
            of: The part, in cells of the chunk along each axis.
            out: Of the shape of the part. It may have been written to where this returns False.

        Returns:
            Whether it does.
        """

        def use(memory: memoryview) -> None:
            out[...] = np.frombuffer(memory, self.array.native).reshape(self.array.chunks)[of]

        return shared.find(self.key, use)

    def _copy_shared(self, shared: SharedChunks, of: tuple[slice, ...], out: NDArray[Any], *, is_whole: bool) -> None:
        if self.copy_at_hand(shared, of, out):
            return
        process.check_may_compute("a chunk of a source")
        if is_whole and self.array.direct is not None:
            self.array.direct.copy(self.index, out)
            return
        is_done = False

        def make() -> NDArray[Any]:
            nonlocal is_done
            codes = self._passing()
            out[...] = codes[of]
            is_done = True
            return codes

        _reads().get(self.key, lambda: shared.put(self.key, self.array.chunk_bytes, make))
        if not is_done and not self.copy_at_hand(shared, of, out):
            out[...] = self._read()[of]  # there was no room for it, or it was overwritten already

    @property
    def _box(self) -> tuple[slice, ...]:
        """The cells of the array that it holds."""
        sizes = zip(self.index, self.array.chunks, self.array.shape, strict=True)
        return tuple(slice(at * size, min((at + 1) * size, length)) for at, size, length in sizes)

    @property
    def _held(self) -> tuple[slice, ...]:
        """The cells of the chunk that the array holds."""
        return tuple(slice(cells.stop - cells.start) for cells in self._box)

    def _passing(self) -> NDArray[Any]:
        """Read all of the chunk; the next read may overwrite it."""
        if self.array.direct is not None:
            return self.array.direct.passing(self.index)
        codes = np.zeros(self.array.chunks, self.array.native)
        codes[self._held] = self.array.opened[self._box]
        return codes

    def _read(self) -> NDArray[Any]:
        """Read the chunk, cut at the edge of the array."""
        if self.array.direct is None:
            return np.asarray(self.array.opened[self._box])
        return self.array.direct.read(self.index)[self._held]


def _reads() -> BytesLru[bool]:
    """Return the reads of this process that go on: one thread reads a chunk, the others wait. Nothing is kept."""
    return process.current().resource("foreign chunks being read", lambda: BytesLru(0, lambda _: 1))
