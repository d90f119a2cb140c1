"""Which resampling the pixels of a layer get where nobody asks for one.

Amounts are averaged where several cells share a pixel, as they were from level to level: a pixel stands for all it
covers, at every zoom. Where a pixel is no larger than a cell it shows that cell. Classes, and whatever else is not
reduced by means, are never mixed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.pyramid.render.location import is_finer
from lazytile.pyramid.render.resampling import Resampling

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lazytile.pyramid.store.dataset import Dataset
    from lazytile.pyramid.tiling.tms import TileMatrix, TileMatrixSet


def default_resampling(
    dataset: Dataset, variables: Iterable[str], tms: TileMatrixSet, matrix: TileMatrix
) -> Resampling:
    """Return the resampling of a picture of some variables. Raises ``DatasetNotFoundError`` for one there is not."""
    if all(dataset.variable(name).reduction == "mean" for name in variables) and is_finer(
        dataset.grid, dataset.levels, tms, matrix
    ):
        return Resampling.AVERAGE
    return Resampling.NEAREST
