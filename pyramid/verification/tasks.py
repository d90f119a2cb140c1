"""What the tasks of a verification get, and what they find."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, product
from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import StoreUnavailableError
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.pyramid.store.layout import level_shape
from lazytile.pyramid.store.together import planes_together

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lazytile.pyramid.store.dataset import Dataset
    from lazytile.pyramid.store.together import Step

UNREACHED = (StorageError, StoreUnavailableError)
"""What says nothing about a file: it ends the verification, and is no damage."""
BAND_CHUNKS = 4
"""Rows of chunks of a level that one task recomputes."""


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
        for steps in planes_together(dataset, variable, level):
            yield Planes(str(folder), dataset, variable.name, level, steps)


def bands_of(folder: Path, dataset: Dataset) -> Iterator[Band]:
    """Yield the rows of chunks of all overviews.

    Args:
        folder: Of the dataset.
        dataset: Its description.

    Yields:
        The rows, those of a task together.
    """
    for variable, level in product(dataset.variables, range(max(1, dataset.linked), dataset.levels)):
        rows = -(-level_shape(dataset.grid.shape, level).rows // dataset.chunk.rows)
        every = chain.from_iterable(planes_together(dataset, variable, level))
        for dim_index, first in product(every, range(0, rows, BAND_CHUNKS)):
            yield Band(str(folder), dataset, variable.name, level, dim_index, first, min(rows, first + BAND_CHUNKS))
