"""Documents that clients of WMS read: capabilities by DTD, reports by version, feature information by their rules."""

from __future__ import annotations

import io
import json
from urllib.parse import urlencode

import pytest
from lxml import etree

from tests.schemas import packaged

GML = "http://www.opengis.net/gml"
INFO = {
    "service": "WMS", "request": "GetFeatureInfo", "layers": "global_180", "query_layers": "global_180", "styles": "",
    "bbox": "-180,-90,180,90", "width": "100", "height": "50", "format": "image/png",
}  # fmt: skip


def info(server, info_format, version="1.3.0", **changes):
    place = (
        {"crs": "CRS:84", "i": "33", "j": "20"} if version == "1.3.0" else {"srs": "EPSG:4326", "x": "33", "y": "20"}
    )
    query = {**INFO, "version": version, **place, "info_format": info_format, **changes}
    return server.get(f"/wms?{urlencode(query)}")


@pytest.mark.parametrize("which", ["server", "real_server"])
def test_capabilities_of_111_are_valid_by_their_dtd(request, which):
    """OGC 01-068r3, annex A.1."""
    server = request.getfixturevalue(which)
    dtd = etree.DTD(str(packaged() / "wms" / "1.1.1" / "WMS_MS_Capabilities.dtd"))
    document = etree.fromstring(server.get("/wms?service=WMS&request=GetCapabilities&version=1.1.1").body)
    assert dtd.validate(document), dtd.error_log.filter_from_errors()[:3]


@pytest.mark.parametrize(
    "query",
    [
        "request=GetMap&version=1.1.1&layers=none", "request=Nothing&version=1.1.1",
        "version=1.1.1&request=GetMap&layers=a&layers=b", f"version=1.1.1&request=GetMap&layers={'x' * 1100}",
        "request=GetMap&version=1.1.1&" + "&".join(f"p{at}=1" for at in range(120)), "VERSION=1.0.0&request=GetMap",
        "WMTVER=1.0.0&request=none",
    ],
)  # fmt: skip
def test_errors_of_111_are_of_111(server, query):
    """OGC 01-068r3, 6.7 and A.3, also where the query cannot be parsed."""
    reply = server.get(f"/wms?service=WMS&{query}")
    assert reply.status == 400
    assert reply.headers["Content-Type"] == "application/vnd.ogc.se_xml"
    document = etree.fromstring(reply.body)
    assert (document.tag, document.get("version")) == ("ServiceExceptionReport", "1.1.1")
    dtd = etree.DTD(str(packaged() / "wms" / "1.1.1" / "WMS_exception_1_1_1.dtd"))
    assert dtd.validate(document), dtd.error_log


@pytest.mark.parametrize("version", ["1.3.0", "1.1.1"])
def test_json_is_what_openlayers_and_cesium_read(server, version):
    """Both read a member ``features``: ol/format/GeoJSON readFeaturesFromObject, Cesium geoJsonToFeatureInfo."""
    reply = info(server, "application/json", version)
    assert reply.headers["Content-Type"] == "application/json"
    document = json.loads(reply.body)
    assert document["type"] == "FeatureCollection"
    [feature] = document["features"]
    assert feature["type"] == "Feature"
    longitude, latitude = feature["geometry"]["coordinates"]
    assert (longitude, latitude) == pytest.approx((-180 + 33.5 * 3.6, 90 - 20.5 * 3.6))
    properties = feature["properties"]
    assert properties["layer"] == "global_180"
    assert isinstance(properties["value"], float | int | None)
    assert json.loads(info(server, "application/geo+json", version).body) == document


def test_json_of_wmts_stays_as_it_is(server):
    path = "/wmts/global_180/default/WebMercatorQuad/1/0/1/2/1.json"
    assert {"layer", "value", "cell", "position"} <= json.loads(server.get(path).body).keys()


@pytest.mark.parametrize("version", ["1.3.0", "1.1.1"])
def test_text_xml_is_what_openlayers_and_cesium_read(server, version):
    """Both branch by the root: ``FeatureCollection`` holds gml:featureMember (ol/format/WMSGetFeatureInfo)."""
    columns = ("i", "j") if version == "1.3.0" else ("x", "y")
    places = [dict(zip(columns, (str(at), "20"), strict=True)) for at in range(0, 100, 7)]
    # A pixel without data has no value, so one with data is looked for.
    replies = [(at, json.loads(info(server, "application/json", version, **at).body)) for at in places]
    found = [at for at, document in replies if document["features"][0]["properties"]["value"] is not None]
    reply = info(server, "text/xml", version, **found[0])
    assert reply.headers["Content-Type"].partition(";")[0] == "text/xml"
    document = etree.fromstring(reply.body)
    assert etree.QName(document).localname == "FeatureCollection"
    [member] = document.iter(f"{{{GML}}}featureMember")
    [feature] = member
    properties = {etree.QName(child).localname: (child.text or "").strip() for child in feature}
    assert properties["layer"] == "global_180"
    assert float(properties["value"])


def test_every_format_of_the_capabilities_is_answered(server):
    for version in ("1.3.0", "1.1.1"):
        document = etree.parse(io.BytesIO(server.get(f"/wms?request=GetCapabilities&version={version}").body))
        formats = document.xpath("//*[local-name()='GetFeatureInfo']/*[local-name()='Format']/text()")
        assert {"application/json", "text/xml", "text/html", "text/plain"} <= set(formats)
        for each in formats:
            reply = info(server, each, version)
            assert reply.status == 200
            assert reply.headers["Content-Type"].partition(";")[0] == each


def test_addresses_with_a_slash_at_their_end_work(server):
    """Clients end the address of a service with a slash before the query."""
    for path, query in (
        ("/wms", "service=WMS&request=GetCapabilities"), ("/wms", f"{urlencode(INFO)}&request=x"),
        ("/wmts", "service=WMTS&request=GetCapabilities"), ("/wmts", "service=WMTS&request=GetTile"),
    ):  # fmt: skip
        with_slash, plain = server.get(f"{path}/?{query}"), server.get(f"{path}?{query}")
        assert with_slash.body == plain.body
        assert with_slash.status == plain.status


def test_preflights_allow_what_clients_send(server):
    """Fetch standard: Authorization is never covered by a wildcard, Range and X-Requested-With are not safelisted."""
    reply = server.get("/wms", {"Origin": "http://a.example", "Access-Control-Request-Method": "GET"}, method="OPTIONS")
    allowed = {each.strip().lower() for each in reply.headers["Access-Control-Allow-Headers"].split(",")}
    assert {"authorization", "range", "x-requested-with", "content-type", "if-none-match"} <= allowed


def test_414_is_for_the_address_only(server):
    """RFC 9110, 15.5.15; a value that is too long is an invalid one (OGC 06-121r3, Table 25)."""
    long_value, long_address = "x" * 1100, "x" * 9000
    assert server.get(f"/wms?request=GetMap&version=1.3.0&layers={long_value}").status == 400
    assert server.get(f"/wmts?service=WMTS&request=GetTile&layer={long_value}").status == 400
    assert server.get(f"/xyz/global_180/0/0/0.png?style={long_value}").status == 400
    assert server.get(f"/ogc/collections?f={long_value}").status == 400
    for path in ("/wms?layers=", "/wmts?layer=", "/xyz/global_180/0/0/0.png?style=", "/ogc/collections?f="):
        assert server.get(path + long_address).status == 414
