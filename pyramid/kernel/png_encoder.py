"""PNGs of palette indices, in C++ on the processor: one call from pixels to the file.

``source/png.cpp`` holds the loops. Equal pixels have equal bytes on every processor and platform.
"""

from __future__ import annotations

import ctypes
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.kernel.structs import host_address

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lazytile.pyramid.kernel.library import Library

KEPT_BYTES = 1 << 20
"""Memory that each thread keeps for the next picture at most: enough for 512 x 512 pixels."""


@dataclass(frozen=True, slots=True)
class _Room:
    """Memory for a picture: what the function works in, and the file."""

    key: tuple[int, int, int]
    scratch: NDArray[np.uint8]
    file: NDArray[np.uint8]


class PngEncoder:
    """The function of a library for PNGs. See ``PictureEncoder``."""

    def __init__(self, library: Library) -> None:
        """Take the function.

        Args:
            library: The library.
        """
        self._library = library
        self._kept = threading.local()

    @property
    def name(self) -> str:
        """Its name; the number changes with the bytes that it makes of a picture."""
        return "lazytile 1"

    def encode(self, index: NDArray[np.uint8], palette_chunks: bytes) -> bytes:
        """Encode palette indices."""
        height, width = index.shape
        if index.dtype != np.uint8 or index.strides[1] != 1:
            index = np.ascontiguousarray(index, np.uint8)
        room = self._room(height, width, len(palette_chunks))
        size: int = self._library.png(
            host_address(index),
            index.strides[0],
            height,
            width,
            palette_chunks,
            len(palette_chunks),
            host_address(room.scratch),
            host_address(room.file),
        )
        return room.file[:size].tobytes()

    def _room(self, height: int, width: int, chunk_bytes: int) -> _Room:
        """Return memory of this thread for pictures of a size."""
        key = (height, width, chunk_bytes)
        kept: _Room | None = getattr(self._kept, "room", None)
        if kept is not None and kept.key == key:
            return kept
        needed = (ctypes.c_int64 * 2)()
        self._library.png_room(height, width, ctypes.addressof(needed))
        room = _Room(key, np.empty(needed[0], np.uint8), np.empty(needed[1] + chunk_bytes, np.uint8))
        if room.scratch.nbytes + room.file.nbytes <= KEPT_BYTES:
            self._kept.room = room
        return room
