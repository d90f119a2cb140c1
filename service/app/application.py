"""The aiohttp application: routes, and what is opened when it starts and closed when it ends."""

from __future__ import annotations

import asyncio
import multiprocessing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from lazytile.colormaps.library.catalog import ColormapCatalog, default_user_folder
from lazytile.pyramid.catalog.snapshot import SnapshotReader
from lazytile.pyramid.chunks.damage import DamageLimits, DamageRecord
from lazytile.pyramid.cluster.places import Places
from lazytile.pyramid.core import process
from lazytile.pyramid.core.conditions import Conditions
from lazytile.pyramid.cuda.worker import start_kernel
from lazytile.pyramid.engines.factory import open_tile_engine
from lazytile.pyramid.engines.protocol import EngineOptions, EngineSpec
from lazytile.pyramid.kernel.selection import kernel_name, use_kernel
from lazytile.pyramid.render.image import picture_encoders
from lazytile.pyramid.storage.object_path import ObjectPath
from lazytile.pyramid.store.store import Store
from lazytile.pyramid.tiling.registry import register_folder
from lazytile.pyramid.work import SHARED, perform
from lazytile.service.access.access_log import AccessLog
from lazytile.service.access.exchange import Exchanges
from lazytile.service.access.gate import Gate
from lazytile.service.access.hosts import Hosts
from lazytile.service.access.rate_limit import ClientTable, RateLimit
from lazytile.service.access.security_headers import PageHeaders
from lazytile.service.access.tracing import Tracing
from lazytile.service.admission.admission import Admission
from lazytile.service.app.engine_samples import sample_tasks
from lazytile.service.app.monitoring import (
    health,
    prometheus_metrics,
    publish_metrics,
    readiness,
    recheck_damaged_chunks,
)
from lazytile.service.app.startup import fetch_missing_colormaps, prepare
from lazytile.service.app.upkeep import (
    clear_memory,
    follow_clearing,
    follow_links,
    open_links,
    recheck_cache,
    return_memory,
)
from lazytile.service.app.viewer_page import base_map_origins, page, viewer_file
from lazytile.service.catalogue.catalogue import Catalogue
from lazytile.service.catalogue.folder_watch import FolderWatch
from lazytile.service.catalogue.local_disks import LocalDisks
from lazytile.service.catalogue.pointer_watch import PointerWatch
from lazytile.service.claims.claims import Claims
from lazytile.service.http.metrics import Metrics
from lazytile.service.http.parameter_names import parameter_name
from lazytile.service.legends import routes as legends
from lazytile.service.numbers import routes as numbers
from lazytile.service.ogcapi import routes as ogc
from lazytile.service.overview import routes as overview
from lazytile.service.protocol.context import APP_CONTEXT, AppContext
from lazytile.service.protocol.middleware import request_middleware
from lazytile.service.protocol.views import VIEWS, Views
from lazytile.service.shared_cache.shared_tier import open_shared_tier
from lazytile.service.stac import routes as stac
from lazytile.service.tiles.broker import TileBroker
from lazytile.service.tiles.cache import open_cache
from lazytile.service.tiles.mrf_tier import MrfTier
from lazytile.service.tiles.style_compiler import StyleCompiler
from lazytile.service.wms import routes as wms
from lazytile.service.wmts import routes as wmts
from lazytile.service.wmts.capabilities import Capabilities
from lazytile.service.xyz import tilejson
from lazytile.service.xyz.routes import xyz
from lazytile.service.zarr_http import routes as zarr_http

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from lazytile.pyramid.core.caches import Caches
    from lazytile.pyramid.engines.protocol import TileEngine
    from lazytile.service.http.settings import Settings


@dataclass(frozen=True, slots=True)
class Inherited:
    """What an application takes over from the one that it replaces in its process."""

    engine: TileEngine
    metrics: Metrics


