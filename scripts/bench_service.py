"""The request path under load, beside a bare aiohttp handler with the same loop and the same mean body.

``make bench-service``. Two server processes of each kind share a port; runs alternate, and figures are medians of the
ratios of neighbouring runs. Columns of the table: see ``SUMMARY``.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent))

from bench_document import conditions, write_section
from bench_load import Load, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Run = Callable[[], Load]

ROOT = Path(__file__).resolve().parent.parent
PROCESSES = 2
CONNECTIONS = 32
TILES = 200
LAYERS = 60
COLD_ZOOM = 12
COLD_ROUNDS, COLD_TILES = 3, 100_000
"""More tiles a round than are requested in it."""
TARGETS = {
    "warm": "at least 0.80", "304": "at least 0.95", "p50": "at most 1.30", "p99": "at most 3.0", "cold": "at most 80",
}  # fmt: skip
SUMMARY = """\
`make bench-service`: two server processes, tiles of about {body_kb:.1f} kB in memory, {tool}; each figure is the median
of {rounds} ratios of neighbouring runs on the same processors, which change places from round to round. *warm*, *304*:
requests/s, c={c}, {seconds:g} s a run. *p50*: at c=1. *p99*: the median with {layers} layers in use to that with one,
c=4, {layers_s:g} s a run. *cold*: CPU time of a tile that is in no cache and is requested once, less that of the bare
handler (the median ratio of runs of {cold_s:g} s, times the bare handler's least); its renderer and the files of the
disk cache are replaced by constants."""


@dataclass(frozen=True, slots=True)
class Servers:
    """Server processes that share a port."""

    port: int
    pids: tuple[int, ...]

    def cpu_s(self) -> float:
        """Return the CPU time that they have taken."""
        ticks = 0
        for pid in self.pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(kind: str, loop: str, **options: object) -> Iterator[Servers]:
    """Run server processes of a kind until the context ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as metrics, tempfile.TemporaryDirectory() as cache:
        # The processes share the cache, as those of one server do, and with it what each renders at the moment.
        specification = json.dumps({"kind": kind, "loop": loop, "port": port, "cache": cache, **options})
        log = {"LAZYTILE_ACCESS_LOG_FILE": str(Path(metrics) / "access.log")}
        environment = {**log, **os.environ, "PROMETHEUS_MULTIPROC_DIR": metrics, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, str(ROOT / "scripts/bench_service_server.py"), specification]
        children = [
            subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True, cwd=ROOT)
            for _ in range(PROCESSES)
        ]
        try:
            for child in children:
                if child.stdout is None or child.stdout.readline() != "ready\n":
                    raise SystemExit(f"a {kind} server did not start")
            yield Servers(port, tuple(child.pid for child in children))
        finally:
            for child in children:
                child.send_signal(signal.SIGTERM)
            for child in children:
                child.wait(30)


def many_layers(store: Path, name: str, folder: Path) -> list[str]:
    """Copy a dataset under other names, and return the names of all."""
    names = [name, *(f"{name}-{number}" for number in range(1, LAYERS))]
    for each in names:
        target = folder / f"{each}.zarr"
        shutil.copytree(store / f"{name}.zarr", target, copy_function=os.link)
        metadata = target / "zarr.json"
        document = json.loads(metadata.read_text())
        document["attributes"]["lazytile"]["name"] = each
        document["attributes"]["lazytile"].pop("checksum", None)
        metadata.unlink()
        metadata.write_text(json.dumps(document))
    return names


def tiles_of(names: list[str], count: int, seed: int = 14) -> list[str]:
    """Return paths of tiles at zooms 2 to 5."""
    chance, found = random.Random(seed), []  # noqa: S311
    for number in range(count):
        zoom = chance.randint(2, 5)
        last = (1 << zoom) - 1
        found.append(
            f"/xyz/{names[number % len(names)]}/{zoom}/{chance.randint(0, last)}/{chance.randint(0, last)}.png"
        )
    return found


