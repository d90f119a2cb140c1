"""The viewer page, served and opened in a headless browser; modules that import this skip without one."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
from pathlib import Path

import pytest
from aiohttp import web
from PIL import Image

from lazytile.service.app.application import make_app
from lazytile.service.app.viewer_page import VIEWER
from lazytile.service.http.settings import Settings
from scripts.browser import BrowserError, find_chromium
from tests.chromium import chromium

READY = "document.documentElement.dataset.state === 'ready'"


def skip_without_browser():
    """Skip the calling module if the page cannot be shown."""
    try:
        find_chromium()
    except BrowserError as error:
        pytest.skip(str(error), allow_module_level=True)
    if not (VIEWER / "index.html").is_file():
        pytest.skip("the viewer page is not built: make setup builds it", allow_module_level=True)


@contextlib.asynccontextmanager
async def listening(app):
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def serving(store, cache, *middlewares):
    app = make_app(Settings.of(store=store, cache=cache, engine="threads", workers=1))
    app.middlewares.extend(middlewares)
    async with listening(app) as url:
        yield url


@contextlib.asynccontextmanager
async def viewer(store, cache, hash_="", size=(1000, 700), middlewares=()):
    """Open the page and wait until every tile is drawn."""
    async with serving(store, cache, *middlewares) as url, chromium().page(*size) as page:
        await page.go(url + hash_)
        await page.wait_until(READY)
        yield page


@contextlib.asynccontextmanager
async def opened(address, hash_="", size=(1280, 800), scale=1, *, wait=READY):
    """Open the page of a server; fail at the end if its console has an error or a request failed."""
    async with chromium().page(*size, scale) as page:
        await page.prefer(prefers_color_scheme="dark")
        await page.go(address + hash_)
        if wait:
            await page.wait_until(wait)
        yield page
        assert page.console == [], page.console
        assert page.failures == [], page.failures


async def click(page, selector):
    """Click the middle of an element as a person does, scrolled into view first."""
    box = await page.evaluate(
        f"(() => {{ const e = document.querySelector({selector!r}); e.scrollIntoView({{block: 'nearest'}});"
        " const b = e.getBoundingClientRect(); return [b.left + b.width / 2, b.top + b.height / 2]; })()"
    )
    await page.click(*box)


async def picture(page, name):
    """Write a picture of the documentation where LAZYTILE_PICTURES names its folder."""
    folder = os.environ.get("LAZYTILE_PICTURES")
    if folder:
        await asyncio.sleep(0.8)  # what fades has faded
        shot = Image.open(io.BytesIO(await page.screenshot())).convert("RGB")
        shot.quantize(160, dither=Image.Dither.NONE).save(Path(folder) / f"viewer-{name}.png", optimize=True)


async def choose(page, control, value):
    await page.evaluate(
        f"(() => {{ const c = document.querySelector({control!r}); if (c.type === 'radio') c.checked = true;"
        f" else c.value = {value!r}; c.dispatchEvent(new Event('input', {{bubbles: true}}));"
        " c.dispatchEvent(new Event('change', {bubbles: true})); })()"
    )
