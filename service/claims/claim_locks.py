"""Claims as locks on the bytes of a file (fcntl(2)), for a machine without shared memory.

The kernel looks through all locks of a file for each new one, so that claims cost the more the more there are.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NAME = "claims-1"
TIMES = 1 << 14
"""Times of the last claims that ended, by key; two keys that share one only make somebody look twice."""
_TIME = struct.Struct("<Q")
_FIRST_BYTE = TIMES * _TIME.size
"""Where the bytes begin that are locked; they need not exist."""
_POSITIONS = (1 << 62) - _FIRST_BYTE


class ClaimLocks:
    """The claims of this process. The kernel drops those of a process that ends. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        """Open the file; without one, as on a disk that cannot be written, every claim is granted.

        Args:
            folder: Folder of the caches, on a local disk.
        """
        self._descriptor = -1
        with suppress(OSError):
            self._descriptor = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, key: str) -> bool:
        """Claim a key.

        Args:
            key: Hexadecimal digits.

        Returns:
            False where another process has claimed it.
        """
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _byte_of(key))
        except BlockingIOError:
            return False
        except (OSError, ValueError):
            return True  # this file system has no locks
        return True

    def take_anew(self, key: str, since_ns: int) -> bool:
        """Claim a key unless a claim of it has ended lately.

        Args:
            key: Hexadecimal digits.
            since_ns: As for ``was_released``.

        Returns:
            False where another process has claimed it, or a claim has ended since.
        """
        if not self.take(key):
            return False
        if self.was_released(key, since_ns):
            self.give_up(key)
            return False
        return True

    def release(self, key: str) -> None:
        """End a claim, and note when.

        Args:
            key: As claimed.
        """
        with suppress(OSError, ValueError):  # on a full or failed disk; whoever waits then renders the tile itself
            os.pwrite(self._descriptor, _TIME.pack(time.monotonic_ns()), _time_of(key))
        self.give_up(key)

    def give_up(self, key: str) -> None:
        """End a claim that has left nothing behind.

        Args:
            key: As claimed.
        """
        with suppress(OSError, ValueError):
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, _byte_of(key))

    def was_released(self, key: str, since_ns: int) -> bool:
        """Return whether a claim of a key has ended lately.

        Args:
            key: The key.
            since_ns: By ``time.monotonic_ns``, which all processes of a machine share.

        Returns:
            True where it has, or may have.
        """
        try:
            found = os.pread(self._descriptor, _TIME.size, _time_of(key))
        except (OSError, ValueError):
            return False
        return len(found) == _TIME.size and _TIME.unpack(found)[0] >= since_ns

    def close(self) -> None:
        """End all claims of this process."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _byte_of(key: str) -> int:
    return _FIRST_BYTE + int(key[:16], 16) % _POSITIONS


def _time_of(key: str) -> int:
    return int(key[-8:], 16) % TIMES * _TIME.size
