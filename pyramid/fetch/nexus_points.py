"""The points that an SDAP server answers with, as arrays.

Three servers' forms are read: ``data`` of a point is a list of ``{id, variable: number or list}`` (the oldest), an
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
_BARRED = re.compile(r"[^A-Za-z0-9_]+")
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

    def within(self, start: int, end: int) -> Points:
        """Return the points of a time, both ends included. Old servers send those of whole tiles."""
        return self.chosen((self.time >= start) & (self.time < end + 1))

    def chosen(self, which: NDArray[np.bool_]) -> Points:
        """Return the points where ``which`` (shape (points,)) is true."""
        values = {name: values[which] for name, values in self.values.items()}
        return Points(self.latitude[which], self.longitude[which], self.time[which], values)

    def turned(self, turn: float) -> Points:
        """Return the points with something added to their longitudes."""
        return replace(self, longitude=self.longitude + turn) if turn else self

    @classmethod
    def joined(cls, parts: Sequence[Points]) -> Self:
        """Return all points of several answers."""
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
        """Write the points to a file, which appears in one step."""
        new = path.with_name(f"{path.name}.new.npz")
        named: dict[str, Any] = {f"v{number}": values for number, values in enumerate(self.values.values())}
        names = np.array(list(self.values), dtype=np.str_)
        np.savez(new, latitude=self.latitude, longitude=self.longitude, time=self.time, names=names, **named)
        new.replace(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what ``save`` has written."""
        with np.load(path, allow_pickle=False) as stored:
            values = {str(name): stored[f"v{number}"] for number, name in enumerate(stored[_NAMES])}
            return cls(stored["latitude"], stored["longitude"], stored["time"], values)


def points_of(document: Any, where: str, usual_time: int | None) -> Points:
    """Return the points of an answer.

    ``where`` names the server in errors; ``usual_time`` is that of points which do not say theirs. Raises
    ``SourceError`` where the answer is of another form.
    """
    data = document.get("data") if isinstance(document, dict) else document
    if not isinstance(data, list):
        raise SourceError(f"{where} answers with no list of points; is it an SDAP server?")
    places = np.empty((3, len(data)))
    values: dict[str, NDArray[np.float64]] = {}
    elevations = set()
    for number, point in enumerate(data):
        try:
            moment = _time(point.get("time", usual_time))
            places[:, number] = float(point["latitude"]), float(point["longitude"]), moment
            elevations.add(point.get("elevation"))
            for key, value in _values(point["data"]):
                name = _name(key)
                column = values.get(name)
                if column is None:
                    column = values.setdefault(name, np.full(len(data), np.nan))
                column[number] = np.nan if value is None else float(value)
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            shown = " ".join(str(point).split())[:120]
            raise SourceError(f"{where} answers with a point that cannot be read: {shown}") from error
        if len(values) > MAX_VARIABLES:
            raise SourceError(f"{where} answers with more than {MAX_VARIABLES} variables")
    if not np.isfinite(places).all() or np.abs(places[0]).max(initial=0) > 90 or np.abs(places[1]).max(initial=0) > 360:
        raise SourceError(f"{where} answers with points that are nowhere on the Earth, or at no time")
    if len(elevations - {None}) > 1:
        raise SourceError(f"{where} answers with points of {len(elevations)} elevations; one at a time can be read")
    return Points(places[0], places[1], places[2], values)


def _name(key: str) -> str:
    """Return the name of a variable as a file can have it."""
    name = _BARRED.sub("_", key).strip("_") or "variable"
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
