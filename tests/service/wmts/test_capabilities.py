"""The capabilities document against the schemas of the OGC, and as a client library reads it."""

import io
import json
from dataclasses import replace
from importlib import import_module
from urllib.parse import urlsplit

import numpy as np
import pytest
from lxml import etree
from owslib.wmts import WebMapTileService
from PIL import Image

from tests import data
from tests.service.harness import NAMESPACES, running

PATH = "/wmts/1.0.0/WMTSCapabilities.xml"
KVP = "/wmts?service=WMTS&request=GetCapabilities"


@pytest.fixture(scope="module")
def document(server):
    return etree.fromstring(server.get(PATH).body)


def find(document, path):
    return document.xpath(path, namespaces=NAMESPACES)


def layer_of(document, name):
    return find(document, f"//wmts:Layer[ows:Identifier='{name}']")[0]


def test_it_is_valid(server, document, capabilities_schema):
    capabilities_schema.assertValid(document)
    capabilities_schema.assertValid(etree.fromstring(server.get(KVP).body))


def test_every_synthetic_dataset_gives_a_valid_document(tmp_path, capabilities_schema):
    for make in data.CATALOGUE.values():
        make().write(tmp_path / "store")
    with running(tmp_path / "store", tmp_path / "cache") as server:
        capabilities_schema.assertValid(etree.fromstring(server.get(PATH).body))


def test_kvp_and_rest_give_the_same_document(server):
    assert server.get(KVP).body == server.get(PATH).body
    assert server.get(f"{PATH}?token=1").status == 200
    assert server.get(PATH).headers["Content-Type"] == "application/xml"
    assert server.get(f"{KVP}&AcceptFormats=text/xml").headers["Content-Type"] == "text/xml"
    assert server.get(f"{KVP}&AcceptFormats=image/png").headers["Content-Type"] == "application/xml"
    assert server.get(f"{KVP}&version=1.0.0").status == 200


def test_accept(server):
    for accept in ("*/*", "text/xml", "application/xml;q=0.9, */*;q=0.1", "text/html,application/xhtml+xml"):
        assert server.get(PATH, {"Accept": accept}).status == 200
    assert server.get(PATH, {"Accept": "example/unknown"}).status == 406


def test_versions_and_sections(server, capabilities_schema):
    assert server.get(f"{KVP}&AcceptVersions=2.0.0,1.0.0").status == 200
    assert server.get(f"{KVP}&AcceptVersions=2.0.0").exception() == (400, "VersionNegotiationFailed", None)
    part = etree.fromstring(server.get(f"{KVP}&Sections=Contents,ServiceProvider").body)
    assert [etree.QName(child).localname for child in part] == ["ServiceProvider", "Contents"]
    capabilities_schema.assertValid(part)
    assert server.get(f"{KVP}&Sections=All").body == server.get(KVP).body
    assert server.get(f"{KVP}&Sections=Nope").exception() == (400, "InvalidParameterValue", "sections")
    assert server.get(f"{KVP}&Sections=").exception() == (400, "MissingParameterValue", "sections")


def test_addresses_are_absolute(server, document):
    hrefs = find(document, "//ows:Get/@xlink:href")
    assert all(href.startswith(f"http://127.0.0.1:{server.port}/wmts") for href in hrefs)
    kvp = find(document, "//ows:Get[ows:Constraint//ows:Value='KVP']/@xlink:href")
    assert len(kvp) == 4
    assert all(href.endswith("?") for href in kvp)
    assert find(document, "//wmts:ServiceMetadataURL/@xlink:href") == [f"{server.url}{PATH}"]
    other = etree.fromstring(server.get(PATH, {"Host": "tiles.example:81"}).body)
    assert find(other, "//wmts:ServiceMetadataURL/@xlink:href") == [f"http://tiles.example:81{PATH}"]


def test_the_public_address_takes_precedence(store, tmp_path):
    with running(store, tmp_path / "c", public_url="https://maps.example/tiles/") as server:
        document = etree.fromstring(server.get(PATH, {"Host": "evil.example"}).body)
        assert find(document, "//wmts:ServiceMetadataURL/@xlink:href") == [f"https://maps.example/tiles{PATH}"]


