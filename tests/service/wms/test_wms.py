"""WMS 1.3.0 and 1.1.1: maps of any position and size, pixel for pixel those of tiles."""

import io
import json
from urllib.parse import quote_plus, urlencode

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from PIL import Image

from tests import data
from tests.schemas import packaged, schema
from tests.service.harness import running

MAP = {
    "SERVICE": "WMS", "VERSION": "1.3.0", "REQUEST": "GetMap", "LAYERS": "global_180", "STYLES": "", "CRS": "CRS:84",
    "BBOX": "-90,0,-45,45", "WIDTH": "256", "HEIGHT": "256", "FORMAT": "image/png", "TRANSPARENT": "TRUE",
}  # fmt: skip
WMS = {"wms": "http://www.opengis.net/wms", "xlink": "http://www.w3.org/1999/xlink"}


def ask(server, **changes):
    pairs = {name: value for name, value in {**MAP, **changes}.items() if value is not None}
    return server.get(f"/wms?{urlencode(pairs)}")


def old(**changes):
    return {"VERSION": "1.1.1", "CRS": None, "SRS": "EPSG:4326", **changes}


def rgba(reply):
    assert reply.status == 200, reply.body
    return np.asarray(Image.open(io.BytesIO(reply.body)).convert("RGBA"))


def tile(server, path):
    return rgba(server.get(f"/wmts/{path}.png"))


def fault(reply):
    """Status and code of an exception report."""
    root = etree.fromstring(reply.body)
    if root.get("version") == "1.3.0":
        assert reply.headers["Content-Type"] == "text/xml"
        assert root.tag == "{http://www.opengis.net/ogc}ServiceExceptionReport"
    else:
        assert reply.headers["Content-Type"] == "application/vnd.ogc.se_xml"
        assert root.tag == "ServiceExceptionReport"
    [exception] = root
    assert exception.text.strip()
    return reply.status, exception.get("code")


def test_a_map_equals_the_tile_of_the_same_area(server):
    expected = tile(server, "global_180/default/WorldCRS84Quad/2/1/2")
    assert np.array_equal(rgba(ask(server)), expected)
    assert np.array_equal(rgba(ask(server, CRS="EPSG:4326", BBOX="0,-90,45,-45")), expected)
    assert np.array_equal(rgba(ask(server, **old(BBOX="-90,0,-45,45"))), expected)
    half = 20037508.342789244
    mercator = tile(server, "global_180/default/WebMercatorQuad/1/0/1")
    assert np.array_equal(rgba(ask(server, CRS="EPSG:3857", BBOX=f"0,0,{half},{half}")), mercator)
    assert np.array_equal(rgba(ask(server, **old(SRS="EPSG:3857", BBOX=f"0,0,{half},{half}"))), mercator)


@pytest.mark.parametrize(("crs", "name"), [("EPSG:3413", "EPSG3413_1km"), ("EPSG:3031", "EPSG3031_1km")])
def test_polar_maps(server, crs, name):
    # One tile is half of the set at zoom 0.
    expected = tile(server, f"global_180/default/{name}/0/0/0")
    ours = rgba(ask(server, CRS=crs, BBOX="-4194304,0,0,4194304", WIDTH="512", HEIGHT="512"))
    assert np.array_equal(ours, expected)
    assert len(np.unique(ours.reshape(-1, 4), axis=0)) > 10


def test_any_size_and_shape(server):
    whole = rgba(ask(server, BBOX="-180,-90,180,90", WIDTH="360", HEIGHT="180"))
    part = rgba(ask(server, BBOX="-100,10,-37,33", WIDTH="63", HEIGHT="23"))
    assert part.shape == (23, 63, 4)
    assert np.array_equal(part, whole[90 - 33 : 90 - 10, 80:143])
    stretched = rgba(ask(server, BBOX="-100,10,-37,33", WIDTH="126", HEIGHT="23"))
    assert stretched.shape == (23, 126, 4)


