"""Bulk work on a Dask cluster; opening a session and awaiting a result, which tiles use too."""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from concurrent.futures import Future, wait
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from distributed import KilledWorker
from distributed.client import FutureCancelledError

from lazytile.pyramid.cluster.bulk_share import BULK_PRIORITY, RESOURCE, TILE_PRIORITY, BulkShare
from lazytile.pyramid.cluster.loop_thread import LoopThread
from lazytile.pyramid.cluster.places import NOWHERE
from lazytile.pyramid.core.errors import EngineError, EngineUnavailableError
from lazytile.pyramid.engines.bounded_map import bounded_results
from lazytile.pyramid.engines.dask_cluster import open_local
from lazytile.pyramid.engines.dask_session import open_scheduler
from lazytile.pyramid.engines.dask_worker import NotInspected, run_task, stop_map

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from types import TracebackType

    from lazytile.pyramid.cluster.places import Places
    from lazytile.pyramid.engines.dask_session import ClusterSession
    from lazytile.pyramid.engines.protocol import EngineOptions, EngineSpec, Item, Result
    from lazytile.pyramid.engines.worker_admission import Admission

LOG = logging.getLogger(__name__)

TASKS_PER_PLACE = 4
"""Tasks under way for each place of the workers: a new one takes 20 ms to arrive."""
CHECK_INTERVAL_S = 2.0
"""Interval at which a wait for a result checks that the cluster is alive."""
STOP_TIMEOUT_S = 60.0
"""Limit of an interrupted map's wait for the tasks that run on the workers."""
STOP_INTERVAL_S = 0.02
WAIT_INTERVAL_S = 0.1
"""Interval at which a task looks for an admitted worker."""
MAX_ATTEMPTS = 8
"""How often a task is submitted whose workers all leave, or were started anew."""
MAX_ADDRESSES = 64
"""Most workers that a task is offered: their addresses travel with it."""


async def cluster_result(session: ClusterSession, future: Any, check: Callable[[], None] | None = None) -> Any:
    """Wait for a Dask future, and no longer than its cluster lasts.

    Args:
        session: The cluster.
        future: A Dask future of it, released here.
        check: Raises where waiting makes no sense any more; None: the session's own check.

    Returns:
        The task's result; its exceptions are raised unchanged, as are those of ``check``.

    Raises:
        EngineUnavailableError: The connection is lost.
        EngineError: The cluster lost the task.
    """
    answer = asyncio.ensure_future(future.result())
    try:
        while True:
            done, _ = await asyncio.wait({answer}, timeout=CHECK_INTERVAL_S)
            if done:
                return answer.result()
            (check or session.check)()
    except KilledWorker as error:
        raise EngineError(f"a task of {session.description} lost its worker repeatedly") from error
    except FutureCancelledError as error:
        raise EngineUnavailableError(
            f"the connection to the Dask scheduler of {session.description} is lost"
        ) from error
    finally:
        _release(future, answer)


class StrandedError(Exception):
    """All workers that a task could run on are gone."""


async def admitted_result(
    session: ClusterSession,
    admission: Admission,
    key: tuple[Any, ...],
    function: Callable[..., Any],
    *arguments: Any,
    share: BulkShare | None = None,
) -> Any:
    """Run a function as a Dask task on an admitted worker: a tile, or with ``share`` bulk work.

    Args:
        session: The cluster.
        admission: Of the work.
        key: Of the task; one that is submitted again has another last part.
        function: Returns ``NotInspected`` where its process was not inspected. Of bulk work it also takes ``places``,
            the number that its worker has, or 0.
        arguments: Of the function.
        share: Of bulk work; a tile comes first everywhere, on any worker.

    Returns:
        What the function returns.

    Raises:
        EngineError: The cluster lost the task repeatedly, or the connection, or has no worker for it.
    """

    def check(addresses: Collection[str]) -> None:
        session.check(admission)
        if not {worker.address for worker in session.workers.values()}.intersection(addresses):
            raise StrandedError

    for attempt in range(MAX_ATTEMPTS):
        while not admission.workers:
            session.check(admission)
            await asyncio.sleep(WAIT_INTERVAL_S)
        with _placement(session, admission, share) as (addresses, options):
            future = session.client.submit(
                function, *arguments, key=(*key, attempt), pure=False, workers=addresses, **options
            )
            try:
                result = await cluster_result(session, future, partial(check, addresses))
            except StrandedError:
                continue
        if not isinstance(result, NotInspected):
            return result
        admission.doubt(result.address, result.incarnation)
        await admission.settled()
    raise EngineError(f"a task of {session.description} lost its worker repeatedly")


