"""The pages in ``docs/examples`` show their layer, with the libraries that they name."""

import asyncio
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.clients.page import LIBRARIES, showing_page

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
LIBRARY = re.compile(r"https://cdn\.jsdelivr\.net/npm/([a-z-]+)@(\d+)/")
ANSWERS = (
    "performance.getEntriesByType('resource').filter(e => e.name.startsWith(%s)).map(e => [e.name, e.responseStatus])"
)


@pytest.mark.parametrize("name", ["leaflet", "maplibre", "openlayers"])
def test_an_example_shows_its_layer(map_libraries, map_server, name):
    html = (EXAMPLES / f"{name}.html").read_text()
    for library, major in LIBRARY.findall(html):
        installed = json.loads((LIBRARIES / library / "package.json").read_text())["version"]
        assert installed.split(".")[0] == major
    local = LIBRARY.sub(r"libraries/\1/", html)
    moved = local.replace("http://127.0.0.1:8080", map_server.url).replace("layer = 'sst'", "layer = 'global_180'")
    assert moved.count(map_server.url) == 1
    assert "'global_180'" in moved

    async def look():
        async with showing_page(moved.replace("<title>", '<link rel="icon" href="data:,"><title>')) as page:
            if not await page.evaluate("Boolean(document.createElement('canvas').getContext('webgl2'))"):
                return None
            answers = ANSWERS % json.dumps(map_server.url)
            await page.wait_until(f"{answers}.filter(e => /\\d[/]\\d|GetTile/.test(e[0])).length >= 4", 60)
            await asyncio.sleep(2)  # what fades in is there
            return await page.screenshot(), page.failures, page.console

    found = asyncio.run(look())
    if found is None:
        pytest.skip("this Chromium has no WebGL, not even in software")
    picture, failures, console = found
    assert failures == []
    assert [line for line in console if "GPU stall" not in line] == []
    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))[50:-50, 60:-50]
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20
