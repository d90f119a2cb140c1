"""The cost of one render: bounded memory, and no work for a request that cannot be served."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

import lazytile
from lazytile.colormaps.library.catalog import ColormapCatalog
from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget
from lazytile.pyramid.core.errors import InvalidParameterError, StoreError
from lazytile.pyramid.core.request_field import RequestField
from lazytile.pyramid.render import renderer
from lazytile.pyramid.render.filters import Filter
from lazytile.pyramid.render.image import ImageFormat
from lazytile.pyramid.render.location import TileBlock
from lazytile.pyramid.render.style import Styles
from lazytile.pyramid.render.tile_request import PixelOptions, TileRequest
from lazytile.pyramid.resampling.method import Resampling
from lazytile.pyramid.store.layer import Layer
from lazytile.pyramid.store.reduce import reduce_level
from lazytile.pyramid.store.store import StoredDataset
from lazytile.pyramid.tiling.registry import register_file
from tests.data import CATALOGUE, Field, Synthetic

BOUND_BYTES = 192 << 20
"""Of a tile of 1024 x 1024 pixels (512 at @2x), or of any metatile of such tiles, beside the caches' own limits.
Measured: 139 MiB through a surface (nearest, with its map kept), 84 MiB where the axes are apart (mode)."""


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    """A dataset with several cells under each pixel of the requested tiles."""
    codes = (np.add.outer(np.arange(1500), np.arange(3000)) % 20000).astype("int16")
    data = Synthetic("big", -180.0, 90.0, 0.12, 0.12, (Field("v", codes, 0.01, 0.0, (-1,)),))
    oracle, packing = data.oracle(), data.description().variables[0].packing
    for level in range(1, oracle.levels):
        oracle._levels[level] = reduce_level(oracle.level(level - 1), packing, "mean")  # the oracle's own is slow
    folder = tmp_path_factory.mktemp("big")
    return folder, data.write(folder)


@pytest.mark.parametrize(
    ("tms", "rows", "method", "filtered"),
    [
        ("EPSG3413_1km", 4, Resampling.NEAREST, None),
        ("EPSG3413_1km", 1, Resampling.CUBIC, "hillshade"),
        ("EPSG3413_1km", 1, Resampling.AVERAGE, None),
        ("1km", 4, Resampling.NEAREST, None),
        ("1km", 4, Resampling.CUBIC, "blur"),
        ("1km", 1, Resampling.MODE, "sobel"),
        ("1km", 4, None, None),
        ("EPSG3413_1km", 4, None, None),
    ],
)
def test_memory_of_the_largest_tiles(big, fresh_process, tms, rows, method, filtered):
    """512-pixel tiles at @2x, and 4 x 4 of them at once."""
    folder, description = big
    layer = Layer(description, description.variables[0])
    found = layer.tile_matrix_set(tms)
    matrix = found.matrix("1" if tms != "1km" else "3").enlarged(2)
    style = Styles(ColormapCatalog()).style(layer, "grey")
    options = PixelOptions(method, filter=Filter.parse(filtered) if filtered else None)
    request = TileRequest(layer, style, (), found, matrix, 0, 0, ImageFormat.PNG, options)
    task = replace(request.task(folder), block=TileBlock(0, 0, rows, rows))
    process.install(CacheBudget(36 << 20, (("chunks", 1), ("maps", 32), ("tables", 3))))
    tracemalloc.start()
    try:
        tiles = renderer.render(task)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(tiles) == rows**2
    assert peak < BOUND_BYTES, f"{peak / 2**20:.0f} MiB"


@pytest.fixture
def no_work(tmp_path, monkeypatch):
    """A store whose chunks must not be read."""
    CATALOGUE["global_180"]().write(tmp_path)

    def read(*_):
        raise AssertionError("a chunk was read for a request that cannot be served")

    monkeypatch.setattr(StoredDataset, "chunks", read)  # which ``chunk`` goes through
    return tmp_path


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"rescale": "-1e999,1e999"}, RequestField.RESCALE),
        ({"rescale": "nan,1"}, RequestField.RESCALE),
        ({"rescale": "1," * 4000}, RequestField.RESCALE),
        ({"rescale": "5,5"}, RequestField.RESCALE),
        ({"filter": "emboss"}, RequestField.FILTER),
        ({"filter": "contour:1e-300"}, RequestField.FILTER),
        ({"filter": "hillshade:1e300"}, RequestField.FILTER),
        ({"expression": "sst" + "*sst" * 100}, RequestField.EXPRESSION),
        ({"expression": "(" * 100 + "sst" + ")" * 100 + "**2" * 40}, RequestField.EXPRESSION),
        ({"expression": "9**9**9**9*sst.x"}, RequestField.EXPRESSION),
        ({"expression": "().__class__"}, RequestField.EXPRESSION),
        ({"expression": "sst if sst else sst"}, RequestField.EXPRESSION),
        ({"expression": "[sst for i in sst]"}, RequestField.EXPRESSION),
        ({"expression": "1e999 + sst"}, RequestField.EXPRESSION),
        ({"expression": "velocity"}, RequestField.EXPRESSION),
        ({"resampling": "lanczos"}, RequestField.RESAMPLING),
        ({"scale": "64"}, RequestField.SCALE),
        ({"rgb": "sst,sst"}, RequestField.RGB),
        ({"rgb": "sst,sst,sst", "rescale": "0,1;0,inf;0,1"}, RequestField.RESCALE),
        ({"colormap": "../../etc/passwd"}, RequestField.STYLE),
    ],
)
def test_bad_options_are_refused_before_any_work(no_work, options, field):
    with pytest.raises(InvalidParameterError) as caught:
        lazytile.render_tile(no_work, "global_180", "WebMercatorQuad", 0, 0, 0, **options)
    assert caught.value.field is field
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)


def test_constants_of_an_expression_are_not_computed_by_python(tmp_path):
    """``9**9**9`` as an integer of Python would never end; as float64 it is infinite, and so no data."""
    CATALOGUE["global_180"]().write(tmp_path)
    address = (tmp_path, "global_180", "WebMercatorQuad", 0, 0, 0)
    blank = lazytile.render_tile(*address, expression="9**9**9**9 * sst")
    assert blank == lazytile.render_tile(*address, expression="sst + nan")


def document(side, identifier="custom"):
    """A set of one tile over the world."""
    return {
        "id": identifier,
        "crs": "http://www.opengis.net/def/crs/EPSG/0/3857",
        "orderedAxes": ["X", "Y"],
        "tileMatrices": [
            {
                "id": "0",
                "scaleDenominator": 40075016.68557849 / side / 0.00028,
                "cellSize": 40075016.68557849 / side,
                "pointOfOrigin": [-20037508.342789244, 20037508.342789244],
                "tileWidth": side,
                "tileHeight": side,
                "matrixWidth": 1,
                "matrixHeight": 1,
            }
        ],
    }


@pytest.mark.parametrize("side", [1025, 10_000])
def test_sets_of_huge_tiles_are_refused(tmp_path, side):
    path = tmp_path / "huge.json"
    path.write_text(json.dumps(document(side, f"huge{side}")))
    with pytest.raises(StoreError, match="tiles are 1024 pixels wide and high at most"):
        register_file(path)


def test_tiles_of_a_huge_matrix_are_refused_however_they_came(no_work):
    layer = lazytile.open_store(no_work).layer("global_180")
    tms = layer.tile_matrix_set("WebMercatorQuad")
    matrix = tms.matrix("0").enlarged(16)
    style = Styles(ColormapCatalog()).style(layer, "grey")
    with pytest.raises(InvalidParameterError, match="at most 2048 pixels a side, this one has 4096"):
        TileRequest(layer, style, (), tms, matrix, 0, 0, ImageFormat.PNG)
