"""What a process has one of: its caches, and every other object that all code in it shares.

Some of what is created on first use takes milliseconds or more. Code on an event loop calls it through ``if_known``:
there it raises ``NotComputedError`` in place of being created, and the caller has a thread do the whole instead.

This is the only module with global state. A program of ours sets its process up (``begin``, ``install``) and passes
caches down; a renderer on a Dask worker, which receives a task and nothing else, finds them here.
"""

from __future__ import annotations

import functools
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, TypeVarTuple

from lazytile.pyramid.core.allocator import keep_freed_memory
from lazytile.pyramid.core.caches import CacheBudget, Caches
from lazytile.pyramid.core.errors import EngineError, NotComputedError
from lazytile.pyramid.core.memory_size import default_memory_bytes, machine_memory_bytes, parse_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from lazytile.pyramid.core.byte_lru import BytesLru

LIBRARY_BYTES = 256 << 20
"""Memory of the caches without an installation: in a user's program, or in one Dask worker of many. At most, by
default; ``MEMORY_VARIABLE`` sets another size."""
MEMORY_VARIABLE = "LAZYTILE_MEMORY"

MEMO_BYTES = 600
"""Estimated size of a small result and its arguments."""

Resource = TypeVar("Resource")
Arguments = TypeVarTuple("Arguments")


@dataclass(frozen=True, slots=True)
class _Memo(Generic[Resource]):
    result: Resource
    nbytes: int = MEMO_BYTES


class _Here(threading.local):
    """What holds for the running thread."""

    knows_only = False
    """Whether nothing that takes long may be computed."""


class Process:
    """The caches of a process, and its resources: objects that are created on first use, one of each."""

    def __init__(self, budget: CacheBudget) -> None:
        self.caches = Caches(budget)
        self.here = _Here()
        self._resources: dict[Hashable, Any] = {}
        self._lock = threading.RLock()

    def resource(self, key: Hashable, make: Callable[[], Resource]) -> Resource:
        """Return a resource of the process; create it on first use. Thread-safe.

        Args:
            key: Name of the resource.
            make: Creates it.

        Returns:
            The resource, the same object for every caller.
        """
        found: Resource | None = self._resources.get(key)
        if found is None:
            with self._lock:
                found = self._resources.get(key)
                if found is None:
                    found = self._resources[key] = make()
        return found

    def replace(self, key: Hashable, resource: Any) -> None:
        """Set a resource of the process. Thread-safe.

        Args:
            key: Name of the resource.
            resource: The resource; one that was there is forgotten, not closed.
        """
        with self._lock:
            self._resources[key] = resource


_lock = threading.Lock()
_process: Process | None = None


def begin() -> None:
    """Set up a process that lazytile starts, before it does anything else."""
    keep_freed_memory()


def install(budget: CacheBudget) -> Process:
    """Replace the process by one with empty caches and no resources.

    Args:
        budget: Memory of the caches.

    Returns:
        The process.
    """
    global _process  # noqa: PLW0603 - the one global variable
    with _lock:
        _process = Process(budget)
        return _process


def reinstall(earlier: Process) -> None:
    """Put a process back that another one has replaced, with all its caches and resources.

    Args:
        earlier: The process, as ``current`` returned it.
    """
    global _process  # noqa: PLW0603 - as above
    with _lock:
        _process = earlier


def current() -> Process:
    """Return the process as installed; without an installation, one with the budget of the environment or a default.

    Raises:
        EngineError: The environment variable ``LAZYTILE_MEMORY`` is no size.
    """
    global _process  # noqa: PLW0603 - as above
    if _process is None:
        with _lock:
            if _process is None:
                _process = Process(CacheBudget.renderer(_library_bytes()))
    return _process


def _library_bytes() -> int:
    text = os.environ.get(MEMORY_VARIABLE)
    if text is None:
        return min(LIBRARY_BYTES, default_memory_bytes())
    try:
        return parse_memory(text, machine_memory_bytes())
    except ValueError as error:
        raise EngineError(f"{MEMORY_VARIABLE} {error}") from error


def cache(name: str) -> BytesLru[Any]:
    """Return a cache of the process.

    Args:
        name: One of ``caches.SHARES``.

    Returns:
        The cache.
    """
    return current().caches[name]


def memo(function: Callable[[*Arguments], Resource]) -> Callable[[*Arguments], Resource]:
    """Cache the small results of a pure function in the share ``memos``.

    Args:
        function: Takes hashable arguments. Exceptions are not cached.

    Returns:
        The function, looking its results up first.
    """

    @functools.wraps(function)
    def cached(*arguments: *Arguments) -> Resource:
        found: _Memo[Resource] = cache("memos").get((function, arguments), lambda: _Memo(function(*arguments)))
        return found.result

    return cached


def slow_memo(function: Callable[[*Arguments], Resource]) -> Callable[[*Arguments], Resource]:
    """Cache the small results of a pure function as ``memo`` does, where computing one may take a millisecond.

    Args:
        function: Takes hashable arguments. Exceptions are not cached.

    Returns:
        The function, looking its results up first. Within ``if_known`` it computes none.
    """

    @functools.wraps(function)
    def cached(*arguments: *Arguments) -> Resource:
        found: _Memo[Resource] = computed("memos", (function, arguments), lambda: _Memo(function(*arguments)))
        return found.result

    return cached


def computed(name: str, key: Hashable, make: Callable[[], Resource]) -> Resource:
    """Return a value from a cache of the process; compute it where it is not there, which may take a millisecond.

    Args:
        name: As for ``cache``.
        key: Names the value.
        make: Computes it.

    Returns:
        The value.

    Raises:
        NotComputedError: It is not in the cache, within ``if_known``.
    """
    process = current()
    if not process.here.knows_only:
        value: Resource = process.caches[name].get(key, make)
        return value
    found: Resource | None = process.caches[name].peek(key, again=True)
    if found is None:
        raise NotComputedError(f"a value of the cache {name} is not computed", (name, key))
    return found


def may_compute() -> bool:
    """Return whether something that takes a millisecond may be done here: not within ``if_known``."""
    return not current().here.knows_only


def check_may_compute(what: str) -> None:
    """Check that something which may take a millisecond may be done here.

    Args:
        what: What is done, for people.

    Raises:
        NotComputedError: It may not, within ``if_known``.
    """
    if not may_compute():
        raise NotComputedError(f"{what} takes long")


def if_known(function: Callable[[], Resource]) -> Resource:
    """Return what a function returns, if that needs nothing computed that takes long.

    Args:
        function: Runs in this thread. It may end anywhere, so it must leave nothing half done.

    Returns:
        Its result.

    Raises:
        NotComputedError: Something would have to be computed first.
    """
    here = current().here
    before, here.knows_only = here.knows_only, True
    try:
        return function()
    finally:
        here.knows_only = before
