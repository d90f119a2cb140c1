"""What the tasks of a verification get, and what they find."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby, product
from typing import TYPE_CHECKING

from lazytile.pyramid.chunks.shard_shape import group_of
from lazytile.pyramid.core.errors import StoreUnavailableError
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.pyramid.store.layout import level_shape, shard_shape

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lazytile.pyramid.store.dataset import Dataset, Variable

UNREACHED = (StorageError, StoreUnavailableError)
"""What says nothing about a file: it ends the verification, and is no damage."""
BAND_CHUNKS = 4
"""Rows of chunks of a level that one task recomputes."""
TASK_CHUNKS = 512
"""Chunks of small planes that one task compares with their checksums."""

Step = tuple[int, ...]
"""Index along each leading dimension."""


@dataclass(frozen=True, slots=True)
class Planes:
    """Planes of one level of a variable, whose chunks are compared with their checksums."""

    folder: str
    dataset: Dataset
    variable: str
    level: int
    steps: tuple[Step, ...]
    """Those that share a shard follow each other."""


@dataclass(frozen=True, slots=True)
class Band:
    """Some rows of chunks of one plane of one level, which are computed again."""

    folder: str
    dataset: Dataset
    variable: str
    level: int
    dim_index: Step
    first: int
    """Row of chunks of a level."""
    stop: int


@dataclass(frozen=True, slots=True)
class Findings:
    """What a task found; see ``Verification``."""

    files: int = 0
    unknown: int = 0
    chunks: int = 0
    problems: tuple[str, ...] = ()

    @classmethod
    def of(cls, several: list[Findings]) -> Findings:
        """Return the sum of several findings.

        Args:
            several: The findings.

        Returns:
            Their sum.
        """
        return cls(
            sum(each.files for each in several),
            sum(each.unknown for each in several),
            sum(each.chunks for each in several),
            tuple(line for each in several for line in each.problems),
        )


def planes_of(folder: Path, dataset: Dataset) -> Iterator[Planes]:
    """Yield all planes of a dataset, those of a task together.

    Args:
        folder: Of the dataset.
        dataset: Its description.

    Yields:
        The planes.
    """
    for variable, level in product(dataset.variables, range(dataset.levels)):
        rows, cols = _chunks_of(dataset, level)
        waiting: list[Step] = []
        for group in _groups(dataset, variable, level):
            if waiting and (len(waiting) + len(group)) * rows * cols > TASK_CHUNKS:
                yield Planes(str(folder), dataset, variable.name, level, tuple(waiting))
                waiting = []
            waiting += group
        if waiting:
            yield Planes(str(folder), dataset, variable.name, level, tuple(waiting))


def bands_of(folder: Path, dataset: Dataset) -> Iterator[Band]:
    """Yield the rows of chunks of all overviews.

    Args:
        folder: Of the dataset.
        dataset: Its description.

    Yields:
        The rows, those of a task together.
    """
    for variable, level in product(dataset.variables, range(max(1, dataset.linked), dataset.levels)):
        rows, _ = _chunks_of(dataset, level)
        for dim_index, first in product(_steps(variable), range(0, rows, BAND_CHUNKS)):
            yield Band(str(folder), dataset, variable.name, level, dim_index, first, min(rows, first + BAND_CHUNKS))


def _chunks_of(dataset: Dataset, level: int) -> tuple[int, int]:
    """Return the rows and columns of chunks of a plane."""
    shape = level_shape(dataset.grid.shape, level)
    return -(-shape.rows // dataset.chunk.rows), -(-shape.cols // dataset.chunk.cols)


def _steps(variable: Variable) -> Iterator[Step]:
    return product(*(range(len(dimension.labels)) for dimension in variable.dimensions))


def _groups(dataset: Dataset, variable: Variable, level: int) -> Iterator[list[Step]]:
    """Yield the planes of a variable at a level, those of a shard together."""
    shape = shard_shape(dataset, variable, level)
    if shape is None or shape.axis is None:
        yield from ([step] for step in _steps(variable))
        return

    def group(step: Step) -> Step:
        return group_of(step, shape.steps, shape.axis)

    for _, members in groupby(sorted(_steps(variable), key=group), group):
        yield list(members)
