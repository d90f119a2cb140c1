"""Warm-up of a running server over HTTP: every tile of a layer that holds data is requested once.

Reads the server's capabilities as any WMTS client does and requests each tile of the zooms with bounded concurrency.
Retries after 503 as Retry-After says. Its requests have the lowest urgency, so the server answers everybody else first.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import aiohttp
from lxml import etree

from lazytile.service.app.warm import VIEWER_RANGE, range_options
from lazytile.service.http.errors import ServiceError
from lazytile.service.http.reply import BACKGROUND_HEADERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAMESPACES = {"wmts": "http://www.opengis.net/wmts/1.0", "ows": "http://www.opengis.net/ows/1.1"}
CAPABILITIES_PATH = "/wmts/1.0.0/WMTSCapabilities.xml"
RETRIES = 5
MAX_FAILURES = 1000
"""Most failures that are kept; further ones are counted."""


@dataclass(frozen=True, slots=True)
class RemoteWarmUp:
    """The tiles to request."""

    url: str
    """Address of the server."""
    layer: str
    zooms: tuple[int, ...]
    tms: str
    style: str
    mime: str
    times: tuple[str, ...] = ("default",)
    concurrency: int = 16
    timeout_s: float = 60.0
    rescale: str = ""
    """As in ``WarmUp``."""
    spacing: str = "keep"


@dataclass(frozen=True, slots=True)
class _Block:
    """The tiles to request of one tile matrix."""

    matrix: str
    rows: range
    cols: range

    @property
    def count(self) -> int:
        return len(self.rows) * len(self.cols)


@dataclass(slots=True)
class RemoteOutcome:
    """What the requests returned."""

    done: int = 0
    size_bytes: int = 0
    tiers: Counter[str] = field(default_factory=Counter)
    """Tiles by where the server found them."""
    failed: int = 0
    failures: list[str] = field(default_factory=list)
    """One line each, the first of them."""

    def fail(self, line: str) -> None:
        """Record a tile that failed all attempts.

        Args:
            line: Its address, and why.
        """
        self.failed += 1
        if len(self.failures) < MAX_FAILURES:
            self.failures.append(line)


def _text(element: Any, path: str) -> str:
    """Text of a descendant, empty where there is none."""
    return str(element.findtext(path, default="", namespaces=NAMESPACES))


def _plan(document: Any, options: RemoteWarmUp) -> tuple[str, list[_Block]]:
    """Return the URL template of the tiles, and which of them to request."""
    layers = {_text(layer, "ows:Identifier"): layer for layer in document.iterfind(".//wmts:Layer", NAMESPACES)}
    layer = layers.get(options.layer)
    if layer is None:
        raise ServiceError(f"the server has no layer {options.layer!r}, only {', '.join(layers) or 'none'}")
    resources = {
        item.get("format"): item.get("template")
        for item in layer.iterfind("wmts:ResourceURL[@resourceType='tile']", NAMESPACES)
    }
    if options.mime not in resources:
        raise ServiceError(f"the layer has no format {options.mime!r}, only {', '.join(map(str, resources))}")
    template = str(resources[options.mime])
    links = {_text(link, "wmts:TileMatrixSet"): link for link in layer.iterfind("wmts:TileMatrixSetLink", NAMESPACES)}
    if options.tms not in links:
        raise ServiceError(f"the layer has no tile matrix set {options.tms!r}, only {', '.join(links)}")
    limits = {
        _text(item, "wmts:TileMatrix"): item
        for item in links[options.tms].iterfind(".//wmts:TileMatrixLimits", NAMESPACES)
    }
    matrices = [
        matrix
        for tms in document.iterfind(".//wmts:Contents/wmts:TileMatrixSet", NAMESPACES)
        if _text(tms, "ows:Identifier") == options.tms
        for matrix in tms.iterfind("wmts:TileMatrix", NAMESPACES)
    ]
    if max(options.zooms) >= len(matrices):
        raise ServiceError(
            f"tile matrix set {options.tms} has zooms 0 to {len(matrices) - 1}, not {max(options.zooms)}"
        )
    return template, [_block(matrices[zoom], limits) for zoom in options.zooms]


def _block(matrix: Any, limits: dict[str, Any]) -> _Block:
    """Return the tiles of a matrix within the layer's limits."""
    name = _text(matrix, "ows:Identifier")
    height, width = int(_text(matrix, "wmts:MatrixHeight")), int(_text(matrix, "wmts:MatrixWidth"))
    if name not in limits:
        return _Block(name, range(height), range(width))
    ends = {
        tag: int(_text(limits[name], f"wmts:{tag}")) for tag in ("MinTileRow", "MaxTileRow", "MinTileCol", "MaxTileCol")
    }
    return _Block(
        name,
        range(ends["MinTileRow"], min(ends["MaxTileRow"] + 1, height)),
        range(ends["MinTileCol"], min(ends["MaxTileCol"] + 1, width)),
    )


