"""Calls to the shared place: each has a time limit, and what fails again and again is left alone for a while.

A place may answer and take nothing: a full Redis, a replica, a bucket without the right to write. Reading goes on then.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from lazytile.pyramid.core.conditions import Conditions
from lazytile.service.shared_cache.circuit_breaker import CircuitBreaker

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from lazytile.service.http.metrics import Metrics

Value = TypeVar("Value")

CONDITION = "shared tile cache"
WRITING = "shared tile cache, writing"


class GuardedCalls:
    """Waits for answers of one place. Belongs to one event loop."""

    def __init__(self, place: str, timeout_s: float, metrics: Metrics) -> None:
        """Ask nothing yet.

        Args:
            place: What messages call it.
            timeout_s: Of each answer.
            metrics: Counts errors.
        """
        self._place = place
        self._timeout_s = timeout_s
        self._metrics = metrics
        self.breaker, self.write_breaker = CircuitBreaker(), CircuitBreaker()
        self._probing = False
        """Whether an answer is waited for."""

    @property
    def is_on(self) -> bool:
        """Whether anything may be asked at the moment: of a place that has failed, by one request at a time."""
        return self.breaker.allows and not (self.breaker.is_open and self._probing)

    async def ask(self, answer: Awaitable[Value], default: Value) -> Value:
        """Wait for an answer.

        Args:
            answer: A call of the place, not yet begun.
            default: Returned where it fails, or nothing may be asked.

        Returns:
            The answer.
        """
        if not self.is_on:
            _dispose(answer)
            return default
        found, error = await self._outcome(answer, default)
        if error is not None:
            self.breaker.failed()
            if self.breaker.is_open:
                problem = f"{self._place} is not used at the moment: {_name_of(error)}; every host computes for itself"
                Conditions.current().report(CONDITION, problem, ready=True)
                Conditions.current().clear(WRITING)  # it takes nothing since it does not answer
        return found

    async def write(self, answer: Awaitable[Value], default: Value) -> Value:
        """Wait until something is written.

        Args:
            answer: A call of the place that makes something new there, not yet begun.
            default: Returned where it fails, or nothing may be written.

        Returns:
            The answer.
        """
        if not (self.is_on and self.write_breaker.allows):
            _dispose(answer)
            return default
        found, error = await self._outcome(answer, default)
        if error is not None:
            self.write_breaker.failed()
            if self.write_breaker.is_open and not self.breaker.is_open:
                problem = f"{self._place} takes no tiles at the moment: {_name_of(error)}; they are not shared"
                Conditions.current().report(WRITING, problem, ready=True)
        else:
            if self.write_breaker.is_open:
                Conditions.current().clear(WRITING)
            self.write_breaker.succeeded()
        return found

    async def _outcome(self, answer: Awaitable[Value], default: Value) -> tuple[Value, Exception | None]:
        """Return an answer, or the default and what happened."""
        self._probing = True
        try:
            async with asyncio.timeout(self._timeout_s):
                found = await answer
        except Exception as error:  # noqa: BLE001 - whatever happens there, no request fails for it
            self._metrics.shared_cache.labels("error").inc()
            return default, error
        finally:
            self._probing = False
        if self.breaker.is_open:
            Conditions.current().clear(CONDITION)
        self.breaker.succeeded()
        return found, None

    def close(self) -> None:
        """Report nothing any more."""
        for condition in (CONDITION, WRITING):
            Conditions.current().clear(condition)


def _name_of(error: Exception) -> str:
    """Name an error. Its text may have a password in it."""
    return "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__


def _dispose(answer: Awaitable[object]) -> None:
    if asyncio.iscoroutine(answer):
        answer.close()
