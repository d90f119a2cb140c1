"""The messages of a GRIB file: what each holds, and its values as ecCodes decodes them (the extra ``grib``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from xarray.backends import BackendArray
from xarray.core import indexing

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.sources.formats.grib.handle import eccodes, key_of, library_lock, number_of
from lazytile.pyramid.sources.formats.grib.identity import Identity, Labels, identity_of, labels_of, period_of
from lazytile.pyramid.sources.formats.grib.level import Level, level_of
from lazytile.pyramid.sources.formats.grib.time import reference_of, validity_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_NO_VALUE = 1e36
"""What ecCodes returns where a bitmap marks a missing value."""
_FLOAT32_BITS = 24
"""Bits of packed integers that float32 holds."""
_IEEE_64 = 2
"""Precision of unpacked numbers of 64 bits (edition 2, code table 5.7)."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a field lies in a file: a message of edition 2 may hold several."""

    offset: int
    """First byte of the message."""
    field: int
    """Number of the field in the message, from 0."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a field holds, and its position in a variable."""

    place: Place
    identity: Identity
    labels: Labels
    grid: str
    """Identifies the grid."""
    time: float
    """Seconds since 1970 for which it is valid."""
    member: int
    level: Level
    level_units: str
    period_s: int
    """How long the period of its statistics is; 0 for an instant."""
    ensemble: int
    """Type of the ensemble forecast (edition 2, code table 4.6); -1 for none."""
    reference: float
    """Reference time, seconds since 1970."""
    is_wide: bool
    """Whether float32 does not hold its values."""


class Messages(BackendArray):
    """Messages as an array of planes, each read where it is indexed; a missing one is no data."""

    def __init__(self, path: str, places: NDArray[np.object_], order: Order, dtype: str) -> None:
        self.path, self.places, self.order = path, places, order
        self.shape = (*places.shape, *order.shape)
        self.dtype = np.dtype(dtype)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    def _read(self, key: tuple[int | slice, ...]) -> NDArray[Any]:
        inner = len(self.order.shape)
        places = np.asarray(self.places[key[:-inner]], object)
        planes = [self._plane(place)[key[-inner:]] for place in places.ravel()]
        return np.stack(planes).reshape(*places.shape, *planes[0].shape) if places.ndim else planes[0]

    def _plane(self, place: Place | None) -> NDArray[Any]:
        if place is None:
            return np.full(self.order.shape, np.nan, self.dtype)
        with library_lock(), open(self.path, "rb") as file:  # noqa: PTH123 - ecCodes wants a file of the C library
            eccodes.codes_grib_multi_support_on()
            eccodes.codes_grib_multi_support_reset_file(file)
            file.seek(place.offset)
            for _ in range(place.field):
                _release(eccodes.codes_grib_new_from_file(file))
            handle = eccodes.codes_grib_new_from_file(file)
            if handle is None:
                raise SourceError(f"{self.path} is cut short: there is no message at byte {place.offset}")
            try:
                eccodes.codes_set(handle, "missingValue", _NO_VALUE)
                values = eccodes.codes_get_values(handle)
            finally:
                eccodes.codes_release(handle)
                eccodes.codes_grib_multi_support_reset_file(file)
        found = values.astype(self.dtype)
        found[values == _NO_VALUE] = np.nan
        return self.order.plane(found)


def _release(handle: Any) -> None:
    if handle is not None:
        eccodes.codes_release(handle)


def handles(path: Path) -> Iterator[tuple[Any, Place]]:
    """Yield a handle for each field of a file.

    Args:
        path: Of the file.

    Yields:
        The handle, which is released before the next one, and where the field lies.

    Raises:
        SourceError: The file is damaged.
    """
    last, field = -1, 0
    with library_lock(), path.open("rb") as file:
        # A message of edition 2 may repeat sections: NCEP packs both components of a wind in one.
        eccodes.codes_grib_multi_support_on()
        eccodes.codes_grib_multi_support_reset_file(file)
        while True:
            try:
                handle = eccodes.codes_grib_new_from_file(file)
            except eccodes.CodesInternalError as error:
                raise SourceError(f"{path} is damaged or cut short: {error}") from error
            if handle is None:
                return
            try:
                offset = int(eccodes.codes_get(handle, "offset", int))
                field = field + 1 if offset == last else 0
                last = offset
                yield handle, Place(offset, field)
            finally:
                eccodes.codes_release(handle)


def message_of(handle: Any, place: Place) -> Message:
    """Describe a message.

    Args:
        handle: Of the message.
        place: Where it lies.

    Returns:
        What it holds.

    Raises:
        ValueError: Its dates do not exist.
        KeyError: It lacks a key that every message has.
    """
    identity = identity_of(handle)
    level, units = level_of(handle, identity)
    if str(key_of(handle, "packingType", "")) == "grid_ieee":
        is_wide = number_of(handle, "precision", 1) == _IEEE_64
    else:
        is_wide = number_of(handle, "bitsPerValue", 0) > _FLOAT32_BITS
    return Message(
        place=place,
        identity=identity,
        labels=labels_of(handle, identity),
        grid=str(key_of(handle, "md5GridSection")),
        time=validity_of(handle),
        member=number_of(handle, "number", 0),
        level=level,
        level_units=units,
        period_s=period_of(handle),
        ensemble=number_of(handle, "typeOfEnsembleForecast", -1),
        reference=reference_of(handle),
        is_wide=is_wide,
    )


def attributes_of(handle: Any, message: Message) -> dict[str, Any]:
    """Return the attributes of a message's variable.

    Args:
        handle: Of the message.
        message: What it holds.

    Returns:
        CF attributes where CF has a name for them, and the numbers of the parameter.
    """
    standard = key_of(handle, "cfName", "unknown")
    found = {
        "long_name": key_of(handle, "name", ""),
        "units": key_of(handle, "units", ""),
        "standard_name": "" if standard == "unknown" else standard,
        "level_type": message.labels.level,
        "step_type": message.labels.step,
        "parameter": message.labels.parameter,
    }
    return {key: value for key, value in found.items() if value and value not in ("unknown", "~")}


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a message's values."""

    cols: int
    rows: int
    columns_first: bool = False
    alternating: bool = False
    is_flat: bool = False
    """Whether the values are cells without rows and columns."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a plane."""
        return (self.cols,) if self.is_flat else (self.rows, self.cols)

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the dimensions of a plane."""
        return ("cell",) if self.is_flat else ("row", "col")

    def plane(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values as rows and columns, or as cells.

        Args:
            values: Shape (rows * cols,), in the order of the message.

        Returns:
            Shape ``shape``, in the directions in which the message scans them.
        """
        if self.is_flat:
            return values
        plane = values.reshape(self.cols, self.rows).T if self.columns_first else values.reshape(self.rows, self.cols)
        if self.alternating:
            plane = plane.copy()
            reversed_lines = plane[:, 1::2] if self.columns_first else plane[1::2]
            reversed_lines[...] = reversed_lines[::-1] if self.columns_first else reversed_lines[:, ::-1]
        return plane
