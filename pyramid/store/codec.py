"""How chunks are compressed: the codecs a store may be written with, by the text that ``convert --codec`` takes."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from numcodecs import blosc, zstd
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec

from lazytile.pyramid.core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

_LEVELS: dict[str, tuple[int, int, int]] = {
    "blosc-lz4": (0, 9, 5),
    "blosc-zstd": (0, 9, 3),
    "zstd": (1, 22, 3),
    "gzip": (0, 9, 6),
    "none": (0, 0, 0),
}
"""Least, greatest and usual level of each codec."""
GZIP_BITS = 31
"""zlib's name for a stream with gzip's header and trailer."""


@dataclass(frozen=True, slots=True)
class Codec:
    """A compressor at a level. Blosc codecs shuffle bytes."""

    name: str
    level: int

    @classmethod
    def parse(cls, text: str) -> Codec:
        """Read ``NAME`` or ``NAME:LEVEL``. Raises ``StoreError`` for any other text."""
        name, _, level = text.partition(":")
        if name not in _LEVELS:
            raise StoreError(f"codec {text[:60]!r} is unknown, it may be {', '.join(_LEVELS)}, with :LEVEL behind it")
        least, greatest, usual = _LEVELS[name]
        if not level:
            return cls(name, usual)
        if not level.isdecimal() or not least <= int(level) <= greatest:
            raise StoreError(f"the level of codec {name} is {least} to {greatest}, not {level[:20]!r}")
        return cls(name, int(level))

    @property
    def text(self) -> str:
        """What ``parse`` takes."""
        return self.name if self.name == "none" else f"{self.name}:{self.level}"

    def zarr_codec(self, dtype: np.dtype[Any]) -> BloscCodec | ZstdCodec | GzipCodec | None:
        """Return the codec as zarr-python writes it into the metadata; None for none."""
        if self.name.startswith("blosc-"):
            inner = cast("Literal['lz4', 'zstd']", self.name.removeprefix("blosc-"))
            return BloscCodec(typesize=dtype.itemsize, cname=inner, clevel=self.level, shuffle="shuffle", blocksize=0)
        if self.name == "zstd":
            return ZstdCodec(level=self.level)
        return GzipCodec(level=self.level) if self.name == "gzip" else None

    def encode(self, codes: NDArray[Any]) -> bytes:
        """Return the bytes of a chunk. codes: contiguous, little-endian."""
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

    def decode(self, data: bytes) -> Any:
        """Return the bytes that ``encode`` was given. Raises ``StoreError`` where they are damaged."""
        return decompress("blosc" if self.name.startswith("blosc-") else self.name, data)


DEFAULT_CODEC = Codec("blosc-lz4", 5)
"""With shuffle, LZ4 packs 16-bit fields 15 to 20 % less tightly than Zstandard level 3, in an eighth of the time, and
unpacks them several times faster: on one processor that is the better half of a conversion and of a cold tile."""
_ZARR_NAMES: Mapping[str, Any] = {
    "blosc": blosc.decompress,
    "zstd": zstd.decompress,
    "gzip": lambda data: zlib.decompress(data, GZIP_BITS),
    "none": lambda data: data,
}
DECOMPRESSORS = frozenset(_ZARR_NAMES)
"""Names that ``decompress`` takes."""


def decompress(name: str, data: Any) -> Any:
    """Decompress a chunk; ``name`` is that of the Zarr codec, or ``none``. Raises ``StoreError``."""
    try:
        return _ZARR_NAMES[name](data)
    except (RuntimeError, ValueError, zlib.error) as error:
        raise StoreError(str(error)) from error


def use_one_thread() -> None:
    """Keep Blosc from starting threads of its own: tasks already run side by side. Call it in each process."""
    blosc.use_threads = False
