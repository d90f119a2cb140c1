"""What one server process works with, built once and handed to the handlers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from lazytile.service.proxies import forwarding

if TYPE_CHECKING:
    from lazytile.colormaps.catalog import ColormapCatalog
    from lazytile.pyramid.store import Store
    from lazytile.pyramid.style import Styles
    from lazytile.service.capabilities import Capabilities
    from lazytile.service.metrics import Metrics
    from lazytile.service.offer import Offer
    from lazytile.service.request import Resolver
    from lazytile.service.settings import Settings
    from lazytile.service.tiles import TileDesk

_HOST = re.compile(r"(?:[A-Za-z0-9_.-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Site:
    """The parts of a running service."""

    settings: Settings
    store: Store
    catalog: ColormapCatalog
    offer: Offer
    styles: Styles
    resolver: Resolver
    capabilities: Capabilities
    desk: TileDesk
    metrics: Metrics

    def base_url(self, request: web.Request) -> str:
        """Address of the root as this client sees it, without a slash at the end.

        The Host header is the client's word; one that is no host name is not repeated in documents.
        """
        if self.settings.public_url is not None:
            return self.settings.public_url
        said = forwarding(request.remote, request.headers, self.settings.proxy_networks)
        host = said.host or request.headers.get("Host", "")
        if not _HOST.fullmatch(host):
            host = f"{self.settings.host}:{self.settings.port}"
        return f"{said.scheme or 'http'}://{host}{said.prefix}"


SITE: web.AppKey[Site] = web.AppKey("site")
