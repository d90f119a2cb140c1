"""A box of cells as netCDF-4 with CF attributes: codes as stored, coordinates of the source, the grid mapping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from lazytile.pyramid.storage.metadata_copy import local_metadata
from lazytile.pyramid.store.geozarr import (
    CRS_VARIABLE,
    axis_attributes,
    axis_names,
    crs_attributes,
    variable_attributes,
)
from lazytile.pyramid.store.node_metadata import METADATA_CHECKSUM
from lazytile.pyramid.times.lookup import instants_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from lazytile.pyramid.store.dataset import Dimension
    from lazytile.pyramid.subsets.subset import Subset

_OTHER_VARIABLES = ("coordinates", "ancillary_variables", "cell_measures", "bounds", "formula_terms", "climatology")
"""Attributes that name variables which the file does not have."""
_PACKED_UNITS = ("valid_min", "valid_max", "valid_range", "flag_values", "flag_masks")
"""Attributes of the type of the codes (CF 2.5.1, 3.5)."""
_OWN = ("lazytile", METADATA_CHECKSUM, "multiscales", "zarr_conventions", "Conventions", "title")


def netcdf_file(subset: Subset) -> bytes:
    """Write cells as netCDF-4.

    Args:
        subset: The cells.

    Returns:
        The file. It holds all cells of the window's rows and columns; every dimension of the layer is one of the file.
    """
    import netCDF4  # noqa: PLC0415 - other formats do not need it
    from xarray.backends.locks import HDF5_LOCK, NETCDFC_LOCK  # noqa: PLC0415 - as above

    stored = subset.stored
    names = [each.name for each in stored.description.variables]
    # Neither library may be called by two threads; readers of sources take the same locks.
    with local_metadata(stored.path, (0,), names) as folder, NETCDFC_LOCK, HDF5_LOCK:
        file = netCDF4.Dataset("subset.nc", "w", format="NETCDF4", memory=1)
        try:
            _fill(file, subset, folder)
        except BaseException:
            file.close()
            raise
        return bytes(file.close())


def _fill(file: Any, subset: Subset, folder: Path) -> None:
    grid, variable = subset.window.grid, subset.variable
    source = zarr.open_group(folder, mode="r")
    file.setncatts(_attributes({key: value for key, value in source.attrs.asdict().items() if _is_of_source(key)}))
    file.setncatts({"Conventions": "CF-1.11", "title": subset.stored.description.title or variable.title})
    for axis, dimension in enumerate(variable.dimensions):
        _add_dimension(file, subset, source, axis, dimension)
    names = axis_names(grid)
    for name, centres, attributes in zip(names, (subset.window.y, subset.window.x), axis_attributes(grid), strict=True):
        _add(file, name, (name,), centres, attributes)
    _add(file, CRS_VARIABLE, (), np.int32(0), crs_attributes(grid))
    attributes = _data_attributes(subset)
    if not grid.is_geographic:
        for name, degrees, where in zip(("lon", "lat"), subset.places(), ("east", "north"), strict=True):
            kind = "longitude" if name == "lon" else "latitude"
            _add(file, name, names, degrees, {"standard_name": kind, "units": f"degrees_{where}"})
        attributes["coordinates"] = "lat lon"
    dimensions = [*(dimension.name for dimension in variable.dimensions), *names]
    codes = subset.codes.astype(np.float32) if subset.codes.dtype == np.float16 else subset.codes
    shape = [len(file.dimensions[name]) for name in dimensions]
    fill = variable.packing.fill_code
    fill_value = False if fill is None else codes.dtype.type(fill)
    _add(file, variable.name, dimensions, codes.reshape(shape), attributes, fill_value=fill_value)


def _is_of_source(name: str) -> bool:
    return name not in _OWN and ":" not in name


def _add(  # noqa: PLR0917 - what netCDF says of a variable
    file: Any,
    name: str,
    dimensions: Any,
    values: Any,
    attributes: Mapping[str, Any],
    fill_value: Any = False,
) -> None:
    values = np.asarray(values)
    dtype = values.dtype.newbyteorder("=")
    for dimension, length in zip(dimensions, values.shape, strict=True):
        if dimension not in file.dimensions:
            file.createDimension(dimension, length)
    if values.dtype.kind in "OU":
        made = file.createVariable(name, str, dimensions)
        values = values.astype(object)
    else:
        made = file.createVariable(name, dtype, dimensions, zlib=values.ndim > 1, complevel=1, fill_value=fill_value)
        made.set_auto_maskandscale(False)
    made.setncatts(_attributes(attributes))
    made[...] = values


def _add_dimension(file: Any, subset: Subset, source: zarr.Group, axis: int, dimension: Dimension) -> None:
    """Add a leading dimension with the coordinate that the store has of it, else with its labels."""
    picks = list(subset.steps_along(axis))
    stored = source.get(f"0/{dimension.name}")
    if isinstance(stored, zarr.Array) and stored.shape == (len(dimension.labels),):
        kept = {key: value for key, value in stored.attrs.asdict().items() if key not in _OTHER_VARIABLES}
        _add(file, dimension.name, (dimension.name,), np.asarray(stored[:])[picks], kept)
        return
    labels = tuple(dimension.labels[at] for at in picks)
    instants = instants_of(labels) if dimension.kind == "time" else None
    if instants is None:
        _add(file, dimension.name, (dimension.name,), np.array(labels, object), {"units": dimension.units})
        return
    seconds = np.array([each.timestamp() for each in instants])
    attributes = {"standard_name": "time", "units": "seconds since 1970-01-01 00:00:00", "calendar": "standard"}
    _add(file, dimension.name, (dimension.name,), seconds, attributes)


def _data_attributes(subset: Subset) -> dict[str, Any]:
    variable = subset.variable
    said = {"long_name": variable.title, "standard_name": variable.standard_name, "units": variable.units}
    limits = {"valid_min": variable.packing.valid_min, "valid_max": variable.packing.valid_max}
    found = {key: value for key, value in said.items() if value} | variable_attributes(variable)
    if "valid_range" not in found:
        found = {key: value for key, value in limits.items() if value is not None} | found
    found = {key: value for key, value in found.items() if key != "_FillValue" and key not in _OTHER_VARIABLES}
    # xarray decodes 32-bit codes with attributes of 64 bits as float64, as the store does.
    typed = {"missing_value", *_PACKED_UNITS} & found.keys()
    return found | {name: _as_codes(found[name], subset.codes.dtype) for name in typed}


def _as_codes(value: Any, dtype: np.dtype[Any]) -> Any:
    """Return an attribute in the type of the codes, where it fits."""
    try:
        numbers: NDArray[Any] = np.asarray(value)
        typed = numbers.astype(np.float32 if dtype == np.float16 else dtype)
    except (ValueError, OverflowError):
        return value
    return typed if np.array_equal(typed.astype(numbers.dtype), numbers, equal_nan=numbers.dtype.kind == "f") else value


def _attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes that netCDF can hold: texts, numbers and lists of either."""
    plain = {name: int(value) if isinstance(value, bool) else value for name, value in attributes.items()}
    return {name: value for name, value in plain.items() if not name.startswith("_") and _is_storable(value)}


def _is_storable(value: Any) -> bool:
    if isinstance(value, list):
        return any(value and all(isinstance(each, kind) for each in value) for kind in (str, int | float))
    return isinstance(value, str | int | float | np.ndarray | np.generic)
