"""Measure one and two server processes and hosts, simulate them, and find what limits many hosts (``docs/scaling.md``).

    bench_scaling.py STORE LAYER [--seconds 1] [--rounds 9] [--document FILE]

One process gives the processor time of a request with as many connections, and with as large a share of the processors,
as each process has in a row, and under one connection the time that it spends waiting for no processor; no throughput
is fitted. From them the simulation (``queueing.py``) predicts the throughput of eight connections to one process, to
two processes, and to two hosts: two servers that share nothing but the store. Each process has a load generator, and
with it its part of the processors. All servers run at the same time and are measured in turn, several times, so that a
machine whose speed changes changes prediction and measurement of a round alike; the median of their ratios counts. wrk
is needed.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import bench_server
from bench_document import conditions, write_section
from bench_tiers import KINDS, LEAST_SHARE, Kind, Point, allowed, measure, parts, servers, typical, warm
from queueing import Simulation, Visit
from scaling_model import MIXES, Site, Times, balancers_needed, limits, shared_needed
from shared_look_up import shared_operation_s

from lazytile.pyramid.core.processors import processor_count

CONNECTIONS = 8
"""In all, to one process and to two."""
TWO_PROCESSES = "2 processes"
SHAPES = (("1 process", 1, 1), (TWO_PROCESSES, 1, 2), ("2 hosts", 2, 1))
"""What is measured: a name, the number of hosts, and the processes of each."""
HOSTS = (10, 100, 1000)
SPIN = "import time\nb=time.perf_counter()\nfor _ in range(3): sum(i*i for i in range(2_000_000))\n"
"""Takes a processor for about half a second."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table."""

    name: str
    rates: tuple[tuple[float, float], ...]
    """Predicted and measured requests a second, in each round."""

    @property
    def cells(self) -> str:
        """The row in Markdown, after the kind of tiles."""
        predicted, measured = (statistics.median(each) for each in zip(*self.rates, strict=True))
        ratio = statistics.median(wanted / got for wanted, got in self.rates)
        return f"{self.name} | {predicted:,.0f} | {measured:,.0f} | {ratio:.2f}"


def slowdown() -> float:
    """Return how much longer a computation takes while another one keeps the next processor busy."""

    def took(count: int) -> float:
        command = [sys.executable, "-c", SPIN + "print(time.perf_counter()-b)"]
        running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
        return statistics.fmean(float(each.communicate()[0]) for each in running)

    # The least of several: what else the machine does makes it only longer.
    return max(1.0, min(took(2) for _ in range(3)) / min(took(1) for _ in range(3)))


def predict(one: Point, many: Point, busy: float, processes: int) -> float:
    """Simulate a measurement.

    Args:
        one: One process, one connection: how long a request waits for no processor, and how times vary.
        many: One process with as many connections, and with as large a share of the processors, as each has: the
            processor time of a request. The more requests a process finds waiting, the less often it wakes up for each.
        busy: As ``slowdown`` returns it.
        processes: Of all hosts.

    Returns:
        Requests a second.
    """
    processors = processor_count()
    factor = busy if min(processes, processors) > 1 else 1.0
    spread = math.log(max(1.01, one.p95_s / one.p50_s)) / 1.645
    # What is neither server nor client at one connection: the kernel's wake-ups. It takes no processor from others.
    idle_s = max(0.0, 1 / one.rate - one.server_s - one.client_s)

    def route(number: int) -> object:
        def visits(chance: random.Random) -> list[Visit]:
            size = chance.lognormvariate(-spread * spread / 2, spread)
            return [
                Visit(many.client_s * factor, (f"client {number}", "processors")),
                Visit(idle_s),
                Visit(many.server_s * factor * size, (f"process {number}", "processors")),
            ]

        return visits

    places = {f"{what} {number}": 1 for what in ("client", "process") for number in range(processes)}
    routes = [route(number % processes) for number in range(CONNECTIONS)]
    simulation = Simulation({"processors": processors, **places})
    return simulation.closed(routes, seconds=20_000 * many.server_s, warm_s=200 * many.server_s).rate


