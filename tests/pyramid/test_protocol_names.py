"""The pyramid spells nothing as a protocol does: that is the service's concern."""

import ast
from pathlib import Path

import pytest

PYRAMID = Path(__file__).resolve().parent.parent.parent / "pyramid"
PROTOCOL_NAMES = {
    "AcceptVersions", "BBOX", "BGColor", "CRS", "Exceptions", "Feature_Count", "Format", "Height", "InfoFormat",
    "Info_Format", "Layer", "Layers", "Query_Layers", "SRS", "Style", "Styles", "TileCol", "TileMatrix",
    "TileMatrixSet", "TileRow", "Time", "Transparent", "Width", "tileMatrixSetId", "tileMatrix",
    "tileRow", "tileCol", "styleId", "collectionId", "bbox", "bbox-crs", "infoformat", "tilecol",
    "tilematrix", "tilematrixset", "tilerow", "query_layers", "info_format", "bgcolor",
}  # fmt: skip
"""Parameters of WMTS 1.0.0, WMS 1.1.1 and 1.3.0, OGC API - Tiles 1.0; all-lower-case forms where they are no words."""
OTHER_DOCUMENTS = {
    ("mrf/onearth.py", "bbox"): "a key of OnEarth's configuration",
    ("mrf/onearth.py", "tilematrixset"): "a key of OnEarth's configuration",
    ("mrfgen/mosaic.py", "SRS"): "an element of GDAL's virtual rasters",
}
"""Literals of the same spelling that belong to another format."""


def literals(path):
    """Yield the string literals of a module that are no docstrings, f-strings by their words."""
    tree = ast.parse(path.read_text())
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value


def protocol_names(path):
    """Return the protocol names that a module holds, as a whole literal or, where they are no words, within one."""
    camel = {name for name in PROTOCOL_NAMES if not name.islower() and not name.istitle() and not name.isupper()}
    found = set()
    for text in literals(path):
        found |= ({text} & PROTOCOL_NAMES) | {name for name in camel if name in text.replace("{", " ").split()}
    return found


@pytest.mark.parametrize("path", sorted(PYRAMID.rglob("*.py")), ids=lambda path: str(path.relative_to(PYRAMID)))
def test_no_protocol_name_stands_in_the_pyramid(path):
    module = path.relative_to(PYRAMID).as_posix()
    assert {name for name in protocol_names(path) if (module, name) not in OTHER_DOCUMENTS} == set()


def test_every_exception_is_needed():
    for module, name in OTHER_DOCUMENTS:
        assert name in protocol_names(PYRAMID / module)


def test_a_protocol_name_is_noticed(tmp_path):
    path = tmp_path / "module.py"
    path.write_text('"""TileRow."""\nraise ValueError("TileRow", f"TileCol {1} is out of range", "rows")\n')
    assert protocol_names(path) == {"TileRow", "TileCol"}


def test_no_error_of_the_pyramid_names_its_field_by_a_text():
    for path in PYRAMID.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {
                "RequestError", "MissingParameterError", "InvalidParameterError", "TileOutOfRangeError"
            }:  # fmt: skip
                assert not isinstance(node.args[0], ast.Constant), f"{path}:{node.lineno}"
