"""Servers whose tiles all come from one tier, under load: what a request costs them."""

from __future__ import annotations

import itertools
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import bench_server
from bench_processes import family

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench_server import Server

LEAST_SHARE = 0.95
"""Of the tiles of a measurement that come from there: a mixture would depend on the number of processes."""
ADVANCE = 0.85
"""Part of a load generator's share of the tiles by which each load begins further on than the one before."""
_LOADS = itertools.count()
MOST_ROUNDS = 20
"""Of requests until that is so: tiles are written to disk after the reply, and each process has a memory of its own."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Tiles that come from one tier."""

    name: str
    """Of the tier, as the server counts it."""
    zoom: int
    count: int
    """Different tiles that are requested in turn."""
    options: tuple[str, ...] = ()
    """Of the server."""
    is_warmed: bool = False
    """Whether all tiles of the zoom are put on disk before the server starts."""
    has_own_clients: bool = False
    """Whether each connection has a load generator of its own, in place of one for each server process.

    One generator reads the replies of a process together, and sends as many requests together. A look-up on disk is in
    a thread, which takes less time where several wait. For tiles in memory, eight generators would take the processors.
    """


KINDS = (
    Kind("computed", 5, 400, ("--no-tile-cache",)),
    Kind("memory", 5, 400),
    # Memory for the style, and for a thirteenth of the tiles: until one is asked for again it has long been evicted.
    Kind("disk", 7, 16_384, ("--memory", "8MB"), is_warmed=True, has_own_clients=True),
)


@dataclass(frozen=True, slots=True)
class Point:
    """A measurement."""

    rate: float
    p50_s: float
    p95_s: float
    body_bytes: float
    server_s: float
    """Processor time of the servers for a request."""
    client_s: float
    """Processor time of the load generator for a request."""


@contextmanager
def servers(store: Path, kind: Kind, hosts: int, workers: int, warmed: Path | None) -> Iterator[list[Server]]:
    """Run servers that share nothing but a store, each with a copy of a tile cache, or an empty one."""
    with ExitStack() as stack:
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(hosts)]
        if warmed is not None:
            for folder in folders:
                shutil.copytree(warmed, folder, dirs_exist_ok=True)
        options = ("--engine", "threads", "--offline", "--workers", str(workers), *kind.options)
        yield [stack.enter_context(bench_server.serving(store, "--cache", str(each), *options)) for each in folders]


def warm(store: Path, layer: str, zoom: int, cache: Path) -> None:
    """Put all tiles of a zoom into a tile cache on disk."""
    command = [sys.executable, "-m", "lazytile.service", "warm", layer, "--zoom", str(zoom), "--store", str(store)]
    subprocess.run([*command, "--cache", str(cache), "--engine", "threads"], check=True, capture_output=True)


def processor_time_s(hosts: list[Server]) -> float:
    """Return the processor time that servers have taken."""
    ticks = 0
    for pid in (pid for host in hosts for pid in family(host.process.pid)):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def served(hosts: list[Server]) -> dict[str, float]:
    """Return how many tiles servers have sent, by the tier that they came from."""
    found: dict[str, float] = {}
    for host in hosts:
        with urllib.request.urlopen(f"http://127.0.0.1:{host.port}/metrics") as reply:
            text = reply.read().decode()
        for tier, count in re.findall(r'^lazytile_tiles_total\{tier="(\w+)"\} (\S+)', text, re.MULTILINE):
            found[tier] = found.get(tier, 0.0) + float(count)
    return found


def measure(hosts: list[Server], kind: Kind, paths: list[str], connections: int, processes: int = 1) -> Point:
    """Measure servers whose tiles all come from one place.

    Args:
        hosts: The servers.
        kind: Where the tiles come from.
        paths: Requested in turn.
        connections: In all.
        processes: Server processes in all.

    Returns:
        What was measured.
    """
    tier, clients = kind.name, connections if kind.has_own_clients else processes
    for _ in range(MOST_ROUNDS):
        before, began_s, used = served(hosts), processor_time_s(hosts), resource.getrusage(resource.RUSAGE_CHILDREN)
        found = put_load(hosts, paths, connections, clients)
        took_s, after = processor_time_s(hosts) - began_s, resource.getrusage(resource.RUSAGE_CHILDREN)
        sent = {name: count - before.get(name, 0.0) for name, count in served(hosts).items()}
        count = sum(sent.values())
        if sent.get(tier, 0.0) < LEAST_SHARE * count or not count:
            continue
        client_s = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
        p50, p95, size = (statistics.fmean(each[at] for each in found) for at in (1, 2, 3))
        rate = sum(each[0] for each in found)
        return Point(rate, p50 / 1e3, p95 / 1e3, size, took_s / count, client_s / count)
    raise SystemExit(f"{tier}: tiles come from elsewhere too: {sent}")


def put_load(
    hosts: list[Server], paths: list[str], connections: int, clients: int
) -> list[tuple[float, float, float, float]]:
    """Put load on servers at the same time; return what each load generator has seen."""
    found: list[tuple[float, float, float, float]] = []
    share = len(paths) // clients
    # Beyond what was asked for last time, which may be in memory, and would be kept there the better for it.
    first = int(next(_LOADS) * ADVANCE * share)

    def request(number: int) -> None:
        begin = (first + number * share) % len(paths)  # far apart: none asks for what another one has just asked for
        host = hosts[number % len(hosts)]
        found.append(bench_server.load(host.port, [*paths[begin:], *paths[:begin]], connections // clients))

    threads = [threading.Thread(target=request, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@contextmanager
def confined(hosts: list[Server], processors: int) -> Iterator[None]:
    """Let servers and what this thread starts use some processors only."""
    every = os.sched_getaffinity(0)

    def confine(allowed: set[int]) -> None:
        os.sched_setaffinity(0, allowed)
        for pid in (pid for host in hosts for pid in family(host.process.pid)):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), allowed)

    confine(set(sorted(every)[:processors]))
    try:
        yield
    finally:
        confine(every)


def typical(points: list[Point]) -> Point:
    """Return the median of each figure."""
    return Point(*(statistics.median(getattr(point, each.name) for point in points) for each in fields(Point)))
