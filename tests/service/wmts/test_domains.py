"""DescribeDomains as GIBS defines it, in KVP and REST: all periods, in pages."""

from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import pytest
from lxml import etree

from lazytile.pyramid.store.dataset import Dimension
from tests import data
from tests.service.harness import NAMESPACES, running

DAYS = [datetime(2000, 1, 1) + timedelta(days=4 * pair + day) for pair in range(150) for day in range(3)]  # noqa: DTZ001
"""Three days of four: 150 periods."""
LABELS = tuple(f"{day:%Y-%m-%dT00:00:00Z}" for day in DAYS)
PERIODS = [f"{LABELS[at]}/{LABELS[at + 2]}/P1D" for at in range(0, len(LABELS), 3)]
KVP = "/wmts?SERVICE=WMTS&REQUEST=DescribeDomains&VERSION=1.0.0&LAYER=gappy&TILEMATRIXSET=WorldCRS84Quad"
REST = "/wmts/1.0.0/gappy/default/WorldCRS84Quad/{}/{}.xml"


def gappy():
    """A dataset of many periods, without data."""
    made = data.CATALOGUE["constant"]()
    description = made.description()
    time = Dimension("time", "time", LABELS)
    variable = replace(description.variables[0], dimensions=(time,))
    return made, replace(description, name="gappy", variables=(variable,))


@pytest.fixture(scope="module")
def gaps(tmp_path_factory):
    import json

    folder = tmp_path_factory.mktemp("gaps")
    _, description = gappy()
    path = folder / "store" / "gappy.zarr"
    path.mkdir(parents=True)
    document = {"zarr_format": 3, "node_type": "group", "attributes": {"lazytile": description.to_json()}}
    (path / "zarr.json").write_text(json.dumps(document))
    with running(folder / "store", folder / "cache") as server:
        yield server


def domains(reply):
    assert reply.status == 200, reply.body
    root = etree.fromstring(reply.body)
    assert root.tag == "Domains"
    found = {}
    for element in root.iterfind("DimensionDomain"):
        text = element.findtext("Domain")
        found[element.findtext("ows:Identifier", namespaces=NAMESPACES)] = (
            text.split(",") if text else [],
            int(element.findtext("Size")),
            element.findtext("NextPage"),
        )
    return root, found


def test_capabilities_list_the_last_hundred_periods_and_domains_all(gaps):
    document = etree.fromstring(gaps.get("/wmts/1.0.0/WMTSCapabilities.xml").body)
    values = [value.text for value in document.iterfind(".//wmts:Dimension/wmts:Value", NAMESPACES)]
    assert values == PERIODS[-100:]
    for path in (KVP, f"{KVP}&DOMAINS=bbox,time&TIME=all", REST.format("all", "all")):
        root, found = domains(gaps.get(path))
        assert found == {"time": (PERIODS, 150, None)}
        box = root.find("SpaceDomain/BoundingBox")
        assert box.get("crs") == "urn:ogc:def:crs:OGC:1.3:CRS84"
        assert float(box.get("minx")) < float(box.get("maxx"))


@pytest.mark.parametrize("first", [f"{KVP}&LIMIT=40", f"{REST.format('all', 'all')}?limit=40"])
def test_pages_link_to_the_next(gaps, first):
    path, seen, pages = first, [], 0
    while path:
        _, found = domains(gaps.get(path))
        values, size, following = found["time"]
        assert size == 150
        seen += values
        pages += 1
        path = following and following.removeprefix(gaps.url)
    assert seen == PERIODS
    assert pages == 4


