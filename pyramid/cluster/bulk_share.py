"""The share of the workers that bulk work has: tiles never wait for it.

A worker has a number of places for bulk tasks, of all conversions, exports and warm-ups together: the quantity of the
resource ``lazytile-bulk`` that it declares (``dask worker --resources lazytile-bulk=4``), else half its threads. A bulk
task leaves the worker's threads to tiles, and waits for a place in a thread of its own.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lazytile.pyramid.core import process

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lazytile.pyramid.cluster.worker_address import WorkerAddress

TILE_PRIORITY, BULK_PRIORITY = 10, -10
"""Of Dask tasks: a worker and the scheduler begin those of a higher number first. Tasks of other programs have 0."""
RESOURCE = "lazytile-bulk"
"""What a worker declares to say how many bulk tasks it runs at a time; 0: none."""


class BulkShare:
    """The places of the workers, and how many tasks of one engine each has. Belongs to one event loop."""

    def __init__(self, *, is_own: bool) -> None:
        """Begin without tasks.

        Args:
            is_own: Whether this engine started the workers: then nobody else has tiles rendered there.
        """
        self._is_own = is_own
        self._tasks: Counter[str] = Counter()

    def places(self, worker: WorkerAddress) -> int:
        """Return how many bulk tasks a worker runs at a time.

        Args:
            worker: The worker.

        Returns:
            The number; 0 where it does no bulk work.
        """
        if worker.bulk is not None:
            return worker.bulk
        return worker.threads if self._is_own else max(1, worker.threads // 2)

    def limit(self, worker: WorkerAddress) -> int:
        """Return the number of places that a task has to wait for.

        Args:
            worker: Where it runs.

        Returns:
            The number; 0 where bulk tasks may have every thread, as nothing else runs there.
        """
        return 0 if self._is_own else self.places(worker)

    def workers(self, admitted: Mapping[str, WorkerAddress]) -> list[WorkerAddress]:
        """Return the workers that do bulk work: those that declare the resource, where any does.

        Args:
            admitted: Workers by name.

        Returns:
            Those of them that have places.
        """
        declaring = [worker for worker in admitted.values() if worker.bulk]
        return declaring or [worker for worker in admitted.values() if worker.bulk is None]

    def capacity(self, admitted: Mapping[str, WorkerAddress]) -> int:
        """Return the places of all workers, at least 1.

        Args:
            admitted: Workers by name.

        Returns:
            Their number.
        """
        return max(1, sum(self.places(worker) for worker in self.workers(admitted)))

    def take(self, admitted: Mapping[str, WorkerAddress]) -> WorkerAddress | None:
        """Choose the worker with the fewest tasks for its places, and count one more.

        The scheduler cannot choose: it counts no task that has left the threads of a worker.

        Args:
            admitted: Workers by name.

        Returns:
            The worker, for ``give_back``; None where none does bulk work.
        """
        workers = self.workers(admitted)
        if not workers:
            return None
        chosen = min(workers, key=lambda worker: (self._tasks[worker.address] / self.places(worker), worker.address))
        self._tasks[chosen.address] += 1
        return chosen

    def give_back(self, worker: WorkerAddress) -> None:
        """Count one task less.

        Args:
            worker: As ``take`` returned it.
        """
        self._tasks[worker.address] -= 1
        if not self._tasks[worker.address]:
            del self._tasks[worker.address]


class BulkPlaces:
    """The places for bulk tasks of this process, on a worker. Thread-safe."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._running = 0
        self._waiting: deque[object] = deque()

    @classmethod
    def current(cls) -> BulkPlaces:
        """Return those of this process.

        Returns:
            The places.
        """
        return process.current().resource("places for bulk tasks", cls)

    @contextmanager
    def taken(self, places: int) -> Iterator[None]:
        """Wait for a place, first come, first served, and have it while the block runs.

        Args:
            places: Number of places of this process.

        Yields:
            None.
        """
        with self._change:
            ticket = object()
            self._waiting.append(ticket)
            self._change.wait_for(lambda: self._running < places and self._waiting[0] is ticket)
            self._waiting.popleft()
            self._running += 1
            self._change.notify_all()
        try:
            yield
        finally:
            with self._change:
                self._running -= 1
                self._change.notify_all()
