"""The event loop of a server process."""

from __future__ import annotations

import asyncio
import gc
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lazytile.service.http.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Coroutine


SWITCH_S = 0.00005
"""How long the event loop waits for a thread that holds the interpreter's lock, in place of Python's 5 ms. It waits so
after each read and write of a socket, a few times a request, while a style is compiled or a legend drawn."""
YOUNG_OBJECTS = 10_000
"""New objects after which the garbage collector looks at them, in place of Python's 700: it holds the interpreter's
lock meanwhile, and a thousand connections are as many objects at once."""


def let_loop_go_first() -> None:
    """Make threads of this process hand the interpreter's lock to the event loop soon."""
    sys.setswitchinterval(SWITCH_S)


def settle_heap() -> None:
    """Keep what exists now out of the garbage collector's way.

    A server process has about a million objects once it is open, and a full collection of them takes the interpreter's
    lock for a tenth of a second; a burst of connections caused one after another. What was settled before and is no
    longer used, since the application was replaced, is collected first. Only for processes that do nothing but serve.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])


def run(main: Coroutine[Any, Any, None], event_loop: str) -> None:
    """Run a coroutine to its end.

    Args:
        main: The coroutine.
        event_loop: ``asyncio`` or ``uvloop``.

    Raises:
        ServiceError: uvloop is not installed.
    """
    if event_loop == "asyncio":
        asyncio.run(main)
        return
    try:
        factory = import_module("uvloop").new_event_loop
    except ImportError as error:
        main.close()
        raise ServiceError("setting event_loop: uvloop is not installed, the extra lazytile[uvloop] has it") from error
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main)
