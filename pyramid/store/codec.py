"""Compression of chunks: the codecs that a store may be written with, as ``convert --codec`` names them."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from numcodecs import blosc, zstd
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec  # the import of zarr also keeps Blosc to one thread

from lazytile.pyramid.core.errors import StoreError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LEVELS: dict[str, tuple[int, int, int]] = {
    "blosc-lz4": (0, 9, 5),
    "blosc-zstd": (0, 9, 3),
    "zstd": (1, 22, 3),
    "gzip": (0, 9, 6),
    "none": (0, 0, 0),
}
"""Least, greatest and default level of each codec."""
GZIP_BITS = 31
"""zlib's name for a stream with gzip's header and trailer."""


@dataclass(frozen=True, slots=True)
class Codec:
    """A compressor at a level. Blosc codecs shuffle bytes."""

    name: str
    level: int

    @classmethod
    def parse(cls, text: str) -> Codec:
        """Parse a codec's name.

        Args:
            text: ``NAME`` or ``NAME:LEVEL``.

        Returns:
            The codec.

        Raises:
            StoreError: The name is unknown or the level out of range.
        """
        name, _, level = text.partition(":")
        if name not in _LEVELS:
            raise StoreError(f"codec {text[:60]!r} is unknown, allowed are {', '.join(_LEVELS)}; :LEVEL may follow")
        least, greatest, default = _LEVELS[name]
        if not level:
            return cls(name, default)
        if not level.isdecimal() or not least <= int(level) <= greatest:
            raise StoreError(f"the level of codec {name} is {least} to {greatest}, not {level[:20]!r}")
        return cls(name, int(level))

    @property
    def text(self) -> str:
        """The name and level, as ``parse`` takes them."""
        return self.name if self.name == "none" else f"{self.name}:{self.level}"

    @property
    def zarr_name(self) -> str:
        """The name of the Zarr codec, or ``none``, as ``unpacking.unpack`` takes it."""
        return "blosc" if self.name.startswith("blosc-") else self.name

    def zarr_codec(self, dtype: np.dtype[Any]) -> BloscCodec | ZstdCodec | GzipCodec | None:
        """Return the codec as zarr-python writes it into the metadata.

        Args:
            dtype: Of the array.

        Returns:
            The codec; None for ``none``.
        """
        if self.name.startswith("blosc-"):
            inner = cast("Literal['lz4', 'zstd']", self.name.removeprefix("blosc-"))
            return BloscCodec(typesize=dtype.itemsize, cname=inner, clevel=self.level, shuffle="shuffle", blocksize=0)
        if self.name == "zstd":
            return ZstdCodec(level=self.level)
        return GzipCodec(level=self.level) if self.name == "gzip" else None

    def encode(self, codes: NDArray[Any]) -> bytes:
        """Compress a chunk.

        Args:
            codes: Contiguous, little-endian.

        Returns:
            The bytes; ``unpacking.unpack`` is the inverse.
        """
        data: bytes
        if self.name.startswith("blosc-"):
            data = blosc.compress(codes, self.name.removeprefix("blosc-").encode(), self.level, blosc.SHUFFLE, 0)
        elif self.name == "zstd":
            data = zstd.compress(codes.tobytes(), self.level)
        elif self.name == "gzip":
            data = zlib.compress(codes.tobytes(), self.level, GZIP_BITS)
        else:
            data = codes.tobytes()
        return data


DEFAULT_CODEC = Codec("blosc-lz4", 5)
"""With shuffle, LZ4 packs 16-bit fields 15 to 20 % less tightly than Zstandard level 3, in an eighth of the time, and
unpacks them several times faster: on one processor that is the better half of a conversion and of a cold tile."""
