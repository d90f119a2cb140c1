"""OpenLayers reads the capabilities (optionsFromCapabilities) in a real browser and shows every layer."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from aiohttp import web

from lazytile.pyramid.store.dataset import Dimension
from tests.browser.page import READY, choose, skip_without_browser, viewer
from tests.data import CATALOGUE

skip_without_browser()

DAYS = [*range(1, 9), *range(11, 19)]
"""Of January, with a gap: two periods."""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    for name in ("antimeridian", "extra_dimension", "odd_sizes"):
        CATALOGUE[name]().write(folder)
    made = CATALOGUE["time_steps"]()
    field = made.fields[0]
    labels = tuple(f"2024-01-{day:02d}T00:00:00Z" for day in DAYS)
    codes = np.concatenate([field.codes] * 6)[: len(labels)]
    long_field = replace(field, codes=codes, dimensions=(Dimension("time", "time", labels),))
    replace(made, name="long_axis", fields=(long_field,), _oracles={}).write(folder)
    return folder


def counting(counted):
    @web.middleware
    async def count(request, handler):
        response = await handler(request)
        if request.path.endswith(".png"):
            counted[request.path.split("/")[2], response.status] += 1
        return response

    return count


@pytest.mark.parametrize("crs", ["EPSG:3857", "EPSG:4326"])
def test_no_tile_of_any_layer_fails(store, tmp_path, crs):
    counted = Counter()

    async def scenario():
        place = f"#layer=long_axis&crs={crs}"
        async with viewer(store, tmp_path, place, middlewares=[counting(counted)]) as page:
            layers = await page.evaluate("[...document.querySelectorAll('#layers input')].map((each) => each.value)")
            assert len(layers) == 4
            for layer in layers:
                await page.evaluate(f"location.hash = '#layer={layer}&crs={crs}&at=0,0,1'")
                loaded = "performance.getEntriesByType('resource').some((each) => each.name.includes"
                await page.wait_until(f"{loaded}('/wmts/{layer}/'))")
                await page.wait_until(READY)
            assert page.console == []

    asyncio.run(scenario())
    assert {status for _, status in counted} == {200}
    assert {layer for layer, _ in counted} == {"antimeridian", "extra_dimension", "long_axis", "odd_sizes"}


def test_a_long_axis_is_listed_as_periods_and_every_step_is_drawn(store, tmp_path):
    counted = Counter()

    async def scenario():
        async with viewer(store, tmp_path, "#layer=long_axis", middlewares=[counting(counted)]) as page:
            assert await page.evaluate("Number(document.getElementById('slider').max)") == len(DAYS) - 1
            assert await page.evaluate("document.getElementById('first').textContent") == "2024-01-01"
            assert await page.evaluate("document.getElementById('time').textContent") == "2024-01-18"
            shown = []
            for at in range(len(DAYS)):
                await choose(page, "#slider", str(at))
                await page.wait_until(READY)
                shown.append(await page.evaluate("document.getElementById('time').textContent"))
            assert shown == [f"2024-01-{day:02d}" for day in DAYS]
            await asyncio.sleep(0.3)
            await page.wait_until(READY)
            assert page.console == []

    asyncio.run(scenario())
    assert {status for _, status in counted} == {200}
