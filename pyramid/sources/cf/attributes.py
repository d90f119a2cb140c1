"""What the attributes of a source variable say about its numbers (CF conventions, sections 2.5.1, 3.5 and 8.1).

Pure functions from a stored type and raw attributes to ``Packing``, the kind of overview, and JSON values. The
attributes of real files contradict themselves; each rule here answers one such file.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.core.packing import Packing
from lazytile.pyramid.sources.cf.codes import codes_of, scalar_of
from lazytile.pyramid.sources.cf.default_fill import default_fill
from lazytile.pyramid.sources.cf.valid_range import valid_range
from lazytile.pyramid.sources.cf.variable_kind import is_packed, reserved_flags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Attributes = Mapping[str, Any]

_STRUCTURAL = frozenset(
    {"_FillValue", "coordinates", "grid_mapping", "bounds", "ancillary_variables", "cell_measures", "DIMENSION_LIST"}
    | {"REFERENCE_LIST", "CLASS", "NAME", "_ARRAY_DIMENSIONS", "_Netcdf4Dimid", "_Netcdf4Coordinates"}
)


def code_dtype(stored: np.dtype[Any], attributes: Attributes) -> np.dtype[Any]:
    """Return the native type of the codes.

    Args:
        stored: Type in the file.
        attributes: Of the variable; ``_Unsigned`` turns a signed type into its unsigned twin and back.

    Returns:
        int64 for times and durations of NumPy, uint8 for truth values.
    """
    if stored.kind in "Mm":
        return np.dtype(np.int64)
    dtype = np.dtype("uint8") if stored.kind == "b" else stored.newbyteorder("=")
    unsigned = str(attributes.get("_Unsigned", "")).lower()
    if dtype.kind == "i" and unsigned == "true":
        return np.dtype(f"u{dtype.itemsize}")
    if dtype.kind == "u" and unsigned == "false":
        return np.dtype(f"i{dtype.itemsize}")
    return dtype


def native_codes(stored: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return stored numbers as codes: in native byte order, with the sign that ``_Unsigned`` gives them.

    Args:
        stored: Any shape, as the file holds them.
        dtype: Type of the codes, as ``code_dtype`` returns it.

    Returns:
        Codes, the shape of ``stored``.
    """
    if stored.dtype.kind == "b":
        return stored.astype(np.uint8)
    native = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    return native if native.dtype == dtype else native.view(dtype)


def packing_of(stored: np.dtype[Any], attributes: Attributes, *, netcdf: bool) -> Packing:
    """Return how the stored numbers stand for values.

    Args:
        stored: Type in the file.
        attributes: Of the variable.
        netcdf: Whether the file comes from the netCDF library, whose default fill values mean no data where the file
            names none.

    Returns:
        Type, scale, offset and codes without data.

    Raises:
        SourceError: The scale is 0 or not finite, or an attribute is text that is not a number.
    """
    dtype = code_dtype(stored, attributes)
    scale = scalar_of(attributes, "scale_factor", 1.0)
    offset = scalar_of(attributes, "add_offset", 0.0)
    if scale == 0 or not math.isfinite(scale) or not math.isfinite(offset):
        raise SourceError(f"its scale_factor {scale:g} and add_offset {offset:g} make no values of its codes")
    missing = codes_of(attributes, "_FillValue", dtype) + codes_of(attributes, "missing_value", dtype)
    if stored.kind in "Mm":
        missing.append(int(np.iinfo(np.int64).min))  # NaT
    if stored.kind == "b":
        # Zarr 2 gives every array a fill value, but neither truth value means no data.
        missing = []
    unwritten = default_fill(stored, dtype) if netcdf and not missing else None
    if unwritten is not None:
        missing.append(unwritten)
    missing += reserved_flags(stored, dtype, attributes)
    low, high = valid_range(attributes, dtype, scale, offset)
    if not missing and dtype.kind in "iu" and (low is not None or high is not None):
        # Cells outside the valid range hold no data, and overview cells made of them need a code for that.
        limits = np.iinfo(dtype)
        missing.append(int(limits.min if low is not None else limits.max))
    return Packing(
        dtype=dtype.name,
        scale_factor=scale,
        add_offset=offset,
        missing=tuple(dict.fromkeys(missing)),
        valid_min=low,
        valid_max=high,
    )


_TICKS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds", "m": "minutes"} | {
    "h": "hours",
    "D": "days",
}


def time_attributes(stored: np.dtype[Any]) -> dict[str, str]:
    """Return the units of NumPy's own times and durations.

    Args:
        stored: Type in the file.

    Returns:
        ``units`` that the codes count; empty for other types.
    """
    if stored.kind not in "Mm":
        return {}
    unit = _TICKS.get(np.datetime_data(stored)[0], "")
    return {"units": f"{unit} since 1970-01-01" if stored.kind == "M" else unit}


def json_attributes(attributes: Attributes) -> dict[str, Any]:
    """Return the attributes that describe a variable or a file, as JSON values.

    Args:
        attributes: As the file holds them.

    Returns:
        What JSON can hold; attributes of the file's structure are left out.
    """
    found = {
        str(name): _json(value)
        for name, value in attributes.items()
        if name not in _STRUCTURAL and not str(name).startswith("_Nc")
    }
    return {name: value for name, value in found.items() if value is not None}


def text(attributes: Attributes, name: str) -> str:
    """Return a text attribute, stripped.

    Args:
        attributes: As the file holds them.
        name: Of the attribute.

    Returns:
        The text; empty where it is absent or not text.
    """
    value = attributes.get(name, "")
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value.strip() if isinstance(value, str) else ""


def _json(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (str, bool)):
        return value
    if isinstance(value, (int, float, np.number, np.bool_)):
        number = value.item() if isinstance(value, np.generic) else value
        return number if not isinstance(number, float) or math.isfinite(number) else None
    if isinstance(value, (np.ndarray, list, tuple)):
        items = [_json(item) for item in list(value)]
        return None if any(item is None for item in items) else items
    return None


def decode_coordinate(values: NDArray[Any], attributes: Attributes) -> NDArray[Any]:
    """Return the values of a coordinate variable.

    Args:
        values: Any shape, as stored.
        attributes: Of the variable.

    Returns:
        The same shape: packed values in float64, others as they are stored.
    """
    values = np.asarray(values)
    if values.dtype.kind not in "iuf":
        return values
    values = native_codes(values, code_dtype(values.dtype, attributes))
    if not is_packed(attributes):
        return values
    return values * scalar_of(attributes, "scale_factor", 1.0) + scalar_of(attributes, "add_offset", 0.0)
