"""Dask clusters that the engines start themselves, on this machine."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from contextlib import contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from ipaddress import ip_address
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import dask
from distributed import LocalCluster

from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.core.processors import processor_count
from lazytile.pyramid.engines.certificate import throwaway_security
from lazytile.pyramid.engines.dask_session import ClusterSession, close_quietly, new_client, silence_dask
from lazytile.pyramid.engines.dask_worker import CachePlugin
from lazytile.pyramid.engines.protocol import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lazytile.pyramid.engines.protocol import EngineOptions


HUNG_S = 60.0
"""How long a worker may send no heartbeat."""
DASHBOARD_ROUTES = ["distributed.http.scheduler.info", "distributed.http.statics"]
"""Pages of the scheduler that show state and change nothing."""


def cluster_config(options: EngineOptions) -> dict[str, Any]:
    """Return the Dask configuration for starting a cluster.

    Args:
        options: Whether there is a dashboard.

    Returns:
        Settings of Dask by name.
    """
    config: dict[str, Any] = {
        # Spilled results are pickles on disk, which the project never reads; tiles and counts need no spilling.
        "distributed.worker.memory.target": False,
        "distributed.worker.memory.spill": False,
        # A worker that is stopped or hangs is restarted, and its tasks run elsewhere. By default after 5 minutes.
        "distributed.scheduler.worker-ttl": f"{HUNG_S:g}s",
    }
    if options.dashboard is None:
        # Dask starts HTTP servers even without a dashboard; without routes they serve nothing.
        config["distributed.scheduler.http.routes"] = []
        config["distributed.worker.http.routes"] = []
    else:
        # Its default also has a proxy to any address, and pages that workers serve.
        config["distributed.scheduler.http.routes"] = DASHBOARD_ROUTES
        config["distributed.worker.http.routes"] = []
    return config


def cluster_arguments(options: EngineOptions) -> dict[str, Any]:
    """Return the keyword arguments that ``LocalCluster`` and ``LocalCUDACluster`` share.

    Args:
        options: Dashboard and timeouts.

    Returns:
        Keyword arguments.

    Raises:
        EngineError: A dashboard is requested for other machines, or bokeh is not installed.
    """
    if options.dashboard is not None and not _is_loopback(options.dashboard):
        raise EngineError(
            f"Dask's dashboard has no password, so its address is 127.0.0.1:PORT, [::1]:PORT or localhost:PORT, "
            f"got {options.dashboard!r}"
        )
    if options.dashboard is not None and find_spec("bokeh") is None:
        raise EngineError("Dask's dashboard needs the package bokeh: pip install 'lazytile[dashboard]'")
    dashboard = {"dashboard": options.dashboard is not None, "dashboard_address": options.dashboard or "127.0.0.1:0"}
    return {
        "host": "127.0.0.1",
        "protocol": "tls",
        "security": throwaway_security(),
        "dashboard_address": options.dashboard,
        "scheduler_kwargs": dashboard,
        "silence_logs": logging.CRITICAL,
        "death_timeout": options.start_timeout_s,
        "preload": ["lazytile.pyramid.engines.dask_worker"],
        "asynchronous": True,
    }


def _is_loopback(address: str) -> bool:
    parts = urlsplit(f"//{address}")
    try:
        return parts.port is not None and ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.hostname == "localhost" and address.rpartition(":")[2].isdecimal()


async def open_own(description: str, create: Callable[[], Any], workers: int, options: EngineOptions) -> ClusterSession:
    """Start a cluster and wait for all its workers.

    Args:
        description: Names the engine, for messages.
        create: Returns the cluster, not yet started.
        workers: Number of workers to wait for.
        options: Timeouts, and the memory of the workers' caches.

    Returns:
        The connection to the cluster.

    Raises:
        EngineError: Not all workers are there within ``start_timeout_s``.
    """
    cluster: Any = None
    client: Any = None
    silence_dask()
    began = time.monotonic()
    try:
        cluster = await _started(create, options)
        client = await new_client(cluster)
        if options.caches is not None:
            # A plugin, so that a restarted worker gets its memory too.
            await client.register_plugin(CachePlugin(options.caches.divided(workers), options.start))
        await client.wait_for_workers(workers, timeout=options.start_timeout_s)
        session = ClusterSession(description, client, cluster, options)
        await session.start()
    except BaseException as error:
        await close_quietly(client, cluster)
        if not isinstance(error, Exception):
            raise
        late = time.monotonic() - began >= options.start_timeout_s
        reason = f"within {options.start_timeout_s:g} s" if late else f"({one_line(error)})"
        raise EngineError(f"the workers of engine {description} did not start {reason}") from error
    return session


async def _started(create: Callable[[], Any], options: EngineOptions) -> Any:
    """Create and start a cluster. When cancelled, finish the start and close it: a partial start cannot be closed."""

    async def start() -> Any:
        # Awaited at once and in this task: LocalCUDACluster begins to scale before it begins to start.
        with dask.config.set(cluster_config(options)), _interrupts_held():
            cluster = create()
            try:
                await cluster
            except BaseException:
                await close_quietly(None, cluster)
                raise
        return cluster

    starting = asyncio.ensure_future(start())
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        with suppress(Exception):
            await close_quietly(None, await starting)
        raise


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Block SIGINT while processes start: they inherit the mask, and would each print a traceback on Ctrl-C."""
    resource_tracker.ensure_running()  # multiprocessing starts it before the first process, and unblocks SIGINT then
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


async def open_local(options: EngineOptions) -> ClusterSession:
    """Start worker processes of one thread each on this machine.

    Args:
        options: Number of processes, dashboard and timeouts.

    Returns:
        The connection to the cluster.

    Raises:
        EngineError: The workers do not start.
    """
    workers = options.workers or processor_count()
    create = partial(
        LocalCluster, n_workers=workers, threads_per_worker=1, processes=True, **cluster_arguments(options)
    )
    return await open_own(f"local, {workers} worker process{'es' * (workers != 1)}", create, workers, options)
