"""What a request asks is answered or refused, never ignored: dimensions, legends, ranges, names of other servers.

WMS 1.3.0 (OGC 06-042, annex C), CF 4.3, GetLegendGraphic (OGC 05-078r4), ncWMS2 and the prototype.
"""

from __future__ import annotations

import io
import json
from urllib.parse import quote, urlencode

import numpy as np
import pytest
from lxml import etree
from PIL import Image

from lazytile.pyramid.store.dataset import Dimension
from tests import data
from tests.service.harness import running

WMS = {"w": "http://www.opengis.net/wms"}
TIMES = tuple(f"2024-01-{day:02d}T00:00:00Z" for day in (1, 2, 3, 8))
VERTICAL = {
    # name: dimension, labels as elevations, whether WMS has an elevation
    "depths": (Dimension("depth", "other", ("0", "10", "250.5"), "m", "depth", "down"), ("0", "-10", "-250.5")),
    "heights": (Dimension("z", "other", ("2", "100"), "m", "height", "up"), ("2", "100")),
    "pressures": (Dimension("plev", "other", ("850", "500"), "hPa", "air_pressure", "down"), ("850", "500")),
    "millibars": (Dimension("level", "other", ("200", "500", "850"), "millibars"), ("200", "500", "850")),
    "unnamed": (Dimension("olevel", "other", ("5", "15"), "meters", "", "down"), ("-5", "-15")),
    "hybrid": (
        Dimension("lev", "other", ("1", "2"), "1", "atmosphere_hybrid_sigma_pressure_coordinate", "down"), ("1", "2"),
    ),
    "old_depth": (Dimension("depth", "other", ("0", "50"), "meters"), ("0", "-50")),
    "below": (Dimension("soil", "other", ("0.1", "1"), "m", "depth_below_geoid"), ("-0.1", "-1")),
    "negative": (Dimension("z", "other", ("-5", "-1"), "m", "", "down"), ("5", "1")),
}  # fmt: skip
PLAIN = {
    "members": Dimension("member", "other", ("0", "1")),
    "months": Dimension("month", "other", ("1", "7")),
    "bands": Dimension("wavelength", "other", ("443", "560"), "nm"),
}
STEP = 10


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("asked")
    base = np.arange(8 * 16).reshape(8, 16)

    def write(name, dimensions, **options):
        shape = tuple(len(each.labels) for each in dimensions)
        # Each step adds its own number, so that a value says which step it is from.
        steps = np.arange(int(np.prod(shape, dtype=int))).reshape(shape) * 1000
        codes = (steps[..., None, None] + base).astype("int32")
        field = data.Field("v", codes, dimensions=dimensions, units="1", **options)
        data.Synthetic(name, -180.0, 90.0, 22.5, 22.5, (field,)).write(folder / "store")

    for name, (dimension, _) in VERTICAL.items():
        write(name, (Dimension("time", "time", TIMES), dimension))
    for name, dimension in PLAIN.items():
        write(name, (dimension,))
    write("times", (Dimension("time", "time", TIMES),))
    write("flat", ())
    write("classes", (), reduction="mode")
    with running(folder / "store", folder / "cache") as server:
        yield server


def wms(server, name, request="GetMap", **changes):
    pairs = {
        "service": "WMS", "version": "1.3.0", "request": request, "layers": name, "styles": "", "crs": "CRS:84",
        "bbox": "-180,-90,180,90", "width": "16", "height": "8", "format": "image/png", "transparent": "TRUE",
    } | changes  # fmt: skip
    return server.get(f"/wms?{urlencode({name: value for name, value in pairs.items() if value is not None})}")


def value_of(server, layer, **changes):
    reply = wms(server, layer, "GetFeatureInfo", query_layers=layer, i="0", j="0", info_format="application/geo+json",
                **changes)  # fmt: skip
    assert reply.status == 200, reply.body
    return json.loads(reply.body)["features"][0]["properties"]["value"]


def code(reply):
    assert reply.status == 400, reply.body
    [exception] = etree.fromstring(reply.body)
    return exception.get("code")


def picture(reply):
    assert reply.status == 200, reply.body
    return np.asarray(Image.open(io.BytesIO(reply.body)).convert("RGBA"))


