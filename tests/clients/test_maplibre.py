"""MapLibre GL shows raster tiles from TileJSON without a failed tile."""

import asyncio
import io
import json

import numpy as np
import pytest
from PIL import Image

from tests.clients.page import showing

HEAD = (
    '<link rel="stylesheet" href="libraries/maplibre-gl/dist/maplibre-gl.css">'
    '<script src="libraries/maplibre-gl/dist/maplibre-gl.js"></script>'
)
MAP = """
const map = new maplibregl.Map({container: 'map', attributionControl: false, fadeDuration: 0, center: %s,
  zoom: %s, style: {version: 8, sources: {grid: %s},
  layers: [{id: 'grid', type: 'raster', source: 'grid', paint: {'raster-fade-duration': 0}}]}});
map.on('error', event => window.tiles.failed.push(String(event.error && event.error.message)));
map.on('idle', () => window.done = map.isSourceLoaded('grid') && map.areTilesLoaded());
"""
STATUSES = (
    "performance.getEntriesByType('resource').filter(each => each.name.startsWith(%s)).map(each => each.responseStatus)"
)
WMS = "service=WMS&version=1.3.0&request=GetMap&layers=global_180&styles=&format=image/png&transparent=true"
SOURCES = {
    "tilejson": {"type": "raster", "url": "{url}/xyz/global_180.json", "tileSize": 256},
    "tilejson with time": {"type": "raster", "url": "{url}/xyz/time_steps.json?time=2024-01-02", "tileSize": 256},
    "tilejson across 180 degrees": {"type": "raster", "url": "{url}/xyz/antimeridian.json", "tileSize": 256},
    "wms": {
        "type": "raster",
        "tiles": [f"{{url}}/wms?{WMS}&crs=EPSG:3857&bbox={{bbox-epsg-3857}}&width=256&height=256"],
        "tileSize": 256,
    },
}


@pytest.mark.parametrize("name", SOURCES)
def test_every_tile_is_shown(map_libraries, map_server, name):
    source = json.dumps(SOURCES[name]).replace("{url}", map_server.url)
    layer = next((each for each in ("time_steps", "antimeridian") if each in source), "global_180")
    *centre, zoom = json.loads(map_server.get(f"/xyz/{layer}.json").body)["center"]
    script = MAP % (centre, max(zoom, 1) + 0.3, source)

    async def look():
        async with showing(HEAD, script) as page:
            if not await page.evaluate("Boolean(document.createElement('canvas').getContext('webgl2'))"):
                return None
            await page.wait_until("window.done", 60)
            answers = await page.evaluate(STATUSES % json.dumps(map_server.url))
            return await page.evaluate("window.tiles.failed"), answers, await page.screenshot()

    found = asyncio.run(look())
    if found is None:
        pytest.skip("this Chromium has no WebGL, not even in software")
    failed, answers, picture = found
    assert failed == []
    assert len(answers) >= 2
    assert set(answers) == {200}
    # The page's own white is one colour; the data is more.
    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > (20 if layer == "global_180" else 1)
