"""The WMTS capabilities document (OGC 07-057r7, 7.1 and 10.1), made once for each state of the store."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.pyramid.memory import BytesLru
from lazytile.service import xml
from lazytile.service.capabilities_layer import LayerWriter
from lazytile.service.endpoint import MAIN
from lazytile.service.limits import linked_sets, position

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lxml import etree

    from lazytile.pyramid.layer import Layer
    from lazytile.pyramid.store import Store
    from lazytile.pyramid.tms import TileMatrixSet
    from lazytile.service.endpoint import Endpoint
    from lazytile.service.offer import Offer

NO_SECTIONS: frozenset[str] = frozenset()
SECTIONS = ("ServiceIdentification", "ServiceProvider", "OperationsMetadata", "Contents", "Themes")
ALL_SECTIONS = frozenset(SECTIONS)
GOOGLE_SCALES = 19
"""Denominators of the well-known scale set GoogleMapsCompatible; a set that has more does not conform to it (6.2)."""


@dataclass(frozen=True, slots=True)
class CapabilitiesDocument:
    """A capabilities document and the hash that its ETag is made of."""

    body: bytes
    digest: str


class Capabilities:
    """Capabilities documents of a store. Thread-safe, and blocking: call it from a thread."""

    def __init__(self, store: Store, offer: Offer, title: str) -> None:
        self._store = store
        self._offer = offer
        self._title = title
        self._documents: BytesLru[CapabilitiesDocument] = BytesLru(64 << 20, lambda document: len(document.body))
        self._lock = threading.Lock()

    @property
    def update_sequence(self) -> int:
        """A number that grows with every change of the store or the colormaps: when the last was, in milliseconds."""
        folder = self._store.folder
        paths = [folder, *(stored.path / "zarr.json" for stored in self._store.datasets())]
        newest_ns = max((path.stat().st_mtime_ns for path in paths if path.exists()), default=0)
        newest_s = max((each.changed for each in self._offer.known()), default=0.0)
        return max(newest_ns // 1_000_000, int(newest_s * 1000))

    def document(
        self, base_url: str, sections: frozenset[str] = ALL_SECTIONS, endpoint: Endpoint = MAIN
    ) -> CapabilitiesDocument:
        """Return the document for clients that see the server at ``base_url`` (no slash at its end).

        Without any section it is the empty one that says that nothing changed (OGC 06-121r3, 7.3.4).
        """
        layers = list(self._store.layers())
        colormaps = self._offer.known()
        sequence = self.update_sequence
        generations = tuple((layer.name, layer.dataset.generation) for layer in layers)
        key = (base_url, endpoint, sections, sequence, generations)
        writer = LayerWriter(base_url, endpoint, colormaps)
        return self._documents.get(key, lambda: self._make(sections, layers, writer, sequence))

    def _make(
        self, sections: frozenset[str], layers: list[Layer], writer: LayerWriter, sequence: int
    ) -> CapabilitiesDocument:
        attributes = {
            "version": "1.0.0",
            "updateSequence": str(sequence),
            f"{{{xml.XSI}}}schemaLocation": xml.WMTS_SCHEMA,
        }
        root = xml.root("Capabilities", attributes)
        base_url, endpoint = writer.base_url, writer.endpoint
        if "ServiceIdentification" in sections:
            _identification(root, self._title)
        if "ServiceProvider" in sections:
            _provider(root, self._title, base_url)
        if "OperationsMetadata" in sections:
            _operations(root, base_url, endpoint)
        if "Contents" in sections:
            _contents(root, layers, writer)
        if sections == ALL_SECTIONS:
            address = f"{base_url}{endpoint.path}/1.0.0/WMTSCapabilities.xml"
            xml.add(root, "ServiceMetadataURL", attributes=xml.link(address))
        body = xml.document(root)
        return CapabilitiesDocument(body, hashlib.sha256(body).hexdigest())


def _identification(root: etree._Element, title: str) -> None:
    service = xml.add(root, "ows:ServiceIdentification")
    xml.add(service, "ows:Title", title)
    xml.add(service, "ows:Abstract", "Scientific grids as map tiles, computed from the data when they are asked for")
    xml.add(service, "ows:ServiceType", "OGC WMTS")
    xml.add(service, "ows:ServiceTypeVersion", "1.0.0")
    xml.add(service, "ows:Fees", "none")
    xml.add(service, "ows:AccessConstraints", "none")


def _provider(root: etree._Element, title: str, base_url: str) -> None:
    provider = xml.add(root, "ows:ServiceProvider")
    xml.add(provider, "ows:ProviderName", title)
    xml.add(provider, "ows:ProviderSite", attributes=xml.link(f"{base_url}/"))
    xml.add(provider, "ows:ServiceContact")


def _operations(root: etree._Element, base_url: str, endpoint: Endpoint) -> None:
    operations = xml.add(root, "ows:OperationsMetadata")
    place = f"{base_url}{endpoint.path}/"
    rest = {"GetCapabilities": f"{place}1.0.0/WMTSCapabilities.xml", "GetTile": place}
    for name, rest_address in rest.items():
        operation = xml.add(operations, "ows:Operation", attributes={"name": name})
        http = xml.add(xml.add(operation, "ows:DCP"), "ows:HTTP")
        for address, encoding in ((f"{base_url}{endpoint.kvp_path}?", "KVP"), (rest_address, "RESTful")):
            get = xml.add(http, "ows:Get", attributes=xml.link(address))
            constraint = xml.add(get, "ows:Constraint", attributes={"name": "GetEncoding"})
            xml.add(xml.add(constraint, "ows:AllowedValues"), "ows:Value", encoding)
        if name == "GetCapabilities":
            for parameter, values in (("AcceptFormats", ("application/xml", "text/xml")), ("Sections", SECTIONS)):
                element = xml.add(operation, "ows:Parameter", attributes={"name": parameter})
                allowed = xml.add(element, "ows:AllowedValues")
                for value in values:
                    xml.add(allowed, "ows:Value", value)


def _contents(root: etree._Element, layers: Iterable[Layer], writer: LayerWriter) -> None:
    contents = xml.add(root, "Contents")
    sets: dict[str, TileMatrixSet] = {}
    for layer in layers:
        linked = [tms for tms in linked_sets(layer) if writer.endpoint.crs in (None, tms.crs)]
        if linked:
            sets.update((tms.identifier, tms) for tms in linked)
            writer.write(contents, layer, linked)
    for tms in sets.values():
        _matrix_set(contents, tms)


def _matrix_set(contents: etree._Element, tms: TileMatrixSet) -> None:
    element = xml.add(contents, "TileMatrixSet")
    xml.add(element, "ows:Title", tms.title)
    xml.add(element, "ows:Identifier", tms.identifier)
    xml.add(element, "ows:SupportedCRS", tms.supported_crs)
    if tms.well_known_scale_set is not None and len(tms.matrices) <= GOOGLE_SCALES:
        xml.add(element, "WellKnownScaleSet", tms.well_known_scale_set)
    for matrix in tms.matrices:
        corner = position(tms.supported_crs, matrix.origin_x, matrix.origin_y)
        child = xml.add(element, "TileMatrix")
        xml.add(child, "ows:Identifier", matrix.identifier)
        xml.add(child, "ScaleDenominator", xml.double(matrix.scale_denominator))
        xml.add(child, "TopLeftCorner", " ".join(map(xml.double, corner)))
        for name, size in (
            ("TileWidth", matrix.tile_width),
            ("TileHeight", matrix.tile_height),
            ("MatrixWidth", matrix.matrix_width),
            ("MatrixHeight", matrix.matrix_height),
        ):
            xml.add(child, name, str(size))
