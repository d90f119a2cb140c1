"""Write the demo's source files: a small real one and a synthetic sea surface temperature like GHRSST MUR L4.

    make_demo_data.py [--out DIR]            both files, 0.05 degree, 3 days (about 80 MB)
    make_demo_data.py --full [--out DIR]     the size of MUR: 0.01 degree, 36000 x 17999 cells, 1 day (under 1 GB)

``lazytile demo`` writes a smaller one and shows it.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.demo.sst_file import write_sst

if TYPE_CHECKING:
    from numpy.typing import NDArray

AIR_NAME = "air_temperature.nc"
SST_NAME = "sst.nc"
SST_FULL_NAME = "sst_full.nc"


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
