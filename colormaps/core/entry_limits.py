"""Limits of what a colormap file may hold, checked before its entries are read."""

from __future__ import annotations

from lazytile.colormaps.core.errors import ColormapError

MAX_ENTRIES = 65_535
"""Palette indices have 16 bits, and index 0 is no data. The largest real files have 256."""
MAX_VALUE_LENGTH = 16_384
"""Characters of one value, which may list intervals."""


def check_entries(count: int, file: str) -> None:
    """Check the number of entries in a file.

    Args:
        count: The number.
        file: Names the document in the message.

    Raises:
        ColormapError: It exceeds the limit.
    """
    if count > MAX_ENTRIES:
        raise ColormapError(f"{file}: it holds {count} entries, a colormap has at most {MAX_ENTRIES}")
