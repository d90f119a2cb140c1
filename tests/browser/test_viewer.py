"""The viewer page in a real browser, served by the real server."""

from __future__ import annotations

import asyncio
import io
import shutil

import aiohttp
import numpy as np
import pytest
from aiohttp import web
from PIL import Image

from lazytile.pyramid.tiling.tms import REGISTERED
from tests.browser.page import READY, choose, listening, serving, skip_without_browser, viewer
from tests.chromium import chromium

skip_without_browser()


async def fields_of(page):
    """The permalink."""
    return await page.evaluate("Object.fromEntries(new URLSearchParams(location.hash.slice(1)))")


def tiles(page):
    return [url for url in page.requests if "/wmts/" in url and url.endswith(".png")]


def test_the_first_layer_is_there_at_once_and_nothing_comes_from_elsewhere(datasets, tmp_path):
    async def scenario():
        async with viewer(datasets, tmp_path) as page:
            origin = await page.evaluate("location.origin")
            assert (await fields_of(page))["layer"] == "antimeridian"
            assert tiles(page)
            assert all(url.startswith((origin, f"blob:{origin}")) for url in page.requests)
            assert await page.evaluate("document.querySelectorAll('#layers label').length") == 4
            assert page.console == []

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("crs", "tile_set", "matrix"), [("EPSG:4326", "WorldCRS84Quad", 1), ("EPSG:3857", "WebMercatorQuad", 2)]
)
def test_every_pixel_of_the_map_is_the_pixel_of_the_tile_that_belongs_there(datasets, tmp_path, crs, tile_set, matrix):
    """At this zoom a pixel of the tiles is one of the screen, and 0, 0 is a corner of tiles."""
    width, height = 620, 500
    centre_x, centre_y = width // 2, height // 2

    async def scenario():
        place = f"#layer=global_180&crs={crs}&set={tile_set}&at=0,0,2&coast=0&grid=0"
        async with viewer(datasets, tmp_path, place, (width, height)) as page:
            over = "#panel, #legend, #rail, #scale, .ol-control"
            await page.evaluate(f"document.querySelectorAll('{over}').forEach((e) => e.remove())")
            await asyncio.sleep(0.5)
            screen = np.asarray(Image.open(io.BytesIO(await page.screenshot())).convert("RGB"))
            wanted = np.zeros_like(screen)
            shown = np.zeros(screen.shape[:2], bool)
            columns = REGISTERED[tile_set].matrices[matrix].matrix_width
            rows = REGISTERED[tile_set].matrices[matrix].matrix_height
            async with aiohttp.ClientSession() as session:
                for row in (rows // 2 - 1, rows // 2):
                    for column in (columns // 2 - 1, columns // 2):
                        origin = await page.evaluate("location.origin")
                        path = f"wmts/global_180/default/{tile_set}/{matrix}/{row}/{column}.png"
                        async with session.get(f"{origin}/{path}") as reply:
                            assert reply.status == 200
                            tile = np.asarray(Image.open(io.BytesIO(await reply.read())).convert("RGBA"))
                        # 200 pixels from the middle on each side are within the window.
                        for y, x in np.ndindex(tile.shape[:2]):
                            sy, sx = (
                                centre_y + (row - rows // 2) * 256 + y,
                                centre_x + (column - columns // 2) * 256 + x,
                            )
                            if 30 <= sy < height - 60 and 0 <= sx < width - 60 and tile[y, x, 3] == 255:
                                wanted[sy, sx], shown[sy, sx] = tile[y, x, :3], True
            assert shown.mean() > 0.4
            equal = (screen == wanted).all(axis=2)[shown]
            assert equal.mean() > 0.999

    asyncio.run(scenario())


def test_keys_and_the_play_button_step_through_time(datasets, tmp_path):
    async def scenario():
        async with viewer(datasets, tmp_path, "#layer=time_steps&time=2024-01-01T00:00:00Z") as page:
            assert await page.evaluate("document.getElementById('time').textContent") == "2024-01-01"
            await page.evaluate("document.getElementById('map').focus()")
            await page.press(".", ".")
            await page.wait_until("location.hash.includes('time=2024-01-02')")
            await page.wait_until(READY)
            assert any("2024-01-02" in url for url in tiles(page))
            await page.press(",", ",")
            await page.press(",", ",")
            # Round the end: from the first to the last.
            await page.wait_until("document.getElementById('time').textContent === '2024-01-03'")
            await page.press(" ", " ")
            await page.wait_until("document.getElementById('play').getAttribute('aria-pressed') === 'true'")
            await page.wait_until("location.hash.includes('time=2024-01-02')")
            await page.press(" ", " ")
            await page.wait_until("document.getElementById('play').getAttribute('aria-pressed') === 'false'")
            assert page.console == []

    asyncio.run(scenario())


def test_a_permalink_restores_the_whole_state(datasets, tmp_path):
    state = {
        "layer": "extra_dimension",
        "style": "air_temperature",
        "time": "2024-01-01T00:00:00Z",
        "crs": "EPSG:3857",
        "set": "WebMercatorQuad",
        "opacity": "0.5",
        "at": "-5,47.25,5",
        "dim.level": "850",
    }

    async def scenario():
        link = "#" + "&".join(f"{name}={value}" for name, value in state.items())
        async with viewer(datasets, tmp_path, link) as page:
            assert await fields_of(page) == state
            asked = tiles(page)
            own = [url for url in asked if "/air_temperature/2024-01-01T00%3A00%3A00Z/850/WebMercatorQuad/" in url]
            assert own
            # What is shown comes first; then the next time is loaded in advance.
            assert asked[: len(own)] == own
            ahead = "/air_temperature/2024-01-02T00%3A00%3A00Z/850/WebMercatorQuad/"
            assert all(ahead in url for url in asked[len(own) :])
            await page.evaluate("void (location.hash = '#layer=global_180&at=10,20,3')")
            await page.wait_until("location.hash.includes('style=default')")
            fields = await fields_of(page)
            assert (fields["layer"], fields["at"]) == ("global_180", "10,20,3")
            assert "dim.level" not in fields
            assert await page.evaluate("document.getElementById('timeline').hidden")
            assert page.console == []

    asyncio.run(scenario())


def test_the_controls_change_what_is_asked_for(datasets, tmp_path):
    async def scenario():
        async with viewer(datasets, tmp_path) as page:
            for control, value, field in (
                ("#layers input[value=extra_dimension]", "extra_dimension", "layer"),
                ("#style", "anomaly", "style"),
                ("#projection input[value='EPSG:3857']", "EPSG:3857", "crs"),
                ("#set", "GoogleMapsCompatible_Level6", "set"),
                ("#dimension-level", "500", "dim.level"),
                ("#opacity", "0.35", "opacity"),
            ):
                await choose(page, control, value)
                await page.wait_until(READY)
                assert (await fields_of(page))[field] == value
            address = "/anomaly/2024-01-02T00%3A00%3A00Z/500/GoogleMapsCompatible_Level6/"
            assert any(address in url for url in tiles(page))
            assert page.console == []

    asyncio.run(scenario())


def test_a_tile_that_fails_is_told_in_the_servers_words(datasets, tmp_path):
    async def scenario():
        store = tmp_path / "store"
        shutil.copytree(datasets, store)
        async with viewer(store, tmp_path / "cache", "#layer=time_steps") as page:
            shutil.rmtree(store / "time_steps.zarr")
            await choose(page, "#style", "anomaly")
            await page.wait_until("!document.getElementById('message').hidden")
            text = await page.evaluate("document.getElementById('message').textContent")
            assert text.startswith("Tile not available (4")
            assert "time_steps" in text

    asyncio.run(scenario())


def test_a_busy_server_is_asked_again(datasets, tmp_path):
    refused = set()

    @web.middleware
    async def busy_at_first(request, handler):
        if request.path.endswith(".png") and request.path not in refused:
            refused.add(request.path)
            return web.Response(status=503, headers={"Retry-After": "1"})
        return await handler(request)

    async def scenario():
        async with viewer(datasets, tmp_path, "#layer=global_180", middlewares=[busy_at_first]) as page:
            assert refused
            assert all(sum(refusal in url for url in tiles(page)) > 1 for refusal in refused)
            assert await page.evaluate("document.getElementById('message').hidden")

    asyncio.run(scenario())


def test_the_page_works_below_a_path_on_another_host(datasets, tmp_path):
    """Behind a proxy that hands on neither the host's name nor the path that it serves us under."""

    async def scenario():
        async with serving(datasets, tmp_path) as inside, aiohttp.ClientSession() as session:

            async def forward(request):
                async with session.get(
                    inside + request.match_info["path"], params=request.query, headers={"Host": "inside.invalid"}
                ) as reply:
                    kept = {"Content-Type": reply.headers["Content-Type"]}
                    return web.Response(status=reply.status, body=await reply.read(), headers=kept)

            proxy = web.Application()
            proxy.router.add_get("/maps/lazytile/{path:.*}", forward)
            async with listening(proxy) as outside, chromium().page(800, 600) as page:
                await page.go(f"{outside}maps/lazytile/#layer=global_180")
                await page.wait_until(READY)
                assert tiles(page)
                assert all(url.startswith(f"{outside}maps/lazytile/wmts/global_180/") for url in tiles(page))
                await page.wait_until("!document.getElementById('legend').hidden")
                assert page.console == []

    asyncio.run(scenario())


def test_a_small_screen_has_room_for_the_map(datasets, tmp_path):
    async def scenario():
        async with viewer(datasets, tmp_path, "#layer=time_steps", (390, 760)) as page:
            assert await page.evaluate("document.getElementById('fold').getAttribute('aria-expanded')") == "false"
            assert await page.evaluate("document.getElementById('controls').offsetHeight") == 0
            await page.evaluate("document.getElementById('fold').click()")
            box = await page.evaluate("document.getElementById('panel').getBoundingClientRect().toJSON()")
            assert box["height"] > 200
            assert box["right"] <= 390
            assert await page.evaluate("document.documentElement.scrollWidth") <= 390

    asyncio.run(scenario())


def test_an_empty_store_says_what_to_do(tmp_path):
    async def scenario():
        (tmp_path / "store").mkdir()
        async with serving(tmp_path / "store", tmp_path / "cache") as url, chromium().page(800, 600) as page:
            await page.go(url)
            await page.wait_until("document.getElementById('message')?.textContent.includes('lazytile convert')")

    asyncio.run(scenario())