# --- Dimensions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VERTICAL)
def test_any_vertical_axis_is_elevation_in_every_protocol(asked, name):
    """CF 4.3: by standard_name, units and positive; a depth of 10 m is the elevation -10, as in ncWMS."""
    dimension, elevations = VERTICAL[name]
    document = etree.fromstring(wms(asked, name, "GetCapabilities").body)
    [element] = document.xpath(f"//w:Layer[w:Name='{name}']/w:Dimension[@name='elevation']", namespaces=WMS)
    assert element.text.split(",") == list(elevations)
    assert (element.get("default"), element.get("units")) == (elevations[0], dimension.units)
    old = etree.fromstring(wms(asked, name, "GetCapabilities", version="1.1.1").body)
    [extent] = old.xpath(f"//Layer[Name='{name}']/Extent[@name='elevation']")
    assert extent.text.split(",") == list(elevations)
    last = len(TIMES) - 1
    for step, elevation in enumerate(elevations):
        expected = (last * len(elevations) + step) * 1000
        assert value_of(asked, name, elevation=elevation) == expected
        own = dimension.labels[step]
        assert value_of(asked, name, **{f"dim_{dimension.name}": own}) == expected
        tile = np.load(io.BytesIO(asked.get(f"/xyz/{name}/0/0/0.npy?elevation={elevation}").body))
        plain = np.load(io.BytesIO(asked.get(f"/xyz/{name}/0/0/0.npy?{dimension.name}={own}").body))
        np.testing.assert_array_equal(tile, plain)
        assert int(np.nanmin(tile)) // 1000 == expected // 1000
        ogc = asked.get(f"/ogc/collections/{name}/map/tiles/WebMercatorQuad/0/0/0?elevation={elevation}")
        kvp = asked.get(
            f"/wmts?service=WMTS&request=GetTile&version=1.0.0&layer={name}&style=default&format=image/png"
            f"&tilematrixset=WebMercatorQuad&tilematrix=0&tilerow=0&tilecol=0&ELEVATION={elevation}"
        )
        rest = asked.get(f"/wmts/{name}/default/default/{own}/WebMercatorQuad/0/0/0.png")
        assert ogc.status == kvp.status == rest.status == 200, ogc.body
        assert ogc.body == kvp.body == rest.body
        assert not {"Warning"} & {*ogc.headers, *kvp.headers}
        point = json.loads(asked.get(f"/numbers/{name}/point?lon=-170&lat=80&elevation={elevation}").body)
        assert point["value"] == expected
        tiles = json.loads(asked.get(f"/xyz/{name}.json?elevation={elevation}").body)["tiles"][0]
        assert tiles.endswith(f"?{dimension.name}={own}")


@pytest.mark.parametrize("name", PLAIN)
def test_other_axes_are_no_elevations(asked, name):
    document = etree.fromstring(wms(asked, name, "GetCapabilities").body)
    names = document.xpath(f"//w:Layer[w:Name='{name}']/w:Dimension/@name", namespaces=WMS)
    assert names == [PLAIN[name].name]
    assert value_of(asked, name, **{f"dim_{PLAIN[name].name}": PLAIN[name].labels[1]}) == 1000


def test_an_elevation_that_is_not_there_is_refused(asked):
    """OGC 06-042, C.3.3: InvalidDimensionValue, in the version of the request."""
    for value in ("-11", "10", "abc", "-10,-250.5", "0/-10"):
        assert code(wms(asked, "depths", elevation=value)) == "InvalidDimensionValue"
        reply = wms(asked, "depths", elevation=value, version="1.1.1", srs="EPSG:4326")
        assert etree.fromstring(reply.body).get("version") == "1.1.1"
        assert code(reply) == "InvalidDimensionValue"
    assert asked.get("/xyz/depths/0/0/0.png?elevation=10").status == 400
    assert code(wms(asked, "depths", elevation="-10", dim_depth="0")) == "InvalidDimensionValue"
    assert code(wms(asked, "depths", dim_depth="7")) == "InvalidDimensionValue"
    assert code(wms(asked, "times", time="1999-01-01")) == "InvalidDimensionValue"


