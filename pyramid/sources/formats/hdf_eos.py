"""HDF-EOS5: the dimensions and places of grids and swaths, which a text in the file states.

The arrays of HDF-EOS have no named dimensions of HDF5. ``StructMetadata.0`` names those of each field, and of grids the
corners and the projection (HDF-EOS5 Data Model, File Format and Library, ESDS-RFC-008).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from lazytile.pyramid.sources.formats.exact_coordinate import exact_coordinate

if TYPE_CHECKING:
    from collections.abc import Iterator

_INFORMATION = "/HDFEOS INFORMATION"
_STRUCTURE = re.compile(r"StructMetadata\.\d+")
_LINE = re.compile(r"\s*(\w+)\s*=\s*(.*?)\s*$")
_MAPPING = "hdfeos_projection"
_FIELDS = ("Data Fields", "Geolocation Fields")

Object = dict[str, Any]


def with_structure(groups: dict[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """Return the groups of a file with the dimensions and coordinates that HDF-EOS states.

    Args:
        groups: By path.

    Returns:
        The groups; those of other files unchanged.
    """
    information = groups.get(_INFORMATION)
    if information is None:
        return groups
    parts = sorted(str(name) for name in information.variables if _STRUCTURE.fullmatch(str(name)))
    text = "".join(_text(information.variables[name]) for name in parts)
    structure = _parsed(text)
    found = dict(groups)
    for kind, key in (("GRIDS", "GridName"), ("SWATHS", "SwathName")):
        for each in _objects(structure, key):
            for fields in _FIELDS:
                path = f"/HDFEOS/{kind}/{each[key]}/{fields}"
                if path in found:
                    found[path] = _named(found[path], each, is_grid=kind == "GRIDS")
    return found


def _text(variable: xr.Variable) -> str:
    value = np.asarray(variable.values)
    joined = b"".join(value.ravel().tolist()) if value.dtype.kind == "S" else "".join(map(str, value.ravel().tolist()))
    return joined.decode("ascii", "replace") if isinstance(joined, bytes) else joined


def _parsed(text: str) -> Object:
    """Return the groups and objects of a text in the Object Description Language."""
    root: Object = {}
    stack = [root]
    for line in text.replace("\0", "").splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        key, value = match.groups()
        if key in ("GROUP", "OBJECT"):
            inner: Object = {}
            stack[-1][value] = inner
            stack.append(inner)
        elif key in ("END_GROUP", "END_OBJECT"):
            if len(stack) > 1:
                stack.pop()
        else:
            stack[-1][key] = _value(value)
    return root


def _value(text: str) -> Any:
    if text.startswith("("):
        return [_value(part.strip()) for part in text.strip("()").split(",")]
    if text.startswith('"'):
        return text.strip('"')
    try:
        return float(text)
    except ValueError:
        return text


def _objects(structure: Object, key: str) -> Iterator[Object]:
    """Yield the objects that have a key, at any depth."""
    for value in structure.values():
        if isinstance(value, dict):
            if key in value:
                yield value
            yield from _objects(value, key)


def _named(group: xr.Dataset, described: Object, *, is_grid: bool) -> xr.Dataset:
    """Return a group whose variables have the dimensions that their description names."""
    dims: dict[str, list[str]] = {}
    for key in ("DataFieldName", "GeoFieldName"):
        for each in _objects(described, key):
            dims[str(each[key])] = [str(dim) for dim in np.atleast_1d(each.get("DimList", []))]
    variables: dict[str, xr.Variable] = {}
    sizes: dict[str, int] = {}
    for name, variable in group.variables.items():
        own = dims.get(str(name), [])
        if len(own) == variable.ndim:
            variable = variable.copy(deep=False)  # noqa: PLW2901 - the file's own keeps its dimensions
            variable.dims = tuple(own)
            sizes |= {str(dim): size for dim, size in variable.sizes.items()}
        variables[str(name)] = variable
    if is_grid and {"XDim", "YDim"} <= sizes.keys():
        variables |= _coordinates(described, sizes, set(variables))
    return xr.Dataset(variables, attrs=group.attrs)


def _coordinates(described: Object, sizes: dict[str, int], taken: set[str]) -> dict[str, xr.Variable]:
    """Return the coordinates of a grid and its projection."""
    try:
        left, top = described["UpperLeftPointMtrs"]
        right, bottom = described["LowerRightMtrs"]
    except (KeyError, ValueError, TypeError):
        return {}
    projection = str(described.get("Projection", "")).removeprefix("HE5_").removeprefix("GCTP_")
    lonlat = projection == "GEO"
    if lonlat:
        left, top, right, bottom = (_degrees(each) for each in (left, top, right, bottom))
    origin = str(described.get("GridOrigin", "HE5_HDFE_GD_UL"))
    if origin[-2:-1] == "L":
        top, bottom = bottom, top
    if origin.endswith("R"):
        left, right = right, left
    cols, rows = sizes["XDim"], sizes["YDim"]
    found = {
        "XDim": exact_coordinate("XDim", "X", left, (right - left) / cols, cols, lonlat=lonlat),
        "YDim": exact_coordinate("YDim", "Y", top, (bottom - top) / rows, rows, lonlat=lonlat),
    }
    if not lonlat:
        text = _proj(projection, [float(each) for each in np.atleast_1d(described.get("ProjParams", []))])
        if text:
            found[_MAPPING] = xr.Variable((), np.int32(0), {"crs_wkt": text, "spatial_ref": text})
    return {name: variable for name, variable in found.items() if name not in taken}


def _degrees(packed: float) -> float:
    """Return degrees of an angle written as DDDMMMSSS.SS."""
    sign, size = (-1 if packed < 0 else 1), abs(packed)
    return sign * (size // 1e6 + size % 1e6 // 1e3 / 60 + size % 1e3 / 3600)


def _proj(projection: str, parameters: list[float]) -> str:
    """Return a projection of GCTP as a PROJ string; empty for those that are not known."""
    numbers = [*parameters, *(0.0 for _ in range(13))]
    figure = f"+R={numbers[0] or 6370997.0:.10g}"
    if numbers[1]:
        figure = f"+a={numbers[0]:.10g} " + (f"+es={numbers[1]:.12g}" if numbers[1] < 1 else f"+b={numbers[1]:.10g}")
    lon, lat = _degrees(numbers[4]), _degrees(numbers[5])
    templates = {
        "SNSOID": f"+proj=sinu +lon_0={lon:.10g} {figure}",
        "LAMAZ": f"+proj=laea +lon_0={lon:.10g} +lat_0={lat:.10g} {figure}",
        "PS": f"+proj=stere +lat_0={90 if lat >= 0 else -90} +lat_ts={lat:.10g} +lon_0={lon:.10g} {figure}",
        "CEA": f"+proj=cea +lon_0={lon:.10g} +lat_ts={lat:.10g} {figure}",
        "BCEA": f"+proj=cea +lon_0={lon:.10g} +lat_ts={lat:.10g} {figure}",
        "MERCAT": f"+proj=merc +lon_0={lon:.10g} +lat_ts={lat:.10g} {figure}",
    }
    text = templates.get(projection, "")
    return f"{text} +x_0={numbers[6]:.10g} +y_0={numbers[7]:.10g} +units=m +type=crs" if text else ""
