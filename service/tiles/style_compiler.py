"""Compiled styles for requests: in a thread, equal ones once at a time, a bounded number of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from lazytile.pyramid.engines.single_flight import SingleFlight
from lazytile.pyramid.render.style import StyleNotCompiledError
from lazytile.service.tiles.admission import WorkClass

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazytile.pyramid.catalog.resolver import Resolver
    from lazytile.pyramid.catalog.snapshot import Snapshot
    from lazytile.pyramid.render.style import Style, StyleKey
    from lazytile.service.tiles.admission import Admission

Result = TypeVar("Result")


class StyleCompiler:
    """Resolves requests on an event loop, and compiles in a thread the style that one lacks."""

    def __init__(self, admission: Admission) -> None:
        """Compile within limits.

        Args:
            admission: The bounded queue.
        """
        self._admission = admission
        self._flights: SingleFlight[Style] = SingleFlight()

    async def resolved(self, snapshot: Snapshot, resolve: Callable[[Resolver], Result]) -> Result:
        """Return what a function makes of a resolver; call it again once the style that it lacked is compiled.

        Args:
            snapshot: The catalogue to resolve by.
            resolve: Takes a resolver that compiles no style.

        Returns:
            The result of the function.

        Raises:
            BusyError: Too many styles wait to be compiled.
            OverdueError: The style was not compiled within the time limit.
            LazytileError: What the function raises, or the style is invalid.
        """
        compiled: dict[StyleKey, Style] = {}
        resolver = snapshot.resolver()
        while True:
            try:
                return resolve(resolver)
            except StyleNotCompiledError as lacking:
                layer, name, rescale_to = lacking.layer, lacking.name, lacking.rescale_to
            key = snapshot.styles.key(layer, name, rescale_to)
            make = lambda: snapshot.styles.style(layer, name, rescale_to)  # noqa: E731, B023 - called in this turn
            compiled[key] = await self._flights.run(repr(key), lambda: self._in_thread(make))  # noqa: B023 - as above
            resolver = snapshot.resolver(compiled)

    async def drawn(self, make: Callable[[], Result]) -> Result:
        """Return what a function makes of a colormap, such as a legend; it runs in a thread.

        Args:
            make: The function.

        Returns:
            Its result.

        Raises:
            BusyError: Too much of this kind waits already.
            OverdueError: It took too long.
            LazytileError: What the function raises.
        """
        return await self._in_thread(make)

    async def _in_thread(self, make: Callable[[], Result]) -> Result:
        async with self._admission.time_limit(WorkClass.STYLE), self._admission.slot(WorkClass.STYLE):
            work = asyncio.ensure_future(asyncio.to_thread(make))
            try:
                return await asyncio.shield(work)
            except asyncio.CancelledError:
                # A thread cannot be stopped, and its slot is taken until it ends.
                work.cancel()
                await asyncio.wait((work,))
                raise

    async def close(self) -> None:
        """Cancel the work in progress."""
        await self._flights.cancel()
