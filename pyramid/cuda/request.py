"""A job on its way through the GPU: what it needs there, how its structs are filled, who waits for its pixels."""

from __future__ import annotations

import ctypes
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.cuda.device_cache import Uploads
from lazytile.pyramid.kernel.code_tables import TYPES
from lazytile.pyramid.kernel.structs import (
    METHODS,
    JobStruct,
    axis_struct,
    mesh_struct,
    nodata_struct,
    output_struct,
)
from lazytile.pyramid.resampling.method import Resampling

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lazytile.pyramid.core.stop_flag import StopFlag
    from lazytile.pyramid.cuda.slab import Slab
    from lazytile.pyramid.kernel.job import Job
    from lazytile.pyramid.kernel.job_tables import JobTables

ARGUMENT_BYTES = 4096
"""What the structs of a job take at most, alignment included; the addresses of its chunks come on top."""
_SUFFIXES = {"int8": "i8", "uint8": "u8", "int16": "i16", "uint16": "u16", "float32": "f32", "float64": "f64"}


@dataclass(slots=True, eq=False)
class Request:
    """A job that waits for the GPU."""

    job: Job
    tables: JobTables
    stop: StopFlag
    uploads: Uploads = field(default_factory=Uploads)
    result: Future[NDArray[Any]] = field(default_factory=Future)
    offset: int = 0
    """Of its pixels in the batch's output."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the pixels that come out."""
        return self.tables.output.dtype

    @property
    def out_bytes(self) -> int:
        """Size of the pixels that come out."""
        height, width = self.job.pixels
        return height * width * self.dtype.itemsize

    @property
    def function(self) -> str:
        """Name of the kernel that computes the job."""
        kind = _kind(self.job, self.tables)
        return f"lt_{kind}_{_SUFFIXES[self.job.packing.dtype]}"

    def fill(self, struct: JobStruct, slab: Slab, out: int) -> None:
        """Fill the struct of the job; put what it points to into a slab.

        Args:
            struct: The struct.
            slab: The slab.
            out: Address of the batch's output on the GPU.
        """
        address, tables, job = self.uploads.table_address, self.tables, self.job
        if tables.axes is not None:
            struct.rows, struct.cols = (slab.put(axis_struct(axis, address)) for axis in tables.axes)
        if tables.mesh is not None:
            struct.mesh = slab.put(mesh_struct(tables.mesh, address))
        struct.nodata = slab.put(nodata_struct(tables.nodata))
        struct.output = slab.put(output_struct(tables.output, address))
        chunks = [chunk.address for chunk in self.uploads.chunks]
        struct.chunks = slab.put((ctypes.c_uint64 * max(1, len(chunks)))(*chunks))
        struct.out, struct.stride = out + self.offset, job.pixels[1]
        struct.type, struct.method = TYPES[job.packing.dtype], METHODS[job.method]
        struct.chunk_cols, struct.cols_first = job.chunk.cols, tables.cols_first


def _kind(job: Job, tables: JobTables) -> str:
    if job.location.is_mesh:
        kinds = {Resampling.NEAREST: "mesh_nearest", Resampling.MODE: "mesh_mode"}
        return kinds.get(job.method, "mesh_mean")
    if job.method in {Resampling.NEAREST, Resampling.MODE}:
        return str(job.method.value)
    return "cols_first" if tables.cols_first else "rows_first"