@pytest.mark.parametrize(
    ("time", "step"),
    [
        ("2024-01-01/2024-01-03", 2), ("2024-01-01/2024-01-05/P1D", 2), ("2024-01-02T00:00:00Z/..", 3),
        ("../2024-01-02", 1), ("2024-01-01,2024-01-03,2024-01-02", 2),
        ("2024-01-01,2024-01-02/2024-01-03", 2), ("2024-01-01/current", 3),
        ("2024-01-03/", 3), ("1999-01-01/2999-01-01", 3), ("2024-01", 0), ("current", 3),
    ],
)  # fmt: skip
def test_the_latest_time_of_an_interval_or_a_list(asked, time, step):
    """OGC 06-042, C.3.4 allows lists and intervals; one picture shows the latest in them, as OGC API does."""
    assert value_of(asked, "times", time=time) == step * 1000
    encoded = quote(time, safe="")
    tile = np.load(io.BytesIO(asked.get(f"/xyz/times/0/0/0.npy?time={encoded}").body))
    assert int(np.nanmin(tile)) // 1000 == step
    kvp = asked.get(
        "/wmts?service=WMTS&request=GetTile&version=1.0.0&layer=times&style=default&format=image/png"
        f"&tilematrixset=WebMercatorQuad&tilematrix=0&tilerow=0&tilecol=0&time={encoded}"
    )
    assert kvp.headers["Layer-Time-Actual"] == TIMES[step]


@pytest.mark.parametrize("time", ["2024-01-04/2024-01-07", "2024-01-03/2024-01-01", "../..", "junk/2024-01-01", "a,b",
                                  "/",                                  "2024-01-01/2024-01-02/P1D/x"])  # fmt: skip
def test_an_interval_without_a_time_is_refused(asked, time):
    assert code(wms(asked, "times", time=time)) == "InvalidDimensionValue"
    assert asked.get(f"/xyz/times/0/0/0.png?time={quote(time, safe='')}").status == 400


def test_wms_warns_of_a_nearest_value_and_of_what_it_does_not_know(asked):
    """OGC 06-042, C.4.2: a nearest value is said so; a misspelled parameter is, too."""
    near = wms(asked, "depths", elevation="-250.4")
    assert 'nearest value used: depth=250.5"' in near.headers["Warning"]
    assert "Warning" not in wms(asked, "depths", elevation="-250.5").headers
    assert 'ignored: elevation, time"' in wms(asked, "flat", elevation="-5", time="2024").headers["Warning"]
    assert "ignored: colour" in wms(asked, "flat", colour="red").headers["Warning"]
    # What clients of other servers always send changes no picture.
    plain = wms(asked, "flat", dpi="96", map_resolution="96", format_options="dpi:96", tiled="true", exceptions="XML")
    assert "Warning" not in plain.headers
    assert code(wms(asked, "flat", sld="http://example.org/x.sld")) == "InvalidParameterValue"


# --- Pictures -----------------------------------------------------------------------------------------------------


def test_bgcolor_shows_where_a_format_has_no_transparency(asked):
    """OGC 06-042, 7.3.3.10, whatever TRANSPARENT says."""
    for transparent in ("TRUE", "FALSE"):
        reply = wms(asked, "flat", format="image/jpeg", bgcolor="0x0000FF", transparent=transparent, colormap="grey",
                    belowmincolor="transparent", colorscalerange="60,127")  # fmt: skip
        red, _, blue = picture(reply)[0, 0][:3]
        assert blue > 200 > 60 > red
    clear = wms(asked, "flat", format="image/webp", bgcolor="0x0000FF", belowmincolor="transparent",
                colorscalerange="60,127")  # fmt: skip
    assert picture(clear)[0, 0][3] == 0


def test_colour_ranges_by_every_name(asked):
    """ncWMS2, the prototype and our own names mean one thing in every protocol."""
    spellings = (
        "rescale=10,100&colormap=grey", "colorscalerange=10,100&palette=grey", "min_value=10&max_value=100&cmap=grey",
        "COLORSCALERANGE=10,100&cmap=grey", "rescale=10,100&min_value=10&max_value=100&colormap=grey&cmap=grey",
    )  # fmt: skip
    for address in ("/xyz/flat/0/0/0.png?", "/wmts/flat/default/WebMercatorQuad/0/0/0.png?",
                    "/ogc/collections/flat/map/tiles/WebMercatorQuad/0/0/0?"):  # fmt: skip
        assert len({asked.get(address + each).body for each in spellings}) == 1
    maps = [wms(asked, "flat", **dict(pair.split("=") for pair in each.split("&"))).body for each in spellings]
    assert len(set(maps)) == 1
    assert maps[0] != wms(asked, "flat", colormap="grey").body
    by_style = wms(asked, "flat", styles="boxfill/grey", colorscalerange="10,100").body
    assert by_style == maps[0]
    # One end alone keeps the other of the layer's own range, which is unknown here.
    assert asked.get("/xyz/flat/0/0/0.png?min_value=3").status == 400


