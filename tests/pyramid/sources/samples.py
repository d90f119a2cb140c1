"""Small files with places, for the tests of sources."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
import zarr

from lazytile.pyramid.ingest.convert import convert

if TYPE_CHECKING:
    from pathlib import Path

    from lazytile.pyramid.store.dataset import Dataset

NORTH = {"units": "degrees_north", "standard_name": "latitude"}
EAST = {"units": "degrees_east", "standard_name": "longitude"}
METRES_X = {"units": "m", "standard_name": "projection_x_coordinate"}
METRES_Y = {"units": "m", "standard_name": "projection_y_coordinate"}
TILT_Y, TILT_X = np.mgrid[0:60, 0:50]
TILTED_LAT = 35 + TILT_Y * 0.1 - TILT_X * 0.01
"""Latitudes of a grid of a tenth of a degree that is tilted a little, north and west of 35 N 100 W."""
TILTED_LON = -100 + TILT_X * 0.1 + TILT_Y * 0.02


def tilted(**coordinates: Any) -> xr.Dataset:
    """Return a file whose variable ``v`` holds the latitude of each cell, with the places of the cells."""
    places = {"lat": (("y", "x"), TILTED_LAT, NORTH), "lon": (("y", "x"), TILTED_LON, EAST)}
    return xr.Dataset({"v": (("y", "x"), TILTED_LAT)}, {**places, **coordinates})


def even(lat: Any, lon: Any, *, north: dict[str, Any] | None = None, east: dict[str, Any] | None = None) -> xr.Dataset:
    """Return a file whose variable ``v`` holds ``1000 * row + column``."""
    lat, lon = np.asarray(lat), np.asarray(lon)
    values = 1000.0 * np.arange(lat.size)[:, None] + np.arange(lon.size)
    coordinates = {
        "lat": ("lat", lat, NORTH if north is None else north),
        "lon": ("lon", lon, EAST if east is None else east),
    }
    return xr.Dataset({"v": (("lat", "lon"), values)}, coordinates)


def converted(folder: Path, file: xr.Dataset | Path, **options: Any) -> tuple[Dataset, xr.Dataset]:
    """Write and convert a file, and return the description and level 0 of the result."""
    if isinstance(file, xr.Dataset):
        # A file that was read stays open in this process, and cannot be written again.
        path = folder / f"in{sum(1 for _ in folder.glob('in*.nc'))}.nc"
        file.to_netcdf(path)
    else:
        path = file
    dataset = convert(path, folder / "store", "d", **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Zarr format 3 has no consolidated metadata yet
        return dataset, xr.open_zarr(folder / "store" / "d.zarr" / "0", consolidated=False).load()


def values_of(folder: Path, name: str = "v") -> np.ndarray:
    """Return the values of level 0 of what ``converted`` wrote."""
    return np.asarray(zarr.open_group(folder / "store" / "d.zarr", mode="r")[f"0/{name}"][...])


def shows_its_latitudes(stored: xr.Dataset, within: float = 0.11) -> bool:
    """Return whether each cell of ``v`` with data lies at the latitude that it holds."""
    values = stored["v"].values.reshape(-1, *stored["v"].shape[-2:])
    known = np.isfinite(values)
    off = np.abs(values - stored["lat"].values[:, None])
    return bool(known.any(axis=(1, 2)).all() and off[known].max() < within)
