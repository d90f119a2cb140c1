"""Compare tiles/s of this tree with those of another commit.

    bench_before.py COMMIT FILE --work FOLDER [--zooms 3,5,7] [--rounds 10] [--seconds 1] [--seed N]

Both convert FILE into a store of their own and run servers at the same time. Loads of eight connections alternate
between them, so that a machine whose speed changes changes both alike; the median of the ratios counts. Each process
has a load generator of its own, so that the layout of connections is the same in each load. Cold tiles are
random 256-pixel WebMercatorQuad PNG tiles with data, by the default method and from the nearest cell; warm ones come
from memory. FOLDER keeps the other commit's checkout, its kernel and the stores for the next run. wrk is needed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import bench_server
from bench_server import ROOT
from bench_tiers import put_load
from bench_tiles import CONVERT, METHODS, choose_tasks, name_of

from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget

FACTOR = 1
"""Of the dataset, as ``choose_tasks`` has it."""
NAME = name_of(FACTOR)
OPTIONS = ("--workers", "2", "--metatile", "1", "--engine", "threads")
CONNECTIONS = 8
TILES = 200
"""Of each zoom."""


def run(tree: Path, *command: str) -> None:
    """Run this interpreter with a tree's modules."""
    subprocess.run([sys.executable, *command], check=True, cwd=tree, env={**os.environ, "PYTHONPATH": str(tree)})


def prepare(tree: Path, file: Path, store: Path) -> None:
    """Build a tree's kernel and convert the file with it, unless an earlier run did."""
    run(tree, "scripts/build_kernel.py")
    if not (store / f"{NAME}.zarr").exists():
        store.mkdir(parents=True, exist_ok=True)
        run(tree, "-c", CONVERT, str(file), str(store), NAME)


def compare(what: str, servers: list[bench_server.Server], paths: list[str], rounds: int) -> str:
    """Return a row of the table.

    Args:
        what: What is measured.
        servers: Of the other commit, then of this tree.
        paths: Requested in turn.
        rounds: Measurements of each.

    Returns:
        The row in Markdown.
    """
    rates: list[list[float]] = [[], []]
    for number in range(rounds + 1):
        # Which of them begins changes, too: what one leaves behind in the machine meets the other.
        for which in (0, 1) if number % 2 else (1, 0):
            rate = sum(each[0] for each in put_load([servers[which]], paths, CONNECTIONS))
            if number:  # the first load warms
                rates[which].append(rate)
    ratio = statistics.median(now / before for before, now in zip(*rates, strict=True))
    before, now = (statistics.median(each) for each in rates)
    return f"| {what} | {before:,.0f} | {now:,.0f} | {ratio:.2f} |"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("commit")
    parser.add_argument("file", type=Path, help="full-size netCDF file")
    parser.add_argument("--work", type=Path, required=True, help="folder for the checkout and the stores")
    parser.add_argument("--zooms", default="3,5,7")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=1, help="duration of a load")
    parser.add_argument("--seed", type=int, default=0, help="another one chooses other tiles")
    given = parser.parse_args()
    bench_server.SECONDS = given.seconds
    tree, file, work = given.work.resolve() / "tree", given.file.resolve(), given.work.resolve()
    if not tree.exists():
        subprocess.run(["git", "worktree", "add", "--detach", str(tree), given.commit], check=True, cwd=ROOT)
    subprocess.run(["git", "checkout", "--quiet", "--detach", given.commit], check=True, cwd=tree)
    stores = [work / "before", work / "now"]
    for where, store in zip((tree, ROOT), stores, strict=True):
        prepare(where, file, store)
    process.begin()  # as in the server
    process.install(CacheBudget.renderer(512 << 20).without("values"))
    print("| tiles | before, tiles/s | now | ratio |\n| --- | --: | --: | --: |", flush=True)
    for options in (("--no-tile-cache",), ()):
        with ExitStack() as stack:
            servers = [
                stack.enter_context(bench_server.serving(store, *OPTIONS, *options, tree=where))
                for where, store in zip((tree, ROOT), stores, strict=True)
            ]
            for zoom in (int(text) for text in given.zooms.split(",")):
                tasks = choose_tasks(stores[1], FACTOR, zoom, TILES, given.seed)
                tiles = [f"/xyz/{NAME}/{zoom}/{task.block.col}/{task.block.row}.png" for task in tasks]
                for mark, query in METHODS.items() if options else {"": ""}.items():
                    what = f"z{zoom}{mark or ', nearest'}" if options else f"z{zoom}, warm"
                    print(compare(what, servers, [path + query for path in tiles], given.rounds), flush=True)


if __name__ == "__main__":
    main()
