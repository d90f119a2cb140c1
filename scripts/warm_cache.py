"""Fill the tile cache of a running server by requesting every tile of a layer that holds data.

    python scripts/warm_cache.py mur_sst --zoom 0-6 --url http://127.0.0.1:8080

Reads the server's capabilities as any WMTS client does and requests each tile of the zooms with bounded concurrency.
Retries after 503 as Retry-After says. Tiles that fail all attempts are listed, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

import aiohttp
from lxml import etree

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMESPACES = {"wmts": "http://www.opengis.net/wmts/1.0", "ows": "http://www.opengis.net/ows/1.1"}
CAPABILITIES_PATH = "/wmts/1.0.0/WMTSCapabilities.xml"
RETRIES = 5
SHOWN_FAILURES = 10
REPORT_EVERY_S = 1.0


class WarmUpError(Exception):
    """The server is unreachable, or has no such layer, tile matrix set or zoom."""


@dataclass(frozen=True)
class Block:
    """The tiles to request of one tile matrix."""

    matrix: str
    rows: range
    cols: range

    @property
    def count(self) -> int:
        """Number of tiles."""
        return len(self.rows) * len(self.cols)


@dataclass
class Outcome:
    """What the requests returned."""

    done: int = 0
    size_bytes: int = 0
    tiers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("layer", help="layer, as the capabilities name it")
    parser.add_argument("--zoom", default="0-4", help="zooms, such as 3 or 0-4 (default %(default)s)")
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="address of the server (default %(default)s)")
    parser.add_argument("--tms", default="WebMercatorQuad", help="tile matrix set (default %(default)s)")
    parser.add_argument("--style", default="default", help="style (default %(default)s)")
    parser.add_argument("--format", default="image/png", help="image format (default %(default)s)")
    parser.add_argument("--time", default="default", help="time (default: the latest)")
    parser.add_argument("--concurrency", type=int, default=16, help="concurrent requests (default %(default)s)")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds a request may take (default %(default)s)")
    options = parser.parse_args(arguments)
    if not 1 <= options.concurrency <= 512:
        parser.error("--concurrency must be 1 to 512")
    first, _, last = options.zoom.partition("-")
    if not (first.isdigit() and (last or first).isdigit() and int(first) <= int(last or first) <= 30):
        parser.error(f"--zoom must be a zoom or a range such as 0-4, not {options.zoom!r}")
    options.zooms = range(int(first), int(last or first) + 1)
    return options


def text_of(element: etree._Element, path: str) -> str:
    """Text of a descendant, empty where there is none."""
    return element.findtext(path, default="", namespaces=NAMESPACES)


def plan(document: etree._Element, options: argparse.Namespace) -> tuple[str, list[Block]]:
    """Return the URL template of the tiles, and which of them to request."""
    layers = {text_of(layer, "ows:Identifier"): layer for layer in document.iterfind(".//wmts:Layer", NAMESPACES)}
    layer = layers.get(options.layer)
    if layer is None:
        raise WarmUpError(f"the server has no layer {options.layer!r}, only {', '.join(layers) or 'none'}")
    resources = {
        item.get("format"): item.get("template")
        for item in layer.iterfind("wmts:ResourceURL[@resourceType='tile']", NAMESPACES)
    }
    if options.format not in resources:
        raise WarmUpError(f"the layer has no format {options.format!r}, only {', '.join(map(str, resources))}")
    template = str(resources[options.format])
    links = {text_of(link, "wmts:TileMatrixSet"): link for link in layer.iterfind("wmts:TileMatrixSetLink", NAMESPACES)}
    if options.tms not in links:
        raise WarmUpError(f"the layer has no tile matrix set {options.tms!r}, only {', '.join(links)}")
    limits = {
        text_of(item, "wmts:TileMatrix"): item
        for item in links[options.tms].iterfind(".//wmts:TileMatrixLimits", NAMESPACES)
    }
    matrices = [
        matrix
        for tms in document.iterfind(".//wmts:Contents/wmts:TileMatrixSet", NAMESPACES)
        if text_of(tms, "ows:Identifier") == options.tms
        for matrix in tms.iterfind("wmts:TileMatrix", NAMESPACES)
    ]
    if options.zooms[-1] >= len(matrices):
        raise WarmUpError(f"tile matrix set {options.tms} has zooms 0 to {len(matrices) - 1}, not {options.zooms[-1]}")
    return template, [block_of(matrices[zoom], limits) for zoom in options.zooms]


def block_of(matrix: etree._Element, limits: dict[str, etree._Element]) -> Block:
    """Return the tiles of a matrix within the layer's limits."""
    name = text_of(matrix, "ows:Identifier")
    height, width = int(text_of(matrix, "wmts:MatrixHeight")), int(text_of(matrix, "wmts:MatrixWidth"))
    if name not in limits:
        return Block(name, range(height), range(width))
    ends = {
        tag: int(text_of(limits[name], f"wmts:{tag}"))
        for tag in ("MinTileRow", "MaxTileRow", "MinTileCol", "MaxTileCol")
    }
    return Block(
        name,
        range(ends["MinTileRow"], min(ends["MaxTileRow"] + 1, height)),
        range(ends["MinTileCol"], min(ends["MaxTileCol"] + 1, width)),
    )


