"""Having the kernel write a file to the disk while it grows, so that the fsync at its end has little left to do."""

from __future__ import annotations

import ctypes
import sys

STEP_BYTES = 4 << 20
"""New data that the kernel is asked to write: some milliseconds of a disk."""
_SYNC_FILE_RANGE_WRITE = 2
"""Of sync_file_range(2)."""


class Writeback:
    """How much of a growing file the kernel was asked to write. It promises nothing: fsync does."""

    def __init__(self, begun_bytes: int) -> None:
        """Begin with a file as it is.

        Args:
            begun_bytes: Its length, which somebody else cares for.
        """
        self._begun_bytes = begun_bytes

    def grown(self, descriptor: int, length_bytes: int) -> None:
        """Ask the kernel to write what is new, if that is enough to be worth it, and return at once.

        Args:
            descriptor: Of the file.
            length_bytes: Its length by now.
        """
        if length_bytes - self._begun_bytes >= STEP_BYTES:
            begin_writeback(descriptor, self._begun_bytes, length_bytes - self._begun_bytes)
            self._begun_bytes = length_bytes


def begin_writeback(descriptor: int, offset: int, count: int) -> None:
    """Begin to write a part of a file to the disk, and return at once.

    Linux only; elsewhere nothing happens. Errors are left to fsync, too.

    Args:
        descriptor: Of the file.
        offset: Where the part begins.
        count: Its bytes.
    """
    call = getattr(ctypes.CDLL(None), "sync_file_range", None) if sys.platform == "linux" else None
    if call is not None:
        call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
        call(descriptor, offset, count, _SYNC_FILE_RANGE_WRITE)
