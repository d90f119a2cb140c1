"""The OpenAPI definition: valid, and true."""

import json
import re

import pytest


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
