"""Writing objects: several at a time where they are small, through a bounded folder where one is large."""

from __future__ import annotations

import io
import tempfile
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Self, cast

from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.storage.options import PREFIX, StorageOptions
from lazytile.pyramid.storage.staging import staging_root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from types import TracebackType

    from lazytile.pyramid.storage.object_path import ObjectPath

IN_MEMORY_BYTES = 16 << 20
"""Larger objects are put together in a file."""
WAITING_BYTES = 32 << 20
"""Of objects that one writer has handed over and that are not written yet; a larger one is waited for alone."""


class ObjectWriter:
    """Writes objects in the process's threads for that. Belongs to one thread; the first failure is raised there."""

    def __init__(self) -> None:
        """Write nothing yet."""
        self._waiting: deque[tuple[Future[str], int]] = deque()
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.finish()
            return
        for future, _ in self._waiting:
            future.cancel()

    def put(self, path: ObjectPath, data: bytes) -> None:
        """Hand an object over to be written.

        Args:
            path: Of the object.
            data: Its content.

        Raises:
            StorageError: This one or one before cannot be written.
        """
        while self._waiting and self._bytes + len(data) > WAITING_BYTES:
            self._take()
        self._waiting.append((_put_pool().submit(path.storage.put, path.key, data), len(data)))
        self._bytes += len(data)

    def finish(self) -> None:
        """Wait until every object is written.

        Raises:
            StorageError: One cannot be written.
        """
        while self._waiting:
            self._take()

    def _take(self) -> None:
        future, size = self._waiting.popleft()
        self._bytes -= size
        future.result()


def _put_pool() -> ThreadPoolExecutor:
    threads = StorageOptions.current().requests
    return process.current().resource("put pool", lambda: ThreadPoolExecutor(threads, "lazytile-put"))


@contextmanager
def object_file(path: ObjectPath, size: int) -> Iterator[BinaryIO]:
    """Yield a file whose content becomes an object when the block ends; nothing is written where the block raises.

    Args:
        path: Of the object.
        size: Bytes that it will have at most. More than ``IN_MEMORY_BYTES`` are kept in the staging folder, which
            never holds more than its limit: others wait until there is room.

    Yields:
        The file, empty, open for writing.

    Raises:
        StorageError: The object cannot be written.
        StoreError: The staging folder may never hold as many bytes.
    """
    if size <= IN_MEMORY_BYTES:
        memory = io.BytesIO()
        yield memory
        path.storage.put(path.key, memory.getvalue())
        return
    folder = staging_root()
    folder.mkdir(parents=True, exist_ok=True)
    # A file without a name: a kill leaves none.
    with StagingRoom.current().taken(path, size), tempfile.TemporaryFile(dir=folder) as file:
        opened = cast("BinaryIO", file)
        yield opened
        file.seek(0)
        path.storage.put(path.key, opened)


class StagingRoom:
    """The bytes that files of this process may take in the staging folder. Thread-safe."""

    def __init__(self, limit_bytes: int) -> None:
        """Start with all of it.

        Args:
            limit_bytes: Of all files together.
        """
        self._limit_bytes = limit_bytes
        self._used = 0
        self._changed = threading.Condition()

    @staticmethod
    def current() -> StagingRoom:
        """Return the room of this process."""
        limit = StorageOptions.current().staging_bytes
        return process.current().resource(StagingRoom, lambda: StagingRoom(limit))

    @contextmanager
    def taken(self, path: ObjectPath, size: int) -> Iterator[None]:
        """Hold some bytes of the room; wait until there are as many.

        Args:
            path: What they are for.
            size: How many.

        Yields:
            Nothing.

        Raises:
            StoreError: There are never as many.
        """
        if size > self._limit_bytes:
            raise StoreError(
                f"{path} takes up to {size} bytes, {PREFIX}STAGING_BYTES allows {self._limit_bytes}: raise it, or "
                "convert with smaller shards"
            )
        with self._changed:
            self._changed.wait_for(lambda: self._used + size <= self._limit_bytes)
            self._used += size
        try:
            yield
        finally:
            with self._changed:
                self._used -= size
                self._changed.notify_all()