def test_a_map_crosses_the_antimeridian(server):
    across = rgba(ask(server, BBOX="135,0,225,45", WIDTH="512", HEIGHT="256"))
    east = rgba(ask(server, BBOX="135,0,180,45"))
    west = rgba(ask(server, BBOX="-180,0,-135,45"))
    assert np.array_equal(across, np.concatenate((east, west), axis=1))


def test_beyond_the_pole_there_is_no_data(server):
    pixels = rgba(ask(server, BBOX="0,80,20,100", WIDTH="20", HEIGHT="20"))
    assert (pixels[:10, :, 3] == 0).all()
    assert (pixels[10:, :, 3] > 0).any()


def test_background(server):
    seen = rgba(ask(server, LAYERS="antimeridian", BBOX="-180,-90,180,90"))
    empty = seen[..., 3] == 0
    assert empty.any()
    assert not empty.all()
    white = rgba(ask(server, LAYERS="antimeridian", BBOX="-180,-90,180,90", TRANSPARENT=None))
    assert (white[empty] == 255).all()
    blue = rgba(ask(server, LAYERS="antimeridian", BBOX="-180,-90,180,90", TRANSPARENT="FALSE", BGCOLOR="0x0000FF"))
    assert (blue[empty] == [0, 0, 255, 255]).all()
    solid = seen[..., 3] == 255
    assert np.array_equal(blue[solid], seen[solid])
    jpeg = ask(server, LAYERS="antimeridian", BBOX="-180,-90,180,90", TRANSPARENT="FALSE", BGCOLOR="0x0000FF",
               FORMAT="image/jpeg")  # fmt: skip
    assert jpeg.headers["Content-Type"] == "image/jpeg"
    assert np.abs(rgba(jpeg)[0, 0].astype(int) - [0, 0, 255, 255]).max() < 8


def test_styles_formats_and_options(server):
    style = json.loads(server.get("/ogc/collections/global_180/styles").body)["styles"][1]["id"]
    ours = rgba(ask(server, STYLES=style))
    assert np.array_equal(ours, tile(server, f"global_180/{style}/WorldCRS84Quad/2/1/2"))
    assert not np.array_equal(ours, rgba(ask(server)))
    assert ask(server, FORMAT="image/webp").headers["Content-Type"] == "image/webp"
    assert ask(server, FORMAT="image/png; mode=8bit").headers["Content-Type"] == "image/png"
    smooth = server.get("/wmts/global_180/default/WorldCRS84Quad/2/1/2.png?resampling=bilinear")
    assert np.array_equal(rgba(ask(server, RESAMPLING="bilinear")), rgba(smooth))
    assert fault(ask(server, RESAMPLING="bilinear", WIDTH="2000", HEIGHT="10"))[0] == 400


def test_time(server):
    label = data.CATALOGUE["time_steps"]().fields[0].dimensions[0].labels[1]
    reply = ask(server, LAYERS="time_steps", TIME=label[:10], BBOX="-180,-90,180,90")
    assert reply.headers["Layer-Time-Actual"] == label
    assert reply.body != ask(server, LAYERS="time_steps", BBOX="-180,-90,180,90").body
    assert fault(ask(server, LAYERS="time_steps", TIME="1999-01-01")) == (400, "InvalidDimensionValue")


def test_other_dimensions(server):
    [other] = [each for each in data.CATALOGUE["extra_dimension"]().fields[0].dimensions if each.kind != "time"]
    shown = {
        ask(server, LAYERS="extra_dimension", BBOX="-180,-90,180,90", **{f"dim_{other.name}": label}).body
        for label in other.labels
    }
    assert len(shown) == len(other.labels)


