"""The WMS capabilities document of versions 1.3.0 (OGC 06-042, annex A) and 1.1.1 (01-068r3, annex A)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from lxml import etree

from lazytile.pyramid.catalog.layer_bounds import bounds_in, clipped_bounds
from lazytile.pyramid.catalog.layer_text import abstract_of
from lazytile.pyramid.catalog.style_catalog import offered_styles
from lazytile.pyramid.tiling.crs_axes import has_y_first
from lazytile.pyramid.tiling.tms import REGISTERED
from lazytile.service.featureinfo.formats import MAP_INFO_FORMATS
from lazytile.service.http.errors import one_line
from lazytile.service.http.ows_xml import XLINK, XSI, double
from lazytile.service.wms.dimensions import dimensions_of
from lazytile.service.wms.exceptions import OLD_TYPE
from lazytile.service.wms.legend import LEGEND_FORMATS
from lazytile.service.wms.map_frame import CRSS, CURRENT, own_name
from lazytile.service.wms.map_request import FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lazytile.pyramid.catalog.style_catalog import KnownColormap, OfferedStyle
    from lazytile.pyramid.store.layer import Layer
    from lazytile.pyramid.tiling.tms import TileMatrixSet
    from lazytile.service.wms.dimensions import MapDimension

WMS = "http://www.opengis.net/wms"
LEGEND_SIZE, CLASS_LEGEND_SIZE = (150, 300), (300, 600)
"""Width and height of the legend of a layer's default style, in pixels."""
CAPABILITIES_TYPES = {CURRENT: "text/xml", "1.1.1": "application/vnd.ogc.wms_xml"}
_SCHEMA = f"{WMS} http://schemas.opengis.net/wms/1.3.0/capabilities_1_3_0.xsd"
_DTD = '<!DOCTYPE WMT_MS_Capabilities SYSTEM "http://schemas.opengis.net/wms/1.1.1/WMS_MS_Capabilities.dtd">'
_POLAR = {"EPSG:3413": "EPSG3413_1km", "EPSG:3031": "EPSG3031_1km"}
_SETS = {"EPSG:4326": "WorldCRS84Quad", "CRS:84": "WorldCRS84Quad", "EPSG:3857": "WebMercatorQuad", **_POLAR}
"""A tile matrix set for each CRS; its bounds clip those of the data."""


