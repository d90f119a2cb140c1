"""Soak a server: many mixed requests, and what memory, descriptors and threads do meanwhile.

``python scripts/soak.py --requests 200000`` starts ``lazytile serve`` on a store of synthetic datasets, or on
``--store``, sends it tiles of every layer, style, time, format and option, conditional and wrong requests, documents,
maps, numbers and legends, and prints each quarter. It exits with 1 if the last quarter has over 5 % more resident
memory than the second, or more descriptors or threads.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import aiohttp

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # for tests.data, which no installation contains

COMMAND = [sys.executable, "-c", "from lazytile.service.cli.main import main\nif __name__ == '__main__': main()"]
DATASETS = (
    "global_180",
    "time_steps",
    "extra_dimension",
    "two_variables",
    "antimeridian",
    "mercator",
    "odd_sizes",
    "classes",
)
SAMPLES = 400
QUARTERS = 4
GROWTH_LIMIT = 0.05
POOL_THREADS = 4
"""Of asyncio's own pool, which starts its bounded number one by one."""
RECONNECT_EVERY = 500
"""Requests of a client on one connection."""
PICTURES = ("png", "jpg", "webp")
VALUES = ("tif", "lerc", "npy", "terrain")
COLORMAPS = ("ocean", "lagoon", "rain", "relief", "random")


@dataclass(frozen=True)
class Layer:
    """What requests of a layer need."""

    name: str
    times: tuple[str, ...]


class Requests:
    """An endless mixture of requests, the same for the same seed."""

    def __init__(self, layers: list[Layer], seed: int) -> None:
        """Mix requests.

        Args:
            layers: The layers of the store.
            seed: Of the random numbers.
        """
        self._layers = layers
        self._random = random.Random(seed)  # noqa: S311 - not for security
        self._etags: dict[str, str] = {}

    def next(self) -> tuple[str, str, dict[str, str]]:
        """Return method, address and headers of a request."""
        pick = self._random
        layer = pick.choice(self._layers)
        kinds = (self._tile, self._tile, self._wmts, self._option, self._wrong, self._document, self._map, self._number)
        path = pick.choices(kinds, (30, 15, 10, 15, 10, 8, 6, 6))[0](layer)
        headers = {"Accept-Encoding": pick.choice(("", "gzip", "gzip, br"))}
        if path in self._etags and pick.random() < 0.5:
            headers["If-None-Match"] = self._etags[path]
        method = pick.choices(("GET", "HEAD", "OPTIONS"), (95, 4, 1))[0]
        return method, path, headers

    def note(self, path: str, etag: str | None) -> None:
        """Remember the entity tag of an answer, for later conditional requests."""
        if etag is not None and (path in self._etags or len(self._etags) < 20_000):
            self._etags[path] = etag

    def _address(self) -> tuple[int, int, int]:
        zoom = self._random.choices(range(7), (1, 2, 4, 8, 8, 8, 8))[0]
        return zoom, self._random.randrange(2**zoom), self._random.randrange(2**zoom)

    def _tile(self, layer: Layer) -> str:
        zoom, col, row = self._address()
        extension = self._random.choices((*PICTURES, *VALUES), (10, 3, 3, 1, 1, 1, 1))[0]
        time_of = f"?time={quote(self._random.choice(layer.times))}" if layer.times else ""
        return f"/xyz/{layer.name}/{zoom}/{col}/{row}.{extension}{time_of}"

    def _wmts(self, layer: Layer) -> str:
        zoom, col, row = self._address()
        where = f"layer={layer.name}&style=default&TileMatrixSet=WebMercatorQuad&TileMatrix={zoom}"
        where += f"&TileRow={row}&TileCol={col}&format=image/png&service=WMTS&version=1.0.0"
        if self._random.random() < 0.2:
            return f"/wmts?request=GetFeatureInfo&I=3&J=7&InfoFormat=application/json&{where}"
        return f"/wmts?request=GetTile&{where}"

    def _option(self, layer: Layer) -> str:
        zoom, col, row = self._address()
        low = self._random.randrange(200, 280)
        option = self._random.choice(
            (
                f"rescale={low},{low + self._random.randrange(1, 60)}",
                f"colormap={self._random.choice(COLORMAPS)}",
                f"colormap=random-{self._random.randrange(500)}",
                f"filter={self._random.choice(('blur', 'sobel', 'hillshade', f'contour:{low}'))}",
                f"resampling={self._random.choice(('nearest', 'bilinear', 'cubic', 'average', 'mode'))}",
                "scale=2",
            )
        )
        return f"/xyz/{layer.name}/{zoom}/{col}/{row}.png?{option}"

    def _wrong(self, layer: Layer) -> str:
        number = self._random.randrange(1 << 30)
        return self._random.choice(
            (
                f"/xyz/nothing-{number}/1/0/0.png",
                f"/xyz/{layer.name}/3/99/{number}.png",
                f"/xyz/{layer.name}/1/0/0.png?time={number}",
                f"/xyz/{layer.name}/1/0/0.png?colormap=none-{number}",
                f"/xyz/{layer.name}/1/0/0.png?rescale={number}",
                f"/wmts?request=GetTile&layer={number}",
                f"/nowhere/{number}",
                f"/legends/{number}/default_H.svg",
            )
        )

    def _document(self, layer: Layer) -> str:
        return self._random.choice(
            (
                "/wmts/1.0.0/WMTSCapabilities.xml",
                "/ogc/collections",
                f"/ogc/collections/{layer.name}",
                f"/xyz/{layer.name}.json",
                f"/legends/{layer.name}/default_{self._random.choice('HV')}.{self._random.choice(('svg', 'png'))}",
                f"/colormaps/{self._random.choice(COLORMAPS)}.xml",
                "/healthz",
                "/readyz",
                "/metrics",
                "/wms?service=WMS&request=GetCapabilities",
            )
        )

    def _map(self, layer: Layer) -> str:
        west, south = self._random.uniform(-170, 0), self._random.uniform(-80, 0)
        east, north = west + self._random.uniform(1, 160), south + self._random.uniform(1, 80)
        return (
            f"/wms?service=WMS&version=1.3.0&request=GetMap&layers={layer.name}&styles=&crs=CRS:84"
            f"&bbox={west:.3f},{south:.3f},{east:.3f},{north:.3f}&width=200&height=120&format=image/png"
        )

    def _number(self, layer: Layer) -> str:
        lon, lat = self._random.uniform(-179, 170), self._random.uniform(-80, 79)
        if self._random.random() < 0.5:
            return f"/numbers/{layer.name}/point?lon={lon:.3f}&lat={lat:.3f}"
        return f"/numbers/{layer.name}/statistics?bbox={lon:.2f},{lat:.2f},{lon + 5:.2f},{lat + 5:.2f}"


