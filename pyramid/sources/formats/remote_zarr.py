"""Zarr in object storage and on web servers, read in place: ``s3://``, ``gs://``, ``https://`` and ``http://``.

obstore (the extra ``remote``) reads it, with credentials for object stores from the variables that the clouds' own
tools use (``AWS_...``, ``GOOGLE_...``). Consolidated metadata also serve as the list of groups and arrays, since web
servers list nothing and many public buckets do not allow listing.
"""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import zarr
from zarr.storage import ObjectStore, WrapperStore

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.fetch.http_client import checked_url
from lazytile.pyramid.fetch.source_url import METADATA_NAMES
from lazytile.pyramid.fetch.zarr_url import OBJECT_SCHEMES
from lazytile.pyramid.sources.formats.zarr_bounds import check_arrays
from lazytile.pyramid.sources.formats.zarr_group import open_zarr_group
from lazytile.pyramid.storage.bucket import is_denied, open_bucket, reason_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    import xarray as xr
    from obstore.store import AzureStore, ClientConfig, GCSStore, HTTPStore, RetryConfig, S3Store
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a server."""

    answer_s: float = 60.0
    """For one answer, whole."""
    connect_s: float = 20.0
    retries: int = 4
    all_s: float = 180.0
    """For all attempts together."""


PATIENCE = Patience()
_METADATA_FILES = frozenset({*METADATA_NAMES, ".zattrs", ".zarray"})


def is_absent(error: BaseException, name: str) -> bool:
    """Return whether an error says that there is no such object.

    Buckets that do not allow listing, and content delivery networks before them, say of what is not there that access
    is denied (S3 API reference, GetObject). Zarr asks for metadata of both of its versions, of which one is not there.
    A chunk is not taken for absent: then it would be shown as empty where it is only out of reach.

    Args:
        error: Of obstore.
        name: Of the object.

    Returns:
        True also where access to metadata is denied.
    """
    return isinstance(error, FileNotFoundError) or (name.rpartition("/")[2] in _METADATA_FILES and is_denied(error))


class _Objects(ObjectStore[Any]):
    """Objects below a URL."""

    denied: Exception | None = None
    """What was taken for absent since access to it is denied."""

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """Return the bytes of an object, None where there is none."""
        try:
            return await super().get(key, prototype, byte_range)
        except Exception as error:
            if not is_absent(error, key):
                raise
            self.denied = error
            return None


class _CatalogueStore(WrapperStore[ObjectStore[Any]]):
    """A store that lists what its consolidated metadata name, without a request."""

    def __init__(self, store: ObjectStore[Any], names: frozenset[str] = frozenset()) -> None:
        super().__init__(store)
        self._names = names

    def _with_store(self, store: ObjectStore[Any]) -> _CatalogueStore:
        return type(self)(store, self._names)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._store, self._names)

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Yield the names of the groups and arrays of a group."""
        start = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        for name in sorted(self._names):
            if name.startswith(start) and "/" not in name[len(start) :]:
                yield name[len(start) :]


def open_store(url: str) -> tuple[zarr.Group, bool]:
    """Open the root group behind a URL.

    Args:
        url: Of remote Zarr.

    Returns:
        The group, and whether its metadata are consolidated.

    Raises:
        SourceError: A web server has no consolidated metadata, or the URL cannot be read.
    """
    store = _Objects(object_store(url), read_only=True)
    try:
        root = zarr.open_group(store, mode="r")
    except FileNotFoundError:
        if store.denied is None:
            raise
        raise SourceError(f"{url} cannot be read: {reason_of(store.denied, url)}") from store.denied
    if root.metadata.consolidated_metadata is None:
        if urlsplit(url).scheme not in OBJECT_SCHEMES:
            raise SourceError(
                f"{url} has no consolidated metadata, and web servers do not list folders; "
                f"write them with zarr.consolidate_metadata"
            )
        return root, False
    names = frozenset(name for name, _ in root.members(max_depth=None))
    listed = _CatalogueStore(store, names)
    return zarr.open_group(listed, mode="r", use_consolidated=True), True