@dataclass(frozen=True, slots=True)
class CapabilitiesWriter:
    """Writes the capabilities of one version, for clients of one base URL."""

    version: str
    base_url: str
    title: str
    max_side_px: int
    colormaps: tuple[KnownColormap, ...]
    is_queryable: bool

    @property
    def _is_current(self) -> bool:
        return self.version == CURRENT

    def write(self, layers: Iterable[Layer]) -> bytes:
        """Return the document, with its elements in the order of the schema.

        Args:
            layers: Every layer of the store.

        Returns:
            The document in UTF-8.
        """
        if self._is_current:
            root = etree.Element(f"{{{WMS}}}WMS_Capabilities", nsmap={None: WMS, "xlink": XLINK, "xsi": XSI})
            root.set(f"{{{XSI}}}schemaLocation", _SCHEMA)
        else:
            root = etree.Element("WMT_MS_Capabilities")
        root.set("version", self.version)
        self._service(self._add(root, "Service"))
        capability = self._add(root, "Capability")
        self._operations(self._add(capability, "Request"))
        exception = self._add(capability, "Exception")
        self._add(exception, "Format", "XML" if self._is_current else OLD_TYPE)
        top = self._add(capability, "Layer")
        self._add(top, "Title", self.title)
        for crs in self._named_crss(CRSS):
            self._add(top, "CRS" if self._is_current else "SRS", crs)
        for layer in layers:
            self._layer(top, layer)
        doctype = None if self._is_current else _DTD
        return etree.tostring(root, xml_declaration=True, encoding="UTF-8", doctype=doctype)

    def _named_crss(self, crss: Iterable[str]) -> list[str]:
        return [crs for crs in crss if self._is_current or crs != "CRS:84"]

    def _add(
        self, parent: etree._Element, name: str, text: str | None = None, attributes: dict[str, str] | None = None
    ) -> etree._Element:
        # The DTD of 1.1.1 declares the prefix at every link, not at the root.
        prefixes = {"xlink": XLINK} if name == "OnlineResource" and not self._is_current else None
        tag = f"{{{WMS}}}{name}" if self._is_current else name
        child = etree.SubElement(parent, tag, attributes or {}, nsmap=prefixes)
        if text is not None:
            child.text = one_line(text)
        return child

    def _online(self, parent: etree._Element, address: str) -> None:
        attributes = {f"{{{XLINK}}}type": "simple", f"{{{XLINK}}}href": address}
        self._add(parent, "OnlineResource", attributes=attributes)

    def _service(self, service: etree._Element) -> None:
        self._add(service, "Name", "WMS" if self._is_current else "OGC:WMS")
        self._add(service, "Title", self.title)
        self._add(service, "Abstract", "Scientific grids as maps, computed from the data when they are asked for")
        self._online(service, f"{self.base_url}/")
        self._add(service, "Fees", "none")
        self._add(service, "AccessConstraints", "none")
        if self._is_current:
            self._add(service, "LayerLimit", "1")
            self._add(service, "MaxWidth", str(self.max_side_px))
            self._add(service, "MaxHeight", str(self.max_side_px))

    def _operations(self, parent: etree._Element) -> None:
        operations = {"GetCapabilities": [CAPABILITIES_TYPES[self.version]], "GetMap": list(FORMATS)}
        if self.is_queryable:
            operations["GetFeatureInfo"] = [each.mime for each in MAP_INFO_FORMATS]
        if not self._is_current:
            operations["GetLegendGraphic"] = list(LEGEND_FORMATS)
        for name, formats in operations.items():
            operation = self._add(parent, name)
            for media_type in formats:
                self._add(operation, "Format", media_type)
            get = self._add(self._add(self._add(operation, "DCPType"), "HTTP"), "Get")
            self._online(get, f"{self.base_url}/wms?")

    def _layer(self, parent: etree._Element, layer: Layer) -> None:
        element = self._add(parent, "Layer", attributes={"queryable": "1" if self.is_queryable else "0", "opaque": "0"})
        self._add(element, "Name", layer.name)
        self._add(element, "Title", layer.title)
        self._add(element, "Abstract", abstract_of(layer))
        boxes = boxes_of(layer)
        if (own := own_name(layer)) and own not in CRSS:
            self._add(element, "CRS" if self._is_current else "SRS", own)
        self._geographic_box(element, layer)
        for crs in self._named_crss(boxes):
            self._box(element, crs, layer, boxes[crs])
        dimensions = dimensions_of(layer)
        for dimension in dimensions:
            self._dimension(element, dimension)
        for dimension in dimensions:
            self._extent(element, dimension)
        for style in offered_styles(layer, self.colormaps):
            self._style(element, layer, style)

    def _geographic_box(self, element: etree._Element, layer: Layer) -> None:
        bounds = clipped_bounds(layer)
        if self._is_current:
            box = self._add(element, "EX_GeographicBoundingBox")
            for name, value in (
                ("westBoundLongitude", bounds.west),
                ("eastBoundLongitude", bounds.east),
                ("southBoundLatitude", bounds.south),
                ("northBoundLatitude", bounds.north),
            ):
                self._add(box, name, double(value))
            return
        corners = zip(
            ("minx", "miny", "maxx", "maxy"), (bounds.west, bounds.south, bounds.east, bounds.north), strict=True
        )
        self._add(element, "LatLonBoundingBox", attributes={name: double(value) for name, value in corners})

    def _box(self, element: etree._Element, crs: str, layer: Layer, tms: TileMatrixSet) -> None:
        bounds = bounds_in(layer, tms)
        values = [bounds.west, bounds.south, bounds.east, bounds.north]
        if self._is_current and has_y_first(CRSS.get(crs, tms.supported_crs)):
            values = [bounds.south, bounds.west, bounds.north, bounds.east]
        attributes = {"CRS" if self._is_current else "SRS": crs}
        corners = zip(("minx", "miny", "maxx", "maxy"), values, strict=True)
        self._add(element, "BoundingBox", attributes=attributes | {name: double(value) for name, value in corners})

    def _dimension(self, element: etree._Element, dimension: MapDimension) -> None:
        attributes = {"name": dimension.name, "units": one_line(dimension.units)}
        if not self._is_current:
            self._add(element, "Dimension", attributes=attributes)
            return
        attributes |= {"default": dimension.default, "nearestValue": "0"}
        self._add(element, "Dimension", dimension.values(), attributes)

    def _extent(self, element: etree._Element, dimension: MapDimension) -> None:
        """Append the values of a dimension, which are a separate element in 1.1.1."""
        if not self._is_current:
            attributes = {"name": dimension.name, "default": dimension.default, "nearestValue": "0"}
            self._add(element, "Extent", dimension.values(), attributes)

    def _style(self, element: etree._Element, layer: Layer, style: OfferedStyle) -> None:
        child = self._add(element, "Style")
        self._add(child, "Name", style.name)
        self._add(child, "Title", style.title)
        size = style.legend_sizes.get("V")
        width, height = size or (CLASS_LEGEND_SIZE if layer.variable.is_classes else LEGEND_SIZE)
        parameters = {
            "SERVICE": "WMS",
            "VERSION": self.version,
            "REQUEST": "GetLegendGraphic",
            "LAYER": layer.name,
            "STYLE": style.name,
            "FORMAT": LEGEND_FORMATS[0],
            # A style of the layer's own is not compiled for its capabilities: the address states the size.
            **({} if size else {"WIDTH": str(width), "HEIGHT": str(height)}),
        }
        legend = self._add(child, "LegendURL", attributes={"width": str(width), "height": str(height)})
        self._add(legend, "Format", LEGEND_FORMATS[0])
        self._online(legend, f"{self.base_url}/wms?{urlencode(parameters, quote_via=quote)}")


def boxes_of(layer: Layer) -> dict[str, TileMatrixSet]:
    """Return the CRSs in which a layer has a bounding box.

    Args:
        layer: The layer.

    Returns:
        For each CRS, the tile matrix set whose bounds clip the box.
    """
    crss = {tms.crs for tms in layer.tile_matrix_sets()}
    boxes = {crs: REGISTERED[name] for crs, name in _SETS.items() if crs not in _POLAR or crs in crss}
    if own := own_name(layer):
        boxes.setdefault(own, layer.native_set)
    return boxes
