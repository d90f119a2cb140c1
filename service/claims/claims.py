"""The claims of a process on what it renders, and waiting for those of others.

No claim outlives its holder. When one ends, its time is noted, so that whoever missed the tile just before need not
render it again.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

from lazytile.service.claims.claim_locks import ClaimLocks
from lazytile.service.claims.claim_table import ClaimTable
from lazytile.service.claims.shared_memory import SHARED_FOLDER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

Found = TypeVar("Found")

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.005, 0.05
"""How long to wait until a claim is looked at again."""


class Claims:
    """The claims of this process. Belongs to one event loop; ``release`` may be called in any thread."""

    def __init__(self, folder: Path, shared_folder: Path = SHARED_FOLDER) -> None:
        """Share claims with all who use a folder: in shared memory, by locks where there is none.

        Args:
            folder: Folder of the caches, on a local disk.
            shared_folder: Where the system keeps shared memory.
        """
        self._table: ClaimTable | ClaimLocks
        try:
            self._table = ClaimTable(folder, shared_folder)
        except (OSError, AttributeError):  # a system without shared memory of this kind lacks its functions too
            self._table = ClaimLocks(folder)

    def take(self, key: str) -> bool:
        """Claim a key.

        Args:
            key: Hexadecimal digits, 20 or more.

        Returns:
            False where another process has claimed it.
        """
        return self._table.take(key)

    def take_anew(self, key: str, since_ns: int) -> bool:
        """Claim a key unless another claim of it has ended lately.

        Args:
            key: Hexadecimal digits.
            since_ns: As for ``was_released``.

        Returns:
            False where another process has claimed it, or has done the work meanwhile.
        """
        return self._table.take_anew(key, since_ns)

    async def taken(
        self, key: str, since_ns: int, find: Callable[[], Awaitable[Found | None]], limit_s: float
    ) -> Found | None:
        """Claim a key; wait for the process that has claimed it, and return what it leaves behind.

        Args:
            key: Hexadecimal digits.
            since_ns: When the caller has looked for the result last, by ``time.monotonic_ns``.
            find: Looks for the result.
            limit_s: How long to wait.

        Returns:
            The result of the other process; None where the caller is to work: it has the claim, or the time is up.
        """
        end, pause_s = time.monotonic() + limit_s, FIRST_PAUSE_S
        while not self.take(key):
            if time.monotonic() > end:
                return None
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        found = await find() if self.was_released(key, since_ns) else None
        if found is not None:
            self.release(key)
        return found

    def release(self, key: str) -> None:
        """End a claim.

        Args:
            key: As claimed.
        """
        self._table.release(key)

    def give_up(self, key: str) -> None:
        """End a claim that has left nothing behind.

        Args:
            key: As claimed.
        """
        self._table.give_up(key)

    def was_released(self, key: str, since_ns: int) -> bool:
        """Return whether a claim of a key has ended lately.

        Args:
            key: The key.
            since_ns: By ``time.monotonic_ns``, which all processes of a machine share.

        Returns:
            True where it has, or may have.
        """
        return self._table.was_released(key, since_ns)

    def close(self) -> None:
        """End all claims of this process."""
        self._table.close()
