"""Statistics of what a dataset stores, counted again: where steps were replaced, or nothing recorded the old ones."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.cluster.places import Places
from lazytile.pyramid.storage.object_path import ObjectPath
from lazytile.pyramid.store.chunk_reader import open_level
from lazytile.pyramid.store.code_statistics import CodeStatistics, statistics_of
from lazytile.pyramid.store.layout import level_shape

if TYPE_CHECKING:
    from pathlib import Path

    from lazytile.pyramid.engines.protocol import BulkEngine
    from lazytile.pyramid.store.dataset import Dataset, Variable


@dataclass(frozen=True, slots=True)
class States:
    """A dataset before and after steps are appended."""

    partial: Path
    """Where the chunks of the state afterwards are."""
    new: Dataset
    folder: Path
    """Of the state before."""
    old: Dataset
    built: frozenset[int]
    """Stored steps that are new. In object storage the others are copied last."""

    def holder(self, variable: Variable, dim_index: tuple[int, ...]) -> tuple[Path, Dataset]:
        """Return the folder that has the chunks of a plane, and its description.

        Args:
            variable: Of the dataset afterwards.
            dim_index: Index along each leading dimension.

        Returns:
            The folder and the description.
        """
        axis = variable.time_axis
        is_old = axis is not None and dim_index[axis] not in self.built
        if is_old and isinstance(self.folder, ObjectPath):
            return self.folder, self.old
        return self.partial, self.new


def recomputed_statistics(states: States, name: str, levels: int, engine: BulkEngine) -> list[CodeStatistics]:
    """Read all stored codes of a variable and compute their statistics.

    Args:
        states: The dataset.
        name: Of the variable.
        levels: How many there are.
        engine: Runs the tasks.

    Returns:
        The statistics of each level.

    Raises:
        StoreError: A chunk is missing or damaged.
    """
    variable = states.new.variable(name)
    totals = [CodeStatistics()] * levels
    every = list(product(*(range(len(dimension.labels)) for dimension in variable.dimensions)))
    items = [
        (*states.holder(variable, dim_index), variable, level, dim_index)
        for dim_index in every
        for level in range(levels)
    ]
    places = Places.of(folders=(states.partial,))
    for level, added in engine.map(_plane_statistics, items, label="count", places=places):
        totals[level] += added
    return totals


def _plane_statistics(item: tuple[Path, Dataset, Variable, int, tuple[int, ...]]) -> tuple[int, CodeStatistics]:
    folder, dataset, variable, level, dim_index = item
    reader = open_level(folder, dataset, variable.name, level)
    shape = level_shape(dataset.grid.shape, level)
    chunk = dataset.chunk
    total = CodeStatistics()
    for row in range(0, shape.rows, chunk.rows):
        for col in range(0, shape.cols, chunk.cols):
            codes = reader.read(dim_index, row // chunk.rows, col // chunk.cols)
            codes = np.ascontiguousarray(codes[: shape.rows - row, : shape.cols - col])
            total += statistics_of(codes, variable.packing, binned=level == 0)
    return level, total
