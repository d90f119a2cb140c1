"""The aiohttp application: routes, and what is opened when it starts and closed when it ends."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from lazytile import __version__
from lazytile.colormaps.catalog import ColormapCatalog, default_user_folder
from lazytile.pyramid.engines.engine import EngineOptions, EngineSpec, open_tile_engine
from lazytile.pyramid.store import Store
from lazytile.pyramid.style import Styles
from lazytile.pyramid.tms_registry import register_folder
from lazytile.pyramid.work import perform
from lazytile.service import legends, metrics, numbers, ogc, tilejson, wms, wmts
from lazytile.service.cache import open_cache
from lazytile.service.capabilities import Capabilities
from lazytile.service.errors import NotFoundError
from lazytile.service.feature_info import Probe
from lazytile.service.feature_info_answer import PROBE
from lazytile.service.middleware import frame
from lazytile.service.mrf_tier import MrfTier
from lazytile.service.offer import Offer
from lazytile.service.request import Resolver
from lazytile.service.site import SITE, Site
from lazytile.service.startup import prepare, run_in_background
from lazytile.service.tile_answer import tile_response
from lazytile.service.tiles import TileDesk
from lazytile.service.words import Query, segments_of, words_of_xyz

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from lazytile.service.settings import Settings

VIEWER = Path(__file__).parent / "viewer" / "dist"
_NO_VIEWER = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>lazytile</title>
<h1>lazytile is running</h1>
<p>The viewer page was not built in this checkout: <code>make setup</code> builds it. The tiles need none:</p>
<ul><li><a href="wmts/1.0.0/WMTSCapabilities.xml">WMTS capabilities</a></li>
<li><a href="metrics">metrics</a></li></ul>
</html>
"""


async def open_site(settings: Settings) -> Site:
    """Open everything a service works with. Raises ``LazytileError``. ``Site.desk.close`` closes it."""
    if settings.tile_matrix_sets is not None:
        register_folder(settings.tile_matrix_sets)
    counters = metrics.Metrics(settings.metrics_folder)
    store = Store(settings.store, settings.chunk_cache_bytes)
    catalog = ColormapCatalog(settings.colormaps or default_user_folder())
    styles = Styles(catalog)
    offer = Offer(catalog)
    cache = open_cache(settings, counters.cache_errors.inc)
    options = EngineOptions(workers=settings.workers, dashboard=settings.dashboard)
    try:
        engine = await open_tile_engine(
            EngineSpec.parse(settings.engine), perform, options, locality=lambda task: task.locality
        )
    except BaseException:
        await cache.close()
        raise
    mrfs = None if settings.no_tile_cache else MrfTier(settings.mrfs)
    return Site(
        settings=settings,
        store=store,
        catalog=catalog,
        offer=offer,
        styles=styles,
        resolver=Resolver(store, styles),
        capabilities=Capabilities(store, offer, settings.capabilities_title, has_info=settings.feature_info),
        desk=TileDesk(settings, cache, engine, counters, mrfs),
        metrics=counters,
    )


def make_app(settings: Settings) -> web.Application:
    """Return the application. It opens its store, cache and engine when it starts."""
    app = web.Application(middlewares=[frame], client_max_size=64 << 10)
    app.cleanup_ctx.append(_site_of(settings))
    app.router.add_get("/wmts", wmts.kvp)
    app.router.add_get("/wmts/{path:.*}", wmts.rest)
    tilejson.add_routes(app.router)
    app.router.add_get("/xyz/{path:.*}", xyz)
    ogc.add_routes(app.router)
    wms.add_routes(app.router)
    numbers.add_routes(app)
    app.router.add_get("/legends/{path:.*}", legends.legend)
    app.router.add_get("/colormaps/{path:.*}", legends.colormap_document)
    app.router.add_get("/metrics", exposition)
    app.router.add_get("/healthz", health)
    app.router.add_get("/", page)
    app.router.add_get("/viewer/{name}", viewer_file)
    return app


def _site_of(settings: Settings) -> Callable[[web.Application], AsyncIterator[None]]:
    async def site_context(app: web.Application) -> AsyncIterator[None]:
        app[SITE] = await open_site(settings)
        app[PROBE] = Probe(app[SITE])
        await prepare(app[SITE])
        background = asyncio.create_task(run_in_background(app[SITE]))
        yield
        background.cancel()
        await asyncio.gather(background, return_exceptions=True)
        await app[SITE].desk.close()

    return site_context


async def xyz(request: web.Request) -> web.StreamResponse:
    """Answer ``/xyz/{layer}/{z}/{x}/{y}.{ext}``: a tile of WebMercatorQuad."""
    limit = request.app[SITE].settings.max_value_length
    segments = segments_of(request.rel_url.raw_path, "/xyz/", limit)
    return await tile_response(request, words_of_xyz(segments, Query(request.rel_url.raw_query_string, limit)))


async def exposition(request: web.Request) -> web.StreamResponse:
    """Answer with the counters of all server processes."""
    body = request.app[SITE].metrics.exposition()
    return web.Response(body=body, headers={"Content-Type": metrics.CONTENT_TYPE, "Cache-Control": "no-store"})


async def health(request: web.Request) -> web.StreamResponse:
    """Answer that the server is up, with what it is and how many datasets it sees."""
    site = request.app[SITE]
    state = {
        "status": "ok",
        "version": __version__,
        "engine": site.desk.engine_description,
        "datasets": len(site.store.names()),
    }
    return web.Response(
        body=json.dumps(state).encode(), content_type="application/json", headers={"Cache-Control": "no-store"}
    )


async def page(request: web.Request) -> web.StreamResponse:
    """Answer with the viewer."""
    del request
    headers = {"Cache-Control": "no-cache"}
    if (VIEWER / "index.html").is_file():
        return web.FileResponse(VIEWER / "index.html", headers=headers)
    return web.Response(text=_NO_VIEWER, content_type="text/html", headers=headers)


async def viewer_file(request: web.Request) -> web.StreamResponse:
    """Answer with a file of the viewer. Their addresses carry a hash of the content, so clients may keep them."""
    name = request.match_info["name"]
    known = {path.name: path for path in VIEWER.iterdir()} if VIEWER.is_dir() else {}
    if name not in known:
        raise NotFoundError("request", "the viewer has no such file")
    age = "public, max-age=31536000, immutable" if request.query_string else "no-cache"
    return web.FileResponse(known[name], headers={"Cache-Control": age})
