"""Small netCDF files to convert."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import netCDF4
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path


def write_grid(
    path: Path,
    codes: np.ndarray,
    lat: Any,
    lon: Any,
    *,
    name: str = "t",
    attributes: dict[str, Any] | None = None,
    dims: tuple[str, ...] | None = None,
    leading: dict[str, tuple[Any, dict[str, Any]]] | None = None,
    fill: Any = None,
    chunks: tuple[int, ...] | None = None,
    kind: str = "NETCDF4",
) -> Path:
    """Write one packed variable on a grid; ``leading`` holds the values and attributes of the other dimensions."""
    leading = leading or {}
    dims = dims or (*leading, "lat", "lon")
    with netCDF4.Dataset(path, "w", format=kind) as file:
        axes = {
            "lat": (lat, {"standard_name": "latitude", "units": "degrees_north"}),
            "lon": (lon, {"standard_name": "longitude", "units": "degrees_east"}),
        }
        for dim, (given_values, given) in {**leading, **axes}.items():
            values = np.asarray(given_values)
            file.createDimension(dim, values.size)
            variable = file.createVariable(dim, values.dtype, (dim,))
            variable.setncatts(given)
            variable[:] = values
        options = {"zlib": True, "chunksizes": chunks} if chunks else {}
        variable = file.createVariable(name, codes.dtype, dims, fill_value=fill, **options)
        variable.set_auto_maskandscale(False)
        variable.setncatts(attributes or {})
        variable[:] = codes
    return path


def centres(first_edge: float, cell: float, count: int) -> np.ndarray:
    """Return cell centres, starting at an edge."""
    return first_edge + (np.arange(count) + 0.5) * cell


TIME = {"standard_name": "time", "units": "days since 2001-01-01"}
