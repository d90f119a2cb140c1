"""Telling URLs of Zarr, which is read in place, from those of files, which are fetched."""

from __future__ import annotations

from urllib.parse import urlsplit

from lazytile.pyramid.core.errors import AnswerTooLongError
from lazytile.pyramid.fetch.http_client import Client, HttpOptions

OBJECT_SCHEMES = frozenset({"s3", "gs"})
_METADATA = ("zarr.json", ".zmetadata", ".zgroup")
"""What a group has at its root: of version 3, of version 2 consolidated, of version 2."""
_MAX_METADATA_BYTES = 64 << 20


def is_zarr_url(url: str, fetching: HttpOptions) -> bool:
    """Return whether a URL names Zarr and not a file.

    Object storage always does, and what ends with ``.zarr``. A web server is asked only where the last part of the
    path has no ending: whether there is the metadata of a group.
    """
    parts = urlsplit(url)
    if parts.scheme in OBJECT_SCHEMES:
        return True
    last = parts.path.rstrip("/").rpartition("/")[2]
    if "." in last or parts.query:
        return last.lower().endswith(".zarr")
    for name in _METADATA:
        try:
            status, body = Client(f"{url.rstrip('/')}/{name}", fetching).get(_MAX_METADATA_BYTES)
        except AnswerTooLongError:
            return False
        if status == 200 and body.lstrip().startswith(b"{"):
            return True
    return False
