"""What numbers will cost, estimated before any data is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lazytile.pyramid.numbers.task import NumbersTask
    from lazytile.pyramid.store.dataset import Dataset

TASK_MS = 0.5
CHUNK_MS = 0.4
"""Of opening and unpacking the chunk of one time."""
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
        return TASK_MS + (len(task.indices) * CHUNK_MS if task.cell is not None else 0.0)
    share = task.region.extent_share if dataset.grid.is_geographic else 1.0
    shape = dataset.grid.shape
    cells = min(share * shape.rows * shape.cols, float(task.options.budget_cells))
    return TASK_MS + cells * CELL_NS * _NS
