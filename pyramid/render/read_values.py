"""Reading what a block of tiles shows: from a location and a method to a value tile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.resampling.blend import blend
from lazytile.pyramid.resampling.mesh_plan import Window
from lazytile.pyramid.resampling.method import Resampling
from lazytile.pyramid.resampling.value_tile import ValueTile

if TYPE_CHECKING:
    from lazytile.pyramid.resampling.location import Location
    from lazytile.pyramid.resampling.read_plan import Plan
    from lazytile.pyramid.store.dataset import Variable
    from lazytile.pyramid.store.store import StoredDataset


def read_values(
    stored: StoredDataset, variable: Variable, dim_index: tuple[int, ...], location: Location, method: Resampling
) -> ValueTile:
    """Read the cells that a block of tiles shows, and resample them.

    Args:
        stored: The dataset.
        variable: One of its variables.
        dim_index: Index along each dimension before rows and columns.
        location: Where the block's pixels lie.
        method: How they are resampled.

    Returns:
        The block's values.
    """

    def read(plan: Plan | Window) -> ValueTile:
        return _read_cells(stored, variable, dim_index, plan)

    if method is Resampling.NEAREST:
        return read(location.nearest())
    grid = stored.description.grid
    shape = grid.coarsen(location.level).shape
    return blend(read, variable.packing, location, shape, method, wraps=grid.is_full_circle)


def _read_cells(
    stored: StoredDataset, variable: Variable, dim_index: tuple[int, ...], plan: Plan | Window
) -> ValueTile:
    cells = plan.axes if isinstance(plan, Window) else plan
    codes = np.zeros(cells.shape, variable.packing.dtype)
    parts = list(plan.parts(stored.description.chunk))
    addresses = [(part.chunk_row, part.chunk_col) for part in parts]
    for part, chunk in zip(parts, stored.chunks(cells.level, variable.name, dim_index, addresses), strict=True):
        part.scatter(codes, part.gather(chunk))
    if isinstance(plan, Window):
        return ValueTile(codes.ravel().take(plan.cells), variable.packing, plan.missing)
    return ValueTile(codes, variable.packing, plan.outside())