def test_layers(document):
    layer = layer_of(document, "time_steps")
    time = find(layer, "wmts:Dimension")[0]
    assert find(time, "ows:Identifier/text()") == ["Time"]
    assert find(time, "ows:UOM/text()") == ["ISO8601"]
    assert find(time, "wmts:Default/text()") == ["2024-01-03T00:00:00Z"]
    assert find(time, "wmts:Current/text()") == ["true"]
    assert find(time, "wmts:Value/text()") == [f"2024-01-0{day}T00:00:00Z" for day in (1, 2, 3)]
    assert find(layer, "wmts:Format/text()") == ["image/png", "image/jpeg", "image/webp"]
    assert find(layer, "wmts:Style[@isDefault='true']/ows:Identifier/text()") == ["default"]
    templates = find(layer, "wmts:ResourceURL[@resourceType='tile']/@template")
    assert len(templates) == 1
    assert "/wmts/time_steps/{Style}/{Time}/{TileMatrixSet}/{TileMatrix}/{TileRow}/{TileCol}.png" in templates[0]
    levels = find(layer_of(document, "extra_dimension"), "wmts:Dimension[2]/wmts:Value/text()")
    assert levels == ["200", "500", "850"]


def test_every_layer_has_its_colormap_at_the_address_of_gibs(server, document):
    for layer in find(document, "//wmts:Layer"):
        [metadata] = find(layer, "ows:Metadata")
        assert metadata.get("{http://www.w3.org/1999/xlink}role").endswith("/metadata-type/colormap/1.3")
        address = urlsplit(metadata.get("{http://www.w3.org/1999/xlink}href")).path
        assert etree.fromstring(server.get(address).body).tag == "ColorMaps"


def test_linked_sets_suit_the_resolution(document):
    links = find(layer_of(document, "global_180"), "wmts:TileMatrixSetLink/wmts:TileMatrixSet/text()")
    assert {"WebMercatorQuad", "WorldCRS84Quad", "1km", "GoogleMapsCompatible_Level7", "native_global_180"} <= set(
        links
    )
    assert not {"250m", "15.625m", "GoogleMapsCompatible_Level13"} & set(links)
    described = find(document, "//wmts:Contents/wmts:TileMatrixSet/ows:Identifier/text()")
    assert set(links) <= set(described)
    assert len(described) == len(set(described))


def test_bounding_boxes_in_every_linked_crs(document):
    layer = layer_of(document, "odd_sizes")
    boxes = {box.get("crs"): box for box in find(layer, "ows:BoundingBox")}
    assert {"urn:ogc:def:crs:EPSG::3857", "urn:ogc:def:crs:OGC:1.3:CRS84"} <= set(boxes)
    west, south = map(float, boxes["urn:ogc:def:crs:OGC:1.3:CRS84"][0].text.split())
    assert (west, south) == pytest.approx((3.0, 47.0 - 517 / 60))
    assert len(find(layer, "ows:WGS84BoundingBox")) == 1


def test_limits_of_a_regional_layer_hold_its_data_and_no_empty_row(server, document):
    layer = layer_of(document, "extra_dimension")  # 20 W to 40 E, 30 to 60 N
    limits = find(layer, "wmts:TileMatrixSetLink[wmts:TileMatrixSet='WorldCRS84Quad']//wmts:TileMatrixLimits")
    rows = {item[0].text: [int(child.text) for child in item[1:]] for item in limits}
    assert rows["3"] == [1, 2, 7, 9]  # 22.5 degrees a tile: rows from 67.5 N to 22.5 N, columns from 22.5 W to 45 E
    assert "0" not in rows  # of one row, which the schema cannot express
    assert not find(layer_of(document, "global_180"), ".//wmts:TileMatrixLimits")  # nor in polar sets, which it fills
    assert server.get("/wmts/extra_dimension/default/default/default/WorldCRS84Quad/3/1/7.png").status == 200