def cold_tiles(name: str, count: int) -> list[str]:
    """Return paths of distinct tiles."""
    side = 1 << COLD_ZOOM
    numbers = random.Random(15).sample(range(side * side), count)  # noqa: S311
    return [f"/xyz/{name}/{COLD_ZOOM}/{number % side}/{number // side}.png" for number in numbers]


def fetch(port: int, path: str) -> tuple[bytes, str]:
    """Return the body of a tile and its entity tag."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as reply:
        return reply.read(), reply.headers["ETag"]


@dataclass(frozen=True, slots=True)
class Requests:
    """What is requested."""

    paths: list[str]
    """Tiles of one layer."""
    conditional: list[str]
    """The same, with their entity tags."""
    spread: list[str]
    """Tiles of many layers."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """The ratios of neighbouring runs, each by the round."""

    rates: list[float]
    """Our tiles a second."""
    warm: list[float]
    known: list[float]
    p50: list[float]
    alone_ms: list[float]
    """p99 of the tiles of one layer."""
    together_ms: list[float]
    """The same of many layers."""


def ratio(figure: str, first: Run, second: Run, number: int) -> tuple[float, float]:
    """Make two runs, the second one first in every other round; return their figures."""
    found = {}
    for place in (0, 1) if number % 2 == 0 else (1, 0):
        found[place] = getattr((first, second)[place](), figure)
    return found[0], found[1]


def play(ours: Servers, bare: Servers, requests: Requests, options: argparse.Namespace) -> Rounds:
    """Load both kinds in turn. The many layers are in use in every round."""

    def run(servers: Servers, lines: list[str], c: int, seconds: float) -> Run:
        return lambda: load(servers.port, lines, connections=c, seconds=seconds)

    done = Rounds([], [], [], [], [], [])
    for number in range(options.rounds):
        short, many_s = options.seconds, options.layers_seconds
        for lines, c, figure, found in (
            (requests.paths, CONNECTIONS, "rate", done.warm),
            (requests.conditional, CONNECTIONS, "rate", done.known),
            (requests.paths, 1, "p50_ms", done.p50),
        ):
            our, other = ratio(figure, run(ours, lines, c, short), run(bare, lines, c, short), number)
            found.append(our / other)
            if found is done.warm:
                done.rates.append(our)
        one, many = (run(ours, lines, 4, many_s) for lines in (requests.paths, requests.spread))
        alone, together = ratio("p99_ms", one, many, number)
        done.alone_ms.append(alone)
        done.together_ms.append(together)
    return done


def compare(loop: str, store: Path, names: list[str], options: argparse.Namespace) -> tuple[dict[str, str], float]:
    """Measure one loop; return the cells of its row by column, and the mean body."""
    paths, spread = tiles_of(names[:1], TILES), tiles_of(names, TILES)
    with serving("lazytile", loop, store=str(store)) as ours:
        found = [fetch(ours.port, path) for path in paths]
        body_bytes = round(statistics.mean(len(body) for body, _ in found))
        conditional = [f"{path}\t{etag}" for path, (_, etag) in zip(paths, found, strict=True)]
        with serving("bare", loop, body_bytes=body_bytes) as bare:
            load(ours.port, paths, connections=CONNECTIONS, seconds=1)
            # Compiles the styles, and renders the tiles, in every process.
            load(ours.port, spread, connections=CONNECTIONS, seconds=options.ready_seconds)
            load(bare.port, paths, connections=CONNECTIONS, seconds=1)
            done = play(ours, bare, Requests(paths, conditional, spread), options)
    cold = cold_overhead_us(loop, store, names[0], body_bytes, options)
    cells = {
        "loop": loop,
        "tiles/s": f"{statistics.median(done.rates):.0f}",
        "warm": f"{statistics.median(done.warm):.2f}",
        "304": f"{statistics.median(done.known):.2f}",
        "p50": f"{statistics.median(done.p50):.2f}",
        # The p99 of a run is that of the few moments in which something else ran: its median says more than its ratios.
        "p99": f"{statistics.median(done.together_ms) / statistics.median(done.alone_ms):.2f}",
        "cold": f"{cold:.0f} us",
    }
    return cells, body_bytes


def cold_overhead_us(loop: str, store: Path, name: str, body_bytes: int, options: argparse.Namespace) -> float:
    """Return the CPU time of a cold tile beyond that of the bare handler, in microseconds."""
    floors, ratios = [], []
    with (
        serving("lazytile", loop, store=str(store), stub=True, body_bytes=body_bytes) as ours,
        serving("bare", loop, body_bytes=body_bytes) as bare,
    ):
        lines = cold_tiles(name, COLD_TILES * COLD_ROUNDS)
        for number in range(COLD_ROUNDS):
            part = lines[number * COLD_TILES : (number + 1) * COLD_TILES]
            spent = []
            for servers in (ours, bare):
                if number == 0:
                    load(servers.port, part[:50], connections=4, seconds=1)
                before = servers.cpu_s()
                done = load(servers.port, part, connections=8, seconds=options.cold_seconds)
                if servers is ours and done.count > COLD_TILES:
                    raise SystemExit(f"{done.count} requests for {COLD_TILES} tiles: some were in memory")
                spent.append((servers.cpu_s() - before) / done.count * 1e6)
            floors.append(spent[1])
            ratios.append(spent[0] / spent[1])
    # What else runs on the machine slows both kinds by about as much: only their ratio is stable.
    return (statistics.median(ratios) - 1) * min(floors)


def table(rows: list[dict[str, str]]) -> list[str]:
    """Return rows as Markdown, with the targets last."""
    columns = list(rows[0])
    lines = ["| " + " | ".join(columns) + " |", "| --- |" + " ---: |" * (len(columns) - 1)]
    targets = {"loop": "target", **TARGETS}
    cells = ([row.get(column, "") for column in columns] for row in (*rows, targets))
    return [*lines, *(f"| {' | '.join(row)} |" for row in cells)]


def main() -> None:
    """Measure each loop that is installed, print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, default=Path("store"), help="a store with the dataset")
    parser.add_argument("--dataset", default="sst", help="a dataset with one variable")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of each run")
    parser.add_argument("--layers-seconds", type=float, default=2.0, help="of each run with one or many layers")
    parser.add_argument("--cold-seconds", type=float, default=2.0, help="of each run with cold tiles")
    parser.add_argument("--ready-seconds", type=float, default=6.0, help="how long the many layers are loaded first")
    parser.add_argument("--loops", default="asyncio,uvloop")
    parser.add_argument("--document", type=Path, help="a Markdown file to write the table to")
    options = parser.parse_args()
    loops = [loop for loop in options.loops.split(",") if loop == "asyncio" or importlib.util.find_spec(loop)]
    with tempfile.TemporaryDirectory(dir=options.store.resolve().parent, prefix=".bench-") as folder:
        names = many_layers(options.store, options.dataset, Path(folder))
        measured = [compare(loop, Path(folder), names, options) for loop in loops]
    rows = [cells for cells, _ in measured]
    tool = f"wrk -t2 -c{CONNECTIONS}" if shutil.which("wrk") else f"{CONNECTIONS} clients in Python"
    summary = SUMMARY.format(
        body_kb=measured[0][1] / 1000, tool=tool, rounds=options.rounds, seconds=options.seconds, c=CONNECTIONS,
        layers=LAYERS, layers_s=options.layers_seconds, cold_s=options.cold_seconds,
    )  # fmt: skip
    lines = [f"## The request path beside a bare aiohttp handler ({conditions()})", "", summary, "", *table(rows)]
    print("\n".join(lines))
    if options.document is not None:
        write_section(options.document, "bench-service", lines)


if __name__ == "__main__":
    main()