def remote_group_names(url: str) -> list[str]:
    """Return the paths of all groups behind a URL.

    Args:
        url: Of remote Zarr.

    Returns:
        Paths, parents before children.

    Raises:
        SourceError: The URL cannot be read.
    """
    root, _ = open_store(url)
    members = sorted(root.members(max_depth=None))
    check_arrays(url, members)
    return ["/", *(f"/{name}" for name, member in members if isinstance(member, zarr.Group))]


def open_remote_group(url: str, name: str, options: Mapping[str, Any]) -> xr.Dataset:
    """Open a group behind a URL with xarray.

    Args:
        url: Of remote Zarr.
        name: Path of the group, ``/`` for the root.
        options: Of ``xarray.open_dataset``.

    Returns:
        The variables of the group.

    Raises:
        SourceError: The URL cannot be read.
    """
    root, consolidated = open_store(url)
    path = None if name == "/" else name
    # Consolidated metadata are at the root; xarray would look for them in every group.
    return open_zarr_group(root.store, url, path, consolidated=consolidated and path is None, options=options)


def version_of(url: str) -> str:
    """Return what identifies the root metadata behind a URL.

    Chunks rewritten under the same metadata go unnoticed; writers seldom leave the metadata untouched.

    Args:
        url: Of remote Zarr.

    Returns:
        Hexadecimal digits.

    Raises:
        SourceError: The URL cannot be read or holds no Zarr.
    """
    store = object_store(url)

    def state(name: str) -> tuple[object, ...]:
        answer = store.get(name)
        return answer.meta["e_tag"], answer.meta["last_modified"], bytes(answer.bytes())

    digest = hashlib.sha256()
    for name, found in root_metadata(url, state):
        digest.update(repr((name, *found)).encode())
    return digest.hexdigest()[:16]


def root_metadata(
    url: str, ask: Callable[[str], Answer], error_class: Callable[[str], Exception] = SourceError
) -> list[tuple[str, Answer]]:
    """Ask for each metadata file that the root of a Zarr may have.

    Args:
        url: Of remote Zarr.
        ask: Takes a name, and raises what obstore does.
        error_class: Makes errors from their texts.

    Returns:
        Names and answers for the files that are there, at least one.

    Raises:
        SourceError: The URL cannot be read or holds no Zarr.
    """
    found: list[tuple[str, Answer]] = []
    problem = f"{url} holds no Zarr group: it has none of {', '.join(METADATA_NAMES)}"
    for name in METADATA_NAMES:
        try:
            found.append((name, ask(name)))
        except Exception as error:
            reason = f"{url} cannot be read: {reason_of(error, url)}"
            if not is_absent(error, name):
                raise error_class(reason) from error
            if is_denied(error):
                problem = reason
    if not found:
        raise error_class(problem)
    return found


def object_store(url: str, patience: Patience = PATIENCE) -> S3Store | GCSStore | AzureStore | HTTPStore:
    """Return the objects below a URL.

    Args:
        url: Of remote Zarr.
        patience: How long to wait for an answer.

    Returns:
        The objects, with the credentials of the environment.

    Raises:
        SourceError: The URL has another scheme or form, or obstore is not installed.
    """
    parts = urlsplit(url)
    if parts.scheme not in {*OBJECT_SCHEMES, "http", "https"}:
        raise SourceError(f"{url} has the scheme {parts.scheme}; use s3, gs, az, https or http")
    if parts.query or parts.fragment:
        raise SourceError(f"{url}: a Zarr URL may hold neither ? nor #")
    if importlib.util.find_spec("obstore") is None:
        raise SourceError(f"{url} is remote Zarr, which needs obstore: pip install 'lazytile[remote]'")
    client: ClientConfig = {
        "timeout": timedelta(seconds=patience.answer_s),
        "connect_timeout": timedelta(seconds=patience.connect_s),
    }
    retry: RetryConfig = {"max_retries": patience.retries, "retry_timeout": timedelta(seconds=patience.all_s)}
    return open_bucket(url if parts.scheme in OBJECT_SCHEMES else checked_url(url), client, retry)
