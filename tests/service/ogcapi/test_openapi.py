"""The OpenAPI definition is valid and matches the service."""

import http.client
import importlib
import json
import re
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lazytile.pyramid.catalog.tile_options import NAMES
from lazytile.service.app.application import make_app
from lazytile.service.http.query import Query
from lazytile.service.http.settings import Settings
from lazytile.service.ogcapi.openapi import definition as make_definition
from lazytile.service.ogcapi.operations import OPERATIONS


@pytest.fixture(scope="module")
def definition(server):
    reply = server.get("/ogc/api")
    assert reply.headers["Content-Type"].startswith("application/vnd.oai.openapi+json")
    return json.loads(reply.body)


def test_it_is_valid(definition):
    validator = pytest.importorskip("openapi_spec_validator", reason="openapi-spec-validator is not installed")
    validator.validate(definition)


def test_identifiers_of_operations(definition):
    found = [path["get"]["operationId"] for path in definition["paths"].values()]
    assert len(set(found)) == len(found)
    for name in ("getTileSetsList", "getTileSet", "getTile"):
        assert f".collection.map.{name}" in found
        assert f".collection.style.map.{name}" in found


def test_every_reference_resolves(definition):
    def walk(node):
        if isinstance(node, dict):
            if "$ref" in node:
                _, kind, section, name = node["$ref"].split("/")
                assert name in definition[kind][section]
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(definition["paths"])


def test_every_path_parameter_is_declared(definition):
    for path, item in definition["paths"].items():
        names = set(re.findall(r"{(\w+)}", path))
        declared = set()
        for parameter in item["get"]["parameters"]:
            each = (
                definition["components"]["parameters"][parameter["$ref"].rpartition("/")[2]]
                if "$ref" in parameter
                else parameter
            )
            if each["in"] == "path":
                declared.add(each["name"])
        assert declared == names, path


VALUES = ["global_180", "time_steps", "extra_dimension", "WebMercatorQuad", "WorldCRS84Quad", "native", "default", "0",
         "1", "png", "json", "html", "csv", "2024-01-02", "2024-01-01/..", "-10,-10,10,10", "0,5,20", "", "../..", "%",
         "\x00", "\ud800", "\U0001f600", "<&>", "NaN", "-1", "9" * 400, "x" * 2000]  # fmt: skip
ANY = st.sampled_from(VALUES) | st.text(max_size=20) | st.integers().map(str) | st.floats().map(str)


def operations():
    """Path, method and parameters of every operation, without a server."""
    settings = Settings.of()
    document = make_definition("http://127.0.0.1", settings, make_app(settings).router.routes()).members()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            parameters = [
                document["components"]["parameters"][each["$ref"].rpartition("/")[2]] if "$ref" in each else each
                for each in operation["parameters"]
            ]
            yield pytest.param(path, method, operation, parameters, id=operation["operationId"])


def quoted(text):
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


@pytest.mark.parametrize(("path", "method", "operation", "parameters"), list(operations()))
@settings(max_examples=20)
@given(draw=st.data())
def test_any_parameters_get_a_declared_response(server, path, method, operation, parameters, draw):
    address = path
    for each in parameters:
        if each["in"] == "path":
            address = address.replace(f"{{{each['name']}}}", quoted(draw.draw(ANY)) or "%20")
    chosen = {each["name"]: draw.draw(ANY) for each in parameters if each["in"] == "query" and draw.draw(st.booleans())}
    if chosen:
        address += "?" + "&".join(f"{quoted(name)}={quoted(value)}" for name, value in chosen.items())
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    body = draw.draw(st.binary(max_size=200)) if method == "post" else None
    renders = server.renders
    try:
        connection.request(method.upper(), address, body)
        reply = connection.getresponse()
        content = reply.read()
    finally:
        connection.close()
    assert reply.status < 500, (address, content)
    assert str(reply.status) in operation["responses"], (address, content)
    if reply.status != 304:
        kind = reply.headers["Content-Type"].partition(";")[0]
        assert kind in operation["responses"][str(reply.status)]["content"], (address, kind)
    if kind.endswith("json"):
        json.loads(content)
    assert server.renders <= renders + 1


def test_schemathesis_finds_no_server_error(server, definition):
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    for result in schemathesis.openapi.from_dict(definition).get_all_operations():
        operation = result.ok()

        @settings(max_examples=8, suppress_health_check=list(HealthCheck), database=None)
        @given(case=operation.as_strategy())
        def check(case):
            response = case.call(base_url=server.url, timeout=30)
            assert response.status_code < 500, (response.request.url, response.text[:500])

        check()


