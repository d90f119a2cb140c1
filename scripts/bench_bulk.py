"""Measure how long cold tiles take while a conversion, an export and a warm-up run on the same two Dask workers.

    bench_bulk.py SOURCE [--rounds 4] [--seconds 6] [--threads 2] [--document FILE]

A scheduler, two workers and a server without tile caches; four connections request tiles. Rounds without and with bulk
work alternate, so that both meet the same machine. The commands themselves (``convert``, ``mrf export``, ``warm``) run
with the lowest priority of the system: they stand for other hosts. Their tasks on the workers do not.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import bench_server
from bench_document import conditions, write_section
from distributed import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECTIONS = 4
LAYER_ZOOM = 4
FINEST = "5"
"""Of the export and the warm-up."""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def running(command: list[str], **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process until the block ends."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.wait()


def lazytile(*arguments: str) -> list[str]:
    """Return a command of lazytile."""
    return [sys.executable, "-m", "lazytile.service", *arguments]


@contextmanager
def cluster(folder: Path, threads: int) -> Iterator[str]:
    """Run a scheduler and two workers, and yield the address."""
    with ExitStack() as stack:
        port = free_port()
        dask = [sys.executable, "-m"]
        where = ["--host", "127.0.0.1", "--no-dashboard"]
        scheduler = ["distributed.cli.dask_scheduler", *where, "--port", str(port), "--no-show"]
        stack.enter_context(running([*dask, *scheduler, "--dashboard-address", "127.0.0.1:0"]))
        address = f"tcp://127.0.0.1:{port}"
        options = [*where, "--nthreads", str(threads), "--memory-limit", "0", "--local-directory", str(folder)]
        for _ in range(2):
            stack.enter_context(running([*dask, "distributed.cli.dask_worker", address, *options]))
        with Client(address, timeout=60) as client:
            client.wait_for_workers(2, timeout=120)
        yield address


def latencies_ms(port: int, paths: Iterator[str], seconds: float) -> list[float]:
    """Request tiles by some connections for a time; return how long each took."""
    found: list[float] = []
    lock, end = threading.Lock(), time.monotonic() + seconds

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while time.monotonic() < end:
            with lock:
                path = next(paths)
            began = time.perf_counter()
            connection.request("GET", path)
            reply = connection.getresponse()
            reply.read()
            took = (time.perf_counter() - began) * 1e3
            if reply.status != 200:
                raise SystemExit(f"{path}: {reply.status}")
            with lock:
                found.append(took)

    threads = [threading.Thread(target=client) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


class BulkWork:
    """Conversions, exports and warm-ups, each begun again when it ends, while the block runs."""

    def __init__(self, folder: Path, source: Path, store: Path, address: str) -> None:
        self._folder, self._source, self._store, self._address = folder, source, store, address
        self._numbers = itertools.count()
        self._stop = threading.Event()
        self.done = dict.fromkeys(("convert", "mrf", "warm"), 0)

    def _command(self, kind: str) -> list[str]:
        number = next(self._numbers)
        where = ("--engine", self._address)
        if kind == "convert":
            return lazytile("convert", str(self._source), "--store", str(self._folder / f"store{number}"), *where)
        if kind == "mrf":
            out = (str(self._folder / f"mrf{number}"), "--tms", "WebMercatorQuad", "--finest", FINEST)
            return lazytile("mrf", "export", "sst", *out, "--store", str(self._store), *where)
        cache = ("--cache", str(self._folder / f"cache{number}"), "--zoom", f"0-{FINEST}")
        return lazytile("warm", "sst", "--store", str(self._store), *cache, *where)

    def _repeat(self, kind: str) -> None:
        while not self._stop.is_set():
            with running(["nice", "-n", "19", *self._command(kind)]) as process:
                while process.poll() is None and not self._stop.is_set():
                    time.sleep(0.05)
                if process.poll() == 0:
                    self.done[kind] += 1
                elif process.poll() is not None:
                    raise SystemExit(f"{kind} failed")

    def __enter__(self) -> Self:
        self._threads = [threading.Thread(target=self._repeat, args=(kind,)) for kind in self.done]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def main() -> None:
    """Measure, and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", type=Path, help="a file whose variable is sst, as make_demo_data.py writes it")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--threads", type=int, default=2, help="of each worker")
    parser.add_argument("--settle", type=float, default=6, help="seconds until bulk work is under way")
    parser.add_argument("--document", type=Path, help="file whose section the table replaces")
    arguments = parser.parse_args()
    chance = random.Random(17)  # noqa: S311
    side = 1 << LAYER_ZOOM
    tiles = [f"/xyz/sst/{LAYER_ZOOM}/{x}/{y}.png" for x in range(side) for y in range(side)]
    chance.shuffle(tiles)
    paths = itertools.cycle(tiles)
    found: dict[bool, list[list[float]]] = {False: [], True: []}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        store = folder / "store"
        subprocess.run(lazytile("convert", str(arguments.source), "--store", str(store), "--name", "sst"), check=True)
        address = stack.enter_context(cluster(folder, arguments.threads))
        options = ("--engine", address, "--no-tile-cache", "--offline")
        server = stack.enter_context(bench_server.serving(store, "--cache", str(folder / "cache"), *options))
        latencies_ms(server.port, paths, 3)
        for number in range(arguments.rounds):
            for with_bulk in (False, True) if number % 2 == 0 else (True, False):
                with ExitStack() as busy:
                    if with_bulk:
                        busy.enter_context(BulkWork(folder, arguments.source, store, address))
                        time.sleep(arguments.settle)
                    found[with_bulk].append(latencies_ms(server.port, paths, arguments.seconds))
    rows = [
        "| bulk work | tiles | p50, ms | p95, ms | p99, ms | p95 of each round |",
        "| --- | --: | --: | --: | --: | --- |",
    ]
    p95 = {}
    for with_bulk, rounds in found.items():
        every = sorted(itertools.chain(*rounds))
        p50, p95[with_bulk], p99 = (every[int(len(every) * share)] for share in (0.5, 0.95, 0.99))
        each = ", ".join(f"{statistics.quantiles(one, n=20)[-1]:.1f}" for one in rounds)
        what = "convert, mrf export and warm" if with_bulk else "none"
        rows.append(f"| {what} | {len(every):,} | {p50:.1f} | {p95[with_bulk]:.1f} | {p99:.1f} | {each} |")
    text = (
        f"{conditions()}; two workers of {arguments.threads} threads, {CONNECTIONS} connections, tiles of zoom "
        f"{LAYER_ZOOM}. With bulk work p95 is {p95[True] / p95[False]:.2f} times what it is without."
    )
    print("\n".join([text, "", *rows]))
    if arguments.document:
        write_section(arguments.document, "bulk", [text, "", *rows])


if __name__ == "__main__":
    main()
