"""Object storage of the clouds and web servers, through obstore: ``s3://``, ``gs://``, ``az://``, ``https://``.

obstore repeats requests that failed: server errors, lost connections, and reads that took too long. ``bucket`` opens
what it reads.
"""

from __future__ import annotations

import importlib.util
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.storage.bucket import is_web, open_bucket, reason_of
from lazytile.pyramid.storage.protocol import (
    ConflictError,
    ObjectEntry,
    ObjectTooLargeError,
    StorageError,
    StoredObject,
    content_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from obstore import PutMode
    from obstore.store import RetryConfig

    from lazytile.pyramid.storage.options import StorageOptions

_CONNECT_S = 5.0
_WRITE_S = 120.0
"""Time limit of one request that writes: a part of an object, at most a shard."""
_RETRIES = 8


class CloudStorage:
    """A bucket, container or web server. See ``ObjectStorage``."""

    def __init__(self, url: str, options: StorageOptions) -> None:
        """Open a bucket; no request is made.

        Args:
            url: Scheme and bucket, or scheme and host.
            options: Time limits.

        Raises:
            StoreError: obstore is not installed, or the URL or the environment cannot be used.
        """
        if importlib.util.find_spec("obstore") is None:
            raise StoreError(f"{url} is object storage, which needs obstore: pip install 'lazytile[cloud]'")
        self._url = url
        self._is_read_only = is_web(url)
        retry: RetryConfig = {
            "max_retries": _RETRIES if options.retry_s else 0,
            "retry_timeout": timedelta(seconds=options.retry_s),
            "backoff": {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=3), "base": 2},
        }
        connect = timedelta(seconds=min(_CONNECT_S, options.timeout_s))
        self._reading = open_bucket(
            url, {"timeout": timedelta(seconds=options.timeout_s), "connect_timeout": connect}, retry
        )
        self._writing = open_bucket(
            url,
            {"timeout": timedelta(seconds=_WRITE_S), "connect_timeout": connect},
            {**retry, "retry_timeout": timedelta(seconds=max(options.retry_s, _WRITE_S) if options.retry_s else 0)},
        )

    def get(self, key: str, limit: int | None = None) -> StoredObject | None:
        """Return an object, None where there is none."""
        with self._explained("read", key):
            try:
                found = self._reading.get(key)
            except FileNotFoundError:
                return None
            size = found.meta["size"]
            if limit is not None and size > limit:
                raise ObjectTooLargeError(f"{self._url}/{key} has {size} bytes, {limit} are allowed")
            return StoredObject(bytes(found.bytes()), found.meta["e_tag"] or "")

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes] | None:
        """Return parts of an object, which obstore requests at the same time."""
        with self._explained("read", key):
            try:
                found = self._reading.get_ranges(
                    key, starts=[start for start, _ in ranges], ends=[stop for _, stop in ranges]
                )
            except FileNotFoundError:
                return None
            except BaseException as error:
                if not _is_beyond_end(error):
                    raise
                return self._ranges_there(key, ranges)
            return [bytes(each) for each in found]

    def _ranges_there(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes] | None:
        """Return what an object has of ranges, some of which it lacks."""
        try:
            size = self._reading.head(key)["size"]
            return [
                bytes(self._reading.get_range(key, start=start, end=min(stop, size)))
                if start < min(stop, size)
                else b""
                for start, stop in ranges
            ]
        except FileNotFoundError:
            return None

    def get_end(self, key: str, length: int) -> tuple[bytes, int] | None:
        """Return the last bytes of an object, and its size."""
        from obstore.exceptions import BaseError, NotSupportedError  # noqa: PLC0415 - an extra

        with self._explained("read", key):
            try:
                found = self._reading.get(key, options={"range": {"suffix": length}})
            except FileNotFoundError:
                return None
            except BaseError as error:
                # Azure knows no ranges from the end, and an empty object has none.
                if not isinstance(error, NotSupportedError) and not _is_beyond_end(error):
                    raise
                size = self._reading.head(key)["size"]
                start = max(0, size - length)
                return bytes(self._reading.get_range(key, start=start, end=size)) if size else b"", size
            return bytes(found.bytes()), found.meta["size"]

    def put(
        self, key: str, data: bytes | Path | BinaryIO, *, if_absent: bool = False, if_match: str | None = None
    ) -> str:
        """Write an object; conditional ones in one request."""
        from obstore.exceptions import AlreadyExistsError, PreconditionError  # noqa: PLC0415 - an extra

        self._check_writable(key)
        is_conditional = if_absent or if_match is not None
        content = content_of(data) if is_conditional else data
        mode: PutMode = "overwrite"
        if if_absent:
            mode = "create"
        elif if_match is not None:
            mode = {"e_tag": if_match}
        with self._explained("written", key):
            try:
                written = self._writing.put(key, content, mode=mode, use_multipart=False if is_conditional else None)
            except AlreadyExistsError as error:
                raise ConflictError(f"{self._url}/{key} exists already") from error
            except PreconditionError as error:
                raise ConflictError(f"{self._url}/{key} was changed by another writer") from error
            except FileNotFoundError as error:
                if if_match is not None:
                    raise ConflictError(f"{self._url}/{key} was removed by another writer") from error
                raise StorageError(f"{self._url}/{key} cannot be written: there is no bucket {self._url}") from error
            return written["e_tag"] or ""

    def copy(self, source: str, target: str) -> None:
        """Copy an object; its bytes stay in the cloud."""
        self._check_writable(target)
        with self._explained("copied", source):
            self._writing.copy(source, target)

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        """Yield the objects below a prefix."""
        with self._explained("listed", prefix):
            for batch in self._reading.list(prefix or None):
                for each in batch:
                    yield ObjectEntry(each["path"], each["size"], each["last_modified"].timestamp())

    def folders(self, prefix: str) -> tuple[str, ...]:
        """Return the next parts of the keys below a prefix."""
        with self._explained("listed", prefix):
            found = self._reading.list_with_delimiter(prefix or None)
            return tuple(sorted(each.rstrip("/").rpartition("/")[2] for each in found["common_prefixes"]))

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects, many in one request where the cloud can."""
        wanted = [*keys]
        for start in range(0, len(wanted), 1000):
            batch = wanted[start : start + 1000]
            self._check_writable(batch[0])
            with self._explained("removed", batch[0]):
                try:
                    self._writing.delete(batch)
                except FileNotFoundError:  # one of them is gone already: the others one by one
                    for key in batch:
                        with _absence_allowed():
                            self._writing.delete(key)

    def _check_writable(self, key: str) -> None:
        if self._is_read_only:
            raise StorageError(
                f"{self._url}/{key} cannot be written: web servers are read only; use s3://, gs:// or az://"
            )

    @contextmanager
    def _explained(self, done: str, key: str) -> Iterator[None]:
        """Raise whatever obstore raises as one line that names the object."""
        from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra

        try:
            yield
        except BaseError as error:
            if isinstance(error, FileNotFoundError):
                raise FileNotFoundError(f"{self._url}/{key} does not exist") from error
            raise StorageError(f"{self._url}/{key} cannot be {done}: {reason_of(error, self._url)}") from error


def _is_beyond_end(error: BaseException) -> bool:
    """Return whether an object is shorter than a range of it that was asked for.

    Servers say so, or send all of an empty object. Where obstore has joined several ranges it panics, which is no
    ``Exception``.
    """
    text = str(error)
    if type(error).__name__ == "PanicException":
        return "range start must not be greater than end" in text
    return "status code: 416" in text or "non-partial response" in text


@contextmanager
def _absence_allowed() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        return
