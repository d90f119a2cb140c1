"""The coordinates that some variables share, and what is known of them before their numbers are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.sources.grids.role import Evidence

if TYPE_CHECKING:
    from collections.abc import Mapping

    import xarray as xr

    from lazytile.pyramid.core.cell_map import CellMap
    from lazytile.pyramid.core.finding import Finding
    from lazytile.pyramid.core.grid import Grid
    from lazytile.pyramid.sources.cf.axes import AxisMap
    from lazytile.pyramid.sources.grids.cell_coordinates import CellPair

LONLAT, PROJECTED, CURVILINEAR = "lonlat", "projected", "curvilinear"


@dataclass(frozen=True, slots=True)
class CoordinatePair:
    """The coordinates that some variables share: names in their group, and the dimensions along which they run.

    What identifies them may differ from variable to variable, and is not compared.
    """

    kind: str
    y: str
    x: str
    row_dim: str
    col_dim: str
    shape: tuple[int, int]
    mapping: str = ""
    """Name of the grid mapping variable; empty where there is none."""
    crs: str = ""
    """The coordinate reference system that the variables' own attributes state by a convention other than CF."""
    crs_by: str = field(default="", compare=False)
    """The attribute that holds it."""
    evidence: Evidence = field(default=Evidence.CF, compare=False)
    """The weakest of what identifies the coordinates and their coordinate reference system."""
    by: tuple[str, str] = field(default=("", ""), compare=False)
    """What identifies y and x."""
    cells: CellPair | None = field(default=None, compare=False)
    """The true places of the cells along the same dimensions."""
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What contradicts this understanding and is overruled, one line each."""


@dataclass(frozen=True, slots=True)
class SourceGrid:
    """The grid of a file, and how its rows and columns lie in the file."""

    grid: Grid
    row_dim: str
    col_dim: str
    rows: AxisMap
    cols: AxisMap
    remarks: tuple[str, ...]
    resampling: CellMap | None = None
    """The source cell of each cell of the grid, where the source has no regular rows and columns."""
    findings: tuple[Finding, ...] = ()
    """How coordinates and coordinate reference system were understood."""

    @property
    def has_gaps(self) -> bool:
        """Whether some cells of the grid have no source cell."""
        return self.resampling is not None or self.rows.has_gaps or self.cols.has_gaps


@dataclass(frozen=True, slots=True)
class SourceLocation:
    """Where any process finds the variables of a grid."""

    path: str
    engine: str
    group: str
    attributes: dict[str, Any]
    """Of the file."""
    groups: Mapping[str, xr.Dataset] = field(default_factory=dict)
    """All groups of the file by path, each with its own variables only."""


EQUALLY_NEAR = "equally near"
"""Key in the encoding of a group without places: paths of the groups whose places may be its own."""
HOME = "home"
"""Key in the encoding of a variable that another group holds: path of that group, and its name there."""


def home_of(variable: xr.Variable, group: str, name: str) -> tuple[str, str]:
    """Return where a variable is stored.

    Args:
        variable: Of a group, or taken over from another one.
        group: Path of the group.
        name: In the group.

    Returns:
        Path of the group that holds it, and its name there.
    """
    path, own = variable.encoding.get(HOME, (group, name))
    return str(path), str(own)