GOOD = {
    "collectionId": "time_steps", "styleId": "default", "tileMatrixSetId": "WebMercatorQuad", "tileMatrix": "1",
    "tileRow": "0", "tileCol": "1", "z": "1", "x": "1", "y": "0", "extension": "png", "orientation": "H",
    "colormap": "ocean", "f": "", "datetime": "2024-01-02", "compat": "17-083r2", "lon": "1", "lat": "1",
    "bbox": "-180,-90,180,90", "percentiles": "5,50", "histogram": "3", "range": "0,10", "budget": "1000",
    "style": "default",
    "time": "2024-01-02", "format": "png", "rescale": "1,10", "spacing": "even", "resampling": "nearest",
    "filter": "blur", "expression": "", "rgb": "", "scale": "2", "elevation": "", "bands": "10", "below": "extend",
    "above": "transparent", "cmap": "ocean", "palette": "ocean", "min_value": "1", "max_value": "10",
    "colorscalerange": "1,10", "numcolorbands": "10", "belowmincolor": "extend", "abovemaxcolor": "transparent",
    "logscale": "false", "datasetId": "time_steps", "storeId": "time_steps", "key": "zarr.json",
}  # fmt: skip
XYZ = "/xyz/{collectionId}/{z}/{x}/{y}.{extension}"
POLYGON = b'{"type": "Polygon", "coordinates": [[[0, 0], [30, 0], [30, 30], [0, 0]]]}'


def ask(server, method, address, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request(method.upper(), address, body)
        reply = connection.getresponse()
        return reply, reply.read()
    finally:
        connection.close()


def good_address(path, parameters, names):
    """The address of an operation with a good value for each of the named parameters of its query."""
    chosen = "&".join(f"{name}={quoted(GOOD[name])}" for name in names)
    values = {each["name"]: GOOD[each["name"]] for each in parameters if each["in"] == "path"}
    return path.format(**values) + (f"?{chosen}" if chosen else "")


def check_schema(document, schema, instance):
    validators = pytest.importorskip("openapi_schema_validator", reason="openapi-schema-validator is not installed")
    # Only a schema with the components in it can be followed where it refers to them.
    whole = {"components": document["components"], "allOf": [schema]}
    validators.OAS30Validator(whole).validate(instance)


@pytest.mark.parametrize(("path", "method", "operation", "parameters"), list(operations()))
def test_responses_match_their_schemas(server, definition, path, method, operation, parameters):
    """Return requests with the required parameters only, and with all parameters."""
    queries = [each for each in parameters if each["in"] == "query"]
    body = POLYGON if method == "post" else None
    for names in ([each["name"] for each in queries if each["required"]], [each["name"] for each in queries]):
        reply, content = ask(server, method, good_address(path, parameters, names), body)
        assert reply.status == 200, (path, content)
        kind = reply.headers["Content-Type"].partition(";")[0]
        schema = operation["responses"]["200"]["content"][kind]["schema"]
        if kind.endswith("json"):
            check_schema(definition, schema, json.loads(content))


@pytest.mark.parametrize("name", ["global_180", "time_steps", "extra_dimension", "antimeridian", "mercator"])
@pytest.mark.parametrize("template", [
    "/ogc/collections/{name}", "/ogc/collections/{name}/styles", "/ogc/collections/{name}/map/tiles",
    "/ogc/collections/{name}/map/tiles/WebMercatorQuad", "/xyz/{name}.json", "/numbers/{name}/point?lon=1&lat=1",
    "/numbers/{name}/series?lon=1&lat=1", "/numbers/{name}/series?lon=1&lat=1&f=covjson",
    "/numbers/{name}/point?lon=1&lat=1&f=covjson", "/numbers/{name}/point?lon=1&lat=90",
    "/numbers/{name}/statistics?bbox=0,0,1,1&histogram=4",
])  # fmt: skip
def test_documents_of_every_kind_of_layer_match_their_schemas(server, definition, template, name):
    reply = server.get(template.format(name=name))
    assert reply.status == 200, reply.body
    path, _, _ = (
        template.replace("{name}", "{collectionId}").replace("WebMercatorQuad", "{tileMatrixSetId}").partition("?")
    )
    content = definition["paths"][path]["get"]["responses"]["200"]["content"]
    check_schema(definition, content[reply.headers["Content-Type"]]["schema"], json.loads(reply.body))


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/ogc/?f=x", 400),
        ("/ogc/collections/nope", 404),
        ("/numbers/nope/point?lon=1&lat=1", 404),
        ("/xyz/nope.json", 404),
        ("/xyz/global_180/0/0/0.nope", 404),
        ("/healthz/x", 404),
        (f"/ogc/?{'x' * 9000}", 414),
    ],
)
def test_problems_match_their_schema(server, definition, address, status):
    reply = server.get(address)
    assert reply.status == status
    check_schema(definition, {"$ref": "#/components/schemas/Problem"}, json.loads(reply.body))


