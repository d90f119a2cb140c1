"""Chunk files of our own Zarr arrays: Zarr v3, regular chunks, little-endian bytes, one compressor.

zarr-python writes the metadata; whole chunks are written here and read in ``chunk_reader``, because zarr-python's
calls from all threads of a process go through one event loop, which ten thousand small files notice.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from lazytile.pyramid.chunks.digest_table import NO_CHUNK, ChunkDigest
from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.storage.chunk_cache import cached_object
from lazytile.pyramid.storage.object_path import ObjectPath, location
from lazytile.pyramid.storage.protocol import ObjectTooLargeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lazytile.pyramid.store.codec import Codec

CHUNKS = "c"
"""Folder of the chunks in that of their array (Zarr v3, default chunk key encoding)."""


class EncodedChunks(Protocol):
    """The bytes of an array's chunks, wherever they are stored."""

    @property
    def waits(self) -> bool:
        """Whether a read mostly waits for a network, so that concurrent reads are faster."""
        ...

    def get(self, dim_index: tuple[int, ...], row: int, col: int, limit: int) -> bytes | None:
        """Return the encoded bytes of a chunk.

        Args:
            dim_index: Index along each dimension before rows and columns.
            row: Row of the chunk.
            col: Column of the chunk.
            limit: Most bytes to read.

        Returns:
            The bytes; None for an absent chunk.

        Raises:
            StoreError: The file that holds it is damaged, or the chunk has more bytes.
            OSError: The file cannot be read.
        """
        ...

    def name(self, dim_index: tuple[int, ...], row: int, col: int) -> str:
        """Return what messages call a chunk.

        Args:
            dim_index: Index along each dimension before rows and columns.
            row: Row of the chunk.
            col: Column of the chunk.

        Returns:
            Its file, and its position in it.
        """
        ...

    def file(self, dim_index: tuple[int, ...], row: int, col: int) -> str:
        """Return the path of the file that holds a chunk.

        Args:
            dim_index: Index along each leading dimension.
            row: Row of the chunk.
            col: Column of the chunk.

        Returns:
            The path.
        """
        ...

    def fresh(self) -> EncodedChunks:
        """Return the same chunks read past every cache, whose copy of them is dropped."""
        ...


@dataclass(frozen=True, slots=True)
class ChunkFiles:
    """Encoded chunks as files below a folder: what the converter writes. See ``EncodedChunks``."""

    folder: str
    """Of the array, with the prefix of chunk keys (``.../0/sst/c``)."""
    waits: ClassVar[bool] = False

    def get(self, dim_index: tuple[int, ...], row: int, col: int, limit: int) -> bytes | None:
        """Return the bytes of a chunk's file, None where there is none."""
        return read_file(self.file(dim_index, row, col), limit)

    def name(self, dim_index: tuple[int, ...], row: int, col: int) -> str:
        """Return the path of a chunk's file."""
        return self.file(dim_index, row, col)

    def file(self, dim_index: tuple[int, ...], row: int, col: int) -> str:
        """Return the path of a chunk's file."""
        return "/".join((self.folder, *map(str, dim_index), f"{row}/{col}"))

    def fresh(self) -> ChunkFiles:
        """Return the same files: no cache is in front of them."""
        return self


@dataclass(frozen=True, slots=True)
class ChunkObjects:
    """Encoded chunks as objects below a prefix. See ``EncodedChunks``."""

    folder: ObjectPath
    """Of the array, with the prefix of chunk keys."""
    is_fresh: bool = False
    """Whether the cache of chunks is passed by."""
    waits: ClassVar[bool] = True

    def get(self, dim_index: tuple[int, ...], row: int, col: int, limit: int) -> bytes | None:
        """Return the bytes of a chunk's object, None where there is none."""
        path = self.folder.joinpath(*map(str, (*dim_index, row, col)))
        try:
            return cached_object(path, limit, fresh=self.is_fresh)
        except ObjectTooLargeError as error:
            raise StoreError(str(error)) from error

    def name(self, dim_index: tuple[int, ...], row: int, col: int) -> str:
        """Return the URL of a chunk's object."""
        return self.file(dim_index, row, col)

    def file(self, dim_index: tuple[int, ...], row: int, col: int) -> str:
        """Return the URL of a chunk's object."""
        return "/".join((str(self.folder), *map(str, dim_index), f"{row}/{col}"))

    def fresh(self) -> ChunkObjects:
        """Return the same objects, past the cache of chunks."""
        return replace(self, is_fresh=True)


