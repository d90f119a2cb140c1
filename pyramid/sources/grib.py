"""GRIB 1 and 2 files as variables, read message by message with ecCodes (the extra ``grib``).

Messages of one quantity, kind of level and grid are one variable; time, member and level are its dimensions. Each
grid is a group. Values are what ecCodes decodes, in float32, which holds every packing in use; NaN is no data.

ecCodes and not cfgrib reads them: cfgrib sorts longitudes, which shifts the map of a file whose last longitude is
negative, and leaves index files beside its inputs. The axes here come from the points in the order of the values.
"""

from __future__ import annotations

import importlib
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj  # before eccodes, whose wheels bring a PROJ that breaks every CRS of a pyproj imported later
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from lazytile.pyramid.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

eccodes: Any
try:
    eccodes = importlib.import_module("eccodes")  # untyped
except (ImportError, RuntimeError):  # the extra is not installed, or its library is not found
    eccodes = None

GRIB = "grib"
_NO_VALUE = 1e36
"""What ecCodes is told to put where a bitmap says that there is no value."""
_LOCK = threading.Lock()
_MAPPING = "projection"
_DIMENSIONS = ("time", "member", "level")
_REDUCED = {"reduced_gg", "reduced_ll", "reduced_rotated_gg", "octahedral_gg"}
_SCANS = ("iScansNegatively", "jScansPositively", "jPointsAreConsecutive", "alternativeRowScanning")


@dataclass(frozen=True, slots=True)
class _Message:
    """Where a message lies in the file, and its place in a variable."""

    offset: int
    name: str
    kind: tuple[str, str, str]
    """Kind of level, kind of step, grid: what tells variables of one name apart."""
    time: float
    """Seconds since 1970 for which it is valid."""
    member: int
    level: float


