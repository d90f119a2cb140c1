"""XML Schemas of the OGC, without a network.

MapProxy's wheel contains those of WMTS 1.0, OWS 1.1 and WMS 1.3.0 and is part of the ``test`` extra. Its WMTS schema
dates from 2009; ``correct`` applies the OGC's later corrections (version 1.0.2). No package contains GML 3.1.1: its
schemas are beside a developer's checkout, otherwise the test that needs them is skipped.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from lxml import etree

from tests.shared import shared

XS = "{http://www.w3.org/2001/XMLSchema}"
WEB = "http://schemas.opengis.net/"


def packaged() -> Path:
    """Return the folder of schemas in MapProxy, without importing the package."""
    spec = importlib.util.find_spec("mapproxy")
    assert spec is not None, "MapProxy is missing: pip install 'lazytile[test]'"
    assert spec.origin is not None
    return Path(spec.origin).parent / "test" / "schemas"


class _Offline(etree.Resolver):
    """Resolves URLs of schemas to files."""

    def __init__(self, folders: dict[str, Path]) -> None:
        super().__init__()
        self._folders = folders

    def resolve(self, url: str, public_id: str, context: Any) -> Any:
        for prefix, folder in self._folders.items():
            if url.startswith(prefix):
                path = folder / url.removeprefix(prefix) if folder.is_dir() else folder
                return self.resolve_filename(str(path), context)
        return None


def _parsed(path: Path, folders: dict[str, Path]) -> etree._ElementTree:
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(_Offline(folders))
    return etree.parse(str(path), parser)


def correct(document: etree._ElementTree) -> None:
    """Correct wmtsGetCapabilities_response.xsd: rows and columns from 0, other resources than tile and FeatureInfo."""
    for name in ("MinTileRow", "MinTileCol"):
        for element in document.iterfind(f".//{XS}element[@name='{name}']"):
            element.set("type", "nonNegativeInteger")
    for attribute in document.iterfind(f".//{XS}attribute[@name='resourceType']"):
        for child in attribute.findall(f"{XS}simpleType"):
            attribute.remove(child)
        attribute.set("type", "string")


def schema(*parts: str) -> etree.XMLSchema:
    """Return a schema by its path below http://schemas.opengis.net/."""
    folder = packaged()
    document = _parsed(folder.joinpath(*parts), {"http://www.w3.org/": folder / "xml.xsd", WEB: folder})
    correct(document)
    return etree.XMLSchema(document)


def application_schema(path: Path) -> etree.XMLSchema:
    """Return an application schema of GML 3.1.1, whose schemas are beside the checkout."""
    folder = shared("schemas")
    return etree.XMLSchema(_parsed(path, {"http://www.w3.org/": folder / "w3c", WEB: folder}))
