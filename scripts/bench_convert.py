"""Time a conversion with all levels against xarray + dask writing level 0 alone, each in a process of its own.

    bench_convert.py FILE [--variable NAME] [--repeat N] [--document docs/benchmarks.md]

Both keep the packed codes. Three baselines: xarray as it comes (decoded to floats and packed again), and the codes as
they are in the source's chunks and in chunks of 256 x 256 like ours. Peak memory is of all processes, sampled every
20 ms. Compare figures of one run only. Linux only, for it reads /proc.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HEADINGS = ("program", "wall s", "cpu s", "peak MB", "written MB")
_OURS = """
import sys
from lazytile.pyramid.convert import convert
convert(sys.argv[1], sys.argv[2], "bench", [sys.argv[3]])
"""
_BASELINE = """
import sys
import xarray as xr
import zarr
path, store, name, kind = sys.argv[1:5]
decoded = kind == "decoded"
source = xr.open_dataset(path, mask_and_scale=decoded, decode_times=False, chunks={}, cache=False)[[name]]
encoding = {}
if kind == "chunks256":
    cells = {dim: 256 for dim in source[name].dims[-2:]}
    source = source.chunk({dim: 1024 if dim == source[name].dims[-2] else -1 for dim in cells})
    codec = zarr.codecs.BloscCodec(cname="lz4", clevel=5, shuffle="shuffle")
    encoding = {name: {"chunks": (1,) * (source[name].ndim - 2) + (256, 256), "compressors": (codec,)}}
else:
    chunks = source[name].encoding["chunksizes"]
    source[name].encoding.pop("preferred_chunks", None)
    encoding = {name: {"chunks": chunks}}
source.to_zarr(store + "/baseline.zarr", encoding=encoding, zarr_format=3, consolidated=False)
"""


def main() -> None:
    """Run each program in turn and print one line for each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--variable", default="analysed_sst")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--document", type=Path, help="Markdown file whose section on conversion is written anew")
    parser.add_argument("--tmp", type=Path, help="folder for the stores (default: the system's)")
    arguments = parser.parse_args()
    programs = {
        "lazytile, all levels": (_OURS, "ours"),
        "to_zarr, 256 x 256 chunks": (_BASELINE, "chunks256"),
        "to_zarr, source chunks": (_BASELINE, "source"),
        "to_zarr, decoded": (_BASELINE, "decoded"),
    }
    rows = [f"| {' | '.join(HEADINGS)} |", "| --- " + "| ---: " * (len(HEADINGS) - 1) + "|"]
    print(f"{'program':28} {'wall s':>7} {'cpu s':>7} {'peak MB':>8} {'written MB':>10}")
    for _ in range(arguments.repeat):
        for label, (program, kind) in programs.items():
            folder = Path(tempfile.mkdtemp(dir=arguments.tmp))
            try:
                command = [sys.executable, "-c", program, str(arguments.file), str(folder), arguments.variable, kind]
                wall, cpu, peak = measure(command)
                written = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
                figures = (f"{wall:.1f}", f"{cpu:.1f}", f"{peak / 1e6:.0f}", f"{written / 1e6:.0f}")
                rows.append(f"| {label} | {' | '.join(figures)} |")
                print(f"{label:28} {wall:7.1f} {cpu:7.1f} {peak / 1e6:8.0f} {written / 1e6:10.0f}", flush=True)
            finally:
                shutil.rmtree(folder)

    if arguments.document:
        write_section(arguments.document, arguments.file, rows)


def write_section(document: Path, source: Path, rows: list[str]) -> None:
    """Put a table into a document, in the place of the one of the last run on a source of this name."""
    begin, end = f"<!-- bench-convert {source.name} -->", f"<!-- end of bench-convert {source.name} -->"
    text = document.read_text() if document.exists() else "# Benchmarks\n"
    size = f"{source.stat().st_size / 1e6:.0f} MB, {os.cpu_count()} processors, {time.strftime('%Y-%m-%d')}"
    load = f"load {os.getloadavg()[0]:.1f} at the end"
    heading = f"## Converting {source.name} ({size}, {load})"
    section = "\n".join(
        [begin, heading, "", "`make bench-convert`; compare figures of one run only.", "", *rows, "", end]
    )
    before, found, rest = text.partition(begin)
    after = rest.partition(end)[2] if found else "\n"
    document.write_text(f"{before.rstrip()}\n\n{section}{after}")


def measure(command: list[str]) -> tuple[float, float, int]:
    """Return wall seconds, processor seconds and the peak resident bytes of a command and its children."""
    before = os.times()
    started = time.monotonic()
    process = subprocess.Popen(command)
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(_resident(each) for each in _family(process.pid)))
        time.sleep(0.02)
    after = os.times()
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with {process.returncode}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.monotonic() - started, cpu, peak


def _family(pid: int) -> list[int]:
    family = [pid]
    for member in family:
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{member}/task").iterdir():
                family += [int(child) for child in (thread / "children").read_text().split()]
    return family


def _resident(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


if __name__ == "__main__":
    main()
