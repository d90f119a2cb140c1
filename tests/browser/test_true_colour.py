"""A GeoTIFF of red, green and blue is shown as a picture."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from lazytile.service.cli.main import run
from tests.browser.page import READY, choose, opened, skip_without_browser
from tests.faults.server import serving

skip_without_browser()


def test_three_bands_are_one_picture(tmp_path):
    rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed")
    bands = np.random.default_rng(2).integers(0, 256, (3, 200, 300), np.uint8)
    profile = {"driver": "GTiff", "width": 300, "height": 200, "count": 3, "dtype": "uint8", "crs": "EPSG:4326"}
    transform = rasterio.Affine(0.05, 0, 0, 0, -0.05, 50)
    with rasterio.open(tmp_path / "picture.tif", "w", transform=transform, photometric="RGB", **profile) as file:
        file.write(bands)
    assert run(["convert", str(tmp_path / "picture.tif"), "--store", str(tmp_path / "store")]) == 0

    async def scenario():
        with serving(tmp_path / "store", tmp_path / "cache") as server:
            async with opened(f"http://127.0.0.1:{server.port}/") as page:
                options = "[...document.querySelectorAll('#style option')].map(({value}) => value)"
                style = next(each for each in await page.evaluate(options) if each.startswith("rgb:"))
                await choose(page, "#style", style)
                await page.wait_until("location.hash.includes('style=rgb')")
                await page.wait_until(READY)
                assert any("rgb=" in url for url in page.requests)

    asyncio.run(scenario())
