"""A layer in the WMTS capabilities (OGC 07-057r7, Tables 6 to 11)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from lazytile.pyramid.catalog.layer_bounds import bounds_in, clipped_bounds
from lazytile.pyramid.catalog.layer_text import LISTED_VALUES, abstract_of
from lazytile.pyramid.catalog.style_catalog import offered_styles
from lazytile.pyramid.catalog.tile_limits import limits_of
from lazytile.pyramid.render.image import ImageFormat
from lazytile.pyramid.render.style import DEFAULT
from lazytile.pyramid.tiling.crs_axes import has_y_first
from lazytile.pyramid.times import lookup
from lazytile.pyramid.times.periods import periods_of
from lazytile.service.featureinfo.formats import INFO_FORMATS
from lazytile.service.http import ows_xml
from lazytile.service.http.parameter_names import parameter_name
from lazytile.service.legends.routes import legend_links

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lxml import etree

    from lazytile.pyramid.catalog.style_catalog import KnownColormap
    from lazytile.pyramid.core.grid import Bounds
    from lazytile.pyramid.store.dataset import Dimension
    from lazytile.pyramid.store.layer import Layer
    from lazytile.pyramid.tiling.tms import TileMatrixSet
    from lazytile.service.http.endpoint import Endpoint

SHOWN_FORMATS = tuple(image_format for image_format in ImageFormat if not image_format.is_data)
"""Formats with colours. Formats with values are served too, but map clients cannot display them."""
GIBS_COLORMAP_ROLE = "http://earthdata.nasa.gov/gibs/metadata-type/colormap/1.3"
MAX_PERIODS = 100
"""Periods that are listed, the latest ones, as in GIBS; ``DescribeDomains`` lists all."""


@dataclass(frozen=True, slots=True)
class LayerWriter:
    """Writes layers for clients of one base URL."""

    base_url: str
    endpoint: Endpoint
    colormaps: tuple[KnownColormap, ...]
    has_info: bool = True
    """Whether layers can be queried."""
    templates: tuple[str, ...] = ("png",)
    """Extensions of the formats that have a ``ResourceURL``."""

    def write(self, contents: etree._Element, layer: Layer, linked: list[TileMatrixSet]) -> None:
        """Append a layer, with its elements in the order of the schema.

        Args:
            contents: The element to append to.
            layer: The layer.
            linked: The tile matrix sets that it is linked to.
        """
        element = ows_xml.add(contents, "Layer")
        ows_xml.add(element, "ows:Title", layer.title)
        ows_xml.add(element, "ows:Abstract", abstract_of(layer))
        _corners(ows_xml.add(element, "ows:WGS84BoundingBox"), clipped_bounds(layer))
        ows_xml.add(element, "ows:Identifier", layer.name)
        for urn, tms in {tms.supported_crs: tms for tms in reversed(linked)}.items():
            box = ows_xml.add(element, "ows:BoundingBox", attributes={"crs": urn})
            _corners(box, bounds_in(layer, tms), swapped=has_y_first(urn))
        # Clients of GIBS read colours and values from here.
        address = f"{self.base_url}/colormaps/{quote(layer.name)}/{DEFAULT}.xml"
        ows_xml.add(element, "ows:Metadata", attributes={**ows_xml.link(address), **ows_xml.role(GIBS_COLORMAP_ROLE)})
        self._styles(element, layer)
        for image_format in SHOWN_FORMATS:
            ows_xml.add(element, "Format", image_format.mime)
        info_formats = INFO_FORMATS if self.has_info else ()
        for info_format in info_formats:
            ows_xml.add(element, "InfoFormat", info_format.mime)
        for dimension in layer.variable.dimensions:
            _dimension(element, dimension, for_gibs=self.endpoint.crs is not None)
        for tms in linked:
            _set_link(element, layer, tms)
        # One per format, since clients treat several of one as mirrors, and only one by default: OpenLayers 10 takes
        # those of every format for mirrors too (ol/source/WMTS, optionsFromCapabilities).
        for extension in self.templates:
            image_format = ImageFormat.from_extension(extension)
            self._resource(element, "tile", image_format.mime, self._template(layer, "", image_format.extension))
        for info_format in info_formats:
            template = self._template(layer, "/{J}/{I}", info_format.extension)
            self._resource(element, "FeatureInfo", info_format.mime, template)

    def _resource(self, element: etree._Element, kind: str, mime: str, template: str) -> None:
        ows_xml.add(element, "ResourceURL", attributes={"format": mime, "resourceType": kind, "template": template})

    def _styles(self, element: etree._Element, layer: Layer) -> None:
        for offered in offered_styles(layer, self.colormaps):
            is_default = {"isDefault": "true"} if offered.name == DEFAULT else None
            style = ows_xml.add(element, "Style", attributes=is_default)
            ows_xml.add(style, "ows:Title", offered.title)
            if offered.name == DEFAULT and not self._has_own_colormap(layer):
                ows_xml.add(style, "ows:Abstract", "A default: no colormap has the name of this layer")
            ows_xml.add(style, "ows:Identifier", offered.name)
            for legend in legend_links(layer.name, offered):
                attributes = {"format": legend.mime, **ows_xml.link(f"{self.base_url}/legends/{quote(legend.path)}")}
                if legend.size is not None:
                    attributes |= {"width": str(legend.size[0]), "height": str(legend.size[1])}
                ows_xml.add(style, "LegendURL", attributes=attributes)

    def _has_own_colormap(self, layer: Layer) -> bool:
        names = {layer.variable.colormap, layer.name, layer.dataset.name, layer.variable.name}
        return any(each.style.name in names for each in self.colormaps)

    def _template(self, layer: Layer, point: str, extension: str) -> str:
        dimensions = "".join(f"{{{parameter_name(dimension)}}}/" for dimension in layer.variable.dimensions)
        path = f"{quote(layer.name)}/{{Style}}/{dimensions}{{TileMatrixSet}}/{{TileMatrix}}/{{TileRow}}/{{TileCol}}"
        return f"{self.base_url}{self.endpoint.path}/{path}{point}.{extension}"


def _corners(box: etree._Element, bounds: Bounds, *, swapped: bool = False) -> None:
    for name, x, y in (("ows:LowerCorner", bounds.west, bounds.south), ("ows:UpperCorner", bounds.east, bounds.north)):
        first, second = (y, x) if swapped else (x, y)
        ows_xml.add(box, name, f"{ows_xml.double(first)} {ows_xml.double(second)}")


def _dimension(element: etree._Element, dimension: Dimension, *, for_gibs: bool) -> None:
    is_time = dimension.kind == "time"
    child = ows_xml.add(element, "Dimension")
    ows_xml.add(child, "ows:Identifier", parameter_name(dimension))
    if is_time or dimension.units:
        ows_xml.add(child, "ows:UOM", "ISO8601" if is_time else dimension.units)
    ows_xml.add(child, "Default", dimension.labels[lookup.default_index(dimension)])
    if is_time:
        ows_xml.add(child, "Current", "true")
    for value in _values(dimension, for_gibs=for_gibs):
        ows_xml.add(child, "Value", value)


def _values(dimension: Dimension, *, for_gibs: bool) -> Sequence[str]:
    if dimension.kind != "time":
        return dimension.labels
    if len(dimension.labels) <= LISTED_VALUES and not for_gibs:
        return dimension.labels
    return periods_of(dimension.labels, always=for_gibs)[-MAX_PERIODS:]


def _set_link(element: etree._Element, layer: Layer, tms: TileMatrixSet) -> None:
    link = ows_xml.add(element, "TileMatrixSetLink")
    ows_xml.add(link, "TileMatrixSet", tms.identifier)
    limits = limits_of(layer, tms)
    if not limits:
        return
    parent = ows_xml.add(link, "TileMatrixSetLimits")
    for matrix in limits:
        child = ows_xml.add(parent, "TileMatrixLimits")
        ows_xml.add(child, "TileMatrix", matrix.matrix)
        for name, value in (
            ("MinTileRow", matrix.min_row),
            ("MaxTileRow", matrix.max_row),
            ("MinTileCol", matrix.min_col),
            ("MaxTileCol", matrix.max_col),
        ):
            ows_xml.add(child, name, str(value))