def _addresses(template: str, blocks: list[_Block], options: RemoteWarmUp) -> Iterator[str]:
    """Yield the address of every tile."""
    for time, block in itertools.product(options.times, blocks):
        fixed = {"Style": options.style, "Time": time, "TileMatrixSet": options.tms, "TileMatrix": block.matrix}
        for row, col in itertools.product(block.rows, block.cols):
            address = template
            for name, value in {**fixed, "TileRow": str(row), "TileCol": str(col)}.items():
                address = address.replace(f"{{{name}}}", quote(value, safe=""))
            # The remaining variables are other dimensions.
            while "{" in address:
                start, end = address.index("{"), address.index("}")
                address = f"{address[:start]}default{address[end + 1 :]}"
            yield address


async def _request(session: aiohttp.ClientSession, address: str, outcome: RemoteOutcome) -> None:
    """Request one tile, retrying while the server is busy, and record the result."""
    reason = ""
    for attempt in range(RETRIES):
        try:
            async with session.get(address) as response:
                body = await response.read()
                if response.status == 200:
                    outcome.size_bytes += len(body)
                    timing = response.headers.get("Server-Timing", "")
                    outcome.tiers[timing.partition("cache;desc=")[2].partition(",")[0] or "unknown"] += 1
                    return
                reason = f"status {response.status}"
                if response.status != 503:
                    break
                pause = response.headers.get("Retry-After", "1")
                await asyncio.sleep(min(int(pause) if pause.isdigit() else 1, 10) * (attempt + 1))
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = f"{type(error).__name__} {error}".strip()
            await asyncio.sleep(0.2 * (attempt + 1))
    outcome.fail(f"{address}: {reason}")


async def _parameters(session: aiohttp.ClientSession, base: str, options: RemoteWarmUp) -> dict[str, str]:
    """Return the options of the tiles; the server says with which range its viewer shows a layer at first."""
    if options.rescale != VIEWER_RANGE:
        return range_options(options.rescale, options.spacing)
    async with session.get(f"{base}/catalogue") as response:
        response.raise_for_status()
        layers = {each["id"]: each for each in (await response.json())["layers"]}
    layer = layers.get(options.layer)
    if not layer or not layer["stretch"]:
        return {}
    return range_options(",".join(map(repr, layer["stretch"])), layer["spacing"])


async def warm_remote(options: RemoteWarmUp, progress: Callable[[int, int], None]) -> RemoteOutcome:
    """Request every tile.

    Args:
        options: Which tiles, and how.
        progress: Called after each tile with the number of those done and of all.

    Returns:
        What came back.

    Raises:
        ServiceError: The server is unreachable, or has no such layer, tile matrix set, format or zoom.
    """
    base = options.url.rstrip("/")
    outcome = RemoteOutcome()
    timeout = aiohttp.ClientTimeout(total=options.timeout_s)
    connector = aiohttp.TCPConnector(limit=options.concurrency)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector, headers=BACKGROUND_HEADERS) as session:
        try:
            async with session.get(f"{base}{CAPABILITIES_PATH}") as response:
                response.raise_for_status()
                document = etree.fromstring(await response.read(), etree.XMLParser(resolve_entities=False))
            parameters = await _parameters(session, base, options)
        except (aiohttp.ClientError, TimeoutError, ValueError, etree.XMLSyntaxError) as error:
            raise ServiceError(f"no capabilities from {base}: {error}") from error
        template, blocks = _plan(document, options)
        # Behind a proxy the server may state another address than the one that reaches it.
        template = (
            base + template[template.index("/wmts/") :] + (f"?{urlencode(parameters, safe=',')}" if parameters else "")
        )
        total = sum(block.count for block in blocks) * len(options.times)
        waiting = _addresses(template, blocks, options)

        async def worker() -> None:
            for address in waiting:
                await _request(session, address, outcome)
                outcome.done += 1
                progress(outcome.done, total)

        await asyncio.gather(*(worker() for _ in range(options.concurrency)))
    return outcome
