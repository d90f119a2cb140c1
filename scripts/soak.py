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

import aiohttp
from soak_requests import Layer, Requests

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

    with urllib.request.urlopen(f"{url}/ogc/collections") as reply:
        names = [each["id"] for each in json.load(reply)["collections"]]
    with urllib.request.urlopen(f"{url}/wmts/1.0.0/WMTSCapabilities.xml") as reply:
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
            url = re.findall(r"http://[^ ]+(?=/\s)", server.stdout.readline())[0]
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
