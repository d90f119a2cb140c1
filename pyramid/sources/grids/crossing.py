"""A coordinate of rows and one of columns along two dimensions of a variable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.pyramid.sources.grids.coordinate_pair import CoordinatePair

if TYPE_CHECKING:
    import xarray as xr

    from lazytile.pyramid.sources.grids.cell_coordinates import CellPair
    from lazytile.pyramid.sources.grids.group_view import GroupView
    from lazytile.pyramid.sources.grids.role import Evidence, Kind


@dataclass(frozen=True, slots=True)
class Crossing:
    """A coordinate of rows and one of columns along two dimensions of a variable."""

    y: str
    x: str
    row_dim: str
    col_dim: str
    evidence: Evidence
    by: tuple[str, str]

    def pair(self, view: GroupView, kind: str, cells: CellPair | None) -> CoordinatePair:
        """Return the coordinates as those of a grid.

        Args:
            view: Of their group.
            kind: ``LONLAT`` or ``PROJECTED``.
            cells: The true places of the cells of the variable; None where there are none.

        Returns:
            The coordinates, with the places if these run along the same dimensions.
        """
        shape = view.group.sizes[self.row_dim], view.group.sizes[self.col_dim]
        there = cells if cells is not None and {cells.row_dim, cells.col_dim} == {self.row_dim, self.col_dim} else None
        return CoordinatePair(
            kind, self.y, self.x, self.row_dim, self.col_dim, shape, evidence=self.evidence, by=self.by, cells=there
        )


def crossing_of(view: GroupView, variable: xr.Variable, y_kind: Kind, x_kind: Kind) -> Crossing | None:
    """Return the coordinates of two kinds with the strongest evidence along different dimensions.

    Args:
        view: Of the variable's group.
        variable: With two or more dimensions.
        y_kind: What rows count.
        x_kind: What columns count.

    Returns:
        The coordinates; None where there are none of both kinds.
    """
    best: Crossing | None = None
    for y, row_dim in view.along(variable, y_kind):
        for x, col_dim in view.along(variable, x_kind):
            if row_dim == col_dim:
                continue
            roles = view.roles[y], view.roles[x]
            evidence = max(role.evidence for role in roles)
            if best is None or evidence < best.evidence:
                best = Crossing(y, x, row_dim, col_dim, evidence, (roles[0].by, roles[1].by))
    return best
