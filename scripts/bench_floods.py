"""Floods: what happens to everybody else while 2,000 clients ask for what nobody has asked for before.

``make bench-service`` runs it after ``bench_service.py``. Two server processes; the flood comes from wrk, a program in
C, with a low priority, since it shares the processors with the servers. Beside it one client asks for tiles that are in
memory, and for one that is nowhere now and then: before the flood, during it, and after it. The same flood against a
bare aiohttp handler that refuses everything but those tiles shows how much of it is the flood's own doing: its clients
take the processors from the servers. Then 1,000 clients ask for the same tile at once, and an animation is played, with
and without ``--prefetch``.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent))

from bench_document import conditions, write_section
from bench_service import PROCESSES, fetch, serving, tiles_of
from equal_requests import equal
from flood_requests import FLOODS, LUA
from flood_watcher import COLD_EVERY_S, WARM_EVERY_S, Watcher

from lazytile.pyramid.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench_service import Servers

CLIENTS = 2000
FRAMES, FRAME_TILES, FRAME_S = 60, 4, 0.2
P95_LIMIT, COLD_LIMIT_S, RECOVERY_LIMIT_S = 5.0, 1.0, 5.0


def flood(port: int, name: str, layer: str, seconds: float) -> dict[int, int]:
    """Flood the servers; return the number of replies by status."""
    template, numbers = FLOODS[name]
    chance = random.Random(time.time_ns())  # noqa: S311
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "flood.lua"
        # Lua 5.1 has no //; LuaJIT neither.
        numbers = re.sub(r"\((\w+) // (\w+)\)", r"math.floor(\1 / \2)", numbers)
        text = template.format(layer=layer)
        script.write_text(LUA % (chance.randrange(10**6), chance.randrange(1, 10**4), text, numbers))
        command = ["nice", "-n", "10", "wrk", "-t1", f"-c{CLIENTS}", f"-d{seconds:g}", "--timeout", "60s"]
        reply = subprocess.run(
            [*command, "-s", str(script), f"http://127.0.0.1:{port}"],
            capture_output=True, check=True, text=True, timeout=seconds + 120,
        )  # fmt: skip
    found = re.search(r"RESULT (.*)", reply.stdout)
    return {int(code): int(count) for code, count in re.findall(r"(\d+):(\d+)", found[1] if found else "")}


def recovery_s(servers: Servers, cold: Callable[[], str]) -> float:
    """Return how long it takes until a cold tile takes as long as in peace, within reason."""
    began = time.perf_counter()
    while True:
        asked = time.perf_counter()
        with_status = http.client.HTTPConnection("127.0.0.1", servers.port, timeout=60)
        with_status.request("GET", cold())
        reply = with_status.getresponse()
        reply.read()
        with_status.close()
        taken = time.perf_counter() - asked
        if (reply.status == 200 and taken < 0.1) or time.perf_counter() - began > 30:
            return time.perf_counter() - began
        time.sleep(0.05)


def floor_ms(name: str, layer: str, warm: list[str], options: argparse.Namespace) -> float:
    """Return the 95th percentile of tiles that a bare handler serves while it refuses a flood, in milliseconds."""
    with serving("bare", options.loop, body_bytes=8192, only=warm) as bare:
        watcher = Watcher(bare, warm)
        try:
            time.sleep(0.5)
            watcher.phase()
            flood(bare.port, name, layer, options.floor_seconds)
            return watcher.phase().p95_ms
        finally:
            watcher.close()


def compare(servers: Servers, name: str, layer: str, warm: list[str], options: argparse.Namespace) -> dict[str, str]:
    """Flood the servers once; return the cells of a row."""
    chance = random.Random(f"{name} {time.time_ns()}")  # noqa: S311

    def cold() -> str:
        return f"/xyz/{layer}/11/{chance.randrange(2048)}/{chance.randrange(2048)}.png"

    for path in warm:
        fetch(servers.port, path)
    watcher = Watcher(servers, warm, cold)
    try:
        time.sleep(options.calm_seconds)
        calm = watcher.phase()
        codes = flood(servers.port, name, layer, options.seconds)
        during = watcher.phase()
        recovered = recovery_s(servers, cold)
    finally:
        watcher.close()
    bad = sum(count for code, count in codes.items() if code >= 500 and code not in (503, 504))
    shown = " ".join(f"{code}: {count}" for code, count in sorted(codes.items()))
    return {
        "flood": name,
        "replies": shown,
        "other 5xx": str(bad),
        "calm p95": f"{calm.p95_ms:.1f} ms",
        "p95": f"{during.p95_ms:.1f} ms",
        "ratio": f"{during.p95_ms / calm.p95_ms:.1f}",
        "p95_ms": f"{during.p95_ms}",
        "cold": f"{max(during.cold_s, default=float('nan')):.2f} s",
        "refused": str(len(during.wrong)),
        "recovery": f"{recovered:.1f} s",
        "peak": f"{during.peak_mb:.0f} MB",
        "loop kept": f"{during.share('loops'):.0%}",
        "client kept": f"{during.runnable_s['client'] / max(1, len(during.warm_s)) * 1000:.1f} ms",
    }


def animation(options: argparse.Namespace, *, prefetch: bool) -> float:
    """Play the time steps of a dataset in a new server; return the share of tiles that need not be rendered."""
    os.environ["LAZYTILE_PREFETCH"] = str(prefetch).lower()
    time_axis = Store(options.store).layer(options.animated).variable.time
    if time_axis is None:
        raise SystemExit(f"{options.animated} has no times")
    tiers = []
    with serving("lazytile", options.loop, store=str(options.store.resolve())) as servers:
        # As a browser does: a few connections, each for some of the tiles of a frame.
        connections = [http.client.HTTPConnection("127.0.0.1", servers.port, timeout=60) for _ in range(FRAME_TILES)]
        for label in time_axis.labels[:FRAMES]:
            due = time.perf_counter() + FRAME_S
            for number, connection in enumerate(connections):
                where = f"{options.frame_zoom}/{options.frame_row + number // 2}/{options.frame_col + number % 2}"
                connection.request("GET", f"/wmts/{options.animated}/default/{label}/WebMercatorQuad/{where}.png")
                reply = connection.getresponse()
                reply.read()
                tiers.append(reply.headers["Server-Timing"].partition("cache;desc=")[2].partition(",")[0])
            time.sleep(max(0.0, due - time.perf_counter()))
    del os.environ["LAZYTILE_PREFETCH"]
    return sum(tier in ("memory", "disk") for tier in tiers) / len(tiers)


def table(rows: list[dict[str, str]]) -> list[str]:
    """Return rows as Markdown, with the targets last."""
    columns = list(rows[0])
    targets = {"flood": "target", "other 5xx": "0", "ratio": f"at most {P95_LIMIT:g}", "recovery": "under 5 s",
               "cold": "under 1 s", "refused": "0"}  # fmt: skip
    lines = ["| " + " | ".join(columns) + " |", "| --- | --- |" + " ---: |" * (len(columns) - 2)]
    return [*lines, *("| " + " | ".join(row.get(column, "") for column in columns) + " |" for row in (*rows, targets))]


SUMMARY = """\
`make bench-service`: {clients} clients that never ask for the same thing twice, {seconds:g} s each, against {processes}
server processes with a watermark of {limit} each; wrk on the same processors, at a lower priority (nice 10). *p95*:
tiles in memory, one client, {rate:g} a second; *calm*: before the flood, *ratio*: to that; *floor*: the same flood
against a bare aiohttp handler that answers 503 to all but these tiles, *of floor*: to that; *cold*: the slowest of an
ordinary tile that is in no cache, one each {every:g} s; *refused*: replies to that client other than 200; *recovery*:
until a cold tile takes under 0.1 s again; *peak*: resident memory of all server processes; *loop kept*: share of the
flood in which the event loops could have run and had no processor, the mean of both; *client kept*: the same of the
client, for each tile in memory that it asked for."""


def main() -> None:
    """Flood the servers in each way, print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, default=Path("store"), help="a store with the dataset")
    parser.add_argument("--dataset", default="sst", help="a dataset with one variable")
    parser.add_argument("--seconds", type=float, default=30.0, help="length of each flood")
    parser.add_argument("--calm-seconds", type=float, default=5.0)
    parser.add_argument(
        "--floor-seconds", type=float, default=10.0, help="length of each flood of the bare handler; 0: none"
    )
    parser.add_argument("--only-floods", action="store_true", help="neither equal requests nor an animation")
    parser.add_argument("--floods", default=",".join(FLOODS))
    parser.add_argument("--loop", default="asyncio")
    parser.add_argument("--animated", default="air", help="a dataset with many times, at zoom --frame-zoom")
    parser.add_argument("--frame-zoom", type=int, default=3)
    parser.add_argument("--frame-row", type=int, default=2, help="row of the first of the four tiles")
    parser.add_argument("--frame-col", type=int, default=1, help="its column")
    parser.add_argument("--document", type=Path, help="a Markdown file to write the table to")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        print("wrk is not installed (apt-get install wrk): no floods")
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    warm = tiles_of([options.dataset], 50)
    rows = []
    limit = "1GiB"
    os.environ["LAZYTILE_MEMORY_WATERMARK_BYTES"] = limit
    for name in options.floods.split(","):
        # New servers for each, so that none has what another left behind.
        with serving("lazytile", options.loop, store=str(options.store.resolve())) as servers:
            row = compare(servers, name, options.dataset, warm, options)
        p95_ms = float(row.pop("p95_ms"))
        if options.floor_seconds:
            floor = floor_ms(name, options.dataset, warm, options)
            row |= {"floor": f"{floor:.1f} ms", "of floor": f"{p95_ms / floor:.2f}"}
        rows.append(row)
        print(json.dumps(rows[-1]), flush=True)
    summary = SUMMARY.format(
        clients=CLIENTS, seconds=options.seconds, processes=PROCESSES, limit=limit, rate=1 / WARM_EVERY_S,
        every=COLD_EVERY_S,
    )  # fmt: skip
    lines = [f"## Floods ({conditions()})", "", summary, "", *table(rows)]
    ratios = [float(row["ratio"]) for row in rows]
    quietest = min(float(row["calm p95"].split()[0]) for row in rows)
    to_quietest = [float(row["p95"].split()[0]) / quietest for row in rows]
    lines += ["", f"The median of the ratios is {statistics.median(ratios):.1f}, the largest {max(ratios):.1f}."]
    # Calm phases on a machine that does other work are not calm.
    lines.append(f"To the quietest of the calm phases they are {statistics.median(to_quietest):.1f} and "
                 f"{max(to_quietest):.1f}.")  # fmt: skip
    if options.only_floods:
        print("\n".join(lines))
        return
    lines += ["", equal(options.store.resolve(), options.dataset, options.loop)]
    without, ahead = animation(options, prefetch=False), animation(options, prefetch=True)
    lines.append("")
    played = (
        f"An animation of `{options.animated}`, {1 / FRAME_S:g} steps a second, {FRAME_TILES} tiles each, for the first"
    )
    lines.append(f"{played} time: {ahead:.0%} of the tiles are found warm with `--prefetch`, {without:.0%} without.")
    print("\n".join(lines))
    if options.document is not None:
        write_section(options.document, "bench-floods", lines)


if __name__ == "__main__":
    main()
