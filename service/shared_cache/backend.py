"""What the shared tier asks of a place where values are kept."""

from __future__ import annotations

from typing import Protocol

PREFIX = "lazytile"


class SharedBackend(Protocol):
    """A place that every host reaches. Everything may raise any exception, and is cancelled when it takes too long."""

    async def get(self, key: str, limit_bytes: int) -> bytes | None:
        """Return a value.

        Args:
            key: Hexadecimal digits.
            limit_bytes: Most bytes of interest; of a longer value, any part that is longer than this, or nothing of it.

        Returns:
            The value; None without one.
        """
        ...

    async def put(self, key: str, value: bytes) -> None:
        """Keep a value, in place of one that is there.

        Args:
            key: Hexadecimal digits.
            value: The bytes.
        """
        ...

    async def take(self, key: str, owner: str, lease_s: float) -> bool:
        """Take the lease of a key, if nobody has it.

        Args:
            key: Hexadecimal digits.
            owner: Who takes it; unique.
            lease_s: When it ends by itself.

        Returns:
            False where another owner has it.
        """
        ...

    async def release(self, key: str, owner: str) -> None:
        """End a lease, if the owner still has it.

        Args:
            key: As taken.
            owner: As taken.
        """
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
