"""The connection to a Dask cluster: opened, checked, watched and closed here.

Everything is asynchronous and belongs to one event loop; ``dask_bulk`` and ``dask_tiles`` use it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dask
from distributed import Client, Status

from lazytile.pyramid.cluster.bulk_share import RESOURCE
from lazytile.pyramid.cluster.worker_address import WorkerAddress
from lazytile.pyramid.core.errors import EngineError, EngineUnavailableError
from lazytile.pyramid.engines.protocol import one_line
from lazytile.pyramid.engines.worker_admission import Admission

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lazytile.pyramid.cluster.places import Places
    from lazytile.pyramid.engines.protocol import EngineOptions

LOG = logging.getLogger(__name__)

WATCH_INTERVAL_S = 1.0
"""How often the list of workers is refreshed."""
ANSWER_TIMEOUT_S = 5.0
"""How long the scheduler may take to answer a refresh."""
SILENCE_S = 10.0
"""How long the scheduler may be silent before work does not go through it any more."""
REFUSAL_GRACE_S = 10.0
"""How long bulk work waits for a fit worker where all present ones are left out."""
INSPECTION_S = 30.0
"""Limit for a worker's inspection, for which a busy machine may have to import our packages first."""
CLOSE_TIMEOUT_S = 10.0
ATTEMPT_S = 3.0
"""Limit of one attempt to connect again."""
UNACKNOWLEDGED_S = 11.0
"""How long what is sent to the scheduler may stay unacknowledged; Dask allows no less. Over a link that was cut for
longer, the connection would wait for its next retransmission, up to half a minute after the link is back; a new one is
there at once."""


@dataclass(slots=True)
class ClusterSession:
    """A client of a cluster, the cluster itself where this process started it, and its workers."""

    description: str
    client: Any
    cluster: Any
    """A ``LocalCluster`` that ``close`` stops; None for a cluster started elsewhere."""
    options: EngineOptions
    workers: dict[str, WorkerAddress] = field(default_factory=dict)
    """All that run, by name; refreshed every ``WATCH_INTERVAL_S`` and by ``refresh``. Work goes to admitted ones."""
    admissions: list[Admission] = field(default_factory=list)
    _scheduler_id: str = ""
    _has_another_scheduler: bool = False
    _seen_at: float = field(default_factory=time.monotonic)
    _answered_at: float = field(default_factory=time.monotonic)
    _watch: asyncio.Task[None] | None = None

    @property
    def capacity(self) -> int:
        """Number of threads of all workers, at least 1."""
        return max(1, sum(worker.threads for worker in self.workers.values()))

    @property
    def loss(self) -> str:
        """Why the session is of no use any more; empty while it is. A lost session never recovers."""
        if self.client.status != "running" or self._has_another_scheduler:
            # Also where the client connects again by itself: a new scheduler knows neither our plugins nor our tasks.
            return f"the connection to the Dask scheduler of {self.description} is lost"
        return ""

    @property
    def silence_s(self) -> float:
        """For how long the scheduler has not answered, seconds."""
        return time.monotonic() - self._answered_at

    async def start(self) -> None:
        """Read the list of workers and refresh it from now on."""
        await self.refresh()
        self._watch = asyncio.create_task(self._keep_watching())

    async def refresh(self) -> None:
        """Read the list of workers from the scheduler.

        Raises:
            OSError: The scheduler does not answer.
        """
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                identity = await self.client.scheduler.identity(n_workers=-1)
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            raise OSError("Dask's client gave the connection up") from None
        self._answered_at = time.monotonic()
        self._scheduler_id = self._scheduler_id or identity["id"]
        if identity["id"] != self._scheduler_id:
            self._has_another_scheduler = True
            return
        lost = {worker.address for worker in self.workers.values()} - set(identity["workers"])
        self.workers = {
            str(worker["name"]): _worker(address, worker)
            for address, worker in identity["workers"].items()
            if worker["status"] == "running"
        }
        for address in lost:
            # Otherwise a call that is connecting there would go on trying for half a minute.
            self.client.rpc.remove(address, reason="the worker has left")
        for admission in self.admissions:
            admission.update(self.workers)
        if self.workers:
            self._seen_at = time.monotonic()

    async def _keep_watching(self) -> None:
        while True:
            await asyncio.sleep(WATCH_INTERVAL_S)
            with suppress(OSError):  # ``loss`` and ``silence_s`` tell
                await self.refresh()

    async def admit(self, places: Places, *, patient: bool = False) -> Admission:
        """Inspect the workers for some work, those that join later too, until ``release``.

        Args:
            places: What the work reads and writes.
            patient: Whether all workers may be left out at first.

        Returns:
            The admission. Its first inspections have ended; or some worker was admitted, and those that are late may
            follow.

        Raises:
            EngineError: Workers are there, and all are left out.
        """
        limit_s = max(self.options.connect_timeout_s, INSPECTION_S)
        admission = Admission(self.client, self.description, places, limit_s, self.options.kernel_name)
        self.admissions.append(admission)
        try:
            admission.update(self.workers)
            await admission.settled(self.options.connect_timeout_s)
            if not patient:
                admission.check()
        except BaseException:
            await self.release(admission)
            raise
        return admission

    async def release(self, admission: Admission) -> None:
        """End an admission.

        Args:
            admission: Of this session.
        """
        self.admissions.remove(admission)
        await admission.close()

    def check_workers(self) -> None:
        """Check that the cluster has workers.

        Raises:
            EngineError: It has none.
        """
        if not self.workers:
            raise EngineError(f"the Dask scheduler at {self.description} has no workers")

    def check(self, admission: Admission | None = None) -> None:
        """Check that bulk work may wait for the cluster.

        Args:
            admission: Of the work, where workers are inspected for it.

        Raises:
            EngineUnavailableError: The scheduler is lost.
            EngineError: There has been no worker, or none that is fit, for too long.
        """
        if self.loss:
            raise EngineUnavailableError(self.loss)
        if time.monotonic() - self._seen_at > self.options.lost_timeout_s:
            raise EngineError(f"{self.description} has had no worker for {self.options.lost_timeout_s:g} s")
        if admission is not None and admission.empty_s > min(REFUSAL_GRACE_S, self.options.lost_timeout_s):
            admission.check()

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
        for admission in self.admissions:
            await admission.close()
        self.admissions.clear()
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None
        await close_quietly(self.client, self.cluster)


