"""Asynchronous twins of methods: the same work in a thread, so that an event loop goes on meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

Self = TypeVar("Self")
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def async_method(
    method: Callable[Concatenate[Self, Arguments], Result],
) -> Callable[Concatenate[Self, Arguments], Coroutine[Any, Any, Result]]:
    """Return the twin of a method.

    Args:
        method: Blocks while it works.

    Returns:
        Takes the same arguments; the method runs in a thread.
    """

    async def twin(self: Self, /, *arguments: Arguments.args, **options: Arguments.kwargs) -> Result:
        return await asyncio.to_thread(method, self, *arguments, **options)

    _name(twin, method)
    return twin


def async_function(method: Callable[Arguments, Result]) -> Callable[Arguments, Coroutine[Any, Any, Result]]:
    """Return the twin of a function.

    Args:
        method: Blocks while it works.

    Returns:
        Takes the same arguments; the function runs in a thread.
    """

    async def twin(*arguments: Arguments.args, **options: Arguments.kwargs) -> Result:
        return await asyncio.to_thread(method, *arguments, **options)

    _name(twin, method)
    return twin


def _name(twin: Any, method: Any) -> None:
    twin.__name__ = f"{method.__name__}_async"
    twin.__qualname__ = f"{method.__qualname__}_async"
    twin.__module__ = method.__module__
    twin.__doc__ = f"{method.__doc__}\n\nThis is the asynchronous twin: it works in a thread."
