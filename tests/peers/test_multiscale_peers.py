"""Other tile servers on our store: rio-tiler's reader of the multiscales convention, and titiler-xarray's of a level.

The cells of each level are exactly as large as the pixels of one zoom of WorldCRS84Quad, so that every program has to
take the same level there, and their tiles and ours must agree in every pixel.
"""

from __future__ import annotations

import io
import math
import warnings
from typing import TYPE_CHECKING, Any

import morecantile
import numpy as np
import pyproj
import pytest
import zarr

import lazytile
from lazytile.pyramid.ingest.convert import Storage, convert
from tests.pyramid.netcdf import TIME, centres, write_grid

# Their modules warn that they are experimental, and of deprecations of each other.
pytestmark = pytest.mark.filterwarnings("ignore")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    rio_zarr = pytest.importorskip("rio_tiler.experimental.zarr", reason="only make peers-check has rio-tiler")
    titiler_io = pytest.importorskip("titiler.xarray.io", reason="only make peers-check has titiler-xarray")

if TYPE_CHECKING:
    from pathlib import Path

TMS = "WorldCRS84Quad"
ZOOM = 2
"""Whose pixels are as large as the cells of level 0."""
CELL = 360 / 2048
TILES = [
    (zoom, col, row)
    for zoom in range(ZOOM + 1)
    for col in (0, 2**zoom, 2 ** (zoom + 1) - 1)
    for row in (0, 2**zoom - 1)
]


@pytest.fixture(scope="module", params=[Storage(), Storage(shard=2)], ids=["usual", "sharded"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of packed noise over the whole Earth, a quarter of it without data."""
    folder = tmp_path_factory.mktemp("peers")
    random = np.random.default_rng(4)
    codes = random.integers(-9000, 9000, (2, 1024, 2048)).astype("int16")
    codes[:, random.random((1024, 2048)) < 0.25] = -32768
    codes[:, 300:500, 300:700] = -32768
    write_grid(
        folder / "in.nc",
        codes,
        centres(-90, CELL, 1024),
        centres(-180, CELL, 2048),
        leading={"time": ([0, 1], TIME)},
        fill=-32768,
        attributes={"scale_factor": 0.01, "add_offset": 273.15},
    )
    convert(folder / "in.nc", folder, "d", storage=request.param)
    return folder


def ours(store: Path, zoom: int, col: int, row: int, **options: Any) -> np.ndarray:
    """Return the values that our renderer gives a tile, shape (256, 256)."""
    tile = lazytile.render_tile(
        str(store), "d", TMS, matrix=zoom, row=row, col=col, format="npy", resampling="nearest", **options
    )
    return np.asarray(np.load(io.BytesIO(tile), allow_pickle=False)).reshape(256, 256)


def test_the_levels_are_found_by_their_zooms(store: Path) -> None:
    group = zarr.open_group(store / "d.zarr", mode="r")
    with rio_zarr.GroupReader(group, tms=morecantile.tms.get(TMS)) as reader:
        assert reader.bounds == (-180.0, -90.0, 180.0, 90.0)
        assert reader.crs.to_epsg() == 4326
        assert (reader.minzoom, reader.maxzoom) == (0, ZOOM)
        assert [(each["name"], each["multiscale"]) for each in reader.list_variables()] == [("t", True)]


@pytest.mark.parametrize("step", [0, 1])
def test_tiles_of_a_multiscale_dataset_agree_with_ours_in_every_pixel(store: Path, step: int) -> None:
    group = zarr.open_group(store / "d.zarr", mode="r")
    time = ("2001-01-01", "2001-01-02")[step]
    shown = 0
    with rio_zarr.GroupReader(group, tms=morecantile.tms.get(TMS)) as reader:
        for zoom, col, row in TILES:
            image = reader.tile(col, row, zoom, variables="t")
            codes = image.array[step].filled(-32768)
            values = np.where(codes == -32768, np.nan, codes * 0.01 + 273.15)
            np.testing.assert_allclose(ours(store, zoom, col, row, time=time), values, rtol=1e-6)
            shown += int(np.isfinite(values).sum())
    assert shown > len(TILES) * 256 * 256 / 2


def test_tiles_of_a_level_agree_with_ours_in_titiler(store: Path) -> None:
    for zoom, col, row in TILES:
        level = ZOOM - zoom
        with titiler_io.Reader(
            str(store / "d.zarr"), "t", group=str(level), sel=["time=2001-01-02"], tms=morecantile.tms.get(TMS)
        ) as reader:
            assert reader.crs.to_epsg() == 4326
            np.testing.assert_allclose(reader.bounds, (-180, -90, 180, 90), atol=1e-9)
            image = reader.tile(col, row, zoom)
        values = image.array[0].astype("f8").filled(np.nan)
        np.testing.assert_allclose(ours(store, zoom, col, row, time="2001-01-02"), values, rtol=1e-6)


@pytest.mark.parametrize("crs", ["EPSG:3413", "+proj=lcc +lat_1=33 +lat_2=45 +lat_0=40 +lon_0=-97 +R=6370000 +units=m"])
def test_projected_datasets_lie_where_ours_do(tmp_path: Path, crs: str) -> None:
    codes = np.arange(300 * 400, dtype="float32").reshape(300, 400)
    np.save(tmp_path / "in.npy", codes)
    bounds = (-2e6, -1.5e6, 2e6, 1.5e6)
    convert(tmp_path / "in.npy", tmp_path, "d", bounds=bounds, crs=crs)
    group = zarr.open_group(tmp_path / "d.zarr", mode="r")
    to_degrees = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    with rio_zarr.GroupReader(group) as reader:
        assert pyproj.CRS.from_user_input(reader.crs.to_wkt()).is_projected
        assert tuple(reader.bounds) == bounds
        for row, col in ((0, 0), (299, 399), (140, 3), (17, 250)):
            lon, lat = to_degrees.transform(-2e6 + (col + 0.5) * 1e4, 1.5e6 - (row + 0.5) * 1e4)
            assert math.isfinite(lon)
            point = reader.point(lon, lat, variables="data")
            assert float(point.array.squeeze()) == codes[row, col]
