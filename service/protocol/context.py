"""The application context: the parts of one server process, built once and shared by all handlers."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from lazytile.service.http.proxies import forwarding

if TYPE_CHECKING:
    from lazytile.pyramid.catalog.snapshot import Snapshot
    from lazytile.service.access.access_log import AccessLog
    from lazytile.service.access.exchange import Exchanges
    from lazytile.service.access.gate import Gate
    from lazytile.service.access.hosts import Hosts
    from lazytile.service.access.security_headers import PageHeaders
    from lazytile.service.access.tracing import Tracing
    from lazytile.service.admission.admission import Admission
    from lazytile.service.catalogue.catalogue import Catalogue
    from lazytile.service.http.metrics import Metrics
    from lazytile.service.http.settings import Settings
    from lazytile.service.tiles.broker import TileBroker
    from lazytile.service.tiles.style_compiler import StyleCompiler

_HOST = re.compile(r"(?:[A-Za-z0-9_.-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class AppContext:
    """The parts of a running service."""

    settings: Settings
    catalogue: Catalogue
    admission: Admission
    styles: StyleCompiler
    broker: TileBroker
    metrics: Metrics
    exchanges: Exchanges
    """Requests and responses, for the access log."""
    gate: Gate
    hosts: Hosts
    pages: PageHeaders
    access_log: AccessLog | None = None
    tracing: Tracing | None = None

    @property
    def snapshot(self) -> Snapshot:
        """Datasets and colormaps as last read; ``catalogue.at`` returns those of this moment."""
        return self.catalogue.snapshot

    async def close(self) -> None:
        """Cancel the work in progress, and close every part."""
        await self.admission.close()
        await self.broker.close()
        await self.catalogue.close()
        self.exchanges.flush()
        if self.access_log is not None:
            await asyncio.to_thread(self.access_log.close)
        if self.tracing is not None:
            await asyncio.to_thread(self.tracing.close)

    def base_url(self, request: web.Request) -> str:
        """Return the URL of the root as this client sees it, without a trailing slash.

        The client chooses the Host header; one that is not a host name is not repeated in documents.

        Raises:
            MisdirectedError: The server does not answer for the name in the Host header.
            BusyError: Too many different names were used lately.
        """
        if self.settings.public_url is not None:
            return self.settings.public_url
        forwarded = forwarding(request.remote, request.headers, self.settings.proxy_networks)
        host = forwarded.host or request.headers.get("Host", "")
        if not _HOST.fullmatch(host):
            host = f"{self.settings.host}:{self.settings.port}"
            return f"{forwarded.scheme or 'http'}://{host}{forwarded.prefix}"
        self.hosts.check(host)
        return f"{forwarded.scheme or 'http'}://{host}{forwarded.prefix}"


APP_CONTEXT: web.AppKey[AppContext] = web.AppKey("context")
