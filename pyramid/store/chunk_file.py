"""Chunks of our own Zarr arrays as files: Zarr v3, regular chunks, little-endian bytes, one compressor.

zarr-python writes the metadata and reads everything; only whole chunks are written and read here, because its calls
from all threads of a process go through one event loop, which ten thousand small files notice.
"""

from __future__ import annotations

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
    """What is remembered of a file when it is written, to tell later whether it is still the same."""

    size: int
    """Bytes; 0 where the chunk is all fill and has no file."""
    crc: int
    """CRC-32 of the bytes."""

    @classmethod
    def of(cls, data: bytes) -> FileDigest:
        """Return the mark of a file's content."""
        return cls(len(data), zlib.crc32(data))


NO_FILE = FileDigest(0, 0)


@dataclass(frozen=True, slots=True)
class ChunkFolder:
    """The chunk files of one array. Plain values: it travels to any process."""

    path: str
    """Of the folder ``c`` of the array, or of one like it."""
    dtype: str
    chunk: tuple[int, int]
    fill: float
    codec: Codec

    def file(self, index: Sequence[int]) -> Path:
        """Return the path of a chunk's file."""
        return Path(self.path, *(str(part) for part in index))

    def write(self, index: Sequence[int], codes: NDArray[Any], *, always: bool = False) -> FileDigest:
        """Write one chunk of one plane; one that is all fill gets no file, or only where ``always`` says so.

        codes: shape (rows, cols), no larger than ``chunk``; what is missing at the grid's edge is filled up.
        """
        data = self.encode(codes, always=always)
        if not data:
            return NO_FILE
        path = self.file(index)
        try:
            path.write_bytes(data)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return FileDigest.of(data)

    def encode(self, codes: NDArray[Any], *, always: bool = False) -> bytes:
        """Return the bytes of a chunk's file; none for one that is all fill, unless ``always``."""
        if codes.shape != self.chunk:
            padded = np.full(self.chunk, self.fill, codes.dtype)
            padded[: codes.shape[0], : codes.shape[1]] = codes
            codes = padded
        else:
            codes = np.ascontiguousarray(codes)
        if not always and is_filled_with(codes, self.fill):
            return b""
        return self.codec.encode(codes.astype(codes.dtype.newbyteorder("<"), copy=False))

    def read(self, index: Sequence[int]) -> NDArray[Any]:
        """Return one chunk of one plane, shape ``chunk``; all fill where it has no file.

        Raises ``StoreError`` where it is damaged.
        """
        path, dtype = self.file(index), np.dtype(self.dtype)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return np.full(self.chunk, self.fill, dtype)
        try:
            little = np.frombuffer(self.codec.decode(data), dtype.newbyteorder("<")).reshape(self.chunk)
        except (StoreError, ValueError) as error:
            raise StoreError(f"chunk {path} cannot be read: {error}") from error
        return little.astype(dtype, copy=False)


def is_filled_with(codes: NDArray[Any], fill: float) -> bool:
    """Whether every code is the fill value, bit for bit."""
    value = np.full((), fill, codes.dtype)
    if codes.flat[0].tobytes() != value.tobytes():
        return False
    unsigned = np.dtype(f"u{codes.dtype.itemsize}")
    return bool((codes.view(unsigned) == value.view(unsigned)).all())
