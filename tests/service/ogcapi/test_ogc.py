"""OGC API - Tiles 1.0 (OGC 20-057, 17-083r4, 19-072)."""

import io
import json
import os
import shutil
import subprocess
from urllib.parse import urlsplit

import morecantile
import numpy as np
import pyproj
import pytest
from lxml import html
from PIL import Image

from lazytile.pyramid.tiling import registry
from tests import data
from tests.service.harness import running

TILE = "/ogc/collections/global_180/map/tiles/WebMercatorQuad/2/1/3"
TEN = "http://www.opengis.net/def/rel/ogc/1.0"


def document(server, path, **headers):
    reply = server.get(path, headers)
    assert reply.status == 200, reply.body
    assert reply.headers["Content-Type"] == "application/json"
    return json.loads(reply.body)


def linked(links, rel):
    """The path of the only link of a relation."""
    [found] = [each for each in links if each["rel"] == rel]
    address = urlsplit(found["href"])
    return address.path + (f"?{address.query}" if address.query else "")


def problem(reply):
    assert reply.headers["Content-Type"] == "application/problem+json"
    body = json.loads(reply.body)
    assert body["status"] == reply.status
    assert body["type"]
    assert body["title"]
    assert body["detail"]
    return reply.status


def test_from_the_landing_page_to_a_tile(server):
    landing = document(server, "/ogc/")
    assert {"self", "service-desc", "conformance", "data", f"{TEN}/tiling-schemes"} <= {
        each["rel"] for each in landing["links"]
    }
    collections = document(server, linked(landing["links"], "data"))["collections"]
    [collection] = [each for each in collections if each["id"] == "two_variables.speed" or each["id"] == "time_steps"]
    tilesets = document(server, linked(collection["links"], f"{TEN}/tilesets-map"))["tilesets"]
    [entry] = [each for each in tilesets if each["tileMatrixSetId"] == "WebMercatorQuad"]
    tileset = document(server, linked(entry["links"], "self"))
    items = {each["type"]: each for each in tileset["links"] if each["rel"] == "item"}
    assert set(items) == {"image/png", "image/jpeg", "image/webp"}
    for media_type, item in items.items():
        assert item["templated"] is True
        address = item["href"].format(tileMatrix="1", tileRow="0", tileCol="1")
        reply = server.get(address.removeprefix(server.url))
        assert reply.status == 200
        assert reply.headers["Content-Type"] == media_type


def test_tiles_are_byte_for_byte_those_of_wmts(server):
    for name, extension in (("png", "png"), ("jpeg", "jpg"), ("webp", "webp")):
        ours = server.get(f"{TILE}?f={name}")
        theirs = server.get(f"/wmts/global_180/default/WebMercatorQuad/2/1/3.{extension}")
        assert ours.body == theirs.body
        assert ours.headers["ETag"] == theirs.headers["ETag"]
        assert "Accept" in ours.headers["Vary"]
    assert server.get(TILE, {"If-None-Match": ours.headers["ETag"], "Accept": "image/webp"}).status == 304


def test_styled_tiles(server):
    styles = document(server, "/ogc/collections/global_180/styles")
    assert styles["default"] == "default"
    named = next(each["id"] for each in styles["styles"] if each["id"] != "default")
    start = f"/ogc/collections/global_180/styles/{named}/map/tiles"
    tileset = document(server, f"{start}/WebMercatorQuad")
    item = next(each["href"] for each in tileset["links"] if each["rel"] == "item")
    assert f"/styles/{named}/" in item
    styled = server.get(f"{start}/WebMercatorQuad/2/1/3").body
    assert styled == server.get(f"/wmts/global_180/{named}/WebMercatorQuad/2/1/3.png").body
    assert styled != server.get(TILE).body
    legend = next(each for each in styles["styles"][1]["links"] if each["rel"] == f"{TEN}/legend")
    assert server.get(legend["href"].removeprefix(server.url)).status == 200


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "image/png"),
        ("*/*", "image/png"),
        ("image/avif,image/webp,image/apng,image/*,*/*;q=0.8", "image/png"),
        ("image/webp,image/*;q=0.8", "image/webp"),
        ("image/jpeg;q=0.9,image/png;q=0.1", "image/jpeg"),
        ("image/png;q=0,*/*", "image/jpeg"),
    ],
)
def test_accept_selects_the_format_of_tiles(server, accept, media_type):
    assert server.get(TILE, {"Accept": accept}).headers["Content-Type"] == media_type


