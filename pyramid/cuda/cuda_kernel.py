"""The CUDA kernel: jobs become requests of the thread that owns the GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.stop_flag import StoppedError
from lazytile.pyramid.cuda.device_cache import Upload
from lazytile.pyramid.cuda.gpu_thread import GpuThread, Pending
from lazytile.pyramid.cuda.request import Request
from lazytile.pyramid.cuda.slab import aligned
from lazytile.pyramid.kernel.job_tables import JobTables, fits_tables
from lazytile.pyramid.kernel.mesh_chunks import mesh_positions
from lazytile.pyramid.resampling.value_tile import VALUES, ValueTile

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    from lazytile.colormaps.compiled.palette import Palette
    from lazytile.pyramid.core.stop_flag import StopFlag
    from lazytile.pyramid.kernel.job import BlockKernel, FilledJob, Job, Kernel, PictureEncoder


class CudaKernel:
    """Computes jobs on a GPU. See ``Kernel``."""

    def __init__(self, gpu: GpuThread, processor: Kernel) -> None:
        """Use a GPU.

        Args:
            gpu: Its thread.
            processor: Computes what the GPU does not: jobs larger than a batch, and the colours of values.
        """
        self.gpu = gpu
        self.processor = processor

    @property
    def name(self) -> str:
        """Its name, with the architecture of the GPU."""
        return self.gpu.name

    @property
    def reuses_values(self) -> bool:
        """A run takes no longer than colouring values."""
        return False

    @property
    def holds_chunks(self) -> bool:
        """The GPU's memory holds chunks."""
        return True

    @property
    def blocks(self) -> BlockKernel | None:
        """Those of the processor: conversion reads files, which a GPU does not."""
        return self.processor.blocks

    @property
    def png(self) -> PictureEncoder | None:
        """The processor's: deflate is one byte after the other."""
        return self.processor.png

    def handles(self, job: Job) -> bool:
        """Return whether the codes, their no-data codes and the palette fit the tables."""
        return fits_tables(job)

    def positions(self, job: Job) -> Sequence[tuple[int, int]]:
        """Return the chunks that a job needs."""
        return mesh_positions(job) if job.location.is_mesh else job.axis_positions()

    def held(self, job: Job, keys: Sequence[Hashable]) -> Sequence[Any]:
        """Return the chunks that lie on the GPU or are on their way there, None for each other one.

        Args:
            job: The job that needs them.
            keys: Of the chunks, in their order.

        Returns:
            What ``FilledJob.chunks`` takes in the place of each chunk.
        """
        nbytes = job.chunk.rows * job.chunk.cols * np.dtype(job.packing.dtype).itemsize
        tables = _tables(job, values=job.palette is None).arrays()
        total = len(keys) * aligned(nbytes) + sum(aligned(table.nbytes) for table in tables)
        if not self.gpu.fits(total, len(keys) + len(tables)):
            return [None] * len(keys)
        return [self.gpu.cache.get(key) for key in keys]

    def run(self, batch: Sequence[FilledJob], stop: StopFlag) -> list[NDArray[Any]]:
        """Compute palette indices."""
        return self._run(batch, stop, values=False)

    def values(self, batch: Sequence[FilledJob], stop: StopFlag) -> list[ValueTile]:
        """Compute decoded values."""
        return [ValueTile(values, VALUES, None) for values in self._run(batch, stop, values=True)]

    def hillshade(self, values: NDArray[Any], exaggeration: float, stop: StopFlag) -> NDArray[Any]:
        """Shade values as heights, on the processor."""
        return self.processor.hillshade(values, exaggeration, stop)

    def paint(self, tile: ValueTile, palette: Palette) -> NDArray[Any]:
        """Colour values, on the processor."""
        return self.processor.paint(tile, palette)

    def _run(self, batch: Sequence[FilledJob], stop: StopFlag, *, values: bool) -> list[NDArray[Any]]:
        if stop.is_set:
            raise StoppedError
        results: list[Any] = []
        pending = []
        for filled in batch:
            tables = _tables(filled.job, values=values)
            arrays = tables.arrays()
            chunks = [
                chunk if isinstance(chunk, Upload) else (key, np.require(chunk, filled.job.packing.dtype, ["C"]))
                for key, chunk in zip(_keys(filled), filled.chunks, strict=True)
            ]
            one = Pending(Request(filled.job, tables, stop), arrays, chunks)
            is_read = not any(isinstance(chunk, Upload) for chunk in chunks)
            if is_read and not self.gpu.fits(one.nbytes, len(arrays) + len(chunks)):
                results.append(_on_processor(self.processor, filled, stop, values=values))
                continue
            pending.append(one)
            results.append(one.request)
        if pending:
            self.gpu.submit(pending)
        return [found.result.result() if isinstance(found, Request) else found for found in results]


def _keys(filled: FilledJob) -> Sequence[Hashable]:
    """Return the keys of a job's chunks; where it has none, ones that no other chunk has."""
    return [object() for _ in filled.chunks] if filled.keys is None else filled.keys


def _on_processor(kernel: Kernel, filled: FilledJob, stop: StopFlag, *, values: bool) -> NDArray[Any]:
    if values:
        return kernel.values([filled], stop)[0].decode()
    return kernel.run([filled], stop)[0]


def _tables(job: Job, *, values: bool) -> JobTables:
    return JobTables.of(job, lambda _: mesh_positions(job), values=values)
