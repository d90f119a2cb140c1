"""Stores of zarr-python that give only what one version of a source holds.

A file or object that was changed after the version's time belongs to another version, and so does one that has
vanished since. That a chunk is absent, and therefore all fill value (Zarr v3 core, 9.1), is believed only while the
source itself is there: a disk that is not mounted and a web server without its data have no chunk either.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.storage import LocalStore, ObjectStore, WrapperStore

from lazytile.pyramid.core.byte_lru import BytesLru
from lazytile.pyramid.core.errors import GenerationChangedError, SourceUnavailableError, StoreError, first_line
from lazytile.pyramid.core.memory_size import max_chunk_bytes
from lazytile.pyramid.fetch.source_url import METADATA_NAMES, is_url
from lazytile.pyramid.sources.formats.remote_zarr import Patience, is_absent, object_store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

TILE_PATIENCE = Patience(answer_s=10.0, connect_s=5.0, retries=4, all_s=20.0)
"""Somebody waits for a tile: an answer that comes later than its deadline is of no use."""
INDEX_BYTES = 64 << 20
"""Most bytes that are read at once are those of the largest chunk, which may not shrink when it is packed, and these:
the index of a shard."""
ENDS_BYTES = 8 << 20
"""Indexes of shards that are kept of each source, at most."""
MAX_SEEN = 4096
"""Objects whose validators are remembered, at most."""
_ROOTS = (*METADATA_NAMES, ".zarray", ".zattrs")


class DatedFolder(WrapperStore[LocalStore]):
    """A folder of Zarr as it was at one time. See ``Store`` of zarr-python."""

    def __init__(self, store: LocalStore, as_of_ns: int) -> None:
        """Read a folder.

        Args:
            store: The folder.
            as_of_ns: The time, in nanoseconds since 1970.
        """
        super().__init__(store)
        self.root = Path(store.root)
        self._as_of_ns = as_of_ns

    def _with_store(self, store: LocalStore) -> DatedFolder:
        return type(self)(store, self._as_of_ns)

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """Return the bytes of a file, None where there is none."""
        found = await self._store.get(key, prototype, byte_range)
        await asyncio.to_thread(self.check, key, is_absent=found is None)
        return found

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Return parts of files."""
        return [await self.get(key, prototype, byte_range) for key, byte_range in key_ranges]

    def check(self, key: str, *, is_absent: bool) -> None:
        """Check that a file is as it was; of an absent one, the folder that would hold it.

        Args:
            key: Its name.
            is_absent: Whether it was not found.

        Raises:
            GenerationChangedError: It was changed or removed.
            StoreError: The folder holds no Zarr any more.
        """
        path = self.root / key
        while True:
            try:
                status = os.stat(path)  # noqa: PTH116 - called for each chunk
                break
            except (FileNotFoundError, NotADirectoryError):
                if not is_absent:
                    raise GenerationChangedError(f"{path} has been removed") from None
                if path == self.root:
                    raise StoreError(f"{self.root} is not there") from None
                path = path.parent
        self.check_changed(str(path), status)
        if is_absent and not any((self.root / name).exists() for name in _ROOTS):
            raise StoreError(f"{self.root} holds no Zarr any more")

    def check_changed(self, name: str, status: os.stat_result) -> None:
        """Check that a file or folder has not been changed since.

        Args:
            name: What messages call it.
            status: Its status now.

        Raises:
            GenerationChangedError: It has been changed.
        """
        # Unlike the time of modification, nobody can set that of the last change of status.
        if status.st_ctime_ns > self._as_of_ns:
            raise GenerationChangedError(f"{name} has been changed")


