"""A tile with a checksum of its bytes and of its key, as it lies in the shared tier."""

from __future__ import annotations

import hashlib

_MAGIC = b"LZT1"
_DIGEST_BYTES = 16
HEAD_BYTES = len(_MAGIC) + _DIGEST_BYTES


def seal(key: str, data: bytes) -> bytes:
    """Return a tile as it is kept.

    Args:
        key: Its key.
        data: Its bytes.

    Returns:
        The value.
    """
    return _MAGIC + _digest(key, data) + data


def unseal(key: str, value: bytes) -> bytes | None:
    """Return the tile in a value.

    Args:
        key: Its key.
        value: As it was found.

    Returns:
        The tile; None for bytes that are not those of this key as they were written.
    """
    data = value[HEAD_BYTES:]
    return data if value[:HEAD_BYTES] == _MAGIC + _digest(key, data) else None


def _digest(key: str, data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES, key=key.encode()[:64]).digest()