def test_an_edge_on_a_tile_border_adds_no_row(server):
    from lazytile.pyramid.catalog.tile_limits import tiles_with_data
    from lazytile.pyramid.tiling.tms import REGISTERED

    layer = server.context.snapshot.layer("extra_dimension")
    from lazytile.pyramid.core.grid import Grid, RegularAxis

    grid = Grid("EPSG:4326", RegularAxis(-45.0, 0.5, 90), RegularAxis(45.0, -0.5, 90))
    exact = replace(layer, dataset=replace(layer.dataset, grid=grid))
    tms = REGISTERED["WorldCRS84Quad"]
    limits = tiles_with_data(exact, tms, tms.matrix("2"))
    assert (limits.min_row, limits.max_row, limits.min_col, limits.max_col) == (1, 1, 3, 3)


def test_top_left_corners_and_scales(document):
    sets = {
        find(item, "ows:Identifier/text()")[0]: item for item in find(document, "//wmts:Contents/wmts:TileMatrixSet")
    }
    corner = {name: find(item, "wmts:TileMatrix[1]/wmts:TopLeftCorner/text()")[0] for name, item in sets.items()}
    assert corner["1km"] == "-180 90"
    assert corner["WebMercatorQuad"] == "-20037508.342789244 20037508.342789244"
    scale = {
        name: float(find(item, "wmts:TileMatrix[1]/wmts:ScaleDenominator/text()")[0]) for name, item in sets.items()
    }
    assert scale["1km"] == pytest.approx(223632905.6114871, abs=1e-6)
    assert scale["WebMercatorQuad"] == pytest.approx(559082264.0287178, abs=1e-6)
    assert not find(sets["WorldCRS84Quad"], "wmts:WellKnownScaleSet")


@pytest.mark.filterwarnings("ignore:Truth-testing of elements:FutureWarning")  # OWSLib's own
def test_owslib_reads_it_and_fetches_a_tile(server):
    wmts = WebMapTileService(f"{server.url}{PATH}")
    assert {"global_180", "time_steps", "two_variables.u"} <= set(wmts.contents)
    assert wmts.contents["time_steps"].dimensions["Time"]["values"] == [
        f"2024-01-0{day}T00:00:00Z" for day in (1, 2, 3)
    ]
    tile = wmts.gettile(
        layer="global_180", style="default", tilematrixset="1km", tilematrix="0", row=0, column=0, format="image/png"
    )
    assert Image.open(io.BytesIO(tile.read())).size == (512, 512)


def corner_of(link):
    """A tile that a TileMatrixSetLink names: of the limits the last one, the one that the schema's trap would break."""
    limits = find(link, ".//wmts:TileMatrixLimits[1]")
    if not limits:
        return {"TileMatrix": "0", "TileRow": "0", "TileCol": "0"}
    matrix, _, row, _, col = (child.text for child in limits[0])
    return {"TileMatrix": matrix, "TileRow": row, "TileCol": col}


def test_every_template_resolves_to_a_tile(server, document):
    values = {"Style": "default", "Time": "default", "level": "default", "I": "0", "J": "0"}
    for layer in find(document, "//wmts:Layer"):
        for template in find(layer, "wmts:ResourceURL/@template"):
            for link in find(layer, "wmts:TileMatrixSetLink"):
                tms = find(link, "wmts:TileMatrixSet/text()")[0]
                if "{J}" in template and tms != "WebMercatorQuad":
                    continue
                address = urlsplit(template.format(**values, **corner_of(link), TileMatrixSet=tms)).path
                assert server.get(address).status == 200, address


