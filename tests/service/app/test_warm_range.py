"""Tiles of another range of colours are warmed as the viewer asks for them, on this machine and through a server."""

import asyncio
import json

import numpy as np
import pytest
import xarray as xr

from lazytile.pyramid.render.image import ImageFormat
from lazytile.service.app.remote_warm import RemoteWarmUp, warm_remote
from lazytile.service.app.warm import WarmUp, warm
from lazytile.service.cli.main import run
from lazytile.service.http.settings import Settings
from tests.service.harness import running

LAYER, SET = "smooth", "WebMercatorQuad"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A layer of no known quantity whose values spread unevenly, so that the viewer shows a part of them at first."""
    folder = tmp_path_factory.mktemp("range")
    values = np.random.default_rng(1).exponential(3.0, (90, 180)).astype("float32")
    source = xr.Dataset(
        {"smooth": (("lat", "lon"), values, {"units": "furlong", "long_name": "smoothness"})},
        {
            "lat": ("lat", np.arange(-89.0, 90, 2), {"units": "degrees_north"}),
            "lon": ("lon", np.arange(-179.0, 180, 2), {"units": "degrees_east"}),
        },
    )
    source.to_netcdf(folder / "smooth.nc")
    assert run(["convert", str(folder / "smooth.nc"), "--store", str(folder / "store"), "--name", LAYER]) == 0
    return folder / "store"


def viewer_query(server):
    """The options of the tiles that the viewer asks for at first."""

    (layer,) = json.loads(server.get("/catalogue").body)["layers"]
    low, high = layer["stretch"]
    assert low < high
    spacing = "" if layer["spacing"] == "keep" else f"&spacing={layer['spacing']}"
    return f"rescale={low},{high}{spacing}"


def tier(server, query):
    reply = server.get(f"/wmts/{LAYER}/default/{SET}/1/0/1.png{query}")
    assert reply.status == 200
    return reply.headers["Server-Timing"].partition("desc=")[2].partition(",")[0]


@pytest.mark.parametrize("rescale", ["viewer", "1,5"])
def test_a_cache_is_warmed_for_the_viewer_or_a_range(store, tmp_path, rescale):
    settings = Settings.of(store=store, cache=tmp_path / "cache", engine="threads", workers=1)
    tiers = warm(settings, WarmUp(LAYER, (0, 1), SET, "default", ImageFormat.PNG, (), rescale), lambda *_: None)
    assert tiers["computed"] == tiers.total() == 5
    with running(store, tmp_path / "cache") as server:
        query = viewer_query(server) if rescale == "viewer" else "rescale=1,5"
        assert tier(server, f"?{query}") == "disk"
        assert tier(server, "") == "computed"


@pytest.mark.parametrize("rescale", ["viewer", "1,5"])
def test_a_server_is_warmed_for_the_viewer_or_a_range(store, tmp_path, rescale):
    with running(store, tmp_path / "cache") as server:
        options = RemoteWarmUp(server.url.rstrip("/"), LAYER, (0, 1), SET, "default", "image/png", rescale=rescale)
        outcome = asyncio.run(warm_remote(options, lambda *_: None))
        assert (outcome.done, outcome.failed) == (5, 0)
        query = viewer_query(server) if rescale == "viewer" else "rescale=1,5"
        assert tier(server, f"?{query}") in {"memory", "disk"}
        assert tier(server, "") == "computed"
