"""Lerc2 blobs that are deterministic.

The library does not write the last four bytes of a Huffman-coded byte plane (padding for the decoder to read past the
end), so they hold arbitrary memory, and the checksum differs with them. Here they are zeroed and the checksum is
computed again, as the Lerc2 format describes both (Esri's Lerc, version 6 of the blob).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.core.request_field import RequestField

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_CHECKSUM_AT, _CHECKED_FROM = 10, 14
_VALID_PIXELS_AT = 26
_VERSION = 6
_MASK_SIZE_AT = 90
_RANGES_BYTES = 8
"""Smallest and largest value of the one band, float32 each."""
_LOSSLESS_FLOATS = 3
_PLANES = 4
_HUFFMAN = 0
_PADDING_BYTES = 4


def encode_float32(values: NDArray[np.float32], mask: NDArray[np.bool_]) -> bytes:
    """Encode values without loss as one Lerc2 blob.

    Args:
        values: Shape (height, width), float32.
        mask: Same shape; False where there is no data.

    Returns:
        The blob.

    Raises:
        InvalidParameterError: The optional LERC library is not installed.
        ValueError: The library fails.
    """
    try:
        import lerc  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise InvalidParameterError(
            RequestField.FORMAT, "LERC tiles need the package lerc on the server: pip install 'lazytile[lerc]'"
        ) from error
    filled = np.ascontiguousarray(np.where(mask, values, 0), np.float32)
    failed, size, blob = lerc.encode(filled, 1, bool((~mask).any()), np.ascontiguousarray(mask), 0.0, 1)
    if failed:
        raise ValueError(f"LERC could not encode the tile, its error is {failed}")
    return canonical(bytes(blob)[:size])


def canonical(blob: bytes) -> bytes:
    """Return a blob with its unwritten bytes zeroed and a checksum to match.

    Args:
        blob: A Lerc2 blob of one band of float32.

    Returns:
        The blob, of the same length.
    """
    data = bytearray(blob)
    for end in _huffman_planes(blob):
        data[end - _PADDING_BYTES : end] = bytes(_PADDING_BYTES)
    struct.pack_into("<I", data, _CHECKSUM_AT, fletcher32(data[_CHECKED_FROM:]))
    return bytes(data)


def _huffman_planes(blob: bytes) -> Iterator[int]:
    """Yield the end of each byte plane that is Huffman-coded."""
    (version,) = struct.unpack_from("<i", blob, 6)
    (valid,) = struct.unpack_from("<i", blob, _VALID_PIXELS_AT)
    (mask_size,) = struct.unpack_from("<i", blob, _MASK_SIZE_AT)
    at = _MASK_SIZE_AT + 4 + mask_size
    low, high = at, at + _RANGES_BYTES // 2
    if version != _VERSION or not valid or blob[low:high] == blob[high : high + _RANGES_BYTES // 2]:
        return  # nothing follows the header of a blob without data, or the range of one value
    at += _RANGES_BYTES
    one_sweep, mode = blob[at], blob[at + 1]
    if one_sweep or mode != _LOSSLESS_FLOATS:
        return  # raw values, or blocks that the library writes completely
    at += 3  # with the byte of the predictor
    for _ in range(_PLANES):
        (size,) = struct.unpack_from("<I", blob, at + 2)
        at += 6 + size
        if blob[at - size] == _HUFFMAN:
            yield at


def fletcher32(data: bytes | bytearray) -> int:
    """Return the checksum of Lerc2: Fletcher's over big-endian 16-bit words, with sums that start at 0xffff.

    Args:
        data: The bytes to sum.

    Returns:
        The checksum.
    """
    padded = bytes(data) + b"\0" * (len(data) % 2)
    words = np.frombuffer(padded, ">u2").astype(np.uint64)
    turns = np.arange(words.size, 0, -1, dtype=np.uint64) % 0xFFFF
    first, second = int(words.sum()) % 0xFFFF, int((words * turns % 0xFFFF).sum()) % 0xFFFF
    # 0 and 0xffff are the same number here, and the running sums are never 0.
    return (second or 0xFFFF) << 16 | (first or 0xFFFF)
