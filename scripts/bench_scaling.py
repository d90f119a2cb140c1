"""Measure one and two server processes and hosts, simulate them, and find what limits many hosts (``docs/scaling.md``).

    bench_scaling.py STORE LAYER [--seconds 4] [--document FILE]

One process gives the processor time of a request under load, and under one connection the time that it spends waiting
for no processor; no throughput is fitted. From them the simulation (``queueing.py``) predicts the throughput of eight
connections to one process, to two processes, and to two hosts: two servers that share nothing but the store. The table
shows prediction beside measurement. wrk is needed.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import bench_server
from bench_document import conditions, write_section
from bench_processes import family
from queueing import Simulation, Visit
from scaling_model import MIXES, Site, Times, balancers_needed, limits, shared_needed
from shared_look_up import shared_operation_s

from lazytile.pyramid.core.processors import processor_count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench_server import Server

KINDS = {"computed": ("--no-tile-cache",), "memory": (), "disk": ("--memory", "0")}
"""Options of the server for each place that tiles come from."""
LEAST_SHARE = 0.99
"""Of the tiles of a measurement that come from there: a mixture would depend on the number of processes."""
MOST_ROUNDS = 20
"""Of requests until that is so: tiles are written to disk after the reply, and each process has a memory of its own."""
HOSTS = (10, 100, 1000)
SPIN = "import time\nb=time.perf_counter()\nfor _ in range(3): sum(i*i for i in range(2_000_000))\n"
"""Takes a processor for about half a second."""


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
def servers(store: Path, kind: str, hosts: int, workers: int) -> Iterator[list[Server]]:
    """Run servers that share nothing but a store."""
    with ExitStack() as stack:
        folders = [stack.enter_context(tempfile.TemporaryDirectory()) for _ in range(hosts)]
        options = ("--engine", "threads", "--offline", "--workers", str(workers), *KINDS[kind])
        yield [stack.enter_context(bench_server.serving(store, "--cache", each, *options)) for each in folders]


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


def measure(hosts: list[Server], kind: str, paths: list[str], connections: int) -> Point:
    """Measure servers whose tiles all come from one place."""
    for _ in range(MOST_ROUNDS):
        before = served(hosts)
        point = put_load(hosts, paths, connections)
        after = served(hosts)
        sent = {tier: count - before.get(tier, 0.0) for tier, count in after.items()}
        if sent.get(kind, 0.0) >= LEAST_SHARE * sum(sent.values()) > 0:
            return point
    raise SystemExit(f"{kind}: tiles come from elsewhere too: {sent}")


def put_load(hosts: list[Server], paths: list[str], connections: int) -> Point:
    """Put load on servers, an equal share of the connections on each."""
    share = connections // len(hosts)
    found: list[tuple[float, float, float, float]] = []
    threads = [
        threading.Thread(target=lambda host=host: found.append(bench_server.load(host.port, paths, share)))
        for host in hosts
    ]
    before, used = processor_time_s(hosts), resource.getrusage(resource.RUSAGE_CHILDREN)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    rate = sum(each[0] for each in found)
    # ``load`` warms up for a second: that is in both processor times.
    requests = rate * (bench_server.SECONDS + 1)
    client_s = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    p50, p95, size = (statistics.fmean(each[at] for each in found) for at in (1, 2, 3))
    server_s = processor_time_s(hosts) - before
    return Point(rate, p50 / 1e3, p95 / 1e3, size, server_s / requests, client_s / requests)


def slowdown() -> float:
    """Return how much longer a computation takes while another one keeps the next processor busy."""

    def took(count: int) -> float:
        command = [sys.executable, "-c", SPIN + "print(time.perf_counter()-b)"]
        running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
        return statistics.fmean(float(each.communicate()[0]) for each in running)

    return max(1.0, statistics.median(took(2) / took(1) for _ in range(3)))


def predict(
    one: Point, many: Point, busy: float, *, hosts: int, workers: int, connections: int, processors: int
) -> float:
    """Simulate a measurement.

    Args:
        one: One process, one connection: how long a request waits for no processor, and how times vary.
        many: One process under load: the processor time of a request.
        busy: As ``slowdown`` returns it.
        hosts: Servers.
        workers: Processes of each.
        connections: In all.
        processors: Of the machine.

    Returns:
        Requests a second.
    """
    factor = busy if min(hosts * workers, processors) > 1 else 1.0
    spread = math.log(max(1.01, one.p95_s / one.p50_s)) / 1.645
    # What is neither server nor client at one connection: the kernel's wake-ups. It takes no processor from others.
    idle_s = max(0.0, 1 / one.rate - one.server_s - one.client_s)

    def route(process: int, client: int) -> object:
        def visits(chance: random.Random) -> list[Visit]:
            size = chance.lognormvariate(-spread * spread / 2, spread)
            return [
                Visit(many.client_s * factor, (f"client {client}", "processors")),
                Visit(idle_s),
                Visit(many.server_s * factor * size, (f"process {process}", "processors")),
            ]

        return visits

    count = hosts * workers
    places = {"processors": processors, **{f"process {at}": 1 for at in range(count)}}
    places.update({f"client {at}": 1 for at in range(hosts)})
    routes = [route(number % count, number % hosts) for number in range(connections)]
    return Simulation(places).closed(routes, seconds=20_000 * many.server_s, warm_s=200 * many.server_s).rate


def points(store: Path, layer: str, kind: str, busy: float) -> tuple[Point, list[tuple[str, float, float]]]:
    """Measure and predict one kind of tiles: one process under load, and names, predictions and measurements."""
    chance = random.Random(17)  # noqa: S311
    tiles = [(col, row) for col in range(32) for row in range(8, 24)]
    paths = [f"/xyz/{layer}/5/{col}/{row}.png" for col, row in chance.sample(tiles, 400)]
    with servers(store, kind, 1, 1) as one:
        single, base = measure(one, kind, paths, 1), measure(one, kind, paths, 8)
        found = [("1 process, 8 connections", 1, 1, base.rate)]
    for name, hosts, workers in (("2 processes, 8 connections", 1, 2), ("2 hosts, 8 connections", 2, 1)):
        with servers(store, kind, hosts, workers) as running:
            found.append((name, hosts, workers, measure(running, kind, paths, 8).rate))
    rows = [
        (
            name,
            predict(single, base, busy, hosts=hosts, workers=workers, connections=8, processors=processor_count()),
            rate,
        )
        for name, hosts, workers, rate in found
    ]
    return base, rows


def limits_table(times: Times, shared_s: float | None) -> list[str]:
    """Return the table of many hosts."""
    lines = [
        "| tiles | hosts | load balancers | Redis | tiles/s at the limit | first bottleneck | next | $ a million |",
        "| --- | --: | --: | --: | --: | --- | --- | --: |",
    ]
    for mix in MIXES:
        for hosts in HOSTS:
            site = Site(hosts) if shared_s is None else Site(hosts, shared_s=shared_s)
            balancers, redis = balancers_needed(times, mix, site), shared_needed(times, mix, site)
            for shape in dict.fromkeys(((1, 1), (balancers, 1), (balancers, redis))):
                found = limits(times, mix, replace(site, balancers=shape[0], shared_processes=shape[1]))
                first, second = found.resources[:2]
                lines.append(
                    f"| {mix.name} | {hosts} | {shape[0]} | {shape[1]} | {found.rate:,.0f} | {first.name} | "
                    f"{second.name}, {second.limit / first.limit:.1f} times as far | {sum(found.prices.values()):.3f} |"
                )
    return lines


def main() -> None:
    """Measure, simulate, and print or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("layer")
    parser.add_argument("--seconds", type=int, default=4, help="duration of a measurement")
    parser.add_argument("--document", type=Path, help="file whose section the tables replace")
    arguments = parser.parse_args()
    bench_server.SECONDS = arguments.seconds
    busy = slowdown()
    lines = ["| tiles from | measurement | predicted, tiles/s | measured | ratio |", "| --- | --- | --: | --: | --: |"]
    bases = {}
    for kind in KINDS:
        bases[kind], rows = points(arguments.store, arguments.layer, kind, busy)
        base = bases[kind]
        print(f"{kind}: {base.server_s * 1e6:.0f} us of the server, {base.client_s * 1e6:.0f} of wrk", flush=True)
        lines += [
            f"| {kind} | {name} | {wanted:,.0f} | {got:,.0f} | {wanted / got:.2f} |" for name, wanted, got in rows
        ]
    times = Times(
        bases["memory"].server_s, bases["disk"].server_s, bases["computed"].server_s, bases["computed"].body_bytes
    )
    taken = ", ".join(f"{name} {base.server_s * 1e6:.0f} us" for name, base in bases.items())
    shared_s = shared_operation_s(int(times.body_bytes))
    operation = "was not measured" if shared_s is None else f"takes {shared_s * 1e6:.0f} us"
    text = [
        (
            f"{conditions()}. Processor time of the server for a tile: {taken}; {times.body_bytes / 1000:.1f} kB. A "
            f"computation takes {busy:.2f} times as long while both processors are busy. A look-up in "
            f"Redis {operation} of a host's processor. At least 99 % of the tiles of each row come from where it says."
        ),
    ]
    print("\n".join([*text, "", *lines, "", *limits_table(times, shared_s)]))
    if arguments.document:
        write_section(arguments.document, "measured", ["## Measured and simulated", "", *text, "", *lines])
        write_section(arguments.document, "limits", ["## Many hosts", "", *limits_table(times, shared_s)])


if __name__ == "__main__":
    main()
