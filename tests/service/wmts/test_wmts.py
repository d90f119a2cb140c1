"""GetTile and its errors in KVP and REST, and XYZ (OGC 07-057r7)."""

import io
import json
import socket

import numpy as np
import pytest
from lxml import etree
from PIL import Image

from lazytile.pyramid.catalog import tile_options
from lazytile.pyramid.render.image import ImageFormat
from lazytile.pyramid.store.dataset import Dimension
from lazytile.service.http.parameter_names import parameter_name
from lazytile.service.protocol.tile_address import KVP_NAMES
from tests import data, oracle
from tests.service.harness import TILE

REST = "/wmts/global_180/default/WebMercatorQuad/1/0/1.png"


def test_kvp_rest_and_xyz_give_the_same_bytes(server):
    kvp, rest, xyz = server.kvp(), server.get(REST), server.get("/xyz/global_180/1/1/0.png")
    assert kvp.status == rest.status == xyz.status == 200
    assert kvp.body == rest.body == xyz.body
    assert kvp.headers["ETag"] == rest.headers["ETag"] == xyz.headers["ETag"]
    assert kvp.headers["Content-Type"] == "image/png"


def test_names_are_case_insensitive_and_unknown_ones_ignored(server):
    query = "&".join(
        f"{name.upper() if at % 2 else name.lower()}={value}" for at, (name, value) in enumerate(TILE.items())
    )
    assert server.get(f"/wmts?foo=bar&{query}&TIME=whatever").body == server.kvp().body


def test_jpeg_and_its_two_extensions(server):
    kvp = server.kvp(format="image/jpeg")
    assert kvp.headers["Content-Type"] == "image/jpeg"
    assert kvp.body == server.get(REST.replace(".png", ".jpg")).body == server.get(REST.replace(".png", ".jpeg")).body
    assert Image.open(io.BytesIO(kvp.body)).size == (256, 256)


@pytest.mark.parametrize(
    ("tms", "matrix", "size"),
    [("WebMercatorQuad", "2", 256), ("WorldCRS84Quad", "2", 256), ("1km", "2", 512), ("250m", "2", 512),
     ("GoogleMapsCompatible_Level7", "2", 256), ("native_global_180", "0", 256), ("native", "0", 256)],
)  # fmt: skip
def test_every_set_is_served(server, tms, matrix, size):
    reply = server.get(f"/wmts/global_180/default/{tms}/{matrix}/0/0.png")
    assert reply.status == 200
    assert Image.open(io.BytesIO(reply.body)).size == (size, size)


@pytest.mark.parametrize("tms", ["WebMercatorQuad", "1km", "WorldCRS84Quad"])
@pytest.mark.parametrize("layer", ["global_180", "odd_sizes"])
def test_served_tiles_equal_the_oracle(server, layer, tms):
    colormap = server.context.snapshot.colormaps.path_of("grey")
    cells = data.CATALOGUE[layer]().oracle()
    for zoom, row, col in ((0, 0, 0), (1, 0, 1), (3, 3, 4)):
        # By GIBS's address, where tiles without data are empty ones.
        address = f"/wmts/epsg4326/best/{layer}/grey/{tms}/{zoom}/{row}/{col}.png"
        reply = server.get(f"{address}?resampling=nearest")
        image = np.asarray(Image.open(io.BytesIO(reply.body)).convert("RGBA"))
        assert np.array_equal(image, oracle.render(cells, colormap, tms, zoom, row, col))


MISSING = [("service", None), ("request", None), ("version", None), ("layer", None), ("style", None), ("format", None),
           ("TileMatrixSet", None), ("TileMatrix", None), ("TileRow", None), ("TileCol", None), ("layer", ""),
           ("TileRow", "")]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), MISSING)
def test_missing_parameters(server, exception_schema, name, value):
    reply = server.kvp(**{name: value})
    status, code, locator = reply.exception()
    assert (status, code, locator.lower()) == (400, "MissingParameterValue", name.lower())
    exception_schema.assertValid(etree.fromstring(reply.body))


