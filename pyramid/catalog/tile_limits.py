"""The tiles of a tile matrix set that hold the data of a layer."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lazytile.pyramid.catalog.layer_bounds import bounds_in, is_global
from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import TileOutOfRangeError
from lazytile.pyramid.core.request_field import RequestField

if TYPE_CHECKING:
    from lazytile.pyramid.store.layer import Layer
    from lazytile.pyramid.tiling.tms import TileMatrix, TileMatrixSet

WORLD_CRSS = frozenset({"EPSG:4326", "EPSG:3857"})
"""CRSs whose sets a global layer fills."""
_TILE_TOLERANCE = 1e-6
"""Share of a tile by which an edge on a tile border may miss it: such an edge must not add an empty row."""


@dataclass(frozen=True, slots=True)
class MatrixLimits:
    """The tiles of one matrix that hold a layer's data; both ends are included."""

    matrix: str
    min_row: int
    max_row: int
    min_col: int
    max_col: int

    def holds_all(self, matrix: TileMatrix) -> bool:
        """Return whether the limits exclude no tile.

        Args:
            matrix: The matrix that they limit.

        Returns:
            True if they are its first and last row and column.
        """
        ends = (self.min_row, self.max_row, self.min_col, self.max_col)
        return ends == (0, matrix.matrix_height - 1, 0, matrix.matrix_width - 1)


def limits_of(layer: Layer, tms: TileMatrixSet) -> list[MatrixLimits]:
    """Return the limits of a layer in a set, as capabilities declare them.

    The published schema requires MaxTileRow and MaxTileCol of at least 1, although row 0 may be the only one
    (OGC 07-057r7, Table 12, says non-negative). A maximum of 0 is therefore declared as 1, which adds an empty tile,
    and a matrix of one row or column, which has no tile 1, has no limits. Only a native set has them in every matrix;
    there tile 1 is an empty one beyond the matrix.

    Args:
        layer: The layer.
        tms: The set.

    Returns:
        The limits in each matrix that has any; empty for a layer that fills the set.
    """
    if is_global(layer) and (tms.is_native or tms.crs in WORLD_CRSS):
        return []
    if tms.is_native:
        # Of a set with limits, OpenLayers offers only the matrices that have some.
        whole = (tiles_with_data(layer, tms, matrix) for matrix in tms.matrices)
        return [replace(each, max_row=max(each.max_row, 1), max_col=max(each.max_col, 1)) for each in whole]
    described = [matrix for matrix in tms.matrices if min(matrix.matrix_width, matrix.matrix_height) > 1]
    found = [tiles_with_data(layer, tms, matrix) for matrix in described]
    if all(limits.holds_all(matrix) for limits, matrix in zip(found, described, strict=True)):
        return []
    return [replace(limits, max_row=max(limits.max_row, 1), max_col=max(limits.max_col, 1)) for limits in found]


@dataclass(frozen=True, slots=True)
class _SetLimits:
    """The limits of a layer in a set, by matrix."""

    by_matrix: dict[str, MatrixLimits]

    @property
    def nbytes(self) -> int:
        """Approximate size in memory."""
        return 300 * len(self.by_matrix)


def limits_in(layer: Layer, tms: TileMatrixSet, matrix: TileMatrix) -> MatrixLimits | None:
    """Return the limits of a layer in one matrix, as capabilities declare them; computed once for each grid and set.

    Args:
        layer: The layer.
        tms: The set.
        matrix: A matrix of the set.

    Returns:
        The limits, None where there are none.
    """
    key = (layer.dataset.grid, tms.identifier, tms.bounds)

    def make() -> _SetLimits:
        return _SetLimits({limits.matrix: limits for limits in limits_of(layer, tms)})

    known: _SetLimits = process.computed("layers", ("tile limits", *key), make)
    return known.by_matrix.get(matrix.identifier)


def check_limits(layer: Layer, tms: TileMatrixSet, matrix: TileMatrix, row: int, col: int, *, margin: int = 0) -> None:
    """Check a tile against the limits that capabilities declare (OGC 07-057r7, Table 24).

    Args:
        layer: The layer.
        tms: The set.
        matrix: A matrix of the set.
        row: Row of the tile.
        col: Column of the tile.
        margin: Tiles by which it may lie outside.

    Raises:
        TileOutOfRangeError: The tile lies outside the limits.
    """
    limits = limits_in(layer, tms, matrix)
    if limits is None:
        return
    for field, value, low, high in (
        (RequestField.ROW, row, limits.min_row, limits.max_row),
        (RequestField.COLUMN, col, limits.min_col, limits.max_col),
    ):
        if not low - margin <= value <= high + margin:
            where = f"in tile matrix {matrix.identifier} of {tms.identifier}"
            raise TileOutOfRangeError(
                field, f"{field} {value} is outside the limits of {layer.name}, it may be {low} to {high} {where}"
            )


def tiles_with_data(layer: Layer, tms: TileMatrixSet, matrix: TileMatrix) -> MatrixLimits:
    """Return the tiles of a matrix that intersect the bounds of a layer.

    Args:
        layer: The layer.
        tms: The set.
        matrix: A matrix of the set.

    Returns:
        The limits, exact where those of capabilities are not (see ``limits_of``).
    """
    if tms.is_native:
        return MatrixLimits(matrix.identifier, 0, matrix.matrix_height - 1, 0, matrix.matrix_width - 1)
    bounds = bounds_in(layer, tms)
    width, height = matrix.tile_width * matrix.cell_width, matrix.tile_height * matrix.cell_height
    first_col, last_col = _range(
        (bounds.west - matrix.origin_x) / width, (bounds.east - matrix.origin_x) / width, matrix.matrix_width
    )
    first_row, last_row = _range(
        (matrix.origin_y - bounds.north) / height, (matrix.origin_y - bounds.south) / height, matrix.matrix_height
    )
    return MatrixLimits(matrix.identifier, first_row, last_row, first_col, last_col)


def _range(start: float, end: float, count: int) -> tuple[int, int]:
    """Return the first and last tile of an extent, which is in tiles from the origin."""
    first = min(max(math.floor(start + _TILE_TOLERANCE), 0), count - 1)
    last = min(max(math.ceil(end - _TILE_TOLERANCE) - 1, first), count - 1)
    return first, last


def with_limits(layer: Layer, tms: TileMatrixSet, matrix: TileMatrix) -> TileMatrix:
    """Return a matrix with every tile that its declared limits name.

    Args:
        layer: The layer.
        tms: The set.
        matrix: A matrix of the set.

    Returns:
        The matrix, larger by an empty row or column where the limits are (see ``limits_of``).
    """
    limits = limits_in(layer, tms, matrix) if tms.is_native else None
    if limits is None or (limits.max_row < matrix.matrix_height and limits.max_col < matrix.matrix_width):
        return matrix
    rows, cols = max(matrix.matrix_height, limits.max_row + 1), max(matrix.matrix_width, limits.max_col + 1)
    return replace(matrix, matrix_height=rows, matrix_width=cols)
