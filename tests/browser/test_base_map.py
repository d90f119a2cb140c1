"""The background map of the settings, with real tiles: those of another server of ours."""

from __future__ import annotations

import asyncio
import io

import numpy as np
import pytest
from aiohttp import web
from PIL import Image

from lazytile.service.app.application import make_app
from lazytile.service.http.settings import Settings
from tests.browser.page import click, listening, opened, serving, skip_without_browser
from tests.browser.test_numbers_panel import KEEP_DOWNLOADS, press_by_text, saved

skip_without_browser()

ATTRIBUTION = "Tiles of the test"
ATTRIBUTION_IS_SEEN = """(() => {
  const {left, top, width, height} = document.getElementById('attribution').getBoundingClientRect();
  return document.elementsFromPoint(left + width / 2, top + height / 2).every(({id}) => id !== 'panel');
})()"""


def ground(shot):
    """The colours of a part of the map without data of the layer."""
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"), int)[200:560, 700:1100]


async def base_is(page, is_shown):
    await choose_box(page, "#display-base", is_shown)
    await page.wait_until("document.documentElement.dataset.state === 'ready'")


async def choose_box(page, selector, value):
    if await page.evaluate(f"document.querySelector({selector!r}).checked") != value:
        await click(page, selector)


@pytest.mark.parametrize(
    ("code", "place"), [("EPSG:3857", "-60,-70,2"), ("EPSG:4326", "-60,-70,2"), ("EPSG:3031", "0,-70,4")]
)
def test_the_background_map_is_under_the_data_in_every_projection(datasets, tmp_path, code, place):
    async def scenario():
        async with serving(datasets, tmp_path / "tiles") as tiles:
            settings = Settings.of(
                store=datasets,
                cache=tmp_path / "cache",
                engine="threads",
                workers=1,
                base_map=f"{tiles}xyz/global_180/{{z}}/{{x}}/{{y}}.png",
                base_map_attribution=ATTRIBUTION,
            )
            async with listening(make_app(settings)) as address:
                link = f"#layer=global_180&hidden=1&crs={code}&coast=0&grid=0&at={place}"
                async with opened(address, link) as page:
                    await page.wait_until(
                        f"performance.getEntriesByType('resource').some(({{name}}) => name.startsWith('{tiles}xyz/'))"
                    )
                    await page.wait_until(f"document.getElementById('attribution').textContent === {ATTRIBUTION!r}")
                    await page.press("m")
                    await page.wait_until("document.querySelector('#display-base')?.checked === true")
                    assert await page.evaluate("document.getElementById('base-note').hidden") is (code == "EPSG:3857")
                    assert await page.evaluate(ATTRIBUTION_IS_SEEN)
                    shown = await until(page, lambda shot: len(np.unique(ground(shot).reshape(-1, 3), axis=0)) > 20)
                    await page.evaluate(KEEP_DOWNLOADS)
                    await page.press("t")
                    picture = await saved(page, await press_by_text(page, ".panel-take", "Picture (PNG)"))
                    await page.press("m")
                    await base_is(page, False)
                    assert await page.evaluate("document.getElementById('attribution').hidden")
                    bare = await until(page, lambda shot: (ground(shot) != ground(shown)).any(axis=2).mean() > 0.5)
                    assert (
                        len(
                            np.unique(
                                np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))[200:560, 400:700].reshape(
                                    -1, 3
                                ),
                                axis=0,
                            )
                        )
                        > 20
                    )
                    assert bare

    asyncio.run(asyncio.wait_for(scenario(), 180))


async def until(page, is_so):
    """Return the first picture of the page for which a condition holds."""
    async with asyncio.timeout(60):
        while True:
            shot = await page.screenshot()
            if is_so(shot):
                return shot
            await asyncio.sleep(0.1)


def test_tiles_that_other_pages_may_not_read_are_shown_too(datasets, tmp_path):
    """As of a server without Access-Control-Allow-Origin; a picture of the view then says what to do."""
    tile = io.BytesIO()
    Image.new("RGB", (256, 256), (200, 30, 30)).save(tile, "PNG")

    async def answer(_request):
        return web.Response(body=tile.getvalue(), content_type="image/png")

    async def scenario():
        closed = web.Application()
        closed.router.add_get("/{z}/{x}/{y}.png", answer)
        async with listening(closed) as tiles:
            settings = Settings.of(
                store=datasets, cache=tmp_path, engine="threads", workers=1, base_map=f"{tiles}{{z}}/{{x}}/{{y}}.png"
            )
            async with listening(make_app(settings)) as address:
                link = "#layer=extra_dimension&crs=EPSG:3857&coast=0&grid=0&at=-60,-60,2"
                async with opened(address, link) as page:
                    await until(page, lambda shot: (ground(shot) == (200, 30, 30)).all(axis=2).mean() > 0.9)
                    await page.press("t")
                    await click(page, await press_by_text(page, ".panel-take", "Picture (PNG)"))
                    await page.wait_until(
                        "document.querySelector('.panel-take [role=status]').textContent.includes('switch it off')"
                    )
                    # Chromium tells the console of each tile that the page may not read.
                    page.console.clear()
                    page.failures.clear()

    asyncio.run(asyncio.wait_for(scenario(), 180))
