"""The connection to a Dask cluster: opened, checked, watched and closed here.

Everything is asynchronous and belongs to one event loop; ``dask_bulk`` and ``dask_tiles`` use it.
"""

from __future__ import annotations

import asyncio
import logging
import pkgutil
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from distributed import Client, Status

from lazytile import __version__
from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.engines.protocol import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazytile.pyramid.engines.protocol import EngineOptions

LOG = logging.getLogger(__name__)

WATCH_INTERVAL_S = 1.0
"""How often the list of workers is refreshed."""
CLOSE_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class WorkerAddress:
    """The present address of a worker. When its nanny restarts it, its name stays and its address changes."""

    address: str
    threads: int


@dataclass(slots=True)
class ClusterSession:
    """A client of a cluster, the cluster itself where this process started it, and its workers."""

    description: str
    client: Any
    cluster: Any
    """A ``LocalCluster`` that ``close`` stops; None for a cluster started elsewhere."""
    lost_timeout_s: float
    workers: dict[str, WorkerAddress] = field(default_factory=dict)
    """By name; refreshed every ``WATCH_INTERVAL_S`` and by ``refresh``."""
    _seen_at: float = field(default_factory=time.monotonic)
    _watch: asyncio.Task[None] | None = None

    @property
    def capacity(self) -> int:
        """Number of threads of all workers, at least 1."""
        return max(1, sum(worker.threads for worker in self.workers.values()))

    async def start(self) -> None:
        """Read the list of workers and refresh it from now on."""
        await self.refresh()
        self._watch = asyncio.create_task(self._keep_watching())

    async def refresh(self) -> None:
        """Read the list of workers from the scheduler."""
        identity = await self.client.scheduler.identity(n_workers=-1)
        lost = {worker.address for worker in self.workers.values()} - set(identity["workers"])
        self.workers = {
            str(worker["name"]): WorkerAddress(address, worker["nthreads"])
            for address, worker in identity["workers"].items()
            if worker["status"] == "running"
        }
        for address in lost:
            # Otherwise a call that is connecting there would go on trying for half a minute.
            self.client.rpc.remove(address, reason="the worker has left")
        if self.workers:
            self._seen_at = time.monotonic()

    async def _keep_watching(self) -> None:
        while True:
            await asyncio.sleep(WATCH_INTERVAL_S)
            with suppress(OSError, TimeoutError):  # the client reconnects by itself; check() raises when it gave up
                await self.refresh()

    def check(self) -> None:
        """Check that waiting for the cluster makes sense.

        Raises:
            EngineError: The scheduler is lost, or there has been no worker for ``lost_timeout_s``.
        """
        if self.client.status not in {"running", "connecting"}:
            raise EngineError(f"the connection to the Dask scheduler of {self.description} is lost")
        if time.monotonic() - self._seen_at > self.lost_timeout_s:
            raise EngineError(f"{self.description} has had no worker for {self.lost_timeout_s:g} s")

    async def run_everywhere(self, function: Callable[..., Any], *arguments: Any, timeout_s: float) -> dict[str, Any]:
        """Run a function once on every worker, outside its task queue.

        Args:
            function: The function.
            arguments: Its arguments.
            timeout_s: How long to wait.

        Returns:
            Result or exception by the worker's address.

        Raises:
            TimeoutError: A worker has not responded in time.
        """
        work = self.client.run(function, *arguments, on_error="return")
        return dict(await asyncio.wait_for(work, timeout_s))

    async def close(self) -> None:
        """Disconnect from the cluster, and stop it where this process started it."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None
        await close_quietly(self.client, self.cluster)


async def close_quietly(client: Any, cluster: Any) -> None:
    """Close a client and a cluster in any state. Errors are logged: they must not hide the one that led here.

    Args:
        client: The client, or None.
        cluster: The cluster, or None.
    """
    for each in (client, cluster):
        if each is not None:
            try:
                await asyncio.wait_for(each.close(), CLOSE_TIMEOUT_S)
            except TimeoutError:
                # Dask 2026.7 waits for ever for a worker that was killed while it started. Nothing is left to close.
                each.status = Status.closed
            except Exception as error:  # noqa: BLE001 - as above
                LOG.debug("closing %s: %s", type(each).__name__, one_line(error))


async def open_scheduler(address: str, options: EngineOptions) -> ClusterSession:
    """Connect to a running scheduler, and check that its workers have this version of lazytile.

    Args:
        address: Address of the scheduler.
        options: Timeouts.

    Returns:
        The connection.

    Raises:
        EngineError: The scheduler does not respond within ``connect_timeout_s``, has no workers, or one of them has
            no lazytile or another version of it.
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


def new_client(target: Any, **options: Any) -> Any:
    """Return a client to be awaited. It is not Dask's default: collections elsewhere in the program must not use it.

    Args:
        target: A cluster, or the address of a scheduler.
        options: Further arguments of ``Client``.

    Returns:
        The client.
    """
    return Client(target, asynchronous=True, set_as_default=False, **options)  # type: ignore[no-untyped-call]


async def _connected(address: str, timeout_s: float) -> Any:
    client = new_client(address, timeout=timeout_s)
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
