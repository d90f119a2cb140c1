"""The WMTS capabilities document (OGC 07-057r7, 7.1 and 10.1), made once for each state of the store.

The XML of each layer and set is cached with a placeholder for the address of the server. After a change of one dataset
among a thousand the document is only joined again; for another address the placeholder is only replaced.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.catalog.axis_order import position
from lazytile.pyramid.catalog.linked_sets import linked_sets
from lazytile.pyramid.tiling.registry import custom_sets
from lazytile.service.http import ows_xml
from lazytile.service.http.address_template import PLACEHOLDER, at_address
from lazytile.service.http.endpoint import MAIN
from lazytile.service.wmts.capabilities_layer import LayerWriter

if TYPE_CHECKING:
    from lxml import etree

    from lazytile.pyramid.catalog.snapshot import Snapshot
    from lazytile.pyramid.core.byte_lru import BytesLru
    from lazytile.pyramid.store.layer import Layer
    from lazytile.pyramid.tiling.tms import TileMatrixSet
    from lazytile.service.http.endpoint import Endpoint

NO_SECTIONS: frozenset[str] = frozenset()
SECTIONS = ("ServiceIdentification", "ServiceProvider", "OperationsMetadata", "Contents", "Themes")
ALL_SECTIONS = frozenset(SECTIONS)
GOOGLE_SCALES = 19
"""Scales of the well-known scale set GoogleMapsCompatible; a set with more does not conform to it (6.2)."""
_CONTENTS = "contents-go-here"


@dataclass(frozen=True, slots=True)
class _Piece:
    """The XML of a layer or a tile matrix set."""

    text: bytes
    sets: tuple[TileMatrixSet, ...]
    """The sets that a layer is linked to."""

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return len(self.text)


@dataclass(frozen=True, slots=True)
class CapabilitiesDocument:
    """A capabilities document and the hash for its entity tag."""

    body: bytes
    digest: str

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return len(self.body)


class Capabilities:
    """The capabilities documents of a store. Thread-safe; blocks, so call it from a worker thread."""

    def __init__(
        self, cache: BytesLru[Any], title: str, *, has_info: bool = True, templates: tuple[str, ...] = ("png",)
    ) -> None:
        self._title = title
        self._templates = templates
        self._has_info = has_info
        self._cache = cache

    def update_sequence(self, snapshot: Snapshot) -> int:
        """Return the time of the last change of the store or the colormaps (OGC 06-121r3, 7.3.4).

        Args:
            snapshot: The catalogue.

        Returns:
            Milliseconds since 1970.
        """
        newest_ns = max((stored.stamp[0] for stored in snapshot.datasets()), default=0)
        with suppress(OSError):  # there may be no store yet
            # The folder's time changes when a dataset is removed. Other entries change it too, so no snapshot has it.
            # Object storage has none; its pointer has the time of each dataset.
            newest_ns = max(newest_ns, snapshot.folder.stat().st_mtime_ns)
        newest_s = max((each.changed for each in snapshot.known_colormaps), default=0.0)
        return max(newest_ns // 1_000_000, int(newest_s * 1000))

    def document(
        self, snapshot: Snapshot, base_url: str, sections: frozenset[str] = ALL_SECTIONS, endpoint: Endpoint = MAIN
    ) -> CapabilitiesDocument:
        """Return the document.

        Args:
            snapshot: The catalogue.
            base_url: Address of the server as the client sees it, without a trailing slash.
            sections: The sections to include; with none, the document states that nothing changed
                (OGC 06-121r3, 7.3.4).
            endpoint: The endpoint that the client uses.

        Returns:
            The document.
        """
        sequence = self.update_sequence(snapshot)
        key = (endpoint, sections, sequence, snapshot.generation, snapshot.hidden)
        writer = LayerWriter(PLACEHOLDER, endpoint, snapshot.known_colormaps, self._has_info, self._templates)
        # One template for every address that clients use for the server, and the documents of a few addresses.
        template: _Piece = self._cache.get(
            (self, key), lambda: self._template(sections, list(snapshot.layers()), writer, sequence)
        )
        document: CapabilitiesDocument = self._cache.get((self, key, base_url), lambda: _at(template, base_url))
        return document

    def _template(self, sections: frozenset[str], layers: list[Layer], writer: LayerWriter, sequence: int) -> _Piece:
        attributes = {
            "version": "1.0.0",
            "updateSequence": str(sequence),
            f"{{{ows_xml.XSI}}}schemaLocation": ows_xml.WMTS_SCHEMA,
        }
        root = ows_xml.root("Capabilities", attributes)
        endpoint = writer.endpoint
        if "ServiceIdentification" in sections:
            _identification(root, self._title)
        if "ServiceProvider" in sections:
            _provider(root, self._title, PLACEHOLDER)
        if "OperationsMetadata" in sections:
            _operations(root, PLACEHOLDER, endpoint, has_info=self._has_info)
        if "Contents" in sections:
            ows_xml.add(root, "Contents", _CONTENTS)
        if sections == ALL_SECTIONS:
            address = f"{PLACEHOLDER}{endpoint.path}/1.0.0/WMTSCapabilities.xml"
            ows_xml.add(root, "ServiceMetadataURL", attributes=ows_xml.link(address))
        body = ows_xml.document(root)
        if "Contents" in sections:
            body = body.replace(_CONTENTS.encode(), self._contents(layers, writer))
        return _Piece(body, ())

    def _contents(self, layers: list[Layer], writer: LayerWriter) -> bytes:
        colormaps = tuple((each.style.name, each.changed) for each in writer.colormaps)
        sets: dict[str, TileMatrixSet] = {}
        texts = []
        for layer in layers:
            key = (layer.name, layer.dataset.generation, writer.endpoint, writer.templates, colormaps, custom_sets())
            piece: _Piece = self._cache.get((self, key), partial(_layer_piece, layer, writer))
            texts.append(piece.text)
            sets.update((tms.identifier, tms) for tms in piece.sets)
        texts += [self._cache.get((self, tms), partial(_set_piece, tms)).text for tms in sets.values()]
        return b"".join(texts)


def _at(template: _Piece, base_url: str) -> CapabilitiesDocument:
    body = at_address(template.text, base_url)
    return CapabilitiesDocument(body, hashlib.sha256(body).hexdigest())


def _layer_piece(layer: Layer, writer: LayerWriter) -> _Piece:
    linked = [tms for tms in linked_sets(layer) if writer.endpoint.crs in (None, tms.crs)]
    contents = ows_xml.root("Contents", {})
    if linked:
        writer.write(contents, layer, linked)
    return _Piece(ows_xml.children(contents), tuple(linked))


def _set_piece(tms: TileMatrixSet) -> _Piece:
    contents = ows_xml.root("Contents", {})
    _matrix_set(contents, tms)
    return _Piece(ows_xml.children(contents), ())


def _identification(root: etree._Element, title: str) -> None:
    service = ows_xml.add(root, "ows:ServiceIdentification")
    ows_xml.add(service, "ows:Title", title)
    ows_xml.add(
        service, "ows:Abstract", "Scientific grids as map tiles, computed from the data when they are asked for"
    )
    ows_xml.add(service, "ows:ServiceType", "OGC WMTS")
    ows_xml.add(service, "ows:ServiceTypeVersion", "1.0.0")
    ows_xml.add(service, "ows:Fees", "none")
    ows_xml.add(service, "ows:AccessConstraints", "none")


def _provider(root: etree._Element, title: str, base_url: str) -> None:
    provider = ows_xml.add(root, "ows:ServiceProvider")
    ows_xml.add(provider, "ows:ProviderName", title)
    ows_xml.add(provider, "ows:ProviderSite", attributes=ows_xml.link(f"{base_url}/"))
    ows_xml.add(provider, "ows:ServiceContact")


def _operations(root: etree._Element, base_url: str, endpoint: Endpoint, *, has_info: bool) -> None:
    operations = ows_xml.add(root, "ows:OperationsMetadata")
    root_url = f"{base_url}{endpoint.path}/"
    rest = {"GetCapabilities": f"{root_url}1.0.0/WMTSCapabilities.xml", "GetTile": root_url}
    if has_info:
        rest["GetFeatureInfo"] = root_url
    rest["DescribeDomains"] = f"{root_url}1.0.0/"
    for name, rest_address in rest.items():
        operation = ows_xml.add(operations, "ows:Operation", attributes={"name": name})
        http = ows_xml.add(ows_xml.add(operation, "ows:DCP"), "ows:HTTP")
        for address, encoding in ((f"{base_url}{endpoint.kvp_path}?", "KVP"), (rest_address, "RESTful")):
            get = ows_xml.add(http, "ows:Get", attributes=ows_xml.link(address))
            constraint = ows_xml.add(get, "ows:Constraint", attributes={"name": "GetEncoding"})
            ows_xml.add(ows_xml.add(constraint, "ows:AllowedValues"), "ows:Value", encoding)
        if name == "GetCapabilities":
            for parameter, values in (("AcceptFormats", ("application/xml", "text/xml")), ("Sections", SECTIONS)):
                element = ows_xml.add(operation, "ows:Parameter", attributes={"name": parameter})
                allowed = ows_xml.add(element, "ows:AllowedValues")
                for value in values:
                    ows_xml.add(allowed, "ows:Value", value)


def _matrix_set(contents: etree._Element, tms: TileMatrixSet) -> None:
    element = ows_xml.add(contents, "TileMatrixSet")
    ows_xml.add(element, "ows:Title", tms.title)
    ows_xml.add(element, "ows:Identifier", tms.identifier)
    ows_xml.add(element, "ows:SupportedCRS", tms.supported_crs)
    if tms.well_known_scale_set is not None and len(tms.matrices) <= GOOGLE_SCALES:
        ows_xml.add(element, "WellKnownScaleSet", tms.well_known_scale_set)
    for matrix in tms.matrices:
        corner = position(tms, matrix.origin_x, matrix.origin_y)
        child = ows_xml.add(element, "TileMatrix")
        ows_xml.add(child, "ows:Identifier", matrix.identifier)
        ows_xml.add(child, "ScaleDenominator", ows_xml.double(matrix.scale_denominator))
        ows_xml.add(child, "TopLeftCorner", " ".join(map(ows_xml.double, corner)))
        for name, size in (
            ("TileWidth", matrix.tile_width),
            ("TileHeight", matrix.tile_height),
            ("MatrixWidth", matrix.matrix_width),
            ("MatrixHeight", matrix.matrix_height),
        ):
            ows_xml.add(child, name, str(size))