async def open_context(
    settings: Settings,
    inherited: Inherited | None = None,
    clients: ClientTable | None = None,
    *,
    is_bulk: bool = False,
) -> AppContext:
    """Open everything that a service works with; ``AppContext.close`` closes it.

    Args:
        settings: The settings.
        inherited: What is not opened but taken over.
        clients: The clients whose requests are limited, which server processes may share.
        is_bulk: Whether nobody waits for the tiles that the engine renders.

    Returns:
        The context of the application.

    Raises:
        LazytileError: A part cannot be opened.
    """
    budget = settings.cache_budget
    standing, damaged = Conditions.current(), DamageRecord.current()
    installed = process.install(budget)
    use_kernel(settings.kernel, settings.kernel_level)
    caches = installed.caches
    if inherited is not None:
        installed.resource(Conditions, lambda: standing)
        installed.resource(DamageRecord, lambda: damaged)
    every_s, lines = settings.damage_log_s, settings.damage_log_lines
    DamageRecord.current().limits = DamageLimits(every_s, lines, settings.damage_recheck_s)
    if settings.tile_matrix_sets is not None:
        register_folder(settings.tile_matrix_sets)
    counters = (
        Metrics(settings.metrics_folder, caches, settings.metric_layers) if inherited is None else inherited.metrics
    )
    catalog = ColormapCatalog(settings.colormaps or default_user_folder())
    cache = open_cache(settings, caches["tiles"], counters.cache_errors.inc, counters.cache_lost.inc, counters.evicted)
    spec, (front, workers) = EngineSpec.parse(settings.engine), budget.split()
    options = EngineOptions(
        workers=settings.workers,
        dashboard=settings.dashboard,
        caches=workers,
        fallback=settings.engine_fallback,
        start_gpu=partial(start_kernel, settings.gpu_memory, settings.kernel, settings.kernel_level),
        kernel_name=kernel_name,
        start=partial(use_kernel, settings.kernel, settings.kernel_level),
    )
    places = Places.of(folders=(settings.store,), traits=picture_encoders)
    access_log, tracing = AccessLog.of(settings, counters.access_log_lost.inc), Tracing.of(settings)
    try:
        catalogue = await _open_catalogue(settings, catalog, caches)
        if inherited is None:
            engine = await open_tile_engine(
                spec,
                perform,
                options,
                locality=lambda task: task.locality,
                shared=SHARED,
                places=places,
                stoppable=perform,
                samples=lambda: sample_tasks(catalogue.snapshot, settings.background),
                is_bulk=is_bulk,
            )
        else:
            engine = inherited.engine
            await engine.move(places)
    except BaseException:
        await cache.close()
        raise
    if not engine.in_process and settings.engine_fallback == "none":
        # Workers of somebody else's cluster have memory of their own.
        caches.allot(budget.front() if spec.kind == "scheduler" else front)
    mrfs = (
        None
        if settings.no_tile_cache
        else MrfTier(settings.mrfs, settings.mrf_unchecked_folder, counters.mrf_damage.inc)
    )
    counters.workers = lambda: engine.workers
    shared = open_shared_tier(settings, counters)
    claims = Claims(settings.cache) if not settings.no_tile_cache and LocalDisks().has(settings.cache) else None
    admission = Admission.of(settings, engine.capacity, counters)
    if inherited is not None:
        counters.follow(caches)
    return AppContext(
        settings=settings,
        catalogue=catalogue,
        admission=admission,
        styles=StyleCompiler(admission, renders_here=engine.in_process),
        broker=TileBroker(
            settings, cache, engine, counters, admission=admission, mrfs=mrfs, claims=claims, shared=shared
        ),
        metrics=counters,
        exchanges=Exchanges([] if tracing is None else [tracing.record], access_log),
        access_log=access_log,
        tracing=tracing,
        gate=Gate(_rate_limit(settings, clients), has_tokens=bool(settings.layer_tokens)),
        hosts=Hosts(settings.allowed_hosts, settings.max_hosts),
        pages=PageHeaders(settings.frame_ancestors, base_map_origins(settings.base_map)),
    )


