"""Claims: of several server processes of one machine, one renders a tile while the others wait for it.

A claim is a lock on one byte of a file beside the tile cache (fcntl(2)), at a position that the key decides. The kernel
drops the locks of a process that ends, so no claim outlives its holder. When a claim ends, its time is written to the
file, so that whoever missed the tile just before need not render it again.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

Found = TypeVar("Found")

NAME = "claims-1"
TIMES = 1 << 14
"""Times of the last claims that ended, by key; two keys that share one only make somebody look twice."""
_TIME = struct.Struct("<Q")
_FIRST_BYTE = TIMES * _TIME.size
"""Where the bytes begin that are locked; they need not exist."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.005, 0.05
"""How long to wait until a claim is looked at again."""
_POSITIONS = (1 << 62) - _FIRST_BYTE


class Claims:
    """The claims of this process. Belongs to one event loop; ``release`` may be called in any thread."""

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
        """Claim a key unless another claim of it has ended lately.

        Args:
            key: Hexadecimal digits.
            since_ns: As for ``was_released``.

        Returns:
            False where another process has claimed it, or has done the work meanwhile.
        """
        if not self.take(key):
            return False
        if self.was_released(key, since_ns):
            self.give_up(key)
            return False
        return True

    async def taken(
        self, key: str, since_ns: int, find: Callable[[], Awaitable[Found | None]], limit_s: float
    ) -> Found | None:
        """Claim a key; wait for the process that has claimed it, and return what it leaves behind.

        Args:
            key: Hexadecimal digits.
            since_ns: When the caller has looked for the result last, by ``time.monotonic_ns``.
            find: Looks for the result.
            limit_s: How long to wait.

        Returns:
            The result of the other process; None where the caller is to work: it has the claim, or the time is up.
        """
        end, pause_s = time.monotonic() + limit_s, FIRST_PAUSE_S
        while not self.take(key):
            if time.monotonic() > end:
                return None
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        found = await find() if self.was_released(key, since_ns) else None
        if found is not None:
            self.release(key)
        return found

    def release(self, key: str) -> None:
        """End a claim.

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
