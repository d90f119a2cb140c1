"""What a running server is told to do: reload, or end."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazytile.service.http.settings import Settings

LOG = logging.getLogger(__name__)


class Changes:
    """The next change of a server process. Belongs to one event loop.

    A reload that is asked for while another one waits replaces it: one finds all that is new.
    """

    def __init__(self) -> None:
        self._happened = asyncio.Event()
        self._read: Callable[[], Settings] | None = None
        self._ends = False

    def reload(self, read: Callable[[], Settings]) -> None:
        """Ask for a reload.

        Args:
            read: Returns the settings to reload with.
        """
        self._read = read
        self._happened.set()

    def end(self) -> None:
        """Ask for the end, before any reload that waits."""
        self._ends = True
        self._happened.set()

    async def next(self) -> Callable[[], Settings] | None:
        """Wait for a change.

        Returns:
            What returns the settings to reload with; None at the end.
        """
        await self._happened.wait()
        if self._ends:
            return None
        self._happened.clear()
        return self._read


class Terminal:
    """The terminal of the process, if it has one: when that closes, SIGHUP is the end instead of a reload."""

    def __init__(self) -> None:
        self._was_there = _has_terminal()

    def is_gone(self) -> bool:
        """Return whether the process had a terminal that is closed now."""
        return self._was_there and not _has_terminal()


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def settings_after(settings: Settings, read: Callable[[], Settings]) -> Settings:
    """Read settings again, and log which of them wait for a restart.

    Args:
        settings: The present settings.
        read: Reads the new ones.

    Returns:
        The settings to reload with.

    Raises:
        LazytileError: The settings are invalid.
    """
    new, waiting = settings.reloaded(read())
    if waiting:
        LOG.warning("a new value of %s needs a restart of the server", ", ".join(waiting))
    return new
