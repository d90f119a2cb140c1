"""The messages of a GRIB file: what each holds, and its values as ecCodes decodes them (the extra ``grib``)."""

from __future__ import annotations

import importlib
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj  # noqa: F401 - before eccodes, whose wheels bring a PROJ that breaks every CRS of a pyproj imported later
from xarray.backends import BackendArray
from xarray.core import indexing

from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray


eccodes: Any
try:
    eccodes = importlib.import_module("eccodes")  # untyped
except (ImportError, RuntimeError):  # the extra or its library is missing
    eccodes = None


_NO_VALUE = 1e36
"""What ecCodes returns where a bitmap marks a missing value."""


def _library_lock() -> threading.Lock:
    """Return the process's lock of ecCodes, whose calls must not run at the same time."""
    return process.current().resource("ecCodes lock", threading.Lock)


@dataclass(frozen=True, slots=True)
class Message:
    """Where a message lies in the file, and its position in a variable."""

    offset: int
    name: str
    kind: tuple[str, str, str]
    """Kind of level, kind of step and grid, which distinguish variables of one name."""
    time: float
    """Seconds since 1970 for which it is valid."""
    member: int
    level: float


class Messages(BackendArray):
    """Messages as an array of planes, each read where it is indexed; a missing one is no data."""

    def __init__(self, path: str, offsets: NDArray[np.int64], order: Order) -> None:
        self.path, self.offsets, self.order = path, offsets, order
        self.shape = (*offsets.shape, order.rows, order.cols)
        self.dtype = np.dtype(np.float32)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    def _read(self, key: tuple[int | slice, ...]) -> NDArray[Any]:
        offsets = np.asarray(self.offsets[key[:-2]])
        planes = [self._plane(int(offset))[key[-2:]] for offset in offsets.ravel()]
        return np.stack(planes).reshape(*offsets.shape, *planes[0].shape) if offsets.ndim else planes[0]

    def _plane(self, offset: int) -> NDArray[np.float32]:
        if offset < 0:
            return np.full((self.order.rows, self.order.cols), np.nan, np.float32)
        with _library_lock(), open(self.path, "rb") as file:  # noqa: PTH123 - ecCodes wants a file of the C library
            file.seek(offset)
            handle = eccodes.codes_grib_new_from_file(file)
            if handle is None:
                raise SourceError(f"{self.path} is cut short: there is no message at byte {offset}")
            try:
                eccodes.codes_set(handle, "missingValue", _NO_VALUE)
                values = eccodes.codes_get_values(handle)
            finally:
                eccodes.codes_release(handle)
        found = values.astype(np.float32)
        found[values == _NO_VALUE] = np.nan
        return self.order.plane(found)


def handles(path: Path) -> Iterator[Any]:
    """Yield a handle for each message of a file.

    Args:
        path: Of the file.

    Yields:
        The handle, which is released before the next one.

    Raises:
        SourceError: The file is damaged.
    """
    with _library_lock(), path.open("rb") as file:
        while True:
            try:
                handle = eccodes.codes_grib_new_from_file(file)
            except eccodes.CodesInternalError as error:
                raise SourceError(f"{path} is damaged or cut short: {error}") from error
            if handle is None:
                return
            try:
                yield handle
            finally:
                eccodes.codes_release(handle)


def key_of(handle: Any, key: str, default: Any = None) -> Any:
    """Return the value of a key of a message.

    Args:
        handle: Of the message.
        key: As ecCodes names it.
        default: For a message without the key.

    Returns:
        The value or the default.
    """
    try:
        return eccodes.codes_get(handle, key)
    except eccodes.KeyValueNotFoundError:
        return default


def message_of(handle: Any) -> Message:
    """Describe a message.

    Args:
        handle: Of the message.

    Returns:
        What it holds and where it lies.
    """
    name = key_of(handle, "shortName", "unknown")
    if name in ("unknown", "~"):
        name = f"parameter_{key_of(handle, 'paramId', 0)}"
    day, clock = int(key_of(handle, "validityDate")), int(key_of(handle, "validityTime"))
    valid = datetime(day // 10000, day // 100 % 100, day % 100, clock // 100, clock % 100, tzinfo=UTC)
    level = key_of(handle, "level", 0)
    kind = (str(key_of(handle, "typeOfLevel")), str(key_of(handle, "stepType")), str(key_of(handle, "md5GridSection")))
    return Message(
        offset=int(eccodes.codes_get(handle, "offset", int)),
        name=str(name),
        kind=kind,
        time=valid.timestamp(),
        member=int(key_of(handle, "number") or 0),
        level=float(level),
    )


def attributes_of(handle: Any) -> dict[str, Any]:
    """Return the attributes of a message's variable.

    Args:
        handle: Of the message.

    Returns:
        CF attributes where CF has a name for them.
    """
    standard = key_of(handle, "cfName", "unknown")
    found = {
        "long_name": key_of(handle, "name", ""),
        "units": key_of(handle, "units", ""),
        "standard_name": "" if standard == "unknown" else standard,
        "level_type": key_of(handle, "typeOfLevel", ""),
        "step_type": key_of(handle, "stepType", ""),
        "level_units": {"isobaricInhPa": "hPa", "isobaricInPa": "Pa"}.get(key_of(handle, "typeOfLevel", ""), ""),
    }
    return {key: value for key, value in found.items() if value and value != "unknown"}


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a message's values."""

    cols: int
    rows: int
    columns_first: bool
    alternating: bool

    def plane(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values as rows and columns.

        Args:
            values: Shape (rows * cols,), in the order of the message.

        Returns:
            Shape (rows, cols), in the directions in which the message scans them.
        """
        plane = values.reshape(self.cols, self.rows).T if self.columns_first else values.reshape(self.rows, self.cols)
        if self.alternating:
            plane = plane.copy()
            reversed_lines = plane[:, 1::2] if self.columns_first else plane[1::2]
            reversed_lines[...] = reversed_lines[::-1] if self.columns_first else reversed_lines[:, ::-1]
        return plane
