"""Layers as the collections of an OGC API (OGC 19-072 and 20-024), with their extents and styles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from lazytile.pyramid.catalog.layer_text import abstract_of
from lazytile.pyramid.times import lookup
from lazytile.service.http.documents import HTML, link
from lazytile.service.http.parameter_names import parameter_name
from lazytile.service.legends.routes import legend_links
from lazytile.service.ogcapi.collection_models import (
    Collection,
    Collections,
    Conformance,
    DimensionExtent,
    DimensionGrid,
    Extent,
    LandingPage,
    SpatialExtent,
    StyleEntry,
    StylesList,
    TemporalExtent,
)
from lazytile.service.ogcapi.tile_matrix_sets import REL, TILESETS_MAP, TILING_SCHEMES
from lazytile.service.stac.collections import ZARR, StacWriter
from lazytile.service.zarr_http.address import store_url

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lazytile.pyramid.catalog.style_catalog import OfferedStyle
    from lazytile.pyramid.store.layer import Layer

CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
GREGORIAN = "http://www.opengis.net/def/uom/ISO-8601/0/Gregorian"
DEFINITION_TYPE = "application/vnd.oai.openapi+json"
LISTED_VALUES = 1000
"""Most values of a dimension that a collection lists; of a longer one, only the first and the last."""
_TILES = "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf"
_COMMON_1 = "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf"
_TMS = "http://www.opengis.net/spec/tms/2.0/conf"
CONFORMS_TO = (
    *(f"{_COMMON_1}/{name}" for name in ("core", "landing-page", "json", "html", "oas30")),
    "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/collections",
    *(
        f"{_TILES}/{name}"
        for name in ("core", "tileset", "tilesets-list", "geodata-tilesets", "datetime", "png", "jpeg", "oas30")
    ),
    *(
        f"{_TMS}/{name}"
        for name in ("tilematrixset", "json-tilematrixset", "tilematrixsetlimits", "json-tilematrixsetlimits",
                     "tilesetmetadata", "json-tilesetmetadata")
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CollectionWriter:
    """Makes the landing page and the collections, for clients of one base URL."""

    base_url: str
    """Address of the server, without a trailing slash."""

    @property
    def root(self) -> str:
        """Address of the API, without a trailing slash."""
        return f"{self.base_url}/ogc"

    def landing(self, title: str) -> LandingPage:
        """Return the landing page.

        Args:
            title: Of the service.

        Returns:
            The document.
        """
        root = self.root
        return LandingPage(
            title=title,
            description="Scientific grids as map tiles",
            links=[
                link(f"{root}/", "self", title="This document"),
                link(f"{root}/?f=html", "alternate", HTML, "This document as HTML"),
                link(f"{root}/api", "service-desc", f"{DEFINITION_TYPE};version=3.0", "The API's definition"),
                link(f"{root}/api?f=html", "service-doc", HTML, "The API's documentation"),
                link(f"{root}/conformance", "conformance", title="Conformance classes"),
                link(f"{root}/conformance", f"{REL}/conformance", title="Conformance classes"),
                link(f"{root}/collections", "data", title="Layers"),
                link(f"{root}/collections", f"{REL}/data", title="Layers"),
                link(f"{root}/tileMatrixSets", TILING_SCHEMES, title="Tile matrix sets"),
                link(f"{self.base_url}/wmts/1.0.0/WMTSCapabilities.xml", "related", "application/xml", "WMTS"),
                link(f"{self.base_url}/stac", "related", title="STAC catalog"),
            ],
        )

    def conformance(self) -> Conformance:
        """Return the conformance declaration."""
        return Conformance(conforms_to=list(CONFORMS_TO), links=[link(f"{self.root}/conformance", "self")])

    def listing(self, layers: Iterable[Layer]) -> Collections:
        """Return the list of collections.

        Args:
            layers: Every layer of the store.

        Returns:
            The document.
        """
        return Collections(
            collections=[self.collection(layer) for layer in layers],
            links=[link(f"{self.root}/collections", "self")],
        )

    def collection(self, layer: Layer) -> Collection:
        """Return the collection of a layer.

        Args:
            layer: The layer.

        Returns:
            The document.
        """
        address = self.address(layer)
        return Collection(
            id=layer.name,
            title=layer.title,
            description=abstract_of(layer),
            extent=extent_of(layer),
            crs=[CRS84],
            links=[
                link(address, "self", title=layer.title),
                link(f"{address}?f=html", "alternate", HTML, f"{layer.title} as HTML"),
                link(f"{address}/map/tiles", TILESETS_MAP, title="Map tilesets in the default style"),
                link(f"{address}/styles", f"{REL}/styles", title="Styles"),
                link(store_url(self.base_url, layer.dataset.name), "related", ZARR, "Its dataset as Zarr"),
                link(StacWriter(self.base_url).address(layer.dataset.name), "related", title="Its dataset in STAC"),
            ],
        )

    def styles(self, layer: Layer, styles: list[OfferedStyle]) -> StylesList:
        """Return the styles of a layer, each with its tilesets and its legends.

        Args:
            layer: The layer.
            styles: Those offered for it, the default first.

        Returns:
            The document.
        """
        address = self.address(layer)
        entries = []
        for style in styles:
            tiles = f"{address}/styles/{quote(style.name, safe='')}/map/tiles"
            legends = [
                link(f"{self.base_url}/legends/{quote(legend.path)}", f"{REL}/legend", legend.mime)
                for legend in legend_links(layer.name, style)
            ]
            entries.append(StyleEntry(id=style.name, title=style.title, links=[link(tiles, TILESETS_MAP), *legends]))
        return StylesList(default=styles[0].name, styles=entries, links=[link(f"{address}/styles", "self")])

    def address(self, layer: Layer) -> str:
        """Return the address of a layer's collection.

        Args:
            layer: The layer.

        Returns:
            The URL, without a slash at its end.
        """
        return f"{self.root}/collections/{quote(layer.name, safe='')}"


def extent_of(layer: Layer) -> Extent:
    """Return where and when a layer has data.

    Args:
        layer: The layer.

    Returns:
        The extent; its box has west above east where it crosses 180 degrees.
    """
    bounds = layer.geographic_bounds()
    east = bounds.east - 360.0 if bounds.east > 180.0 and bounds.east - bounds.west < 360.0 else bounds.east
    dimensions: dict[str, TemporalExtent | DimensionExtent] = {}
    for dimension in layer.variable.dimensions:
        labels = dimension.labels
        interval = [(labels[0], labels[-1])]
        if dimension.kind == "time" and lookup.has_instants(labels):
            dimensions["temporal"] = TemporalExtent(interval=interval, trs=GREGORIAN)
            continue
        values = list(labels) if len(labels) <= LISTED_VALUES else None
        grid = DimensionGrid(cells_count=len(labels), coordinates=values)
        dimensions[parameter_name(dimension)] = DimensionExtent(interval=interval, grid=grid)
    spatial = SpatialExtent(bbox=[(bounds.west, bounds.south, east, bounds.north)], crs=CRS84)
    return Extent.model_validate(dimensions | {"spatial": spatial})