def test_a_part_of_the_time(gaps):
    for path in (f"{KVP}&TIME=2000-01-02/2000-01-06", REST.format("all", "2000-01-02--2000-01-06")):
        _, found = domains(gaps.get(path))
        day = "2000-01-0{}T00:00:00Z".format
        assert found["time"][0] == [f"{day(2)}/{day(2)}/P1D", f"{day(3)}/{day(3)}/P1D", f"{day(5)}/{day(5)}/P1D",
                                    f"{day(6)}/{day(6)}/P1D"]  # fmt: skip
    _, found = domains(gaps.get(REST.format("all", "--2000-01-07")))
    assert found["time"][0] == PERIODS[:2]
    _, found = domains(gaps.get(f"{KVP}&TIME={LABELS[-3]}/"))
    assert found["time"][0] == PERIODS[-1:]
    _, found = domains(gaps.get(REST.format("all", "2000-01-02")))
    assert found["time"][1] == 1
    _, found = domains(gaps.get(REST.format("all", "2000-01-04")))  # a gap
    assert found["time"] == ([], 0, None)


def test_a_part_of_the_area(gaps):
    root, _ = domains(gaps.get(REST.format("-10,-20,30,40", "all")))
    box = root.find("SpaceDomain/BoundingBox")
    assert float(box.get("minx")) >= -10
    assert float(box.get("maxy")) <= 40
    root, found = domains(gaps.get(f"{KVP}&DOMAINS=bbox&BBOX=200,0,210,10"))
    assert root.find("SpaceDomain") is not None
    assert root.find("SpaceDomain/BoundingBox") is None
    assert found == {}


def test_other_dimensions_and_gibs_addresses(server):
    path = "/wmts/epsg4326/best/1.0.0/extra_dimension/default/1km/all/all.xml"
    _, found = domains(server.get(path))
    assert found["level"][0] == ["200", "500", "850"]
    assert set(found) == {"time", "level"}
    script = "/wmts/epsg4326/best/wmts.cgi?SERVICE=WMTS&REQUEST=DescribeDomains&LAYER=extra_dimension&TILEMATRIXSET=1km"
    assert server.get(script).body == server.get(path).body
    _, found = domains(server.get(f"{script}&LIMIT=1&DOMAINS=level"))
    following = urlsplit(found["level"][2])
    assert following.path == "/wmts/epsg4326/best/wmts.cgi"
    _, found = domains(server.get(f"{following.path}?{following.query}"))
    assert found["level"][0] == ["500"]


BAD = [("LAYER=nope", "InvalidParameterValue", "Layer"), ("LAYER=", "MissingParameterValue", "Layer"),
       ("TILEMATRIXSET=nope", "InvalidParameterValue", "TileMatrixSet"), ("LIMIT=0", "InvalidParameterValue", "limit"),
       ("LIMIT=x", "InvalidParameterValue", "limit"), ("LIMIT=99999999", "InvalidParameterValue", "limit"),
       ("OFFSET=-1", "InvalidParameterValue", "offset"), ("TIME=yesterday", "InvalidParameterValue", "Time"),
       ("BBOX=1,2,3", "InvalidParameterValue", "bbox"), ("BBOX=nan,0,1,1", "InvalidParameterValue", "bbox"),
       ("DOMAINS=colour", "InvalidParameterValue", "domains"),
       ("VERSION=2.0.0", "InvalidParameterValue", "version")]  # fmt: skip


@pytest.mark.parametrize(("change", "code", "locator"), BAD)
def test_invalid_parameters(gaps, exception_schema, change, code, locator):
    name = change.partition("=")[0]
    others = [pair for pair in KVP.partition("?")[2].split("&") if not pair.startswith(f"{name}=")]
    reply = gaps.get(f"/wmts?{'&'.join([*others, change])}")
    assert reply.exception() == (400, code, locator)
    exception_schema.assertValid(etree.fromstring(reply.body))


def test_rest_errors_are_404(gaps):
    assert gaps.get(REST.format("all", "yesterday")).exception() == (404, "InvalidParameterValue", "Time")
    assert gaps.get(REST.format("all", "all").replace(".xml", ".json")).status == 404
    assert gaps.get(REST.format("all", "all").replace("gappy", "nope")).status == 404
