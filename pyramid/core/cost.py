"""What a task will cost, estimated from its plan before any data is read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """The work of a task. ``ms`` decides with whom it shares slots, the counts say why."""

    ms: float
    """Time on one processor with nothing in memory, milliseconds: right within a factor of about three."""
    pixels: int
    """Pixels that are computed."""
    cells: int
    """Cells of the stored data that are read."""
    is_mesh: bool = False
    """Whether each pixel is located by itself, since the axes of pixels and data depend on each other."""
