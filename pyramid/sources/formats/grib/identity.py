"""What a GRIB message is about, by the numbers in it: parameter, level type, statistical processing.

ecCodes' names of parameters and levels depend on its tables, and quantities that it does not know share one name. They
label variables; which messages are one variable is decided by the numbers alone (WMO Manual on Codes, FM 92 GRIB:
edition 1, tables 2, 3 and 5; edition 2, code tables 4.1, 4.2, 4.5 and 4.10).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lazytile.pyramid.sources.formats.grib.handle import UNIT_SECONDS, key_of, number_of

_UNKNOWN = frozenset({"unknown", "~", "", "None"})
_FURTHER = (
    *("derivedForecast", "percentileValue", "probabilityType", "constituentType", "aerosolType", "statisticalProcess"),
    *("scaleFactorOfLowerLimit", "scaledValueOfLowerLimit", "scaleFactorOfUpperLimit", "scaledValueOfUpperLimit"),
    *(
        "scaledValueOfFirstSize",
        "scaledValueOfFirstWavelength",
        "scaledValueOfCentralWaveNumber",
        "waveDirectionNumber",
    ),
    *("waveFrequencyNumber", "tileClassification", "tileIndex"),
)
"""Keys of edition 2 by which messages of one parameter are other quantities: a percentile, a constituent."""
_LOCAL_FROM = 192
"""Codes from here on, and tables from 128 on in edition 1, are the centre's own."""
_LOCAL_TABLE = 128
_INSTANTS = frozenset({0, 1, 10})
"""Time range indicators of edition 1 for an instant (table 5)."""
_DERIVED = frozenset({"em", "es", "ses", "efi", "ep", "pb", "tu", "sot"})
"""MARS types of edition 1 that are made of the members of an ensemble."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What distinguishes one variable from others in a file, apart from its grid."""

    parameter: tuple[int | str, ...]
    """Edition, then centre, table and number, or centre, discipline, category and number."""
    levels: tuple[int, int]
    """Types of the first and the second surface; 255 for none."""
    statistics: int
    """Kind of statistical processing; -1 for an instant."""
    further: tuple[Any, ...]
    """Other keys that make it another quantity."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Names of a message's variable, for people."""

    name: str
    """ecCodes' short name, or the numbers of the parameter."""
    level: str
    """Kind of level."""
    step: str
    """Kind of statistical processing."""
    parameter: str
    """The numbers of the parameter, in words."""


def identity_of(handle: Any) -> Identity:
    """Return what a message is about.

    Args:
        handle: Of the message.

    Returns:
        The identity.
    """
    edition = number_of(handle, "edition")
    centre = str(key_of(handle, "centre", ""))
    if edition == 1:
        kind = number_of(handle, "indicatorOfTypeOfLevel")
        table, number = number_of(handle, "table2Version"), number_of(handle, "indicatorOfParameter")
        home: tuple[int | str, ...] = (centre, number_of(handle, "subCentre")) if table >= _LOCAL_TABLE else (centre,)
        statistics = number_of(handle, "timeRangeIndicator", 0)
        kind_of_data = str(key_of(handle, "marsType", ""))
        derived = (kind_of_data,) if kind_of_data in _DERIVED else ()
        return Identity((1, *home, table, number), (kind, 255), -1 if statistics in _INSTANTS else statistics, derived)
    codes = tuple(number_of(handle, key) for key in ("discipline", "parameterCategory", "parameterNumber"))
    local = (centre, number_of(handle, "localTablesVersion", 0)) if max(codes) >= _LOCAL_FROM else ()
    levels = (
        number_of(handle, "typeOfFirstFixedSurface", 255),
        number_of(handle, "typeOfSecondFixedSurface", 255),
    )
    further = tuple((key, value) for key in _FURTHER if (value := key_of(handle, key)) is not None)
    return Identity((2, *local, *codes), levels, number_of(handle, "typeOfStatisticalProcessing", -1), further)


def labels_of(handle: Any, identity: Identity) -> Labels:
    """Return the names of a message's variable.

    Args:
        handle: Of the message.
        identity: Of the message.

    Returns:
        The names; numbers where ecCodes has no name.
    """
    edition, *numbers = identity.parameter
    if edition == 1:
        table, number = numbers[-2:]
        spelled = f"centre {key_of(handle, 'centre', '')}, table {table}, parameter {number}"
        code = f"{table}_{number}"
    else:
        discipline, category, number = numbers[-3:]
        spelled = (
            f"centre {key_of(handle, 'centre', '')}, discipline {discipline}, category {category}, number {number}"
        )
        code = f"{discipline}_{category}_{number}"
    name = str(key_of(handle, "shortName", "unknown"))
    level = str(key_of(handle, "typeOfLevel", "unknown"))
    step = str(key_of(handle, "stepType", "unknown"))
    return Labels(
        name=f"parameter_{code}" if name in _UNKNOWN else name,
        level=f"level{identity.levels[0]}" if level in _UNKNOWN else level,
        step=f"statistics{identity.statistics}" if step in _UNKNOWN else step,
        parameter=spelled,
    )


def period_of(handle: Any) -> int:
    """Return how long the period is over which a message's values are summed, averaged or compared.

    Args:
        handle: Of the message.

    Returns:
        Seconds; 0 for an instant.
    """
    if number_of(handle, "edition") == 1:
        if number_of(handle, "timeRangeIndicator", 0) in _INSTANTS:
            return 0
        unit = UNIT_SECONDS.get(number_of(handle, "unitOfTimeRange", 1), 3600)
        return (number_of(handle, "P2", 0) - number_of(handle, "P1", 0)) * unit
    unit = UNIT_SECONDS.get(number_of(handle, "indicatorOfUnitForTimeRange", 1), 3600)
    return number_of(handle, "lengthOfTimeRange", 0) * unit
