"""What the attributes of a source variable say about its numbers (CF conventions, sections 2.5.1, 3.5 and 8.1).

Pure functions from a stored type and raw attributes to ``Packing``, the kind of overview, and JSON values. The
attributes of real files contradict themselves; each rule here answers one such file.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.packing import Packing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Attributes = Mapping[str, Any]

NETCDF_DEFAULT_FILL: dict[str, float] = {
    "int16": -32767,
    "int32": -2147483647,
    "int64": -9223372036854775806,
    "float32": float(np.float32(9.969209968386869e36)),
    "float64": 9.969209968386869e36,
}
"""What the netCDF library puts where nothing was written (NUG, appendix "fill values"), for the types where it
cannot be a likely value."""
_CLASS_WORDS = re.compile(
    r"(?:^|[^a-z])(?:[a-z]*mask|flags?|class(?:es|ification)?|categor(?:y|ies)|types?|basins?|biomes?|regions?|"
    r"land_?cover|land_?use|lulc|ids?)(?:$|[^a-z])"
)
_CLASS_STANDARD_NAMES = re.compile(r"status_flag|area_type|region|binary_mask|quality_flag")
_STRUCTURAL = frozenset(
    {"_FillValue", "coordinates", "grid_mapping", "bounds", "ancillary_variables", "cell_measures", "DIMENSION_LIST"}
    | {"REFERENCE_LIST", "CLASS", "NAME", "_ARRAY_DIMENSIONS", "_Netcdf4Dimid", "_Netcdf4Coordinates"}
)


def code_dtype(stored: np.dtype[Any], attributes: Attributes) -> np.dtype[Any]:
    """Return the native type of the codes: ``_Unsigned`` turns a signed type into its unsigned twin and back."""
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

    ``netcdf`` says that the file comes from the netCDF library, whose default fill values then mean no data where
    the file names none. Raises ``StoreError`` where the scale is 0 or not finite.
    """
    dtype = code_dtype(stored, attributes)
    scale = _number(attributes.get("scale_factor"), 1.0)
    offset = _number(attributes.get("add_offset"), 0.0)
    missing = _codes(attributes.get("_FillValue"), dtype) + _codes(attributes.get("missing_value"), dtype)
    if stored.kind in "Mm":
        missing.append(int(np.iinfo(np.int64).min))  # NaT
    if stored.kind == "b":
        # Zarr 2 gives every array a fill value; of two truth values neither means no data.
        missing = []
    if not missing and netcdf and dtype.name in NETCDF_DEFAULT_FILL:
        missing.append(NETCDF_DEFAULT_FILL[dtype.name])
    if is_packed(attributes) and "flag_values" in attributes:
        # On a scaled variable the flags are reserved codes among the data, not classes.
        missing += _codes(attributes["flag_values"], dtype)
    low, high = _valid_range(attributes, dtype, scale, offset)
    if not missing and dtype.kind in "iu" and (low is not None or high is not None):
        # Cells outside the valid range hold no data, and so do overview cells made of them: they need a code.
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
    """Return the units of NumPy's own times and durations, whose codes count them; nothing for other types."""
    if stored.kind not in "Mm":
        return {}
    unit = _TICKS.get(np.datetime_data(stored)[0], "")
    return {"units": f"{unit} since 1970-01-01" if stored.kind == "M" else unit}


def is_packed(attributes: Attributes) -> bool:
    """Whether values differ from the stored numbers."""
    return _number(attributes.get("scale_factor"), 1.0) != 1.0 or _number(attributes.get("add_offset"), 0.0) != 0.0


def reduction_of(name: str, dtype: np.dtype[Any], attributes: Attributes) -> str:
    """Return how overviews of a variable are made: ``mode`` for classes and bit fields, else ``mean``."""
    if "flag_masks" in attributes:
        return "mode"
    if is_packed(attributes):
        return "mean"
    if "flag_values" in attributes or "flag_meanings" in attributes:
        return "mode"
    return "mode" if dtype.kind in "iub" and _is_named_for_classes(name, attributes) else "mean"


def _is_named_for_classes(name: str, attributes: Attributes) -> bool:
    if _CLASS_STANDARD_NAMES.search(text(attributes, "standard_name")):
        return True
    if text(attributes, "units").lower() in {"id", "ids", "class", "code", "flag"}:
        return True
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    return _CLASS_WORDS.search(f"{snake} {text(attributes, 'long_name').lower()}") is not None


def json_attributes(attributes: Attributes) -> dict[str, Any]:
    """Return the attributes that describe a variable or a file, as JSON values; what JSON cannot say is left out."""
    found = {
        str(name): _json(value)
        for name, value in attributes.items()
        if name not in _STRUCTURAL and not str(name).startswith("_Nc")
    }
    return {name: value for name, value in found.items() if value is not None}


