"""Redis as the place of the shared tier: values expire, leases are ``SET NX PX``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from lazytile.service.shared_cache.backend import PREFIX

if TYPE_CHECKING:
    from collections.abc import Awaitable

CONNECTIONS = 16
"""Of one server process."""
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end"
"""Redis runs a script as one step: a lease that has ended and was taken by another owner stays."""


class RedisBackend:
    """Values and leases in Redis. See ``SharedBackend``."""

    def __init__(self, url: str, ttl_s: int, timeout_s: float) -> None:
        """Prepare connections.

        Args:
            url: ``redis://`` or ``rediss://``, with password and number of the database.
            ttl_s: How long a value is kept.
            timeout_s: Time limit of an answer.
        """
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=timeout_s,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),  # the circuit breaker decides when to try again
        )
        self._redis: Redis = Redis(connection_pool=pool)
        self._pool = pool
        self._ttl_s = ttl_s

    async def get(self, key: str, limit_bytes: int) -> bytes | None:
        """Return a value, None without one."""
        found = await self._redis.getrange(f"{PREFIX}:tile:{key}", 0, limit_bytes)
        return found.encode() if isinstance(found, str) else found or None

    async def put(self, key: str, value: bytes) -> None:
        """Keep a value."""
        await self._redis.set(f"{PREFIX}:tile:{key}", value, ex=self._ttl_s)

    async def take(self, key: str, owner: str, lease_s: float) -> bool:
        """Take a lease."""
        taken = await self._redis.set(f"{PREFIX}:lease:{key}", owner, nx=True, px=max(1, int(lease_s * 1000)))
        return bool(taken)

    async def release(self, key: str, owner: str) -> None:
        """End a lease."""
        script: Awaitable[Any] | Any = self._redis.eval(_RELEASE, 1, f"{PREFIX}:lease:{key}", owner)
        await script

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
        await self._pool.disconnect()
