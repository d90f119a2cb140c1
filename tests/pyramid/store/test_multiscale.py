"""A stored dataset as other readers of multiscale Zarr see it: by the attributes of the root."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pyproj
import pytest
import xarray as xr
import zarr

from lazytile.pyramid.ingest.convert import Storage, convert
from tests.pyramid.ingest.test_append import ROWS, source

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module", params=[Storage(), Storage(shard=2)], ids=["usual", "sharded"])
def stored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("multiscale")
    convert(source(folder / "in.nc", 0, 1), folder, "d", storage=request.param)
    return folder / "d.zarr"


def test_every_level_of_the_layout_opens_in_xarray(stored: Path) -> None:
    attributes = zarr.open_group(stored, mode="r").attrs.asdict()
    for number, entry in enumerate(attributes["multiscales"]["layout"]):
        step, _, west, _, down, north = entry["spatial:transform"]
        with xr.open_zarr(stored, group=entry["asset"]) as level:
            assert list(level["t"].shape[-2:]) == entry["spatial:shape"]
            np.testing.assert_allclose(level["lon"].values[:2], [west + step / 2, west + 3 * step / 2])
            np.testing.assert_allclose(level["lat"].values[:2], [north + down / 2, north + 3 * down / 2])
            assert level["t"].dims == ("time", "lat", "lon")
            assert level["t"].shape[1] == -(-ROWS // 2**number)
            assert np.isfinite(level["t"].values[:, -1, -1]).all()


def test_the_whole_tree_opens_at_once(stored: Path) -> None:
    with xr.open_datatree(stored, engine="zarr", chunks=None) as tree:
        assert sorted(tree.children) == ["0", "1", "2"]
        assert tree["1"]["t"].shape == (2, 300, 350)


def test_rioxarray_knows_where_it_is(stored: Path) -> None:
    pytest.importorskip("rioxarray", reason="rioxarray is not installed")
    with xr.open_zarr(stored, group="1", decode_coords="all") as level:
        array = level["t"].rio.set_spatial_dims("lon", "lat")
        assert array.rio.crs.to_epsg() == 4326
        np.testing.assert_allclose(array.rio.bounds(), (0, 0, 70, 60), atol=1e-9)
        assert array.rio.encoded_nodata == -32768


@pytest.mark.parametrize(
    "crs",
    ["EPSG:3413", "EPSG:32633", "+proj=lcc +lat_1=33 +lat_2=45 +lat_0=40 +lon_0=-97 +R=6370000 +units=m +type=crs"],
)
def test_rioxarray_knows_projections(tmp_path: Path, crs: str) -> None:
    pytest.importorskip("rioxarray", reason="rioxarray is not installed")
    np.save(tmp_path / "in.npy", np.arange(300 * 400, dtype="float32").reshape(300, 400))
    bounds = (-2e5, 3e5, 6e5, 9e5)
    convert(tmp_path / "in.npy", tmp_path, "d", bounds=bounds, crs=crs)
    for level in ("0", "1"):
        with xr.open_zarr(tmp_path / "d.zarr", group=level, decode_coords="all") as opened:
            array = opened["data"]
            assert pyproj.CRS.from_wkt(array.rio.crs.to_wkt(version="WKT2_2019")).equals(
                pyproj.CRS.from_user_input(crs), ignore_axis_order=True
            )
            np.testing.assert_allclose(array.rio.bounds(), bounds)


def test_gdal_sees_the_grid(stored: Path) -> None:
    if shutil.which("gdalmdiminfo") is None:
        pytest.skip("gdalmdiminfo is not installed")
    ended = subprocess.run(["gdalmdiminfo", str(stored)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0