def _worker(address: str, identity: Mapping[str, Any]) -> WorkerAddress:
    """Return a worker as the scheduler describes it."""
    declared = identity.get("resources", {}).get(RESOURCE)
    return WorkerAddress(address, identity["nthreads"], None if declared is None else max(0, int(declared)))


def is_cancelled() -> bool:
    """Return whether the current task is to end: Dask's client also cancels what waits for its connections."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


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


async def open_scheduler(address: str, options: EngineOptions, *, patient: bool = False) -> ClusterSession:
    """Connect to a running scheduler.

    Args:
        address: Address of the scheduler.
        options: Timeouts.
        patient: Whether it may have no workers yet.

    Returns:
        The connection.

    Raises:
        EngineError: The scheduler does not respond within ``connect_timeout_s``, or has no workers.
    """
    # Dask tries more and more seldom within the time, so a patient caller tries again by itself.
    timeout_s = min(options.connect_timeout_s, ATTEMPT_S) if patient else options.connect_timeout_s
    client = await _connected(address, timeout_s)
    session = ClusterSession(address, client, None, options)
    try:
        if not patient:
            with suppress(TimeoutError):
                await client.wait_for_workers(1, timeout=timeout_s)
        await session.start()
        if not patient:
            session.check_workers()
    except BaseException as error:
        await session.close()
        if isinstance(error, OSError):
            raise EngineError(f"the Dask scheduler at {address} does not answer: {one_line(error)}") from error
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


def silence_dask() -> None:
    """Keep Dask's log to failures of Dask itself.

    It logs each worker that joins or leaves and each attempt to connect, with tracebacks. What matters to people is in
    our own errors and warnings.
    """
    for name in ("distributed", "distributed.client"):  # Dask's configuration sets the level of both
        logging.getLogger(name).setLevel(logging.CRITICAL)


async def _connected(address: str, timeout_s: float) -> Any:
    silence_dask()
    client = new_client(address, timeout=timeout_s)
    try:
        # Read when a connection is made.
        with dask.config.set({"distributed.comm.timeouts.tcp": f"{UNACKNOWLEDGED_S:g}s"}):
            async with asyncio.timeout(timeout_s):
                return await client
    except BaseException as error:
        await close_quietly(client, None)
        if isinstance(error, OSError):  # TimeoutError is one
            raise EngineError(f"no Dask scheduler answers at {address} within {timeout_s:g} s") from error
        if isinstance(error, Exception):  # TLS without keys, versions that cannot talk to each other
            raise EngineError(f"cannot connect to the Dask scheduler at {address}: {one_line(error)}") from error
        raise