def points(store: Path, layer: str, kind: Kind, busy: float, rounds: int) -> tuple[Point, list[Row], float]:
    """Measure and predict one kind of tiles.

    Args:
        store: With the dataset.
        layer: The dataset.
        kind: Where the tiles come from.
        busy: As ``slowdown`` returns it.
        rounds: Measurements of each row.

    Returns:
        One process under load, the rows, and the tiles/s of two processes that may use all processors.
    """
    chance, numbers = random.Random(17), range(1 << kind.zoom)  # noqa: S311
    tiles = chance.sample([(col, row) for col in numbers for row in numbers], kind.count)
    paths = [f"/xyz/{layer}/{kind.zoom}/{col}/{row}.png" for col, row in tiles]
    loaded: list[Point] = []
    free: list[float] = []
    found: dict[str, list[tuple[float, float]]] = {name: [] for name, *_ in SHAPES}
    with ExitStack() as stack:
        warmed = Path(stack.enter_context(tempfile.TemporaryDirectory())) if kind.is_warmed else None
        if warmed is not None:
            warm(store, layer, kind.zoom, warmed)
        running = {name: stack.enter_context(servers(store, kind, *shape, warmed)) for name, *shape in SHAPES}
        one = running[SHAPES[0][0]]
        for name, *_ in SHAPES:
            measure(running[name], kind.name, paths, CONNECTIONS)  # not counted: a new process is slower at first
        for _ in range(rounds):
            single = measure(one, kind.name, paths, 1)
            for name, hosts, workers in SHAPES:
                count = hosts * workers
                with allowed(one, parts(count)[0]):
                    part = measure(one, kind.name, paths, CONNECTIONS // count)
                measured = part if count == 1 else measure(running[name], kind.name, paths, CONNECTIONS)
                loaded += [part] if count == 1 else []
                found[name].append((predict(single, part, busy, count), measured.rate))
            with allowed(running[TWO_PROCESSES], parts(1)[0]):
                free.append(measure(running[TWO_PROCESSES], kind.name, paths, CONNECTIONS).rate)
    rows = [Row(f"{name}, {CONNECTIONS} connections", tuple(found[name])) for name, *_ in SHAPES]
    return typical(loaded), rows, statistics.median(free)


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
    parser.add_argument("--seconds", type=int, default=1, help="duration of a measurement")
    parser.add_argument("--rounds", type=int, default=9, help="measurements of each row")
    parser.add_argument("--document", type=Path, help="file whose section the tables replace")
    arguments = parser.parse_args()
    bench_server.SECONDS = arguments.seconds
    busy = slowdown()
    lines = ["| tiles from | measurement | predicted, tiles/s | measured | ratio |", "| --- | --- | --: | --: | --: |"]
    bases, free = {}, []
    for kind in KINDS:
        base, rows, rate = points(arguments.store, arguments.layer, kind, busy, arguments.rounds)
        free.append(f"{rate:,.0f} {kind.name}")
        bases[kind.name] = base
        print(f"{kind.name}: {base.server_s * 1e6:.0f} us of the server, {base.client_s * 1e6:.0f} of wrk", flush=True)
        lines += [f"| {kind.name} | {row.cells} |" for row in rows]
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
            f"Redis {operation} of a host's processor. At least {LEAST_SHARE * 100:.0f} % of the tiles of each row "
            f"come from where it says. Medians of {arguments.rounds} rounds, of the ratios too. Two "
            f"processes that may use all processors send {', '.join(free)} tiles/s."
        ),
    ]
    print("\n".join([*text, "", *lines, "", *limits_table(times, shared_s)]))
    if arguments.document:
        write_section(arguments.document, "measured", ["## Measured and simulated", "", *text, "", *lines])
        write_section(arguments.document, "limits", ["## Many hosts", "", *limits_table(times, shared_s)])


if __name__ == "__main__":
    main()
