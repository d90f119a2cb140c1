"""The options that describe a source where its file does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from lazytile.pyramid.core.errors import SourceError


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """Which variables of a source to convert, and what overrides its own description."""

    var: Annotated[
        list[str] | None,
        typer.Option(
            "--var", metavar="VARIABLE", help="Variable to convert; may be repeated [default: all, or those replaced]."
        ),
    ] = None
    group: Annotated[str | None, typer.Option(metavar="GROUP", help="Group of the file to read.")] = None
    x: Annotated[str | None, typer.Option("--x", metavar="VARIABLE", help="Variable that holds x or longitude.")] = None
    y: Annotated[str | None, typer.Option("--y", metavar="VARIABLE", help="Variable that holds y or latitude.")] = None
    crs: Annotated[
        str | None,
        typer.Option("--crs", metavar="CRS", help="CRS of x and y, such as EPSG:3413, or as WKT or PROJ text."),
    ] = None
    bounds: Annotated[
        str | None,
        typer.Option(metavar="W,S,E,N", help="Outer edges of an array without coordinates (.npy, .npz)."),
    ] = None
    nodata: Annotated[
        float | None, typer.Option(metavar="CODE", help="Stored value that means no data, if the file declares none.")
    ] = None
    time_pattern: Annotated[
        str | None,
        typer.Option(
            "--time-pattern",
            metavar="PATTERN",
            help="Where the names of files that state no time hold it, such as 'sst-%Y%m%d.nc'.",
        ),
    ] = None

    def arguments(self) -> dict[str, Any]:
        """Return the options as keyword arguments of ``convert`` and ``replace``.

        Raises:
            SourceError: ``--bounds`` is not four numbers.
        """
        return {
            "variables": self.var or None,
            "group": self.group,
            "x": self.x,
            "y": self.y,
            "crs": self.crs,
            "bounds": None if self.bounds is None else _edges(self.bounds),
            "nodata": self.nodata,
            "time_pattern": self.time_pattern,
        }


def _edges(text: str) -> tuple[float, float, float, float]:
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError as error:
        raise SourceError(f"--bounds takes WEST,SOUTH,EAST,NORTH, not {text!r}") from error
    return west, south, east, north
