"""Opening buckets, containers and web servers with obstore, by the credentials and endpoints of the environment.

These are the variables that the clouds' own tools use (``AWS_...``, ``GOOGLE_...``, ``AZURE_...``). What is wrong with
them is said in one line: obstore raises errors of many lines, and panics at an endpoint that is no URL.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lazytile.pyramid.core.errors import StoreError, first_line

if TYPE_CHECKING:
    from obstore.store import AzureStore, ClientConfig, GCSStore, HTTPStore, RetryConfig, S3Store

    Bucket = S3Store | GCSStore | AzureStore | HTTPStore

_AWS_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_GOOGLE_CREDENTIALS = (
    "GOOGLE_SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_PATH",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS",
)
_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
"""Environment variables that messages name, by scheme."""
_ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
"""Variables that name the server, by scheme: the first that is set counts."""
_BUCKET = re.compile(r"[\w.$-]+", re.ASCII)
_DENIED = re.compile(r"status code: 40[13]\b")
"""Listings are refused with the same error as any other that fails."""
_LIBRARY = re.compile(r"^Generic \w+ error: ")
_TEXT = 200
"""Most characters of a library's message in one of ours."""


def open_bucket(url: str, client: ClientConfig, retry: RetryConfig) -> Bucket:
    """Open a bucket, container or web server.

    Args:
        url: Of the bucket or of a prefix in it, or of a web server.
        client: Time limits.
        retry: How often failed requests are repeated.

    Returns:
        obstore's object; no request has been made.

    Raises:
        StoreError: The URL or a variable of the environment cannot be used.
    """
    from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra

    parts = urlsplit(url)
    if not is_web(url) and not _BUCKET.fullmatch(parts.netloc):
        raise StoreError(f"{url} names no bucket; a URL of object storage is {parts.scheme}://BUCKET/PREFIX")
    if ".." in parts.path.split("/"):
        raise StoreError(f"{url}: a URL of object storage has no part '..'")
    endpoint = _endpoint(parts.scheme)
    try:
        return _opened(url, {**client, "allow_http": True} if _allows_http(url, endpoint) else client, retry)
    except (BaseError, ValueError) as error:
        raise StoreError(f"{url} cannot be opened: {reason_of(error, url)}{_hint(url)}") from error


def is_web(url: str) -> bool:
    """Return whether a URL is of a web server, which is read only.

    Args:
        url: Of a bucket or web server.

    Returns:
        Whether it is.
    """
    return urlsplit(url).scheme in ("http", "https")


def is_denied(error: BaseException) -> bool:
    """Return whether an error of obstore says that access is denied.

    Args:
        error: Any exception.

    Returns:
        True for the statuses 401 and 403.
    """
    from obstore.exceptions import PermissionDeniedError, UnauthenticatedError  # noqa: PLC0415 - an extra

    return isinstance(error, PermissionDeniedError | UnauthenticatedError) or bool(_DENIED.search(first_line(error)))


def reason_of(error: BaseException, url: str) -> str:
    """Return what an error of obstore comes down to.

    Args:
        error: Any exception; obstore's say what it did, how often, and after a dash what came of it.
        url: Of the bucket or web server.

    Returns:
        One line.
    """
    if is_denied(error):
        return f"access is denied{_hint(url)}"
    done, _, reason = first_line(error).rpartition(" - ")
    address = re.search(r"https?://[^/\s]+", done)
    if "error sending request" in reason and address is not None:
        return f"{address[0]} does not answer"
    return _LIBRARY.sub("", reason).strip(" :")[:_TEXT]


def _hint(url: str) -> str:
    """Return the end of a message about access: where the credentials come from; empty for web servers."""
    source = _CREDENTIALS.get(urlsplit(url).scheme)
    return "" if source is None else f"; the credentials come from {source}"


def _endpoint(scheme: str) -> str:
    """Return the URL of the server that the environment names, empty for the cloud's own."""
    for name in _ENDPOINTS.get(scheme, ()):
        value = os.environ.get(name, "")
        if not value:
            continue
        try:
            parts = urlsplit(value)
            is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_url = False
        if not is_url:
            raise StoreError(f"{name} is {value!r}, which is no URL such as https://s3.example.org or http://HOST:PORT")
        return value
    return ""


def _allows_http(url: str, endpoint: str) -> bool:
    """Return whether requests may go over HTTP without TLS: where somebody has written so."""
    if urlsplit(url).scheme == "gs":
        return any(map(os.environ.get, _GOOGLE_CREDENTIALS))
    return urlsplit(url).scheme == "http" or endpoint.startswith("http://")


def _opened(url: str, client: ClientConfig, retry: RetryConfig) -> Bucket:
    from obstore.store import AzureStore, GCSStore, HTTPStore, S3Store  # noqa: PLC0415 - an extra

    environment, scheme = os.environ, urlsplit(url).scheme
    if scheme == "s3":
        # Otherwise obstore spends seconds looking for an identity outside Amazon's network.
        anonymous = "AWS_SKIP_SIGNATURE" not in environment and not any(map(environment.get, _AWS_CREDENTIALS))
        if anonymous:
            return S3Store.from_url(url, client_options=client, retry_config=retry, skip_signature=True)
        return S3Store.from_url(url, client_options=client, retry_config=retry)
    if scheme == "gs":
        if any(map(environment.get, _GOOGLE_CREDENTIALS)):
            return GCSStore.from_url(url, client_options=client, retry_config=retry)
        return GCSStore.from_url(url, client_options=client, retry_config=retry, skip_signature=True)
    if scheme == "az":
        return AzureStore.from_url(url, client_options=client, retry_config=retry)
    return HTTPStore.from_url(url, client_options=client, retry_config=retry)