def text(attributes: Attributes, name: str) -> str:
    """Return a text attribute, stripped, or an empty text."""
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


def _number(value: Any, default: float) -> float:
    try:
        array = np.asarray(value, dtype=np.float64).ravel() if value is not None else np.empty(0)
    except (TypeError, ValueError):
        return default
    return float(array[0]) if array.size == 1 else default


def _codes(value: Any, dtype: np.dtype[Any]) -> list[float]:
    """Return the codes that an attribute names; numbers that the type cannot hold (NaN on integers) name none."""
    codes: list[float] = []
    for number in _numbers(value):
        if dtype.kind == "f":
            if not math.isnan(number):
                with np.errstate(over="ignore"):
                    codes.append(float(dtype.type(number)))
            continue
        if not math.isfinite(number) or number != int(number):
            continue
        code = _as_code(int(number), dtype)
        if code is not None:
            codes.append(code)
    return codes


def _as_code(number: int, dtype: np.dtype[Any]) -> int | None:
    """Return the number as a code of an integer type, reading a negative one as its unsigned bit pattern."""
    limits = np.iinfo(dtype)
    if limits.min <= number <= limits.max:
        return number
    span = 1 << (8 * dtype.itemsize)
    if dtype.kind == "u" and -span // 2 <= number < 0:
        return number + span
    if dtype.kind == "i" and limits.max < number < span:
        return number - span
    return None


def _numbers(value: Any) -> list[Any]:
    if value is None or isinstance(value, (str, bytes)):
        try:
            return [float(value)] if value else []
        except ValueError:
            return []
    array = np.asarray(value).ravel()
    return [item.item() for item in array] if array.dtype.kind in "iufb" else []


def _valid_range(
    attributes: Attributes, dtype: np.dtype[Any], scale: float, offset: float
) -> tuple[float | None, float | None]:
    low, high = attributes.get("valid_min"), attributes.get("valid_max")
    both = attributes.get("valid_range")
    if both is not None and np.asarray(both).size == 2:
        low, high = np.asarray(both).ravel()
    ends = [_numbers(low)[:1], _numbers(high)[:1]]
    if dtype.kind == "f":
        lows, highs = ([end for end in side if math.isfinite(end)] for side in ends)
        return (float(lows[0]) if lows else None), (float(highs[0]) if highs else None)
    floating = any(np.asarray(end).dtype.kind == "f" for end in (low, high) if end is not None)
    if floating and (scale != 1.0 or offset != 0.0):
        physical = _unpacked_range(ends, dtype, scale, offset)
        if physical is not None:
            return physical
    codes = [_codes(side, dtype) for side in ends]
    limits = np.iinfo(dtype)
    first, last = (side[0] if side else None for side in codes)
    return _within(first, last, limits)


def _unpacked_range(
    ends: list[list[Any]], dtype: np.dtype[Any], scale: float, offset: float
) -> tuple[float | None, float | None] | None:
    """Return the packed range for one that a file gives in physical units, or None where it cannot be that.

    CF wants packed units, but a range of floats on packed integers is usually meant physically; it is taken so
    where the codes of both ends exist.
    """
    limits = np.iinfo(dtype)
    codes: list[float | None] = []
    for side in ends:
        code = (side[0] - offset) / scale if side and math.isfinite(side[0]) else None
        if code is not None and not limits.min - 0.5 <= code <= limits.max + 0.5:
            return None
        codes.append(code)
    low, high = codes if scale > 0 else reversed(codes)
    # A thousandth of a code is rounding of the attributes (often float32), not meaning.
    first = None if low is None else math.ceil(low - 1e-3)
    last = None if high is None else math.floor(high + 1e-3)
    return _within(first, last, limits)


def _within(low: float | None, high: float | None, limits: np.iinfo[Any]) -> tuple[float | None, float | None]:
    """Return a range without the ends that no code of the type lies beyond."""
    return (None if low is None or low <= limits.min else low), (None if high is None or high >= limits.max else high)


def decode_coordinate(values: NDArray[Any], attributes: Attributes) -> NDArray[Any]:
    """Return the values of a coordinate variable: packed ones in float64, others as they are stored."""
    values = np.asarray(values)
    if values.dtype.kind not in "iuf":
        return values
    values = native_codes(values, code_dtype(values.dtype, attributes))
    if not is_packed(attributes):
        return values
    return values * _number(attributes.get("scale_factor"), 1.0) + _number(attributes.get("add_offset"), 0.0)