def test_tiles_outside_the_limits(server, document, exception_schema):
    """TileOutOfRange in WMTS (Table 24); GIBS's clients and those of XYZ, which have no limits, get empty tiles."""
    layer = layer_of(document, "extra_dimension")
    link = find(layer, "wmts:TileMatrixSetLink[wmts:TileMatrixSet='WorldCRS84Quad']")[0]
    for limits in find(link, ".//wmts:TileMatrixLimits")[:5]:
        matrix, low_row, high_row, low_col, high_col = (child.text for child in limits)
        common = {"layer": "extra_dimension", "TileMatrixSet": "WorldCRS84Quad", "TileMatrix": matrix}
        size = 2 ** int(matrix)
        for row in {int(low_row), int(high_row)}:
            for col in {int(low_col), int(high_col)}:
                assert server.kvp(**common, TileRow=str(row), TileCol=str(col)).status == 200
        outside = [("TileRow", row) for row in (int(low_row) - 1, int(high_row) + 1) if 0 <= row < size]
        outside += [("TileCol", col) for col in (int(low_col) - 1, int(high_col) + 1) if 0 <= col < 2 * size]
        for name, value in outside:
            address = {"TileRow": low_row, "TileCol": low_col, name: str(value)}
            reply = server.kvp(**common, **address)
            assert reply.exception() == (400, "TileOutOfRange", name)
            exception_schema.assertValid(etree.fromstring(reply.body))
            info = {"request": "GetFeatureInfo", "I": "0", "J": "0", "InfoFormat": "text/plain"}
            assert server.kvp(**common, **address, **info).exception() == (400, "TileOutOfRange", name)
            tile = f"{matrix}/{address['TileRow']}/{address['TileCol']}"
            path = f"extra_dimension/default/default/default/WorldCRS84Quad/{tile}"
            # REST is what clients use that know the bounds and no limits: they ask for the next row and get nothing.
            beyond = server.get(f"/wmts/{path}.png")
            assert beyond.status == 200
            assert not np.asarray(Image.open(io.BytesIO(beyond.body)).convert("RGBA"))[..., 3].any()
            low, high = (low_row, high_row) if name == "TileRow" else (low_col, high_col)
            further = value + (1 if value > int(high) else -1)
            if 0 <= further < (size if name == "TileRow" else 2 * size):
                row, col = (further, address["TileCol"]) if name == "TileRow" else (address["TileRow"], further)
                two_off = f"extra_dimension/default/default/default/WorldCRS84Quad/{matrix}/{row}/{col}"
                assert server.get(f"/wmts/{two_off}.png").exception() == (404, "TileOutOfRange", name)
                assert int(low) > 0 or value > int(high)
            assert server.get(f"/wmts/epsg4326/best/{path}.png").status == 200
    assert server.get("/xyz/extra_dimension/3/0/7.png").status == 200
    # A matrix of one row cannot have limits in the published schema, so all of it is there.
    assert server.get("/wmts/extra_dimension/default/default/default/WorldCRS84Quad/0/0/1.png").status == 200


def test_formats_of_resource_urls_are_a_setting(store, tmp_path):
    """OpenLayers takes the ResourceURLs of several formats for mirrors: by default there is one, that of PNG."""
    with running(store, tmp_path / "c", resource_url_formats=("webp", "png")) as server:
        document = etree.fromstring(server.get(PATH).body)
        layer = layer_of(document, "global_180")
        assert find(layer, "wmts:ResourceURL[@resourceType='tile']/@format") == ["image/webp", "image/png"]
        assert find(layer, "wmts:Format/text()") == ["image/png", "image/jpeg", "image/webp"]


def test_native_sets_of_regional_layers_have_limits_in_every_matrix(server, document):
    """OpenLayers offers only the matrices with limits (ol/tilegrid/WMTS); all tiles within them are there."""
    for name in ("extra_dimension", "odd_sizes", "antimeridian", "mercator"):
        layer = layer_of(document, name)
        tms = f"native_{server.context.snapshot.layer(name).dataset.name}"
        links = find(layer, f"wmts:TileMatrixSetLink[wmts:TileMatrixSet='{tms}']")
        if not links:
            continue  # its pixels are not square
        keys = ("MatrixHeight", "MatrixWidth")
        sizes = {
            find(each, "ows:Identifier/text()")[0]: [int(find(each, f"wmts:{key}/text()")[0]) for key in keys]
            for each in find(document, f"//wmts:TileMatrixSet[ows:Identifier='{tms}']/wmts:TileMatrix")
        }
        limits = {each[0].text: [int(child.text) for child in each[1:]] for each in find(
            links[0], ".//wmts:TileMatrixLimits")}  # fmt: skip
        assert limits.keys() == sizes.keys()
        dimensions = {"antimeridian": "", "mercator": "", "odd_sizes": "", "extra_dimension": "default/default/"}[name]
        for matrix, (first_row, last_row, first_col, last_col) in limits.items():
            height, width = sizes[matrix]
            assert (first_row, first_col) == (0, 0)
            assert (last_row, last_col) == (max(height - 1, 1), max(width - 1, 1))
            for row, col in ((0, 0), (last_row, 0), (0, last_col), (last_row, last_col)):
                reply = server.get(f"/wmts/{name}/default/{dimensions}{tms}/{matrix}/{row}/{col}.png")
                assert reply.status == 200, reply.body
                kvp = server.kvp(layer=name, TileMatrixSet=tms, TileMatrix=matrix, TileRow=str(row), TileCol=str(col))
                assert kvp.body == reply.body
                if row >= height or col >= width:
                    assert not np.asarray(Image.open(io.BytesIO(reply.body)).convert("RGBA"))[..., 3].any()


