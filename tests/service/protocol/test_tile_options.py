"""Options of tile requests over HTTP: their effect on pixels, and refusals before any work."""

import io
from urllib.parse import quote

import numpy as np
import pytest
import rasterio
from PIL import Image

from lazytile.pyramid.kernel.numpy_kernel import NumpyKernel
from lazytile.pyramid.render.renderer import render_index, render_values
from lazytile.service.http.query import Query
from lazytile.service.protocol.tile_address import address_of_xyz
from tests import data
from tests.service.harness import running

TILE = "/xyz/global_180/2/1/1"


def pixels(reply):
    assert reply.status == 200, reply.body[:300]
    return np.asarray(Image.open(io.BytesIO(reply.body)).convert("RGBA"))


def task_of(server, path, query=""):
    address = address_of_xyz(path.removeprefix("/xyz/").split("/"), Query(query, 1024))
    return server.context.broker.prepare(server.resolve(address).request).task


@pytest.mark.parametrize(
    "query",
    [
        "colormap=grey",
        "rescale=280,290",
        "resampling=bilinear",
        "resampling=average",
        "filter=sobel",
        "filter=contour:2",
        "scale=2",
        "expression=" + quote("{v} * 2"),
    ],
)
def test_each_option_changes_bytes_and_etag_and_all_encodings_agree(server, query):
    variable = server.context.snapshot.layer("global_180").variable.name
    query = query.replace(quote("{v}"), variable)
    plain, changed = server.get(TILE + ".png"), server.get(f"{TILE}.png?{query}")
    assert changed.status == 200, changed.body
    assert changed.headers["ETag"] != plain.headers["ETag"]
    assert changed.body != plain.body
    rest = server.get(f"/wmts/global_180/default/WebMercatorQuad/2/1/1.png?{query}")
    kvp = server.get(
        "/wmts?SERVICE=WMTS&REQUEST=GetTile&VERSION=1.0.0&LAYER=global_180&STYLE=default&FORMAT=image/png"
        f"&TILEMATRIXSET=WebMercatorQuad&TILEMATRIX=2&TILEROW=1&TILECOL=1&{query}"
    )
    assert rest.body == kvp.body == changed.body


def test_a_colormap_option_is_the_style_of_that_name(server):
    by_style = server.get("/wmts/global_180/grey/WebMercatorQuad/2/1/1.png")
    by_option = server.get(f"{TILE}.png?colormap=grey")
    assert by_option.body == by_style.body
    assert by_option.headers["ETag"] == by_style.headers["ETag"]


def test_enlarged_tiles_have_twice_the_pixels(server):
    twice = pixels(server.get(f"{TILE}@2x.png"))
    assert twice.shape == (512, 512, 4)
    np.testing.assert_array_equal(twice, pixels(server.get(f"{TILE}.png?scale=2")))
    quarter = pixels(server.get("/xyz/global_180/3/2/2.png"))
    if not np.array_equal(twice[:256, :256], quarter):
        # Both show pixels of the same size, so of the same level.
        raise AssertionError("a quarter of an enlarged tile is the tile of the next zoom")


QUERIES = {"": "", "nearest": "?resampling=nearest", "average": "?resampling=average"}


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/xyz/global_180/0/0/0", "average"),
        (TILE, "nearest"),
        ("/xyz/global_180/7/60/60", "nearest"),
        ("/wmts/global_180/default/native/1/0/0", "nearest"),
        ("/wmts/global_180/default/EPSG3413_1km/0/0/1", "nearest"),
    ],
)
def test_what_is_resampled_by_where_nobody_says(server, path, method):
    """Means where pixels are larger than cells."""
    usual = server.get(f"{path}.png").body
    tiles = {name: server.get(f"{path}.png?resampling={name}").body for name in ("nearest", "average")}
    assert usual == tiles[method]
    tags = {name: server.get(f"{path}.png{query}").headers["ETag"] for name, query in QUERIES.items()}
    assert tags[""] == tags[method], "equal pixels have one key"
    assert len(set(tags.values())) == 2
    if method == "average":
        assert tiles["nearest"] != tiles["average"]


def test_classes_are_never_mixed_unless_somebody_says_so(tmp_path):
    data.CATALOGUE["classes"]().write(tmp_path / "store")
    with running(tmp_path / "store", tmp_path / "cache") as server:
        replies = {name: server.get(f"/xyz/classes/0/0/0.png{query}") for name, query in QUERIES.items()}
    assert {reply.status for reply in replies.values()} == {200}
    assert replies[""].body == replies["nearest"].body != replies["average"].body
    assert replies[""].headers["ETag"] == replies["nearest"].headers["ETag"] != replies["average"].headers["ETag"]


def test_data_tiles_hold_the_values(server):
    expected = render_values(task_of(server, f"{TILE}.png")).astype(np.float32)
    reply = server.get(f"{TILE}.npy")
    assert reply.headers["Content-Type"] == "application/x-npy"
    np.testing.assert_array_equal(np.load(io.BytesIO(reply.body), allow_pickle=False), expected)
    reply = server.get(f"{TILE}.tif")
    assert reply.headers["Content-Type"].startswith("image/tiff")
    with rasterio.MemoryFile(reply.body) as memory, memory.open() as dataset:
        np.testing.assert_array_equal(dataset.read(1), expected)
        assert dataset.crs.to_epsg() == 3857
        assert dataset.bounds.left == pytest.approx(-10018754.171394622)


