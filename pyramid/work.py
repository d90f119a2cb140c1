"""``perform``, the function that tile engines run, importable on every worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.colormaps.compiled.palette import Palette
from lazytile.pyramid.numbers.task import NumbersTask, compute
from lazytile.pyramid.render.renderer import render
from lazytile.pyramid.subsets.task import SubsetTask, write_subset
from lazytile.pyramid.tiling.tms import TileMatrixSet

if TYPE_CHECKING:
    from lazytile.pyramid.core.stop_flag import StopFlag
    from lazytile.pyramid.render.render_task import RenderTask

SHARED = (Palette, TileMatrixSet)
"""Classes of values that many tasks have in common."""


def perform(task: RenderTask | NumbersTask | SubsetTask, stop: StopFlag | None = None) -> tuple[bytes, ...]:
    """Render a block of tiles, compute numbers, or write a box of cells.

    Args:
        task: What to do.
        stop: Ends the work once it is set; without it only numbers and boxes end early, at their time limit.

    Returns:
        The encoded tiles, one JSON document, or one file.

    Raises:
        LazytileError: As ``render``, ``compute`` and ``write_subset`` do.
        StoppedError: ``stop`` was set, or the time limit has passed.
    """
    if isinstance(task, NumbersTask):
        return compute(task, stop)
    return write_subset(task, stop) if isinstance(task, SubsetTask) else render(task, stop)
