"""OGC 07-057r7 as a table: requirement, clause, a request in KVP or REST, and the expected response."""

from __future__ import annotations

import io
from dataclasses import dataclass
from urllib.parse import urlencode

import pytest
from lxml import etree
from PIL import Image

from tests.service.harness import NAMESPACES, TILE

CAPABILITIES = {"service": "WMTS", "request": "GetCapabilities"}
INFO = {**TILE, "request": "GetFeatureInfo", "I": "1", "J": "2", "InfoFormat": "application/json"}
LIMITED = {**TILE, "layer": "extra_dimension", "TileMatrixSet": "WorldCRS84Quad", "TileMatrix": "3"}
XML = "/wmts/1.0.0/WMTSCapabilities.xml"
TILE_PATH = "/wmts/global_180/default/WebMercatorQuad/1/0/1"
DOCUMENT = "capabilities"


def kvp(of, **changes):
    """A KVP request with some parameters changed, or left out where None."""
    names = {name.lower(): name for name in of}
    pairs = dict(of)
    for name, value in changes.items():
        pairs[names.get(name.lower(), name)] = value
    return "/wmts?" + urlencode({name: value for name, value in pairs.items() if value is not None})


def exception(code, locator, status=400):
    def check(reply, schemas):
        schemas["exception"].assertValid(etree.fromstring(reply.body))
        found = reply.exception()
        assert (found[0], found[1], (found[2] or "").lower()) == (status, code, (locator or "").lower())
        assert reply.headers["Content-Type"] in ("application/xml", "text/xml")

    return check


def capabilities(*paths, absent=()):
    """A valid document in which every XPath finds something, and none of ``absent`` does."""

    def check(reply, schemas):
        assert reply.status == 200
        document = etree.fromstring(reply.body)
        schemas["capabilities"].assertValid(document)
        assert document.get("version") == "1.0.0"
        for path in paths:
            assert document.xpath(path, namespaces=NAMESPACES), path
        for path in absent:
            assert not document.xpath(path, namespaces=NAMESPACES), path

    return check


def media(mime):
    def check(reply, schemas):
        assert reply.status == 200
        assert reply.headers["Content-Type"].partition(";")[0] == mime
        assert reply.body

    return check


def tile(mime, size=256):
    def check(reply, schemas):
        media(mime)(reply, schemas)
        assert Image.open(io.BytesIO(reply.body)).size == (size, size)

    return check


def plain(status):
    def check(reply, schemas):
        assert reply.status == status

    return check


@dataclass(frozen=True)
class Row:
    clause: str
    what: str
    path: str
    check: object
    headers: dict | None = None


