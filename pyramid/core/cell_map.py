"""Which source cell each cell of a regular grid shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lazytile.pyramid.core.grid import Grid


class CellMap(Protocol):
    """A map from the cells of a regular grid to those of a source. Holds plain values."""

    @property
    def source_cols(self) -> int:
        """Columns of the source, by which flat indices are divided."""

    @property
    def grid(self) -> Grid:
        """The regular grid."""

    def source_cells(self, rows: tuple[int, int], cols: tuple[int, int], version: str = "") -> NDArray[Any]:
        """Return the source cell of each cell of a block.

        Args:
            rows: Range of rows.
            cols: Range of columns.
            version: Of a remote source.

        Returns:
            Flat indices, int64, shape (rows, cols) of the block; -1 where there is none.
        """
