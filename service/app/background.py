"""A server in a thread of a user's program, such as a notebook."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Self

from lazytile.pyramid.core import process
from lazytile.service.app.changes import Changes
from lazytile.service.app.listening import address_of, listen
from lazytile.service.app.server import ServerProcess, serve
from lazytile.service.http.errors import ServiceError

if TYPE_CHECKING:
    from lazytile.service.http.settings import Settings

START_S = 60.0
STOP_S = 10.0


class BackgroundServer:
    """A server process's work in a thread. It ends with ``close``, or with the program."""

    def __init__(self, settings: Settings) -> None:
        """Start the server, and wait until it answers.

        Args:
            settings: The settings.

        Raises:
            LazytileError: It cannot start.
        """
        self._sock = listen(settings.host, settings.port)
        self.url = address_of(settings, self._sock)
        self._settings = settings
        self._earlier = process.current()
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changes: Changes | None = None
        self._thread = threading.Thread(target=self._run, name="lazytile-server", daemon=True)
        self._thread.start()
        if not self._ready.wait(START_S):
            raise ServiceError(f"the server does not answer after {START_S:g} s")
        if self._error is not None:
            raise self._error

    @property
    def is_running(self) -> bool:
        """Whether it answers."""
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            self._error = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._changes = asyncio.get_running_loop(), Changes()
        await serve(ServerProcess(self._settings, self._sock), lambda _: self._ready.set(), self._changes)

    def close(self) -> None:
        """Stop the server; running requests may finish."""
        if self._thread.is_alive() and self._loop is not None and self._changes is not None:
            self._loop.call_soon_threadsafe(self._changes.end)
            self._thread.join(STOP_S)
            process.reinstall(self._earlier)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
