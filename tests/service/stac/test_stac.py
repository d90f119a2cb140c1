"""The STAC documents are valid, pystac and pystac-client read them, and every address in them answers."""

import json
from urllib.parse import urlsplit

import jsonschema
import numpy as np
import pystac
import pystac_client
import pytest
import referencing
import referencing.jsonschema
import xarray as xr
from pystac.extensions.datacube import DatacubeExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.render import RenderExtension
from pystac.validation.stac_validator import JsonSchemaSTACValidator

from lazytile.pyramid.ingest.convert import convert
from lazytile.service.stac.cube import extent_of
from lazytile.service.stac.source_attributes import SourceAttributes
from tests import data
from tests.service.conftest import DATASETS
from tests.service.harness import running
from tests.shared import SHARED

TOKEN = "a-token-of-twenty-characters"
ATTRIBUTES = {
    "title": "Sea",
    "summary": "Made for a test.",
    "keywords": "ocean, temperature; ocean",
    "license": "https://creativecommons.org/licenses/by/4.0/",
    "institution": "Institute of Tests",
    "publisher_name": "Press",
    "publisher_url": "https://press.example/",
    "time_coverage_start": "2001-05",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stac")
    for name in (*DATASETS, "rotated", "categories"):
        if name in data.CATALOGUE:
            data.CATALOGUE[name]().write(folder / "store")
    values = np.arange(40.0).reshape(5, 8)
    lat, lon = np.linspace(40, 44, 5), np.linspace(170, 184, 8)
    source = xr.Dataset({"t": (("lat", "lon"), values, {"units": "K"})}, {"lat": lat, "lon": lon}, ATTRIBUTES)
    source.to_netcdf(folder / "sea.nc")
    convert(folder / "sea.nc", folder / "store", "sea")
    with running(folder / "store", folder / "cache") as server:
        yield server


def document(server, path):
    reply = server.get(path)
    assert reply.status == 200, reply.body
    assert reply.headers["Content-Type"] == "application/json"
    return json.loads(reply.body)


def names(server):
    return [each["id"] for each in document(server, "/stac/collections")["collections"]]


def schemas():
    """The schemas of the extensions, where developers have them beside their checkout."""
    folder = SHARED / "schemas" / "stac"
    found = [json.loads(path.read_text()) for path in sorted(folder.rglob("*.json"))]
    return {each["$id"].rstrip("#"): each for each in found if "$id" in each}


def check(document, schema):
    """Validate against a schema; what it refers to elsewhere, such as PROJJSON, is not fetched."""
    anything = referencing.Resource.from_contents(
        {"type": "object"}, default_specification=referencing.jsonschema.DRAFT7
    )
    registry = referencing.Registry(retrieve=lambda _: anything)
    jsonschema.Draft7Validator(schema, registry=registry).validate(document)


def test_every_document_matches_the_schema_of_its_type(served):
    validator = JsonSchemaSTACValidator()
    known = schemas()
    for path in ("/stac", *(f"/stac/collections/{name}" for name in names(served))):
        found = document(served, path)
        kind = pystac.STACObjectType.CATALOG if found["type"] == "Catalog" else pystac.STACObjectType.COLLECTION
        assert found["stac_version"] == "1.1.0"
        validator.validate_core(found, kind, "1.1.0", path)  # with the schemas that pystac holds
        for extension in set(found.get("stac_extensions", ())) & set(known):
            check(found, known[extension])


def test_an_invalid_document_does_not_match(served):
    found = document(served, "/stac/collections/global_180")
    for member in ("license", "extent", "description"):
        with pytest.raises(pystac.STACValidationError):
            JsonSchemaSTACValidator().validate_core(
                {key: value for key, value in found.items() if key != member},
                pystac.STACObjectType.COLLECTION, "1.1.0", "",
            )  # fmt: skip


def test_rules_of_the_data_cube(served):
    """As the schema of datacube 2.2 has them."""
    for name in names(served):
        found = document(served, f"/stac/collections/{name}")
        dimensions = found["cube:dimensions"]
        assert sorted(each["axis"] for each in dimensions.values() if each.get("axis") in ("x", "y")) == ["x", "y"]
        for each in dimensions.values():
            assert each["type"] in ("spatial", "temporal", "other")
            assert "extent" in each or "values" in each
            if each["type"] == "temporal":
                assert all(isinstance(end, str) and end.endswith("Z") for end in each["extent"])
                assert "axis" not in each
            elif "extent" in each:
                low, high = each["extent"]
                assert low <= high
            if each.get("axis") in ("x", "y"):
                assert each["step"] > 0
                assert isinstance(each["reference_system"], int | str)
        for variable in found["cube:variables"].values():
            assert set(variable["dimensions"]) <= set(dimensions)
            assert variable["type"] == "data"
        # Rendering 2.0: each names assets that are there.
        assert found["renders"]
        for rendering in found["renders"].values():
            assert set(rendering["assets"]) <= set(found["assets"])
            assert all(len(pair) == 2 and pair[0] <= pair[1] for pair in rendering.get("rescale", ()))


def test_pystac_reads_the_extensions(served):
    for name in names(served):
        collection = pystac.Collection.from_dict(document(served, f"/stac/collections/{name}"))
        description = served.context.snapshot.dataset(name).description
        cube = DatacubeExtension.ext(collection)
        assert set(cube.variables) == {each.name for each in description.variables}
        projection = ProjectionExtension.ext(collection.assets["zarr"])
        assert list(projection.shape) == [description.grid.shape.rows, description.grid.shape.cols]
        assert projection.code == description.grid.crs or projection.code is None
        assert projection.projjson["type"].endswith("CRS")
        bounds = description.grid.bounds
        assert list(projection.bbox) == [bounds.west, bounds.south, bounds.east, bounds.north]
        assert set(RenderExtension.ext(collection).renders) == {
            description.layer_name(each) for each in description.variables
        }


def test_pystac_client_finds_every_dataset(served):
    client = pystac_client.Client.open(f"{served.url}/stac")
    found = {each.id: each for each in client.get_collections()}
    assert set(found) == set(served.context.snapshot.names())
    assert {each.id for each in client.get_children()} == set(found)
    sea = client.get_collection("sea")
    assert sea.title == "Sea"
    zarr = xr.open_zarr(f"{sea.assets['zarr-generation'].href}/0").load()
    assert zarr.t.shape == (1, 5, 8)


def test_every_address_answers(served):
    seen = set()
    for path in ("/stac", *(f"/stac/collections/{name}" for name in names(served))):
        found = document(served, path)
        targets = [each["href"] for each in found["links"]]
        for key, asset in found.get("assets", {}).items():
            targets.append(f"{asset['href']}/zarr.json" if "zarr" in asset["type"] else asset["href"])
            assert {"href", "type", "title", "roles"} <= set(asset), key
        for href in targets:
            if href.startswith(served.url):
                parts = urlsplit(href.replace("{z}/{x}/{y}", "0/0/0"))
                seen.add(parts.path + (f"?{parts.query}" if parts.query else ""))
            else:
                assert href == ATTRIBUTES["license"]
    assert len(seen) > 40
    for address in sorted(seen):
        reply = served.get(address)
        assert reply.status == 200, (address, reply.body[:300])
        if address.startswith("/wms?"):
            assert reply.body.startswith(b"\x89PNG")


def test_what_the_source_says_is_told(served):
    found = document(served, "/stac/collections/sea")
    assert found["description"] == "Made for a test."
    assert found["keywords"] == ["ocean", "temperature"]
    assert found["license"] == "CC-BY-4.0"
    assert found["providers"] == [
        {"name": "Institute of Tests", "roles": ["producer"]},
        {"name": "Press", "roles": ["host"], "url": "https://press.example/"},
    ]
    west, south, east, north = found["extent"]["spatial"]["bbox"][0]
    assert (west, east) == (pytest.approx(169), pytest.approx(-175)), "it crosses 180 degrees"
    assert (south, north) == (pytest.approx(39.5), pytest.approx(44.5))
    assert found["extent"]["temporal"]["interval"] == [["2001-05-01T00:00:00Z", "2001-05-01T00:00:00Z"]]
    assert document(served, "/stac/collections/global_180")["license"] == "other"


@pytest.mark.parametrize(
    ("attributes", "interval"),
    [
        ({"time_coverage_start": "2001-05", "time_coverage_end": "2002-01-03T04:05:06"},
         ("2001-05-01T00:00:00Z", "2002-01-03T04:05:06Z")),
        ({"time_coverage_start": "long ago"}, (None, None)),
        ({}, (None, None)),
    ],
)  # fmt: skip
def test_a_period_without_a_time_axis(served, attributes, interval):
    description = served.context.snapshot.dataset("global_180").description
    assert extent_of(description, SourceAttributes(attributes)).temporal.interval == [interval]


def test_times_and_other_dimensions(served):
    found = document(served, "/stac/collections/time_steps")
    labels = served.context.snapshot.dataset("time_steps").description.variables[0].time.labels
    time = found["cube:dimensions"]["time"]
    assert time["type"] == "temporal"
    assert time["values"] == list(labels)
    assert found["extent"]["temporal"]["interval"] == [[labels[0], labels[-1]]]
    variable = served.context.snapshot.dataset("extra_dimension").description.variables[0]
    other = next(each for each in variable.dimensions if each.kind == "other")
    dimension = document(served, "/stac/collections/extra_dimension")["cube:dimensions"][other.name]
    assert [float(each) for each in other.labels] == dimension["values"]


@pytest.mark.parametrize(
    ("attributes", "identifier", "url"),
    [
        ({"license": "CC-BY-4.0"}, "CC-BY-4.0", None),
        ({"license": "cc by 4.0"}, "CC-BY-4.0", None),
        ({"license": "mit"}, "MIT", None),
        ({"license": "Creative Commons, see http://creativecommons.org/licenses/by-sa/3.0."}, "CC-BY-SA-3.0",
         "http://creativecommons.org/licenses/by-sa/3.0"),
        ({"license": "CC0", "license_link": "https://creativecommons.org/publicdomain/zero/1.0/"}, "CC0-1.0",
         "https://creativecommons.org/publicdomain/zero/1.0/"),
        ({"license": "free, ask first"}, "other", None),
        ({}, "other", None),
    ],
)  # fmt: skip
def test_licences(attributes, identifier, url):
    found = SourceAttributes(attributes)
    assert (found.license, found.license_url) == (identifier, url)


def test_only_clients_with_the_token_see_a_dataset(store, tmp_path):
    with running(store, tmp_path / "c", layer_tokens={"global_180": (TOKEN,)}) as server:
        assert "global_180" not in names(server)
        assert "global_180" not in server.get("/stac").body.decode()
        assert server.get("/stac/collections/global_180").status == 401
        reply = server.get("/stac/collections/global_180", {"Authorization": f"Bearer {TOKEN}"})
        assert reply.status == 200


def test_an_unknown_dataset_is_404_and_documents_are_conditional(served):
    assert served.get("/stac/collections/none").status == 404
    etag = served.get("/stac/collections/sea").headers["ETag"]
    assert served.get("/stac/collections/sea", {"If-None-Match": etag}).status == 304


def test_documents_of_the_ogc_api_lead_here(served):
    links = document(served, "/ogc/?f=json")["links"]
    assert f"{served.url}/stac" in [each["href"] for each in links]
    links = document(served, "/ogc/collections/sea?f=json")["links"]
    assert {f"{served.url}/zarr/sea", f"{served.url}/stac/collections/sea"} <= {each["href"] for each in links}
