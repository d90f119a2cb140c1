"""The operator's own tile matrix sets: read at start-up, listed, and served on every engine."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from lxml import etree

from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.tiling.registry import find_tms, register_folder
from tests.data import CATALOGUE, PROJECTED
from tests.service.harness import running

NAMES = {"w": "http://www.opengis.net/wmts/1.0", "o": "http://www.opengis.net/ows/1.1"}
LAEA = {
    "id": "EuropeLaea",
    "title": "Europe, 20 km a pixel",
    "crs": "http://www.opengis.net/def/crs/EPSG/0/3035",
    "orderedAxes": ["N", "E"],
    "tileMatrices": [
        {
            "id": str(zoom),
            "scaleDenominator": 20000 / 2**zoom / 0.00028,
            "cellSize": 20000 / 2**zoom,
            "pointOfOrigin": [5500000.0, 2000000.0],
            "tileWidth": 128,
            "tileHeight": 64,
            "matrixWidth": 2 << zoom,
            "matrixHeight": 3 << zoom,
        }
        for zoom in range(3)
    ],
}


@pytest.fixture
def sets(tmp_path, fresh_process):
    """A folder with a set; no other test sees the set."""
    folder = tmp_path / "sets"
    folder.mkdir()
    (folder / "europe.json").write_text(json.dumps(LAEA))
    return folder


@pytest.mark.parametrize("engine", ["threads", "local"])
def test_a_set_from_settings_is_listed_and_served(tmp_path, sets, engine):
    for make in (CATALOGUE["constant"], CATALOGUE["antimeridian"], PROJECTED["rotated"]):
        make().write(tmp_path / "store")
    with running(tmp_path / "store", tmp_path / "cache", tile_matrix_sets=sets, engine=engine, workers=1) as server:
        root = etree.fromstring(server.get("/wmts/1.0.0/WMTSCapabilities.xml").body)
        (described,) = root.xpath("//w:TileMatrixSet[o:Identifier='EuropeLaea']", namespaces=NAMES)
        assert described.findtext("o:SupportedCRS", namespaces=NAMES) == "urn:ogc:def:crs:EPSG::3035"
        linking = root.xpath(
            "//w:Layer[w:TileMatrixSetLink/w:TileMatrixSet='EuropeLaea']/o:Identifier/text()", namespaces=NAMES
        )
        assert linking == ["constant", "rotated"], "the data in the Pacific does not reach it"
        tile = server.get("/wmts/constant/default/EuropeLaea/1/2/1.npy")
        assert tile.status == 200
        values = np.load(io.BytesIO(tile.body))
        assert values.shape == (64, 128)
        assert (values == 1.5).all()
        assert server.get("/wmts/constant/default/EuropeLaea/1/6/1.npy").status == 404


def test_the_same_set_may_be_read_again_but_no_other_of_its_name(sets):
    (first,) = register_folder(sets)
    assert register_folder(sets) == (first,)
    assert find_tms("EuropeLaea") == first
    (sets / "europe.json").write_text(json.dumps(LAEA | {"title": "another"}))
    with pytest.raises(StoreError, match="there is a tile matrix set 'EuropeLaea' already"):
        register_folder(sets)


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(StoreError, match="there is no folder"):
        register_folder(tmp_path / "nowhere")
