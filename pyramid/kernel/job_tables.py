"""The tables of a job, which the compiled kernels share: positions, what is no data, what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.kernel.code_tables import MAX_STEPS, TYPES, is_injective, nodata_table, output_table
from lazytile.pyramid.kernel.position_tables import AxisTable, MeshTable, sums_columns_first
from lazytile.pyramid.resampling.method import Resampling

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lazytile.pyramid.kernel.code_tables import NoDataTable, OutputTable
    from lazytile.pyramid.kernel.job import Job, Position

_UNSUMMED = frozenset({Resampling.NEAREST, Resampling.MODE})


@dataclass(frozen=True, slots=True, eq=False)
class JobTables:
    """The tables of a job."""

    axes: tuple[AxisTable, AxisTable] | None
    """Rows and columns; None for a mesh."""
    mesh: MeshTable | None
    nodata: NoDataTable
    output: OutputTable
    cols_first: bool
    """Of means of floats: which axis is summed first."""

    @classmethod
    def of(cls, job: Job, find: Callable[[MeshTable], tuple[Position, ...]], *, values: bool) -> JobTables:
        """Return the tables of a job.

        Args:
            job: A job that ``fits_tables``.
            find: As for ``MeshTable.of``.
            values: Whether values come out, not palette indices.

        Returns:
            The tables; each is made once.
        """
        nodata = nodata_table(job.packing)
        assert nodata is not None
        output = output_table(None if values else job.palette, job.packing)
        if job.location.is_mesh:
            return cls(None, MeshTable.of(job, find), nodata, output, cols_first=False)
        if job.method is Resampling.NEAREST:
            down, across = job.wanted()
            axes = (AxisTable.of_nearest(down, job.chunk.rows), AxisTable.of_nearest(across, job.chunk.cols))
        else:
            by_row, by_col = job.blends()
            axes = (AxisTable.of_blend(by_row, job.chunk.rows), AxisTable.of_blend(by_col, job.chunk.cols))
        is_ordered = not job.packing.has_table and job.method not in _UNSUMMED
        return cls(axes, None, nodata, output, cols_first=is_ordered and sums_columns_first(job))

    def arrays(self) -> list[NDArray[Any]]:
        """Return the arrays that the structs point to."""
        tables = (*(self.axes or ()), *(() if self.mesh is None else (self.mesh,)), self.output)
        return [array for table in tables for array in table.arrays if array is not None]


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
