"""The HTTP server of the administrators' API, in a thread of the process that was started by hand."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import threading
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Self

from aiohttp import hdrs, web

from lazytile.colormaps.core.errors import LazytileError
from lazytile.service.access.bearer_tokens import SCHEME, hash_of
from lazytile.service.http.errors import one_line

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    from lazytile.service.admin.actions import AdminActions

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

STOP_S = 5.0
MAX_TEXT = 256
"""Longest layer name or time in a request."""
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class AdminServer:
    """Serves the API until it is closed. A context manager."""

    def __init__(self, sock: socket.socket, token: str, actions: AdminActions) -> None:
        """Serve nothing yet.

        Args:
            sock: The listening socket, not blocking.
            token: What clients send as a bearer token, or its hash after ``sha256:``.
            actions: What they may do.
        """
        self._sock = sock
        self._digest = hash_of(token)
        self._actions = actions
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="lazytile-admin", daemon=True)

    def __enter__(self) -> Self:
        """Serve from now on."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_S)

    def _run(self) -> None:
        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=1.0)
        try:
            self._loop.run_until_complete(runner.setup())
            self._loop.run_until_complete(web.SockSite(runner, self._sock).start())
            self._loop.run_forever()
            self._loop.run_until_complete(runner.cleanup())
        finally:
            self._loop.close()

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._checked], client_max_size=1024)
        app.router.add_get("/status", self._status)
        app.router.add_post("/reload", self._reload)
        app.router.add_get("/cache", self._cache)
        app.router.add_delete("/cache", self._clear)
        return app

    @web.middleware
    async def _checked(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer those who have the token, and report errors as JSON."""
        scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        digest = hashlib.sha256(token.strip().encode("utf-8", "replace")).hexdigest()
        if scheme.lower() != SCHEME or not hmac.compare_digest(digest, self._digest):
            challenge = {"WWW-Authenticate": 'Bearer realm="lazytile admin"'}
            return _json({"error": "send the header Authorization: Bearer TOKEN"}, 401, challenge)
        try:
            return await handler(request)
        except LazytileError as error:
            return _json({"error": one_line(str(error))}, 400)
        except web.HTTPException as error:
            allowed = {name: value for name, value in error.headers.items() if name == hdrs.ALLOW}
            return _json({"error": error.reason}, error.status, allowed)

    async def _status(self, request: web.Request) -> web.StreamResponse:
        del request
        return _json(self._actions.status())

    async def _reload(self, request: web.Request) -> web.StreamResponse:
        """Check the settings, then reload; the reload itself goes on after the response."""
        del request
        await asyncio.to_thread(self._actions.reload)
        return _json({"reload": "has begun; the log tells how it ends"}, 202)

    async def _cache(self, request: web.Request) -> web.StreamResponse:
        del request
        return _json(asdict(await asyncio.to_thread(self._actions.cache)))

    async def _clear(self, request: web.Request) -> web.StreamResponse:
        """Delete tiles; return once every server process has had time to empty its caches in memory."""
        unknown = set(request.query) - {"layer", "time"}
        texts = {name: request.query.get(name, "") for name in ("layer", "time")}
        if unknown or any(len(text) > MAX_TEXT for text in texts.values()):
            return _json({"error": f"the parameters are layer and time, with at most {MAX_TEXT} characters"}, 400)
        deleted = await asyncio.to_thread(self._actions.clear, texts["layer"], texts["time"])
        return _json({"deleted": deleted, **texts})


def _json(document: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(document, status=status, headers={**_HEADERS, **(headers or {})})
