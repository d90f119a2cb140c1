import numpy as np
import pytest
import xarray as xr

from lazytile.pyramid.ingest.convert import Storage, convert
from lazytile.pyramid.store.codec import Codec
from tests import data
from tests.clients.page import libraries
from tests.service.harness import running
from tests.shared import SHARED


@pytest.fixture(scope="session")
def map_libraries():
    libraries()


@pytest.fixture(scope="session")
def map_server(request, tmp_path_factory):
    """Serve the store of every real file, where there are any, else a few tidy layers."""
    if (SHARED / "realdata").exists():
        yield request.getfixturevalue("real_server")
        return
    folder = tmp_path_factory.mktemp("clients")
    for name in ("global_180", "time_steps", "antimeridian"):
        data.CATALOGUE[name]().write(folder / "store")
    with running(folder / "store", folder / "cache") as server:
        yield server


STORAGES = {
    "steps": Storage(),
    "shards": Storage(Codec.parse("zstd"), shard=2),
    "lazy": Storage(Codec.parse("gzip"), lazy=True),
    "blosc_zstd": Storage(Codec.parse("blosc-zstd")),
    "raw": Storage(Codec.parse("none")),
}
"""How each dataset of ``zarr_server`` is stored."""


@pytest.fixture(scope="session")
def zarr_server(tmp_path_factory):
    """Serve the same two steps in every storage; also return their values and their bounds."""
    folder = tmp_path_factory.mktemp("zarr")
    rows, cols = 480, 960
    lat, lon = 60 - (np.arange(rows) + 0.5) * 0.25, -120 + (np.arange(cols) + 0.5) * 0.25
    field = np.sin(np.radians(3 * lon)) + np.cos(np.radians(4 * lat))[:, None]
    values = np.round(np.stack([field, field[:, ::-1] * 2]) * 10, 2)
    source = xr.Dataset(
        {"t": (("time", "lat", "lon"), values, {"units": "K"})},
        {"time": np.array(["2024-01-01", "2024-01-02"], "M8[ns]"), "lat": lat, "lon": lon},
    )
    packing = {"dtype": "int16", "scale_factor": 0.01, "add_offset": 0.0, "_FillValue": -32768}
    source.to_netcdf(folder / "t.nc", encoding={"t": packing})
    for name, storage in STORAGES.items():
        convert(folder / "t.nc", folder / "store", name, storage=storage)
    with running(folder / "store", folder / "cache") as server:
        yield server, values, [-120.0, -60.0, 120.0, 60.0]
