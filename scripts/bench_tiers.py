"""Servers whose tiles all come from one tier, under load: what a request costs them."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import bench_server
from bench_processes import family

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bench_server import Server

LEAST_SHARE = 0.99
"""Of the tiles of a measurement that come from there: a mixture would depend on the number of processes."""
ACCEPT_S = 1.0
"""How long a process may take to accept the connections of a load generator."""
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


KINDS = (
    Kind("computed", 5, 400, ("--no-tile-cache",)),
    Kind("memory", 5, 400),
    # Memory for the style, and for a thirteenth of the tiles: until one is asked for again it has long been evicted.
    Kind("disk", 7, 16_384, ("--memory", "8MB"), is_warmed=True),
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
    """Run servers that share nothing but a store, each with a copy of a tile cache, or an empty one.

    All are in one session, with their load generators. Linux gives each session the same share of the processors: two
    processes of one server would have half of what two servers have, and their generators would interrupt them.
    """
    with ExitStack() as stack:
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(hosts)]
        if warmed is not None:
            for folder in folders:
                shutil.copytree(warmed, folder, dirs_exist_ok=True)
        options = ("--engine", "threads", "--offline", "--workers", str(workers), *kind.options)
        started = [
            stack.enter_context(bench_server.serving(store, "--cache", str(each), *options, in_session=True))
            for each in folders
        ]
        confine(started)
        yield started


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


def measure(hosts: list[Server], tier: str, paths: list[str], connections: int) -> Point:
    """Measure servers whose tiles all come from one place.

    Args:
        hosts: The servers.
        tier: Where the tiles come from.
        paths: Requested in turn.
        connections: In all.

    Returns:
        What was measured.
    """
    for _ in range(MOST_ROUNDS):
        before, began_s, used = served(hosts), processor_time_s(hosts), resource.getrusage(resource.RUSAGE_CHILDREN)
        found = put_load(hosts, paths, connections)
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


def put_load(hosts: list[Server], paths: list[str], connections: int) -> list[tuple[float, float, float, float]]:
    """Put load on servers at the same time; return what each load generator has seen.

    Each server process has a generator, whose connections it alone accepts: the others of its server are stopped until
    it has them. A generator that reads the replies of two processes is woken more often, for fewer replies, and so are
    they. That takes processor time of this machine, which clients on other machines would not.
    """
    every = os.sched_getaffinity(0)
    places = [(host, pid) for host in hosts for pid in workers_of(host)]
    each, share = connections // len(places), len(paths) // len(places)
    loads = []
    for number, (host, pid) in enumerate(places):
        begin = number * share  # far apart: none asks for what another one has just asked for
        with stopped(other for other in workers_of(host) if other != pid):
            os.sched_setaffinity(0, os.sched_getaffinity(pid) & every)  # the generator's is that of its process
            loads.append(bench_server.Load(host.port, [*paths[begin:], *paths[:begin]], each, bench_server.SECONDS))
            os.sched_setaffinity(0, every)
            until = time.monotonic() + ACCEPT_S
            while connections_of(pid) < each:
                if time.monotonic() > until:
                    raise SystemExit(f"process {pid} did not accept {each} connections in {ACCEPT_S:g} s")
                time.sleep(0.001)
    return [load.result() for load in loads]


def workers_of(host: Server) -> list[int]:
    """Return the processes of a server that answer requests."""
    forked = [pid for pid in family(host.process.pid) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return forked or [host.process.pid]


def connections_of(pid: int) -> int:
    """Return how many connections a process holds whose clients have not ended them."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    established = {f"socket:[{line[9]}]" for line in lines if line[3] == "01"}
    count = 0
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            count += str(each.readlink()) in established
    return count


@contextmanager
def stopped(pids: Iterable[int]) -> Iterator[None]:
    """Keep processes from running."""
    held = list(pids)
    for pid in held:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in held:
            os.kill(pid, signal.SIGCONT)


def parts(count: int) -> list[set[int]]:
    """Divide the processors; where there are fewer than parts, parts share one."""
    every = sorted(os.sched_getaffinity(0))
    size = max(1, len(every) // count)
    return [{every[(number * size + at) % len(every)] for at in range(size)} for number in range(count)]


def confine(hosts: list[Server]) -> None:
    """Let each process of servers that answers requests use its part of the processors."""
    pids = [pid for host in hosts for pid in workers_of(host)]
    for pid, part in zip(pids, parts(len(pids)), strict=True):
        _allow(pid, part)


def _allow(pid: int, processors: set[int]) -> None:
    """Let a process use some processors only."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
            os.sched_setaffinity(int(thread.name), processors)


@contextmanager
def allowed(hosts: list[Server], processors: set[int]) -> Iterator[None]:
    """Let servers use these processors, whatever part each process has otherwise."""
    for pid in (pid for host in hosts for pid in workers_of(host)):
        _allow(pid, processors)
    try:
        yield
    finally:
        confine(hosts)


def typical(points: list[Point]) -> Point:
    """Return the median of each figure."""
    return Point(*(statistics.median(getattr(point, each.name) for point in points) for each in fields(Point)))
