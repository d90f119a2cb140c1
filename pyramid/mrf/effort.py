"""The compression effort of an export: time against bytes.

A page is filtered (Up) and deflated; only the deflate differs. libdeflate compresses as well as zlib in a sixth of the
time. Figures for 512-pixel pages of a sea-surface temperature are in docs/mrf.md.
"""

from __future__ import annotations

import zlib
from enum import Enum
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.render.image import FAST_LIBRARY, deflate_fast, png8_encoder

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
        """Name of the encoder of pictures: an export is resumed only with pages of the same one."""
        if self is CompressionEffort.SERVED:
            return f"served {png8_encoder()}"
        return f"{LIBRARY} {_LEVELS[self]}"

    @property
    def code_encoder(self) -> str:
        """Name of the encoder of codes."""
        return f"served {FAST_LIBRARY}" if self is CompressionEffort.SERVED else self.encoder

    @property
    def deflate(self) -> Callable[[Any], bytes]:
        """Function from a C-contiguous array to a zlib stream (RFC 1950)."""
        return self.picture_deflate or deflate_fast

    @property
    def picture_deflate(self) -> Callable[[Any], bytes] | None:
        """The same for the filtered rows of a page; None for what ``encode_png8`` has for tiles that are served."""
        if self is CompressionEffort.SERVED:
            return None
        level = _LEVELS[self]
        return lambda rows: _compress(memoryview(rows).cast("B"), level)


_LEVELS = {CompressionEffort.FAST: 2, CompressionEffort.DEFAULT: 6, CompressionEffort.SMALL: 7}
"""Levels of libdeflate, 1 to 12; from 8 on each takes 3 times as long for 2 % fewer bytes."""
