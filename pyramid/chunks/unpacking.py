"""Decompression that never produces more than a chunk may hold, whatever the compressed bytes claim.

Where a format states the size of its content, the size is compared before memory is allocated; the others are
decompressed as streams that stop at the limit. The names are those of Zarr's codecs.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from typing import TYPE_CHECKING, Any

from numcodecs import blosc, lz4, zstd

from lazytile.pyramid.core.errors import StoreError, first_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_inflating: Any = zlib.decompressobj
_ERRORS: tuple[type[Exception], ...] = (
    RuntimeError, ValueError, EOFError, OSError, zlib.error, lzma.LZMAError, MemoryError,
)  # fmt: skip
try:
    from isal import isal_zlib

    _inflating = isal_zlib.decompressobj  # takes about 60 % of the time
    _ERRORS = (*_ERRORS, isal_zlib.error)  # type: ignore[arg-type]
except ImportError:  # a platform without wheels
    pass

_GZIP_BITS = 31
"""zlib's name for a stream with gzip's header and trailer."""
_ZLIB_BITS = 15
_BLOSC_HEADER = 16
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_MAX_MEMBERS = 4096
"""Compressed streams in a row: each empty one would cost a copy of what follows."""
_TOO_MANY_MEMBERS = f"it consists of more than {_MAX_MEMBERS} compressed streams"
LZMA_MEMORY = 192 << 20
"""Most memory that an LZMA decoder may ask for; ``xz -9`` needs 65 MiB."""


def unpack(name: str, data: Any, limit: int, *, exact: bool = True, into: bytearray | None = None) -> Any:
    """Decompress a chunk.

    Args:
        name: Of the Zarr codec, or ``none``: one of ``UNPACKERS``.
        data: The compressed bytes.
        limit: Bytes that the chunk holds.
        exact: Whether it must hold exactly as many, not fewer.
        into: Memory of ``limit`` bytes, which may be used for the result: new memory costs half as much as unpacking.

    Returns:
        The bytes of the chunk, of any buffer type; ``into`` where it was used.

    Raises:
        StoreError: The bytes are damaged, or hold more or fewer.
    """
    try:
        if into is not None and name in _INTO and len(into) == limit:
            found = _INTO[name](data, limit, into)
        else:
            found = UNPACKERS[name](data, limit)
    except _ERRORS as error:
        raise StoreError(first_line(error)) from error
    size = memoryview(found).nbytes
    if size > limit or (exact and size != limit):
        raise StoreError(f"it unpacks to {size} bytes, a chunk has {limit}")
    return found


def unpack_lzma(data: Any, limit: int, configuration: Mapping[str, Any]) -> bytes:
    """Decompress LZMA.

    Args:
        data: The compressed bytes.
        limit: Most bytes that they may hold.
        configuration: ``format`` and ``filters`` as numcodecs stores them.

    Returns:
        The content.

    Raises:
        StoreError: The bytes are damaged, hold more, or need a dictionary that is too large.
    """
    kind, filters = configuration.get("format", lzma.FORMAT_XZ), configuration.get("filters")
    try:
        if kind == lzma.FORMAT_RAW:
            if any(int(each.get("dict_size", 0)) > LZMA_MEMORY for each in filters or ()):
                raise StoreError(f"its LZMA dictionary is larger than {LZMA_MEMORY} bytes")
            decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)
        else:
            decoder = lzma.LZMADecompressor(kind, memlimit=LZMA_MEMORY)
        return _stopped(decoder.decompress(data, limit + 1), limit, is_complete=decoder.eof or kind == lzma.FORMAT_RAW)
    except (ValueError, TypeError, EOFError, lzma.LZMAError, MemoryError) as error:
        raise StoreError(first_line(error)) from error


def _stopped(content: bytes, limit: int, *, is_complete: bool) -> bytes:
    if len(content) > limit:
        raise StoreError(f"it unpacks to more than {limit} bytes, which is all that a chunk holds")
    if not is_complete:
        raise StoreError("the compressed data end early")
    return content


def _check_size(stated: int, limit: int) -> None:
    if stated > limit:
        raise StoreError(f"it states {stated} bytes of content, a chunk has {limit}")


def _unpack_blosc(data: Any, limit: int, into: bytearray | None = None) -> Any:
    """Decompress Blosc, whose header states the sizes of content and compressed data (C-Blosc, README_CHUNK_FORMAT)."""
    view = memoryview(data).cast("B")
    if len(view) < _BLOSC_HEADER:
        raise StoreError(f"{len(view)} bytes are no Blosc chunk")
    content, block, stored = (int.from_bytes(view[at : at + 4], "little") for at in (4, 8, 12))
    _check_size(content, limit)
    # The library takes the length of its input from the header.
    if stored != len(view):
        raise StoreError(f"its header states {stored} compressed bytes, there are {len(view)}")
    if block > max(content, 256):
        raise StoreError(f"its header states blocks of {block} bytes in a content of {content}")
    return blosc.decompress(data, into if content == limit else None)


def _unpack_zstd(data: Any, limit: int, into: bytearray | None = None) -> Any:
    """Decompress a Zstandard frame. One that does not state the size of its content must fill the chunk exactly."""
    stated = zstd_content_size(data)
    size = limit if stated is None else stated
    _check_size(size, limit)
    if not size:
        return b""
    return zstd.decompress(data, bytearray(size) if into is None or size != limit else into)


def zstd_content_size(data: Any) -> int | None:
    """Return the size of content that a Zstandard frame states (RFC 8878, 3.1.1.1).

    Args:
        data: The frame.

    Returns:
        Bytes; None where it states none.

    Raises:
        StoreError: The data begin with no frame.
    """
    head = bytes(memoryview(data).cast("B")[:18])
    if len(head) < 6 or head[:4] != _ZSTD_MAGIC:
        raise StoreError("it is no Zstandard frame")
    descriptor = head[4]
    is_single = bool(descriptor & 0x20)
    length = (1 if is_single else 0, 2, 4, 8)[descriptor >> 6]
    if not length:
        return None
    at = 5 + (not is_single) + (0, 1, 2, 4)[descriptor & 3]
    if len(head) < at + length:
        raise StoreError("it is no Zstandard frame")
    return int.from_bytes(head[at : at + length], "little") + (256 if length == 2 else 0)


def _unpack_deflate(bits: int) -> Callable[[Any, int], bytes]:
    def unpack_members(data: Any, limit: int) -> bytes:
        parts: list[bytes] = []
        size, rest = 0, data
        for _ in range(_MAX_MEMBERS):
            stream = _inflating(bits)
            parts.append(stream.decompress(rest, limit - size + 1))
            size += len(parts[-1])
            if size > limit or not stream.eof:
                break
            rest = stream.unused_data
            # gzip files may have further members, and padding of zeros (RFC 1952, 2.2).
            if bits != _GZIP_BITS or not rest.strip(b"\0"):
                break
        else:
            raise StoreError(_TOO_MANY_MEMBERS)
        return _stopped(parts[0] if len(parts) == 1 else b"".join(parts), limit, is_complete=stream.eof)

    return unpack_members


def _unpack_lz4(data: Any, limit: int, into: bytearray | None = None) -> Any:
    """Decompress an LZ4 block, which numcodecs stores after the size of its content."""
    stated = int.from_bytes(memoryview(data).cast("B")[:4], "little")
    _check_size(stated, limit)
    return lz4.decompress(data, into if stated == limit else None)


def _unpack_bz2(data: Any, limit: int) -> bytes:
    parts: list[bytes] = []
    size, rest = 0, data
    for _ in range(_MAX_MEMBERS):
        stream = bz2.BZ2Decompressor()
        parts.append(stream.decompress(rest, limit - size + 1))
        size += len(parts[-1])
        rest = stream.unused_data if stream.eof else b""
        if size > limit or not rest:
            return _stopped(b"".join(parts), limit, is_complete=stream.eof)
    raise StoreError(_TOO_MANY_MEMBERS)


UNPACKERS: Mapping[str, Callable[[Any, int], Any]] = {
    "blosc": _unpack_blosc,
    "zstd": _unpack_zstd,
    "gzip": _unpack_deflate(_GZIP_BITS),
    "zlib": _unpack_deflate(_ZLIB_BITS),
    "lz4": _unpack_lz4,
    "bz2": _unpack_bz2,
    "lzma": lambda data, limit: unpack_lzma(data, limit, {}),
    "none": lambda data, _: data,
}
"""Decompressors by the name of the Zarr codec, each of bytes and a limit."""
_INTO: Mapping[str, Callable[[Any, int, bytearray], Any]] = {
    "blosc": _unpack_blosc,
    "zstd": _unpack_zstd,
    "lz4": _unpack_lz4,
}
"""Those that can write to memory that is there."""