def test_maps_are_conditional_and_cached(server):
    first = ask(server, BBOX="-91,0,-45,46")
    renders = server.counter("lazytile_renders_total")
    assert ask(server, BBOX="-91,0,-45,46").body == first.body
    assert server.counter("lazytile_renders_total") == renders
    pairs = urlencode({**MAP, "BBOX": "-91,0,-45,46"})
    assert server.get(f"/wms?{pairs}", {"If-None-Match": first.headers["ETag"]}).status == 304
    # Other places, sizes, CRSs and backgrounds are other maps.
    tags = {first.headers["ETag"]} | {
        ask(server, **change).headers["ETag"]
        for change in (
            {}, {"WIDTH": "255"}, {"HEIGHT": "255"}, {"CRS": "EPSG:3857"}, {"TRANSPARENT": "FALSE"},
            {"TRANSPARENT": "FALSE", "BGCOLOR": "0x000001"}, {"FORMAT": "image/webp"},
        )
    }  # fmt: skip
    assert len(tags) == 8


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"LAYERS": None}, "MissingParameterValue"),
        ({"LAYERS": "nope"}, "LayerNotDefined"),
        ({"LAYERS": "global_180,time_steps"}, "LayerNotDefined"),
        ({"STYLES": "nope"}, "StyleNotDefined"),
        ({"STYLES": "default,default"}, "StyleNotDefined"),
        ({"CRS": "EPSG:9999"}, "InvalidCRS"),
        ({"CRS": None}, "MissingParameterValue"),
        ({"FORMAT": "image/gif"}, "InvalidFormat"),
        ({"FORMAT": None}, "MissingParameterValue"),
        ({"BBOX": "1,2,3"}, "InvalidParameterValue"),
        ({"BBOX": "1,2,1,4"}, "InvalidParameterValue"),
        ({"BBOX": "nan,0,1,1"}, "InvalidParameterValue"),
        ({"BBOX": "-1e300,0,1e300,1"}, "InvalidParameterValue"),
        ({"BBOX": "0,0,1e-300,1"}, "InvalidParameterValue"),
        ({"BBOX": "0,0,1e-13,1e-13"}, "InvalidParameterValue"),
        ({"WIDTH": "0"}, "InvalidParameterValue"),
        ({"WIDTH": "100000"}, "InvalidParameterValue"),
        ({"HEIGHT": "-5"}, "InvalidParameterValue"),
        ({"HEIGHT": "\u0661"}, "InvalidParameterValue"),
        ({"TRANSPARENT": "maybe"}, "InvalidParameterValue"),
        ({"TRANSPARENT": "FALSE", "BGCOLOR": "red"}, "InvalidParameterValue"),
        ({"VERSION": None}, "MissingParameterValue"),
        ({"VERSION": "1.2.0"}, "InvalidParameterValue"),
        ({"REQUEST": "GetNothing"}, "OperationNotSupported"),
        ({"REQUEST": None}, "MissingParameterValue"),
        ({"SERVICE": "WFS"}, "InvalidParameterValue"),
        (old(SRS="EPSG:9999"), "InvalidSRS"),
        (old(SRS=None), "MissingParameterValue"),
    ],
)
def test_exceptions(server, changes, code):
    assert fault(ask(server, **changes)) == (400, code)


def test_the_largest_map_is_a_setting(store, tmp_path):
    with running(store, tmp_path / "cache", max_map_side_px=300) as server:
        assert ask(server, WIDTH="300", HEIGHT="300").status == 200
        assert fault(ask(server, WIDTH="301"))[0] == 400
        root = etree.fromstring(server.get("/wms?service=WMS&request=GetCapabilities").body)
        assert root.findtext(".//wms:MaxWidth", namespaces=WMS) == "300"


def test_a_map_may_take_so_long_and_no_longer(store, tmp_path):
    with running(store, tmp_path / "cache", max_map_ms=100) as server:
        polar = {"CRS": "EPSG:3413", "BBOX": "-4194304,-4194304,4194304,4194304"}
        assert ask(server, WIDTH="2048", HEIGHT="300").status == 200
        assert ask(server, WIDTH="256", HEIGHT="256", **polar).status == 200
        reply = ask(server, WIDTH="2048", HEIGHT="300", **polar)
        assert fault(reply)[0] == 400
        assert b"a map may take 0.1 s: request fewer pixels or a smaller area" in reply.body