def test_webp_is_lossless(server):
    np.testing.assert_array_equal(pixels(server.get(f"{TILE}.webp")), pixels(server.get(f"{TILE}.png")))


def test_expressions_and_rgb_over_variables_of_a_dataset(server):
    layer = next(each for each in server.context.snapshot.layers() if each.dataset.name == "two_variables")
    names = [variable.name for variable in layer.dataset.variables]
    path = f"/xyz/{layer.name}/1/1/0"
    a, b = (render_values(task_of(server, f"/xyz/two_variables.{name}/1/1/0.png")) for name in names)
    query = "expression=" + quote(f"{names[0]} - 2 * {names[1]}")
    found = np.load(io.BytesIO(server.get(f"{path}.npy?{query}").body), allow_pickle=False)
    np.testing.assert_array_equal(found, (a - 2 * b).astype(np.float32))
    low, high = float(np.nanmin(a)), float(np.nanmax(a))
    rgb = f"rgb={names[0]},{names[1]},{names[0]}&rescale={low!r},{high!r};{low!r},{high!r};{high!r},{low!r}"
    shown = pixels(server.get(f"{path}.png?{rgb}"))
    valid = np.isfinite(a) & np.isfinite(b)
    np.testing.assert_array_equal(shown[..., 3], valid * 255)
    red = np.rint(np.clip((a - low) / (high - low), 0, 1) * 255)
    np.testing.assert_array_equal(shown[valid][:, 0], red[valid])
    np.testing.assert_array_equal(shown[valid][:, 2], 255 - red[valid])


def test_restyling_reads_nothing_anew(server, monkeypatch):
    from lazytile.pyramid.store.chunk_reader import StoredChunks

    path = "/xyz/global_180/4/5/7"
    # With the first style that it compiles a server samples the layer's values; the harness compiles styles itself.
    server.get(f"{path}.png?colormap=air")
    server.get(f"{path}.png")
    monkeypatch.setattr(StoredChunks, "read", None)
    assert server.get(f"{path}.png?colormap=grey").status == 200
    assert server.get(f"{path}.png?rescale=270,300").status == 200


def test_restyling_with_numpy_maps_nothing_anew(server, monkeypatch):
    from lazytile.pyramid.render import renderer

    monkeypatch.setattr(renderer, "current_kernel", NumpyKernel)
    path = "/xyz/global_180/4/5/6"
    server.get(f"{path}.png")
    monkeypatch.setattr(renderer, "locate", None)
    monkeypatch.setattr(renderer, "read_values", None)
    assert server.get(f"{path}.png?colormap=grey").status == 200
    assert server.get(f"{path}.png?rescale=270,300").status == 200


@pytest.mark.parametrize(
    ("query", "locator"),
    [
        ("rescale=5", "rescale"),
        ("rescale=5,4", "rescale"),
        ("rescale=nan,4", "rescale"),
        ("rescale=-1e308,1e308", "rescale"),
        ("rescale=" + "9" * 500 + ",1", "rescale"),
        ("rescale=1,2&spacing=cubic", "spacing"),
        ("rescale=-1,2&spacing=log", "rescale"),
        ("resampling=lanczos", "resampling"),
        ("filter=emboss", "filter"),
        ("filter=contour:0", "filter"),
        ("scale=40", "scale"),
        ("scale=1e9", "scale"),
        ("expression=" + quote("__import__('os').system('true')"), "expression"),
        ("expression=" + quote("(" * 90 + "a" + ")" * 90), "expression"),
        ("expression=nope", "expression"),
        ("rgb=a,b", "rgb"),
        ("rgb=a,b,c", "rgb"),
        ("colormap=../../etc/passwd", "Style"),
        ("colormap=nope", "Style"),
    ],
)
def test_nonsense_is_refused_in_one_line_and_renders_nothing(server, query, locator):
    before = server.counter("lazytile_renders_total")
    reply = server.get(
        "/wmts?SERVICE=WMTS&REQUEST=GetTile&VERSION=1.0.0&LAYER=global_180&STYLE=default&FORMAT=image/png"
        f"&TILEMATRIXSET=WebMercatorQuad&TILEMATRIX=2&TILEROW=1&TILECOL=1&{query}"
    )
    assert reply.status == 400
    assert f'locator="{locator}"'.encode() in reply.body
    assert server.counter("lazytile_renders_total") == before


@pytest.mark.parametrize("query", ["resampling=lanczos", "scale=3", "filter=emboss", "rescale=5,5", "Expression=x.y"])
@pytest.mark.parametrize("path", [f"{TILE}.png", "/wmts/global_180/default/WebMercatorQuad/2/1/1.png"])
def test_bad_options_are_400_wherever_the_tile_is_asked_for(server, path, query):
    assert server.get(f"{path}?{query}").status == 400


@pytest.mark.parametrize("last", ["1@3x.png", "1@.png", "1@2.5x.png", "1@x.png", "1@2x@2x.png", "1@-2x.png"])
def test_other_scales_in_the_path_are_refused(server, last):
    assert server.get(f"/xyz/global_180/2/1/{last}").status == 404


def test_index_and_values_agree(server):
    task = task_of(server, f"{TILE}.png")
    np.testing.assert_array_equal(task.palette.index_of(render_values(task)), render_index(task))
