"""The two readers of stored chunks: of files and objects as the converter writes them, and by zarr-python of any."""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.chunks.array_digests import ArrayDigests, misfit
from lazytile.pyramid.chunks.damage import ArrayPlace, ChunkNotMadeError, DamagedChunkError
from lazytile.pyramid.chunks.digest_table import NO_CHUNK, ChunkDigest, Unknown
from lazytile.pyramid.chunks.unpacking import unpack
from lazytile.pyramid.cluster.read_counts import ReadCounts
from lazytile.pyramid.core.errors import StoreError, StoreUnavailableError, first_line
from lazytile.pyramid.storage.object_path import location
from lazytile.pyramid.storage.protocol import StorageError

if TYPE_CHECKING:
    import zarr
    from numpy.typing import NDArray

    from lazytile.pyramid.chunks.shard_shape import ChunkPosition
    from lazytile.pyramid.core.grid import Shape
    from lazytile.pyramid.store.chunk_file import EncodedChunks

_DAMAGED_FILE = frozenset(
    {errno.EIO, errno.EACCES, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, getattr(errno, "EUCLEAN", errno.EIO)}
)
"""Errors of a file itself; others, such as too many open files, say nothing about it."""
_OVERHEAD_BYTES = 4096
"""No codec makes a chunk larger than this and twice its codes."""


@dataclass(frozen=True, slots=True)
class StoredChunks:
    """Chunks in files or objects, each raw or compressed by one codec. See ``ChunkReader``."""

    source: EncodedChunks
    stored_dtype: np.dtype[Any]
    """With the byte order of the files."""
    chunk: Shape
    fill_value: float
    compressor: str = "none"
    """One of ``unpacking.UNPACKERS``."""
    array: ArrayPlace | None = None
    """For messages; None: they name the file only."""
    digests: ArrayDigests | None = None
    """Checksums of the chunks; None where there are none."""
    lazy: bool = False
    """Whether a chunk that is not there has not been computed yet."""

    @property
    def waits(self) -> bool:
        """Objects wait for a network. Files are there at once: threads would cost 0.76 ms a tile against 0.50."""
        return self.source.waits

    @property
    def nbytes(self) -> int:
        """Bytes of a chunk's codes."""
        return self.chunk.rows * self.chunk.cols * self.stored_dtype.itemsize

    @property
    def most_bytes(self) -> int:
        """Most bytes that an encoded chunk can have."""
        return 2 * self.nbytes + _OVERHEAD_BYTES

    def read(self, dim_index: tuple[int, ...], chunk_row: int, chunk_col: int) -> NDArray[Any]:
        """Return the codes of a chunk; an empty one is all fill value."""
        data = self.whole(dim_index, chunk_row, chunk_col)
        if data is None:
            return np.full((self.chunk.rows, self.chunk.cols), self.fill_value, self.stored_dtype.newbyteorder("="))
        return self.decoded((dim_index, chunk_row, chunk_col), data)

    def decoded(self, position: ChunkPosition, data: bytes) -> NDArray[Any]:
        """Return the codes of a chunk.

        Args:
            position: Of the chunk.
            data: As it is stored.

        Returns:
            Shape ``chunk``.

        Raises:
            DamagedChunkError: The bytes cannot be unpacked.
        """
        native = self.stored_dtype.newbyteorder("=")
        try:
            unpacked = unpack(self.compressor, data, self.nbytes)
        except StoreError as error:
            raise self._damaged(*position, str(error)) from error
        shape = (self.chunk.rows, self.chunk.cols)
        return np.frombuffer(unpacked, self.stored_dtype).reshape(shape).astype(native, copy=False)

    def fresh(self) -> StoredChunks:
        """Return a reader of the same chunks that passes by the caches of what is stored."""
        return replace(self, source=self.source.fresh())

    def may_hold_data(self, dim_index: tuple[int, ...], row: int, col: int) -> bool:
        """Return whether a chunk may hold anything but fill value, without reading it.

        Args:
            dim_index: Index along each leading dimension.
            row: Of the chunk.
            col: Of the chunk.

        Returns:
            False only where the table of checksums says so, or in a dataset without one the chunk has no file.
        """
        digest = self._find(dim_index, row, col)
        if isinstance(digest, ChunkDigest):
            return digest.size > 0
        if digest is Unknown.UNCHECKED:
            return location(self.source.file(dim_index, row, col)).exists()
        return True

    def whole(self, dim_index: tuple[int, ...], row: int, col: int) -> bytes | None:
        """Return the encoded bytes of a chunk after comparing them with its checksum.

        Args:
            dim_index: Index along each leading dimension.
            row: Row of the chunk.
            col: Column of the chunk.

        Returns:
            The bytes; None for an empty chunk.

        Raises:
            DamagedChunkError: The chunk is damaged or missing.
            ChunkNotMadeError: It has not been computed yet.
            StoreError: It cannot be read at the moment.
        """
        digest = self._find(dim_index, row, col)
        if digest == NO_CHUNK:
            return None
        if digest is Unknown.NOT_MADE and self.lazy and self.waits:
            raise ChunkNotMadeError(self.source.name(dim_index, row, col))
        data = self.encoded(dim_index, row, col)
        reason = misfit(digest, data)
        if reason is not None:
            # The table in memory may be older than the chunk, or have been damaged itself; so may a cached chunk.
            digest = self._find(dim_index, row, col, again=True)
            if self.waits:
                data = self.fresh().encoded(dim_index, row, col)
            if self.lazy and digest is Unknown.NOT_MADE:
                raise ChunkNotMadeError(self.source.name(dim_index, row, col))
            reason = misfit(digest, data)
            if reason is not None:
                raise self._damaged(dim_index, row, col, reason)
        if data is None:
            if self.lazy and not isinstance(digest, ChunkDigest):
                raise ChunkNotMadeError(self.source.name(dim_index, row, col))
            if digest is Unknown.IN_SHARD and not location(self.source.file(dim_index, row, col)).exists():
                raise self._damaged(dim_index, row, col, "its shard is missing")
        return data

    def encoded(self, dim_index: tuple[int, ...], row: int, col: int) -> bytes | None:
        """Return the bytes of a chunk as they are stored, whether or not they are whole.

        Args:
            dim_index: Index along each leading dimension.
            row: Row of the chunk.
            col: Column of the chunk.

        Returns:
            The bytes; None where there are none.

        Raises:
            DamagedChunkError: Its file cannot be read, or the index of its shard is damaged.
            StoreError: It cannot be read at the moment.
        """
        try:
            data = self.source.get(dim_index, row, col, self.most_bytes)
        except StoreError as error:
            raise self._damaged(dim_index, row, col, str(error)) from error
        except StorageError as error:
            raise StoreUnavailableError(str(error)) from error
        except OSError as error:
            reason = f"it cannot be read: {error.strerror}"
            if error.errno in _DAMAGED_FILE:
                raise self._damaged(dim_index, row, col, reason) from error
            raise StoreError(f"chunk {self.source.name(dim_index, row, col)}: {reason}") from error
        ReadCounts.current().add(0 if data is None else len(data))
        return data

    def _find(self, dim_index: tuple[int, ...], row: int, col: int, *, again: bool = False) -> ChunkDigest | Unknown:
        if self.digests is None:
            return Unknown.UNCHECKED
        try:
            return self.digests.find(dim_index, row, col, again=again)
        except StorageError as error:
            raise StoreUnavailableError(str(error)) from error
        except OSError as error:
            reason = f"its table of checksums cannot be read: {error.strerror}"
            if error.errno in _DAMAGED_FILE:
                raise self._damaged(dim_index, row, col, reason) from error
            raise StoreError(f"chunk {self.source.name(dim_index, row, col)}: {reason}") from error

    def _damaged(self, dim_index: tuple[int, ...], row: int, col: int, reason: str) -> DamagedChunkError:
        place = None if self.array is None else self.array.chunk(dim_index, row, col)
        return DamagedChunkError(place, reason, self.source.name(dim_index, row, col))


