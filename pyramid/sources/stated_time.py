"""The time of a file whose variables have none: from the user, from the file's name, or from its global attributes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.core.finding import Finding
from lazytile.pyramid.fetch.source_url import base_name
from lazytile.pyramid.sources.cf import attributes as cf
from lazytile.pyramid.sources.cf.iso_times import days_of_texts
from lazytile.pyramid.sources.cf.labels import is_time, time_labels
from lazytile.pyramid.sources.cf.step_times import is_called_time
from lazytile.pyramid.sources.cf.time_units import TEXT_TIME
from lazytile.pyramid.store.dataset import Dimension
from lazytile.pyramid.store.geozarr import Coordinate

if TYPE_CHECKING:
    from collections.abc import Mapping

    import xarray as xr

    from lazytile.pyramid.sources.overrides import Overrides
    from lazytile.pyramid.sources.source_variable import SourceVariable

_ATTRIBUTES = (
    *("time_coverage_start", "time_coverage_begin", "start_datetime", "start_time", "starttime", "time_start"),
    *("start_date", "startdate", "rangebeginningdatetime", "rangebeginningdate", "startutc", "sensing_start_time"),
    *("start_sensing_time", "observation_start_time", "nominal_time", "begin_date", "acquisition_date", "datetime"),
    "observation_date",
)
"""Names of global attributes that date a file, in lower case; the first that holds a date counts (ACDD 1.3 and kin)."""
_ATTRIBUTE = "the global attribute"
_CLOCKS = {"rangebeginningdate": "rangebeginningtime", "start_date": "start_time", "begin_date": "begin_time"}
"""Attributes that hold the time of day of an attribute that holds a date."""
_CLOCK = re.compile(r"\d\d:?\d\d(?::?\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?", re.ASCII)
_DIRECTIVES = {
    "Y": r"(?P<Y>\d{4})",
    "y": r"(?P<y>\d{2})",
    "m": r"(?P<m>\d{2})",
    "d": r"(?P<d>\d{2})",
    "j": r"(?P<j>\d{3})",
    "H": r"(?P<H>\d{2})",
    "M": r"(?P<M>\d{2})",
    "S": r"(?P<S>\d{2})",
    "b": r"(?P<b>[A-Za-z]{3})",
    "f": r"(?P<f>\d{1,6})",
}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CENTURY_TURN = 69
"""Years of two digits from here on are of the last century (POSIX)."""


@dataclass(frozen=True, slots=True)
class StatedTime:
    """The time of a whole file."""

    label: str
    days: float
    """Since 1970-01-01."""
    evidence: str

    @property
    def is_user_s(self) -> bool:
        """Whether the user states it, and not the file."""
        return not self.evidence.startswith(_ATTRIBUTE)


def stated_time(path: str, groups: Mapping[str, xr.Dataset], overrides: Overrides) -> tuple[StatedTime | None, str]:
    """Return the time of a file whose variables have none.

    Args:
        path: Of the file.
        groups: Of the file, by path.
        overrides: What the user states.

    Returns:
        The time, None where nothing states one, and what was wrong with an attribute that should.

    Raises:
        SourceError: The user's time is no date, or the file's name does not fit the pattern.
    """
    if overrides.time is not None:
        found = _of_text(overrides.time, "--time")
        if found is None:
            raise SourceError(f"--time takes ISO 8601 such as 2024-01-20T06:00Z, not {overrides.time!r}")
        return found, ""
    if overrides.time_pattern is not None:
        return _of_name(base_name(path), overrides.time_pattern), ""
    if _has_times(groups):
        return None, ""
    return _of_attributes(groups)


def _of_text(text: str, evidence: str) -> StatedTime | None:
    days = days_of_texts([text])
    if days is None or np.isnan(days[0]):
        return None
    (label,) = time_labels(days, TEXT_TIME, evidence)
    return StatedTime(label, float(days[0]), evidence)


def _of_name(name: str, pattern: str) -> StatedTime:
    """Return the time in a file's name."""
    found: list[StatedTime] = []
    expression, seen = "", set[str]()
    for literal, directive in re.findall(r"([^%]*)(?:%(.))?", pattern, re.DOTALL):
        expression += re.escape(literal).replace(r"\*", ".*")
        if not directive:
            continue
        if directive not in _DIRECTIVES:
            allowed = ", ".join(f"%{each}" for each in _DIRECTIVES)
            raise SourceError(f"--time-pattern has %{directive}; allowed are {allowed}, and * for any text")
        expression += f"(?P={directive})" if directive in seen else _DIRECTIVES[directive]
        seen.add(directive)
    if not seen & {"Y", "y"}:
        raise SourceError(f"--time-pattern {pattern!r} has no year, %Y or %y")
    for match in re.finditer(f"(?={expression})", name):
        text = _iso(match.groupdict())
        time = None if text is None else _of_text(text, f"the file's name by {pattern}")
        if time is not None and time.label not in [each.label for each in found]:
            found.append(time)
    if len(found) != 1:
        many = f" in {len(found)} ways: {', '.join(each.label for each in found)}"
        raise SourceError(f"the name {name} fits --time-pattern {pattern!r}{many if found else ' nowhere'}")
    return found[0]