@pytest.mark.parametrize(
    ("path", "accept", "status"),
    [
        ("/ogc/?f=json", "text/html", "application/json"),
        ("/ogc/?f=html", "application/json", "text/html; charset=utf-8"),
        ("/ogc/", "text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        ("/ogc/", "application/geo+json", 406),
        ("/ogc/?f=gif", "*/*", 400),
        (f"{TILE}?f=tiff", "*/*", 400),
        (TILE, "image/tiff", 406),
        ("/ogc/collections/nope", "*/*", 404),
        ("/ogc/collections/nope/map/tiles", "*/*", 404),
        ("/ogc/collections/nope/map/tiles/WebMercatorQuad/0/0/0", "*/*", 404),
        ("/ogc/collections/global_180/map/tiles/nope", "*/*", 404),
        ("/ogc/collections/global_180/styles/nope/map/tiles", "*/*", 404),
        ("/ogc/collections/global_180/styles/nope/map/tiles/WebMercatorQuad/0/0/0", "*/*", 404),
        ("/ogc/tileMatrixSets/nope", "*/*", 404),
        ("/ogc/tileMatrixSets/native_nope", "*/*", 404),
        ("/ogc/tileMatrixSets/native_..", "*/*", 404),
        ("/ogc/collections/global_180/map/tiles/WebMercatorQuad/2/4/0", "*/*", 404),
        ("/ogc/collections/global_180/map/tiles/WebMercatorQuad/2/-1/0", "*/*", 404),
        ("/ogc/collections/global_180/map/tiles/WebMercatorQuad/99/0/0", "*/*", 404),
        ("/ogc/nope", "*/*", 404),
        (f"{TILE}?{'x' * 9000}", "*/*", 414),
    ],
)
def test_formats_and_problems(server, path, accept, status):
    reply = server.get(path, {"Accept": accept})
    if isinstance(status, str):
        assert (reply.status, reply.headers["Content-Type"]) == (200, status)
    else:
        assert reply.status == status
        assert problem(reply) == status


@pytest.mark.parametrize(
    ("datetime", "shown"),
    [
        ("2024-01-02T00:00:00Z", "2024-01-02"),
        ("2024-01-02", "2024-01-02"),
        ("2024-01-01T12:00:00Z/2024-01-02T12:00:00Z", "2024-01-02"),
        ("../2024-01-02T00:00:00Z", "2024-01-02"),
        ("/2024-01-02T00:00:00Z", "2024-01-02"),
        ("2024-01-02/..", "last"),
        ("", "last"),
        ("2024-13-01", 400),
        ("nope", 400),
        ("../..", 400),
        ("2024-01-03/2024-01-01", 400),
        ("2024-01-01/2024-01-02/2024-01-03", 400),
        ("1999-01-01T00:00:00Z", 404),
        ("../1999-01-01", 404),
    ],
)
def test_datetime(server, datetime, shown):
    reply = server.get(f"/ogc/collections/time_steps/map/tiles/WebMercatorQuad/0/0/0?datetime={datetime}")
    if isinstance(shown, int):
        assert problem(reply) == shown
        return
    last = data.CATALOGUE["time_steps"]().fields[0].dimensions[0].labels[-1]
    assert reply.headers["Layer-Time-Actual"].startswith(last if shown == "last" else shown)
    expected = "default" if shown == "last" else shown
    assert reply.body == server.get(f"/wmts/time_steps/default/{expected}/WebMercatorQuad/0/0/0.png").body


def test_datetime_of_a_layer_without_times_is_validated_and_ignored(server):
    assert server.get(f"{TILE}?datetime=2024-01-01").body == server.get(TILE).body
    assert server.get(f"{TILE}?datetime=nope").status == 400


def test_other_dimensions(server):
    layer = data.CATALOGUE["extra_dimension"]()
    [other] = [each for each in layer.fields[0].dimensions if each.kind != "time"]
    extent = document(server, "/ogc/collections/extra_dimension")["extent"]
    assert extent[other.name]["grid"]["coordinates"] == list(other.labels)
    address = "/ogc/collections/extra_dimension/map/tiles/WebMercatorQuad/0/0/0"
    tiles = {server.get(f"{address}?{other.name}={label}").body for label in other.labels}
    assert len(tiles) == len(other.labels)
    assert problem(server.get(f"{address}?{other.name}=nope")) == 400


def test_extents(server):
    collections = {each["id"]: each for each in document(server, "/ogc/collections")["collections"]}
    assert collections["global_180"]["extent"]["spatial"]["bbox"] == [[-180, -90, 180, 90]]
    west, _, east, _ = collections["antimeridian"]["extent"]["spatial"]["bbox"][0]
    assert west > east
    labels = data.CATALOGUE["time_steps"]().fields[0].dimensions[0].labels
    assert collections["time_steps"]["extent"]["temporal"]["interval"] == [[labels[0], labels[-1]]]


def test_morecantile_reads_every_listed_set(server):
    for entry in document(server, "/ogc/tileMatrixSets")["tileMatrixSets"]:
        definition = document(server, linked(entry["links"], "self"))
        assert definition["id"] == entry["id"]
        assert definition["uri"] == entry["uri"]
        # morecantile allows no dots in names such as 31.25m
        read = morecantile.TileMatrixSet.model_validate({**definition, "id": entry["id"].replace(".", "_")})
        assert len(read.tileMatrices) == len(definition["tileMatrices"])
        for ours, theirs in zip(definition["tileMatrices"], read.tileMatrices, strict=True):
            assert ours["cellSize"] == theirs.cellSize
            assert ours["pointOfOrigin"] == list(theirs.pointOfOrigin)


def test_registered_sets_equal_those_of_the_ogc(server):
    for identifier in ("WebMercatorQuad", "WorldCRS84Quad"):
        ours = document(server, f"/ogc/tileMatrixSets/{identifier}")
        theirs = morecantile.tms.get(identifier)
        assert ours["uri"] == f"http://www.opengis.net/def/tilematrixset/OGC/1.0/{identifier}"
        for one, other in zip(ours["tileMatrices"], theirs.tileMatrices, strict=False):
            assert one["id"] == other.id
            assert np.allclose(one["cellSize"], other.cellSize, rtol=1e-12)
            assert np.allclose(one["pointOfOrigin"], other.pointOfOrigin, rtol=1e-9)
            assert (one["matrixWidth"], one["matrixHeight"]) == (other.matrixWidth, other.matrixHeight)


def test_tilesets_have_a_set_and_limits_around_the_data(server):
    for name in ("antimeridian", "odd_sizes", "mercator"):
        for entry in document(server, f"/ogc/collections/{name}/map/tiles")["tilesets"]:
            assert entry["tileMatrixSetURI"]
            definition = document(server, linked(entry["links"], f"{TEN}/tiling-scheme"))
            assert definition["uri"] == entry["tileMatrixSetURI"]
            tileset = document(server, linked(entry["links"], "self"))
            assert [each["tileMatrix"] for each in tileset["tileMatrixSetLimits"]] == [
                each["id"] for each in definition["tileMatrices"]
            ]
            for limits, matrix in zip(tileset["tileMatrixSetLimits"], definition["tileMatrices"], strict=True):
                assert 0 <= limits["minTileRow"] <= limits["maxTileRow"] < matrix["matrixHeight"]
                assert 0 <= limits["minTileCol"] <= limits["maxTileCol"] < matrix["matrixWidth"]
            first = tileset["tileMatrixSetLimits"][0]
            item = next(each["href"] for each in tileset["links"] if each["rel"] == "item").format(
                tileMatrix=first["tileMatrix"], tileRow=first["minTileRow"], tileCol=first["minTileCol"]
            )
            assert server.get(item.removeprefix(server.url)).status == 200


def test_the_uri_of_a_custom_set_is_its_address(server, fresh_process, tmp_path):
    path = tmp_path / "own.json"
    own = document(server, "/ogc/tileMatrixSets/WebMercatorQuad")
    del own["uri"], own["links"], own["wellKnownScaleSet"]
    path.write_text(json.dumps({**own, "id": "Own"}))
    registry.register_file(path)
    tilesets = document(server, "/ogc/collections/global_180/map/tiles")["tilesets"]
    [entry] = [each for each in tilesets if each["tileMatrixSetId"] == "Own"]
    assert entry["tileMatrixSetURI"] == f"{server.url}/ogc/tileMatrixSets/Own"
    assert document(server, "/ogc/tileMatrixSets/Own")["id"] == "Own"
    tile = server.get("/ogc/collections/global_180/map/tiles/Own/2/1/3")
    assert tile.status == 200


def test_html_pages_have_links_and_are_escaped(server):
    for path in ("/ogc/", "/ogc/collections", "/ogc/collections/global_180", "/ogc/tileMatrixSets", "/ogc/conformance",
                 "/ogc/collections/global_180/map/tiles", "/ogc/api"):  # fmt: skip
        reply = server.get(f"{path}?f=html")
        assert reply.status == 200
        assert html.fromstring(reply.body).findtext(".//h1")
    page = html.fromstring(server.get("/ogc/collections?f=html").body)
    hrefs = [each.get("href") for each in page.iterfind(".//a")]
    assert f"{server.url}/ogc/collections/global_180" in hrefs
    assert b"<script" not in server.get("/ogc/%3Cscript%3E?f=html").body


def test_conformance_classes_are_unique(server):
    classes = document(server, "/ogc/conformance")["conformsTo"]
    assert len(set(classes)) == len(classes)
    for name in ("core", "tileset", "tilesets-list", "geodata-tilesets", "png", "jpeg", "datetime", "oas30"):
        assert f"http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/{name}" in classes


def test_documents_are_conditional_and_compressed(server):
    first = server.get("/ogc/collections")
    assert server.get("/ogc/collections", {"If-None-Match": first.headers["ETag"]}).status == 304
    packed = server.get("/ogc/collections", {"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["ETag"] != first.headers["ETag"]
    assert server.get("/ogc/collections", method="HEAD").body == b""


def test_links_use_the_public_address(store, tmp_path):
    with running(store, tmp_path / "cache", public_url="https://maps.example/tiles") as server:
        for each in document(server, "/ogc/")["links"]:
            assert each["href"].startswith("https://maps.example/tiles/")


def test_the_ogcapi_driver_of_gdal_reads_the_same_pixels(server, tmp_path):
    program = shutil.which("gdal_translate")
    if program is None:
        pytest.skip("gdal_translate is not here: apt-get install gdal-bin")
    if "OGCAPI" not in subprocess.run([program, "--formats"], capture_output=True, text=True, check=True).stdout:
        pytest.skip("this GDAL has no OGCAPI driver")
    rasterio = pytest.importorskip("rasterio")
    source = f"OGCAPI:{server.url}/ogc/collections/global_180"
    done = subprocess.run(
        [program, "-q", "-oo", "API=TILES", "-oo", "IMAGE_FORMAT=PNG", "-oo", "TILEMATRIXSET=WorldCRS84Quad",
         "-oo", "TILEMATRIX=2", "-srcwin", "512", "256", "256", "256", source, str(tmp_path / "out.tif")],
        capture_output=True, text=True, timeout=120, check=False, env={"NO_PROXY": "127.0.0.1", "PATH": os.defpath},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with rasterio.open(tmp_path / "out.tif") as out:
        assert tuple(out.bounds) == (-90, 0, -45, 45)
        pixels = np.moveaxis(out.read(), 0, -1)
    tile = server.get("/ogc/collections/global_180/map/tiles/WorldCRS84Quad/2/1/2").body
    assert np.array_equal(pixels, np.asarray(Image.open(io.BytesIO(tile)).convert("RGBA"))[..., : pixels.shape[-1]])


def test_compat_adds_the_names_of_version_1(server):
    old = document(server, "/ogc/tileMatrixSets/WorldCRS84Quad?compat=17-083r2")
    assert (old["identifier"], old["supportedCRS"]) == (old["id"], old["crs"])
    assert old["tileMatrices"][0]["topLeftCorner"] == old["tileMatrices"][0]["pointOfOrigin"]
    assert "identifier" not in document(server, "/ogc/tileMatrixSets/WorldCRS84Quad")
    assert problem(server.get("/ogc/tileMatrixSets/WorldCRS84Quad?compat=nope")) == 400


@pytest.mark.parametrize("name", ["lambert", "rotated", "geostationary"])
def test_a_set_whose_crs_has_no_code_carries_its_definition(tmp_path, name):
    data.PROJECTED[name]().write(tmp_path / "store")
    with running(tmp_path / "store", tmp_path / "cache") as server:
        listed = {each["id"]: each for each in document(server, "/ogc/tileMatrixSets")["tileMatrixSets"]}
        entry = listed[f"native_{name}"]
        full = document(server, linked(entry["links"], "self"))
        tileset = document(server, f"/ogc/collections/{name}/map/tiles/native")
        assert pyproj.CRS.from_json_dict(entry["crs"]["wkt"]) == pyproj.CRS.from_user_input(data.PROJECTED[name]().crs)
        assert entry["crs"] == full["crs"] == tileset["crs"] == tileset["boundingBox"]["crs"]
        bounds = tileset["boundingBox"]
        assert full["tileMatrices"][0]["pointOfOrigin"] == [bounds["lowerLeft"][0], bounds["upperRight"][1]]
        [item] = [each for each in tileset["links"] if each["type"] == "image/png"]
        values = {"{tileMatrix}": "0", "{tileRow}": "0", "{tileCol}": "0"}
        tile = urlsplit(item["href"])
        path = f"{tile.path}?{tile.query}"
        for variable, value in values.items():
            path = path.replace(variable, value)
        assert Image.open(io.BytesIO(server.get(path).body)).size == (256, 256)
        assert morecantile.TileMatrixSet.model_validate(full).crs._pyproj_crs.equals(
            pyproj.CRS.from_json_dict(entry["crs"]["wkt"])
        )
