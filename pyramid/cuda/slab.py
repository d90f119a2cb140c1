"""Page-locked memory in which a batch gathers: chunks, tables and arguments, which one copy brings to the GPU."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lazytile.pyramid.cuda.device import DeviceArray
    from lazytile.pyramid.cuda.device_cache import Upload

ALIGNMENT = 256
"""Of everything in a slab and on the GPU, as the GPU reads whole lines."""


def aligned(nbytes: int) -> int:
    """Round a number of bytes up to the alignment.

    Args:
        nbytes: The bytes.

    Returns:
        The next multiple of the alignment.
    """
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


@dataclass(slots=True, eq=False)
class Slab:
    """One of the few pieces of page-locked memory, and its counterpart on the GPU."""

    host: NDArray[np.uint8]
    device: DeviceArray
    stream: Any
    used: int = 0
    promised: int = 0
    """Bytes that the arguments of the requests may take, at the end."""
    writers: int = 0
    """Threads that copy into it at the moment."""
    uploads: list[Upload] = field(default_factory=list)
    requests: list[Any] = field(default_factory=list)

    def has_room(self, nbytes: int) -> bool:
        """Return whether a request fits.

        Args:
            nbytes: Of its arrays and its arguments.

        Returns:
            Whether there is room.
        """
        return self.used + self.promised + nbytes <= self.host.size

    def reserve(self, nbytes: int) -> int:
        """Reserve bytes.

        Args:
            nbytes: How many; there is room.

        Returns:
            Where they begin.
        """
        start = self.used
        self.used = start + aligned(nbytes)
        assert self.used <= self.host.size
        return start

    def write(self, array: NDArray[Any], offset: int) -> None:
        """Copy an array to where it was reserved.

        Args:
            array: C-contiguous.
            offset: Where to.
        """
        self.host[offset : offset + array.nbytes] = array.reshape(-1).view("u1")

    def put(self, struct: ctypes.Structure | ctypes.Array[Any]) -> int:
        """Append arguments.

        Args:
            struct: A struct or an array of ctypes.

        Returns:
            Its address on the GPU once the slab has been copied.
        """
        nbytes = ctypes.sizeof(struct)
        offset = self.reserve(nbytes)
        ctypes.memmove(self.host.ctypes.data + offset, ctypes.addressof(struct), nbytes)
        return self.device.address + offset

    def clear(self) -> None:
        """Make the slab empty for another batch."""
        self.used = self.promised = 0
        self.uploads, self.requests = [], []