INVALID = [("service", "WMS"), ("request", "GetBOGUS"), ("request", "gettile"), ("version", "2.0.0"), ("layer", "nope"),
           ("layer", "../global_180"), ("layer", "global_180.wind"), ("layer", "GLOBAL_180"), ("style", "nope"),
           ("style", "../../etc/passwd"), ("format", "image/gif"), ("format", "png"), ("TileMatrixSet", "nope"),
           ("TileMatrix", "25"), ("TileMatrix", "-1"), ("TileMatrix", "01"), ("TileMatrix", "1.0"), ("TileRow", "x"),
           ("TileRow", "1_0"), ("TileRow", "\u0660"), ("TileRow", " 1"), ("TileRow", "1.5"), ("TileCol", "NaN"),
           ("layer", "a\x01b"), ("style", "\ud800".encode("utf-8", "surrogatepass")), ("layer", "x" * 900)]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), INVALID)
def test_invalid_parameters(server, exception_schema, name, value):
    reply = server.kvp(**{name: value})
    status, code, locator = reply.exception()
    assert (status, code, locator.lower()) == (400, "InvalidParameterValue", name.lower())
    exception_schema.assertValid(etree.fromstring(reply.body))
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert reply.headers["Cache-Control"] == "no-store"
    assert b"Traceback" not in reply.body


@pytest.mark.parametrize("name", ["TileRow", "TileCol"])
def test_a_number_has_nine_digits_at_most(server, name):
    """A text of any length is never turned into a number."""
    assert server.kvp(**{name: "000000001"}).status == 200
    assert server.kvp(**{name: "0000000001"}).exception()[1] == "TileOutOfRange"


@pytest.mark.parametrize("value", ["2", "-1", "99999999999", "9" * 900, "+2"])
@pytest.mark.parametrize("name", ["TileRow", "TileCol"])
def test_tiles_out_of_range(server, name, value):
    assert server.kvp(**{name: value}).exception() == (400, "TileOutOfRange", name)


def test_rest_errors_are_404_with_a_report(server, exception_schema):
    cases = {
        REST.replace("global_180", "nope"): ("InvalidParameterValue", "Layer"),
        REST.replace("default", "nope"): ("InvalidParameterValue", "Style"),
        REST.replace("WebMercatorQuad", "nope"): ("InvalidParameterValue", "TileMatrixSet"),
        REST.replace("/1/0/1", "/77/0/1"): ("InvalidParameterValue", "TileMatrix"),
        REST.replace("/1/0/1", "/1/5/1"): ("TileOutOfRange", "TileRow"),
        REST.replace("/1/0/1", "/1/0/5"): ("TileOutOfRange", "TileCol"),
        REST.replace("/1/0/1", "/1/0/x"): ("InvalidParameterValue", "TileCol"),
        REST.replace(".png", ".gif"): ("InvalidParameterValue", "Format"),
        REST.replace(".png", ""): ("InvalidParameterValue", "Format"),
        "/wmts/1.0.0/Bogus.xml": ("NoApplicableCode", None),
        "/wmts/1.0.0/WMTSCapabilities.xml/Bogus": ("NoApplicableCode", None),
        "/wmts/nonesuch": ("NoApplicableCode", None),
        "/wmts/": ("NoApplicableCode", None),
    }
    for path, expected in cases.items():
        reply = server.get(path)
        assert reply.exception() == (404, *expected), path
        exception_schema.assertValid(etree.fromstring(reply.body))


def test_a_repeated_parameter_must_have_one_value(server):
    query = "&".join(f"{name}={value}" for name, value in TILE.items())
    assert server.get(f"/wmts?{query}&LAYER=global_180").status == 200
    assert server.get(f"/wmts?{query}&LAYER=other").exception() == (400, "InvalidParameterValue", "layer")