missing = [
    *(Row("8 Table 29", f"GetTile needs {name}", kvp(TILE, **{name: None}),
          exception("MissingParameterValue", name))
      for name in TILE),
    *(Row("8 Table 30", f"GetFeatureInfo needs {name}", kvp(INFO, **{name: None}),
          exception("MissingParameterValue", name)) for name in INFO if name not in ("service", "request")),
    Row("7.1", "GetCapabilities needs service", kvp(CAPABILITIES, service=None),
        exception("MissingParameterValue", "service")),
    Row("7.1", "GetCapabilities needs request", kvp(CAPABILITIES, request=None),
        exception("MissingParameterValue", "request")),
]  # fmt: skip
invalid = [
    *(Row("7.2 Table 24", f"GetTile: invalid {name}", kvp(TILE, **{name: value}),
          exception("InvalidParameterValue", name))
      for name, value in (("service", "WFS"), ("request", "GetBOGUS"), ("version", "9.9.9"), ("layer", "none"),
                          ("style", "none"), ("format", "image/none"), ("TileMatrixSet", "none"),
                          ("TileMatrix", "none"), ("TileRow", "one"), ("TileCol", "1.5"))),
    *(Row("7.3 Table 27", f"GetFeatureInfo: invalid {name}", kvp(INFO, **{name: value}),
          exception("InvalidParameterValue", name))
      for name, value in (("version", "9.9.9"), ("layer", "none"), ("InfoFormat", "image/none"), ("I", "x"),
                          ("J", "1e1"), ("format", "none"))),
    Row("7.2 Table 24", "an undeclared dimension value", kvp(TILE, layer="time_steps", Time="1999-01-01"),
        exception("InvalidParameterValue", "Time")),
    Row("7.1", "an unknown section", kvp(CAPABILITIES, Sections="Maps"),
        exception("InvalidParameterValue", "sections")),
]  # fmt: skip
ranges = [
    *(Row("7.2 Table 24", f"{name} {value} is outside the matrix", kvp(of, **{name: value}),
          exception("TileOutOfRange", name))
      for of in (TILE, INFO) for name in ("TileRow", "TileCol") for value in ("-1", "2")),
    Row("7.2 Table 24", "outside TileMatrixSetLimits", kvp(LIMITED, TileRow="0", TileCol="7"),
        exception("TileOutOfRange", "TileRow")),
    Row("7.2 Table 24", "outside TileMatrixSetLimits", kvp(LIMITED, TileRow="1", TileCol="0"),
        exception("TileOutOfRange", "TileCol")),
    Row("7.2", "every tile within them is there", kvp(LIMITED, TileRow="1", TileCol="7"), tile("image/png")),
    *(Row("7.3 Table 27", f"{name} {value} is outside the tile", kvp(INFO, **{name: value}),
          exception("PointIJOutOfRange", name)) for name in "IJ" for value in ("-1", "256")),
]  # fmt: skip
documents = [
    *(Row("7.1", f"the whole document, {how}", path, capabilities(
        "ows:ServiceIdentification/ows:ServiceType[.='OGC WMTS']",
        "ows:ServiceIdentification/ows:ServiceTypeVersion[.='1.0.0']", "ows:ServiceProvider/ows:ServiceContact",
        "ows:OperationsMetadata/ows:Operation[@name='GetCapabilities']",
        "ows:OperationsMetadata/ows:Operation[@name='GetTile']",
        "ows:OperationsMetadata/ows:Operation[@name='GetFeatureInfo']",
        "//ows:Get[ows:Constraint[@name='GetEncoding']//ows:Value='KVP']",
        "//ows:Get[ows:Constraint[@name='GetEncoding']//ows:Value='RESTful']",
        "wmts:Contents/wmts:Layer/wmts:TileMatrixSetLink", "wmts:Contents/wmts:TileMatrixSet/wmts:TileMatrix",
        "wmts:ServiceMetadataURL[@xlink:href]",
        absent=("//wmts:Layer[not(wmts:Style)]", "//wmts:Layer[not(wmts:Format)]",
                "//wmts:Layer[not(ows:WGS84BoundingBox)]", "//wmts:Layer[not(wmts:Style[@isDefault='true'])]",
                "//wmts:TileMatrixSetLink[not(wmts:TileMatrixSet = //wmts:Contents/wmts:TileMatrixSet/ows:Identifier)]",
                "//wmts:Layer[ows:Identifier = preceding::wmts:Layer/ows:Identifier]",
                "//wmts:Dimension[not(wmts:Default)]", "//ows:Get[not(starts-with(@xlink:href, 'http://'))]")))
      for how, path in (("KVP", kvp(CAPABILITIES)), ("REST", XML))),
    *(Row("7.1 Table 5", f"only the section {name}", kvp(CAPABILITIES, Sections=name),
          capabilities(f"*[local-name()='{name}']", absent=(f"*[local-name()!='{name}']",)))
      for name in ("ServiceIdentification", "ServiceProvider", "OperationsMetadata", "Contents")),
    Row("06-121r3 7.3.3", "Sections=All is everything", kvp(CAPABILITIES, Sections="All"),
        capabilities("wmts:Contents", "wmts:ServiceMetadataURL")),
    Row("06-121r3 7.3.2", "a version that is offered, among others", kvp(CAPABILITIES, AcceptVersions="2.0.0,1.0.0"),
        capabilities("wmts:Contents")),
    Row("06-121r3 7.3.2", "no version that is offered", kvp(CAPABILITIES, AcceptVersions="2.0.0"),
        exception("VersionNegotiationFailed", None)),
    Row("06-121r3 7.3.4", "a state that is yet to come", kvp(CAPABILITIES, updateSequence="9" * 17),
        exception("InvalidUpdateSequence", None)),
    Row("06-121r3 7.3.4", "an old state gives everything", kvp(CAPABILITIES, updateSequence="1"),
        capabilities("wmts:Contents")),
    Row("06-121r3 7.3.5", "a format that is offered", kvp(CAPABILITIES, AcceptFormats="text/xml"), media("text/xml")),
    Row("06-121r3 7.3.5", "a format that is not", kvp(CAPABILITIES, AcceptFormats="text/none"),
        media("application/xml")),
    Row("7.1", "version is not asked for, and tolerated", kvp(CAPABILITIES, version="1.0.0"),
        capabilities("wmts:Contents")),
]  # fmt: skip
tiles = [
    *(Row("7.2", f"a tile as {mime}, KVP", kvp(TILE, format=mime), tile(mime))
      for mime in ("image/png", "image/jpeg", "image/webp")),
    *(Row("10 Table 33", f"a tile as .{extension}, REST", f"{TILE_PATH}.{extension}", tile(mime))
      for extension, mime in (("png", "image/png"), ("jpg", "image/jpeg"), ("webp", "image/webp"))),
    Row("7.2", "TileWidth x TileHeight of the set", kvp(TILE, TileMatrixSet="1km"), tile("image/png", 512)),
    *(Row("8", f"names without regard to case: {how.__name__}",
          "/wmts?" + urlencode({how(name): value for name, value in TILE.items()}), tile("image/png"))
      for how in (str.upper, str.lower)),
    Row("8", "parameters in any order", "/wmts?" + urlencode(dict(reversed(TILE.items()))), tile("image/png")),
    Row("7.2, 8", "unknown parameters are ignored", kvp(TILE, colour="red", Time="2024"), tile("image/png")),
    *(Row("7.2 Table 9", f"the dimension {value}", kvp(TILE, layer="time_steps", Time=value), tile("image/png"))
      for value in ("default", "current", "2024-01-02T00:00:00Z", "2024-01-02")),
    Row("7.2 Table 9", "no dimension is its default", kvp(TILE, layer="time_steps"), tile("image/png")),
    Row("10", "a dimension in the path", "/wmts/time_steps/default/default/WebMercatorQuad/1/0/1.png",
        tile("image/png")),
    *(Row("7.3", f"information as {mime}, KVP", kvp(INFO, InfoFormat=mime), media(mime))
      for mime in ("application/json", "application/geo+json", "text/html", "text/plain", "application/gml+xml")),
    *(Row("10 Table 34", f"information as .{extension}, REST", f"{TILE_PATH}/2/1.{extension}", media(mime))
      for extension, mime in (("json", "application/json"), ("geojson", "application/geo+json"),
                              ("html", "text/html"), ("txt", "text/plain"), ("gml", "application/gml+xml"))),
]  # fmt: skip
addresses = [
    Row("10", "a query string on the document", f"{XML}?token=1", capabilities("wmts:Contents")),
    Row("10", "no such document", "/wmts/1.0.0/Bogus.xml", exception("NoApplicableCode", None, 404)),
    Row("10", "nothing below the document", f"{XML}/Bogus", exception("NoApplicableCode", None, 404)),
    Row("8", "nothing below the KVP endpoint", "/wmts/nonesuch", exception("NoApplicableCode", None, 404)),
    Row("10", "a type that is not there", XML, plain(406), {"Accept": "example/unknown"}),
    *(Row("10", f"no such {part}, REST", TILE_PATH.replace(old, "none") + ".png", plain(404))
      for part, old in (("layer", "global_180"), ("style", "default"), ("set", "WebMercatorQuad"), ("matrix", "/1/"))
      if old != "/1/"),
    Row("10", "no such row, REST", "/wmts/global_180/default/WebMercatorQuad/1/2/1.png",
        exception("TileOutOfRange", "TileRow", 404)),
    Row("10", "no such format, REST", f"{TILE_PATH}.none", exception("InvalidParameterValue", "Format", 404)),
    Row("10", "no such point, REST", f"{TILE_PATH}/2/256.json", exception("PointIJOutOfRange", "I", 404)),
]  # fmt: skip
TABLE = [*documents, *missing, *invalid, *ranges, *tiles, *addresses]


@pytest.fixture(scope="module", params=["tidy", "real"])
def server(request):
    """Serve a store of a few tidy layers, then one of every real file: a tidy store hides what files bring along."""
    return request.getfixturevalue("server" if request.param == "tidy" else "real_server")


@pytest.fixture(scope="module")
def schemas(capabilities_schema, exception_schema):
    return {"capabilities": capabilities_schema, "exception": exception_schema}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.clause}: {row.what}")
def test_requirement(server, schemas, row):
    row.check(server.get(row.path, row.headers), schemas)


def test_kvp_and_rest_give_the_same_bytes(server):
    """Clause 10: a resource is the same in both encodings."""
    pairs = [(kvp(TILE), f"{TILE_PATH}.png"), (kvp(CAPABILITIES), XML), (kvp(INFO), f"{TILE_PATH}/2/1.json"),
             (kvp(TILE, layer="time_steps", Time="2024-01-01"),
              "/wmts/time_steps/default/2024-01-01/WebMercatorQuad/1/0/1.png")]  # fmt: skip
    for one, other in pairs:
        assert server.get(one).body == server.get(other).body
