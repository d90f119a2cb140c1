"""Level 0 of a linked dataset: chunks of ours, cut out of what its source holds."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.colormaps.core.errors import LazytileError
from lazytile.pyramid.chunks.read_counts import ReadCounts
from lazytile.pyramid.core import process
from lazytile.pyramid.core.byte_lru import BytesLru
from lazytile.pyramid.core.conditions import Conditions
from lazytile.pyramid.core.errors import (
    GenerationChangedError,
    SourceError,
    SourceUnavailableError,
    StoreError,
    first_line,
)
from lazytile.pyramid.core.quiet_log import QuietLog
from lazytile.pyramid.linked.foreign_arrays import ForeignArrays
from lazytile.pyramid.linked.record import note_change, read_record
from lazytile.pyramid.linked.source_version import version_of
from lazytile.pyramid.sources.block_reader import BlockReader
from lazytile.pyramid.sources.formats.container import ZARR
from lazytile.pyramid.sources.formats.virtual_zarr import ICECHUNK, KERCHUNK
from lazytile.pyramid.sources.series import open_files
from lazytile.pyramid.store.layout import Block, padding_code

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lazytile.pyramid.chunks.damage import ArrayPlace
    from lazytile.pyramid.linked.record import LinkRecord
    from lazytile.pyramid.sources.source import Source
    from lazytile.pyramid.sources.source_variable import SourceVariable
    from lazytile.pyramid.store.dataset import Dataset

LOG = logging.getLogger(__name__)
ZARRS = frozenset({ZARR, ICECHUNK, KERCHUNK})
MAX_SOURCES = 64
"""Sources that a process keeps open at a time."""
LONG_S = 5.0
"""A read that fails after this time has waited for a source that does not answer."""
PAUSE_S = 2.0
"""How long such a source is left alone: threads that wait for it serve nobody."""


@dataclass(frozen=True, slots=True)
class LinkedReader(BlockReader):
    """Reads blocks of a source at one version. See ``BlockReader``."""

    arrays: ForeignArrays | None = None
    """Those of a Zarr source."""
    known_version: str = ""
    """What ``version_of`` must return after each read of a source whose parts bear no times."""

    def _stored(self, key: tuple[slice | list[int], ...]) -> NDArray[Any]:
        if self.arrays is not None:
            codes = self.arrays.read(self.path, f"{self.placement.group.rstrip('/')}/{self.placement.name}", key)
        else:
            # A class with slots is made twice, which super() without arguments does not survive.
            codes = BlockReader._stored(self, key)  # noqa: SLF001 - its own
        if self.known_version and version_of(self.files or (self.path,)) != self.known_version:
            raise GenerationChangedError(f"{self.path} has been changed")
        return codes


@dataclass(frozen=True, slots=True, eq=False)
class OpenedSource:
    """The source of a linked dataset, opened at the version of the record."""

    record: LinkRecord
    source: Source
    arrays: ForeignArrays | None

    def reader(self, variable: SourceVariable) -> LinkedReader:
        """Return the reader of a variable's blocks.

        Args:
            variable: Of the source.

        Returns:
            The reader.
        """
        source = self.source
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


class ForeignChunks:
    """The chunks of one variable at level 0. See ``ChunkReader``."""

    array: ArrayPlace | None = None
    """What a source holds is not ours: its damage is not recorded."""

    def __init__(self, folder: Path, dataset: Dataset, variable: str) -> None:
        """Open nothing yet.

        Args:
            folder: Of the dataset.
            dataset: Its description.
            variable: Name of a variable.
        """
        self._folder = folder
        self._dataset = dataset
        self._variable = dataset.variable(variable)
        self._condition = f"source of dataset {dataset.name}"
        self._paused_until = 0.0

    @property
    def waits(self) -> bool:
        """Whether concurrent reads are faster: not through the library of HDF5, which has one lock."""
        try:
            return self._opened().arrays is not None
        except LazytileError:
            return False  # the read says what is wrong

    def read(self, dim_index: tuple[int, ...], chunk_row: int, chunk_col: int) -> NDArray[Any]:
        """Return the codes of a chunk, ragged ones padded.

        Args:
            dim_index: Index along each leading dimension.
            chunk_row: Row of the chunk.
            chunk_col: Column of the chunk.

        Returns:
            Codes, shape ``Dataset.chunk``.

        Raises:
            GenerationChangedError: The source has another version than the dataset.
            SourceUnavailableError: It does not answer, or what it holds cannot be read.
        """
        chunk, shape, packing = self._dataset.chunk, self._dataset.grid.shape, self._variable.packing
        rows = chunk_row * chunk.rows, min(shape.rows, (chunk_row + 1) * chunk.rows)
        cols = chunk_col * chunk.cols, min(shape.cols, (chunk_col + 1) * chunk.cols)
        block = Block(tuple((step, step + 1) for step in dim_index), rows, cols, 0)
        began = time.monotonic()
        if began < self._paused_until:
            raise SourceUnavailableError(f"the source of dataset {self._dataset.name} does not answer")
        try:
            codes = self._reader().read(block)
        except (SourceError, StoreError) as error:
            raise self._failure(error, time.monotonic() - began) from error
        Conditions.current().clear(self._condition)
        ReadCounts.current().add(codes.nbytes)
        height, width = rows[1] - rows[0], cols[1] - cols[0]
        if (height, width) == (chunk.rows, chunk.cols):
            return codes.reshape(height, width)
        padded = np.full((chunk.rows, chunk.cols), padding_code(packing), codes.dtype)
        padded[:height, :width] = codes.reshape(height, width)
        return padded

    def _reader(self) -> LinkedReader:
        opened = self._opened()
        name = self._variable.name
        found = next((each for each in opened.source.variables if each.variable.name == name), None)
        if (
            found is None
            or found.variable.packing != self._variable.packing
            or found.variable.dimensions != self._variable.dimensions
            or opened.source.found.grid != self._dataset.grid
        ):
            raise GenerationChangedError(f"{opened.record.paths[0]} is understood otherwise than when it was linked")
        return opened.reader(found)

    def _opened(self) -> OpenedSource:
        """Return the source, opened once a process."""
        identity = _identity(self._folder, self._dataset.generation)

        def make() -> OpenedSource:
            record = read_record(self._folder)
            if record.generation != self._dataset.generation:
                raise GenerationChangedError(f"dataset {self._dataset.name} has been replaced, repeat the request")
            return open_record(record, identity)

        return _sources().get(identity, make)

    def _failure(self, error: Exception, waited_s: float) -> StoreError:
        """Return what to raise for a read that failed: the source has changed, or cannot be read."""
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, GenerationChangedError):
                note_change(self._folder)
                return GenerationChangedError(
                    f"the source of dataset {self._dataset.name} has changed; repeat the request in a few seconds"
                )
            cause = cause.__cause__
        if waited_s >= LONG_S:
            self._paused_until = time.monotonic() + PAUSE_S
        reason = first_line(error)
        Conditions.current().report(self._condition, reason, ready=True)
        log = process.current().resource("log of linked sources", lambda: QuietLog(LOG))
        log.warning("the source of dataset %s cannot be read: %s", self._dataset.name, reason)
        return SourceUnavailableError(f"the source of dataset {self._dataset.name} cannot be read: {reason}")


def _identity(folder: Path, generation: str) -> str:
    return f"{folder}/{generation}"


def _sources() -> BytesLru[OpenedSource]:
    """Return the sources that this process has open; they are counted, not weighed."""

    def make() -> BytesLru[OpenedSource]:
        return BytesLru(MAX_SOURCES, lambda _: 1)

    return process.current().resource("linked sources", make)


def opened_source(folder: Path, generation: str) -> OpenedSource | None:
    """Return the source of a dataset if this process has it open.

    Args:
        folder: Of the dataset.
        generation: Of the dataset.

    Returns:
        The source; None where nothing was read of it yet.
    """
    return _sources().peek(_identity(folder, generation))


def open_level(folder: Path, dataset: Dataset, variable: str) -> ForeignChunks:
    """Open level 0 of a linked dataset; the store calls it.

    Args:
        folder: Of the dataset.
        dataset: Its description.
        variable: Name of a variable.

    Returns:
        The reader of its chunks.
    """
    return ForeignChunks(folder, dataset, variable)