def test_a_new_dataset_appears_without_a_restart(tmp_path):
    store = tmp_path / "store"
    data.CATALOGUE["constant"]().write(store)
    with running(store, tmp_path / "cache") as server:
        before = server.get(PATH)
        data.CATALOGUE["polar_rows"]().write(store)
        after = server.get(PATH)
        assert b"polar_rows" in after.body
        assert b"polar_rows" not in before.body
        assert server.get(PATH, {"If-None-Match": before.headers["ETag"]}).status == 200
        assert json.loads(server.get("/healthz").body)["datasets"] == 2


def test_an_empty_store(tmp_path, capabilities_schema):
    (tmp_path / "store").mkdir()
    with running(tmp_path / "store", tmp_path / "cache") as server:
        capabilities_schema.assertValid(etree.fromstring(server.get(PATH).body))
        assert server.kvp().exception() == (400, "InvalidParameterValue", "Layer")


def test_styles_suit_the_layer_and_have_legends(server, document):
    layer = layer_of(document, "time_steps")  # in kelvin
    names = find(layer, "wmts:Style/ows:Identifier/text()")
    assert names[0] == "default"
    assert "air_temperature" in names
    assert "classes" not in names
    assert server.kvp(layer="time_steps", style="classes").status == 200  # not listed, but available
    legends = find(layer, "wmts:Style/wmts:LegendURL")
    assert len(legends) == 3 * len(names)
    for legend in legends:
        address = urlsplit(legend.get("{http://www.w3.org/1999/xlink}href")).path
        reply = server.get(address)
        assert (reply.status, reply.headers["Content-Type"]) == (200, legend.get("format")), address
        if legend.get("format") == "image/png":
            size = Image.open(io.BytesIO(reply.body)).size
        else:
            root = etree.fromstring(reply.body)
            size = (int(root.get("width")), int(root.get("height")))
        if "default" not in address:
            assert size == (int(legend.get("width")), int(legend.get("height")))


def test_legends_and_colormaps_by_address(server):
    assert server.get("/legends/air_temperature_H.svg").body != server.get("/legends/air_temperature_V.svg").body
    document = server.get("/colormaps/air_temperature.xml")
    assert document.headers["Content-Type"] == "text/xml"
    assert etree.fromstring(document.body).tag == "ColorMaps"
    assert server.get("/colormaps/v1.3/air_temperature.xml").body == document.body
    assert server.get("/colormaps/time_steps/default.xml").status == 200
    assert server.get("/legends/air_temperature_H.svg", {"If-None-Match": "*"}).status == 304
    bad = ("/legends/nope_H.svg", "/legends/air_temperature_X.svg", "/legends/air_temperature_H.gif", "/legends/",
           "/legends/nope/default_H.svg", "/legends/time_steps/nope_H.svg", "/legends/a/b/c_H.svg", "/colormaps/",
           "/colormaps/nope.xml", "/colormaps/grey.txt", "/colormaps/..%2F..%2Fx.xml")  # fmt: skip
    for path in bad:
        reply = server.get(path)
        assert reply.status == 404, path
        assert json.loads(reply.body)["status"] == 404


def test_a_thousand_layers(tmp_path):
    store = tmp_path / "store"
    made = data.CATALOGUE["constant"]()
    for number in range(1000):
        folder = store / f"layer{number}.zarr"
        folder.mkdir(parents=True)
        description = replace(made.description(), name=f"layer{number}")
        (folder / "zarr.json").write_text(
            json.dumps({"zarr_format": 3, "node_type": "group", "attributes": {"lazytile": description.to_json()}})
        )
    with running(store, tmp_path / "cache") as server:
        first = server.get(PATH)
        assert first.body.count(b"<Layer>") == 1000
        assert server.get(PATH, {"If-None-Match": first.headers["ETag"]}).status == 304


