"""Chunks of our own Zarr arrays as files: Zarr v3, regular chunks, little-endian bytes, Blosc.

zarr-python writes the metadata and reads everything; only whole chunks are written and read here, because its calls
from all threads of a process go through one event loop, which ten thousand small files notice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numcodecs import blosc
from zarr.codecs import BloscCodec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

COMPRESSOR: Literal["lz4"] = "lz4"
COMPRESSION_LEVEL = 5
"""With shuffle, LZ4 packs 16-bit fields 15 to 20 % less tightly than Zstandard level 3, in an eighth of the time, and
unpacks them several times faster: on one processor that is the better half of a conversion and of a cold tile."""


def codec(dtype: np.dtype[Any]) -> BloscCodec:
    """Return the codec that ``write_chunk`` uses, as zarr-python writes it into the metadata."""
    return BloscCodec(
        typesize=dtype.itemsize, cname=COMPRESSOR, clevel=COMPRESSION_LEVEL, shuffle="shuffle", blocksize=0
    )


def use_one_thread() -> None:
    """Keep Blosc from starting threads of its own: tasks already run side by side. Call it in each process."""
    blosc.use_threads = False


def chunk_path(array: Path, index: Sequence[int]) -> Path:
    """Return the file of a chunk in the folder of its array (Zarr v3, default chunk key encoding)."""
    return array.joinpath("c", *(str(part) for part in index))


def write_chunk(array: Path, index: Sequence[int], codes: NDArray[Any], chunk: tuple[int, int], fill: float) -> int:
    """Write one chunk of one plane and return the bytes written; a chunk that is all fill gets no file.

    codes: shape (rows, cols), no larger than ``chunk``; what is missing at the grid's edge is filled up.
    """
    if codes.shape != chunk:
        padded = np.full(chunk, fill, codes.dtype)
        padded[: codes.shape[0], : codes.shape[1]] = codes
        codes = padded
    else:
        codes = np.ascontiguousarray(codes)
    if is_all(codes, fill):
        return 0
    little = codes.astype(codes.dtype.newbyteorder("<"), copy=False)
    data: bytes = blosc.compress(little, COMPRESSOR.encode(), COMPRESSION_LEVEL, blosc.SHUFFLE, 0)
    path = chunk_path(array, index)
    try:
        path.write_bytes(data)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return len(data)


def read_chunk(
    array: Path, index: Sequence[int], dtype: np.dtype[Any], chunk: tuple[int, int], fill: float
) -> NDArray[Any]:
    """Return one chunk of one plane, shape ``chunk``; all fill where it has no file."""
    try:
        data = chunk_path(array, index).read_bytes()
    except FileNotFoundError:
        return np.full(chunk, fill, dtype)
    little = np.frombuffer(blosc.decompress(data), dtype.newbyteorder("<")).reshape(chunk)
    return little.astype(dtype, copy=False)


def is_all(codes: NDArray[Any], fill: float) -> bool:
    """Whether every code is the fill value, bit for bit."""
    value = np.full((), fill, codes.dtype)
    if codes.flat[0].tobytes() != value.tobytes():
        return False
    unsigned = np.dtype(f"u{codes.dtype.itemsize}")
    return bool((codes.view(unsigned) == value.view(unsigned)).all())
