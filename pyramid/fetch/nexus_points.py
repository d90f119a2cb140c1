"""The points in an SDAP server's response, as arrays.

Three forms are read: ``data`` of a point is a list of ``{id, variable: number or list}`` (the oldest servers), an
object ``{id, variables: [{name: number}]}``, or one with the keys of a measurement (``sst``, ``sss``, ``wind_u``, ...).
The whole is a list of points, or ``{"meta": ..., "data": points, "stats": ...}``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from lazytile.pyramid.core.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

MAX_VARIABLES = 64
_NAMES = "names"
_INVALID = re.compile(r"[^A-Za-z0-9_]+")
_AXES = frozenset({"latitude", "longitude", "time", "latitude_bounds", "longitude_bounds"})


@dataclass(frozen=True, slots=True)
class Points:
    """Some points. Every array has the shape (points,), float64."""

    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]
    """Degrees."""
    time: NDArray[np.float64]
    """Seconds since 1970."""
    values: Mapping[str, NDArray[np.float64]]
    """By variable; NaN where a point has none."""

    def between(self, start: int, end: int) -> Points:
        """Return the points of a time. Old servers send those of whole tiles.

        Args:
            start: First second, since 1970.
            end: Last second, included.

        Returns:
            Some of the points.
        """
        return self.select((self.time >= start) & (self.time < end + 1))

    def select(self, which: NDArray[np.bool_]) -> Points:
        """Return some of the points.

        Args:
            which: Shape (points,), true for those to return.

        Returns:
            Some of the points.
        """
        values = {name: values[which] for name, values in self.values.items()}
        return Points(self.latitude[which], self.longitude[which], self.time[which], values)

    def shifted(self, degrees: float) -> Points:
        """Return the points at other longitudes.

        Args:
            degrees: Added to each longitude.

        Returns:
            The points.
        """
        return replace(self, longitude=self.longitude + degrees) if degrees else self

    @classmethod
    def concatenate(cls, parts: Sequence[Points]) -> Self:
        """Return all points of several responses.

        Args:
            parts: The points of each.

        Returns:
            The points, with every variable; NaN where a response lacks one.
        """
        names = list(dict.fromkeys(name for part in parts for name in part.values))
        values = {
            name: np.concatenate([part.values.get(name, np.full(part.time.size, np.nan)) for part in parts])
            for name in names
        }
        latitude, longitude, time = (
            np.concatenate([getattr(part, axis) for part in parts] or [np.empty(0)])
            for axis in ("latitude", "longitude", "time")
        )
        return cls(latitude, longitude, time, values)

    def save(self, path: Path) -> None:
        """Write the points to a file, which appears in one step.

        Args:
            path: Of the file.
        """
        new = path.with_name(f"{path.name}.new.npz")
        named: dict[str, Any] = {f"v{number}": values for number, values in enumerate(self.values.values())}
        names = np.array(list(self.values), dtype=np.str_)
        np.savez(new, latitude=self.latitude, longitude=self.longitude, time=self.time, names=names, **named)
        new.replace(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what ``save`` has written.

        Args:
            path: Of the file.

        Returns:
            The points.
        """
        with np.load(path, allow_pickle=False) as stored:
            values = {str(name): stored[f"v{number}"] for number, name in enumerate(stored[_NAMES])}
            return cls(stored["latitude"], stored["longitude"], stored["time"], values)


def parse_points(document: Any, server: str, default_time: int | None) -> Points:
    """Parse the points of a response.

    Args:
        document: The response, as JSON values.
        server: Names the server in errors.
        default_time: Of points without a time, seconds since 1970.

    Returns:
        The points.

    Raises:
        SourceError: The response has another form.
    """
    data = document.get("data") if isinstance(document, dict) else document
    if not isinstance(data, list):
        raise SourceError(f"{server} does not respond with a list of points; is it an SDAP server?")
    positions = np.empty((3, len(data)))
    values: dict[str, NDArray[np.float64]] = {}
    elevations = set()
    for number, point in enumerate(data):
        try:
            moment = _time(point.get("time", default_time))
            positions[:, number] = float(point["latitude"]), float(point["longitude"]), moment
            elevations.add(point.get("elevation"))
            for key, value in _values(point["data"]):
                name = _name(key)
                column = values.get(name)
                if column is None:
                    column = values.setdefault(name, np.full(len(data), np.nan))
                column[number] = np.nan if value is None else float(value)
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            shown = " ".join(str(point).split())[:120]
            raise SourceError(f"{server} responds with a point that cannot be read: {shown}") from error
        if len(values) > MAX_VARIABLES:
            raise SourceError(f"{server} responds with more than {MAX_VARIABLES} variables")
    if (
        not np.isfinite(positions).all()
        or np.abs(positions[0]).max(initial=0) > 90
        or np.abs(positions[1]).max(initial=0) > 360
    ):
        raise SourceError(f"{server} responds with points that have no valid position or time")
    if len(elevations - {None}) > 1:
        raise SourceError(f"{server} responds with points of {len(elevations)} elevations; one can be read at a time")
    return Points(positions[0], positions[1], positions[2], values)


def _name(key: str) -> str:
    """Return the name of a variable as a file can have it."""
    name = _INVALID.sub("_", key).strip("_") or "variable"
    return f"{name}_values" if name in _AXES else name


def _values(data: Any) -> Iterator[tuple[str, Any]]:
    """Yield names and values of a point."""
    for entry in data if isinstance(data, list) else [data]:
        for name, value in entry.items():
            if name == "id":
                continue
            if name == "variables":
                for each in value:
                    yield from each.items()
            elif isinstance(value, list):
                yield from ((f"{name}_{number}", each) for number, each in enumerate(value, 1))
            else:
                yield name, value


def _time(value: Any) -> float:
    """Return seconds since 1970 of a number or an ISO 8601 text."""
    if isinstance(value, str):
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    seconds = float(value)
    if not math.isfinite(seconds):
        raise ValueError(value)
    return seconds
