"""A page with a map library in a real browser, from another origin than the tiles, as on any site."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from scripts.browser import BrowserError, find_chromium
from tests.chromium import chromium

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from scripts.browser import Page

FOLDER = Path(__file__).resolve().parent
LIBRARIES = FOLDER / "node_modules"
INSTALL_TIMEOUT_S = 300


def libraries() -> None:
    """Install the libraries of the lock file, or skip the test with the reason."""
    try:
        find_chromium()
    except BrowserError as error:
        pytest.skip(str(error))
    zarr_libraries()


def zarr_libraries() -> None:
    """As ``libraries``, for tests without a browser."""
    npm = shutil.which("npm")
    if all((LIBRARIES / name).is_dir() for name in json.loads((FOLDER / "package.json").read_bytes())["dependencies"]):
        return
    if npm is None:
        pytest.skip("npm is not here: apt-get install npm")
    done = subprocess.run(
        [npm, "ci", "--ignore-scripts", "--loglevel=error"],
        cwd=FOLDER, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"npm cannot install the map libraries: {done.stderr[-300:]}")


@contextlib.asynccontextmanager
async def showing(head: str, script: str, size: tuple[int, int] = (800, 600)) -> AsyncIterator[Page]:
    """Open a page with one map; ``window.tiles`` counts tiles, and ``window.done`` is set after the last."""
    html = (
        f'<!doctype html><html><head><meta charset="utf-8"><link rel="icon" href="data:,">{head}'
        "<style>html, body, #map { margin: 0; height: 100% }"
        f"</style></head><body><div id=map></div><script>window.tiles = {{loaded: 0, failed: []}}; {script}"
        "</script></body></html>"
    )
    async with showing_page(html, size) as page:
        yield page


@contextlib.asynccontextmanager
async def showing_page(html: str, size: tuple[int, int] = (800, 600)) -> AsyncIterator[Page]:
    """Open a page that may load libraries from ``libraries/``."""

    async def page_of(_: web.Request) -> web.Response:
        return web.Response(text=html, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page_of)
    app.router.add_static("/libraries", LIBRARIES)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with chromium("--enable-unsafe-swiftshader", "--use-angle=swiftshader").page(*size) as page:
            await page.go(f"http://127.0.0.1:{runner.addresses[0][1]}/")
            yield page
    finally:
        await runner.cleanup()
