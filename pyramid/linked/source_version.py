"""What identifies the content of a source, and the time from which on its files and objects must not change.

Of a local file and a folder of Zarr these are size, time and inode number; of Icechunk the snapshot; of remote Zarr
what the server states of the metadata at the root. Chunks of Zarr that are rewritten under the same metadata are
noticed by their own times (``dated_stores``).
"""

from __future__ import annotations

import hashlib
import os
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lazytile.pyramid.core.errors import SourceError, SourceUnavailableError, first_line
from lazytile.pyramid.fetch.http_client import Client, HttpOptions, run
from lazytile.pyramid.fetch.source_url import is_url, source_stamp
from lazytile.pyramid.fetch.unpack import is_packed
from lazytile.pyramid.fetch.zarr_url import OBJECT_SCHEMES, is_zarr_url
from lazytile.pyramid.linked.dated_stores import TILE_PATIENCE
from lazytile.pyramid.sources.formats.remote_zarr import object_store, root_metadata
from lazytile.pyramid.sources.formats.virtual_zarr import ICECHUNK, KERCHUNK, virtual_engine, virtual_store
from lazytile.pyramid.sources.references.references import references_of, references_stamp
from lazytile.pyramid.storage.pinned import pinned

if TYPE_CHECKING:
    from collections.abc import Sequence

    import aiohttp

_OPTIONS = HttpOptions(timeout_s=TILE_PATIENCE.answer_s, retries=TILE_PATIENCE.retries, backoff_s=0.2)
_CLOCK_TICK_S = 0.02
"""File systems take the time from a clock that advances in steps, of 10 ms at most."""
_HTTP_TICK_S = 1.0
"""Times in HTTP are whole seconds (RFC 9110, 5.6.7)."""


def version_of(paths: Sequence[str]) -> str:
    """Return what identifies the content of a source now.

    Args:
        paths: Files, folders and URLs.

    Returns:
        Hexadecimal digits.

    Raises:
        SourceUnavailableError: A file is not there, or a server does not answer.
    """
    digest = hashlib.sha256()
    for path in paths:
        digest.update(repr(_stamp(path)).encode())
    return digest.hexdigest()[:16]


def settled_time_ns(paths: Sequence[str]) -> int:
    """Return a time such that whatever is changed after this call bears a later one. Waits for a tick of the clock.

    Args:
        paths: Files, folders and URLs.

    Returns:
        Nanoseconds since 1970 by the clock of the source.

    Raises:
        SourceError: A server does not answer.
    """
    remote = [path for path in paths if is_url(path)]
    for path in paths:
        remote += () if is_url(path) else _targets_at_urls(path)
    servers = {urlsplit(path).netloc: path for path in remote if urlsplit(path).scheme in ("http", "https")}
    times = [_server_time_ns(url) for url in servers.values()]
    found = min([time.time_ns(), *times])
    time.sleep(_HTTP_TICK_S if remote else _CLOCK_TICK_S)
    return found


def _targets_at_urls(path: str) -> list[str]:
    """Return one target of each server and bucket that references point to; nothing for other sources."""
    if virtual_engine(Path(path)) != KERCHUNK:
        return []
    references = references_of(Path(path))
    return [next(each for each in references.targets if each.startswith(root)) for root in references.remote_roots]


def _stamp(path: str) -> object:
    try:
        if is_url(path):
            return _remote_stamp(path)
        engine = virtual_engine(Path(path))
        if engine == ICECHUNK:
            return virtual_store(Path(path), ICECHUNK)[1]
        if engine == KERCHUNK:
            targets = references_of(Path(path)).local_targets
            return references_stamp(Path(path)), [source_stamp(target) for target in targets]
        return source_stamp(path)
    except OSError as error:
        raise SourceUnavailableError(f"{path} is not there: {error.strerror or first_line(error)}") from error


def _remote_stamp(url: str) -> object:
    store = object_store(str(pinned(url)), TILE_PATIENCE)

    def state(name: str) -> tuple[object, ...]:
        meta = store.head(name)
        return meta["e_tag"], meta["last_modified"], meta["size"]

    return [(name, *found) for name, found in root_metadata(url, state, SourceUnavailableError)]


def _server_time_ns(url: str) -> int:
    """Return the time that a web server states; ours where it states none."""
    client = Client(url, _OPTIONS)

    async def attempt(session: aiohttp.ClientSession) -> str:
        async with client.response(session, {}) as response:
            return response.headers.get("Date", "")

    text = run(client.retried(attempt, lambda: 0))
    try:
        return int(parsedate_to_datetime(text).timestamp()) * 10**9
    except ValueError:
        return time.time_ns()


def check_linkable(paths: Sequence[str]) -> None:
    """Check that a source can be read where it is.

    Args:
        paths: Files, folders and URLs.

    Raises:
        SourceError: It has to be downloaded or unpacked first, or its URL has a form that is not read.
    """
    for path in paths:
        parts = urlsplit(path)
        if not is_url(path):
            if not os.path.exists(path):  # noqa: PTH110 - false for names that no file can have
                raise SourceError(f"there is no file {path}")
            if Path(path).is_file() and is_packed(Path(path)):
                raise SourceError(f"{path} is compressed as a whole and cannot be read in parts; convert unpacks it")
            continue
        if parts.scheme not in {*OBJECT_SCHEMES, "http", "https"}:
            raise SourceError(f"{path} has the scheme {parts.scheme}; Zarr is linked at s3, gs, az, https and http")
        if not is_zarr_url(path, _OPTIONS):
            raise SourceError(
                f"{path} is a file on a server, not Zarr; link references to its chunks (kerchunk), or use convert, "
                f"which downloads it"
            )
