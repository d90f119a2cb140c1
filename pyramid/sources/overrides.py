"""What the user states about a source in place of the file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the user states about a source; None leaves it to the file."""

    x: str | None = None
    """Name of the variable that holds x or longitude."""
    y: str | None = None
    crs: str | None = None
    """Of x and y: ``EPSG:n``, WKT or a PROJ string."""
    bounds: tuple[float, float, float, float] | None = None
    """West, south, east, north: outer edges of an array that has no coordinates."""
    nodata: float | None = None
    """Code that means no data where the file names none."""
    time: str | None = None
    """Of a file that states none, ISO 8601."""
    time_pattern: str | None = None
    """Where the name of the file holds its time: ``%Y%m%d`` and the like, as ``strptime`` has them."""