def test_too_long_requests_are_refused(server):
    assert server.kvp(layer="x" * 2000).exception() == (400, "InvalidParameterValue", "layer")
    assert server.get("/wmts?" + "x" * 9000).exception()[:2] == (414, "InvalidParameterValue")
    many = server.get("/wmts?" + "&".join(f"p{n}=1" for n in range(200)))
    assert many.exception()[:2] == (400, "InvalidParameterValue")
    assert server.get("/wmts/" + "y" * 3000 + "/default/a/b/c/d.png").status == 414
    reply = server.get("/xyz/" + "z" * 9000 + "/1/1/0.png")
    assert reply.status == 414
    assert json.loads(reply.body)["status"] == 414


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_405_with_allow(server, method):
    for path in ("/wmts", REST, "/xyz/global_180/1/1/0.png", "/metrics"):
        reply = server.get(path, method=method)
        assert reply.status == 405
        assert "GET" in reply.headers["Allow"]
        assert reply.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    ("path", "status", "parameter"),
    [
        ("/xyz/nope/1/1/0.png", 404, "Layer"),
        ("/xyz/global_180/99/1/0.png", 404, "TileMatrix"),
        ("/xyz/global_180/1/2/0.png", 404, "TileCol"),
        ("/xyz/global_180/1/1/2.png", 404, "TileRow"),
        ("/xyz/global_180/1/1/a.png", 404, "TileRow"),
        ("/xyz/global_180/1/1/0.gif", 404, "Format"),
        ("/xyz/global_180/1/1/0.png?style=nope", 400, "Style"),
        ("/xyz/time_steps/1/1/0.png?time=1999-01-01", 400, "Time"),
    ],
)
def test_xyz_errors_are_problem_documents(server, path, status, parameter):
    reply = server.get(path)
    assert reply.status == status
    assert reply.headers["Content-Type"] == "application/problem+json"
    document = json.loads(reply.body)
    assert document["status"] == status
    assert document["parameter"] == parameter
    assert document["detail"]


def test_styles_by_name(server):
    names = server.context.snapshot.colormaps.names()
    assert names
    bodies = {server.kvp(style=name).body for name in names}
    assert len(bodies) > 1
    assert server.get(f"/xyz/global_180/1/1/0.png?style={names[0]}").body == server.kvp(style=names[0]).body


def test_percent_encoded_and_bare_times_in_paths(server):
    path = "/wmts/time_steps/default/{}/WebMercatorQuad/2/1/1.png"
    bare = server.get(path.format("2024-01-02T00:00:00Z"))
    assert bare.status == 200
    assert bare.body == server.get(path.format("2024-01-02T00%3A00%3A00Z")).body
    assert bare.headers["Layer-Time-Actual"] == "2024-01-02T00:00:00Z"


def test_times(server):
    def actual(time):
        reply = server.kvp(layer="time_steps", time=time)
        assert reply.status == 200, reply.body
        return reply.headers["Layer-Time-Actual"]

    latest = "2024-01-03T00:00:00Z"
    assert actual(None) == actual("") == actual("default") == actual("current") == latest
    assert actual("2024-01-03T23:59:59.999Z") == latest
    assert actual("2024-01-02T12:00:00Z") == "2024-01-02T00:00:00Z"
    snapped = server.get("/wmts/time_steps/default/2024-01-02T12%3A00Z/WebMercatorQuad/2/1/1.png")
    assert snapped.headers["Layer-Time-Request"] == "2024-01-02T12:00Z"
    assert snapped.headers["Layer-Time-Actual"] == "2024-01-02T00:00:00Z"
    assert server.kvp(layer="time_steps").headers["Layer-Time-Request"] is None
    assert actual("2024-01-02") == actual("2024-01-02T00:00:00.000Z") == actual("2024-01-02T00:00Z")
    assert actual("2024-01-02") == "2024-01-02T00:00:00Z"
    rest = "/wmts/time_steps/default/{}WebMercatorQuad/2/1/1.png"
    assert server.get(rest.format("")).headers["Layer-Time-Actual"] == latest
    assert server.get(rest.format("default/")).headers["Layer-Time-Actual"] == latest
    first = server.kvp(layer="time_steps", TileCol="0", time="2024-01-01")
    assert first.body != server.kvp(layer="time_steps", TileCol="0").body


