"""Any request is answered with 2xx to 4xx and a valid body, and causes one render at most."""

import http.client
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from lazytile.service.featureinfo.formats import INFO_FORMATS
from tests.service.harness import TILE

NASTY = ["", "0", "-1", "1e9", "NaN", "inf", "9" * 5000, "\u0660", "1_0", " 1", "a/b", "..", "../..", "%00", "\x00",
         "\x01", "\ud800", "\U0001f600", "<x>&\"'", "default", "current", "image/png", "x" * 8000, "{Style}",
         "\r\n"]  # fmt: skip
VALUE = st.sampled_from(NASTY) | st.text(max_size=40) | st.integers().map(str) | st.sampled_from(list(TILE.values()))
NAME = st.sampled_from([*TILE, "time", "sections", "acceptversions", "acceptformats", "level", "i"]) | st.text(
    max_size=10
)
INFO_TYPES = [each.mime for each in INFO_FORMATS]
FEW = settings(max_examples=120, deadline=None)


def encoded(text):
    return quote_plus(text.encode("utf-8", "surrogatepass"))


@pytest.fixture(scope="module")
def client(server):
    """One connection for all examples."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)

    def get(path):
        try:
            connection.request("GET", path)
            response = connection.getresponse()
        except (http.client.HTTPException, ConnectionError):
            connection.close()
            raise
        body = response.read()
        if response.will_close:
            connection.close()
        return response, body

    yield get
    connection.close()


def check(server, client, path, exception_schema):
    renders = server.renders
    response, body = client(path)
    assert response.status < 500 or response.status == 501, (path, body)
    kind = response.headers["Content-Type"].partition(";")[0]
    if response.status == 200:
        assert kind in ("image/png", "image/jpeg", "application/xml", "text/xml", "text/html", *INFO_TYPES)
        if kind.endswith("json"):
            json.loads(body)
        elif kind.endswith("xml"):
            etree.fromstring(body)
        assert body
    elif path.startswith("/wmts"):
        assert kind == "application/xml"
        exception_schema.assertValid(etree.fromstring(body))
    else:
        assert kind == "application/problem+json"
        assert json.loads(body)["status"] == response.status
    assert server.renders <= renders + 1


@FEW
@given(changes=st.dictionaries(NAME, VALUE, max_size=4), repeated=st.lists(st.tuples(NAME, VALUE), max_size=2))
def test_kvp(server, client, exception_schema, changes, repeated):
    pairs = [*{**TILE, **changes}.items(), *repeated]
    query = "&".join(f"{encoded(name)}={encoded(value)}" for name, value in pairs)
    check(server, client, f"/wmts?{query}", exception_schema)


@FEW
@given(query=st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#"), max_size=200))
def test_raw_query_strings(server, client, exception_schema, query):
    check(server, client, f"/wmts?{query}", exception_schema)


@FEW
@given(segments=st.lists(VALUE | st.sampled_from(["time_steps", "WebMercatorQuad", "0.png", "1km"]), max_size=9))
def test_rest(server, client, exception_schema, segments):
    path = "/".join(quote(segment.encode("utf-8", "surrogatepass"), safe="") for segment in segments)
    check(server, client, f"/wmts/{path}", exception_schema)


@FEW
@given(
    where=st.integers(0, 6),
    value=VALUE,
    extension=st.sampled_from(["png", "jpg", "jpeg", "gif", ""]),
)
def test_rest_with_one_part_wrong(server, client, exception_schema, where, value, extension):
    parts = ["time_steps", "default", "2024-01-02", "WebMercatorQuad", "2", "1", "0"]
    parts[where] = value
    path = "/".join(quote(part.encode("utf-8", "surrogatepass"), safe="") for part in parts)
    check(server, client, f"/wmts/{path}.{extension}", exception_schema)


@FEW
@given(segments=st.lists(VALUE, min_size=0, max_size=5), query=st.dictionaries(NAME, VALUE, max_size=3))
def test_xyz(server, client, exception_schema, segments, query):
    path = "/".join(quote(segment.encode("utf-8", "surrogatepass"), safe="") for segment in segments)
    tail = "&".join(f"{encoded(name)}={encoded(value)}" for name, value in query.items())
    check(server, client, f"/xyz/{path}?{tail}", exception_schema)


INFO = {**TILE, "request": "GetFeatureInfo", "I": "1", "J": "2", "InfoFormat": "application/json"}
DOMAINS = {"service": "WMTS", "request": "DescribeDomains", "layer": "extra_dimension", "TileMatrixSet": "1km"}
INFO_NAME = st.sampled_from([*INFO, "time", "level", "rgb", "expression", "scale"]) | st.text(max_size=10)
DOMAIN_NAME = st.sampled_from([*DOMAINS, "domains", "bbox", "time", "limit", "offset"]) | st.text(max_size=10)
DOMAIN_VALUE = VALUE | st.sampled_from(
    ["all", "2024-01-01/2024-01-02", "/", "--", "1,2,3,4", "nan,nan,nan,nan", "bbox,time"]
)


@FEW
@given(changes=st.dictionaries(INFO_NAME, VALUE | st.sampled_from(INFO_TYPES), max_size=4))
def test_feature_info(server, client, exception_schema, changes):
    query = "&".join(f"{encoded(name)}={encoded(value)}" for name, value in {**INFO, **changes}.items())
    check(server, client, f"/wmts?{query}", exception_schema)


@FEW
@given(
    where=st.integers(0, 8), value=VALUE, extension=st.sampled_from(["json", "geojson", "html", "txt", "gml", "pdf"])
)
def test_rest_feature_info(server, client, exception_schema, where, value, extension):
    parts = ["time_steps", "default", "2024-01-02", "WebMercatorQuad", "2", "1", "0", "3", "4"]
    parts[where] = value
    path = "/".join(quote(part.encode("utf-8", "surrogatepass"), safe="") for part in parts)
    check(server, client, f"/wmts/{path}.{extension}", exception_schema)


@FEW
@given(changes=st.dictionaries(DOMAIN_NAME, DOMAIN_VALUE, max_size=4))
def test_describe_domains(server, client, exception_schema, changes):
    query = "&".join(f"{encoded(name)}={encoded(value)}" for name, value in {**DOMAINS, **changes}.items())
    check(server, client, f"/wmts?{query}", exception_schema)


@FEW
@given(where=st.integers(0, 4), value=DOMAIN_VALUE, query=st.dictionaries(DOMAIN_NAME, DOMAIN_VALUE, max_size=2))
def test_rest_describe_domains(server, client, exception_schema, where, value, query):
    parts = ["extra_dimension", "default", "1km", "all", "all"]
    parts[where] = value
    path = "/".join(quote(part.encode("utf-8", "surrogatepass"), safe="") for part in parts)
    tail = "&".join(f"{encoded(name)}={encoded(text)}" for name, text in query.items())
    check(server, client, f"/wmts/1.0.0/{path}.xml?{tail}", exception_schema)
