"""The native kernel: C++ on the processor, called through ctypes, which releases the interpreter's lock.

``source/pixels.h`` holds the arithmetic. Tables are made once; a batch costs one list of addresses and one call.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core import process
from lazytile.pyramid.core.stop_flag import StoppedError
from lazytile.pyramid.kernel.code_tables import (
    INDEX8,
    INDEX16,
    MAX_STEPS,
    TYPES,
    VALUE,
    OutputTable,
    is_injective,
    nodata_table,
)
from lazytile.pyramid.kernel.mesh_chunks import chunk_counts, positions_of
from lazytile.pyramid.kernel.painting import paint
from lazytile.pyramid.kernel.position_tables import AxisTable, MeshTable, sums_columns_first
from lazytile.pyramid.kernel.relief import SUN
from lazytile.pyramid.kernel.structs import (
    METHODS,
    JobStruct,
    axis_struct,
    host_address,
    mesh_struct,
    nodata_struct,
    output_struct,
)
from lazytile.pyramid.resampling.method import Resampling
from lazytile.pyramid.resampling.value_tile import VALUES, ValueTile

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    from lazytile.colormaps.compiled.palette import Palette
    from lazytile.pyramid.core.packing import Packing
    from lazytile.pyramid.core.stop_flag import StopFlag
    from lazytile.pyramid.kernel.job import FilledJob, Job
    from lazytile.pyramid.kernel.library import Library
    from lazytile.pyramid.resampling.read_plan import AxisCells
    from lazytile.pyramid.resampling.taps import AxisBlend

_STOPPED = 1
_ALIGNMENT = 64
_DTYPES: dict[int, np.dtype[Any]] = {
    INDEX8: np.dtype(np.uint8),
    INDEX16: np.dtype(np.uint16),
    VALUE: np.dtype(np.float64),
}
"""Of what comes out."""


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """A struct and the tables that it points to."""

    struct: ctypes.Structure
    table: Any
    address: int
    nbytes: int

    @classmethod
    def of(cls, struct: ctypes.Structure, table: Any, nbytes: int = 400) -> _Held:
        return cls(struct, table, ctypes.addressof(struct), nbytes)


@dataclass(frozen=True, slots=True, eq=False)
class _HeldMesh:
    held: _Held
    positions: tuple[tuple[int, int], ...]


class NativeKernel:
    """Computes jobs of integers of 8 and 16 bits and of floats. See ``Kernel``."""

    def __init__(self, library: Library) -> None:
        self._library = library

    @property
    def name(self) -> str:
        """Its name, with the instruction set that it uses."""
        return f"native {self._library.instructions}".strip()

    @property
    def reuses_values(self) -> bool:
        """A run takes no longer than colouring values."""
        return False

    @property
    def holds_chunks(self) -> bool:
        """Chunks are in the memory of the process."""
        return False

    def held(self, job: Job, keys: Sequence[Hashable]) -> Sequence[Any]:  # noqa: ARG002 - the protocol's
        """Return None for each chunk."""
        return [None] * len(keys)

    def handles(self, job: Job) -> bool:
        """Return whether the codes, their no-data codes and the palette fit the tables."""
        return fits_tables(job)

    def positions(self, job: Job) -> Sequence[tuple[int, int]]:
        """Return the chunks that a job needs."""
        return self._mesh(job).positions if job.location.is_mesh else job.axis_positions()

    def run(self, batch: Sequence[FilledJob], stop: StopFlag) -> list[NDArray[Any]]:
        """Compute palette indices."""
        return self._run(batch, stop, values=False)

    def values(self, batch: Sequence[FilledJob], stop: StopFlag) -> list[ValueTile]:
        """Compute decoded values."""
        return [ValueTile(values, VALUES, None) for values in self._run(batch, stop, values=True)]

    def paint(self, tile: ValueTile, palette: Palette) -> NDArray[Any]:
        """Colour values; packed ones are NumPy's."""
        if tile.packing != VALUES or tile.outside is not None or len(palette.conversion.steps) > MAX_STEPS:
            return paint(tile, palette)
        values = np.ascontiguousarray(tile.codes, np.float64)
        output = _output(palette, VALUES)
        index = np.empty(values.shape, _DTYPES[output.table.kind])
        self._library.paint(host_address(values), values.size, output.address, host_address(index))
        return index

    def hillshade(self, values: NDArray[Any], exaggeration: float, stop: StopFlag) -> NDArray[Any]:
        """Shade values as heights."""
        heights = np.ascontiguousarray(values, np.float64)
        out = np.empty((heights.shape[0] - 2, heights.shape[1] - 2))
        sun = np.array(SUN)
        at, sun_at, to = (host_address(array) for array in (heights, sun, out))
        status = self._library.hillshade(at, heights.shape[1], *out.shape, exaggeration, sun_at, to, stop.address)
        if status == _STOPPED:
            raise StoppedError
        return out

    def halve(self, codes: NDArray[Any], packing: Packing) -> NDArray[Any] | None:
        """Return the next coarser level by means; None for other types and longer lists of no-data codes."""
        if packing.dtype not in TYPES or codes.dtype != np.dtype(packing.dtype) or nodata_table(packing) is None:
            return None
        cells = np.ascontiguousarray(codes)
        rows, cols = cells.shape
        out = np.empty((rows - rows // 2, cols - cols // 2), cells.dtype)
        fill = None if packing.fill_code is None else np.array(packing.fill_code, cells.dtype)
        nodata = _nodata(packing)
        self._library.halve(
            TYPES[packing.dtype],
            host_address(cells),
            rows,
            cols,
            nodata.address,
            None if fill is None else host_address(fill),
            host_address(out),
        )
        return out

    def count(self, codes: NDArray[Any]) -> NDArray[np.int64] | None:
        """Count integer codes of 8 or 16 bits."""
        cells = np.ascontiguousarray(codes)
        counts = np.zeros(1 << (8 * cells.itemsize), np.int64)
        self._library.count(host_address(cells), cells.size, cells.itemsize, host_address(counts))
        return counts

    def _run(self, batch: Sequence[FilledJob], stop: StopFlag, *, values: bool) -> list[NDArray[Any]]:
        jobs = (JobStruct * max(1, len(batch)))()
        results: list[NDArray[Any]] = []
        alive: list[Any] = []  # what the structs point to
        for filled, struct in zip(batch, jobs, strict=False):
            job = filled.job
            output = _output(None if values else job.palette, job.packing)
            result = np.empty(job.pixels, _DTYPES[output.table.kind])
            pointers, chunks = _pointers(filled)
            alive += [output, pointers, chunks, *self._fill(struct, job)]
            struct.output, struct.chunks = output.address, ctypes.addressof(pointers)
            struct.out, struct.stride = host_address(result), result.shape[1]
            results.append(result)
        scratch = np.empty(self._library.scratch(jobs, len(batch)) + _ALIGNMENT, np.uint8)
        room = -(-host_address(scratch) // _ALIGNMENT) * _ALIGNMENT
        status = self._library.run(jobs, len(batch), room, stop.address)
        del alive
        if status == _STOPPED:
            raise StoppedError
        assert status == 0, f"the native kernel returned {status}"
        return results

    def _fill(self, struct: JobStruct, job: Job) -> tuple[_Held, ...]:
        """Fill a struct with what a job says about positions and codes; return what it points to."""
        nodata = _nodata(job.packing)
        struct.nodata, struct.type, struct.method = nodata.address, TYPES[job.packing.dtype], METHODS[job.method]
        struct.chunk_cols = job.chunk.cols
        if job.location.is_mesh:
            mesh = self._mesh(job).held
            struct.mesh = mesh.address
            return nodata, mesh
        rows, cols = _axes(job)
        struct.rows, struct.cols = rows.address, cols.address
        if not job.packing.has_table and job.method not in {Resampling.NEAREST, Resampling.MODE}:
            struct.cols_first = sums_columns_first(job)
        return nodata, rows, cols

    def _mesh(self, job: Job) -> _HeldMesh:
        key = ("native", job.method, job.chunk)
        found: _HeldMesh | None = job.location.kept.get(key)
        if found is None:
            # Two threads may both make it; the results are equal.
            table = MeshTable.of(job)
            held = _Held.of(mesh_struct(table, host_address), table)
            struct = JobStruct(mesh=held.address, method=METHODS[job.method], chunk_cols=job.chunk.cols)
            used = np.zeros(chunk_counts(job), np.uint8)
            self._library.mesh_chunks(ctypes.addressof(struct), host_address(used))
            positions = positions_of(used != 0)
            for slot, position in enumerate(positions):
                table.slot[position] = slot
            found = job.location.kept[key] = _HeldMesh(held, positions)
        return found


def fits_tables(job: Job) -> bool:
    """Return whether compiled kernels can compute a job.

    Args:
        job: The job.

    Returns:
        Whether the type of its codes, its no-data codes, its palette and its method fit their tables.
    """
    packing = job.packing
    if packing.dtype not in TYPES or nodata_table(packing) is None:
        return False
    if job.palette is not None and len(job.palette.conversion.steps) > MAX_STEPS:
        return False
    return not (job.method is Resampling.MODE and packing.has_table and not is_injective(packing))


def _pointers(filled: FilledJob) -> tuple[ctypes.Array[ctypes.c_void_p], list[NDArray[Any]]]:
    """Return the addresses of chunks, and the chunks, which have to live as long."""
    dtype, shape = np.dtype(filled.job.packing.dtype), (filled.job.chunk.rows, filled.job.chunk.cols)
    chunks = [
        chunk
        if chunk.dtype == dtype and chunk.flags.c_contiguous and chunk.flags.aligned
        else np.require(chunk, dtype, ["C", "A"])
        for chunk in filled.chunks
    ]
    assert all(chunk.shape == shape for chunk in chunks)
    pointers = (ctypes.c_void_p * max(1, len(chunks)))(*map(host_address, chunks))
    return pointers, chunks


def _axes(job: Job) -> tuple[_Held, _Held]:
    rows, cols = job.chunk.rows, job.chunk.cols
    if job.method is Resampling.NEAREST:
        down, across = job.wanted()
        return _axis_of_cells(down, rows), _axis_of_cells(across, cols)
    by_row, by_col = job.blends()
    return _axis_of_blend(by_row, rows), _axis_of_blend(by_col, cols)


def _axis_of_cells(cells: AxisCells, chunk_length: int) -> _Held:
    key = ("native", chunk_length)
    found: _Held | None = cells.kept.get(key)
    if found is None:
        table = AxisTable.of_nearest(cells, chunk_length)
        found = cells.kept[key] = _Held.of(axis_struct(table, host_address), table)
    return found


def _axis_of_blend(blend: AxisBlend, chunk_length: int) -> _Held:
    key = ("native", chunk_length)
    found: _Held | None = blend.kept.get(key)
    if found is None:
        table = AxisTable.of_blend(blend, chunk_length)
        found = blend.kept[key] = _Held.of(axis_struct(table, host_address), table)
    return found


def _nodata(packing: Packing) -> _Held:
    def make() -> _Held:
        table = nodata_table(packing)
        assert table is not None
        return _Held.of(nodata_struct(table), table)

    held: _Held = process.cache("tables").get(("native no data", packing), make)
    return held


def _output(palette: Palette | None, packing: Packing) -> _Held:
    def make() -> _Held:
        table = OutputTable.of_values(packing) if palette is None else OutputTable.of_palette(palette, packing)
        return _Held.of(output_struct(table, host_address), table, table.nbytes)

    key = ("native output", None if palette is None else palette.key, packing)
    held: _Held = process.cache("tables").get(key, make)
    return held
