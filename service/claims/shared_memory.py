"""Memory that server processes share by a name, in a file system that is nothing but memory.

The memory is allocated whole, so that no write to it can fail later, as one to a mapped file on a full or failed disk
would, which ends the process. The last process that uses it deletes it; what killed ones leave behind is deleted by the
next process that opens any.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from contextlib import ExitStack, suppress
from pathlib import Path

SHARED_FOLDER = Path("/dev/shm")  # noqa: S108 - a file system of Linux; who owns the files is checked
PREFIX = "lazytile-claims-1"
ATTEMPTS = 8
"""Another process may delete the memory while it is being opened."""
MOST_SWEPT = 1024
"""Left memory that is looked at when some is opened."""


class SharedMemory:
    """Shared memory with places, each of which one process may hold; the kernel frees those of a process that ends."""

    def __init__(self, folder: Path, nbytes: int, shared_folder: Path = SHARED_FOLDER) -> None:
        """Open or create the memory.

        Args:
            folder: Names it: all who pass the same folder share it.
            nbytes: Size of the memory; it begins as zeros.
            shared_folder: Where the system keeps shared memory.

        Raises:
            OSError: There is none, it is full, or the memory belongs to another user.
        """
        prefix = f"{PREFIX}-{os.geteuid()}-"
        with ExitStack() as descriptors:
            # While the folder is open, no other one gets its number, should it be deleted.
            opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            descriptors.callback(os.close, opened)
            status = os.fstat(opened)
            self._path = shared_folder / f"{prefix}{status.st_dev}-{status.st_ino}"
            _sweep(shared_folder, prefix, self._path)
            self._descriptor = _opened(self._path)
            descriptors.callback(os.close, self._descriptor)
            if os.fstat(self._descriptor).st_size < nbytes:
                os.posix_fallocate(self._descriptor, 0, nbytes)
            self.memory = mmap.mmap(self._descriptor, nbytes)
            """The bytes."""
            self._descriptors = descriptors.pop_all()

    def take_place(self, place: int) -> bool:
        """Take a place, for this object until it is closed.

        Args:
            place: Number of the place.

        Returns:
            False where it is taken.
        """
        return self._lock(fcntl.F_WRLCK, place)

    def leave_place(self, place: int) -> None:
        """Free a place.

        Args:
            place: As taken.
        """
        self._lock(fcntl.F_UNLCK, place)

    def _lock(self, kind: int, place: int) -> bool:
        """Lock or unlock the byte of a place, for this descriptor: those of fcntl(2) would belong to the process."""
        try:
            fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, struct.pack("@hhqqi", kind, os.SEEK_SET, place, 1, 0))
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Leave the memory, and delete it where nobody else uses it."""
        self.memory.close()
        with suppress(OSError):
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._path.unlink()
        self._descriptors.close()


def _opened(path: Path) -> int:
    """Return a descriptor of the memory that has the name, held against being deleted."""
    for _ in range(ATTEMPTS):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            own = _own_status(descriptor, path)
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            if os.path.samestat(own, path.stat()):
                return descriptor
        except (BlockingIOError, FileNotFoundError):
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    raise OSError(f"{path} is deleted whenever it is opened")


def _own_status(descriptor: int, path: Path) -> os.stat_result:
    status = os.fstat(descriptor)
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise PermissionError(f"{path} belongs to another user, or is open to others")
    return status


def _sweep(folder: Path, prefix: str, own: Path) -> None:
    """Delete memory that nobody uses any more."""
    with suppress(OSError):
        for path in sorted(folder.glob(f"{prefix}*"))[:MOST_SWEPT]:
            if path == own:
                continue
            with suppress(OSError):
                descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
                finally:
                    os.close(descriptor)
