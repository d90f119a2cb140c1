"""Statistics of what a dataset stores, counted again: where steps were replaced, or nothing recorded the old ones."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.cluster.places import Places
from lazytile.pyramid.storage.object_path import ObjectPath
from lazytile.pyramid.store.chunk_reader import open_level
from lazytile.pyramid.store.code_statistics import CodeStatistics, statistics_of
from lazytile.pyramid.store.layout import level_shape
from lazytile.pyramid.store.stored_chunks import StoredChunks
from lazytile.pyramid.store.together import codes_together, map_together, planes_together

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lazytile.pyramid.chunks.shard_shape import ChunkPosition
    from lazytile.pyramid.engines.protocol import BulkEngine
    from lazytile.pyramid.store.dataset import Dataset, Variable
    from lazytile.pyramid.store.together import Step

    _Planes = tuple[Path, Dataset, Variable, int, tuple[Step, ...]]
    """Folder, description, variable, level and planes of a task."""


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
    items: list[_Planes] = []
    for level in range(levels):
        for steps in planes_together(states.new, variable, level):
            held: dict[Path, list[Step]] = {}
            for step in steps:
                held.setdefault(states.holder(variable, step)[0], []).append(step)
            items += [
                (*states.holder(variable, members[0]), variable, level, tuple(members)) for members in held.values()
            ]
    places = Places.of(folders=(states.partial,))
    for level, added in engine.map(_statistics, items, label="count", places=places):
        totals[level] += added
    return totals


def _statistics(item: _Planes) -> tuple[int, CodeStatistics]:
    """Return level and statistics of some planes."""
    folder, dataset, variable, level, steps = item
    reader = open_level(folder, dataset, variable.name, level)
    shape = level_shape(dataset.grid.shape, level)
    rows, cols = shape.rows, shape.cols
    height, width = dataset.chunk.rows, dataset.chunk.cols

    def added(positions: list[ChunkPosition]) -> CodeStatistics:
        total = CodeStatistics()
        read = codes_together(reader, positions) if isinstance(reader, StoredChunks) else map(read_one, positions)
        for (_, row, col), codes in zip(positions, read, strict=True):
            seen = np.ascontiguousarray(codes[: rows - row * height, : cols - col * width])
            total += statistics_of(seen, variable.packing, binned=level == 0)
        return total

    def read_one(position: ChunkPosition) -> NDArray[Any]:
        return reader.read(*position)

    every = [(step, *at) for step in steps for at in product(range(-(-rows // height)), range(-(-cols // width)))]
    several = map_together(reader, every, added) if isinstance(reader, StoredChunks) else [added(every)]
    return level, sum(several, CodeStatistics())
