"""Work on many items, done by the thread that needs it and by threads of the process that have nothing else to do."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from lazytile.pyramid.core import process
from lazytile.pyramid.core.processors import processor_count

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Item = TypeVar("Item")

_END = object()


def for_all(work: Callable[[Item], None], items: Sequence[Item]) -> None:
    """Do work for each item. Whoever calls this from within such work does it alone: the others are busy already.

    Args:
        work: Called once with each item, in any thread and order, until a call raises an error.
        items: The items.
    """
    threads, count, here = _spare_threads()
    if len(items) < 2 or getattr(here, "is_busy", False):
        for item in items:
            work(item)
        return
    waiting, lock = iter(items), threading.Lock()

    def run() -> None:
        here.is_busy = True
        try:
            while True:
                with lock:
                    found = next(waiting, _END)
                if found is _END:
                    return
                work(found)  # type: ignore[arg-type]
        finally:
            here.is_busy = False

    helpers = [threads.submit(run) for _ in range(min(count, len(items)) - 1)]
    try:
        run()
    finally:
        with lock:
            waiting = iter(())  # after an error nobody needs the rest
    errors = [helper.exception() for helper in helpers if not helper.cancel()]
    for error in errors:
        if error is not None:
            raise error


def _spare_threads() -> tuple[ThreadPoolExecutor, int, threading.local]:
    """Return the threads of this process, which wait for nobody, how many processors they have, and which are busy."""

    def make() -> tuple[ThreadPoolExecutor, int, threading.local]:
        count = processor_count()
        return ThreadPoolExecutor(count, thread_name_prefix="spare"), count, threading.local()

    return process.current().resource("spare threads", make)
