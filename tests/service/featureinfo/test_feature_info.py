"""GetFeatureInfo in KVP and REST, in every format (OGC 07-057r7, 7.3 and 10.3)."""

import io
import json
from html.parser import HTMLParser

import numpy as np
import pytest
from lxml import etree
from PIL import Image

from tests import data
from tests.schemas import application_schema
from tests.service.harness import NAMESPACES, running

PLACE = {"layer": "two_variables.rain", "TileMatrix": "2", "TileRow": "1", "TileCol": "1"}
ODD = {"layer": "odd_sizes", "TileMatrix": "5", "TileRow": "11", "TileCol": "16"}
REST = "/wmts/two_variables.rain/default/WebMercatorQuad/2/1/1/{j}/{i}.{ext}"
FORMATS = {
    "application/json": "json",
    "application/geo+json": "geojson",
    "text/html": "html",
    "text/plain": "txt",
    "application/gml+xml": "gml",
}


def ask(server, **changes):
    return server.kvp(
        **{"request": "GetFeatureInfo", "I": "10", "J": "200", "InfoFormat": "application/json", **changes}
    )


def info(server, **changes):
    reply = ask(server, **changes)
    assert reply.status == 200, reply.body
    return json.loads(reply.body)


@pytest.mark.parametrize("tms", ["WebMercatorQuad", "WorldCRS84Quad", "1km", "native"])
@pytest.mark.parametrize("layer", ["global_180", "odd_sizes", "mercator"])
def test_the_value_is_that_of_the_pixel(server, layer, tms):
    place = {"layer": layer, "TileMatrixSet": tms, "TileMatrix": "0", "TileRow": "0", "TileCol": "0"}
    path = f"/wmts/{layer}/default/{tms}/0/0/0"
    values = np.load(io.BytesIO(server.get(f"{path}.npy").body))
    pixels = np.asarray(Image.open(io.BytesIO(server.get(f"{path}.png").body)).convert("RGBA"))
    filled, empty = np.argwhere(np.isfinite(values)), np.argwhere(np.isnan(values))
    for j, i in [*filled[:: max(1, len(filled) // 4)].tolist(), *empty[:1].tolist()]:
        found = info(server, **place, I=str(i), J=str(j))
        red, green, blue, alpha = pixels[j, i].tolist()
        assert found["colour"] == (f"#{red:02x}{green:02x}{blue:02x}" if alpha else None)
        if np.isnan(values[j, i]):
            assert found["value"] is None
        else:
            assert found["value"] == pytest.approx(float(values[j, i]), rel=1e-6)


def test_the_cell_and_the_position(server):
    made = data.CATALOGUE["global_180"]()
    field, place = made.fields[0], {"TileMatrixSet": "native", "TileMatrix": "0", "TileRow": "0", "TileCol": "0"}
    levels = made.description().levels
    decoded = np.where(np.isin(field.codes, field.missing), np.nan, field.codes)
    if field.valid_max is not None:
        decoded[(field.codes < field.valid_min) | (field.codes > field.valid_max)] = np.nan
    row, col = next((row, col) for row, col in np.argwhere(np.isfinite(decoded)).tolist() if row > 50 and col > 50)
    finest = {**place, "TileMatrix": str(levels - 1), "TileRow": str(row // 256), "TileCol": str(col // 256)}
    found = info(server, **finest, I=str(col % 256), J=str(row % 256))
    assert found["cell"] == {"level": 0, "row": row, "col": col}
    code = field.codes[row, col]
    assert found["value"] == pytest.approx(code * field.scale + field.offset)
    assert found["position"]["longitude"] == pytest.approx(made.west + (col + 0.5) * made.dx)
    assert found["position"]["latitude"] == pytest.approx(made.north - (row + 0.5) * made.dy)
    mercator = info(server, TileMatrixSet="WebMercatorQuad", I="128", J="128")["position"]
    assert mercator["crs"] == "urn:ogc:def:crs:EPSG::3857"
    assert mercator["longitude"] == pytest.approx(mercator["x"] / 111319.49079327358)
    polar = info(server, TileMatrixSet="EPSG3413_1km", TileMatrix="0", TileRow="0", TileCol="0", I="511", J="511")
    assert polar["position"]["latitude"] > 89.9


def test_time_and_other_dimensions(server):
    found = info(server, layer="time_steps", time="2024-01-02")
    assert found["time"] == "2024-01-02T00:00:00Z"
    assert found["units"]
    assert ask(server, layer="time_steps", time="2024-01-02").headers["Layer-Time-Actual"] == "2024-01-02T00:00:00Z"
    place = {"layer": "time_steps", "TileMatrixSet": "native", "TileMatrix": "0", "TileRow": "0", "TileCol": "0"}
    values = [info(server, **place, I="20", J="20", time=f"2024-01-0{day}")["value"] for day in (1, 2, 3)]
    assert len(set(values)) == 3
    place = {"layer": "extra_dimension", "TileMatrix": "3", "TileRow": "2", "TileCol": "4"}
    assert info(server, **place, level="850")["dimensions"]["level"] == "850"
    assert ask(server, layer="time_steps", time="1999-01-01").exception() == (400, "InvalidParameterValue", "Time")


def test_classes_have_their_labels(tmp_path):
    made = data.CATALOGUE["classes"]()
    made.write(tmp_path / "store")
    with running(tmp_path / "store", tmp_path / "cache") as server:
        place = {
            "layer": "classes",
            "style": "classes",
            "TileMatrixSet": "native",
            "TileMatrix": "0",
            "TileRow": "0",
            "TileCol": "0",
        }
        colormap = server.context.snapshot.colormaps.find("classes")
        labels = {entry.class_code: entry.label for entry in colormap.entries if entry.label}
        seen = set()
        values = np.load(io.BytesIO(server.get("/wmts/classes/classes/native/0/0/0.npy").body))
        for code in np.unique(values[np.isfinite(values)]):
            j, i = np.argwhere(values == code)[0].tolist()
            found = info(server, **place, I=str(i), J=str(j))
            assert found["value"] == code
            assert found["label"] == labels.get(float(code))
            seen.add(found["label"])
        assert len(seen) > 2


@pytest.mark.parametrize("mime", FORMATS)
def test_kvp_and_rest_give_the_same_response_in_every_format(server, mime):
    kvp = ask(server, **PLACE, InfoFormat=mime)
    rest = server.get(REST.format(j=200, i=10, ext=FORMATS[mime]))
    assert kvp.status == rest.status == 200
    assert kvp.body == rest.body
    assert kvp.headers["ETag"] == rest.headers["ETag"]
    assert kvp.headers["Content-Type"].partition(";")[0] == rest.headers["Content-Type"].partition(";")[0] == mime
    path = REST.format(j=200, i=10, ext=FORMATS[mime])
    assert server.get(path, {"If-None-Match": rest.headers["ETag"]}).status == 304


@pytest.mark.parametrize("where", [{"I": "10", "J": "0"}, {"I": "120", "J": "150"}])
def test_every_format_can_be_read(server, where):
    layer = {**ODD, **where}
    expected = info(server, **layer)
    assert (expected["value"] is None) == (where["J"] == "0")
    geojson = json.loads(ask(server, **layer, InfoFormat="application/geo+json").body)
    feature = geojson["features"][0]
    assert geojson["type"] == "FeatureCollection"
    assert feature["geometry"]["coordinates"] == [expected["position"]["longitude"], expected["position"]["latitude"]]
    assert feature["properties"]["value"] == expected["value"]
    text = ask(server, **layer, InfoFormat="text/plain").body.decode()
    lines = dict(line.split(": ", 1) for line in text.splitlines())
    assert lines["layer"] == "odd_sizes"
    assert (
        lines["value"] == "no data"
        if expected["value"] is None
        else lines["value"].startswith(str(expected["value"])[:5])
    )

    class Cells(HTMLParser):
        found = ()

        def handle_data(self, text):
            self.found = (*self.found, text)

    parser = Cells()
    parser.feed(ask(server, **layer, InfoFormat="text/html").body.decode())
    assert set(lines.values()) <= set(parser.found)


def test_the_gml_is_valid(server, tmp_path):
    """Against GML 3.1.1 and the application schema that the answer itself names."""
    reply = ask(
        server,
        layer="extra_dimension",
        TileMatrix="3",
        TileRow="2",
        TileCol="4",
        InfoFormat="application/gml+xml; version=3.1",
    )
    document = etree.fromstring(reply.body)
    _, address = document.get("{http://www.w3.org/2001/XMLSchema-instance}schemaLocation").split()
    path = tmp_path / "sample.xsd"
    path.write_bytes(server.get(address.removeprefix(server.url)).body)
    compiled = application_schema(path)
    compiled.assertValid(document)
    empty = etree.fromstring(ask(server, **ODD, I="10", J="0", InfoFormat="application/gml+xml").body)
    compiled.assertValid(empty)


def test_the_capabilities_offer_it(server, capabilities_schema):
    document = etree.fromstring(server.get("/wmts/1.0.0/WMTSCapabilities.xml").body)
    for layer in document.iterfind(".//wmts:Layer", NAMESPACES):
        formats = [element.text for element in layer.iterfind("wmts:InfoFormat", NAMESPACES)]
        resources = [
            r for r in layer.iterfind("wmts:ResourceURL", NAMESPACES) if r.get("resourceType") == "FeatureInfo"
        ]
        assert formats == [r.get("format") for r in resources] == list(FORMATS)
        assert all("{TileRow}/{TileCol}/{J}/{I}." in r.get("template") for r in resources)
    assert document.find(".//ows:Operation[@name='GetFeatureInfo']", NAMESPACES) is not None


def test_where_it_is_not_offered(store, tmp_path, capabilities_schema, exception_schema):
    with running(store, tmp_path / "c", feature_info=False) as server:
        reply = ask(server)
        assert reply.exception() == (501, "OperationNotSupported", "GetFeatureInfo")
        exception_schema.assertValid(etree.fromstring(reply.body))
        assert server.get(REST.format(j=1, i=1, ext="json")).exception()[0] == 501
        document = etree.fromstring(server.get("/wmts/1.0.0/WMTSCapabilities.xml").body)
        capabilities_schema.assertValid(document)
        assert document.find(".//wmts:InfoFormat", NAMESPACES) is None
        assert document.find(".//ows:Operation[@name='GetFeatureInfo']", NAMESPACES) is None


BAD = [("I", None, "MissingParameterValue"), ("J", "", "MissingParameterValue"),
       ("InfoFormat", None, "MissingParameterValue"),
       ("format", None, "MissingParameterValue"),
       ("InfoFormat", "image/png", "InvalidParameterValue"),
       ("I", "x", "InvalidParameterValue"), ("J", "1.5", "InvalidParameterValue"),
       ("layer", "nope", "InvalidParameterValue"),
       ("TileRow", "4", "TileOutOfRange"), ("TileCol", "-1", "TileOutOfRange")]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "code"), BAD)
def test_exceptions(server, exception_schema, name, value, code):
    reply = ask(server, **{name: value})
    status, found, locator = reply.exception()
    assert (status, found, locator.lower()) == (400, code, name.lower())
    exception_schema.assertValid(etree.fromstring(reply.body))


@pytest.mark.parametrize("value", ["256", "-1", "9" * 20])
@pytest.mark.parametrize("name", ["I", "J"])
def test_points_outside_the_tile(server, exception_schema, name, value):
    reply = ask(server, **{name: value})
    assert reply.exception() == (400, "PointIJOutOfRange", name)
    document = etree.fromstring(reply.body)
    exception_schema.assertValid(document)
    exceptions = [(each.get("exceptionCode"), each.get("locator")) for each in document]
    assert exceptions == [("PointIJOutOfRange", name), ("TileOutOfRange", name)]


def test_rest_errors_are_404(server):
    assert server.get(REST.format(j=256, i=1, ext="json")).exception() == (404, "PointIJOutOfRange", "J")
    assert server.get(REST.format(j=1, i="x", ext="json")).exception() == (404, "InvalidParameterValue", "I")
    assert server.get(REST.format(j=1, i=1, ext="pdf")).status == 404


def test_unknown_parameters_are_named(server):
    assert ask(server, tiem="x").headers["Warning"].endswith('ignored: tiem"')
    assert ask(server).headers["Warning"] is None
