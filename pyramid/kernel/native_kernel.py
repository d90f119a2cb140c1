"""The native kernel: C++ on the processor, called through ctypes, which releases the interpreter's lock.

``source/pixels.h`` holds the arithmetic. Tables are made once; a batch costs one list of addresses and one call.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from lazytile.pyramid.core.stop_flag import StoppedError
from lazytile.pyramid.kernel.code_tables import MAX_STEPS, TYPES, output_table
from lazytile.pyramid.kernel.job_tables import JobTables, fits_tables
from lazytile.pyramid.kernel.mesh_chunks import chunk_counts, positions_of
from lazytile.pyramid.kernel.native_blocks import NativeBlocks
from lazytile.pyramid.kernel.painting import paint
from lazytile.pyramid.kernel.png_encoder import PngEncoder
from lazytile.pyramid.kernel.position_tables import MeshTable
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
from lazytile.pyramid.resampling.value_tile import VALUES, ValueTile

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from numpy.typing import NDArray

    from lazytile.colormaps.compiled.palette import Palette
    from lazytile.pyramid.core.stop_flag import StopFlag
    from lazytile.pyramid.kernel.code_tables import NoDataTable
    from lazytile.pyramid.kernel.job import FilledJob, Job, Position
    from lazytile.pyramid.kernel.library import Library
    from lazytile.pyramid.kernel.structs import Address

_STOPPED = 1
_ALIGNMENT = 64
_STRUCT = "native"


class _Table(Protocol):
    @property
    def kept(self) -> dict[str, Any]: ...


Table = TypeVar("Table", bound=_Table)


class NativeKernel:
    """Computes jobs of integers of 8 and 16 bits and of floats. See ``Kernel``."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._png = PngEncoder(library)

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

    @property
    def blocks(self) -> NativeBlocks:
        """The functions of the library for blocks."""
        return NativeBlocks(self._library)

    @property
    def png(self) -> PngEncoder:
        """The function of the library for PNGs."""
        return self._png

    def held(self, job: Job, keys: Sequence[Hashable]) -> Sequence[Any]:  # noqa: ARG002 - the protocol's
        """Return None for each chunk."""
        return [None] * len(keys)

    def handles(self, job: Job) -> bool:
        """Return whether the codes, their no-data codes and the palette fit the tables."""
        return fits_tables(job)

    def positions(self, job: Job) -> Sequence[tuple[int, int]]:
        """Return the chunks that a job needs."""
        if not job.location.is_mesh:
            return job.axis_positions()
        return MeshTable.of(job, lambda table: self._mesh_positions(job, table)).positions

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
        output = output_table(palette, VALUES)
        index = np.empty(values.shape, output.dtype)
        struct = _address(output, output_struct)
        self._library.paint(host_address(values), values.size, struct, host_address(index))
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

    def _run(self, batch: Sequence[FilledJob], stop: StopFlag, *, values: bool) -> list[NDArray[Any]]:
        jobs = (JobStruct * max(1, len(batch)))()
        results: list[NDArray[Any]] = []
        alive: list[Any] = []  # what the structs point to
        for filled, struct in zip(batch, jobs, strict=False):
            job = filled.job
            tables = self._fill(struct, job, values=values)
            result = np.empty(job.pixels, tables.output.dtype)
            pointers, chunks = _pointers(filled)
            alive += (tables, pointers, chunks)
            struct.chunks = ctypes.addressof(pointers)
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

    def _fill(self, struct: JobStruct, job: Job, *, values: bool) -> JobTables:
        """Fill a struct with what a job says about positions and codes; return the tables that it points to."""
        tables = JobTables.of(job, lambda table: self._mesh_positions(job, table), values=values)
        struct.nodata, struct.output = _address(tables.nodata, _nodata_struct), _address(tables.output, output_struct)
        struct.type, struct.method = TYPES[job.packing.dtype], METHODS[job.method]
        struct.chunk_cols, struct.cols_first = job.chunk.cols, tables.cols_first
        if tables.axes is not None:
            struct.rows, struct.cols = (_address(axis, axis_struct) for axis in tables.axes)
        if tables.mesh is not None:
            struct.mesh = _address(tables.mesh, mesh_struct)
        return tables

    def _mesh_positions(self, job: Job, table: MeshTable) -> tuple[Position, ...]:
        """Return the chunks that the pixels of a mesh want. As ``mesh_chunks.mesh_positions``."""
        struct = JobStruct(mesh=_address(table, mesh_struct), method=METHODS[job.method], chunk_cols=job.chunk.cols)
        used = np.zeros(chunk_counts(job), np.uint8)
        self._library.mesh_chunks(ctypes.addressof(struct), host_address(used))
        return positions_of(used != 0)


def _nodata_struct(table: NoDataTable, address: Address) -> ctypes.Structure:
    del address  # it points to nothing
    return nodata_struct(table)


def _address(table: Table, make: Callable[[Table, Address], ctypes.Structure]) -> int:
    """Return the address of a table's struct, which lives as long as the table."""
    struct: ctypes.Structure | None = table.kept.get(_STRUCT)
    if struct is None:
        # Two threads may both make it; what the first one uses must stay.
        struct = table.kept.setdefault(_STRUCT, make(table, host_address))
    return ctypes.addressof(struct)


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
