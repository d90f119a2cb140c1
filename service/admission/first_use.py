"""What is computed on first use and takes long, such as limits of tiles, time axes and projections: in a thread."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import NotComputedError
from lazytile.service.admission.work_class import WorkClass

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazytile.pyramid.core.stop_flag import StopFlag
    from lazytile.service.admission.admission import Admission

Value = TypeVar("Value")

TRIES = 4
"""Values that a request may wait for, each computed for another one, before it computes all itself."""


async def computed(admission: Admission, function: Callable[[], Value]) -> Value:
    """Return what a function returns that may use what takes long to compute.

    Where all of that is known, the function runs here at once, else as a whole in a thread. Who lacks the same
    meanwhile waits for that and tries again, a few times: caches may forget at once.

    Args:
        admission: The bounded queue.
        function: It may run several times, to anywhere but for the last time.

    Returns:
        What it returns.

    Raises:
        BusyError: The queue is full.
        OverdueError: It took too long.
        LazytileError: What the function raises.
    """
    for _ in range(TRIES):
        try:
            return process.if_known(function)
        except NotComputedError as error:
            lacking = error.key
        if lacking is None:
            break  # another request's work would be of no use to this one
        own: Future[Value] = Future()
        await admission.in_thread(WorkClass.PREPARATION, _settling(own, function), key=repr(lacking))
        if own.done():
            return own.result()
    return await admission.in_thread(WorkClass.PREPARATION, lambda _: function())


def _settling(future: Future[Value], function: Callable[[], Value]) -> Callable[[StopFlag], None]:
    """Return a function that has a future hold what another one returns or raises: it is for one request alone."""

    def settle(stop: StopFlag) -> None:
        del stop  # it takes some milliseconds
        try:
            future.set_result(function())
        except Exception as error:  # noqa: BLE001 - whoever takes the result raises it
            future.set_exception(error)

    return settle
