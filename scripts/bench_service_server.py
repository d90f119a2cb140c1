"""A server process for ``bench_service.py``: a bare aiohttp handler, or lazytile, on a port shared with others.

Usage: bench_service_server.py SPECIFICATION, a JSON object; prints ``ready`` and serves until SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from lazytile.service.app.server import ServerProcess
from lazytile.service.http.settings import Settings
from lazytile.service.protocol.context import APP_CONTEXT

if TYPE_CHECKING:
    from lazytile.service.tiles.broker import TileBroker

ETAG = '"bare"'


def listening(port: int) -> socket.socket:
    """Return a socket that listens on a port; the kernel spreads connections over all such sockets."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(("127.0.0.1", port))
    sock.listen(1024)
    sock.setblocking(False)
    return sock


async def bare(specification: dict[str, Any], stop: asyncio.Event) -> None:
    """Serve random bytes from a handler with one route."""
    body = os.urandom(specification["body_bytes"])
    headers = {"Content-Type": "image/png", "Cache-Control": "public, max-age=3600", "ETag": ETAG}
    known = {name: value for name, value in headers.items() if name != "Content-Type"}

    async def tile(request: web.Request) -> web.Response:
        if request.headers.get("If-None-Match") is not None:
            return web.Response(status=304, headers=known)
        return web.Response(body=body, headers=headers)

    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=503, headers={"Retry-After": "1"})

    app = web.Application()
    # A few paths are tiles and everything else is refused, or every tile is one.
    for path in dict.fromkeys(specification.get("only", ["/xyz/{layer}/{zoom}/{x}/{y}.png"])):
        app.router.add_get(path, tile)
    app.router.add_get("/{path:.*}", refuse)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listening(specification["port"])).start()
    print("ready", flush=True)
    await stop.wait()
    await runner.cleanup()


async def lazytile(specification: dict[str, Any], stop: asyncio.Event) -> None:
    """Serve a store; with ``stub`` nothing is rendered and nothing is on disk."""
    settings = Settings.of(
        store=Path(specification["store"]), cache=Path(specification["cache"]), engine="threads", workers=1,
        metrics_folder=Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]), memory_bytes=512 << 20, offline=True,
    )  # fmt: skip
    server = ServerProcess(settings, listening(specification["port"]), has_process=True)
    await server.open()
    if specification.get("stub"):
        _stub(server.runner.app[APP_CONTEXT].broker, os.urandom(specification["body_bytes"]))
    print("ready", flush=True)
    await stop.wait()
    await server.close()


def _stub(broker: TileBroker, body: bytes) -> None:
    """Let a broker render the same bytes always, and use no file."""
    cache: Any = broker._cache  # noqa: SLF001 - what is measured has no public seam
    broker._engine.render_inline = lambda _: (body,)  # type: ignore[method-assign] # noqa: SLF001
    cache._reader._look_up = lambda _: None  # noqa: SLF001
    cache._writes._write = lambda *_: None  # noqa: SLF001


def main() -> None:
    """Serve as the specification says."""
    specification = json.loads(sys.argv[1])

    async def serve() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await {"bare": bare, "lazytile": lazytile}[specification["kind"]](specification, stop)

    if specification["loop"] == "uvloop":
        import_module("uvloop").run(serve())
    else:
        asyncio.run(serve())


if __name__ == "__main__":
    main()