@dataclass(frozen=True, slots=True, eq=False)
class ZarrChunks:
    """Chunks through zarr-python: any codec, any store. See ``ChunkReader``."""

    zarr_array: zarr.Array[Any]
    chunk: Shape
    array: ArrayPlace | None = None
    """As for ``StoredChunks``."""

    @property
    def waits(self) -> bool:
        """Calls pass zarr-python's event loop, and may go to a network."""
        return True

    def read(self, dim_index: tuple[int, ...], chunk_row: int, chunk_col: int) -> NDArray[Any]:
        """Return the codes of a chunk, ragged ones padded with the fill value."""
        top, left = chunk_row * self.chunk.rows, chunk_col * self.chunk.cols
        window = (slice(top, top + self.chunk.rows), slice(left, left + self.chunk.cols))
        selection: Any = (*dim_index, *window)
        try:
            codes = np.asarray(self.zarr_array[selection])
            ReadCounts.current().add(codes.nbytes)
        except Exception as error:
            # Whatever a codec of any library makes of damaged bytes.
            place = None if self.array is None else self.array.chunk(dim_index, chunk_row, chunk_col)
            file = f"{chunk_row}/{chunk_col} of {self.zarr_array.store_path}"
            raise DamagedChunkError(place, first_line(error), file) from error
        codes = codes.astype(codes.dtype.newbyteorder("="), copy=False)
        if codes.shape == (self.chunk.rows, self.chunk.cols):
            return codes
        padded = np.full((self.chunk.rows, self.chunk.cols), self.zarr_array.fill_value, codes.dtype)
        padded[: codes.shape[0], : codes.shape[1]] = codes
        return padded
