"""Blocks of a source, read by its description in the process that runs the block's task.

Files stay open between blocks, one handle a process. The netCDF and HDF5 libraries are not thread-safe, so their reads
take turns under the locks that xarray uses. Decompression is part of the read; what follows it (reduction, compression,
writing) runs while the next block is read.
"""

from __future__ import annotations

import gc
import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from xarray.backends.locks import HDF5_LOCK, NETCDFC_LOCK

from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import SourceError, first_line
from lazytile.pyramid.fetch.source_url import path_or_url, source_stamp
from lazytile.pyramid.sources.cf.attributes import native_codes
from lazytile.pyramid.sources.formats.container import NETCDF, open_group
from lazytile.pyramid.sources.formats.hdf5_filters import advice, filters_of, load_plugins

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lazytile.pyramid.core.cell_map import CellMap
    from lazytile.pyramid.sources.cf.axes import AxisMap
    from lazytile.pyramid.sources.source_variable import Placement
    from lazytile.pyramid.store.layout import Block, Range

CHUNK_CACHE_BYTES = 192 << 20
"""Decompressed source chunks that the HDF5 library caches for a variable: those on the edge between two blocks."""
_CACHE_SLOTS = 4001
_STRIP_BYTES = 32 << 20
"""Source codes that are read at once where cells are resampled."""
DEFAULT_OPEN_FILES = 4
"""Source files that a process keeps open between blocks."""


@dataclass(slots=True)
class _Leased:
    """An open source file, and how many threads are reading it."""

    handle: Any
    engine: str
    readers: int = 0
    is_evicted: bool = False

    def close_unread(self) -> None:
        """Close the file if it was evicted and nobody reads it any more."""
        if self.is_evicted and not self.readers:
            _close(self.handle, self.engine)


class _Handles:
    """The source files that this process has open, the most recently used last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[tuple[Any, ...], _Leased] = {}

    @contextmanager
    def lease(self, path: str, engine: str, group: str, version: str) -> Iterator[Any]:
        """Yield the open group of a file, which stays open meanwhile unless the file changes.

        A file that is not open or has changed is opened. Of others than the most recently used ones, each is closed as
        soon as nobody reads it.
        """
        key = (os.getpid(), path, engine, group, version, source_stamp(path))
        with self._lock:
            leased = self._open.pop(key, None)
            if leased is None:
                self._drop_changed(path, version, key[-1])
                leased = _Leased(_open(path, engine, group), engine)
            self._open[key] = leased
            leased.readers += 1
            while len(self._open) > DEFAULT_OPEN_FILES:
                evicted = self._open.pop(next(iter(self._open)))
                evicted.is_evicted = True
                evicted.close_unread()
        try:
            yield leased.handle
        finally:
            with self._lock:
                leased.readers -= 1
                leased.close_unread()

    def drop_changed(self, path: str) -> None:
        """Close a file that has changed since it was opened."""
        try:
            stamp = source_stamp(path)
        except OSError:
            stamp = (-1,)  # it is gone
        with self._lock:
            self._drop_changed(path, None, stamp)

    def drop(self, path: str) -> bool:
        """Forget a file; it closes with its last reference. Return whether it was open."""
        with self._lock:
            keys = [each for each in self._open if each[1] == path]
            for key in keys:
                del self._open[key]
        return bool(keys)

    def _drop_changed(self, path: str, version: str | None, stamp: tuple[int, ...]) -> None:
        for key in [each for each in self._open if each[1] == path]:
            if key[-1] != stamp or (version is not None and key[-2] != version):
                _close(self._open.pop(key).handle, key[2])


def release_changed(path: str) -> None:
    """Close a source file that has changed since this process opened it.

    The HDF5 library gives everybody who opens a file that is open in the process its old content, whatever was written
    to it since.

    Args:
        path: Of the file, absolute, or a URL.
    """
    _handles().drop_changed(path)


def release(path: str) -> None:
    """Let a source file go, so that a program may write to it after it was converted.

    Args:
        path: Of the file, absolute, or a URL.
    """
    if _handles().drop(path):
        gc.collect()  # a file of netCDF and its variables refer to each other


def _handles() -> _Handles:
    """Return the files that this process has open."""
    return process.current().resource("source files", _Handles)


@contextmanager
def _library_locks(engine: str) -> Iterator[None]:
    if engine != NETCDF:
        yield
        return
    with NETCDFC_LOCK, HDF5_LOCK:
        yield


def _open(path: str, engine: str, group: str) -> Any:
    if engine == NETCDF:
        import netCDF4  # noqa: PLC0415 - other formats do not need it

        load_plugins()
        with _library_locks(engine):
            root = netCDF4.Dataset(path)
            root.set_auto_maskandscale(False)
            root.set_always_mask(False)
            return root if group == "/" else root[group]
    return open_group(path_or_url(path), engine, group)


def _close(handle: Any, engine: str) -> None:
    """Close a file that nobody reads, or that has changed: its content is then neither the old nor the new one."""
    if engine != NETCDF:
        return  # its last reference closes it
    with _library_locks(engine):
        # A group and its variables refer to each other: the last reference may live until the next collection.
        while handle.parent is not None:
            handle = handle.parent
        if handle.isopen():
            handle.close()


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
        cause = error.__cause__ or error  # rasterio's own text is "see previous exception"
        reason = self._missing_filter() or first_line(cause)
        return SourceError(f"{self.path}: {self.placement.name} cannot be read at {where}: {reason}")

    def _missing_filter(self) -> str:
        """Return what brings the compression filter of a variable of HDF5; empty for others."""
        if self.engine != NETCDF:
            return ""
        with (
            _handles().lease(self.path, self.engine, self.placement.group, self.version) as handle,
            _library_locks(self.engine),
        ):
            return advice(filters_of(handle.variables[self.placement.name]))

    def _stored(self, key: tuple[slice | list[int], ...]) -> NDArray[Any]:
        with _handles().lease(self.path, self.engine, self.placement.group, self.version) as handle:
            if self.engine != NETCDF:
                return np.asarray(handle.variables[self.placement.name][key].values)
            with _library_locks(self.engine):
                variable = handle.variables[self.placement.name]
                if isinstance(variable.chunking(), list):
                    size, _, _ = variable.get_var_chunk_cache()
                    if size < CHUNK_CACHE_BYTES:
                        variable.set_var_chunk_cache(CHUNK_CACHE_BYTES, _CACHE_SLOTS, 1.0)
                return np.asarray(variable[key])


def _steps(order: tuple[int, ...], span: Range) -> slice | list[int]:
    steps = order[slice(*span)]
    # A single step is a slice: libraries read lists of indices one by one.
    return slice(steps[0], steps[0] + 1) if len(steps) == 1 else list(steps)
