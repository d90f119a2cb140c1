"""Object storage as the place of the shared tier: an object for each value, and for each lease.

A lease is an object that is created only where there is none (``If-None-Match: *``), and holds the time at which it
ends; one that has ended is replaced only as it was seen (``If-Match``). The clocks of the hosts may differ by seconds:
then a tile is computed twice, or somebody waits for the whole lease. A rule of the bucket deletes old objects.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import obstore
from obstore.exceptions import AlreadyExistsError, NotFoundError, PreconditionError
from obstore.store import from_url

from lazytile.service.shared_cache.backend import PREFIX

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig


class ObjectBackend:
    """Values and leases as objects. See ``SharedBackend``."""

    def __init__(self, url: str, timeout_s: float) -> None:
        """Prepare a client, with the credentials and the endpoint of the environment (``AWS_*`` and the like).

        Args:
            url: Bucket and prefix: ``s3://BUCKET/PREFIX``.
            timeout_s: Time limit of an answer.
        """
        client: ClientConfig = {
            "timeout": timedelta(seconds=timeout_s),
            "connect_timeout": timedelta(seconds=timeout_s),
        }
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
        if endpoint.startswith("http://"):
            client["allow_http"] = True
        retry: RetryConfig = {"max_retries": 0}  # the circuit breaker decides when to try again
        self._store: ObjectStore = from_url(url, client_options=client, retry_config=retry)

    async def get(self, key: str, limit_bytes: int) -> bytes | None:
        """Return a value, None without one."""
        found = await self._read(_tile(key))
        if found is None:
            return None
        if found.meta["size"] > limit_bytes:
            return b""
        return bytes(await found.bytes_async())

    async def put(self, key: str, value: bytes) -> None:
        """Keep a value."""
        await obstore.put_async(self._store, _tile(key), value, use_multipart=False)

    async def take(self, key: str, owner: str, lease_s: float) -> bool:
        """Take a lease."""
        path = _lease(key)
        content = json.dumps({"owner": owner, "ends": time.time() + lease_s}).encode()
        try:
            await obstore.put_async(self._store, path, content, mode="create", use_multipart=False)
        except AlreadyExistsError:
            return await self._take_ended(path, content, lease_s)
        return True

    async def _take_ended(self, path: str, content: bytes, lease_s: float) -> bool:
        found = await self._read(path)
        if found is None:
            return False  # it has just been released: the next attempt
        with suppress(ValueError, TypeError, KeyError):
            ends = float(json.loads(bytes(await found.bytes_async()))["ends"])
            if time.time() < ends < time.time() + 10 * lease_s:
                return False
        seen: Any = {name: found.meta[name] for name in ("e_tag", "version") if found.meta[name] is not None}
        try:
            await obstore.put_async(self._store, path, content, mode=seen, use_multipart=False)
        except (PreconditionError, NotFoundError):
            return False
        return True

    async def release(self, key: str, owner: str) -> None:
        """End a lease."""
        found = await self._read(_lease(key))
        if found is None:
            return
        with suppress(ValueError, TypeError, KeyError):
            if json.loads(bytes(await found.bytes_async()))["owner"] == owner:
                await obstore.delete_async(self._store, _lease(key))

    async def _read(self, path: str) -> Any:
        try:
            return await obstore.get_async(self._store, path)
        except (NotFoundError, FileNotFoundError):
            return None

    async def close(self) -> None:
        """Do nothing: the client has no state of its own."""


def _tile(key: str) -> str:
    return f"{PREFIX}/tiles/{key[:2]}/{key}"


def _lease(key: str) -> str:
    return f"{PREFIX}/leases/{key}"
