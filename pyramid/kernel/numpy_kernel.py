"""The NumPy kernel: the reference that the others must equal, and the one that is always there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.kernel.mesh_chunks import mesh_positions
from lazytile.pyramid.kernel.painting import paint
from lazytile.pyramid.kernel.relief import hillshade
from lazytile.pyramid.resampling.blend import blend
from lazytile.pyramid.resampling.mesh_plan import Window
from lazytile.pyramid.resampling.method import Resampling
from lazytile.pyramid.resampling.value_tile import ValueTile

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    from lazytile.colormaps.compiled.palette import Palette
    from lazytile.pyramid.core.stop_flag import StopFlag
    from lazytile.pyramid.kernel.job import FilledJob, Job
    from lazytile.pyramid.resampling.read_plan import Plan


class NumpyKernel:
    """Computes any job. See ``Kernel``."""

    @property
    def name(self) -> str:
        """Its name."""
        return "numpy"

    @property
    def reuses_values(self) -> bool:
        """Colouring takes a fraction of the time of resampling."""
        return True

    @property
    def holds_chunks(self) -> bool:
        """Chunks are in the memory of the process."""
        return False

    @property
    def blocks(self) -> None:
        """None: ``store.reduce`` and ``store.code_statistics`` are NumPy."""
        return

    @property
    def png(self) -> None:
        """None: ``render.image`` has NumPy and a library for deflate."""
        return

    def held(self, job: Job, keys: Sequence[Hashable]) -> Sequence[Any]:  # noqa: ARG002 - the protocol's
        """Return None for each chunk."""
        return [None] * len(keys)

    def handles(self, job: Job) -> bool:  # noqa: ARG002 - the protocol's
        """Return True."""
        return True

    def positions(self, job: Job) -> Sequence[tuple[int, int]]:
        """Return the chunks that a job needs."""
        return mesh_positions(job) if job.location.is_mesh else job.axis_positions()

    def run(self, batch: Sequence[FilledJob], stop: StopFlag) -> list[NDArray[Any]]:
        """Compute palette indices."""
        indices = []
        for filled, tile in zip(batch, self.values(batch, stop), strict=True):
            assert filled.job.palette is not None
            indices.append(self.paint(tile, filled.job.palette))
        return indices

    def values(self, batch: Sequence[FilledJob], stop: StopFlag) -> list[ValueTile]:
        """Compute values; those of the nearest cell stay packed."""
        return [_value_tile(filled, stop) for filled in batch]

    def hillshade(self, values: NDArray[Any], exaggeration: float, stop: StopFlag) -> NDArray[Any]:
        """Shade values as heights."""
        stop.check()
        return hillshade(values, exaggeration)

    def paint(self, tile: ValueTile, palette: Palette) -> NDArray[Any]:
        """Colour values."""
        return paint(tile, palette)


def _value_tile(filled: FilledJob, stop: StopFlag) -> ValueTile:
    job = filled.job
    chunks = dict(zip(filled.positions, filled.chunks, strict=True))

    def read(plan: Plan | Window) -> ValueTile:
        cells = plan.axes if isinstance(plan, Window) else plan
        codes = np.zeros(cells.shape, job.packing.dtype)
        for part in plan.parts(job.chunk):
            # A rectangle around the cells of a mesh may have corners that no pixel shows.
            chunk = chunks.get((part.chunk_row, part.chunk_col))
            if chunk is not None:
                part.scatter(codes, part.gather(chunk))
        if isinstance(plan, Window):
            return ValueTile(codes.ravel().take(plan.cells), job.packing, plan.missing)
        return ValueTile(codes, job.packing, plan.outside())

    stop.check()
    if job.method is Resampling.NEAREST:
        return read(job.location.nearest())
    return blend(read, job.packing, job.location, job.shape, job.method, stop, wraps=job.wraps)
