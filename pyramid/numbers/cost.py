"""What numbers will cost, estimated before any data is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.pyramid.core.cost import Cost

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


def numbers_cost(task: NumbersTask, dataset: Dataset) -> Cost:
    """Estimate what numbers cost.

    Args:
        task: The numbers.
        dataset: The dataset that they are of.

    Returns:
        The cost of the task.
    """
    if task.region is None or task.options is None:
        chunk = dataset.chunk
        steps = len(task.indices) if task.cell is not None else 0
        return Cost(TASK_MS + steps * CHUNK_MS, steps, steps * chunk.rows * chunk.cols)
    share = task.region.extent_share if dataset.grid.is_geographic else 1.0
    shape = dataset.grid.shape
    cells = min(int(share * shape.rows * shape.cols) + 1, task.options.budget_cells)
    return Cost(TASK_MS + cells * CELL_NS * _NS, 0, cells)
