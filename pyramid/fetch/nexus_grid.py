"""Points of an SDAP server as a netCDF file on the grid that they came from.

A server leaves out what is missing, so the grid has gaps, which become no data, never 0. Rows and columns come from the
distinct latitudes and longitudes; their most frequent distance is the cell size. Memory holds one window of points and
one step of the grid at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import netCDF4
import numpy as np

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.fetch.nexus_points import Points

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

MAX_CELLS = 1 << 26
_SAME_DEG = 5e-5
"""Coordinates this close are the same one, rounded differently."""
_ROUNDING_DEG = 2e-5
"""Of longitudes in float32."""
_OFF_CELLS = 0.02
"""How far from its position in the grid a point may lie."""
_STRAY_CELLS = 0.2
_WALKED_CELLS = 20
_FREQUENT = 0.1
_CHUNK_CELLS = 512
_STANDARD_NAMES = {
    "sst": "sea_water_temperature",
    "sss": "sea_water_salinity",
    "wind_u": "eastward_wind",
    "wind_v": "northward_wind",
    "wind_speed": "wind_speed",
}
"""As the server's own tables have them."""


@dataclass(frozen=True, slots=True)
class Centres:
    """Evenly spaced centres of cells along one axis, ascending."""

    first: float
    step: float
    count: int

    def values(self) -> NDArray[np.float64]:
        """Return the centres, shape (count,), degrees."""
        return self.first + self.step * np.arange(self.count, dtype=np.float64)

    def index_of(self, coordinates: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the cell of each coordinate.

        Args:
            coordinates: Degrees, shape (points,).

        Returns:
            Indices, shape (points,).
        """
        return np.rint((coordinates - self.first) / self.step).astype(np.int64)


def write_grid(windows: Sequence[Path], target: Path, title: str, source: str) -> None:
    """Write points to a netCDF file.

    Args:
        windows: Files of ``Points``, in the order of their times.
        target: The file, which appears in one step.
        title: Of the file.
        source: URL of the request, for the file's attributes and errors.

    Raises:
        SourceError: The points do not lie on an even grid, or two of them differ in one cell.
    """
    rows, cols, times, kinds = _surveyed(windows, source)
    new = target.with_name(f".{target.name}.new")
    with netCDF4.Dataset(new, "w") as file:
        file.setncatts({"title": title, "source": source, "Conventions": "CF-1.8"})
        _write_axis(file, "latitude", rows, "degrees_north")
        _write_axis(file, "longitude", cols, "degrees_east")
        file.createDimension("time", len(times))
        axis = file.createVariable("time", "f8", ("time",))
        axis.setncatts({"standard_name": "time", "units": "seconds since 1970-01-01 00:00:00", "calendar": "standard"})
        axis[:] = times
        chunks = (1, min(rows.count, _CHUNK_CELLS), min(cols.count, _CHUNK_CELLS))
        for name, dtype in kinds.items():
            variable = file.createVariable(
                name,
                dtype,
                ("time", "latitude", "longitude"),
                fill_value=np.nan,
                zlib=True,
                complevel=1,
                shuffle=True,
                chunksizes=chunks,
            )
            if name in _STANDARD_NAMES:
                variable.standard_name = _STANDARD_NAMES[name]
        for window in windows:
            points = Points.load(window)
            for moment in np.unique(points.time):
                step = int(np.searchsorted(times, moment))
                now = points.select(points.time == moment)
                for name, values in now.values.items():
                    if name in kinds:
                        file[name][step] = _placed(now, values, rows, cols, name)
    new.replace(target)


def _surveyed(windows: Sequence[Path], source: str) -> tuple[Centres, Centres, NDArray[np.float64], dict[str, str]]:
    """Return rows, columns, times, and the smallest type that holds each variable exactly."""
    latitudes, longitudes, times = np.empty(0), np.empty(0), np.empty(0)
    kinds: dict[str, str] = {}
    for window in windows:
        points = Points.load(window)
        latitudes = np.union1d(latitudes, points.latitude)
        longitudes = np.union1d(longitudes, points.longitude)
        times = np.union1d(times, points.time)
        for name, values in points.values.items():
            with np.errstate(over="ignore"):
                exact = np.array_equal(values.astype(np.float32).astype(np.float64), values, equal_nan=True)
            kinds[name] = "f4" if exact and kinds.get(name, "f4") == "f4" else "f8"
    if not times.size or not kinds:
        raise SourceError(f"{source}: the server has no points in this box and time")
    rows, cols = _centres(latitudes, "latitude"), _centres(longitudes, "longitude")
    if rows is None and cols is None:
        raise SourceError(f"{source}: the server has one point in this box, which is not a grid")
    # A single row or column has square cells.
    rows = rows or Centres(float(latitudes[0]), cols.step if cols else 0.0, 1)
    cols = cols or Centres(float(longitudes[0]), rows.step, 1)
    if rows.count * cols.count > MAX_CELLS:
        raise SourceError(f"{source}: the points make {rows.count} x {cols.count} cells; {MAX_CELLS} are allowed")
    return rows, cols, times, kinds


def _centres(distinct: NDArray[np.float64], name: str) -> Centres | None:
    """Return the even axis that sorted coordinates lie on; None for a single one. Raises ``SourceError``."""
    gaps = np.diff(distinct)
    gaps = gaps[gaps > _SAME_DEG]
    if not gaps.size:
        return None
    kinds, counts = np.unique(np.rint(gaps / _SAME_DEG), return_counts=True)
    usual = kinds[np.argmax(counts)]
    least = kinds[0]
    steps = [float(gaps[np.abs(gaps / _SAME_DEG - kind) < 1.5].mean()) for kind in (usual, least)]
    # A stray point makes one or two small distances, a sparse grid many.
    if counts[kinds <= least + 1].sum() < _FREQUENT * gaps.size:
        del steps[1]
    off: float | None = None
    for step in steps:
        axis, off_cells = _fitted(distinct, step)
        worst = int(np.argmax(off_cells))
        if off_cells[worst] <= _OFF_CELLS + _ROUNDING_DEG / axis.step:
            return axis
        off = float(distinct[worst]) if off is None else off
    raise SourceError(
        f"the points do not lie on an even grid: {name} {off:.6g} is off the grid of {steps[0]:.6g} degrees"
    )


def _fitted(distinct: NDArray[np.float64], step: float) -> tuple[Centres, NDArray[np.float64]]:
    """Return the axis nearest to coordinates about ``step`` apart, and how many cells each of them is off."""
    # Counted from one good coordinate to the next, since a small error of the step adds up over thousands.
    positions, good = np.zeros(distinct.size), np.ones(distinct.size, np.bool_)
    last = 0
    for at in range(1, distinct.size):
        cells = (distinct[at] - distinct[last]) / step
        positions[at] = positions[last] + np.rint(cells)
        good[at] = abs(cells - np.rint(cells)) < _STRAY_CELLS
        if good[at]:
            last = at
            # The distance so far gives a better step than one rounded distance, which matters at the next wide gap.
            step = (distinct[at] - distinct[0]) / positions[at] if positions[at] >= _WALKED_CELLS else step
    first = float(distinct[0])
    if positions[good][-1] > 0:
        step, first = (float(each) for each in np.polyfit(positions[good], distinct[good], 1))
    positions = np.rint((distinct - first) / step)
    start = positions[0]
    axis = Centres(first + step * float(start), step, int(positions[-1] - start) + 1)
    return axis, np.abs(distinct - (first + step * positions)) / step


def _placed(
    points: Points, values: NDArray[np.float64], rows: Centres, cols: Centres, name: str
) -> NDArray[np.float64]:
    """Return a step of the grid, shape (rows, cols), NaN where there is no point."""
    grid = np.full((rows.count, cols.count), np.nan)
    there = ~np.isnan(values)
    at = rows.index_of(points.latitude[there]), cols.index_of(points.longitude[there])
    grid[at] = values[there]
    if not np.array_equal(grid[at], values[there]):
        which = int(np.argmax(grid[at] != values[there]))
        lat, lon = points.latitude[there][which], points.longitude[there][which]
        raise SourceError(f"the server has two values of {name} at latitude {lat:.6g}, longitude {lon:.6g}")
    return grid


def _write_axis(file: Any, name: str, centres: Centres, units: str) -> None:
    file.createDimension(name, centres.count)
    variable = file.createVariable(name, "f8", (name,))
    variable.setncatts({"standard_name": name, "units": units})
    variable[:] = centres.values()
    if centres.count == 1:
        variable.bounds = f"{name}_bounds"
        if "edge" not in file.dimensions:
            file.createDimension("edge", 2)
        edges = file.createVariable(f"{name}_bounds", "f8", (name, "edge"))
        edges[:] = centres.first + centres.step * np.array([[-0.5, 0.5]])
