"""The aiohttp application: routes, and what is opened when it starts and closed when it ends."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from lazytile import __version__
from lazytile.colormaps.library.catalog import ColormapCatalog, default_user_folder
from lazytile.pyramid.catalog.resolver import Resolver
from lazytile.pyramid.catalog.style_catalog import StyleCatalog
from lazytile.pyramid.core import process
from lazytile.pyramid.engines.factory import open_tile_engine
from lazytile.pyramid.engines.protocol import EngineOptions, EngineSpec
from lazytile.pyramid.render.style import Styles
from lazytile.pyramid.store.store import Store
from lazytile.pyramid.tiling.registry import register_folder
from lazytile.pyramid.work import perform
from lazytile.service.app.startup import fetch_missing_colormaps, prepare
from lazytile.service.http.errors import NotFoundError
from lazytile.service.http.health import Health
from lazytile.service.http.json_document import JSON, json_bytes
from lazytile.service.http.metrics import CONTENT_TYPE, PUBLISH_EVERY_S, Metrics
from lazytile.service.http.parameter_names import parameter_name
from lazytile.service.legends import routes as legends
from lazytile.service.numbers import routes as numbers
from lazytile.service.ogcapi import routes as ogc
from lazytile.service.protocol.context import APP_CONTEXT, AppContext
from lazytile.service.protocol.middleware import request_middleware
from lazytile.service.tiles.admission import Admission
from lazytile.service.tiles.broker import TileBroker
from lazytile.service.tiles.cache import open_cache
from lazytile.service.tiles.mrf_tier import MrfTier
from lazytile.service.wms import routes as wms
from lazytile.service.wmts import routes as wmts
from lazytile.service.wmts.capabilities import Capabilities
from lazytile.service.xyz import tilejson
from lazytile.service.xyz.routes import xyz

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from lazytile.service.http.settings import Settings

VIEWER = Path(__file__).parent.parent / "viewer" / "dist"
_NO_VIEWER = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>lazytile</title>
<h1>lazytile is running</h1>
<p>The viewer page was not built in this checkout: <code>make setup</code> builds it. The tiles need none:</p>
<ul><li><a href="wmts/1.0.0/WMTSCapabilities.xml">WMTS capabilities</a></li>
<li><a href="metrics">metrics</a></li></ul>
</html>
"""


async def open_context(settings: Settings) -> AppContext:
    """Open everything a service works with. Raises ``LazytileError``. ``AppContext.broker.close`` closes it."""
    budget = settings.cache_budget
    caches = process.install(budget).caches
    if settings.tile_matrix_sets is not None:
        register_folder(settings.tile_matrix_sets)
    counters = Metrics(settings.metrics_folder, caches)
    store = Store(settings.store, caches["chunks"])
    catalog = ColormapCatalog(settings.colormaps or default_user_folder())
    styles = Styles(catalog, caches["styles"])
    style_catalog = StyleCatalog(catalog, caches["styles"])
    cache = open_cache(settings, caches["tiles"], counters.cache_errors.inc)
    spec, (front, workers) = EngineSpec.parse(settings.engine), budget.split()
    options = EngineOptions(workers=settings.workers, dashboard=settings.dashboard, caches=workers)
    try:
        engine = await open_tile_engine(spec, perform, options, locality=lambda task: task.locality)
    except BaseException:
        await cache.close()
        raise
    if not engine.in_process:
        # Workers of somebody else's cluster have memory of their own.
        caches.allot(budget.front() if spec.kind == "scheduler" else front)
    mrfs = None if settings.no_tile_cache else MrfTier(settings.mrfs)
    admission = Admission.of(settings, engine.capacity, counters)
    return AppContext(
        settings=settings,
        store=store,
        catalog=catalog,
        style_catalog=style_catalog,
        styles=styles,
        resolver=Resolver(store, styles, parameter_name),
        admission=admission,
        broker=TileBroker(settings, cache, engine, counters, admission=admission, mrfs=mrfs),
        metrics=counters,
    )


def make_app(settings: Settings) -> web.Application:
    """Return the application. It opens its store, cache and engine when it starts."""
    app = web.Application(middlewares=[request_middleware], client_max_size=64 << 10)
    app.cleanup_ctx.append(_context_of(settings))
    app.router.add_get("/wmts", wmts.kvp)
    app.router.add_get("/wmts/{path:.*}", wmts.rest)
    tilejson.add_routes(app.router)
    app.router.add_get("/xyz/{path:.*}", xyz)
    ogc.add_routes(app.router)
    wms.add_routes(app.router)
    numbers.add_routes(app.router)
    app.router.add_get("/legends/{path:.*}", legends.legend)
    app.router.add_get("/colormaps/{path:.*}", legends.colormap_document)
    app.router.add_get("/metrics", exposition)
    app.router.add_get("/healthz", health)
    app.router.add_get("/", page)
    app.router.add_get("/viewer/{name}", viewer_file)
    return app


def _context_of(settings: Settings) -> Callable[[web.Application], AsyncIterator[None]]:
    async def open_and_close(app: web.Application) -> AsyncIterator[None]:
        app[APP_CONTEXT] = await open_context(settings)
        opened = app[APP_CONTEXT]
        app[wmts.CAPABILITIES] = Capabilities(
            opened.store,
            opened.style_catalog,
            process.cache("documents"),
            settings.capabilities_title,
            has_info=settings.feature_info,
        )
        await prepare(app[wmts.CAPABILITIES])
        background = [asyncio.create_task(fetch_missing_colormaps(app[APP_CONTEXT]))]
        if settings.metrics_folder is not None:
            background.append(asyncio.create_task(_publish_caches(app[APP_CONTEXT].metrics)))
        yield
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await app[APP_CONTEXT].broker.close()

    return open_and_close


async def _publish_caches(counters: Metrics) -> None:
    """Publish the state of this process's caches for whichever server process is scraped."""
    while True:
        counters.publish_caches()
        await asyncio.sleep(PUBLISH_EVERY_S)


async def exposition(request: web.Request) -> web.StreamResponse:
    """Answer with the counters of all server processes."""
    body = request.app[APP_CONTEXT].metrics.exposition()
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})


async def health(request: web.Request) -> web.StreamResponse:
    """Answer that the server is up, with what it is and how many datasets it sees."""
    context = request.app[APP_CONTEXT]
    state = Health(
        status="ok",
        version=__version__,
        engine=context.broker.engine_description,
        datasets=len(context.store.names()),
    )
    return web.Response(body=json_bytes(state), content_type=JSON, headers={"Cache-Control": "no-store"})


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
