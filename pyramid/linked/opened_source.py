"""The source of a linked dataset, opened at one version, and the readers of its blocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.errors import GenerationChangedError, NotComputedError
from lazytile.pyramid.linked.foreign_arrays import ForeignArrays
from lazytile.pyramid.linked.source_version import version_of
from lazytile.pyramid.sources.block_reader import BlockReader
from lazytile.pyramid.sources.formats.container import ZARR
from lazytile.pyramid.sources.formats.virtual_zarr import ICECHUNK, KERCHUNK
from lazytile.pyramid.sources.series import open_files

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lazytile.pyramid.core.grid import Grid
    from lazytile.pyramid.linked.record import LinkRecord
    from lazytile.pyramid.sources.source import Source
    from lazytile.pyramid.sources.source_variable import SourceVariable
    from lazytile.pyramid.store.layout import Block, Range

ZARRS = frozenset({ZARR, ICECHUNK, KERCHUNK})
ROUNDING = 1e-3
"""Cells by which the edges of two levels may differ."""


@dataclass(frozen=True)
class LinkedReader(BlockReader):
    """Reads blocks of a source at one version. Without slots, so that what each block needs is computed once.

    See ``BlockReader``.
    """

    arrays: ForeignArrays | None = None
    """Those of a Zarr source."""
    known_version: str = ""
    """What ``version_of`` must return after each read of a source whose parts bear no times."""

    @cached_property
    def array(self) -> str:
        """Path of the variable's array in a Zarr source."""
        return f"{self.placement.group.rstrip('/')}/{self.placement.name}"

    def read(self, block: Block) -> NDArray[Any]:
        """Read the codes of a block, north up and west to east: of plain arrays without a copy on the way."""
        if self.arrays is None or not self._is_plain:
            return super().read(block)
        out, turned, ranges = self._room(block)
        try:
            self.arrays.read(self.path, self.array, tuple(slice(*span) for span in ranges), turned)
        except NotComputedError:
            raise
        except Exception as error:
            raise self._error(ranges, error) from error
        self._check_version()
        return out

    def read_at_hand(self, block: Block) -> NDArray[Any] | None:
        """Read the codes of a block that lies unpacked in memory that processes share.

        Args:
            block: Ranges of leading steps, rows and columns.

        Returns:
            As ``read``; None where a part of it lies elsewhere.

        Raises:
            GenerationChangedError: The source has another version.
        """
        if self.arrays is None or not self._is_plain:
            return None
        out, turned, ranges = self._room(block)
        if not self.arrays.copy_at_hand(self.path, self.array, ranges, turned):
            return None
        self._check_version()
        return out

    def _room(self, block: Block) -> tuple[NDArray[Any], NDArray[Any], tuple[Range, ...]]:
        """Return an array for a block of a plain array, the same as the source has it, and its ranges there."""
        out = np.empty([stop - start for start, stop in (*block.leading, block.rows, block.cols)], self.dtype)
        turned = out[..., :: -1 if self.rows.flipped else 1, :: -1 if self.cols.flipped else 1]
        ranges = (*block.leading, self.rows.source_range(*block.rows), self.cols.source_range(*block.cols))
        return out, turned, ranges

    @cached_property
    def _is_plain(self) -> bool:
        """Whether the array holds the codes as they are shown, but for its directions."""
        placement = self.placement
        return (
            self.resampling is None
            and placement.series is None
            and not placement.recodings
            and placement.axes == tuple(range(len(placement.axes)))
            and all(order is None for order in placement.orders)
            and self.rows.nearest is None
            and self.cols.nearest is None
            and self.arrays is not None
            and self.arrays.array(self.path, self.array).dtype == np.dtype(self.dtype)
        )

    def _stored(self, key: tuple[slice | list[int], ...]) -> NDArray[Any]:
        codes = self.arrays.read(self.path, self.array, key) if self.arrays is not None else super()._stored(key)
        self._check_version()
        return codes

    def _check_version(self) -> None:
        if self.known_version and version_of(self.files or (self.path,)) != self.known_version:
            raise GenerationChangedError(f"{self.path} has been changed")


@dataclass(frozen=True, slots=True, eq=False)
class OpenedSource:
    """The source of a linked dataset, opened at the version of the record."""

    record: LinkRecord
    source: Source
    arrays: ForeignArrays | None

    overviews: dict[int, Source] = field(default_factory=dict)
    """The coarser levels that were opened."""

    def level(self, level: int) -> Source:
        """Return a level of the source, opened on first use.

        Args:
            level: Of the pyramid, one of those that the source has.

        Returns:
            The level.

        Raises:
            SourceError: It cannot be read.
        """
        if level == 0:
            return self.source
        if level not in self.overviews:
            self.overviews[level] = open_overview(self.record, self.record.levels[level - 1])
        return self.overviews[level]

    def reader(self, variable: SourceVariable, level: int = 0) -> LinkedReader:
        """Return the reader of a variable's blocks.

        Args:
            variable: Of the source.
            level: Of the pyramid, one of those that the source has.

        Returns:
            The reader.
        """
        source = self.level(level)
        return LinkedReader(
            path=source.path,
            engine=source.engine,
            placement=variable.placement,
            rows=source.found.rows,
            cols=source.found.cols,
            dtype=variable.variable.packing.dtype,
            resampling=source.found.resampling,
            fill=variable.variable.packing.fill_code or 0,
            files=source.files,
            version=source.version,
            arrays=self.arrays,
            known_version="" if source.engine == ZARR else self.record.version,
        )


def open_record(record: LinkRecord, identity: str) -> OpenedSource:
    """Open the source of a record.

    Args:
        record: Of a linked dataset.
        identity: Names the dataset's generation, in keys of caches.

    Returns:
        The source.

    Raises:
        SourceError: It cannot be read.
        SourceUnavailableError: It is not there.
        GenerationChangedError: It has another version than the record's.
    """
    source = open_files(
        record.paths,
        record.variables,
        group=record.group,
        overrides=record.overrides,
    )
    if version_of(record.paths) != record.version:
        raise GenerationChangedError(f"{record.paths[0]} has been changed")
    arrays = ForeignArrays(source.engine, record, identity) if source.engine in ZARRS else None
    return OpenedSource(record, source, arrays)


def open_overview(record: LinkRecord, group: str) -> Source:
    """Open a coarser level of a source.

    Args:
        record: Of the source.
        group: That holds the level.

    Returns:
        The level.

    Raises:
        SourceError: It cannot be read.
    """
    return open_files(record.paths, record.variables, group=group, overrides=record.overrides)


def are_alike(first: Grid, second: Grid) -> bool:
    """Return whether two grids have the same cells, but for the rounding of their coordinates.

    Args:
        first: A grid.
        second: Another one.

    Returns:
        Whether they have.
    """
    if (first.crs, first.shape) != (second.crs, second.shape):
        return False
    return all(
        abs(mine.first_edge - its.first_edge) <= ROUNDING * abs(its.cell_size)
        and abs(mine.cell_size - its.cell_size) * its.length <= ROUNDING * abs(its.cell_size)
        for mine, its in ((first.x, second.x), (first.y, second.y))
    )
