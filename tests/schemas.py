"""XML Schemas of the OGC, without a network.

MapProxy's wheel holds those of WMTS 1.0, OWS 1.1 and WMS 1.3.0, and is installed with the ``test`` extra. No package
ships those of GML 3.1.1: they lie beside the checkout of a developer, or the test that wants them skips.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from lxml import etree

from tests.shared import shared

WEB = "http://schemas.opengis.net/"


def packaged() -> Path:
    """Return MapProxy's folder of schemas; the package itself is not imported."""
    spec = importlib.util.find_spec("mapproxy")
    assert spec is not None, "MapProxy is missing: pip install 'lazytile[test]'"
    assert spec.origin is not None
    return Path(spec.origin).parent / "test" / "schemas"


class _Offline(etree.Resolver):
    """Leads the addresses of schemas to files."""

    def __init__(self, places: dict[str, Path]) -> None:
        super().__init__()
        self._places = places

    def resolve(self, url: str, public_id: str, context: Any) -> Any:
        for prefix, place in self._places.items():
            if url.startswith(prefix):
                path = place / url.removeprefix(prefix) if place.is_dir() else place
                return self.resolve_filename(str(path), context)
        return None


def _compiled(path: Path, places: dict[str, Path]) -> etree.XMLSchema:
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(_Offline(places))
    return etree.XMLSchema(etree.parse(str(path), parser))


def schema(*parts: str) -> etree.XMLSchema:
    """Return a schema by its path below http://schemas.opengis.net/."""
    folder = packaged()
    places = {"http://www.w3.org/": folder / "xml.xsd", WEB: folder}
    return _compiled(folder.joinpath(*parts), places)


def application_schema(path: Path) -> etree.XMLSchema:
    """Return a schema that stands on GML 3.1.1, whose own are taken from beside the checkout."""
    folder = shared("schemas")
    return _compiled(path, {"http://www.w3.org/": folder / "w3c", WEB: folder})
