"""Compiled styles for requests, and what else they resolve by: in a thread, equal styles once at a time."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from lazytile.colormaps.core.errors import LazytileError
from lazytile.pyramid.core.conditions import Conditions
from lazytile.pyramid.render.style import DEFAULT, StyleNotCompiledError
from lazytile.pyramid.render.style_tables import make_tables
from lazytile.pyramid.render.uncoloured import colours_nothing, no_colour_text
from lazytile.service.admission.first_use import computed
from lazytile.service.admission.work_class import WorkClass

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazytile.pyramid.catalog.resolver import Resolver
    from lazytile.pyramid.catalog.snapshot import Snapshot
    from lazytile.pyramid.core.stop_flag import StopFlag
    from lazytile.pyramid.render.style import Style, StyleKey
    from lazytile.service.admission.admission import Admission

Result = TypeVar("Result")

LOG = logging.getLogger(__name__)


class StyleCompiler:
    """Resolves requests on an event loop, and computes in a thread what one lacks: its style, or other things."""

    def __init__(self, admission: Admission, *, renders_here: bool = True) -> None:
        """Compile within limits.

        Args:
            admission: The bounded queue.
            renders_here: Whether this process renders: then it makes the tables of a style as well.
        """
        self._admission = admission
        self._renders_here = renders_here

    async def resolved(self, snapshot: Snapshot, resolve: Callable[[Resolver], Result]) -> Result:
        """Return what a function makes of a resolver; call it again once the style that it lacked is compiled.

        Args:
            snapshot: The catalogue to resolve by.
            resolve: Takes a resolver that compiles no style.

        Returns:
            The result of the function.

        Raises:
            BusyError: Too many styles wait to be compiled, or too much else of what requests lack.
            OverdueError: The style was not compiled within the time limit.
            LazytileError: What the function raises, or the style is invalid.
        """
        compiled: dict[StyleKey, Style] = {}
        resolver = snapshot.resolver()
        while True:
            try:
                return await computed(self._admission, partial(resolve, resolver))
            except StyleNotCompiledError as error:
                lacking = error
            key = snapshot.styles.key(lacking.layer, lacking.name, lacking.rescale_to)
            compiled[key] = await self._admission.in_thread(
                WorkClass.STYLE,
                partial(_compiled, snapshot, lacking, renders_here=self._renders_here),
                key=repr(key),
            )
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
        return await self._admission.in_thread(WorkClass.STYLE, partial(_made, make))


def _compiled(snapshot: Snapshot, lacking: StyleNotCompiledError, stop: StopFlag, *, renders_here: bool) -> Style:
    """Compile a style, and say so if it colours nothing."""
    layer = lacking.layer
    style = _made(partial(snapshot.styles.style, layer, lacking.name, lacking.rescale_to), stop)
    if renders_here:
        make_tables(style, layer.variable.packing)
    try:
        is_empty = colours_nothing(snapshot.folder, layer, style)
    except LazytileError as error:
        LOG.debug("cannot tell whether style %s colours %s: %s", style.name, layer.name, error)
        return style
    conditions, key = Conditions.current(), f"default style of {layer.name}"
    if is_empty:
        LOG.warning("%s: its tiles are empty", no_colour_text(layer, style))
    # Of other styles a request may name any: only the default one is the operator's to mend.
    if is_empty and style.name == DEFAULT:
        conditions.report(key, no_colour_text(layer, style), ready=True)
    elif style.name == DEFAULT and lacking.rescale_to is None:
        conditions.clear(key)
    return style


def _made(make: Callable[[], Result], stop: StopFlag) -> Result:
    del stop  # it takes some milliseconds
    return make()
