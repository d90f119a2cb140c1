"""Threads of this process for bulk work where no engine is given."""

from __future__ import annotations

import os
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lazytile.pyramid.engines.protocol import Item, Result


@dataclass(frozen=True, slots=True)
class ThreadMapper:
    """Threads of this process; what ``build`` uses where no engine is given."""

    workers: int = 0
    """0 takes as many as the process may use processors."""

    def map(self, function: Callable[[Item], Result], items: Sequence[Item], *, label: str) -> Iterator[Result]:
        """Yield the results as they come; at most one item a thread waits."""
        workers = self.workers or _processors()
        waiting = iter(items)
        with ThreadPoolExecutor(workers, thread_name_prefix=label) as pool:
            running: set[Future[Result]] = {pool.submit(function, item) for item in islice(waiting, workers + 1)}
            try:
                while running:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    running |= {pool.submit(function, item) for item in islice(waiting, len(done))}
                    for future in done:
                        yield future.result()
            finally:
                for future in running:
                    future.cancel()


def _processors() -> int:
    """Return how many processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