@pytest.mark.parametrize("time", ["1999-01-01", "2024-01-04", "2023-12-31T23:59:59Z", "yesterday",
                                  "2024-13-01", "2024-01-04/2024-01-05", "0", "2024-01-01T25:00:00Z"])  # fmt: skip
def test_invalid_times_are_refused(server, time):
    reply = server.kvp(layer="time_steps", time=time)
    assert reply.exception() == (400, "InvalidParameterValue", "Time")
    assert b"2024-01-03T00:00:00Z" in reply.body
    assert server.get(f"/wmts/time_steps/default/{time.replace('/', '%2F')}/WebMercatorQuad/2/1/1.png").status == 404


def test_other_dimensions(server):
    base = server.kvp(layer="extra_dimension", TileMatrix="3", TileRow="2", TileCol="3")
    assert base.status == 200
    same = server.kvp(layer="extra_dimension", TileMatrix="3", TileRow="2", TileCol="3", level="200", time="2024-01-02")
    assert same.body == base.body
    other = server.kvp(layer="extra_dimension", TileMatrix="3", TileRow="2", TileCol="3", LEVEL="850.0")
    assert other.body != base.body
    rest = "/wmts/extra_dimension/default/{}/WebMercatorQuad/3/2/3.png"
    assert server.get(rest.format("2024-01-02T00:00:00Z/850")).body == other.body
    assert server.get(rest.format("850")).body == other.body  # the time left out
    assert server.get(rest.format("default/default")).body == base.body
    assert server.kvp(layer="extra_dimension", level="300").exception() == (400, "InvalidParameterValue", "level")
    assert server.get(rest.format("1/2/3")).exception()[0] == 404
    nearest = server.kvp(layer="extra_dimension", TileMatrix="3", TileRow="2", TileCol="3", level="847.5")
    assert nearest.body == other.body
    assert nearest.headers["Warning"] == '299 lazytile "nearest value used: level=850"'
    assert server.get(rest.format("847.5")).headers["Warning"] == nearest.headers["Warning"]


def test_several_variables_are_layers(server):
    assert server.kvp(layer="two_variables.u").status == 200
    assert server.kvp(layer="two_variables.u").body != server.kvp(layer="two_variables.rain").body
    assert server.kvp(layer="two_variables").exception() == (400, "InvalidParameterValue", "Layer")


def test_malformed_http_is_400_and_not_logged(server, caplog):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"GET /wmts?layer=\xff\xfe%zz%f0 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 400 " in connection.recv(100)
    assert not caplog.records


@pytest.mark.parametrize("item", [item for item in ImageFormat if not item.is_data])
def test_every_format_with_colours_is_served(server, item):
    kvp = server.kvp(format=item.mime)
    assert (kvp.status, kvp.headers["Content-Type"]) == (200, item.mime)
    assert kvp.body == server.get(REST.replace(".png", f".{item.extension}")).body


def test_unknown_parameters_are_ignored_but_named(server):
    reply = server.kvp(tiem="2024-01-01", evil='"\r\nX: y')
    assert reply.body == server.kvp().body
    assert reply.headers["Warning"] == '299 lazytile "unknown parameters were ignored: evil, tiem"'
    assert server.kvp(**{'a"b': "1"}).headers["Warning"].endswith(': ?"')
    assert server.kvp().headers["Warning"] is None
    assert server.kvp(layer="time_steps", time="2024-01-01").headers["Warning"] is None
    assert "foo" in server.get("/xyz/global_180/1/1/0.png?foo=1").headers["Warning"]
    assert server.get("/xyz/global_180/1/1/0.png?STYLE=grey").headers["Warning"] is None


def test_no_dimension_has_the_name_of_an_option():
    for name in tile_options.NAMES | KVP_NAMES:
        assert parameter_name(Dimension(name, "other", ("1",))) == f"dim_{name}"
