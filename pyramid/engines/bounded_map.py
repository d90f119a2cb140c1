"""A bounded number of tasks under way, results as they finish: what every bulk engine's ``map`` does."""

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
    settle: Callable[[set[Future[Result]]], None],
) -> Iterator[Result]:
    """Yield the result of ``start(item)`` for every item, in the order of finishing, at most ``limit`` at once.

    Where the iteration ends early (a task's exception, an interrupt, the caller's ``close``), ``settle`` is given
    what is still under way and returns when nothing of it runs any more: the caller is about to clean up.
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
            settle(pending)
