"""``lazytile connect qgis``, and the recipes of docs/apis.md for QGIS, checked by what QGIS's own code does.

QGIS loads the files by the names of their roots (qgsmanageconnectionsdialog.cpp). It exchanges the axes of a set whose
CRS has a first axis to the north (QgsProjUtils::axisOrderIsSwapped) unless ``ignoreAxisOrientation`` is set.
"""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pyproj
import pytest
from lxml import etree
from PIL import Image

from lazytile.pyramid.tiling.registry import find_tms
from lazytile.service.cli.main import run
from tests.service.harness import NAMESPACES

DOCS = Path(__file__).resolve().parents[3] / "docs" / "apis.md"


@pytest.fixture(scope="module")
def files(server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("qgis")
    assert run(["connect", "qgis", server.url, "--output", str(folder), "--name", "maps"]) == 0
    paths = {kind: folder / f"maps-{kind}.xml" for kind in ("wms", "xyz")}
    assert all(path.read_text().startswith("<!DOCTYPE connections>") for path in paths.values())
    return {kind: etree.parse(path) for kind, path in paths.items()}


def corners(server, connection):
    """Return the top left corner of each set as QGIS places it (qgswmscapabilities.cpp, parseWMTSContents)."""
    path = connection.get("url").removeprefix(server.url)
    document = etree.fromstring(server.get(path).body)
    found = {}
    for element in document.iterfind("wmts:Contents/wmts:TileMatrixSet", NAMESPACES):
        urn = element.findtext("ows:SupportedCRS", namespaces=NAMESPACES).split(":")
        first = pyproj.CRS.from_authority(urn[4], urn[-1]).axis_info[0].direction
        x, y = map(float, element.findtext("wmts:TileMatrix/wmts:TopLeftCorner", namespaces=NAMESPACES).split())
        swaps = first == "north" and connection.get("ignoreAxisOrientation") != "true"
        found[element.findtext("ows:Identifier", namespaces=NAMESPACES)] = (y, x) if swaps else (x, y)
    return found


def connection(files, name):
    [found] = [each for each in files["wms"].getroot() if each.get("name") == name]
    return found


def test_qgis_loads_the_files(files):
    wms, xyz = files["wms"].getroot(), files["xyz"].getroot()
    assert (wms.tag, wms.get("version")) == ("qgsWMSConnections", "1.0")
    assert (xyz.tag, xyz.get("version")) == ("qgsXYZTilesConnections", "1.0")
    assert {each.tag for each in wms} == {"wms"}
    assert {each.tag for each in xyz} == {"xyztiles"}
    names = [each.get("name") for each in (*wms, *xyz)]
    assert len(set(names)) == len(names), "QGIS replaces a connection of the same name"


def test_the_sets_of_epsg_3031_need_the_axis_switch(server, files):
    """The axes of EPSG:3031 both point to the north: QGIS would exchange them, and shows nothing in place."""
    plain, switched = (corners(server, connection(files, name)) for name in ("maps WMTS", "maps WMTS EPSG:3031"))
    assert {"EPSG3031_1km", "EPSG3031_1.5km"} <= switched.keys()
    for name, corner in switched.items():
        first = find_tms(name).matrices[0]
        assert corner == (first.origin_x, first.origin_y)
        assert plain[name] != corner
    for name, corner in plain.items():
        tms = find_tms(name)
        if tms is not None and tms.crs != "EPSG:3031":
            assert corner == (tms.matrices[0].origin_x, tms.matrices[0].origin_y), name


def test_every_xyz_address_is_a_tile(server, files):
    for each in files["xyz"].getroot():
        zoom = min(int(each.get("zmax")), 2)
        address = each.get("url").format(z=zoom, x=0, y=0).removeprefix(server.url)
        assert Image.open(io.BytesIO(server.get(address).body)).size == (256, 256)


def test_wms_of_the_switched_connection_is_right_in_epsg_3031(server, files):
    """With ignored axes QGIS writes BBOX x first, which is what the CRS says."""
    assert connection(files, "maps WMS EPSG:3031").get("ignoreAxisOrientation") == "true"
    query = (
        "/wms?service=WMS&version=1.3.0&request=GetMap&layers=global_180&styles=&crs=EPSG:3031&width=512&height=512"
        "&bbox=-4194304,0,0,4194304&format=image/png&transparent=TRUE"
    )
    ours = np.asarray(Image.open(io.BytesIO(server.get(query).body)).convert("RGBA"))
    tile = server.get("/wmts/global_180/default/EPSG3031_1km/0/0/0.png").body
    assert np.array_equal(ours, np.asarray(Image.open(io.BytesIO(tile)).convert("RGBA")))


def test_the_addresses_of_the_recipes_work(server):
    """Every address of the section on QGIS, for a layer and a set that there are."""
    section = DOCS.read_text().partition("## QGIS")[2].partition("\n## ")[0]
    addresses = re.findall(r"`http://127\.0\.0\.1:8080(/[^`]*)`", section)
    assert len(addresses) >= 5
    for address in addresses:
        path = address.replace("{layer}", "global_180").format(z=1, x=0, y=0)
        reply = server.get(path if "?" in path or path != "/wms" else f"{path}?request=GetCapabilities&service=WMS")
        assert reply.status == 200, path


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["http://127.0.0.1:9"], "no answer from http://127.0.0.1:9"), (["ftp://x"], "the address of a server is http")],
)
def test_what_is_wrong_is_one_line(capsys, arguments, says):
    assert run(["connect", "qgis", *arguments]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_another_server_is_refused(server, capsys):
    assert run(["connect", "qgis", f"{server.url}/nothing"]) == 2
    assert "answers 404" in capsys.readouterr().err
    assert json.loads(server.get("/ogc/collections").body)["collections"]
