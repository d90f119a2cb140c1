"""Blocks of a source, read by its description in the process that runs the block's task.

Files stay open between blocks (``open_files``). Decompression is part of the read; what follows it (reduction,
compression, writing) runs while the next block is read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.errors import NotComputedError, SourceError, StoreError, first_line
from lazytile.pyramid.sources.cf.attributes import native_codes
from lazytile.pyramid.sources.formats.container import NETCDF
from lazytile.pyramid.sources.formats.hdf5_chunks import CACHE_BYTES
from lazytile.pyramid.sources.formats.hdf5_filters import advice, filters_of
from lazytile.pyramid.sources.open_files import handles, library_locks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lazytile.pyramid.core.cell_map import CellMap
    from lazytile.pyramid.sources.cf.axes import AxisMap
    from lazytile.pyramid.sources.source_variable import Placement
    from lazytile.pyramid.store.layout import Block, Range

_CACHE_SLOTS = 4001
_STRIP_BYTES = 32 << 20
"""Source codes that are read at once where cells are resampled."""


@dataclass(frozen=True, slots=True)
class BlockReader:
    """Reads blocks of one variable of a source. Holds plain values, so it can be sent to any process."""

    path: str
    engine: str
    placement: Placement
    rows: AxisMap
    cols: AxisMap
    dtype: str
    """Of the codes."""
    resampling: CellMap | None = None
    """The source cell of each cell, where the source has no regular rows and columns."""
    fill: float = 0
    """Code of cells that no source cell reaches."""
    files: tuple[str, ...] = ()
    """All files of a series; ``path`` is the first."""
    version: str = ""
    """Of a remote source; a handle of another version is not used."""

    def read(self, block: Block) -> NDArray[Any]:
        """Read the codes of a block, north up and west to east.

        Args:
            block: Ranges of leading steps, rows and columns.

        Returns:
            Codes, shape (*leading, rows, cols) of the block, native ``dtype``.

        Raises:
            SourceError: The file is damaged.
        """
        if self.placement.series is not None:
            return self._joined(block, *self.placement.series)
        if self.resampling is not None:
            return self._resampled(block, self.resampling)
        ranges = (self.rows.source_range(*block.rows), self.cols.source_range(*block.cols))
        if any(start == stop for start, stop in ranges):
            shape = [stop - start for start, stop in (*block.leading, block.rows, block.cols)]
            return np.full(shape, self.fill, self.dtype)
        codes = self._box(block.leading, *ranges)
        for axis, indices in ((-2, self.rows.take_indices(*block.rows)), (-1, self.cols.take_indices(*block.cols))):
            if indices is not None:
                codes = codes.take(indices, axis=axis)
                gaps = np.flatnonzero(indices < 0)
                codes[(..., gaps, slice(None)) if axis == -2 else (..., gaps)] = self.fill
        return np.ascontiguousarray(codes[..., :: -1 if self.rows.flipped else 1, :: -1 if self.cols.flipped else 1])

    def _joined(self, block: Block, axis: int, steps: tuple[tuple[int, int], ...]) -> NDArray[Any]:
        """Return the codes of a block of several files. Each run of steps of one file is read at once."""
        parts = []
        at, stop = block.leading[axis]
        placement = replace(self.placement, series=None)
        while at < stop:
            file, first = steps[at]
            count = 1
            while at + count < stop and steps[at + count] == (file, first + count):
                count += 1
            leading = (*block.leading[:axis], (first, first + count), *block.leading[axis + 1 :])
            recodings = self.placement.recodings[file : file + 1]
            own = replace(placement, recodings=() if recodings in ((), (None,)) else recodings)
            part = replace(self, path=self.files[file], placement=own, files=())
            parts.append(part.read(replace(block, leading=leading)))
            at += count
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=axis)

    def _resampled(self, block: Block, resampling: CellMap) -> NDArray[Any]:
        """Return the codes of a block whose cells each have their own source cell. Source rows are read in strips."""
        cells = resampling.source_cells(block.rows, block.cols, self.version)
        leading = [stop - start for start, stop in block.leading]
        codes = np.full((*leading, *cells.shape), self.fill, self.dtype)
        there = cells >= 0
        if not there.any():
            return codes
        rows, cols = np.divmod(cells[there], resampling.source_cols)
        left, right = int(cols.min()), int(cols.max()) + 1
        plane_bytes = int(np.prod(leading, dtype=np.int64)) * np.dtype(self.dtype).itemsize
        width = min(right - left, max(1, _STRIP_BYTES // plane_bytes))
        height = max(1, _STRIP_BYTES // (plane_bytes * width))
        gathered = np.empty((*leading, rows.size), self.dtype)
        # A mesh is one row of many cells, so rows are cut too.
        for top, first in product(range(int(rows.min()), int(rows.max()) + 1, height), range(left, right, width)):
            stop, last = min(int(rows.max()) + 1, top + height), min(right, first + width)
            inside = (rows >= top) & (rows < stop)
            if width < right - left:
                inside &= (cols >= first) & (cols < last)
            if inside.any():
                box = self._box(block.leading, (top, stop), (first, last))
                gathered[..., inside] = box[..., rows[inside] - top, cols[inside] - first]
        codes[..., there] = gathered
        return codes

    def _box(self, leading: tuple[Range, ...], rows: Range, cols: Range) -> NDArray[Any]:
        """Return the codes of a box of source cells, shape (*leading, rows, cols), in the directions of the source."""
        axes = self.placement.axes
        ranges = [*leading, rows, cols]
        orders = [*self.placement.orders, None, None]
        key: list[slice | list[int]] = [slice(None)] * sum(axis is not None for axis in axes)
        for axis, span, order in zip(axes, ranges, orders, strict=True):
            if axis is not None:
                key[axis] = slice(*span) if order is None else _steps(order, span)
        try:
            stored = self._stored(tuple(key))
        except NotComputedError:
            raise
        except Exception as error:
            raise self._error(ranges, error) from error
        codes = stored.transpose([axis for axis in axes if axis is not None])
        for position, axis in enumerate(axes):
            if axis is None:
                codes = np.expand_dims(codes, position)
        if not self.placement.recodings:
            return native_codes(codes, np.dtype(self.dtype))
        (recoding,) = self.placement.recodings
        assert recoding is not None  # a file whose codes are stored as they are has no recodings
        own = native_codes(codes, np.dtype(recoding.steps[0].dtype))
        steps = range(own.shape[0]) if not leading else range(*leading[recoding.axis])
        order = self.placement.orders[recoding.axis] if leading else None
        return recoding.apply(own, steps if order is None else [order[step] for step in steps])

    def _error(self, ranges: Sequence[Range], error: Exception) -> SourceError:
        """Return the error that names what cannot be read: ranges of source cells by axis."""
        where = ", ".join(f"{start}..{stop - 1}" for start, stop in ranges)
        # rasterio's own text is "see previous exception".
        cause = error if isinstance(error, SourceError | StoreError) else error.__cause__ or error
        reason = self._missing_filter() or first_line(cause)
        return SourceError(f"{self.path}: {self.placement.name} cannot be read at {where}: {reason}")

    def _missing_filter(self) -> str:
        """Return what brings the compression filter of a variable of HDF5; empty for others."""
        if self.engine != NETCDF:
            return ""
        with (
            handles().lease(self.path, self.engine, self.placement.group, self.version) as file,
            library_locks(self.engine),
        ):
            return advice(filters_of(file.handle.variables[self.placement.name]))

    def _stored(self, key: tuple[slice | list[int], ...]) -> NDArray[Any]:
        placement = self.placement
        with handles().lease(self.path, self.engine, placement.group, self.version) as file:
            chunks = file.chunks(placement.group, placement.name)
            if chunks is not None:
                return chunks.read(key)
            if self.engine != NETCDF:
                return np.asarray(file.handle.variables[placement.name][key].values)
            with library_locks(self.engine):
                variable = file.handle.variables[placement.name]
                if isinstance(variable.chunking(), list):
                    size, _, _ = variable.get_var_chunk_cache()
                    if size < CACHE_BYTES:
                        variable.set_var_chunk_cache(CACHE_BYTES, _CACHE_SLOTS, 1.0)
                return np.asarray(variable[key])


def _steps(order: tuple[int, ...], span: Range) -> slice | list[int]:
    steps = order[slice(*span)]
    # A single step is a slice: libraries read lists of indices one by one.
    return slice(steps[0], steps[0] + 1) if len(steps) == 1 else list(steps)