@pytest.mark.parametrize(
    "query",
    [
        "rescale=1,2&colorscalerange=1,3", "cmap=grey&colormap=ocean", "numcolorbands=0", "numcolorbands=251",
        "numcolorbands=x", "abovemaxcolor=blue", "belowmincolor=0x12", "logscale=maybe", "colorscalerange=5,1",
        "min_value=a&max_value=2", "scale=auto&rescale=1,2", "scale=3", "colorscalerange=-1,1&logscale=true",
        "bands=-1",
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(asked, query):
    assert asked.get(f"/xyz/flat/0/0/0.png?{query}").status == 400
    pairs = dict(pair.split("=") for pair in query.split("&"))
    assert wms(asked, "flat", **pairs).status == 400


def test_bands_and_the_colours_beyond_a_range(asked):
    """ncWMS2, GetMap: NUMCOLORBANDS equal bands, ABOVEMAXCOLOR and BELOWMINCOLOR beyond COLORSCALERANGE."""
    options = {"colorscalerange": "20,100", "palette": "grey", "numcolorbands": "4"}
    plain = picture(wms(asked, "flat", **options))
    values = np.arange(128).reshape(8, 16)
    bands = np.clip((values - 20) // 20, 0, 3)
    for band in range(4):
        assert len(np.unique(plain[bands == band].reshape(-1, 4), axis=0)) == 1
    assert len(np.unique(plain.reshape(-1, 4), axis=0)) == 4
    ends = picture(wms(asked, "flat", **options, abovemaxcolor="0xFF0000", belowmincolor="0x8000FF00"))
    assert (ends[values > 100] == (255, 0, 0, 255)).all()
    assert (ends[values < 20] == (0, 255, 0, 128)).all()
    inside = (values >= 20) & (values <= 100)
    assert np.array_equal(ends[inside], plain[inside])
    gone = picture(wms(asked, "flat", **options, abovemaxcolor="transparent", belowmincolor="extend"))
    assert (gone[values > 100, 3] == 0).all()
    assert np.array_equal(gone[values <= 100], plain[values <= 100])
    whole = picture(wms(asked, "flat", colorscalerange="20,100", palette="grey", abovemaxcolor="0xFF0000"))
    assert (whole[values > 100] == (255, 0, 0, 255)).all()
    assert len(np.unique(whole.reshape(-1, 4), axis=0)) > 20


def test_a_range_of_its_own_for_each_tile(asked):
    """The prototype's ``scale=auto``, ncWMS's COLORSCALERANGE=auto: the lowest value has the first colour."""
    for address in (
        "/xyz/flat/1/{}/0.png?colormap=grey",
        "/wmts/flat/default/WebMercatorQuad/1/0/{}.png?colormap=grey",
    ):
        for col in (0, 1):
            own = asked.get(address.format(col) + "&scale=auto")
            values = np.load(io.BytesIO(asked.get(f"/xyz/flat/1/{col}/0.npy").body))
            low, high = np.nanmin(values), np.nanmax(values)
            stated = asked.get(address.format(col) + f"&rescale={low},{high}")
            assert own.status == 200, own.body
            assert own.body == stated.body
            # And again, where the short path knows the address: a neighbour has another range.
            assert asked.get(address.format(col) + "&scale=auto").body == stated.body
    whole = wms(asked, "flat", palette="grey", colorscalerange="auto")
    assert whole.body == wms(asked, "flat", palette="grey", colorscalerange="0,127").body
    assert asked.get("/xyz/classes/0/0/0.png?scale=auto").status == 400


# --- Legends ------------------------------------------------------------------------------------------------------


def legend(server, **changes):
    return wms(server, None, "GetLegendGraphic", **{"layer": "flat", "crs": None, "bbox": None, "width": None,
                                                    "height": None, **changes})  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"rescale": "5,50"}, {"colorscalerange": "5,50"}, {"colormap": "grey"}, {"palette": "grey"},
        {"rescale": "1,100", "spacing": "log"}, {"numcolorbands": "5"}, {"style": "grey"}, {"styles": "boxfill/grey"},
        {"abovemaxcolor": "0xFF0000"}, {"orientation": "horizontal"}, {"vertical": "false"},
    ],
)  # fmt: skip
def test_a_legend_follows_what_the_map_follows(asked, changes):
    assert legend(asked, **changes).status == 200
    assert legend(asked, **changes).body != legend(asked).body


@pytest.mark.parametrize(("width", "height"), [(60, 200), (200, 60), (400, 400), (24, 24)])
def test_a_legend_has_the_size_that_is_asked(asked, width, height):
    reply = legend(asked, width=str(width), height=str(height))
    assert Image.open(io.BytesIO(reply.body)).size == (width, height)
    drawn = etree.fromstring(legend(asked, width=str(width), height=str(height), format="image/svg+xml").body)
    assert (drawn.get("width"), drawn.get("height")) == (str(width), str(height))


