"""A store of zarr-python over references, whose targets at URLs are read through a store for each server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NoReturn

from zarr.abc.store import OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.storage import LocalStore

from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.fetch.source_url import is_url
from lazytile.pyramid.sources.references.references import Part, split_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

    from lazytile.pyramid.sources.references.references import References


class ReferenceStore(Store):
    """Objects that references describe. See ``Store`` of zarr-python."""

    supports_writes: bool = False
    supports_deletes: bool = False
    supports_listing: bool = True

    def __init__(self, references: References, open_root: Callable[[str], Store]) -> None:
        """Open the servers and buckets of all targets.

        Args:
            references: What there is.
            open_root: Opens the objects of a server or bucket, such as ``https://HOST``.
        """
        super().__init__(read_only=True)
        self._references = references
        self._roots = {root: open_root(root) for root in references.remote_roots}
        self._files = LocalStore("/", read_only=True)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """Return the bytes of an object or a part of them, None where there is none."""
        found = self._references.find(key)
        if found is None:
            return None
        if isinstance(found, Part):
            return await self._part(found, prototype, byte_range)
        return prototype.buffer.from_bytes(found[_slice(byte_range)])

    async def _part(self, part: Part, prototype: BufferPrototype, byte_range: ByteRequest | None) -> Buffer:
        store: Store
        if is_url(part.target):
            root, name = split_url(part.target)
            store = self._roots[root]
        else:
            store, name = self._files, part.target.lstrip("/")
        wanted = byte_range
        if part.length is not None:
            start, stop, _ = _slice(byte_range).indices(part.length)
            wanted = RangeByteRequest(part.offset + start, part.offset + max(start, stop))
            if stop <= start:
                return prototype.buffer.from_bytes(b"")
        found = await store.get(name, prototype, wanted)
        if found is None:
            raise StoreError(f"{part.target} is not there")
        if isinstance(wanted, RangeByteRequest) and len(found) != wanted.end - wanted.start:
            raise StoreError(f"{part.target} ends before byte {wanted.end}, to which a reference points")
        return found

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Return parts of objects."""
        return list(await asyncio.gather(*(self.get(key, prototype, byte_range) for key, byte_range in key_ranges)))

    async def exists(self, key: str) -> bool:
        """Return whether there is an object."""
        return self._references.find(key) is not None

    async def list(self) -> AsyncIterator[str]:
        """Yield the names of all metadata."""
        for name in sorted(self._references.names):
            yield name

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Yield the names of the metadata below a prefix."""
        for name in sorted(self._references.names):
            if name.startswith(prefix):
                yield name

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Yield the names of metadata, groups and arrays of a group."""
        start = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        below = {name[len(start) :].partition("/")[0] for name in self._references.names if name.startswith(start)}
        for name in sorted(below):
            yield name

    async def set(self, key: str, value: Buffer) -> NoReturn:  # noqa: ARG002 - of the base class
        """Refuse to write."""
        raise StoreError(f"{key} cannot be written: references are read only")

    async def delete(self, key: str) -> NoReturn:
        """Refuse to remove."""
        raise StoreError(f"{key} cannot be removed: references are read only")


def _slice(byte_range: Any) -> slice:
    """Return a range of an object as a slice of its bytes."""
    if isinstance(byte_range, RangeByteRequest):
        return slice(byte_range.start, byte_range.end)
    if isinstance(byte_range, OffsetByteRequest):
        return slice(byte_range.offset, None)
    if isinstance(byte_range, SuffixByteRequest):
        return slice(-byte_range.suffix, None) if byte_range.suffix else slice(0, 0)
    return slice(None)