def test_an_invalid_document_does_not_match_its_schema(definition):
    """The check of the tests above can fail."""
    validators = pytest.importorskip("openapi_schema_validator", reason="openapi-schema-validator is not installed")
    errors = importlib.import_module("jsonschema.exceptions")
    assert validators is not None
    good = {"type": "about:blank", "title": "a", "status": 404, "detail": "b"}
    schema = {"$ref": "#/components/schemas/Problem"}
    check_schema(definition, schema, good)
    for wrong in ({**good, "status": "404"}, {**good, "more": 1}, {**good, "parameter": None}, {"title": "a"}):
        with pytest.raises(errors.ValidationError):
            check_schema(definition, schema, wrong)


def test_every_route_is_described_or_excluded():
    routes = make_app(Settings.of()).router.routes()
    served = {(route.method, route.resource.canonical) for route in routes if route.method != "HEAD"}
    described = {(each.method, each.route) for each in OPERATIONS}
    assert described - served == set()
    # The viewer, second addresses of landing pages, and what capabilities describe.
    others = {"/", "/viewer/{name}", "/ogc", "/stac/", "/wmts", "/wmts/{path}", "/wms", "/wms/"}
    assert served - described == {("GET", path) for path in others}


def test_a_missing_route_is_not_described():
    assert make_definition("http://127.0.0.1", Settings.of(), []).paths == {}


@pytest.mark.parametrize(("path", "method", "operation", "parameters"), list(operations()))
def test_handlers_read_exactly_the_described_parameters(server, monkeypatch, path, method, operation, parameters):
    """Those of dimensions and tile options are read from the query as a whole; a Warning names what is unknown."""
    seen = set()

    def get(self, name):
        seen.add(name)
        return self.values.get(name.lower(), "")

    monkeypatch.setattr(Query, "get", get)
    described = {each["name"] for each in parameters if each["in"] == "query"}
    body = POLYGON if method == "post" else None
    reply, content = ask(server, method, good_address(path, parameters, sorted(described)), body)
    assert reply.status == 200, content
    assert reply.headers["Warning"] is None
    options = NAMES | {"time", "elevation"}
    is_of_tiles = operation["operationId"].endswith((".getTile", "getXyzTile", "getTileJson"))
    assert described - seen == (described & (options if is_of_tiles else {"elevation"}))
    assert seen - described <= {"Time"}


def test_tile_options_are_those_of_the_parser(definition, server):
    """Each value of an enumeration is accepted, and any other refused."""
    address = "/xyz/global_180/1/1/0.png"
    described = {each["$ref"].rpartition("/")[2] for each in definition["paths"][XYZ]["get"]["parameters"]}
    assert described >= NAMES
    for name in ("spacing", "resampling", "scale"):
        values = definition["components"]["parameters"][name]["schema"]["enum"]
        rest = "&rescale=1,10" if name == "spacing" else ""
        assert [server.get(f"{address}?{name}={value}{rest}").status for value in values] == [200] * len(values)
        allowed = json.loads(server.get(f"{address}?{name}=nope{rest}").body)["detail"].partition("it may be ")[2]
        assert allowed.split(", ") == values


def test_bounds_come_from_the_settings():
    settings = Settings.of(max_value_length=100, max_number_cells=1 << 16)
    parameters = make_definition("http://127.0.0.1", settings, make_app(settings).router.routes()).components.parameters
    assert parameters["budget"].schema_["maximum"] == 65536
    assert parameters["datetime"].schema_["maxLength"] == 100


def test_components_of_different_parameters_have_different_names():
    components = {}
    for operation in OPERATIONS:
        for parameter in operation.parameters:
            assert components.setdefault(parameter.component, parameter) == parameter


@pytest.mark.parametrize(
    ("options", "status", "listed", "not_listed"),
    [
        ({"layer_tokens": {"sst": ["a-token-of-sixteen"]}}, "401", "getStatistics", None),
        ({"layer_tokens": {"sst": ["a-token-of-sixteen"]}}, "403", "getStatistics", "getOverview"),
        ({"allowed_hosts": ("maps.example",)}, "421", "getTileJson", "getStatistics"),
        ({"rate_limit": 5.0}, "429", "getXyzTile", "getHealth"),
    ],
)
def test_refusals_are_listed_where_the_settings_make_them(options, status, listed, not_listed):
    def having(**changes):
        chosen = Settings.of(**changes)
        routes = make_app(chosen).router.routes()
        document = make_definition("http://a", chosen, routes).members()
        operations = [each for item in document["paths"].values() for each in item.values()]
        return {each["operationId"] for each in operations if status in each["responses"]}

    found = having(**options)
    assert listed in found
    assert not_listed not in found
    assert having() == set()