class DatedObjects(WrapperStore[ObjectStore[Any]]):
    """Objects below a URL as they were at one time. See ``Store`` of zarr-python."""

    def __init__(self, store: ObjectStore[Any], as_of_ns: int, seen: Mapping[str, str] | None = None) -> None:
        """Read objects.

        Args:
            store: The objects.
            as_of_ns: The time, in nanoseconds since 1970, by the clock of the server.
            seen: Entity tags that are known, by name of the object.
        """
        super().__init__(store)
        self._as_of_ns = as_of_ns
        self.seen: dict[str, str] = dict(seen or {})
        """The entity tag of each object, as first met."""
        self._ends: BytesLru[bytes] = BytesLru(ENDS_BYTES, len)
        """The last bytes of objects: the indexes of shards, which every chunk of a shard needs."""
        self._looked_at = 0
        self._root = ""
        """Name of the object that shows that the source is there."""

    def _with_store(self, store: ObjectStore[Any]) -> DatedObjects:
        return type(self)(store, self._as_of_ns, self.seen)

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """Return the bytes of an object, None where there is none."""
        end = (key, byte_range.suffix) if isinstance(byte_range, SuffixByteRequest) else None
        found = None if end is None else self._ends.peek(end)
        if found is None:
            found = await self._fetched(key, byte_range)
            if found is not None and end is not None:
                self._ends.put(end, found)
        return None if found is None else prototype.buffer.from_bytes(found)

    async def _fetched(self, key: str, byte_range: ByteRequest | None) -> bytes | None:
        """Return the bytes of an object after comparing it with what is known of it."""
        import obstore  # noqa: PLC0415 - an extra

        try:
            try:
                response = await obstore.get_async(self._store.store, key, options=_options(byte_range))
            except obstore.exceptions.NotSupportedError:
                if not isinstance(byte_range, SuffixByteRequest):
                    raise
                # Not every server knows the last bytes of an object (RFC 9110, 14.1.2).
                size = int((await obstore.head_async(self._store.store, key))["size"])
                begin = RangeByteRequest(max(0, size - byte_range.suffix), size)
                response = await obstore.get_async(self._store.store, key, options=_options(begin))
        except obstore.exceptions.NotSupportedError as error:
            raise StoreError(f"the server sends {key} as a whole only, and shards are read in parts") from error
        except Exception as error:
            if not is_absent(error, key):
                raise
            if key in self.seen:
                raise GenerationChangedError(f"{key} has been removed") from None
            await self._check_root()
            return None
        self.check(key, response.meta)
        start, stop = response.range
        limit = max_chunk_bytes() + INDEX_BYTES
        if stop - start > limit:
            raise StoreError(f"{key} has {stop - start} bytes, at most {limit} are read")
        return bytes(await response.bytes_async())

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Return parts of objects."""
        return list(await asyncio.gather(*(self.get(key, prototype, byte_range) for key, byte_range in key_ranges)))

    def check(self, key: str, meta: Mapping[str, Any]) -> None:
        """Check that an object is as it was.

        Args:
            key: Its name.
            meta: What the server states of it: ``last_modified`` and ``e_tag``.

        Raises:
            GenerationChangedError: It was changed.
        """
        modified: datetime = meta["last_modified"]
        tag = str(meta["e_tag"] or "")
        if modified.timestamp() * 1e9 > self._as_of_ns or self.seen.get(key, tag) != tag:
            raise GenerationChangedError(f"{key} has been changed")
        if key not in self.seen:
            while len(self.seen) >= MAX_SEEN:
                self.seen.pop(next(iter(self.seen)), None)
            self.seen[key] = tag

    def has_changed(self, count: int) -> bool:
        """Look at some of the objects that were met, all of them in turn.

        Args:
            count: How many to look at.

        Returns:
            Whether one of them was changed or removed.

        Raises:
            SourceUnavailableError: The server does not answer.
        """
        import obstore  # noqa: PLC0415 - as above

        keys = list(self.seen)
        chosen = [keys[(self._looked_at + at) % len(keys)] for at in range(min(count, len(keys)))]
        self._looked_at += len(chosen)
        try:
            for key in chosen:
                self.check(key, obstore.head(self._store.store, key))
        except (GenerationChangedError, FileNotFoundError):
            return True
        except Exception as error:
            raise SourceUnavailableError(f"the server does not answer: {first_line(error)}") from error
        return False

    async def _check_root(self) -> None:
        """Raise an error unless the source itself is there."""
        import obstore  # noqa: PLC0415 - as above

        for name in (self._root,) if self._root else _ROOTS:
            try:
                await obstore.head_async(self._store.store, name)
            except Exception as error:
                if not is_absent(error, name):
                    raise
                continue
            self._root = name
            return
        raise StoreError("the server has no metadata of this Zarr any more")


def _options(byte_range: ByteRequest | None) -> Any:
    """Return a range as obstore takes it."""
    if isinstance(byte_range, RangeByteRequest):
        return {"range": (byte_range.start, byte_range.end)}
    if isinstance(byte_range, OffsetByteRequest):
        return {"range": {"offset": byte_range.offset}}
    if isinstance(byte_range, SuffixByteRequest):
        return {"range": {"suffix": byte_range.suffix}}
    return None


def dated_store(path: str, as_of_ns: int, seen: Mapping[str, str] | None = None) -> DatedFolder | DatedObjects:
    """Open Zarr as it was at one time.

    Args:
        path: A folder or URL.
        as_of_ns: The time, in nanoseconds since 1970.
        seen: Entity tags that are known, by name of the object.

    Returns:
        The store.

    Raises:
        SourceError: The URL cannot be read.
    """
    if is_url(path):
        return DatedObjects(ObjectStore(object_store(path, TILE_PATIENCE), read_only=True), as_of_ns, seen)
    return DatedFolder(LocalStore(path, read_only=True), as_of_ns)
