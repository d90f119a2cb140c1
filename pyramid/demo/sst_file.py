"""The demo's file: netCDF-4 like GHRSST MUR L4."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import netCDF4
import numpy as np

from lazytile.pyramid.demo.ocean import make_land, make_ocean

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FILL = np.int16(-32768)
SCALE, OFFSET = 0.001, 298.15
BAND_ROWS = 341
"""Rows of a band: a third of a chunk."""


def _packed(kelvin: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return temperatures as the codes of the file."""
    codes: NDArray[np.int16] = np.rint((kelvin - np.float32(OFFSET)) * np.float32(1 / SCALE)).astype(np.int16)
    return codes


def write_sst(path: Path, lat: NDArray[np.float64], lon: NDArray[np.float64], days: int) -> None:
    """Write the synthetic field as netCDF-4 with the attributes and the packing of MUR.

    The field is the same on every run. Memory stays below 1 GB at any size, because rows are computed in bands.

    Args:
        path: Of the file; it appears when it is complete.
        lat: Ascending, shape (rows,), float64, degrees.
        lon: Ascending, shape (cols,), float64, degrees.
        days: Number of days.
    """
    land = make_land()
    oceans = [make_ocean(day, abs(float(lat[1] - lat[0]))) for day in range(days)]

    def make(start: int) -> list[NDArray[np.int16]]:
        """Compute the same rows of every day."""
        rows = lat[start : start + BAND_ROWS]
        dry = land.band(rows, lon)
        return [np.where(dry, FILL, _packed(ocean.band(rows, lon))) for ocean in oceans]

    partial = path.with_name(f".{path.name}.partial")
    with netCDF4.Dataset(partial, "w", format="NETCDF4") as file, ThreadPoolExecutor(2) as pool:
        sst = _define(file, lat, lon, days)
        starts = list(range(0, lat.size, BAND_ROWS))
        # Two bands are computed while one is written; the netCDF library writes one at a time.
        waiting = [pool.submit(make, start) for start in starts[:2]]
        for number, start in enumerate(starts):
            for day, codes in enumerate(waiting.pop(0).result()):
                sst[day, start : start + BAND_ROWS] = codes
            if number + 2 < len(starts):
                waiting.append(pool.submit(make, starts[number + 2]))
    partial.replace(path)


def _define(file: Any, lat: NDArray[np.float64], lon: NDArray[np.float64], days: int) -> Any:
    file.setncatts(
        {
            "Conventions": "CF-1.7",
            "title": "Synthetic sea-surface temperature (lazytile demo)",
            "summary": "Synthetic; not an observation. Shaped and packed like the GHRSST MUR L4 analysis.",
            "institution": "lazytile",
        }
    )
    for name, size in (("time", days), ("lat", lat.size), ("lon", lon.size)):
        file.createDimension(name, size)
    times = file.createVariable("time", "i4", ("time",))
    times.setncatts({"standard_name": "time", "axis": "T", "units": "seconds since 1981-01-01 00:00:00 UTC"})
    times[:] = 1420102800 + 86400 * np.arange(days)  # from 2026-01-01T09:00:00Z
    for name, values, standard_name, units, axis in (
        ("lat", lat, "latitude", "degrees_north", "Y"),
        ("lon", lon, "longitude", "degrees_east", "X"),
    ):
        variable = file.createVariable(name, "f4", (name,))
        variable.setncatts({"standard_name": standard_name, "long_name": standard_name, "units": units, "axis": axis})
        variable[:] = values.astype(np.float32)
    sst = file.createVariable(
        "analysed_sst",
        "i2",
        ("time", "lat", "lon"),
        zlib=True,
        complevel=1,
        shuffle=True,
        chunksizes=(1, min(1023, lat.size), min(2047, lon.size)),
        fill_value=FILL,
    )
    sst.set_auto_maskandscale(False)
    sst.set_var_chunk_cache(256 << 20, 1009, 0.75)
    sst.setncatts(
        {
            "long_name": "analysed sea surface temperature",
            "standard_name": "sea_surface_foundation_temperature",
            "units": "kelvin",
            "scale_factor": SCALE,
            "add_offset": OFFSET,
            "valid_min": np.int16(-32767),
            "valid_max": np.int16(32767),
        }
    )
    return sst


def regular_grid(step_degrees: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the centres of the cells of a global grid.

    Args:
        step_degrees: Size of a cell.

    Returns:
        Latitudes from the south and longitudes from -180, float64, degrees.
    """
    rows, cols = round(180 / step_degrees), round(360 / step_degrees)
    return (
        -90 + step_degrees / 2 + step_degrees * np.arange(rows, dtype=np.float64),
        -180 + step_degrees / 2 + step_degrees * np.arange(cols, dtype=np.float64),
    )
