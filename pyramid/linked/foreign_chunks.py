"""The levels of a linked dataset that its source has: chunks of ours, cut out of what it holds."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.colormaps.core.errors import LazytileError
from lazytile.pyramid.cluster.read_counts import ReadCounts
from lazytile.pyramid.cluster.shared_chunks import SharedChunks
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
from lazytile.pyramid.fetch.source_url import is_url
from lazytile.pyramid.linked.opened_source import OpenedSource, are_alike, open_record
from lazytile.pyramid.linked.record import note_change, read_record
from lazytile.pyramid.sources.formats.container import ZARR
from lazytile.pyramid.store.layout import Block, padding_code

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lazytile.pyramid.chunks.damage import ArrayPlace
    from lazytile.pyramid.linked.opened_source import LinkedReader
    from lazytile.pyramid.store.dataset import Dataset

LOG = logging.getLogger(__name__)
MAX_SOURCES = 64
"""Sources that a process keeps open at a time."""
NARROW_CELLS = 512
"""Columns of a box, below which reading it costs more than what it holds."""
LONG_S = 5.0
"""A read that fails after this time has waited for a source that does not answer."""
PAUSE_S = 2.0
"""How long such a source is left alone: threads that wait for it serve nobody."""


class ForeignChunks:
    """The chunks of one variable at a level that its source has. See ``ChunkReader``."""

    array: ArrayPlace | None = None
    """What a source holds is not ours: its damage is not recorded."""

    def __init__(self, folder: Path, dataset: Dataset, variable: str, level: int) -> None:
        """Open nothing yet.

        Args:
            folder: Of the dataset.
            dataset: Its description.
            variable: Name of a variable.
            level: Of the pyramid.
        """
        self._folder = folder
        self._level = level
        self._grid = dataset.grid.coarsen(level)
        self._shape = self._grid.shape
        self._dataset = dataset
        self._variable = dataset.variable(variable)
        self._condition = f"source of dataset {dataset.name}"
        self._paused_until = 0.0
        self._kept: tuple[OpenedSource, LinkedReader] | None = None
        """The reader that was used last, and its source."""

    @property
    def waits(self) -> bool:
        """Whether concurrent reads are faster: not through HDF5's library, which has one lock, nor of small chunks."""
        try:
            reader = self._reader()
            return reader.arrays is not None and not reader.arrays.is_quick(reader.path, reader.array)
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
        return self._padded(self._codes(self._block(dim_index, chunk_row, chunk_col)))

    def read_at_hand(self, dim_index: tuple[int, ...], chunk_row: int, chunk_col: int) -> NDArray[Any] | None:
        """Return the codes of a chunk where all that it shows of the source lies in memory that processes share.

        Args:
            dim_index: Index along each leading dimension.
            chunk_row: Row of the chunk.
            chunk_col: Column of the chunk.

        Returns:
            As ``read``; None where that takes longer than to copy it.

        Raises:
            GenerationChangedError: The source has another version than the dataset.
            SourceUnavailableError: It does not answer.
        """
        if SharedChunks.current() is None:
            return None
        try:
            codes = self._reader().read_at_hand(self._block(dim_index, chunk_row, chunk_col))
        except (SourceError, StoreError) as error:
            raise self._failure(error, 0.0) from error
        return None if codes is None else self._padded(codes)

    def _block(self, dim_index: tuple[int, ...], chunk_row: int, chunk_col: int) -> Block:
        """Return the cells of a chunk."""
        chunk, shape = self._dataset.chunk, self._shape
        rows = chunk_row * chunk.rows, min(shape.rows, (chunk_row + 1) * chunk.rows)
        cols = chunk_col * chunk.cols, min(shape.cols, (chunk_col + 1) * chunk.cols)
        return Block(tuple((step, step + 1) for step in dim_index), rows, cols, 0)

    def _padded(self, codes: NDArray[Any]) -> NDArray[Any]:
        """Return the codes of a chunk, which end at the edge of the grid, without their leading axes."""
        height, width = codes.shape[-2:]
        chunk = self._dataset.chunk
        if (height, width) == (chunk.rows, chunk.cols):
            return codes.reshape(height, width)
        padded = np.full((chunk.rows, chunk.cols), padding_code(self._variable.packing), codes.dtype)
        padded[:height, :width] = codes.reshape(height, width)
        return padded

    @property
    def reads_boxes(self) -> bool:
        """Whether reading again costs little: a folder of Zarr on disk whose cells are not resampled."""
        try:
            source = self._opened().source
        except LazytileError:
            return False  # the read says what is wrong
        return source.engine == ZARR and not is_url(source.path) and source.found.resampling is None

    @property
    def narrow_cols(self) -> int:
        """Columns of the smallest box worth reading: those of a small chunk; 0 for large ones."""
        reader = self._reader()
        if reader.arrays is None or not reader.arrays.is_quick(reader.path, reader.array):
            return 0  # one at a time fills the memory
        axis = reader.placement.axes[-1]
        width = 1 if axis is None else reader.arrays.array(reader.path, reader.array).chunks[axis]
        return max(width, NARROW_CELLS)

    def read_box(self, dim_index: tuple[int, ...], rows: tuple[int, int], cols: tuple[int, int]) -> NDArray[Any]:
        """Return the codes of a box.

        Args:
            dim_index: Index along each leading dimension.
            rows: First row, and the one after the last.
            cols: First column, and the one after the last.

        Returns:
            Codes, shape (rows, cols).

        Raises:
            GenerationChangedError: The source has another version than the dataset.
            SourceUnavailableError: It does not answer, or what it holds cannot be read.
        """
        codes = self._codes(Block(tuple((step, step + 1) for step in dim_index), rows, cols, 0))
        return codes.reshape(rows[1] - rows[0], cols[1] - cols[0])

    def open(self) -> None:
        """Open the source, which the first read would else wait for. Never raises; a read says what is wrong."""
        try:
            reader = self._reader()
            if reader.arrays is not None:
                reader.arrays.array(reader.path, reader.array)
        except LazytileError:
            return

    def _codes(self, block: Block) -> NDArray[Any]:
        """Return the codes of a block; say of a failure whether the source has changed or cannot be read."""
        began = time.monotonic()
        if began < self._paused_until:
            raise SourceUnavailableError(f"the source of dataset {self._dataset.name} does not answer")
        try:
            reader = self._reader()
            if reader.arrays is None:
                process.check_may_compute("a part of a source")
            codes = reader.read(block)
        except (SourceError, StoreError) as error:
            raise self._failure(error, time.monotonic() - began) from error
        Conditions.current().clear(self._condition)
        ReadCounts.current().add(codes.nbytes)
        return codes

    def _reader(self) -> LinkedReader:
        opened, kept = self._opened(), self._kept
        if kept is not None and kept[0] is opened:
            return kept[1]
        name = self._variable.name
        source = opened.level(self._level)
        found = next((each for each in source.variables if each.variable.name == name), None)
        if (
            found is None
            or found.variable.packing != self._variable.packing
            or found.variable.dimensions != self._variable.dimensions
            or not are_alike(source.found.grid, self._grid)
        ):
            raise GenerationChangedError(f"{opened.record.paths[0]} is understood otherwise than when it was linked")
        reader = opened.reader(found, self._level)
        self._kept = opened, reader
        return reader

    def _opened(self) -> OpenedSource:
        """Return the source, opened once a process."""
        identity = _identity(self._folder, self._dataset.generation)

        def make() -> OpenedSource:
            process.check_may_compute("opening a source")
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


def open_level(folder: Path, dataset: Dataset, variable: str, level: int) -> ForeignChunks:
    """Open a level of a linked dataset that its source has; the store calls it.

    Args:
        folder: Of the dataset.
        dataset: Its description.
        variable: Name of a variable.
        level: Of the pyramid.

    Returns:
        The reader of its chunks.
    """
    return ForeignChunks(folder, dataset, variable, level)
