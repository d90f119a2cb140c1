"""The resampling of a layer's pixels where a request names none.

Amounts are averaged where several cells share a pixel, as they were from level to level: a pixel represents all that it
covers, at every zoom. A pixel no larger than a cell shows that cell. Classes, and all else that is not reduced by
means, are never mixed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.pyramid.render.level import is_finer
from lazytile.pyramid.resampling.method import Resampling

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lazytile.pyramid.store.dataset import Dataset
    from lazytile.pyramid.tiling.tms import TileMatrix, TileMatrixSet


def default_resampling(
    dataset: Dataset, variables: Iterable[str], tms: TileMatrixSet, matrix: TileMatrix
) -> Resampling:
    """Return the resampling of a picture of some variables.

    Args:
        dataset: Description of the dataset.
        variables: Names of the variables.
        tms: Tile matrix set.
        matrix: One of its matrices.

    Returns:
        ``average`` or ``nearest``.

    Raises:
        DatasetNotFoundError: The dataset has no such variable.
    """
    if all(dataset.variable(name).reduction == "mean" for name in variables) and is_finer(
        dataset.grid, dataset.levels, tms, matrix
    ):
        return Resampling.AVERAGE
    return Resampling.NEAREST
