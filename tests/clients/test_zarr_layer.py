"""zarr-layer of carbonplan draws a dataset on the browser's own GPU, from ``/zarr``, with MapLibre."""

import asyncio
import io
import json

import numpy as np
import pytest
from PIL import Image

from tests.clients.page import showing

MODULES = {
    "@carbonplan/zarr-layer": "@carbonplan/zarr-layer/dist/index.js",
    "@developmentseed/raster-reproject": "@developmentseed/raster-reproject/dist/index.js",
    "@zarrita/storage": "@zarrita/storage/dist/src/index.js",
    "@zarrita/storage/fetch": "@zarrita/storage/dist/src/fetch.js",
    "delaunator": "delaunator/index.js",
    "fflate": "fflate/esm/browser.js",
    "numcodecs/blosc": "numcodecs/dist/blosc.js",
    "numcodecs/lz4": "numcodecs/dist/lz4.js",
    "numcodecs/zstd": "numcodecs/dist/zstd.js",
    "reference-spec-reader": "reference-spec-reader/src/index.js",
    "robust-predicates": "robust-predicates/index.js",
    "unzipit": "unzipit/dist/unzipit.module.js",
    "zarrita": "zarrita/dist/src/index.js",
}
ADDRESSES = {name: f"./libraries/{path}" for name, path in MODULES.items()}
# The modules of proj4 name each other without suffixes, as bundlers read them; its bundle is no module.
ADDRESSES["proj4"] = "data:text/javascript,export default window.proj4"
IMPORTS = json.dumps({"imports": ADDRESSES})
HEAD = (
    '<link rel="stylesheet" href="libraries/maplibre-gl/dist/maplibre-gl.css">'
    '<script src="libraries/maplibre-gl/dist/maplibre-gl.js"></script>'
    '<script src="libraries/proj4/dist/proj4.js"></script>'
    f'<script type="importmap">{IMPORTS}</script>'
)
LAYER = """
import('@carbonplan/zarr-layer').then(({ZarrLayer}) => {
  const map = new maplibregl.Map({container: 'map', attributionControl: false, center: %s, zoom: %s,
    style: {version: 8, sources: {}, layers: [{id: 'b', type: 'background', paint: {'background-color': '#ffffff'}}]}});
  const layer = new ZarrLayer({id: 'grid', source: %s, variable: %s, clim: %s, bounds: %s, latIsAscending: false,
    colormap: Array.from({length: 256}, (_, i) => [i, 0, 255 - i]), selector: %s,
    onLoadingStateChange: state => {
      if (state.error) window.tiles.failed.push(String(state.error));
      window.state = state;
    }});
  map.on('error', event => window.tiles.failed.push(String(event.error && event.error.message)));
  map.on('load', () => { map.addLayer(layer); window.map = map; window.layer = layer; });
}).catch(error => window.tiles.failed.push(String(error)));
"""
LOADED = "window.state && !window.state.loading && !window.state.metadata && !window.state.chunks"
ANSWERS = (
    "performance.getEntriesByType('resource').filter(e => e.name.includes('/zarr/'))"
    ".map(e => [e.name, e.responseStatus])"
)


@pytest.mark.parametrize("zoom", [1.2, 4.2], ids=["an overview", "more detail"])
def test_the_pixels_are_those_of_the_values(map_libraries, zarr_server, zoom):
    server, values, bounds = zarr_server
    centre = [10, 20]
    options = (centre, zoom, f"{server.url}/zarr/steps", "t", [float(values.min()), float(values.max())], bounds)
    selector = {"time": {"selected": 1, "type": "index"}}
    script = LAYER % tuple(json.dumps(each) for each in (*options, selector))

    async def look():
        async with showing(HEAD, script) as page:
            if not await page.evaluate("Boolean(document.createElement('canvas').getContext('webgl2'))"):
                return None
            await page.wait_until(f"window.tiles.failed.length || ({LOADED})", 60)
            assert await page.evaluate("window.tiles.failed") == [], page.failures
            answers = await page.evaluate(ANSWERS)
            # A frame after the last chunk.
            await page.evaluate(
                "new Promise(done => { window.map.once('render', () => done(0)); window.map.triggerRepaint(); })"
            )
            return await page.evaluate("window.tiles.failed"), answers, await page.screenshot(), page.console

    found = asyncio.run(look())
    if found is None:
        pytest.skip("this Chromium has no WebGL, not even in software")
    failed, answers, picture, console = found
    assert failed == []
    assert [each for each in console if "error" in str(each).lower()] == []
    assert any("/t/c/" in name for name, _ in answers), "chunks of the variable were asked for"
    assert {status for _, status in answers} <= {200, 206, 304, 404}
    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)
    middle = pixels[300, 400]
    # The colormap is a line from blue to red, so the share of red is the value between the two ends.
    west, south, east, north = bounds
    rows, cols = values.shape[1:]
    value = values[1, int((north - centre[1]) / (north - south) * rows), int((centre[0] - west) / (east - west) * cols)]
    share = (value - values.min()) / np.ptp(values)
    assert middle[1] == 0, "the colormap has no green; the background has"
    assert abs(middle[0] / 255 - share) < 0.03
    assert abs(middle[2] / 255 - (1 - share)) < 0.03
