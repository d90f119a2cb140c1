"""A connection to a Dask cluster: opened, checked, watched and closed in one place.

Everything here is asynchronous and belongs to one event loop; ``dask_bulk`` and ``dask_tiles`` stand on it.
"""

from __future__ import annotations

import asyncio
import logging
import pkgutil
import signal
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any

import dask
from distributed import Client, LocalCluster, Status

from lazytile import __version__
from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.core.processors import processor_count
from lazytile.pyramid.engines.dask_worker import CachePlugin
from lazytile.pyramid.engines.protocol import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lazytile.pyramid.engines.protocol import EngineOptions

LOG = logging.getLogger(__name__)

WATCH_INTERVAL_S = 1.0
"""How often the list of workers is renewed."""
CLOSE_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class WorkerAddress:
    """Where a worker is now. Its name stays when its nanny starts it anew; its address does not."""

    address: str
    threads: int


@dataclass(slots=True)
class ClusterSession:
    """A client of a cluster, the cluster itself where it is ours, and what is known of its workers."""

    description: str
    client: Any
    cluster: Any
    """A ``LocalCluster`` that ``close`` stops, or None for somebody else's."""
    lost_timeout_s: float
    workers: dict[str, WorkerAddress] = field(default_factory=dict)
    """By name; renewed every ``WATCH_INTERVAL_S`` and by ``refresh``."""
    _seen_at: float = field(default_factory=time.monotonic)
    _watch: asyncio.Task[None] | None = None

    @property
    def capacity(self) -> int:
        """Number of threads of all workers, at least 1."""
        return max(1, sum(worker.threads for worker in self.workers.values()))

    async def start(self) -> None:
        """Read the list of workers and keep it up to date from now on."""
        await self.refresh()
        self._watch = asyncio.create_task(self._keep_watching())

    async def refresh(self) -> None:
        """Ask the scheduler where the workers are."""
        identity = await self.client.scheduler.identity(n_workers=-1)
        gone = {worker.address for worker in self.workers.values()} - set(identity["workers"])
        self.workers = {
            str(worker["name"]): WorkerAddress(address, worker["nthreads"])
            for address, worker in identity["workers"].items()
            if worker["status"] == "running"
        }
        for address in gone:
            # Otherwise a call that is just connecting there tries on for half a minute.
            self.client.rpc.remove(address, reason="the worker is gone")
        if self.workers:
            self._seen_at = time.monotonic()

    async def _keep_watching(self) -> None:
        while True:
            await asyncio.sleep(WATCH_INTERVAL_S)
            with suppress(OSError, TimeoutError):  # the client reconnects by itself; check() tells when it gave up
                await self.refresh()

    def check(self) -> None:
        """Raise ``EngineError`` where waiting longer is in vain: the scheduler is gone, or all workers for long."""
        if self.client.status not in {"running", "connecting"}:
            raise EngineError(f"the connection to the Dask scheduler of {self.description} is lost")
        if time.monotonic() - self._seen_at > self.lost_timeout_s:
            raise EngineError(f"{self.description} has had no worker for {self.lost_timeout_s:g} s")

    async def run_everywhere(self, function: Callable[..., Any], *arguments: Any, timeout_s: float) -> dict[str, Any]:
        """Run a function once on every worker, beside its tasks. Returns result or exception by address.

        Raises ``TimeoutError`` where not all have answered in time.
        """
        work = self.client.run(function, *arguments, on_error="return")
        return dict(await asyncio.wait_for(work, timeout_s))

    async def close(self) -> None:
        """Leave the cluster, and stop it where it is ours."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None
        await close_quietly(self.client, self.cluster)


async def close_quietly(client: Any, cluster: Any) -> None:
    """Close both, whatever state they are in: an error on the way out must not hide the one that led here."""
    for thing in (client, cluster):
        if thing is not None:
            try:
                await asyncio.wait_for(thing.close(), CLOSE_TIMEOUT_S)
            except TimeoutError:
                # Dask 2026.7 waits for ever for a worker that was killed while it started. Nothing is left to close.
                thing.status = Status.closed
            except Exception as error:  # noqa: BLE001 - as above
                LOG.debug("closing %s: %s", type(thing).__name__, one_line(error))


def cluster_config(options: EngineOptions) -> dict[str, Any]:
    """Return the Dask configuration under which our own clusters start."""
    config: dict[str, Any] = {
        # Spilled results are pickles on disk. We read none from there, and a tile or a count never needs it.
        "distributed.worker.memory.target": False,
        "distributed.worker.memory.spill": False,
    }
    if options.dashboard is None:
        # Even without a dashboard Dask starts HTTP servers; leave them nothing to serve.
        config["distributed.scheduler.http.routes"] = []
        config["distributed.worker.http.routes"] = []
    return config


def cluster_arguments(options: EngineOptions) -> dict[str, Any]:
    """Return the keywords that ``LocalCluster`` and ``LocalCUDACluster`` share. Raises ``EngineError``."""
    if options.dashboard is not None and find_spec("bokeh") is None:
        raise EngineError("Dask's dashboard needs the package bokeh: pip install 'lazytile[dashboard]'")
    dashboard = {"dashboard": options.dashboard is not None, "dashboard_address": options.dashboard or "127.0.0.1:0"}
    return {
        "host": "127.0.0.1",
        "protocol": "tcp",
        "dashboard_address": options.dashboard,
        "scheduler_kwargs": dashboard,
        "silence_logs": logging.CRITICAL,
        "death_timeout": options.start_timeout_s,
        "preload": ["lazytile.pyramid.engines.dask_worker"],
        "asynchronous": True,
    }


async def open_own(description: str, create: Callable[[], Any], workers: int, options: EngineOptions) -> ClusterSession:
    """Start the cluster that ``create()`` returns, wait for all its workers and return the connection.

    Raises ``EngineError`` with the reason where it does not come up in ``start_timeout_s``.
    """
    cluster: Any = None
    client: Any = None
    # Dask tells of each worker's coming and going. What matters of it reaches people as our own errors and warnings.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    began = time.monotonic()
    try:
        cluster = await _started(create, options)
        client = await _client(cluster)
        if options.caches is not None:
            # A plugin, so that a worker that is started again gets its memory too.
            await client.register_plugin(CachePlugin(options.caches.divided(workers)))
        await client.wait_for_workers(workers, timeout=options.start_timeout_s)
        session = ClusterSession(description, client, cluster, options.lost_timeout_s)
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
    """Create and start a cluster. Cancelled, it is started to the end and closed: a half started one cannot be."""

    async def start() -> Any:
        # Awaited at once and in this task: LocalCUDACluster has begun to scale before it has begun to start.
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
    """Hold Ctrl-C back while processes start: they inherit it, and would each print a traceback until they are up."""
    resource_tracker.ensure_running()  # multiprocessing starts it before the first process, and lets SIGINT in after
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


async def open_local(options: EngineOptions) -> ClusterSession:
    """Start worker processes of one thread each on this machine. Raises ``EngineError``."""
    workers = options.workers or processor_count()
    create = partial(
        LocalCluster, n_workers=workers, threads_per_worker=1, processes=True, **cluster_arguments(options)
    )
    return await open_own(f"local, {workers} worker process{'es' * (workers != 1)}", create, workers, options)


async def open_scheduler(address: str, options: EngineOptions) -> ClusterSession:
    """Connect to a scheduler that runs already, and check that its workers can do our work.

    Raises ``EngineError`` where nobody answers in ``connect_timeout_s``, where there is no worker, and where a
    worker has no lazytile or another version of it.
    """
    timeout_s = options.connect_timeout_s
    client = await _connected(address, timeout_s)
    session = ClusterSession(address, client, None, options.lost_timeout_s)
    try:
        with suppress(TimeoutError):
            await client.wait_for_workers(1, timeout=timeout_s)
        await session.start()
        await _check_workers(session, timeout_s)
    except BaseException:
        await session.close()
        raise
    return session


def _client(target: Any, **options: Any) -> Any:
    """Return a client to await. It is nobody's default: Dask collections elsewhere must not find it."""
    return Client(target, asynchronous=True, set_as_default=False, **options)  # type: ignore[no-untyped-call]