def test_capabilities_130(server):
    reply = server.get("/wms?service=WMS&request=GetCapabilities")
    assert reply.headers["Content-Type"] == "text/xml"
    root = etree.fromstring(reply.body)
    assert (root.tag, root.get("version")) == ("{http://www.opengis.net/wms}WMS_Capabilities", "1.3.0")
    layers = {each.findtext("wms:Name", namespaces=WMS): each for each in root.iterfind(".//wms:Layer/wms:Layer", WMS)}
    boxes = {each.get("CRS"): each for each in layers["odd_sizes"].iterfind("wms:BoundingBox", WMS)}
    lat_lon, lon_lat = boxes["EPSG:4326"], boxes["CRS:84"]
    assert lat_lon.get("minx") == lon_lat.get("miny")
    assert lat_lon.get("maxy") == lon_lat.get("maxx")
    time = layers["time_steps"].find("wms:Dimension[@name='time']", WMS)
    labels = data.CATALOGUE["time_steps"]().fields[0].dimensions[0].labels
    assert time.get("default") == labels[-1]
    assert time.text.split(",") == list(labels)
    legend = layers["global_180"].find("wms:Style/wms:LegendURL/wms:OnlineResource", WMS)
    picture = server.get(legend.get(f"{{{WMS['xlink']}}}href").removeprefix(server.url))
    assert picture.headers["Content-Type"] == "image/png"
    assert Image.open(io.BytesIO(picture.body)).size > (10, 10)


def test_capabilities_111(server):
    for query in ("version=1.1.1", "version=1.0.0", "version=1.2.0", "wmtver=1.0.0"):
        reply = server.get(f"/wms?service=WMS&request=GetCapabilities&{query}")
        assert reply.headers["Content-Type"] == "application/vnd.ogc.wms_xml"
        root = etree.fromstring(reply.body)
        assert (root.tag, root.get("version")) == ("WMT_MS_Capabilities", "1.1.1")
    [layer] = [each for each in root.iterfind(".//Layer/Layer") if each.findtext("Name") == "time_steps"]
    assert layer.find("Dimension[@name='time']") is not None
    assert layer.findtext("Extent[@name='time']")
    assert layer.find("LatLonBoundingBox").get("minx") is not None
    newer = etree.fromstring(server.get("/wms?service=WMS&request=GetCapabilities&version=9.0.0").body)
    assert newer.get("version") == "1.3.0"


def test_feature_info_is_the_value_under_the_pixel(server):
    info = {"REQUEST": "GetFeatureInfo", "QUERY_LAYERS": "global_180", "INFO_FORMAT": "application/json"}
    values = np.load(io.BytesIO(server.get("/wmts/global_180/default/WorldCRS84Quad/2/1/2.npy").body))
    for i, j in ((0, 0), (100, 30), (255, 255)):
        for changes in ({"I": i, "J": j}, old(X=i, Y=j)):
            reply = ask(server, **info, **changes)
            assert reply.headers["Content-Type"] == "application/json"
            [feature] = json.loads(reply.body)["features"]
            reported = feature["properties"]["value"]
            expected = values[j, i]
            assert (reported is None and np.isnan(expected)) or reported == pytest.approx(float(expected), rel=1e-6)
    without_format = ask(server, REQUEST="GetFeatureInfo", QUERY_LAYERS="global_180", I=1, J=1, FORMAT=None)
    assert without_format.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"I": "256", "J": "0"}, "InvalidPoint"),
        ({"I": "0", "J": "-1"}, "InvalidPoint"),
        ({"I": "x", "J": "0"}, "InvalidPoint"),
        ({"I": "0"}, "MissingParameterValue"),
        ({"I": "0", "J": "0", "QUERY_LAYERS": None}, "MissingParameterValue"),
        ({"I": "0", "J": "0", "QUERY_LAYERS": "time_steps"}, "LayerNotDefined"),
        ({"I": "0", "J": "0", "INFO_FORMAT": "image/gif"}, "InvalidFormat"),
    ],
)
def test_feature_info_exceptions(server, changes, code):
    parameters = {
        "REQUEST": "GetFeatureInfo",
        "QUERY_LAYERS": "global_180",
        "INFO_FORMAT": "application/json",
        **changes,
    }
    assert fault(ask(server, **parameters)) == (400, code)


