"""Lock files: one process of a machine works while others wait or are refused.

The kernel drops the lock of a process that ends (flock(2)), so a kill leaves no lock behind, only the file.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lazytile.colormaps.core.errors import LazytileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PID_BYTES = 32


class LockHeldError(LazytileError):
    """Another process holds the lock."""

    def __init__(self, path: Path, holder: str) -> None:
        super().__init__(f"process {holder} holds the lock {path}")
        self.holder = holder
        """Process id as the holder wrote it, ``unknown`` where the file holds none."""


def acquire(path: Path, *, wait: bool = True, mode: int = 0o644) -> int:
    """Lock a file, created where there is none, and return its descriptor; closing that ends the lock.

    Args:
        path: The lock file. Its content is left as it is.
        wait: Whether to wait for another holder.
        mode: Permissions of a new file.

    Returns:
        A descriptor open for reading and writing.

    Raises:
        LockHeldError: Another process (or another descriptor of this one) holds the lock and ``wait`` is false.
        OSError: The file cannot be opened or locked.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The last holder may have unlinked or renamed the file between open and lock; then it locks nothing.
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        except BlockingIOError:
            holder = os.read(descriptor, _PID_BYTES).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise LockHeldError(path, holder if holder.isdecimal() else "unknown") from None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


@contextmanager
def file_lock(
    path: Path, *, wait: bool = True, mode: int = 0o644, write_pid: bool = False, remove: bool = False
) -> Iterator[None]:
    """Hold the lock of a file that serves as nothing else.

    Args:
        path: The lock file, created where there is none.
        wait: Whether to wait for another holder.
        mode: Permissions of a new file.
        write_pid: Whether to write the process id to the file, for the message of whoever is refused.
        remove: Whether to unlink the file at the end.

    Yields:
        Nothing; the lock is held meanwhile.

    Raises:
        LockHeldError: Another process holds the lock and ``wait`` is false.
        OSError: The file cannot be opened, locked or written.
    """
    descriptor = acquire(path, wait=wait, mode=mode)
    try:
        if write_pid:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        if remove:
            path.unlink(missing_ok=True)  # before the lock ends: afterwards the file may be another holder's
        os.close(descriptor)
