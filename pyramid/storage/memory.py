"""Object storage in the memory of this process, for tests."""

from __future__ import annotations

import hashlib
import threading
import time
from typing import TYPE_CHECKING

from lazytile.pyramid.storage.protocol import ConflictError, ObjectEntry, ObjectTooLargeError, StoredObject, content_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO


class MemoryStorage:
    """Objects in a dictionary. See ``ObjectStorage``."""

    def __init__(self, url: str) -> None:
        """Start empty.

        Args:
            url: What messages call it.
        """
        self._url = url
        self._objects: dict[str, tuple[bytes, float]] = {}
        self._lock = threading.Lock()

    def get(self, key: str, limit: int | None = None) -> StoredObject | None:
        """Return an object, None where there is none."""
        found = self._objects.get(key)
        if found is None:
            return None
        if limit is not None and len(found[0]) > limit:
            raise ObjectTooLargeError(f"{self._url}/{key} has {len(found[0])} bytes, {limit} are allowed")
        return StoredObject(found[0], _etag(found[0]))

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes] | None:
        """Return parts of an object."""
        found = self._objects.get(key)
        return None if found is None else [found[0][start:stop] for start, stop in ranges]

    def get_end(self, key: str, length: int) -> tuple[bytes, int] | None:
        """Return the last bytes of an object, and its size."""
        found = self._objects.get(key)
        return None if found is None else (found[0][max(0, len(found[0]) - length) :], len(found[0]))

    def put(
        self, key: str, data: bytes | Path | BinaryIO, *, if_absent: bool = False, if_match: str | None = None
    ) -> str:
        """Write an object."""
        content = content_of(data)
        with self._lock:
            there = self._objects.get(key)
            if if_absent and there is not None:
                raise ConflictError(f"{self._url}/{key} exists already")
            if if_match is not None and (there is None or _etag(there[0]) != if_match):
                raise ConflictError(f"{self._url}/{key} was changed by another writer")
            self._objects[key] = content, time.time()
        return _etag(content)

    def copy(self, source: str, target: str) -> None:
        """Copy an object."""
        with self._lock:
            if source not in self._objects:
                raise FileNotFoundError(f"{self._url}/{source} does not exist")
            self._objects[target] = self._objects[source][0], time.time()

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        """Yield the objects below a prefix."""
        with self._lock:
            found = tuple(self._objects.items())
        for key, (data, modified_s) in found:
            if key.startswith(f"{prefix}/"):
                yield ObjectEntry(key, len(data), modified_s)

    def folders(self, prefix: str) -> tuple[str, ...]:
        """Return the next parts of the keys below a prefix."""
        rests = [entry.key[len(prefix) + 1 :].split("/") for entry in self.list(prefix)]
        return tuple(sorted({parts[0] for parts in rests if len(parts) > 1}))

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects."""
        with self._lock:
            for key in keys:
                self._objects.pop(key, None)


def _etag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]