def test_legends(server):
    start = "/wms?service=WMS&version=1.3.0&request=GetLegendGraphic&layer=global_180"
    upright = Image.open(io.BytesIO(server.get(start).body))
    lying = Image.open(io.BytesIO(server.get(f"{start}&format=image/png&orientation=horizontal").body))
    assert upright.height > upright.width
    assert lying.width > lying.height
    svg = server.get(f"{start}&format=image/svg%2Bxml&style=default")
    assert svg.headers["Content-Type"] == "image/svg+xml"
    assert etree.fromstring(svg.body).tag.endswith("svg")
    assert fault(server.get(f"{start}&format=image/gif")) == (400, "InvalidFormat")
    assert fault(server.get(f"{start}&orientation=up"))[0] == 400
    assert fault(server.get(f"{start}&style=nope")) == (400, "StyleNotDefined")


@pytest.mark.parametrize("version", ["1.3.0", "1.1.1"])
def test_owslib(server, version):
    owslib = pytest.importorskip("owslib.wms")
    client = owslib.WebMapService(f"{server.url}/wms", version=version)
    assert {"global_180", "time_steps"} <= set(client.contents)
    layer = client["time_steps"]
    label = layer.timepositions[1]
    reply = client.getmap(
        layers=["time_steps"], styles=["default"], srs="EPSG:4326", bbox=(-90, 0, -45, 45), size=(256, 256),
        format="image/png", transparent=True, time=label,
    )  # fmt: skip
    expected = tile(server, f"time_steps/default/{label}/WorldCRS84Quad/2/1/2")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(reply.read())).convert("RGBA")), expected)
    exceptions = pytest.importorskip("owslib.util")
    with pytest.raises(exceptions.ServiceException, match="nope"):
        client.getmap(layers=["nope"], styles=[""], srs="EPSG:4326", bbox=(-90, 0, -45, 45), size=(9, 9),
                      format="image/png")  # fmt: skip


@pytest.mark.parametrize("version", ["1.3.0", "1.1.1"])
def test_gdal(server, version, tmp_path):
    rasterio = pytest.importorskip("rasterio")
    with rasterio.Env() as env:
        if "WMS" not in env.drivers():
            pytest.skip("this GDAL has no WMS driver")
    crs, box = ("CRS", "0,-90,45,-45") if version == "1.3.0" else ("SRS", "-90,0,-45,45")
    query = f"SERVICE=WMS&VERSION={version}&REQUEST=GetMap&LAYERS=global_180&{crs}=EPSG:4326&BBOX={box}"
    with (
        rasterio.Env(GDAL_HTTP_PROXY="", NO_PROXY="127.0.0.1"),
        rasterio.open(f"WMS:{server.url}/wms?{query}&FORMAT=image/png&TRANSPARENT=TRUE") as dataset,
    ):
        assert tuple(dataset.bounds) == pytest.approx((-90, 0, -45, 45))
        assert dataset.count == 4
    # As it opens by itself, GDAL makes up overviews; with a size of its own its blocks are tiles.
    order = "yxYX" if version == "1.3.0" else "xyXY"
    path = tmp_path / "wms.xml"
    path.write_text(
        f'<GDAL_WMS><Service name="WMS"><Version>{version}</Version><ServerUrl>{server.url}/wms?</ServerUrl>'
        f"<{crs}>EPSG:4326</{crs}><BBoxOrder>{order}</BBoxOrder><ImageFormat>image/png</ImageFormat>"
        "<Transparent>TRUE</Transparent><Layers>global_180</Layers><Styles/></Service><DataWindow>"
        "<UpperLeftX>-180</UpperLeftX><UpperLeftY>90</UpperLeftY><LowerRightX>180</LowerRightX>"
        "<LowerRightY>-90</LowerRightY><SizeX>2048</SizeX><SizeY>1024</SizeY></DataWindow>"
        "<BlockSizeX>256</BlockSizeX><BlockSizeY>256</BlockSizeY><BandsCount>4</BandsCount></GDAL_WMS>"
    )
    with rasterio.Env(GDAL_HTTP_PROXY="", NO_PROXY="127.0.0.1"), rasterio.open(path) as dataset:
        pixels = dataset.read(window=((256, 512), (512, 768)))
    expected = np.moveaxis(tile(server, "global_180/default/WorldCRS84Quad/2/1/2"), -1, 0)
    assert np.array_equal(pixels, expected)


