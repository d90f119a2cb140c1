"""Requests of every endpoint, protocol and kind for one layer, made from what the server's own documents offer."""

from __future__ import annotations

import json
from itertools import count, cycle
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.service.harness import Server

DOCUMENTS = (
    "/", "/healthz", "/readyz", "/metrics", "/wmts?service=WMTS&request=GetCapabilities",
    "/wmts/1.0.0/WMTSCapabilities.xml", "/wmts/1.0.0/featureInfo.xsd",
    *(f"/wmts/epsg{code}/best/1.0.0/WMTSCapabilities.xml" for code in (4326, 3857, 3413, 3031)),
    "/wmts/epsg4326/best/wmts.cgi?service=WMTS&request=GetCapabilities&version=1.0.0",
    "/wms?service=WMS&request=GetCapabilities", "/wms?service=WMS&request=GetCapabilities&version=1.1.1",
    "/ogc/", "/ogc/?f=html", "/ogc/api", "/ogc/api?f=html", "/ogc/conformance", "/ogc/collections",
    "/ogc/collections?f=html", "/ogc/tileMatrixSets", "/ogc/tileMatrixSets?f=html",
)  # fmt: skip
WMS_FORMATS = ("image/png", "image/jpeg", "image/webp")
INFO = (
    "application/json", "application/geo+json", "text/html", "text/plain", "application/gml+xml", "text/xml",
)  # fmt: skip
TILE_OPTIONS = (
    "", "rescale=0,1", "rescale=1,1000&spacing=log", "colormap=viridis", "resampling=nearest", "resampling=bilinear",
    "resampling=average", "resampling=mode", "filter=sobel", "filter=hillshade", "filter=contour:5",
    "scale=auto", "time=current", "time=1850-01-01", "time=1850/2100", "elevation=0", "cmap=viridis&min_value=0",
)  # fmt: skip


class Sweep:
    """Makes requests; what varies takes turns, so that a few requests a layer add up to every kind."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._options = cycle(TILE_OPTIONS)
        self._formats = cycle(WMS_FORMATS)
        self._extensions = cycle(("png", "jpg", "webp", "tif", "npy", "lerc", "terrain"))
        self._infos = cycle(INFO)
        self._matrices = cycle((0, 1, 2))
        self._turn = count()

    def documents(self) -> Iterator[str]:
        """Yield the address of every document that belongs to no layer, and of every tile matrix set."""
        yield from DOCUMENTS
        for entry in json.loads(self._server.get("/ogc/tileMatrixSets").body)["tileMatrixSets"]:
            address = f"/ogc/tileMatrixSets/{quote(entry['id'], safe='')}"
            yield address
            yield f"{address}?compat=17-083r2"
            yield f"{address}?f=html"

    def layer(self, layer: Any) -> Iterator[str]:
        """Yield requests for a layer of every protocol."""
        name = quote(layer.name)
        metadata = {"request": "GetMetadata", "item": "layerDetails", "layerName": layer.name}
        yield f"/wms?{urlencode({'service': 'WMS', **metadata})}"
        yield from self._tiles(layer, name)
        yield from self._wms(layer)
        yield from self._ogc(layer, name)
        yield from self._numbers(layer, name)
        for letter, extension in (("H", "svg"), ("V", "png")):
            yield f"/legends/{name}/default_{letter}.{extension}"
        yield f"/colormaps/{name}/default.xml"

    def _some(self, sets: list[Any]) -> list[Any]:
        """Return the last set, the layer's own, and one that takes turns."""
        return [sets[next(self._turn) % len(sets)], sets[-1]]

    def _tiles(self, layer: Any, name: str) -> Iterator[str]:
        yield f"/xyz/{name}.json"
        for _ in range(2):
            yield f"/xyz/{name}/0/0/0.{next(self._extensions)}?{next(self._options)}"
        for tms in self._some(layer.tile_matrix_sets()):
            matrix = tms.matrices[min(next(self._matrices), len(tms.matrices) - 1)]
            row, col = matrix.matrix_height // 2, matrix.matrix_width // 2
            values = "".join("default/" for _ in layer.variable.dimensions)
            path = f"{quote(tms.identifier)}/{quote(matrix.identifier)}/{row}/{col}"
            yield f"/wmts/{name}/default/{values}{path}.png?{next(self._options)}"
        kvp = {
            "service": "WMTS", "version": "1.0.0", "layer": layer.name, "style": "default", "format": "image/png",
            "tilematrixset": tms.identifier, "tilematrix": matrix.identifier, "tilerow": row, "tilecol": col,
        }  # fmt: skip
        yield f"/wmts?{urlencode({**kvp, 'request': 'GetTile'})}&{next(self._options)}"
        yield f"/wmts/{name}/default/{values}{path}/1/1.{('json', 'geojson', 'html', 'txt', 'gml')[row % 5]}"
        info = {"request": "GetFeatureInfo", "i": 3, "j": 4, "infoformat": next(self._infos)}
        yield f"/wmts?{urlencode({**kvp, **info})}"
        yield f"/wmts?{urlencode({**kvp, 'request': 'DescribeDomains'})}"

    def _wms(self, layer: Any) -> Iterator[str]:
        from lazytile.service.wms.map_frame import crss_of

        for version, parameter in (("1.3.0", "crs"), ("1.1.1", "srs")):
            for crs in crss_of(layer):
                box = layer.dataset.grid.bounds
                wanted = {
                    "service": "WMS", "version": version, "request": "GetMap", "layers": layer.name, "styles": "",
                    parameter: crs, "width": 40, "height": 30, "format": next(self._formats),
                    "bbox": ",".join(map(str, (box.west, box.south, box.east, box.north))),
                }  # fmt: skip
                yield f"/wms?{urlencode(wanted)}&{next(self._options)}"
            point = {"i": 3, "j": 4, "x": 3, "y": 4, "query_layers": layer.name, "info_format": next(self._infos)}
            yield f"/wms?{urlencode({**wanted, **point, 'request': 'GetFeatureInfo'})}"
        legend = {"service": "WMS", "version": "1.3.0", "request": "GetLegendGraphic", "layer": layer.name}
        yield f"/wms?{urlencode({**legend, 'format': next(self._formats)})}&{next(self._options)}"
        yield f"/wms?{urlencode({**legend, 'format': 'image/svg+xml', 'width': 60, 'height': 200})}"

    def _ogc(self, layer: Any, name: str) -> Iterator[str]:
        collection = f"/ogc/collections/{name}"
        yield from (collection, f"{collection}?f=html", f"{collection}/styles", f"{collection}/map/tiles")
        yield f"{collection}/styles/default/map/tiles?f=html"
        entries = json.loads(self._server.get(f"{collection}/map/tiles").body)["tilesets"]
        for entry in self._some(entries):
            tileset = f"{collection}/map/tiles/{quote(entry['tileMatrixSetId'], safe='')}"
            yield tileset
        yield f"{tileset}/0/0/0?{next(self._options)}&scale=2"

    def _numbers(self, layer: Any, name: str) -> Iterator[str]:
        box = layer.geographic_bounds()
        lon, lat = (box.west + box.east) / 2, (box.south + box.north) / 2
        yield f"/numbers/{name}/point?lon={lon}&lat={lat}"
        yield f"/numbers/{name}/series?lon={lon}&lat={lat}&f=covjson"
        yield f"/numbers/{name}/statistics?bbox={lon - 1},{max(lat - 1, -90)},{lon + 1},{min(lat + 1, 90)}&budget=70000"
