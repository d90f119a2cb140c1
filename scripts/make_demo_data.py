"""Write the demo's source files: a small real one and a synthetic sea surface temperature like GHRSST MUR L4.

    make_demo_data.py [--out DIR]            both files, 0.05 degree, 3 days (about 80 MB)
    make_demo_data.py --full [--out DIR]     the size of MUR: 0.01 degree, 36000 x 17999 cells, 1 day (under 1 GB)

The synthetic field (``demo_ocean.py``) is the same on every run. Memory stays below 1 GB at any size, because rows are
computed in bands.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import netCDF4
import numpy as np
from demo_ocean import make_land, make_ocean

if TYPE_CHECKING:
    from numpy.typing import NDArray

AIR_NAME = "air_temperature.nc"
SST_NAME = "sst.nc"
SST_FULL_NAME = "sst_full.nc"
FILL = np.int16(-32768)
SCALE, OFFSET = 0.001, 298.15
BAND_ROWS = 341
"""Rows of a band: a third of a chunk."""


def packed(kelvin: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return temperatures as the codes of the file."""
    codes: NDArray[np.int16] = np.rint((kelvin - np.float32(OFFSET)) * np.float32(1 / SCALE)).astype(np.int16)
    return codes


def write_sst(path: Path, lat: NDArray[np.float64], lon: NDArray[np.float64], days: int) -> None:
    """Write the synthetic field as netCDF-4 with the attributes and the packing of MUR."""
    land = make_land()
    oceans = [make_ocean(day, abs(float(lat[1] - lat[0]))) for day in range(days)]

    def make(start: int) -> list[NDArray[np.int16]]:
        """Compute the same rows of every day."""
        rows = lat[start : start + BAND_ROWS]
        dry = land.band(rows, lon)
        return [np.where(dry, FILL, packed(ocean.band(rows, lon))) for ocean in oceans]

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


def _define(file: netCDF4.Dataset, lat: NDArray[np.float64], lon: NDArray[np.float64], days: int) -> netCDF4.Variable:
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


def air_temperature_file() -> Path:
    """Return the real file in the PyPI package ``hvsampledata``, or exit with how to install it."""
    package = importlib.util.find_spec("hvsampledata")
    if package is None or package.origin is None:
        raise SystemExit("hvsampledata is not installed: pip install 'lazytile[demo]'")
    found = sorted(Path(package.origin).parent.rglob("air_temperature_small.nc"))
    if not found:
        raise SystemExit("hvsampledata has no air_temperature_small.nc: the demo needs version 0.1.5 or later")
    return found[0]


def grid(*, full: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return latitudes and longitudes of the cell centres: MUR's own grid, or one five times as coarse."""
    if full:
        return -89.99 + 0.01 * np.arange(17999), -179.99 + 0.01 * np.arange(36000)
    return -89.975 + 0.05 * np.arange(3600), -179.975 + 0.05 * np.arange(7200)


def main() -> None:
    """Write the files that the command line selects."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, default=Path("demo-data"), help="folder for the files (default: %(default)s)"
    )
    parser.add_argument("--full", action="store_true", help="write the 0.01 degree size instead")
    parser.add_argument("--days", type=int, help="days to write (default: 3, with --full 1)")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    if not arguments.full:
        shutil.copyfile(air_temperature_file(), arguments.out / AIR_NAME)
    path = arguments.out / (SST_FULL_NAME if arguments.full else SST_NAME)
    lat, lon = grid(full=arguments.full)
    write_sst(path, lat, lon, arguments.days or (1 if arguments.full else 3))
    print(f"{path}: {path.stat().st_size / 1e6:.0f} MB in {time.monotonic() - started:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
