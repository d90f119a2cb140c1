"""CRC-32, the checksum of everything that is stored beside chunks (ISO 3309, as in zlib and gzip).

isal computes it with vector instructions: 2 us for 128 KiB, where zlib takes 20 us (``scripts/bench_checks.py``).
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_crc32: Callable[[Any], int] = zlib.crc32
try:
    from isal import isal_zlib

    _crc32 = isal_zlib.crc32
except ImportError:  # a platform without wheels
    pass


def crc32(data: Any) -> int:
    """Return the checksum of bytes.

    Args:
        data: Any buffer.

    Returns:
        The CRC-32.
    """
    return _crc32(data)
