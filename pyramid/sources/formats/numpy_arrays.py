"""NumPy arrays as variables: ``.npy`` and ``.npz`` files, which do not state where their cells lie.

The user states it: outer edges of the array, whose first row is the northernmost and first column the westernmost. An
``.npz`` may hold ``lat`` and ``lon`` instead. Arrays are mapped into memory; only a compressed member of an ``.npz`` is
unpacked whole. Pickled objects are never read.
"""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.sources.cf.crs import GEOGRAPHIC, is_lonlat, parse_crs
from lazytile.pyramid.sources.formats.exact_coordinate import exact_coordinate

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lazytile.pyramid.sources.overrides import Overrides

NUMPY = "numpy"
_VARIABLE = "data"
_MAPPING = "spatial_ref"
_LATITUDES, _LONGITUDES = ("lat", "latitude", "lats"), ("lon", "longitude", "lons")
_EPOCH = {"standard_name": "time", "units": "seconds since 1970-01-01"}


def open_numpy(path: Path) -> xr.Dataset:
    """Open a NumPy file.

    Args:
        path: Of a ``.npy`` or ``.npz`` file.

    Returns:
        Its arrays as variables.

    Raises:
        SourceError: It holds no array of numbers with two or more dimensions, or is damaged.
    """
    arrays = _members(path) if zipfile.is_zipfile(path) else {_VARIABLE: _mapped(path, 0)}
    variables: dict[str, xr.Variable] = {}
    axes = {name: array for name, array in arrays.items() if array.ndim == 1}
    for name, array in arrays.items():
        if array.ndim >= 2:
            dims = [*(_leading(axes, array, axis) for axis in range(array.ndim - 2)), *_spatial(axes, array)]
            variables[name] = xr.Variable(dims, array, {})
    for name, array in axes.items():
        attributes: dict[str, Any] = {}
        values: NDArray[Any] = array
        if name.lower() in _LATITUDES + _LONGITUDES:
            kind = "latitude" if name.lower() in _LATITUDES else "longitude"
            attributes = {"standard_name": kind}
        elif array.dtype.kind == "M":
            values, attributes = array.astype("datetime64[ms]").astype(np.int64) / 1000.0, dict(_EPOCH)
        variables[name] = xr.Variable((name,), values, attributes)
    if not any(variable.ndim >= 2 for variable in variables.values()):
        raise SourceError(f"{path} holds no array with two or more dimensions, only {', '.join(arrays)}")
    return xr.Dataset(variables)


def with_coordinates(group: xr.Dataset, overrides: Overrides, path: Path) -> xr.Dataset:
    """Return arrays with coordinates made from the bounds that the user gives.

    Args:
        group: As ``open_numpy`` returns it.
        overrides: What the user states.
        path: Of the file, for errors.

    Returns:
        The arrays; unchanged where they have coordinates of their own and the user gives no bounds.

    Raises:
        SourceError: There are neither coordinates nor bounds, the bounds are not valid, or arrays differ in size.
    """
    if overrides.bounds is None:
        if all(any(name.lower() in names for name in map(str, group.variables)) for names in (_LATITUDES, _LONGITUDES)):
            return group
        raise SourceError(
            f"{path} holds a NumPy array, which does not state where its cells lie; give --bounds "
            "WEST,SOUTH,EAST,NORTH (and --crs unless they are degrees)"
        )
    west, south, east, north = overrides.bounds
    if not (west < east and south < north):
        raise SourceError(f"the bounds {west:g},{south:g},{east:g},{north:g} must be WEST,SOUTH,EAST,NORTH")
    crs = parse_crs(overrides.crs or GEOGRAPHIC)
    lonlat = is_lonlat(crs)
    variables: dict[str, xr.Variable] = {}
    for name, variable in group.data_vars.items():
        rows, cols = variable.shape[-2:] if variable.ndim >= 2 else (0, 0)
        for dim, axis, first, last, size in (("row", "Y", north, south, rows), ("col", "X", west, east, cols)):
            if not size:
                continue
            known = variables.get(dim)
            if known is not None and known.size != size:
                raise SourceError(f"{path} holds arrays of several sizes, {name} among them; bounds are for one size")
            variables[dim] = exact_coordinate(dim, axis, first, (last - first) / size, size, lonlat=lonlat)
    variables[_MAPPING] = xr.Variable((), np.int32(0), {"crs_wkt": crs.to_wkt()})
    renamed = {
        name: xr.Variable((*variable.dims[:-2], "row", "col"), variable.variable._data, {"grid_mapping": _MAPPING})  # noqa: SLF001 - unread
        for name, variable in group.data_vars.items()
        if variable.ndim >= 2
    }
    leading = {name: variable for name, variable in group.variables.items() if variable.ndim == 1}
    used = {name: variable for name, variable in leading.items() if any(name in each.dims for each in renamed.values())}
    return xr.Dataset({**used, **variables, **renamed})


def _leading(axes: dict[str, NDArray[Any]], array: NDArray[Any], axis: int) -> str:
    """Return the name of a leading dimension: that of an array with a value for each step, if there is one."""
    fitting = [
        name
        for name, values in axes.items()
        if values.size == array.shape[axis] and name.lower() not in _LATITUDES + _LONGITUDES
    ]
    return fitting[0] if len(fitting) == 1 else f"dim_{axis}_{array.shape[axis]}"


def _spatial(axes: dict[str, NDArray[Any]], array: NDArray[Any]) -> tuple[str, str]:
    found = []
    for names, size, usual in ((_LATITUDES, array.shape[-2], "row"), (_LONGITUDES, array.shape[-1], "col")):
        fitting = [name for name, values in axes.items() if name.lower() in names and values.size == size]
        found.append(fitting[0] if fitting else f"{usual}_{size}")
    return found[0], found[1]


def _members(path: Path) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    with zipfile.ZipFile(path) as archive:
        members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        if not members:
            raise SourceError(f"{path} is a zip archive without NumPy arrays; unpack it first")
        for info in members:
            name = info.filename.removesuffix(".npy")
            if info.compress_type == zipfile.ZIP_STORED:
                with archive.open(info) as member:
                    # Where the member's bytes lie: its local header may be longer than the central directory states.
                    offset = int(getattr(member, "_orig_compress_start", -1))
                if offset >= 0:
                    arrays[name] = _mapped(path, offset)
                    continue
            with archive.open(info) as member:
                arrays[name] = _checked(path, np.lib.format.read_array(member, allow_pickle=False))
    return arrays


def _mapped(path: Path, offset: int) -> NDArray[Any]:
    """Return an array of a file without reading it."""
    with path.open("rb") as file:
        file.seek(offset)
        try:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(file)
        except ValueError as error:
            raise SourceError(f"{path} is damaged or cut short: {error}") from error
        if dtype.hasobject:
            raise SourceError(f"{path} holds pickled Python objects, which may run code when opened and are never read")
        start = file.tell()
        file.seek(0, 2)
        needed = start + dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        if file.tell() < needed:
            raise SourceError(f"{path} is cut short: it has {file.tell()} of {needed} bytes")
    if not np.prod(shape, dtype=np.int64):
        return np.empty(shape, dtype)
    return _checked(path, np.memmap(path, dtype, "r", start, shape, "F" if fortran else "C"))


def _checked(path: Path, array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind not in "iufbM":
        raise SourceError(f"{path} holds an array of type {array.dtype}; arrays must hold numbers or times")
    return array
