"""The retry of work on a dataset that was replaced while the work was in progress."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import GenerationChangedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

ATTEMPTS = 2
"""A dataset may be replaced after a request is resolved; the second attempt resolves the new one."""


def generation_attempts() -> Iterator[GenerationAttempt]:
    """Yield attempts until one succeeds; for synchronous and asynchronous code alike.

    Each attempt must resolve again what depends on a generation::

        for attempt in generation_attempts():
            with attempt:
                tile = render(resolve(address))

    Yields:
        Context managers. All but the last suppress ``GenerationChangedError``; other exceptions pass through.
    """
    for number in range(1, ATTEMPTS + 1):
        attempt = GenerationAttempt(is_first=number == 1, is_last=number == ATTEMPTS)
        yield attempt
        if attempt.has_succeeded:
            return


class GenerationAttempt:
    """One attempt."""

    def __init__(self, *, is_first: bool, is_last: bool) -> None:
        self.is_repeated = not is_first
        """Whether the dataset was replaced during the attempt before: it must be read again."""
        self._is_last = is_last
        self.has_succeeded = False

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self.has_succeeded = error is None
        return isinstance(error, GenerationChangedError) and not self._is_last