def _iso(parts: dict[str, str]) -> str | None:
    """Return the parts of a time in ISO 8601; None where a month has no such name."""
    year = parts.get("Y")
    if year is None:
        year = f"{'19' if int(parts['y']) >= _CENTURY_TURN else '20'}{parts['y']}"
    month = parts.get("m", "01")
    if "b" in parts:
        if parts["b"].lower() not in _MONTHS:
            return None
        month = f"{_MONTHS.index(parts['b'].lower()) + 1:02d}"
    day = f"{year}-{parts['j']}" if "j" in parts else f"{year}-{month}-{parts.get('d', '01')}"
    fraction = f".{parts['f']}" if "f" in parts else ""
    return f"{day}T{parts.get('H', '00')}:{parts.get('M', '00')}:{parts.get('S', '00')}{fraction}Z"


def _has_times(groups: Mapping[str, xr.Dataset]) -> bool:
    """Return whether a file has coordinates of time, so that a variable without them is without time on purpose."""
    return any(
        variable.ndim <= 1 and variable.dtype.kind in "iufM" and (is_time(variable.attrs) or variable.dtype.kind == "M")
        for group in groups.values()
        for variable in group.variables.values()
    )


def _of_attributes(groups: Mapping[str, xr.Dataset]) -> tuple[StatedTime | None, str]:
    problem = ""
    for group in groups.values():
        lower = {str(name).lower(): str(name) for name in group.attrs}
        for name in _ATTRIBUTES:
            if name not in lower:
                continue
            text = _attribute(group.attrs, lower[name])
            if _CLOCK.fullmatch(text) and "coverage" not in name:
                continue  # the time of day of a date in another attribute
            clock = _attribute(group.attrs, lower.get(_CLOCKS.get(name, ""), ""))
            if name in _CLOCKS and "T" not in text and _CLOCK.fullmatch(clock):
                text = f"{text}T{clock}"
            found = _of_text(text, f"{_ATTRIBUTE} {lower[name]}") if text else None
            if found is not None:
                return found, ""
            if text:
                problem = problem or f"the global attribute {lower[name]}, {text[:40]!r}, is no date"
    return None, problem


def _attribute(attributes: Mapping[str, Any], name: str) -> str:
    return cf.text(attributes, name) if name else ""


def with_time(variable: SourceVariable, stated: StatedTime, taken: set[str]) -> tuple[SourceVariable, Coordinate]:
    """Return a variable with the time of its file as a dimension of one step.

    Args:
        variable: Without times.
        stated: The time.
        taken: Names that something else in the store has.

    Returns:
        The variable and the coordinate of its time.

    Raises:
        SourceError: It has a dimension that is called time, with several steps.
    """
    own, placement = variable.variable, variable.placement
    finding = Finding("times", stated.label, stated.evidence)
    at = next((at for at, each in enumerate(own.dimensions) if is_called_time(each.name, {})), None)
    if at is not None:
        dimension = own.dimensions[at]
        if len(dimension.labels) > 1:
            raise SourceError(
                f"the dimension {dimension.name} of {own.name} has {len(dimension.labels)} steps without times, and "
                f"{stated.evidence} states one"
            )
        name = dimension.name
        dimensions = (*own.dimensions[:at], Dimension(name, "time", (stated.label,)), *own.dimensions[at + 1 :])
    else:
        name = "time"
        while name in taken or name in [each.name for each in own.dimensions]:
            name += "_"
        dimensions = (Dimension(name, "time", (stated.label,)), *own.dimensions)
        placement = replace(
            placement,
            axes=(None, *placement.axes),
            orders=(None, *placement.orders),
            chunks=(1, *placement.chunks),
            recodings=tuple(each and replace(each, axis=each.axis + 1) for each in placement.recodings),
        )
    dated = replace(own, dimensions=dimensions, understanding=(*own.understanding, finding))
    coordinate = Coordinate(name, np.array([stated.days]), dict(TEXT_TIME))
    return replace(variable, variable=dated, placement=placement), coordinate
