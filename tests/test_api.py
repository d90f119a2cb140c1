"""The public Python API, and the same bytes for a tile from every interface."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import distributed
import numpy as np
import pytest

import lazytile
from lazytile.colormaps.library.catalog import ColormapCatalog
from lazytile.pyramid.core.request_field import RequestField
from lazytile.pyramid.engines.factory import open_bulk_engine
from lazytile.pyramid.engines.protocol import EngineOptions, EngineSpec
from lazytile.pyramid.mrf.export import export_mrf
from lazytile.pyramid.mrf.reader import MrfReader
from lazytile.pyramid.render.style import Styles
from lazytile.pyramid.store.store import Store
from tests.data import CATALOGUE, PROJECTED
from tests.service.harness import running

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("library")
    for make in (CATALOGUE["global_180"], CATALOGUE["time_steps"], CATALOGUE["two_variables"], PROJECTED["arctic"]):
        make().write(folder)
    return folder


@pytest.fixture(scope="module")
def server(store, tmp_path_factory):
    with running(store, tmp_path_factory.mktemp("cache")) as found:
        yield found


ADDRESSES = [
    ("global_180", "WebMercatorQuad", 2, 1, 3),
    ("global_180", "1km", 1, 0, 2),
    ("two_variables.rain", "WorldCRS84Quad", 1, 1, 1),
    ("arctic", "WebMercatorQuad", 1, 0, 1),
    ("arctic", "EPSG3413_1km", 0, 1, 1),
]


@pytest.mark.parametrize(("layer", "tms", "matrix", "row", "col"), ADDRESSES)
@pytest.mark.parametrize("extension", ["png", "jpg", "webp", "tif", "npy", "terrain"])
def test_kvp_rest_xyz_and_python_give_the_same_bytes(store, server, layer, tms, matrix, row, col, extension):
    mine = lazytile.render_tile(store, layer, tms, matrix, row, col, format=extension)
    rest = server.get(f"/wmts/{layer}/default/{tms}/{matrix}/{row}/{col}.{extension}")
    assert rest.status == 200
    assert rest.body == mine
    kvp = server.kvp(
        layer=layer, TileMatrixSet=tms, TileMatrix=str(matrix), TileRow=str(row), TileCol=str(col),
        format=rest.headers["Content-Type"],
    )  # fmt: skip
    assert kvp.body == mine
    if tms == "WebMercatorQuad":
        assert server.get(f"/xyz/{layer}/{matrix}/{col}/{row}.{extension}").body == mine


@pytest.mark.parametrize(
    "options",
    [
        {"resampling": "cubic"},
        {"filter": "sobel", "colormap": "grey", "rescale": "0,0.5"},
        {"rescale": "280,300", "scale": "2"},
        {"expression": "sst * 2"},
    ],
)
def test_options_are_those_of_a_request(store, server, options):
    mine = lazytile.render_tile(store, "global_180", "WebMercatorQuad", 1, 1, 0, **options)
    assert server.kvp(TileRow="1", TileCol="0", **options).body == mine
    assert mine != lazytile.render_tile(store, "global_180", "WebMercatorQuad", 1, 1, 0)


def test_an_mrf_has_the_same_bytes(store, tmp_path):
    opened = lazytile.open_store(store)
    layer = opened.layer("global_180")
    style = Styles(ColormapCatalog()).style(layer, "default")
    with open_bulk_engine(EngineSpec.parse("threads"), EngineOptions(workers=1)) as engine:
        export_mrf(store, layer, style, tmp_path, engine=engine)
    finest = opened.layer("global_180").native_set.matrices[-1]
    (path,) = tmp_path.glob("*.mrf")
    with MrfReader(path) as reader:
        for row in range(finest.matrix_height):
            for col in range(finest.matrix_width):
                tile = lazytile.render_tile(opened, "global_180", "native", finest.identifier, row, col)
                assert reader.page(0, row, col) == tile


def test_engines_give_the_same_bytes(store, tmp_path):
    """A Dask cluster of one worker process answers what threads of this process do."""
    with running(store, tmp_path / "cache", engine="local", workers=1) as cluster:
        for layer, tms, matrix, row, col in ADDRESSES:
            for extension in ("png", "npy", "webp"):
                found = cluster.get(f"/wmts/{layer}/default/{tms}/{matrix}/{row}/{col}.{extension}")
                assert found.status == 200
                assert found.body == lazytile.render_tile(store, layer, tms, matrix, row, col, format=extension)


def test_a_scheduler_that_runs_already_gives_the_same_bytes(store, tmp_path):
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0", host="127.0.0.1", protocol="tcp"
        ) as cluster,
        running(store, tmp_path / "cache", engine=cluster.scheduler_address) as server,
    ):
        for layer, tms, matrix, row, col in ADDRESSES:
            found = server.get(f"/wmts/{layer}/default/{tms}/{matrix}/{row}/{col}.png")
            assert found.status == 200
            assert found.body == lazytile.render_tile(store, layer, tms, matrix, row, col)


def test_times_are_those_of_wmts(store):
    shown = {
        lazytile.render_tile(store, "time_steps", "WebMercatorQuad", 3, 3, 1, time=time)
        for time in ("2024-01-01", "2024-01-02", "2024-01-03")
    }
    assert len(shown) == 3
    assert lazytile.render_tile(store, "time_steps", "WebMercatorQuad", 3, 3, 1) in shown


def test_a_store_is_seen(store):
    opened = lazytile.open_store(store)
    assert isinstance(opened, Store)
    assert [layer.name for layer in opened.layers()] == [
        "arctic", "global_180", "time_steps", "two_variables.u", "two_variables.rain",
    ]  # fmt: skip
    assert list(lazytile.open_store(store / "nowhere").layers()) == []


@pytest.mark.parametrize(
    ("changes", "culprit"),
    [
        ({"row": 4}, RequestField.ROW),
        ({"matrix": 99}, RequestField.TILE_MATRIX),
        ({"tms": "moon"}, RequestField.TILE_MATRIX_SET),
        ({"style": "plaid"}, RequestField.STYLE),
        ({"format": "bmp"}, RequestField.FORMAT),
        ({"resamplng": "cubic"}, "resamplng"),
        ({"filter": "emboss"}, RequestField.FILTER),
        ({"expression": "__import__('os')"}, RequestField.EXPRESSION),
    ],
)
def test_what_is_wrong_is_named(store, changes, culprit):
    address = {"layer": "global_180", "tms": "WebMercatorQuad", "matrix": 2, "row": 1, "col": 1}
    with pytest.raises(lazytile.LazytileError) as caught:
        lazytile.render_tile(store, **(address | changes))
    assert caught.value.field == culprit


def test_a_missing_layer_is_an_error_of_ours(store):
    with pytest.raises(lazytile.LazytileError, match="there is no layer 'nothing'"):
        lazytile.render_tile(store, "nothing", "WebMercatorQuad", 0, 0, 0)


def test_a_tile_holds_the_values(store):
    import io

    tile = lazytile.render_tile(store, "global_180", "native", 0, 0, 0, format="npy")
    values = np.load(io.BytesIO(tile))
    codes = CATALOGUE["global_180"]().oracle()
    expected = codes.values(codes.level(codes.levels - 1))
    np.testing.assert_allclose(values[: expected.shape[0], : expected.shape[1]], expected, rtol=1e-6)


def test_importing_lazytile_imports_nothing_heavy():
    heavy = "[m for m in ('numpy', 'zarr', 'pyproj', 'dask') if m in sys.modules]"
    code = f"import sys, lazytile; print({heavy}, dir(lazytile))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("[] ")
    assert "render_tile" in done.stdout


def test_rendering_a_tile_imports_no_server(store):
    code = (
        "import sys, lazytile\n"
        f"tile = lazytile.render_tile({str(store)!r}, 'global_180', 'WebMercatorQuad', 1, 1, 1)\n"
        "unwanted = ('aiohttp', 'dask', 'distributed', 'xarray', 'typer', 'prometheus_client')\n"
        "found = [m for m in sys.modules if m.partition('.')[0] in unwanted or m.startswith('lazytile.service')]\n"
        "print(tile[:4], found)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"{bytes.fromhex('89504e47')!r} []\n"


def test_only_public_names_are_there():
    for name in lazytile.__all__:
        assert getattr(lazytile, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lazytile.nothing