@dataclass(frozen=True, slots=True)
class _Order:
    """The order of a message's values."""

    cols: int
    rows: int
    columns_first: bool
    alternating: bool

    def plane(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values as rows and columns, in the directions in which the file scans them."""
        plane = values.reshape(self.cols, self.rows).T if self.columns_first else values.reshape(self.rows, self.cols)
        if self.alternating:
            plane = plane.copy()
            turned = plane[:, 1::2] if self.columns_first else plane[1::2]
            turned[...] = turned[::-1] if self.columns_first else turned[:, ::-1]
        return plane


class _Messages(BackendArray):
    """Messages as an array of planes, each read where it is indexed; one that is missing is no data."""

    def __init__(self, path: str, offsets: NDArray[np.int64], order: _Order) -> None:
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
        with _LOCK, open(self.path, "rb") as file:  # noqa: PTH123 - ecCodes wants a file of the C library
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


def open_grib(path: Path) -> dict[str, xr.Dataset]:
    """Return the groups of a GRIB file, one for each grid. Raises ``SourceError`` with what cannot be placed."""
    if eccodes is None:
        raise SourceError(f"{path} is a GRIB file, and eccodes is not installed: pip install 'lazytile[grib]'")
    members: dict[tuple[str, tuple[str, str, str]], list[_Message]] = {}
    examples: dict[tuple[str, tuple[str, str, str]], dict[str, Any]] = {}
    grids: dict[str, xr.Dataset | str] = {}
    orders: dict[str, _Order] = {}
    for handle in _handles(path):
        message = _message(handle)
        key = (message.name, message.kind)
        members.setdefault(key, []).append(message)
        grid = message.kind[2]
        if grid not in grids:
            try:
                grids[grid], orders[grid] = _grid(handle)
            except SourceError as error:
                grids[grid] = str(error)
        examples.setdefault(key, _attributes(handle))
    placed = {grid: found for grid, found in grids.items() if isinstance(found, xr.Dataset)}
    if not placed:
        raise SourceError(f"{path} holds {next(iter(grids.values()), 'no GRIB message')}")
    groups: dict[str, xr.Dataset] = {}
    names = _group_names(placed)
    for grid, found in placed.items():
        mine = {key: messages for key, messages in members.items() if key[1][2] == grid}
        variables = [_variable(path, key, mine, orders[grid], examples[key]) for key in mine]
        groups[names[grid]] = xr.merge([found, *variables], compat="no_conflicts", join="outer").assign_attrs(
            _skipped(grids)
        )
    return groups if "/" in groups else {"/": xr.Dataset(), **groups}


def _skipped(grids: dict[str, xr.Dataset | str]) -> dict[str, str]:
    reasons = [found for found in grids.values() if isinstance(found, str)]
    return {"comment": f"left out: {'; '.join(reasons)}"} if reasons else {}


def _group_names(placed: dict[str, xr.Dataset]) -> dict[str, str]:
    if len(placed) == 1:
        return dict.fromkeys(placed, "/")
    names: dict[str, str] = {}
    for grid, found in placed.items():
        sizes = "x".join(str(found.sizes[dim]) for dim in found.attrs["axes"])
        name = f"/grid_{sizes}"
        while name in names.values():
            name += "_"
        names[grid] = name
    return names


def _handles(path: Path) -> Iterator[Any]:
    """Yield a handle for each message, released after its turn."""
    with _LOCK, path.open("rb") as file:
        while True:
            try:
                handle = eccodes.codes_grib_new_from_file(file)
            except eccodes.CodesInternalError as error:
                raise SourceError(f"{path} cannot be read, it is damaged or cut short: {error}") from error
            if handle is None:
                return
            try:
                yield handle
            finally:
                eccodes.codes_release(handle)


def _get(handle: Any, key: str, default: Any = None) -> Any:
    try:
        return eccodes.codes_get(handle, key)
    except eccodes.KeyValueNotFoundError:
        return default


def _message(handle: Any) -> _Message:
    name = _get(handle, "shortName", "unknown")
    if name in ("unknown", "~"):
        name = f"parameter_{_get(handle, 'paramId', 0)}"
    day, clock = int(_get(handle, "validityDate")), int(_get(handle, "validityTime"))
    valid = datetime(day // 10000, day // 100 % 100, day % 100, clock // 100, clock % 100, tzinfo=UTC)
    level = _get(handle, "level", 0)
    kind = (str(_get(handle, "typeOfLevel")), str(_get(handle, "stepType")), str(_get(handle, "md5GridSection")))
    return _Message(
        offset=int(eccodes.codes_get(handle, "offset", int)),
        name=str(name),
        kind=kind,
        time=valid.timestamp(),
        member=int(_get(handle, "number") or 0),
        level=float(level),
    )


def _attributes(handle: Any) -> dict[str, Any]:
    standard = _get(handle, "cfName", "unknown")
    found = {
        "long_name": _get(handle, "name", ""),
        "units": _get(handle, "units", ""),
        "standard_name": "" if standard == "unknown" else standard,
        "level_type": _get(handle, "typeOfLevel", ""),
        "step_type": _get(handle, "stepType", ""),
        "level_units": {"isobaricInhPa": "hPa", "isobaricInPa": "Pa"}.get(_get(handle, "typeOfLevel", ""), ""),
    }
    return {key: value for key, value in found.items() if value and value != "unknown"}


def _variable(
    path: Path,
    key: tuple[str, tuple[str, str, str]],
    beside: dict[tuple[str, tuple[str, str, str]], list[_Message]],
    order: _Order,
    attributes: dict[str, Any],
) -> xr.Dataset:
    """Return the messages of one quantity as a variable with the coordinates of its dimensions."""
    name, (level_kind, step_kind, _) = key
    same = [other for other in beside if other[0] == name]
    if len(same) > 1:
        name = (
            f"{name}_{level_kind}"
            if len({other[1][0] for other in same}) == len(same)
            else (f"{name}_{level_kind}_{step_kind}")
        )
    messages = beside[key]
    axes = [sorted({getattr(message, dim) for message in messages}) for dim in _DIMENSIONS]
    offsets = np.full([len(axis) for axis in axes], -1, np.int64)
    for message in messages:
        place = tuple(axis.index(getattr(message, dim)) for axis, dim in zip(axes, _DIMENSIONS, strict=True))
        if offsets[place] >= 0:
            raise SourceError(
                f"{path} holds {name} twice for one time, member and level (several forecasts of one hour?); "
                "split it by forecast first (grib_copy -w)"
            )
        offsets[place] = message.offset
    # A dimension of one step says nothing that the attributes do not, save the time.
    kept = [len(axis) > 1 or dim == "time" for axis, dim in zip(axes, _DIMENSIONS, strict=True)]
    dims, coordinates = [], {}
    for dim, axis, keep in zip(_DIMENSIONS, axes, kept, strict=True):
        if keep:
            own = (
                f"{dim}_{name}" if any(other != key and _differs(beside[other], dim, axis) for other in beside) else dim
            )
            dims.append(own)
            coordinates[own] = xr.Variable((own,), np.array(axis), _coordinate_attributes(dim, attributes))
    if not kept[2] and level_kind not in ("surface", "meanSea"):
        attributes = {**attributes, "level": axes[2][0]}
    data = indexing.LazilyIndexedArray(
        _Messages(str(path), offsets.reshape([len(axis) for axis, keep in zip(axes, kept, strict=True) if keep]), order)
    )
    found = {key: value for key, value in attributes.items() if key != "level_units"}
    variable = xr.Variable((*dims, "row", "col"), data, {**found, "grid_mapping": _MAPPING})
    variable.encoding["chunksizes"] = (*(1 for _ in dims), order.rows, order.cols)
    return xr.Dataset({name: variable, **coordinates})


def _differs(messages: list[_Message], dim: str, axis: list[float]) -> bool:
    """Tell whether other messages have other steps of a dimension, so that it needs a name of its own."""
    other = sorted({getattr(message, dim) for message in messages})
    return other != axis and (len(other) > 1 or dim == "time")


def _coordinate_attributes(dim: str, attributes: dict[str, Any]) -> dict[str, Any]:
    if dim == "time":
        return {"standard_name": "time", "units": "seconds since 1970-01-01", "calendar": "standard"}
    return {"units": attributes.get("level_units", "")} if dim == "level" else {"standard_name": "realization"}


def _grid(handle: Any) -> tuple[xr.Dataset, _Order]:
    """Return the coordinates of a message's grid and the order of its values, or raise ``SourceError``."""
    kind = str(_get(handle, "gridType"))
    if kind in _REDUCED:
        raise SourceError(
            f"values on a reduced grid ({kind}, rows of unequal length); make it regular first "
            "(cdo setgridtype,regular, or grib_filter with interpolation)"
        )
    cols, rows = _get(handle, "Ni"), _get(handle, "Nj")
    if not cols or not rows or cols * rows != _get(handle, "numberOfPoints"):
        raise SourceError(
            f"values on a grid of type {kind}, which has no rows and columns; make it regular first (cdo)"
        )
    scans = {key: int(_get(handle, key, 0)) for key in _SCANS}
    order = _Order(int(cols), int(rows), bool(scans["jPointsAreConsecutive"]), bool(scans["alternativeRowScanning"]))
    if kind == "rotated_ll":
        x, y, mapping = _rotated(handle, order, scans)
        kinds = ("grid_latitude", "grid_longitude")
        units = "degrees"
    else:
        lon, lat = (order.plane(eccodes.codes_get_array(handle, key)) for key in ("longitudes", "latitudes"))
        if kind in ("regular_ll", "regular_gg"):
            return _dataset(lat[:, 0], lon[0], ("latitude", "longitude"), "", {}), order
        x, y, mapping = _projected(handle, kind, lon, lat)
        kinds, units = ("projection_y_coordinate", "projection_x_coordinate"), "m"
    return _dataset(y, x, kinds, units, mapping), order


def _dataset(
    y: NDArray[np.float64],
    x: NDArray[np.float64],
    kinds: tuple[str, str],
    units: str,
    mapping: dict[str, Any],
) -> xr.Dataset:
    # ecCodes holds angles in millionths of a degree, some files in thousandths: rounding that the axes must know of.
    variables = {
        "row": xr.Variable(("row",), y.astype(np.float32 if not units else np.float64), {"standard_name": kinds[0]}),
        "col": xr.Variable(("col",), x.astype(np.float32 if not units else np.float64), {"standard_name": kinds[1]}),
    }
    if units:
        for variable in variables.values():
            variable.attrs["units"] = units
    if mapping:
        variables[_MAPPING] = xr.Variable((), np.int32(0), mapping)
    return xr.Dataset(variables, attrs={"axes": ("row", "col")})


def _rotated(
    handle: Any, order: _Order, scans: dict[str, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64], dict[str, Any]]:
    if _get(handle, "angleOfRotationInDegrees", 0):
        raise SourceError("values on a rotated grid with an angle of rotation, which no projection of ours has")
    ends = {
        end: [float(_get(handle, f"{axis}Of{end}GridPointInDegrees")) for axis in ("longitude", "latitude")]
        for end in ("First", "Last")
    }
    span = ends["Last"][0] - ends["First"][0]
    span = (-((-span) % 360) if scans["iScansNegatively"] else span % 360) or span
    first = ends["First"][0]
    first -= 360 if first + max(span, 0) > 360 or (first > 180 and first + span > 180) else 0
    x = np.linspace(first, first + span, order.cols)
    y = np.linspace(ends["First"][1], ends["Last"][1], order.rows)
    lat = float(_get(handle, "latitudeOfSouthernPoleInDegrees"))
    lon = float(_get(handle, "longitudeOfSouthernPoleInDegrees"))
    return (
        x,
        y,
        {
            "grid_mapping_name": "rotated_latitude_longitude",
            "grid_north_pole_latitude": -lat,
            "grid_north_pole_longitude": (lon + 360.0) % 360.0 - 180.0,
        },
    )


def _projected(
    handle: Any, kind: str, lon: NDArray[np.float64], lat: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], dict[str, Any]]:
    text = _get(handle, "projString")
    if not text:
        raise SourceError(f"values on a grid of type {kind}, which ecCodes does not place")
    crs = pyproj.CRS.from_user_input(f"{text} +units=m +no_defs")
    to = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    x, _ = to.transform(lon[0], lat[0])
    _, y = to.transform(lon[:, 0], lat[:, 0])
    far_x, far_y = to.transform(lon[-1, -1], lat[-1, -1])
    miss = max(abs(far_x - x[-1]) / abs(x[1] - x[0]), abs(far_y - y[-1]) / abs(y[1] - y[0]))
    if not miss < 0.05:
        raise SourceError(f"values on a grid of type {kind} whose points do not lie on the projection {text}")
    return np.asarray(x), np.asarray(y), {"crs_wkt": crs.to_wkt()}
