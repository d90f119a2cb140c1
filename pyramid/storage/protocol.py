"""What object storage can do, whoever provides it."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from lazytile.colormaps.core.errors import LazytileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO


class StorageError(LazytileError, OSError):
    """A request to object storage failed, and repeating it did not help. The text is one line.

    Readers of files that catch ``OSError`` catch it too. It tells nothing of what is stored: that may be whole.
    """

    def __init__(self, text: str) -> None:
        """State what failed.

        Args:
            text: One line: which object, what is wrong, what is allowed.
        """
        super().__init__(errno.EHOSTUNREACH, text)

    def __str__(self) -> str:
        return str(self.strerror)

    def __reduce__(self) -> tuple[type[StorageError], tuple[str]]:
        return type(self), (str(self.strerror),)


class ConflictError(StorageError):
    """The condition of a put does not hold: the object exists, or another writer has changed it."""


class ObjectTooLargeError(StorageError):
    """An object has more bytes than the caller accepts."""


@dataclass(frozen=True, slots=True)
class ObjectEntry:
    """An object in a listing."""

    key: str
    size: int
    """Bytes."""
    modified_s: float
    """Time of the last change, seconds since 1970."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """The content of an object."""

    data: bytes
    etag: str
    """Changes with the content; for ``put(if_match=...)``."""


class ObjectStorage(Protocol):
    """A bucket, or something like it: immutable bytes by key. Thread-safe.

    Every method raises ``StorageError`` where the storage cannot be reached or refuses the request.
    """

    def get(self, key: str, limit: int | None = None) -> StoredObject | None:
        """Return an object.

        Args:
            key: Of the object.
            limit: Most bytes that are accepted; None: any number.

        Returns:
            Its content; None where there is no such object.

        Raises:
            ObjectTooLargeError: It has more bytes.
        """
        ...

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes] | None:
        """Return parts of an object, several requests at a time.

        Args:
            key: Of the object.
            ranges: First byte and the one after the last, of each part.

        Returns:
            The parts, shorter where the object ends before; None where there is no such object.
        """
        ...

    def get_end(self, key: str, length: int) -> tuple[bytes, int] | None:
        """Return the last bytes of an object.

        Args:
            key: Of the object.
            length: How many.

        Returns:
            The bytes, fewer where the object is shorter, and the size of the whole; None where there is no such object.
        """
        ...

    def put(
        self, key: str, data: bytes | Path | BinaryIO, *, if_absent: bool = False, if_match: str | None = None
    ) -> str:
        """Write an object in one step.

        Args:
            key: Of the object.
            data: Its content, or a file that has it, by its path or open at its start.
            if_absent: Whether to write only where there is no such object.
            if_match: Write only where the object still has this ETag; None: in any case.

        Returns:
            The new ETag.

        Raises:
            ConflictError: The condition does not hold.
        """
        ...

    def copy(self, source: str, target: str) -> None:
        """Copy an object within the storage.

        Args:
            source: Its key.
            target: Key of the copy.

        Raises:
            FileNotFoundError: There is no such object.
        """
        ...

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        """List objects.

        Args:
            prefix: Of their keys: whole parts between slashes.

        Yields:
            The objects, in any order.
        """
        ...

    def folders(self, prefix: str) -> tuple[str, ...]:
        """List what follows a prefix up to the next slash, where there is one.

        Args:
            prefix: As for ``list``.

        Returns:
            The names, without slashes.
        """
        ...

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; those that do not exist count as removed.

        Args:
            keys: Of the objects.
        """
        ...


def content_of(data: bytes | Path | BinaryIO) -> bytes:
    """Return the content that ``ObjectStorage.put`` is given.

    Args:
        data: As ``put`` takes it.

    Returns:
        All of it.
    """
    if isinstance(data, bytes):
        return data
    return data.read_bytes() if hasattr(data, "read_bytes") else data.read()