def test_update_sequence(server, document, capabilities_schema):
    now = int(document.get("updateSequence"))
    same = etree.fromstring(server.get(f"{KVP}&updateSequence={now}").body)
    assert (len(same), same.get("updateSequence"), same.get("version")) == (0, str(now), "1.0.0")
    capabilities_schema.assertValid(same)
    assert len(etree.fromstring(server.get(f"{KVP}&updateSequence={now - 1}").body)) == len(document)
    assert server.get(f"{KVP}&updateSequence={now + 1}").exception() == (400, "InvalidUpdateSequence", None)
    assert server.get(f"{KVP}&updateSequence=x").exception() == (400, "InvalidParameterValue", "updateSequence")
    assert server.get(f"{KVP}&updateSequence=").status == 200


def test_gibs_addresses(server, capabilities_schema):
    base = "/wmts/epsg4326/best"
    tile = server.get(f"{base}/time_steps/default/2024-01-02/1km/1/0/0.png")
    assert tile.status == 200
    assert tile.body == server.get("/wmts/time_steps/default/2024-01-02/1km/1/0/0.png").body
    query = "SERVICE=WMTS&REQUEST=GetTile&VERSION=1.0.0&LAYER=time_steps&TIME=2024-01-02&TILEMATRIXSET=1km"
    script = f"{base}/wmts.cgi?{query}&TILEMATRIX=1&TILEROW=0&TILECOL=0&FORMAT=image%2Fpng"
    assert server.get(script).body == tile.body  # STYLE may be left out there
    assert server.get(script.replace("1km", "9km")).exception() == (400, "InvalidParameterValue", "TileMatrixSet")
    for path in (f"{base}/1.0.0/WMTSCapabilities.xml", f"{base}/wmts.cgi?SERVICE=WMTS&REQUEST=GetCapabilities"):
        document = etree.fromstring(server.get(path).body)
        capabilities_schema.assertValid(document)
        assert set(find(document, "//ows:SupportedCRS/text()")) == {"urn:ogc:def:crs:OGC:1.3:CRS84"}
        times = find(layer_of(document, "time_steps"), "wmts:Dimension/wmts:Value/text()")
        assert times == ["2024-01-01T00:00:00Z/2024-01-03T00:00:00Z/P1D"]
        assert all(f"{base}/" in template for template in find(document, "//wmts:ResourceURL/@template"))
    assert server.get("/wmts/epsg4326/worst/1.0.0/WMTSCapabilities.xml").status == 404
    assert server.get("/wmts/epsg4326/best/nonesuch").status == 404


WMS = "/wms?service=WMS&version=1.3.0&request=GetCapabilities"


@pytest.mark.parametrize(
    ("path", "owner", "name"),
    [(PATH, "lazytile.service.wmts.capabilities.Capabilities", "_template"),
     (WMS, "lazytile.service.wms.capabilities.CapabilitiesWriter", "write")],
)  # fmt: skip
def test_distinct_hosts_do_not_make_the_document_anew(store, tmp_path, monkeypatch, path, owner, name):
    module, _, attribute = owner.rpartition(".")
    made, cls = [], getattr(import_module(module), attribute)
    make = getattr(cls, name)
    monkeypatch.setattr(cls, name, lambda *arguments: made.append(1) or make(*arguments))
    with running(store, tmp_path / "cache") as server:
        replies = {host: server.get(path, {"Host": host}) for host in ("a.example", "b.example:81", "c-d.example")}
    assert {reply.status for reply in replies.values()} == {200}
    assert len(made) == 1
    for host, reply in replies.items():
        text = reply.body.decode()
        assert f"http://{host}/" in text
        assert text.replace(f"http://{host}", "") == replies["a.example"].body.decode().replace("http://a.example", "")
    assert len({reply.headers["ETag"] for reply in replies.values()}) == 3