@dataclass(frozen=True, slots=True)
class ChunkFolder:
    """The chunk files of one array, to be written. Plain values: it travels to any process."""

    path: str
    """Of the folder ``c`` of the array, or of one like it."""
    dtype: str
    chunk: tuple[int, int]
    fill: float
    codec: Codec

    def file(self, index: Sequence[int]) -> Path:
        """Return the path of a chunk's file.

        Args:
            index: Of the chunk along every axis.

        Returns:
            The path.
        """
        return location(self.path).joinpath(*map(str, index))

    def write(self, index: Sequence[int], codes: NDArray[Any], *, always: bool = False) -> ChunkDigest:
        """Write one chunk of one plane to a file.

        Args:
            index: Of the chunk along every axis.
            codes: Shape (rows, cols), no larger than ``chunk``; padded with fill at the grid's edge.
            always: Whether a chunk that is all fill gets a file too.

        Returns:
            The digest of the file, ``NO_CHUNK`` where none was written.
        """
        data = self.encode(codes, always=always)
        if not data:
            return NO_CHUNK
        path = self.file(index)
        try:
            path.write_bytes(data)
        except FileNotFoundError:
            make_folders(path.parent, Path(self.path).parent)
            path.write_bytes(data)
        return ChunkDigest.of(data)

    def encode(self, codes: NDArray[Any], *, always: bool = False) -> bytes:
        """Return the bytes of a chunk's file.

        Args:
            codes: As for ``write``.
            always: As for ``write``.

        Returns:
            The bytes; none for a chunk that gets no file.
        """
        if codes.shape != self.chunk:
            padded = np.full(self.chunk, self.fill, codes.dtype)
            padded[: codes.shape[0], : codes.shape[1]] = codes
            codes = padded
        else:
            codes = np.ascontiguousarray(codes)
        if not always and is_filled_with(codes, self.fill):
            return b""
        return self.codec.encode(codes.astype(codes.dtype.newbyteorder("<"), copy=False))


def make_folders(folder: Path, array: Path) -> None:
    """Create a folder of chunks within that of its array, which must exist.

    Args:
        folder: To be created, with those between it and ``array``.
        array: Folder of the array, with its metadata. A machine that does not see the store would otherwise write to
            a folder of its own, and the chunks would be lost.

    Raises:
        StoreError: The array's folder does not exist here.
    """
    if not array.is_dir():
        raise StoreError(f"there is no array {array} on this machine: it does not see the store, or it was removed")
    missing = [folder]
    while missing:
        try:
            # Not with parents=True: the array may disappear between the check and here.
            missing[-1].mkdir(exist_ok=True)
            missing.pop()
        except FileNotFoundError:
            if missing[-1].parent == array:
                raise
            missing.append(missing[-1].parent)


def read_file(path: str | Path, limit: int | None = None) -> bytes | None:
    """Return the bytes of a file that may not exist.

    Args:
        path: Of the file.
        limit: Most bytes to read; None: any number.

    Returns:
        The bytes; None where there is no such file.

    Raises:
        StoreError: The file has more bytes.
        OSError: It cannot be read.
    """
    if isinstance(path, ObjectPath):
        found = path.storage.get(path.key, limit)
        return None if found is None else found.data
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        size = os.fstat(descriptor).st_size
        if limit is not None and size > limit:
            raise StoreError(f"its file has {size} bytes, more than a chunk can take")
        data = os.read(descriptor, size)
        # One call reads 2 GiB at most (read(2)), and a large shard is longer.
        while len(data) < size and (more := os.read(descriptor, size - len(data))):
            data += more
        return data
    finally:
        os.close(descriptor)


def is_filled_with(codes: NDArray[Any], fill: float) -> bool:
    """Return whether every code is the fill value, bit for bit.

    Args:
        codes: Contiguous, any shape of at least one code.
        fill: The fill value.

    Returns:
        Whether they are.
    """
    value = np.full((), fill, codes.dtype)
    if codes.flat[0].tobytes() != value.tobytes():
        return False
    unsigned = np.dtype(f"u{codes.dtype.itemsize}")
    return bool((codes.view(unsigned) == value.view(unsigned)).all())
