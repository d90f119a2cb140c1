"""The event loop of a server process."""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lazytile.service.http.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Coroutine


SWITCH_S = 0.0005
"""How long the event loop waits for a thread that holds the interpreter's lock, in place of Python's 5 ms: a style that
is compiled would delay every tile in memory by several times that."""


def let_loop_go_first() -> None:
    """Make threads of this process hand the interpreter's lock to the event loop soon."""
    sys.setswitchinterval(SWITCH_S)


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
