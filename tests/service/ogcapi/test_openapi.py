"""The OpenAPI definition: valid, and true."""

import http.client
import json
import re
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lazytile.service.ogcapi.openapi import definition as make_definition


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
        assert f"collection.map.{name}" in found
        assert f"collection.style.map.{name}" in found


def test_every_reference_leads_somewhere(definition):
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


WORDS = ["global_180", "time_steps", "extra_dimension", "WebMercatorQuad", "WorldCRS84Quad", "native", "default", "0",
         "1", "png", "json", "html", "csv", "2024-01-02", "2024-01-01/..", "-10,-10,10,10", "0,5,20", "", "../..", "%",
         "\x00", "\ud800", "\U0001f600", "<&>", "NaN", "-1", "9" * 400, "x" * 2000]  # fmt: skip
ANY = st.sampled_from(WORDS) | st.text(max_size=20) | st.integers().map(str) | st.floats().map(str)


def operations():
    """Path, method and parameters of every operation, without a server."""
    document = make_definition("http://127.0.0.1", "lazytile")
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
def test_whatever_is_asked_the_answer_is_one_that_is_declared(server, path, method, operation, parameters, draw):
    address = path
    for each in parameters:
        if each["in"] == "path":
            address = address.replace(f"{{{each['name']}}}", quoted(draw.draw(ANY)) or "%20")
    chosen = {each["name"]: draw.draw(ANY) for each in parameters if each["in"] == "query" and draw.draw(st.booleans())}
    if chosen:
        address += "?" + "&".join(f"{quoted(name)}={quoted(value)}" for name, value in chosen.items())
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    body = draw.draw(st.binary(max_size=200)) if method == "post" else None
    renders = server.context.metrics.renders._value.get()
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
    assert server.context.metrics.renders._value.get() <= renders + 1


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


def test_examples_of_every_operation_work(server, definition):
    """Each operation has an answer that is no error: what the definition describes is there."""
    good = {
        "collectionId": "time_steps", "styleId": "default", "tileMatrixSetId": "WebMercatorQuad", "tileMatrix": "1",
        "tileRow": "0", "tileCol": "1", "z": "1", "x": "1", "y": "0", "extension": "png",
    }  # fmt: skip
    queries = {"getStatistics": "?bbox=0,0,9,9", "getPoint": "?lon=1&lat=1", "getSeries": "?lon=1&lat=1"}
    for path, item in definition["paths"].items():
        operation = item["get"]
        reply = server.get(path.format(**good) + queries.get(operation["operationId"], ""))
        assert reply.status == 200, (path, reply.body)
        kind = reply.headers["Content-Type"].partition(";")[0]
        schema = operation["responses"]["200"]["content"][kind]["schema"]
        if kind.endswith("json"):
            assert set(schema.get("required", ())) <= json.loads(reply.body).keys(), path