async def _connected(address: str, timeout_s: float) -> Any:
    client = _client(address, timeout=timeout_s)
    try:
        async with asyncio.timeout(timeout_s):
            return await client
    except BaseException as error:
        await close_quietly(client, None)
        if isinstance(error, OSError):  # TimeoutError is one
            raise EngineError(f"no Dask scheduler answers at {address} within {timeout_s:g} s") from error
        if isinstance(error, Exception):  # TLS without keys, versions that cannot talk to each other
            raise EngineError(f"cannot connect to the Dask scheduler at {address}: {one_line(error)}") from error
        raise


async def _check_workers(session: ClusterSession, timeout_s: float) -> None:
    if not session.workers:
        raise EngineError(f"the Dask scheduler at {session.description} has no workers")
    try:
        # A function of the standard library: a worker without lazytile could not unpickle one of ours.
        answers = await session.run_everywhere(pkgutil.resolve_name, "lazytile:__version__", timeout_s=timeout_s)
    except TimeoutError as error:
        raise EngineError(f"not all workers of {session.description} answer within {timeout_s:g} s") from error
    for address, answer in answers.items():
        if isinstance(answer, ModuleNotFoundError):
            raise EngineError(f"the worker at {address} has no lazytile, it needs version {__version__}")
        if isinstance(answer, Exception):
            raise EngineError(f"the worker at {address} cannot import lazytile: {one_line(answer)}")
        if answer != __version__:
            raise EngineError(f"the worker at {address} has lazytile {answer}, this process has {__version__}")
