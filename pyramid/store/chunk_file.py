"""Chunk files of our own Zarr arrays: Zarr v3, regular chunks, little-endian bytes, one compressor.

zarr-python writes the metadata; whole chunks are written here and read in ``chunk_reader``, because zarr-python's
calls from all threads of a process go through one event loop, which ten thousand small files notice.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lazytile.pyramid.store.codec import Codec

CHUNKS = "c"
"""Folder of the chunks in that of their array (Zarr v3, default chunk key encoding)."""


@dataclass(frozen=True, slots=True)
class FileDigest:
    """Size and checksum of a file as it was written, by which a changed one is recognized."""

    size: int
    """Bytes; 0 where the chunk is all fill and has no file."""
    crc: int
    """CRC-32 of the bytes."""

    @classmethod
    def of(cls, data: bytes) -> FileDigest:
        """Return the digest of a file's content.

        Args:
            data: The content; empty for a file that does not exist.

        Returns:
            The digest.
        """
        return cls(len(data), zlib.crc32(data))


NO_FILE = FileDigest(0, 0)


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
        return Path(self.path, *(str(part) for part in index))

    def write(self, index: Sequence[int], codes: NDArray[Any], *, always: bool = False) -> FileDigest:
        """Write one chunk of one plane.

        Args:
            index: Of the chunk along every axis.
            codes: Shape (rows, cols), no larger than ``chunk``; padded with fill at the grid's edge.
            always: Whether a chunk that is all fill gets a file too.

        Returns:
            The digest of the file, ``NO_FILE`` where none was written.
        """
        data = self.encode(codes, always=always)
        if not data:
            return NO_FILE
        path = self.file(index)
        try:
            path.write_bytes(data)
        except FileNotFoundError:
            make_folders(path.parent, Path(self.path).parent)
            path.write_bytes(data)
        return FileDigest.of(data)

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
    for part in reversed((folder, *folder.parents)):
        if part.is_relative_to(array) and part != array:
            # Not with parents=True: the array may disappear between the check and here.
            part.mkdir(exist_ok=True)


def read_file(path: str | Path) -> bytes | None:
    """Return the bytes of a file that may not exist.

    Args:
        path: Of the file.

    Returns:
        The bytes; None where there is no such file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        size = os.fstat(descriptor).st_size
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