def _rate_limit(settings: Settings, clients: ClientTable | None) -> RateLimit | None:
    if settings.rate_limit is None:
        return None
    table = clients or ClientTable(settings.rate_limit_clients, multiprocessing.get_context("spawn"))
    return RateLimit(table, settings.rate_limit, settings.rate_limit_burst, settings.proxy_networks)


async def _open_catalogue(settings: Settings, catalog: ColormapCatalog, caches: Caches) -> Catalogue:
    reader = SnapshotReader(Store(settings.store, caches["chunks"]), catalog, parameter_name, caches["styles"])
    folders = [folder for folder in (catalog.user_folder, catalog.bundled_folder) if folder is not None]
    kind = PointerWatch if isinstance(settings.store, ObjectPath) else FolderWatch
    catalogue = Catalogue(reader, kind(settings.store, folders), settings.catalogue_poll_s)
    await catalogue.open()
    return catalogue


def make_app(
    settings: Settings, inherited: Inherited | None = None, clients: ClientTable | None = None
) -> web.Application:
    """Return the application, which opens its store, cache and engine when it starts.

    Args:
        settings: The settings.
        inherited: What it takes over from the application that it replaces.
        clients: As for ``open_context``.

    Returns:
        The application with all routes.
    """
    app = web.Application(middlewares=[request_middleware], client_max_size=64 << 10)
    app.cleanup_ctx.append(_context_of(settings, inherited, clients))
    app.router.add_get("/wmts", wmts.kvp)
    app.router.add_get("/wmts/{path:.*}", wmts.rest)
    tilejson.add_routes(app.router)
    app.router.add_get("/xyz/{path:.*}", xyz)
    ogc.add_routes(app.router)
    wms.add_routes(app.router)
    numbers.add_routes(app.router)
    overview.add_routes(app.router)
    zarr_http.add_routes(app.router)
    stac.add_routes(app.router)
    app.router.add_get("/legends/{path:.*}", legends.legend)
    app.router.add_get("/colormaps/{path:.*}", legends.colormap_document)
    app.router.add_get("/metrics", prometheus_metrics)
    app.router.add_get("/healthz", health)
    app.router.add_get("/readyz", readiness)
    app.router.add_get("/", page)
    app.router.add_get("/viewer/{name}", viewer_file)
    return app


def _context_of(
    settings: Settings, inherited: Inherited | None, clients: ClientTable | None
) -> Callable[[web.Application], AsyncIterator[None]]:
    async def open_and_close(app: web.Application) -> AsyncIterator[None]:
        app[APP_CONTEXT] = await open_context(settings, inherited, clients)
        opened = app[APP_CONTEXT]
        if settings.layer_tokens:
            app[VIEWS] = Views(opened, settings.layer_tokens)
        app[wmts.CAPABILITIES] = Capabilities(
            process.cache("documents"),
            settings.capabilities_title,
            has_info=settings.feature_info,
            templates=settings.resource_url_formats,
        )
        app[zarr_http.FLOW] = zarr_http.open_flow(settings)
        await prepare(app[wmts.CAPABILITIES], opened.snapshot, settings)
        opening = await open_links(settings.store)
        background = [
            asyncio.create_task(fetch_missing_colormaps(app[APP_CONTEXT])),
            asyncio.create_task(recheck_damaged_chunks()),
            asyncio.create_task(return_memory()),
            asyncio.create_task(follow_links(settings.store, settings.link_poll_s)),
            asyncio.create_task(recheck_cache(opened.broker)),
            asyncio.create_task(follow_clearing(settings.cache, clear_memory)),
        ]
        if opening is not None:
            background.append(opening)
        if settings.metrics_folder is not None:
            background.append(asyncio.create_task(publish_metrics(app[APP_CONTEXT].metrics)))
        yield
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        app[APP_CONTEXT].metrics.publish()
        await app[APP_CONTEXT].close()

    return open_and_close
