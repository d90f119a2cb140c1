"""The grid of a GRIB message: the coordinates of its rows and columns, and the order of its values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj
import xarray as xr

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.sources.formats.grib.handle import eccodes, key_of
from lazytile.pyramid.sources.formats.grib.message import Order

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAPPING = "projection"
"""Name of the variable that holds the grid mapping."""
_REDUCED = {"reduced_gg", "reduced_ll"}
_SCANS = ("iScansNegatively", "jScansPositively", "jPointsAreConsecutive", "alternativeRowScanning")


def grid_of(handle: Any) -> tuple[xr.Dataset, Order]:
    """Return the grid of a message.

    Args:
        handle: Of the message.

    Returns:
        Coordinates of rows and columns, and the order of the values.

    Raises:
        SourceError: The grid has no rows and columns, or its projection is not supported.
    """
    kind = str(key_of(handle, "gridType"))
    if kind in _REDUCED:
        return _reduced(handle, kind)
    if kind == "healpix":
        return _healpix(handle)
    cols, rows = key_of(handle, "Ni"), key_of(handle, "Nj")
    if not cols or not rows or cols * rows != key_of(handle, "numberOfPoints"):
        raise SourceError(
            f"values on a grid of type {kind}, which has no rows and columns; make it regular first (cdo)"
        )
    scans = {key: int(key_of(handle, key, 0)) for key in _SCANS}
    order = Order(int(cols), int(rows), bool(scans["jPointsAreConsecutive"]), bool(scans["alternativeRowScanning"]))
    if kind == "rotated_ll":
        x, y, mapping = _rotated(handle, order, scans)
        kinds = ("grid_latitude", "grid_longitude")
        units = "degrees"
    else:
        try:
            lon, lat = (order.plane(eccodes.codes_get_array(handle, key)) for key in ("longitudes", "latitudes"))
        except eccodes.CodesInternalError as error:
            raise SourceError(f"values on a grid of type {kind}, whose points ecCodes does not know") from error
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
    # ecCodes has angles in millionths of a degree, some files in thousandths. As float32 the axes allow for that.
    variables = {
        "row": xr.Variable(("row",), y.astype(np.float32 if not units else np.float64), {"standard_name": kinds[0]}),
        "col": xr.Variable(("col",), x.astype(np.float32 if not units else np.float64), {"standard_name": kinds[1]}),
    }
    if units:
        for variable in variables.values():
            variable.attrs["units"] = units
    if mapping:
        variables[MAPPING] = xr.Variable((), np.int32(0), mapping)
    return xr.Dataset(variables, attrs={"axes": ("row", "col")})


def _reduced(handle: Any, kind: str) -> tuple[xr.Dataset, Order]:
    """Return the cells of a grid with rows of unequal length, each as large as the distances to its neighbours."""
    lat, lon = (np.asarray(eccodes.codes_get_array(handle, key)) for key in ("latitudes", "longitudes"))
    rows, row, count = np.unique(lat, return_inverse=True, return_counts=True)
    if rows.size < 2 or lat.size < 4:
        raise SourceError(f"values on a reduced grid ({kind}) of {lat.size} points")
    gaps = np.diff(rows)
    height = np.minimum(np.append(gaps, gaps[-1]), np.append(gaps[0], gaps))
    # The cells of the outer rows reach to the poles.
    caps = 2 * (90 - np.abs(rows))
    height = np.where(caps < 2 * height, np.maximum(height, caps), height)
    first = np.searchsorted(row, np.arange(rows.size), sorter=(order := np.argsort(row, kind="stable")))
    last = np.append(first[1:], row.size) - 1
    span = (lon[order[last]] - lon[order[first]]) % 360
    width = np.where(count > 1, span / np.maximum(count - 1, 1), 360.0)
    half = np.radians(np.hypot(height, width * np.cos(np.radians(rows)))) / 2
    described = {"standard_name": "latitude", "units": "degrees_north", "half_diagonal": "half_diagonal"}
    variables = {
        "latitude": xr.Variable(("cell",), lat, {**described, "grid_type": f"a reduced grid of {rows.size} rows"}),
        "longitude": xr.Variable(("cell",), lon, {"standard_name": "longitude", "units": "degrees_east"}),
        "half_diagonal": xr.Variable(("cell",), half[row].astype(np.float32)),
    }
    return _flat(variables, lat.size)


def _healpix(handle: Any) -> tuple[xr.Dataset, Order]:
    nside, ordering = int(key_of(handle, "Nside")), str(key_of(handle, "orderingConvention", ""))
    described = {"grid_mapping_name": "healpix", "healpix_nside": nside, "healpix_order": ordering}
    return _flat({MAPPING: xr.Variable((), np.int32(0), described)}, 12 * nside**2)


def _flat(variables: dict[str, xr.Variable], cells: int) -> tuple[xr.Dataset, Order]:
    found = xr.Dataset(variables, attrs={"axes": ("cell",)})
    return found, Order(cells, 1, is_flat=True)


def _rotated(
    handle: Any, order: Order, scans: dict[str, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64], dict[str, Any]]:
    if key_of(handle, "angleOfRotationInDegrees", 0):
        raise SourceError("values on a rotated grid with an angle of rotation, which is not supported")
    ends = {
        end: [float(key_of(handle, f"{axis}Of{end}GridPointInDegrees")) for axis in ("longitude", "latitude")]
        for end in ("First", "Last")
    }
    span = ends["Last"][0] - ends["First"][0]
    span = (-((-span) % 360) if scans["iScansNegatively"] else span % 360) or span
    first = ends["First"][0]
    first -= 360 if first + max(span, 0) > 360 or (first > 180 and first + span > 180) else 0
    x = np.linspace(first, first + span, order.cols)
    y = np.linspace(ends["First"][1], ends["Last"][1], order.rows)
    lat = float(key_of(handle, "latitudeOfSouthernPoleInDegrees"))
    lon = float(key_of(handle, "longitudeOfSouthernPoleInDegrees"))
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
    text = key_of(handle, "projString")
    if not text:
        raise SourceError(f"values on a grid of type {kind}, for which ecCodes has no projection")
    crs = pyproj.CRS.from_user_input(f"{text} +units=m +no_defs")
    to = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    x, _ = to.transform(lon[0], lat[0])
    _, y = to.transform(lon[:, 0], lat[:, 0])
    far_x, far_y = to.transform(lon[-1, -1], lat[-1, -1])
    miss = max(abs(far_x - x[-1]) / abs(x[1] - x[0]), abs(far_y - y[-1]) / abs(y[1] - y[0]))
    if not miss < 0.05:
        raise SourceError(f"values on a grid of type {kind} whose points do not fit the projection {text}")
    return np.asarray(x), np.asarray(y), {"crs_wkt": crs.to_wkt()}
