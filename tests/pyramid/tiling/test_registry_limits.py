"""Hostile documents of tile matrix sets are one clear line at the start, whatever they claim."""

from __future__ import annotations

import json

import pytest

from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.tiling import registry

MATRIX = {
    "id": "0",
    "scaleDenominator": 1e6,
    "cellSize": 280.0,
    "pointOfOrigin": [-20037508.0, 20037508.0],
    "tileWidth": 256,
    "tileHeight": 256,
    "matrixWidth": 4,
    "matrixHeight": 2,
}
EPSG = "http://www.opengis.net/def/crs/EPSG/0/3857"


pytestmark = pytest.mark.usefixtures("fresh_process")


def document(*matrices):
    return json.dumps({"id": "Odd", "crs": EPSG, "tileMatrices": [MATRIX | each for each in matrices]})


HOSTILE = {
    "nested": ("[" * 200_000, "nested too deeply"),
    "digits": ('{"id": "a", "tileMatrices": [' + "9" * 100_000 + "]}", "digits"),
    "size": (" " * (1 << 21), "larger than 1048576 bytes"),
    "no cell": (document({"cellSize": 0}), "must be above 0"),
    "infinite cell": (document({"cellSize": float("inf")}), "exceed 1e\\+12"),
    "no number": (document({"cellSize": float("nan")}), "must be above 0"),
    "far corner": (document({"pointOfOrigin": [1e308, 1e308]}), "exceed 1e\\+12"),
    "wide": (document({"matrixWidth": 10**30}), "tiles wide and high at most"),
    "large tile": (document({"tileWidth": 10**12}), "1024 pixels"),
    "many": (document(*({"id": str(number), "cellSize": 280 / (1 + number)} for number in range(101))), "1 to 100"),
    "none": (document(), "tile"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document(tmp_path, name):
    content, message = HOSTILE[name]
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(StoreError, match=message) as raised:
        registry.register_folder(tmp_path)
    assert "\n" not in str(raised.value)


def test_too_many_documents(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "MAX_FILES", 2)
    for name in "abc":
        (tmp_path / f"{name}.json").write_text(document({}))
    with pytest.raises(StoreError, match="holds 3 tile matrix sets, at most 2 are read"):
        registry.register_folder(tmp_path)


def test_the_document_without_its_faults(tmp_path):
    (tmp_path / "a.json").write_text(document({}))
    assert [each.identifier for each in registry.register_folder(tmp_path)] == ["Odd"]
