"""A real server on the loopback interface in a thread, and a simple client."""

from __future__ import annotations

import asyncio
import http.client
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from lxml import etree

from lazytile.pyramid.catalog.resolver import Resolver
from lazytile.service.app.changes import Changes
from lazytile.service.app.listening import listen
from lazytile.service.app.server import ServerProcess, serve
from lazytile.service.http.settings import Settings
from lazytile.service.protocol.context import APP_CONTEXT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lazytile.pyramid.catalog.tile_address import RawTileAddress, ResolvedTile
    from lazytile.service.protocol.context import AppContext

NAMESPACES = {
    "wmts": "http://www.opengis.net/wmts/1.0",
    "ows": "http://www.opengis.net/ows/1.1",
    "xlink": "http://www.w3.org/1999/xlink",
}
TILE = {
    "service": "WMTS",
    "request": "GetTile",
    "version": "1.0.0",
    "layer": "global_180",
    "style": "default",
    "format": "image/png",
    "TileMatrixSet": "WebMercatorQuad",
    "TileMatrix": "1",
    "TileRow": "0",
    "TileCol": "1",
}


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Any
    body: bytes

    def exception(self) -> tuple[int, str, str | None]:
        """Return HTTP status, exceptionCode and locator of an exception report."""
        root = etree.fromstring(self.body)
        assert root.tag == "{http://www.opengis.net/ows/1.1}ExceptionReport", self.body
        found = root.find("ows:Exception", NAMESPACES)
        assert found.findtext("ows:ExceptionText", namespaces=NAMESPACES)
        return self.status, found.get("exceptionCode"), found.get("locator")


class Server:
    def __init__(
        self, port: int, context: AppContext | None = None, loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        self.port = port
        self.context = context
        self.loop = loop
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path: str, headers: dict[str, str] | None = None, method: str = "GET") -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            has_host = "Host" in (headers or {})
            connection.putrequest(method, path, skip_accept_encoding=True, skip_host=has_host)
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    def kvp(self, headers: dict[str, str] | None = None, **changes: str | None) -> Reply:
        """Request GetTile with some parameters changed, or omitted if None."""
        lowered = {name.lower(): (name, value) for name, value in TILE.items()}
        lowered.update({name.lower(): (name, value) for name, value in changes.items()})
        pairs = {name: value for name, value in lowered.values() if value is not None}
        return self.get(f"/wmts?{urlencode(pairs)}", headers)

    def resolve(self, address: RawTileAddress) -> ResolvedTile:
        """Resolve an address as the server does, but compile its style here."""
        snapshot = self.context.snapshot
        return Resolver(snapshot, snapshot.styles, snapshot.name_of).resolve(address)

    @property
    def renders(self) -> float:
        """Metatiles and pixels rendered so far, published or not."""
        metrics = self.context.metrics
        return metrics.renders._value.get() + metrics.counts.renders

    def counter(self, name: str, **labels: str) -> float:
        """Return the value of a counter in /metrics; 0 if it is not there yet."""
        wanted = name + ("{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}" if labels else "")
        for line in self.get("/metrics").body.decode().splitlines():
            if line.rpartition(" ")[0] == wanted:
                return float(line.rpartition(" ")[2])
        return 0.0


@contextmanager
def running(store: Path, cache: Path, **options: Any) -> Iterator[Server]:
    """Serve a store in a thread until the context ends."""
    settings = Settings.of(
        **{
            "store": store,
            "cache": cache,
            "engine": "threads",
            "port": 0,
            "shutdown_s": 1,
            "offline": True,
            "access_log": "off",
            **options,
        }
    )
    sock = listen(settings.host, settings.port)
    port = sock.getsockname()[1]
    started: list[Server] = []
    failed: list[BaseException] = []
    ready = threading.Event()

    async def main() -> None:
        changes = Changes()
        process = ServerProcess(settings, sock)

        def begin(_: str) -> None:
            server = Server(port, process.runner.app[APP_CONTEXT], asyncio.get_running_loop())
            server.thread = threading.current_thread()
            server.front = process.runner.front
            server.stop = lambda: server.loop.call_soon_threadsafe(changes.end)
            started.append(server)
            ready.set()

        await serve(process, begin, changes)

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001 - raised in the test's own thread
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait(60)
    try:
        if started:
            yield started[0]
    finally:
        if started:
            started[0].stop()
        thread.join(30)
        sock.close()
    if failed:
        raise failed[0]
