"""Leaflet shows XYZ tiles, WMTS RESTful tiles and WMS maps without a failed tile."""

import asyncio
import io

import numpy as np
import pytest
from PIL import Image

from tests.clients.page import showing

HEAD = (
    '<link rel="stylesheet" href="libraries/leaflet/dist/leaflet.css">'
    '<script src="libraries/leaflet/dist/leaflet.js"></script>'
)
MAP = """
const map = L.map('map', {fadeAnimation: false, zoomAnimation: false, crs: %s}).setView([10, 20], 2);
const asked = {layers: 'global_180', format: 'image/png', transparent: true};
const layer = %s;
layer.on('tileload', () => window.tiles.loaded++);
layer.on('tileerror', event => window.tiles.failed.push(event.tile.src));
layer.on('load', () => window.done = true);
layer.addTo(map);
"""
LAYERS = {
    "xyz": ("L.CRS.EPSG3857", "L.tileLayer('{url}/xyz/global_180/{{z}}/{{x}}/{{y}}.png?style=default')"),
    "xyz at twice the pixels": (
        "L.CRS.EPSG3857",
        "L.tileLayer('{url}/xyz/global_180/{{z}}/{{x}}/{{y}}@2x.webp')",
    ),
    "wmts": (
        "L.CRS.EPSG3857",
        "L.tileLayer('{url}/wmts/global_180/default/WebMercatorQuad/{{z}}/{{y}}/{{x}}.png')",
    ),
    "ogc api tiles": (
        "L.CRS.EPSG3857",
        "L.tileLayer('{url}/ogc/collections/global_180/map/tiles/WebMercatorQuad/{{z}}/{{y}}/{{x}}')",
    ),
    "wms 1.3.0": (
        "L.CRS.EPSG3857",
        "L.tileLayer.wms('{url}/wms', {{version: '1.3.0', ...asked}})",
    ),
    "wms 1.1.1 in degrees": (
        "L.CRS.EPSG4326",
        "L.tileLayer.wms('{url}/wms', {{version: '1.1.1', ...asked}})",
    ),
    "wms 1.3.0 in degrees, latitude first": (
        "L.CRS.EPSG4326",
        "L.tileLayer.wms('{url}/wms', {{version: '1.3.0', ...asked}})",
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_every_tile_is_shown(map_libraries, map_server, name):
    crs, layer = LAYERS[name]

    async def look():
        async with showing(HEAD, MAP % (crs, layer.format(url=map_server.url))) as page:
            await page.wait_until("window.done")
            return await page.evaluate("window.tiles"), await page.screenshot(), page.console

    tiles, picture, console = asyncio.run(look())
    assert tiles["failed"] == []
    assert tiles["loaded"] >= 6
    assert console == []
    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))[50:-50, 60:-50]
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20


def test_the_same_place_has_the_same_colours_in_every_protocol(map_libraries, map_server):
    async def look(name):
        crs, layer = LAYERS[name]
        async with showing(HEAD, MAP % (crs, layer.format(url=map_server.url))) as page:
            await page.wait_until("window.done")
            return np.asarray(Image.open(io.BytesIO(await page.screenshot())).convert("RGB"))[50:-50, 60:-50]

    pictures = [asyncio.run(look(name)) for name in ("wmts", "ogc api tiles", "wms 1.3.0")]
    assert np.array_equal(pictures[0], pictures[1])
    assert (pictures[0] == pictures[2]).mean() > 0.999
    degrees = [asyncio.run(look(name)) for name in LAYERS if "degrees" in name]
    assert np.array_equal(*degrees)