def addresses(template: str, blocks: list[Block], options: argparse.Namespace) -> Iterator[str]:
    """Yield the address of every tile."""
    fixed = {"Style": options.style, "Time": options.time, "TileMatrixSet": options.tms}
    for block in blocks:
        for row, col in itertools.product(block.rows, block.cols):
            values = {**fixed, "TileMatrix": block.matrix, "TileRow": str(row), "TileCol": str(col)}
            address = template
            for name, value in values.items():
                address = address.replace(f"{{{name}}}", quote(value, safe=""))
            # The remaining variables are other dimensions.
            while "{" in address:
                start, end = address.index("{"), address.index("}")
                address = f"{address[:start]}default{address[end + 1 :]}"
            yield address


async def request_tile(session: aiohttp.ClientSession, address: str, outcome: Outcome) -> None:
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
    outcome.failures.append(f"{address}: {reason}")


async def warm(options: argparse.Namespace) -> Outcome:
    """Request every tile."""
    base = options.url.rstrip("/")
    outcome = Outcome()
    timeout = aiohttp.ClientTimeout(total=options.timeout)
    connector = aiohttp.TCPConnector(limit=options.concurrency)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        try:
            async with session.get(f"{base}{CAPABILITIES_PATH}") as response:
                response.raise_for_status()
                document = etree.fromstring(await response.read())
        except (aiohttp.ClientError, TimeoutError, etree.XMLSyntaxError) as error:
            raise WarmUpError(f"no capabilities from {base}: {error}") from error
        template, blocks = plan(document, options)
        # Behind a proxy the server may state another address than the one that reaches it.
        template = base + template[template.index("/wmts/") :]
        total = sum(block.count for block in blocks)
        waiting = addresses(template, blocks, options)
        began = reported = time.monotonic()

        async def worker() -> None:
            nonlocal reported
            for address in waiting:
                await request_tile(session, address, outcome)
                outcome.done += 1
                if time.monotonic() - reported >= REPORT_EVERY_S:
                    reported = time.monotonic()
                    rate = outcome.done / (reported - began)
                    print(f"{outcome.done} of {total} tiles, {rate:.0f} a second", file=sys.stderr, flush=True)

        await asyncio.gather(*(worker() for _ in range(options.concurrency)))
    seconds = time.monotonic() - began
    tiers = ", ".join(f"{count} {tier}" for tier, count in sorted(outcome.tiers.items())) or "none"
    sums = f"{outcome.done} tiles in {seconds:.1f} s, {outcome.size_bytes / 1e6:.1f} MB"
    print(f"{sums}: {tiers}; {len(outcome.failures)} failed")
    return outcome


def main(arguments: list[str]) -> int:
    """Run and return the exit code: 1 if a tile failed, 2 if no tile could be requested."""
    options = parse_arguments(arguments)
    try:
        outcome = asyncio.run(warm(options))
    except WarmUpError as error:
        print(f"warm_cache: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("warm_cache: interrupted", file=sys.stderr)
        return 130
    for failure in outcome.failures[:SHOWN_FAILURES]:
        print(f"failed: {failure}", file=sys.stderr)
    if len(outcome.failures) > SHOWN_FAILURES:
        print(f"failed: and {len(outcome.failures) - SHOWN_FAILURES} more", file=sys.stderr)
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
