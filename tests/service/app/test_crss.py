"""Datasets in CRSs of every kind, in one store: with codes and without, x first and y first, through every protocol."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from urllib.parse import urlencode

import morecantile
import numpy as np
import pyproj
import pytest
from lxml import etree
from PIL import Image

from tests import data
from tests.schemas import schema
from tests.service.harness import NAMESPACES, running

BOUND = pyproj.CRS("+proj=utm +zone=33 +ellps=bessel +towgs84=600,70,470,0,0,0,0 +type=crs").to_wkt()
CRSS = {
    "ups_north": "EPSG:32661", "ups_north_en": "EPSG:5041", "ups_south": "EPSG:32761", "laea": "EPSG:3035",
    "nztm": "EPSG:2193", "gauss": "EPSG:31468", "utm": "EPSG:32633", "albers": "ESRI:102001",
    "rotated": data.rotated_pole(), "sphere": data.LAMBERT, "geos": data.GEOSTATIONARY, "bound": BOUND,
}  # fmt: skip
CENTRES = {"bound": (5e5, 5e6), "geos": (0.0, 1e6), "albers": (0.0, 1e6), "rotated": (0.0, 0.0), "sphere": (0.0, 0.0)}
WITHOUT_CODE = ("rotated", "sphere", "geos", "bound")


def dataset(name: str, crs: str) -> data.Synthetic:
    """Return 300 x 200 cells about the middle of the area of use, whose x and y differ."""
    known = pyproj.CRS(crs)
    area, size = known.area_of_use, 0.1 if known.is_geographic else 3000.0
    x, y = CENTRES.get(name) or pyproj.Transformer.from_crs("EPSG:4326", known, always_xy=True).transform(
        area.west + 0.7 * (area.east - area.west), area.south + 0.4 * (area.north - area.south)
    )
    x, y = (round(value / size) * size for value in (x, y))
    codes = (np.add.outer(np.arange(200), np.arange(300) * 3) % 251).astype("uint8")
    return data.Synthetic(name, x - 150 * size, y + 100 * size, size, size, (data.Field("v", codes, units="1"),), crs)


DATASETS = {name: dataset(name, crs) for name, crs in CRSS.items()}


@pytest.fixture(scope="module")
def crs_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crss")
    for each in DATASETS.values():
        each.write(folder / "store")
    with running(folder / "store", folder / "cache") as server:
        yield server


def picture(reply):
    assert reply.status == 200, reply.body
    return np.asarray(Image.open(io.BytesIO(reply.body)).convert("RGBA"))


def own_pixels(server, name):
    """Return level 0 of a layer in its own set, cell for cell."""
    layer = server.context.snapshot.layer(name)
    last = layer.native_set.matrices[-1].identifier
    tiles = [picture(server.get(f"/wmts/{name}/default/native/{last}/0/{col}.png")) for col in (0, 1)]
    return np.concatenate(tiles, axis=1)[:200, :300]


@pytest.mark.parametrize("name", CRSS)
def test_wms_follows_the_axes_of_the_crs(crs_server, name):
    """OGC 06-042, 6.7.2: BBOX of 1.3.0 has the axis order of the CRS; 1.1.1 (01-068r3, 6.5.5.1) has x first."""
    document = etree.fromstring(crs_server.get("/wms?service=WMS&request=GetCapabilities").body)
    wms = {"w": "http://www.opengis.net/wms"}
    [element] = document.xpath(f"//w:Layer[w:Name='{name}']", namespaces=wms)
    own = element.findtext("w:CRS", namespaces=wms)
    assert (own is None) == (name in WITHOUT_CODE)
    if own is None:
        return
    assert own == CRSS[name]
    made, known = DATASETS[name], pyproj.CRS(own)
    west, north, size = made.west, made.north, made.dx
    corners = [(west, north - 200 * size), (west + 300 * size, north)]
    # PROJ decides which coordinate the authority writes first.
    there, back = (pyproj.Transformer.from_crs(known, "EPSG:4326", always_xy=way) for way in (True, False))
    as_defined = [back.transform(*there.transform(*corner)[::-1], direction="INVERSE") for corner in corners]
    [box] = element.xpath(f"w:BoundingBox[@CRS='{own}']", namespaces=wms)
    declared = [float(box.get(side)) for side in ("minx", "miny", "maxx", "maxy")]
    assert declared == pytest.approx([*as_defined[0], *as_defined[1]], abs=0.01)
    wanted = {"service": "WMS", "request": "GetMap", "layers": name, "styles": "", "width": 300, "height": 200,
              "format": "image/png", "transparent": "TRUE"}  # fmt: skip
    new = {"version": "1.3.0", "crs": own, "bbox": ",".join(map(repr, declared))}
    old = {"version": "1.1.1", "srs": own, "bbox": ",".join(repr(float(at)) for corner in corners for at in corner)}
    for each in (new, old):
        assert np.array_equal(picture(crs_server.get(f"/wms?{urlencode(wanted | each)}")), own_pixels(crs_server, name))


def test_wmts_lists_the_sets_of_a_crs_with_a_code_only(crs_server):
    """OGC 07-057r7, Table 13: SupportedCRS is a URI."""
    document = etree.fromstring(crs_server.get("/wmts/1.0.0/WMTSCapabilities.xml").body)
    schema("wmts", "1.0", "wmtsGetCapabilities_response.xsd").assertValid(document)
    listed = set(document.xpath("//wmts:TileMatrixSet/ows:Identifier/text()", namespaces=NAMESPACES))
    assert {f"native_{name}" for name in CRSS} - listed == {f"native_{name}" for name in WITHOUT_CODE}


@pytest.mark.parametrize("name", [name for name in CRSS if name not in WITHOUT_CODE])
def test_gdal_opens_the_native_set(crs_server, name, tmp_path):
    """GDAL swaps TopLeftCorner by the axes of SupportedCRS (wmtsdataset.cpp); EPSG:32661 was out of its range."""
    if shutil.which("gdal_translate") is None:
        pytest.skip("GDAL's programs are not here: apt-get install gdal-bin")
    url = f"WMTS:{crs_server.url}/wmts/1.0.0/WMTSCapabilities.xml,layer={name},tilematrixset=native_{name}"
    made, target = DATASETS[name], tmp_path / "out.png"
    window = [made.west, made.north, made.west + 300 * made.dx, made.north - 200 * made.dy]
    command = ["gdal_translate", "-q", "-of", "PNG", "-projwin", *map(repr, window), url, str(target)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "GDAL_DEFAULT_WMS_CACHE_PATH": str(tmp_path / "cache")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    theirs = np.asarray(Image.open(target).convert("RGBA"))
    assert np.array_equal(theirs, own_pixels(crs_server, name))


def test_ogc_documents_describe_every_crs(crs_server):
    """A CRS without a code is described, not a reason for 500 (OGC 17-083r4, schema ``crs``: PROJJSON)."""
    addresses = ["/ogc/tileMatrixSets", "/ogc/collections"]
    for name in CRSS:
        addresses += [
            f"/ogc/tileMatrixSets/native_{name}", f"/ogc/tileMatrixSets/native_{name}?compat=17-083r2",
            f"/ogc/collections/{name}", f"/ogc/collections/{name}/map/tiles",
            f"/ogc/collections/{name}/map/tiles/native_{name}",
        ]  # fmt: skip
    for address in addresses:
        for form in ("json", "html"):
            joint = "&" if "?" in address else "?"
            reply = crs_server.get(f"{address}{joint}f={form}")
            assert reply.status == 200, (address, reply.body)


@pytest.mark.parametrize("name", CRSS)
def test_the_definition_of_a_set_says_where_its_tiles_are(crs_server, name):
    """The corner is in the axis order of the CRS that the document itself defines, whoever reads it."""
    document = json.loads(crs_server.get(f"/ogc/tileMatrixSets/native_{name}").body)
    crs = document["crs"]
    assert isinstance(crs, dict) == (name in WITHOUT_CODE)
    known = pyproj.CRS.from_json_dict(crs["wkt"]) if isinstance(crs, dict) else pyproj.CRS.from_user_input(crs)
    made, matrix = DATASETS[name], document["tileMatrices"][-1]
    if isinstance(crs, dict):
        assert known == pyproj.CRS(CRSS[name])
    x_first = pyproj.Transformer.from_crs(known, known.geodetic_crs, always_xy=True)
    defined = pyproj.Transformer.from_crs(known, known.geodetic_crs, always_xy=False)
    expected = defined.transform(*_swapped(known, x_first.transform(made.west, made.north)), direction="INVERSE")
    assert matrix["pointOfOrigin"] == pytest.approx(expected, abs=0.01)
    if name == "gauss":
        return  # morecantile takes the X of this CRS, a northing, for an easting
    read = morecantile.TileMatrixSet.model_validate(document)
    corner = read.xy_bounds(morecantile.Tile(0, 0, len(document["tileMatrices"]) - 1))
    assert (corner.left, corner.top) == pytest.approx((made.west, made.north))


def _swapped(crs, position):
    """Return a longitude and a latitude in the order of the geodetic CRS of a CRS."""
    first = crs.geodetic_crs.axis_info[0].direction
    return position[::-1] if first == "north" else position
