"""A store of real files of many kinds, converted once for all modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.service.cli.main import run
from tests.shared import shared

if TYPE_CHECKING:
    from pathlib import Path

KINDS = {
    "sst": "20241011120000-ABOM-L4_GHRSST-SSTfnd-GAMSSA_28km-GLOB-v02.0-fv01.0.nc",
    "arctic": "Arctic20_1to5Feb_2016.nc",
    "europe": "tas_rotated_grid_EUR11.nc",
    "landsea": "landsea.nc",
    "century": "TREFHT.B06.69.atm.1890-1999ANN.nc",
    "era5": "era5-levels-members.grib",
    "opera": "OPERA_L3_DSWx-HLS_T48SUE_20190302T034350Z_20230131T222341Z_L8_30_v0.0_BROWSE.tiff",
    "swath": "ascat_20150702_084200_metopa_45145_eps_o_250_2300_ovw.l2.nc",
    "dateline": "cog_dateline.tif",
    "chlorophyll": "olci-cube-level2.zarr",
}
"""Names of datasets and their files: global, polar, regional and rotated, classes, many times, levels and members,
palette GeoTIFF, swath, across 180 degrees, few cells with data."""


def real_store(folder: Path) -> Path:
    """Return the store, converted below a folder unless it is there; skip the test without the files."""
    files = {name: shared("realdata", file) for name, file in KINDS.items()}
    store = folder / "real"
    for name, file in files.items():
        if not (store / f"{name}.zarr").exists():
            assert run(["convert", str(file), "--store", str(store), "--name", name]) == 0
    return store
