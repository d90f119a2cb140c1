"""A headless Chromium, driven over the DevTools protocol with aiohttp alone.

Used by ``screenshot.py`` and by the browser tests.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
    # A page without a window on a screen is not to be slowed down.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
)


class BrowserError(RuntimeError):
    """Chromium is not installed or does not start, or a page did not reach the expected state."""


def find_chromium() -> str:
    """Return the path of an installed Chromium or raise ``BrowserError``."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    raise BrowserError(f"no Chromium found (tried {', '.join(NAMES)}); on Debian: apt-get install chromium")


@dataclass
class Page:
    """One tab."""

    _socket: aiohttp.ClientWebSocketResponse
    console: list[str] = field(default_factory=list)
    """Warnings and errors on the page's console, and its uncaught exceptions."""
    requests: list[str] = field(default_factory=list)
    """Every URL that the page requested."""
    failures: list[str] = field(default_factory=list)
    """Requests without a response or with an error status; those that the page itself gave up are not among them."""
    trace: list[dict[str, Any]] = field(default_factory=list)
    """Events of the last trace (https://chromium.googlesource.com/catapult, Trace Event Format)."""
    _traced: asyncio.Event = field(default_factory=asyncio.Event)
    _urls: dict[str, str] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _answers: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)

    async def listen(self) -> None:
        """Dispatch Chromium's messages, answers and events, until the connection ends."""
        async for message in self._socket:
            self._collect(message.json())
            self._receive(message.json())

    def _collect(self, message: dict[str, Any]) -> None:
        match message.get("method"):
            case "Tracing.dataCollected":
                self.trace.extend(message["params"]["value"])
            case "Tracing.tracingComplete":
                self._traced.set()

    def _receive(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        match message.get("method"):
            case None:
                answer = self._answers.pop(message["id"])
                if not answer.done():
                    answer.set_result(message)
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
                self._urls[params["requestId"]] = params["request"]["url"]
            case "Network.responseReceived" if params["response"]["status"] >= 400:
                self.failures.append(f"{params['response']['status']} {params['response']['url']}")
            case "Network.loadingFailed" if not params.get("canceled"):
                self.failures.append(f"{params['errorText']} {self._urls.get(params['requestId'], '')}")
            case "Log.entryAdded" if params["entry"]["level"] in {"warning", "error"}:
                self.console.append(f"{params['entry']['text']} {params['entry'].get('url', '')}".strip())
            case "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                self.console.append(details.get("exception", {}).get("description", details["text"]))
            case "Runtime.consoleAPICalled" if params["type"] in {"warning", "error"}:
                self.console.append(" ".join(str(arg.get("value", arg.get("description"))) for arg in params["args"]))

    async def call(self, method: str, **params: object) -> dict[str, Any]:
        """Send one command and return its result."""
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        answer = await self._answers[number]
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    async def resize(self, width: int, height: int, scale: float = 1) -> None:
        """Set the viewport's size in CSS pixels, and the device pixels per CSS pixel."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False
        )

    async def go(self, url: str) -> None:
        """Start to load a page."""
        answer = await self.call("Page.navigate", url=url)
        if "errorText" in answer:
            raise BrowserError(f"{url}: {answer['errorText']}")

    async def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression; a promise is awaited."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(f"{expression}: {answer['exceptionDetails'].get('exception', {}).get('description')}")
        return answer["result"].get("value")

    async def wait_until(self, expression: str, timeout_s: float = 30) -> None:
        """Wait until a JavaScript expression is true. It may fail while another page loads."""
        state: object = None
        try:
            async with asyncio.timeout(timeout_s):
                while state is not True:
                    try:
                        state = await self.evaluate(f"Boolean({expression})")
                    except BrowserError as error:
                        state = error
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise BrowserError(
                f"after {timeout_s} s {expression} is {state}; the console says {self.console}"
            ) from None

    @contextlib.asynccontextmanager
    async def tracing(self, *categories: str) -> AsyncIterator[None]:
        """Fill ``trace`` with what Chromium does meanwhile."""
        self.trace.clear()
        self._traced.clear()
        await self.call("Tracing.start", categories=",".join(categories), transferMode="ReportEvents")
        yield
        await self.call("Tracing.end")
        await self._traced.wait()

    async def press(self, key: str, text: str = "") -> None:
        """Press and release a key."""
        await self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=text)
        await self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    async def move(self, x: float, y: float) -> None:
        """Move the pointer, in CSS pixels."""
        await self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    async def click(self, x: float, y: float) -> None:
        """Click with the left button, in CSS pixels."""
        await self.move(x, y)
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def prefer(self, **features: str) -> None:
        """Set media features, such as ``prefers_color_scheme="light"``."""
        chosen = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        await self.call("Emulation.setEmulatedMedia", features=chosen)

    async def screenshot(self) -> bytes:
        """Return a PNG of the window."""
        answer = await self.call("Page.captureScreenshot", format="png")
        return base64.b64decode(answer["data"])


def _remove(folder: Path, limit_s: float = 10) -> None:
    """Remove a folder with what processes that are ending still write into it."""
    end = time.monotonic() + limit_s
    while folder.exists() and time.monotonic() < end:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.02)


class Chromium:
    """A running Chromium with a profile of its own. Its pages share nothing with one another."""

    def __init__(self, flags: tuple[str, ...] = ()) -> None:
        """Start it.

        Args:
            flags: Further flags.

        Raises:
            BrowserError: It is not installed.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="chromium-"))
        self._process = subprocess.Popen(
            [find_chromium(), *FLAGS, *flags, f"--user-data-dir={self._folder}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": str(self._folder)},
        )

    @property
    def is_running(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    async def _address(self, timeout_s: float = 30) -> str:
        announcement = self._folder / "DevToolsActivePort"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self.is_running:
                    if announcement.exists() and (lines := announcement.read_text().split()):
                        return f"http://127.0.0.1:{lines[0]}"
                    await asyncio.sleep(0.05)
        raise BrowserError("Chromium did not start")

    @contextlib.asynccontextmanager
    async def page(self, width: int, height: int, scale: float = 1) -> AsyncIterator[Page]:
        """Yield a page without cookies and caches of others, and close it.

        Args:
            width: Of the viewport, in CSS pixels.
            height: Of the viewport.
            scale: Device pixels per CSS pixel.

        Raises:
            BrowserError: Chromium did not start.
        """
        url = await self._address()
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{url}/json/version") as reply:
                whole = (await reply.json())["webSocketDebuggerUrl"]
            # The context goes with the connection that made it.
            async with session.ws_connect(whole, max_msg_size=0) as connection, _listening(Page(connection)) as browser:
                made = await browser.call("Target.createBrowserContext", disposeOnDetach=True)
                context = made["browserContextId"]
                target = await browser.call("Target.createTarget", url="about:blank", browserContextId=context)
                address = f"{url.replace('http', 'ws', 1)}/devtools/page/{target['targetId']}"
                async with session.ws_connect(address, max_msg_size=0) as socket, _listening(Page(socket)) as page:
                    for domain in ("Page", "Runtime", "Log", "Network"):
                        await page.call(f"{domain}.enable")
                    await page.resize(width, height, scale)
                    yield page
                await browser.call("Target.disposeBrowserContext", browserContextId=context)

    def close(self) -> None:
        """Stop it, and remove its profile."""
        if self.is_running:
            self._process.terminate()
        self._process.wait()
        _remove(self._folder)


@contextlib.asynccontextmanager
async def _listening(page: Page) -> AsyncIterator[Page]:
    listener = asyncio.create_task(page.listen())
    try:
        yield page
    finally:
        listener.cancel()


@contextlib.asynccontextmanager
async def open_page(width: int, height: int, scale: float = 1, flags: tuple[str, ...] = ()) -> AsyncIterator[Page]:
    """Start a Chromium with further flags, yield a page, and stop it."""
    chromium = Chromium(flags)
    try:
        async with chromium.page(width, height, scale) as page:
            yield page
    finally:
        await asyncio.to_thread(chromium.close)
