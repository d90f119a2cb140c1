"""The compression effort of an export: time against bytes.

A page is filtered (Up) and deflated; only the deflate differs. libdeflate compresses as well as zlib in a sixth of the
time. Figures for 512-pixel pages of a sea-surface temperature are in docs/mrf.md.
"""

from __future__ import annotations

import zlib
from enum import Enum
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.render.image import deflate_fast

if TYPE_CHECKING:
    from collections.abc import Callable

try:
    from deflate import zlib_compress

    LIBRARY = "libdeflate"

    def _compress(data: Any, level: int) -> bytes:
        return bytes(zlib_compress(data, level))
except ImportError:  # no wheel for this platform: the same pixels, some 3 times slower
    LIBRARY = "zlib"

    def _compress(data: Any, level: int) -> bytes:
        return zlib.compress(data, level)


_SERVED_BY = "isal 3" if find_spec("isal") else "zlib"
"""The library behind ``deflate_fast`` and its level: bytes equal the service's only where the service has the same."""


class CompressionEffort(Enum):
    """The time that an export spends on compression."""

    SERVED = "served"
    """The bytes that the service sends for the tile. The fastest and the largest."""
    FAST = "fast"
    DEFAULT = "default"
    SMALL = "small"

    @classmethod
    def parse(cls, name: str) -> CompressionEffort:
        """Parse the name of an effort.

        Args:
            name: In any case.

        Returns:
            The effort.

        Raises:
            MrfError: The name is unknown.
        """
        try:
            return cls(name.strip().lower())
        except ValueError:
            allowed = ", ".join(item.value for item in cls)
            raise MrfError(f"compression effort {name!r} is unknown, allowed are {allowed}") from None

    @property
    def encoder(self) -> str:
        """Name of the encoder: an export is resumed only with pages of the same one."""
        return f"served {_SERVED_BY}" if self is CompressionEffort.SERVED else f"{LIBRARY} {_LEVELS[self]}"

    @property
    def deflate(self) -> Callable[[Any], bytes]:
        """Function from the filtered rows of a page, C-contiguous, to a zlib stream (RFC 1950)."""
        if self is CompressionEffort.SERVED:
            return deflate_fast
        level = _LEVELS[self]
        return lambda rows: _compress(memoryview(rows).cast("B"), level)


_LEVELS = {CompressionEffort.FAST: 2, CompressionEffort.DEFAULT: 6, CompressionEffort.SMALL: 7}
"""Levels of libdeflate, 1 to 12; from 8 on each takes 3 times as long for 2 % fewer bytes."""