@contextmanager
def _placement(
    session: ClusterSession, admission: Admission, share: BulkShare | None
) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """Yield the workers that a task may run on, and more options of ``Client.submit``."""
    if share is None:
        every = [worker.address for worker in admission.workers.values()]
        yield every if len(every) <= MAX_ADDRESSES else random.sample(every, MAX_ADDRESSES), {"priority": TILE_PRIORITY}
        return
    worker = share.take(admission.workers)
    if worker is None:
        raise EngineError(f"no worker of {session.description} does bulk work: each declares {RESOURCE}=0")
    resources = {"resources": {RESOURCE: 1}} if worker.bulk else {}
    try:
        yield [worker.address], {"priority": BULK_PRIORITY, "places": share.limit(worker), **resources}
    finally:
        share.give_back(worker)


def _release(future: Any, answer: asyncio.Future[Any]) -> None:
    """Release a Dask future. The scheduler forgets a task without a client: it cancels the task or frees the result.

    A result that is being fetched is awaited first. A client fetches the results of all its futures in one shared
    request, and one that is cancelled before it begins makes every later fetch fail (``Client._gather``).
    """

    def release(answered: asyncio.Future[Any]) -> None:
        if not answered.cancelled():
            answered.exception()  # nobody waits for it any more
        future.release()

    if answer.done() or not future.done():
        answer.cancel()
        future.release()
    else:
        answer.add_done_callback(release)


async def open_session(spec: EngineSpec, options: EngineOptions, *, patient: bool = False) -> ClusterSession:
    """Connect to the cluster of an engine, starting one for ``local``, ``cuda`` and ``auto``.

    Args:
        spec: Which engine.
        options: How to start it.
        patient: Whether an existing scheduler may have no workers yet.

    Returns:
        The session; the caller closes it.

    Raises:
        EngineError: The cluster cannot be started or reached, or the engine has none.
    """
    match spec.kind:
        case "local":
            return await open_local(options)
        case "scheduler":
            return await open_scheduler(spec.address, options, patient=patient)
        case "cuda" | "auto":
            from lazytile.pyramid.engines.cuda import open_cuda  # noqa: PLC0415 - only these two look for GPUs

            return await open_cuda(options)
        case "threads":
            raise EngineError("the engine threads has no cluster")


class DaskBulkEngine:
    """Bulk work on a Dask cluster. See ``BulkEngine``."""

    def __init__(self, spec: EngineSpec, options: EngineOptions) -> None:
        """Open the session on its own event loop. Raises ``EngineError``."""
        self._loop: LoopThread | None = LoopThread()
        try:
            self._session = self._loop.call(self._opened(spec, options))
            self._share = BulkShare(is_own=self._session.cluster is not None)
        except BaseException:
            self._loop.close()
            raise

    @staticmethod
    async def _opened(spec: EngineSpec, options: EngineOptions) -> ClusterSession:
        """Open the session and check that some worker can do our work at all. Raises ``EngineError``."""
        session = await open_session(spec, options)
        try:
            await session.release(await session.admit(NOWHERE))
        except BaseException:
            await session.close()
            raise
        return session

    @property
    def description(self) -> str:
        """One line for people."""
        return self._session.description

    @property
    def capacity(self) -> int:
        """Places for bulk tasks of all workers at present."""
        return self._share.capacity(self._session.workers)

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], *, label: str, places: Places = NOWHERE
    ) -> Iterator[Result]:
        """Yield results in the order of finishing."""
        token = uuid.uuid4().hex
        counter = iter(range(2**63))
        admission = self._open_loop().call(self._session.admit(places))

        def start(item: Item) -> Future[Result]:
            key = (f"{label}-{token}", next(counter))
            arguments = (token, admission.token, function, item)
            return self._open_loop().start(
                admitted_result(self._session, admission, key, run_task, *arguments, share=self._share)
            )

        def cancel(pending: set[Future[Result]]) -> None:
            loop = self._open_loop()
            try:
                loop.call(self._stop(token))
            finally:
                for future in pending:
                    future.cancel()
                wait(pending)

        try:
            yield from bounded_results(start, items, self.capacity * TASKS_PER_PLACE, cancel)
        finally:
            if self._loop is not None:
                self._loop.call(self._session.release(admission))

    async def _stop(self, token: str) -> None:
        """Prevent further tasks of a map and return when none runs."""
        if self._session.loss:
            return  # its workers end their tasks and themselves
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                while True:
                    answers = await self._session.run_everywhere(stop_map, token, timeout_s=STOP_TIMEOUT_S)
                    if not any(answer for answer in answers.values() if not isinstance(answer, Exception)):
                        return
                    await asyncio.sleep(STOP_INTERVAL_S)
        except (OSError, TimeoutError):
            LOG.warning("tasks of %s may still be running: its workers do not answer", self.description)

    def close(self) -> None:
        """Close the session and end its loop."""
        loop, self._loop = self._loop, None
        if loop is not None:
            try:
                loop.call(self._session.close())
            finally:
                loop.close()

    def _open_loop(self) -> LoopThread:
        if self._loop is None:
            raise EngineError("the engine is closed")
        return self._loop

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
