"""A bounded number of tasks under way, results in the order of finishing: the ``map`` of every bulk engine."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, wait
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lazytile.pyramid.engines.protocol import Item, Result


def bounded_results(
    start: Callable[[Item], Future[Result]],
    items: Iterable[Item],
    limit: int,
    cancel: Callable[[set[Future[Result]]], None],
) -> Iterator[Result]:
    """Yield the results of tasks in the order of finishing, with a bounded number under way.

    Args:
        start: Starts the task of an item.
        items: Items, drawn only when their tasks start.
        limit: Tasks under way at most.
        cancel: Called with the tasks under way where the iteration ends early (a task's exception, an interrupt, the
            caller's ``close``). Returns when none of them runs any more: the caller is about to clean up.

    Yields:
        The result of each task.
    """
    source = iter(items)
    pending: set[Future[Result]] = set()
    try:
        while True:
            for item in islice(source, limit - len(pending)):
                pending.add(start(item))
            if not pending:
                return
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            while done:
                yield done.pop().result()
    finally:
        if pending:
            cancel(pending)