NASTY = ["", "0", "-1", "1e9", "1e-30,0,1,1", "NaN", "inf", "9" * 500, "\u0660", "0,0,1,1", "-180,-90,180,90", "..",
         "\x00", "\x01", "\ud800", "\U0001f600", "<x>&\"'", "x" * 1500, "GetMap", "GetFeatureInfo", "GetLegendGraphic",
         "GetCapabilities", "1.1.1", "CRS:84", "EPSG:3413", "EPSG:3857", "time_steps", "TRUE", "4096"]  # fmt: skip
VALUE = st.sampled_from(NASTY) | st.text(max_size=30) | st.integers().map(str) | st.floats().map(str)
NAME = st.sampled_from([*MAP, "SRS", "BGCOLOR", "TIME", "ELEVATION", "QUERY_LAYERS", "I", "J", "X", "Y", "INFO_FORMAT",
                        "RESCALE", "RESAMPLING", "EXPRESSION", "COLORMAP", "FILTER"])  # fmt: skip


@settings(max_examples=150)
@given(changes=st.dictionaries(NAME, VALUE, max_size=4))
def test_any_parameters_get_a_valid_response_and_one_render(server, changes):
    pairs = {"WIDTH": "64", "HEIGHT": "64", "QUERY_LAYERS": "global_180", "I": "1", "J": "1", **changes}
    query = "&".join(
        f"{name}={quote_plus(value.encode('utf-8', 'surrogatepass'))}" for name, value in {**MAP, **pairs}.items()
    )
    renders = server.renders
    reply = server.get(f"/wms?{query}")
    assert reply.status < 500, (query, reply.body)
    if reply.status == 200:
        assert reply.body
    elif reply.headers["Content-Type"] != "application/problem+json":
        fault(reply)
    assert server.renders <= renders + 1


def test_the_capabilities_are_valid(server):
    reply = server.get("/wms?SERVICE=WMS&REQUEST=GetCapabilities&VERSION=1.3.0")
    schema("wms", "1.3.0", "capabilities_1_3_0.xsd").assertValid(etree.fromstring(reply.body))


@pytest.mark.parametrize("changes", [{"LAYERS": "nope"}, {"CRS": "EPSG:1"}, {"BBOX": "1,1,0,0"}, {"REQUEST": "Get"}])
def test_exceptions_are_valid(server, changes):
    schema("wms", "1.3.0", "exceptions_1_3_0.xsd").assertValid(etree.fromstring(ask(server, **changes).body))


def test_capabilities_of_111_are_valid(server):
    reply = server.get("/wms?SERVICE=WMS&REQUEST=GetCapabilities&VERSION=1.1.1")
    etree.DTD(str(packaged() / "wms" / "1.1.1" / "capabilities_1_1_1.dtd")).assertValid(etree.fromstring(reply.body))


def test_exceptions_of_111_are_valid(server):
    dtd = etree.DTD(str(packaged() / "wms" / "1.1.1" / "exception_1_1_1.dtd"))
    dtd.assertValid(etree.fromstring(ask(server, **old(LAYERS="nope")).body))
