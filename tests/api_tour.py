"""A program that uses every name of the Python API: run as it is, and checked by mypy --strict as a user's would be."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import numpy as np
import xarray as xr

import lazytile
from lazytile import Dataset, LazytileError, Server, Store, Tile, Variable


def sample() -> xr.Dataset:
    """Return two times of two variables on a coarse global grid."""
    lat, lon = np.linspace(89, -89, 90), np.linspace(-178, 178, 90)
    values = 15 + 15 * np.cos(np.radians(lat))[None, :, None] + np.zeros((2, 90, 90)) + np.arange(2)[:, None, None]
    values[:, :10, :10] = np.nan
    coords = {
        "time": np.array(["2024-01-01", "2024-01-02"], "datetime64[ns]"),
        "lat": ("lat", lat, {"units": "degrees_north", "standard_name": "latitude"}),
        "lon": ("lon", lon, {"units": "degrees_east", "standard_name": "longitude"}),
    }
    dims = ("time", "lat", "lon")
    return xr.Dataset(
        {
            "warm": (dims, values, {"units": "degC", "long_name": "Warmth"}),
            "cold": (dims, -values, {"units": "degC", "long_name": "Cold"}),
        },
        coords,
        {"title": "A sample"},
    )


def opening(folder: Path) -> Dataset:
    """Convert, open in every way, and describe."""
    found = sample()
    found.to_netcdf(folder / "sample.nc", engine="netcdf4")
    made: Dataset = lazytile.convert(folder / "sample.nc", folder / "store", "sample")
    ds: Dataset = lazytile.open(folder / "store" / "sample.zarr")
    assert made.generation == ds.generation
    with lazytile.open(folder / "sample.nc") as temporary, lazytile.open(found, store=folder / "other") as kept:
        assert set(temporary) == set(kept) == {"warm", "cold"}
        assert kept.path == folder / "other" / "data.zarr"
    assert not temporary.store.folder.exists()
    linked: Dataset = lazytile.link(folder / "sample.nc", folder / "linked", "sample")
    assert set(linked) == set(made)
    store: Store = lazytile.open_store(folder / "store")
    assert ds.store.folder == store.folder
    assert (ds.name, ds.title, ds.levels, ds.crs, len(ds)) == ("sample", "A sample", 1, "EPSG:4326", 2)
    assert ds.bounds[0] == -180
    assert ds.remarks == ds.description.remarks
    assert "warm" in ds
    assert "nothing" not in ds
    assert repr(ds).startswith("<lazytile.Dataset sample>")
    ds.close()
    return ds


def values(ds: Dataset) -> None:
    """Read values of a variable in every way."""
    warm: Variable = ds["warm"]
    assert [each.name for each in ds.variables] == ["warm", "cold"]
    assert (warm.title, warm.units, warm.layer_name) == ("Warmth", "degC", "sample.warm")
    assert list(warm.times) == list(warm.dimensions["time"])
    assert warm.description.name == "warm"
    first = ds.sel(time="2024-01-01")["warm"]
    assert first.selected == {"time": ["2024-01-01T00:00:00Z"]}
    assert warm.sel(time=slice("2024-01-01", None)).to_xarray().sizes["time"] == 2
    assert first.to_xarray(level=0).dims == ("lat", "lon")
    assert set(ds.to_xarray().data_vars) == {"warm", "cold"}
    tile: Tile = first.tile(1, 0, 1, tms="WebMercatorQuad", style="default", resampling="nearest")
    assert tile.array.shape == (256, 256)
    assert tile.png == tile.encoded("png") == tile.load()._repr_png_()
    assert tile.image.size == (256, 256)
    assert (tile.tms, tile.matrix, tile.row, tile.col) == ("WebMercatorQuad", "1", 1, 0)
    assert tile.crs == "EPSG:3857"
    assert tile.bounds.east == 0
    assert len(tile.etag) == 64
    area = first.read((-20, -10, 20, 10), "EPSG:4326", 40, 20, resampling="nearest", max_pixels=1000)
    assert area.shape == (20, 40)
    assert first.statistics((-20, -10, 20, 10), percentiles=[50], bins=3, limits=(0, 40), max_cells=10_000).level == 0
    polygon = {"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 0]]]}
    assert first.statistics(geometry=polygon).valid_count > 0
    assert first.point(10, 0) == float(warm.series(10, 0)[0])
    assert lazytile.render_tile(ds.store, "sample.cold", "WebMercatorQuad", 0, 0, 0)[:4] == b"\x89PNG"
    try:
        warm.sel(time="1900")
    except LazytileError as error:
        refusal = str(error)
    assert refusal.startswith("time '1900'")


def files(ds: Dataset, folder: Path) -> None:
    """Export, append, verify."""
    one = ds["warm"].sel(time="2024-01-02")
    assert [each.path.suffix for each in one.to_mrf(folder / "mrf")] == [".mrf"]
    assert [each.path.suffix for each in one.to_cog(folder / "cog", values=True)] == [".tif"]
    assert [each.path.suffix for each in one.to_pmtiles(folder / "pmtiles", style="grey")] == [".pmtiles"]
    later = sample().assign_coords(time=np.array(["2024-02-01", "2024-02-02"], "datetime64[ns]"))
    later.to_netcdf(folder / "later.nc", engine="netcdf4")
    assert len(ds.append(folder / "later.nc")["warm"].times) == 4
    assert not ds.verify(engine="threads").problems


async def twins(ds: Dataset, folder: Path) -> None:
    """Do the same on an event loop."""
    one = ds["warm"].sel(time="2024-01-02")
    tile = await one.tile_async(0, 0, 0)
    assert tile.png[:4] == b"\x89PNG"
    assert (await one.read_async(width=8)).sizes["x"] == 8
    assert (await one.statistics_async()).mean is not None
    assert await one.point_async(10, 0) == one.point(10, 0)
    assert (await ds["warm"].series_async(10, 0)).size == 4
    assert await one.to_mrf_async(folder / "mrf")
    assert await one.to_cog_async(folder / "cog", values=True)
    assert await one.to_pmtiles_async(folder / "pmtiles")
    made = await lazytile.convert_async(folder / "later.nc", folder / "store", "later")
    linked: Dataset = await lazytile.link_async(folder / "later.nc", folder / "linked", "later")
    assert set(linked) == set(made)
    assert len((await (await lazytile.open_async(made.path)).append_async(folder / "sample2.nc"))["warm"].times) == 4
    assert not (await made.verify_async()).problems
    server = await lazytile.serve_async(made)
    server.close()


def maps(ds: Dataset) -> None:
    """Serve, and show a map."""
    with lazytile.serve(ds["cold"], port=0) as server:
        shown: Server = server
        assert shown.is_running
        assert shown.url.endswith("#layer=sample.cold")
        assert "{z}/{x}/{y}" in shown.tile_url
    assert not server.is_running
    assert callable(server.browse)
    assert callable(server.map)


def main(folder: Path) -> None:
    """Use all of it.

    Args:
        folder: For files.
    """
    ds = opening(folder)
    values(ds)
    files(ds, folder)
    latest = sample().assign_coords(time=np.array(["2024-03-01", "2024-03-02"], "datetime64[ns]"))
    latest.to_netcdf(folder / "sample2.nc", engine="netcdf4")
    asyncio.run(twins(ds, folder))
    maps(ds)
    sys.stdout.write(f"every name of lazytile {lazytile.__version__} works\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