@dataclass
class Sample:
    """What the server's processes use together at a moment."""

    resident_bytes: int = 0
    descriptors: int = 0
    threads: int = 0

    @classmethod
    def of(cls, pid: int) -> Sample:
        """Measure a process and its descendants.

        Args:
            pid: The process.

        Returns:
            Their sums.
        """
        sample = cls()
        for each in (pid, *descendants(pid)):
            with contextlib.suppress(OSError):
                status = Path(f"/proc/{each}/status").read_text()
                sample.resident_bytes += int(re.findall(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)[0]) << 10
                sample.threads += int(re.findall(r"^Threads:\s+(\d+)", status, re.MULTILINE)[0])
                sample.descriptors += len(os.listdir(f"/proc/{each}/fd"))  # noqa: PTH208 - faster, in a loop
        return sample


def descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, and theirs."""
    with contextlib.suppress(OSError):
        children = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return [each for child in children for each in (child, *descendants(child))]
    return []


@dataclass
class Course:
    """What was seen in the course of a run."""

    samples: list[Sample] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def quarters(self) -> list[Sample]:
        """Return the medians of each quarter."""
        count = len(self.samples)
        parts = [self.samples[count * n // QUARTERS : count * (n + 1) // QUARTERS] for n in range(QUARTERS)]
        return [
            Sample(*(int(statistics.median(getattr(each, name) for each in part)) for name in Sample.__annotations__))
            for part in parts
        ]


async def drive(url: str, pid: int, layers: list[Layer], options: argparse.Namespace) -> Course:
    """Send the requests.

    Args:
        url: Address of the server.
        pid: Its process.
        layers: The layers of its store.
        options: Numbers of requests and clients, seed.

    Returns:
        What was seen.
    """
    course, sent = Course(), 0
    every = max(1, options.requests // SAMPLES)

    async def client(number: int) -> None:
        nonlocal sent
        requests = Requests(layers, options.seed * 1000 + number)
        while sent < options.requests:
            async with aiohttp.ClientSession(auto_decompress=False) as session:
                for _ in range(RECONNECT_EVERY):
                    sent += 1
                    method, path, headers = requests.next()
                    async with session.request(method, url + path, headers=headers) as response:
                        await response.read()
                        course.statuses[response.status] += 1
                        requests.note(path, response.headers.get("ETag"))
                    if sent % every == 0:
                        course.samples.append(Sample.of(pid))
                        if len(course.samples) % (SAMPLES // 20) == 0:
                            show(sent, course.samples[-1])
                    if sent >= options.requests:
                        return

    await asyncio.gather(*(client(number) for number in range(options.clients)))
    return course


def show(sent: int, sample: Sample) -> None:
    """Print a sample."""
    memory = sample.resident_bytes / (1 << 20)
    print(f"{sent:9d} requests  {memory:7.1f} MiB  {sample.descriptors} fds  {sample.threads} threads", flush=True)


def layers_of(url: str) -> list[Layer]:
    """Return the layers that a server offers, with their times."""
    import urllib.request  # noqa: PLC0415

    with urllib.request.urlopen(f"{url}/ogc/collections") as reply:  # noqa: S310 - our own server
        names = [each["id"] for each in json.load(reply)["collections"]]
    with urllib.request.urlopen(f"{url}/wmts/1.0.0/WMTSCapabilities.xml") as reply:  # noqa: S310 - as above
        text = reply.read().decode()
    layers = []
    for block in text.split("<Layer>")[1:]:
        name = next((each for each in names if f">{each}</ows:Identifier>" in block), None)
        if name is not None:
            found = re.findall(r"<Value>([0-9T:Z-]+)", block)
            layers.append(Layer(name, tuple(each.partition("/")[0] for each in found)))
    return layers


def main() -> int:
    """Run the program; return 1 if something grew."""
    parser = argparse.ArgumentParser(description="Soak a server and watch its memory.")
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--workers", default="1")
    parser.add_argument("--memory", default="64MiB", help="small, so that every cache is full in the first quarter")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", type=Path, help="by default one of synthetic datasets")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lazytile-soak-") as folder:
        store = options.store
        if store is None:
            from tests.data import CATALOGUE  # noqa: PLC0415 - takes a second

            store = Path(folder, "store")
            store.mkdir()
            for name in DATASETS:
                CATALOGUE[name]().write(store)
        command = [*COMMAND, "serve", "--store", str(store), "--cache", f"{folder}/cache", "--cache-limit", "64"]
        command += ["--port", "0", "--engine", "threads", "--workers", options.workers, "--memory", options.memory]
        server = subprocess.Popen([*command, "--offline"], stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            url = re.findall(r"http://[^ ]+(?=/ )", server.stdout.readline())[0]
            began = time.perf_counter()
            course = asyncio.run(drive(url, server.pid, layers_of(url), options))
            seconds = time.perf_counter() - began
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)
    return report(course, options.requests, seconds)


def report(course: Course, requests: int, seconds: float) -> int:
    """Print the quarters; return 1 if the last one has more of something than the second."""
    print(f"{requests} requests in {seconds:.0f} s: {dict(sorted(course.statuses.items()))}")
    quarters = course.quarters()
    for number, each in enumerate(quarters):
        show(requests * (number + 1) // QUARTERS, each)
    second, last = quarters[1], quarters[-1]
    growth = last.resident_bytes / second.resident_bytes - 1
    print(f"resident memory from the second quarter to the last: {growth:+.1%}")
    fails = (
        growth > GROWTH_LIMIT
        or last.descriptors > second.descriptors * 1.1
        or last.threads > second.threads + POOL_THREADS
    )
    failures = sum(count for status, count in course.statuses.items() if status >= 500)
    if failures:
        print(f"{failures} requests failed")
    return int(fails or failures > 0)


if __name__ == "__main__":
    sys.exit(main())
