"""What administrators may do with a running server."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

from lazytile import __version__
from lazytile.service.tiles.cache_folder import CacheContent, cache_content, clear_cache

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazytile.service.http.settings import Settings

SETTLE_S = 0.6
"""How long a clearing waits for the server processes, which look for one every ``FOLLOW_S``."""


class AdminActions:
    """The actions of a server. Thread-safe."""

    def __init__(
        self, settings: Settings, read: Callable[[], Settings], describe: Callable[[], dict[str, Any]]
    ) -> None:
        """Act on this process.

        Args:
            settings: The settings of the server when it started.
            read: Reads them again.
            describe: Returns what the processes of the server do.
        """
        self._settings = settings
        self._read = read
        self._describe = describe
        self._started = time.time()

    def status(self) -> dict[str, Any]:
        """Return what the server is and does, as JSON values."""
        return {
            "version": __version__,
            "pid": os.getpid(),
            "uptime_s": round(time.time() - self._started, 1),
            **self._describe(),
        }

    def reload(self) -> None:
        """Check the settings, and have the server reload as after SIGHUP.

        Raises:
            LazytileError: The settings are invalid; nothing is reloaded.
        """
        self._read()
        os.kill(os.getpid(), signal.SIGHUP)

    def cache(self) -> CacheContent:
        """Return what the tile cache holds.

        Raises:
            CacheError: It cannot be read.
        """
        return cache_content(self._settings.cache)

    def clear(self, layer: str, time_label: str) -> int:
        """Delete tiles, and wait until the server has them in memory no longer.

        Args:
            layer: As for ``clear_cache``.
            time_label: As ``time`` of ``clear_cache``.

        Returns:
            Number of tiles deleted on disk.

        Raises:
            CacheError: The cache cannot be written.
        """
        count = clear_cache(self._settings.cache, self._settings.cache_limit_bytes, layer, time_label)
        time.sleep(SETTLE_S)
        return count
