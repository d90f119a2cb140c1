"""Small compressed bytes that claim, or unpack to, gigabytes."""

from __future__ import annotations

import bz2
import lzma
import zlib
from functools import cache
from typing import Any

import numpy as np
from numcodecs import blosc, lz4

MIB = 1 << 20


@cache
def deflate(mebibytes: int, form: str) -> bytes:
    """Return a deflate stream of zeros, as ``gzip`` (RFC 1952) or ``zlib`` (RFC 1950): one piece over and over."""
    zeros, stream = bytes(MIB), zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = stream.compress(zeros) + stream.flush(zlib.Z_FULL_FLUSH)
    body = piece * mebibytes + stream.flush()
    step, check = (zlib.crc32, 0) if form == "gzip" else (zlib.adler32, 1)
    for _ in range(mebibytes):
        check = step(zeros, check)
    if form == "zlib":
        return b"\x78\xda" + body + check.to_bytes(4, "big")
    sizes = check.to_bytes(4, "little") + (mebibytes * MIB % (1 << 32)).to_bytes(4, "little")
    return b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03" + body + sizes


@cache
def bzip2(mebibytes: int) -> bytes:
    stream = bz2.BZ2Compressor()
    return b"".join([*(stream.compress(bytes(MIB)) for _ in range(mebibytes)), stream.flush()])


@cache
def xz(mebibytes: int) -> bytes:
    stream = lzma.LZMACompressor(preset=1)
    return b"".join([*(stream.compress(bytes(MIB)) for _ in range(mebibytes)), stream.flush()])


def zstd_unsized(mebibytes: int) -> bytes:
    """Return a Zstandard frame that does not state its size."""
    return b"\x28\xb5\x2f\xfd\x00\x38" + _repeated_blocks(mebibytes)


def zstd_sized(mebibytes: int) -> bytes:
    """Return a Zstandard frame that states its size."""
    return b"\x28\xb5\x2f\xfd\x80\x38" + (mebibytes * MIB).to_bytes(4, "little") + _repeated_blocks(mebibytes)


def _repeated_blocks(mebibytes: int) -> bytes:
    """Return blocks of 128 KiB of one byte (RFC 8878, 3.1.1.2)."""
    size = 1 << 17
    count = mebibytes * MIB // size
    blocks = [((number == count - 1) | 1 << 1 | size << 3).to_bytes(3, "little") + b"a" for number in range(count)]
    return b"".join(blocks)


def blosc_claim(nbytes: int = 2000 * MIB) -> bytes:
    """Return a Blosc chunk whose header claims more than it holds."""
    data = bytearray(blosc.compress(np.zeros(8192, "int16"), b"lz4", 5, blosc.SHUFFLE, 0))
    data[4:8] = nbytes.to_bytes(4, "little")
    return bytes(data)


def lz4_claim(nbytes: int = 2000 * MIB) -> bytes:
    data = bytearray(lz4.compress(bytes(16384)))
    data[:4] = nbytes.to_bytes(4, "little")
    return bytes(data)


BOMBS: dict[str, tuple[str, Any]] = {
    "gzip": ("gzip", lambda: deflate(1024, "gzip")),
    "zlib": ("zlib", lambda: deflate(1024, "zlib")),
    "bz2": ("bz2", lambda: bzip2(512)),
    "lzma": ("lzma", lambda: xz(512)),
    "zstd": ("zstd", lambda: zstd_sized(512)),
    "zstd without a size": ("zstd", lambda: zstd_unsized(4096)),
    "blosc": ("blosc", blosc_claim),
    "lz4": ("lz4", lz4_claim),
    "gzip of many members": ("gzip", lambda: deflate(1, "gzip") * 1024),
}
"""Name of the codec and a maker of the bytes, by name."""