@pytest.mark.parametrize("spelling", ["image/png", "image/png; mode=8bit", "IMAGE/PNG", "image/jpeg", "image/webp",
                                      "image/svg+xml", "image/svg xml", None])  # fmt: skip
def test_a_legend_takes_every_format_that_a_map_takes(asked, spelling):
    reply = legend(asked, format=spelling)
    assert reply.status == 200
    mime = (spelling or "image/png").partition(";")[0].lower().replace(" ", "+")
    assert reply.headers["Content-Type"] == mime
    if "svg" not in mime:
        assert Image.open(io.BytesIO(reply.body)).get_format_mimetype() == mime


@pytest.mark.parametrize(
    ("changes", "locator"),
    [
        ({"width": "0"}, "InvalidParameterValue"), ({"height": "99999"}, "InvalidParameterValue"),
        ({"format": "image/gif"}, "InvalidFormat"), ({"style": "none"}, "StyleNotDefined"),
        ({"layer": "none"}, "LayerNotDefined"), ({"rescale": "9,1"}, "InvalidParameterValue"),
        ({"colorscalerange": "auto"}, "InvalidParameterValue"), ({"orientation": "up"}, "InvalidParameterValue"),
    ],
)  # fmt: skip
def test_a_legend_that_cannot_be_is_refused(asked, changes, locator):
    assert code(legend(asked, **changes)) == locator


def test_legend_urls_have_the_size_of_their_pictures(asked):
    """OGC 06-042, 7.2.4.6.5: width and height of LegendURL are those of the picture."""
    document = etree.fromstring(wms(asked, "flat", "GetCapabilities").body)
    seen = 0
    for element in document.iterfind(".//w:LegendURL", WMS):
        href = element.find("w:OnlineResource", WMS).get("{http://www.w3.org/1999/xlink}href")
        seen += 1
        if seen % 7 and "default" not in href:
            continue
        reply = asked.get(href.removeprefix(asked.url))
        stated = (int(element.get("width")), int(element.get("height")))
        assert Image.open(io.BytesIO(reply.body)).size == stated, href
    assert seen > 10


# --- GetMetadata of ncWMS ----------------------------------------------------------------------------------------


def metadata(server, item, **parameters):
    reply = server.get(f"/wms?{urlencode({'request': 'GetMetadata', 'item': item, **parameters})}")
    assert reply.status == 200, reply.body
    assert reply.headers["Content-Type"] == "application/json"
    return json.loads(reply.body)


def test_get_metadata_as_godiva_and_leaflet_timedimension_ask_it(asked):
    menu = metadata(asked, "menu")
    ids = [leaf["id"] for folder in menu["children"] for leaf in folder["children"]]
    assert {"flat", "depths", "times"} <= set(ids)
    details = metadata(asked, "layerDetails", layerName="depths")
    assert details["zaxis"] == {"units": "m", "positive": True, "values": [0, -10, -250.5]}
    assert details["datesWithData"] == {"2024": {"0": [1, 2, 3, 8]}}
    assert details["nearestTimeIso"] == TIMES[-1]
    assert details["bbox"] == [-180, -90, 180, 90]
    assert "grey" in details["palettes"] or len(details["palettes"]) > 3
    assert metadata(asked, "timesteps", layerName="times", day="2024-01-02T00:00:00.000Z") == {
        "timesteps": ["00:00:00Z"]
    }
    frames = metadata(asked, "animationTimesteps", layerName="times", start="2024-01-01", end="2024-01-03")
    assert frames["timeStrings"][0]["timeString"] == ",".join(TIMES[:3])
    box = {"layers": "depths", "crs": "CRS:84", "bbox": "-180,-90,180,90", "width": 16, "height": 8, "version": "1.3.0"}
    assert metadata(asked, "minmax", **box, elevation="-10", time=TIMES[0]) == {"min": 1000, "max": 1127}
    old = {**box, "version": "1.1.1", "srs": "EPSG:4326"}
    assert metadata(asked, "minmax", **old, time=TIMES[1]) == {"min": 3000, "max": 3127}
    assert code(asked.get("/wms?request=GetMetadata&item=nope")) == "InvalidParameterValue"
    assert code(asked.get("/wms?request=GetMetadata&item=layerDetails&layerName=nope")) == "LayerNotDefined"
