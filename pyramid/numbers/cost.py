"""What numbers will cost, estimated before any data is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lazytile.pyramid.numbers.task import NumbersTask
    from lazytile.pyramid.store.dataset import Dataset

TASK_MS = 0.5
CHUNK_MS = 0.4
"""Of opening and unpacking the chunk of one time."""
PACKED_CHUNK_MS = 0.04
"""Of the chunk of one time where files hold several: they are read together, and not kept."""
CELL_NS = 90.0
"""Of a cell of a region: its value, its area, and its place among the others."""
_NS = 1e-6
"""Milliseconds."""


def numbers_ms(task: NumbersTask, dataset: Dataset) -> float:
    """Estimate what numbers cost.

    Args:
        task: The numbers.
        dataset: The dataset that they are of.

    Returns:
        Time on one processor, milliseconds, right within a factor of about three.
    """
    if task.region is None or task.options is None:
        chunk_ms = PACKED_CHUNK_MS if dataset.shard_steps else CHUNK_MS
        return TASK_MS + (len(task.indices) * chunk_ms if task.cell is not None else 0.0)
    share = task.region.extent_share if dataset.grid.is_geographic else 1.0
    shape = dataset.grid.shape
    cells = min(share * shape.rows * shape.cols, float(task.options.budget_cells))
    return TASK_MS + cells * CELL_NS * _NS
