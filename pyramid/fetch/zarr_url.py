"""URLs of Zarr, which is read in place, as distinct from those of files, which are downloaded."""

from __future__ import annotations

from urllib.parse import urlsplit

from lazytile.pyramid.core.errors import ResponseTooLargeError
from lazytile.pyramid.fetch.http_client import Client, HttpOptions
from lazytile.pyramid.fetch.source_url import METADATA_NAMES

OBJECT_SCHEMES = frozenset({"s3", "gs", "az"})
_MAX_METADATA_BYTES = 64 << 20


def is_zarr_url(url: str, options: HttpOptions) -> bool:
    """Return whether a URL names Zarr and not a file.

    URLs of object storage always do, and those that end with ``.zarr``. A web server is probed for the metadata of a
    group only where the last part of the path has no suffix.

    Args:
        url: Of a source.
        options: How to fetch.

    Returns:
        True for Zarr.

    Raises:
        SourceError: The server cannot be reached.
    """
    parts = urlsplit(url)
    if parts.scheme in OBJECT_SCHEMES:
        return True
    last = parts.path.rstrip("/").rpartition("/")[2]
    if "." in last or parts.query:
        return last.lower().endswith(".zarr")
    for name in METADATA_NAMES:
        try:
            status, body = Client(f"{url.rstrip('/')}/{name}", options).get(_MAX_METADATA_BYTES)
        except ResponseTooLargeError:
            return False
        if status == 200 and body.lstrip().startswith(b"{"):
            return True
    return False
