"""Time our MRF export against GDAL's on the same sea-surface temperature: seconds, bytes, memory, and their ratios.

    bench_mrf.py --data FOLDER [--factors 4,1] [--work FOLDER] [--document docs/benchmarks.md]

FOLDER holds ``mur_fN.nc`` (int16 values) and ``mur_fN_index.tif`` (the same, already coloured, 8-bit palette), N = 1 at
full size. GDAL starts from the coloured raster: ``gdal_translate -of MRF`` and ``gdaladdo``, or rasterio's GDAL where
the commands are not there; at its default, QUALITY=60 and QUALITY=10, always on one core. We start from values: our
Zarr pyramid, which is made first and not timed. Both write PPNG pages of 512 pixels. Each export is a process of its
own; seconds are those of the export, *total* those of the process, with the start of Python in ours. What takes under
five seconds is run three times, and the fastest counts. Peak memory is of all processes together, each at its highest.

On a machine that others use, too, look at *runnable*: the share of the cores that the export was running on or waiting
for (Linux counts a thread's time in the queue), and *idle*: what nobody used meanwhile. Linux only: it reads /proc.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import bench_document
from bench_document import conditions
from bench_processes import family, peak_bytes

from lazytile.pyramid.core.processors import processor_count

QUALITIES = {"85 (its default)": None, "60": 60, "10": 10}
OVERVIEWS = ["2", "4", "8", "16", "32", "64"]
COLOURS = 255
LOW_K, HIGH_K = 271.0, 305.0
ROOT = Path(__file__).resolve().parent.parent
RUNS, LONG_S = 3, 5.0
SAMPLE_S = 0.02
sys.path.insert(0, str(ROOT))  # works without installation


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one export."""

    seconds: float
    whole_s: float
    processor_s: float
    queued_s: float
    idle_s: float | None
    peak_bytes: int
    written: int


LIMITS = (
    ("`default`: bytes of QUALITY=60's", "default", "60", "written", 1.0),
    ("`default`: time of QUALITY=60's", "default", "60", "seconds", 0.35),
    ("`fast`: bytes of QUALITY=10's", "fast", "10", "written", 0.75),
    ("`fast`: time of QUALITY=10's", "fast", "10", "seconds", 1.0),
    ("`small`: bytes of GDAL's default", "small", "85 (its default)", "written", 1.0),
    ("`small`: time of GDAL's default", "small", "85 (its default)", "seconds", 1 / 6),
)
"""Label, effort, quality of GDAL, figure that is compared, and the maximum of the ratio."""


def main() -> None:
    """Run all exports, print the tables, and write them to the document if one is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--factors", default="4,1")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "bench-mrf")
    parser.add_argument("--efforts", default="served,fast,default,small")
    parser.add_argument("--engine", default="threads")
    parser.add_argument("--skip-gdal", action="store_true")
    parser.add_argument("--document", type=Path, help="Markdown file whose section on MRF is replaced")
    parser.add_argument("--prepare", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--export", metavar="EFFORT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.prepare:
        prepare(options.prepare, options.work)
        return
    if options.export:
        export(options.work, options.export, options.engine)
        return
    found: dict[int, dict[str, Figures]] = {}
    text: list[str] = []
    for factor in map(int, options.factors.split(",")):
        found[factor] = {}
        report(text, "", f"{36000 // factor} x {-(-17999 // factor)}:", "")
        report(text, "| run | s | total s | CPU s | cores busy | runnable | idle | peak MB | MB |")
        report(text, "| --- | --: | --: | --: | --: | --: | --: | --: | --: |")
        for name, figures in exports(options, factor):
            found[factor][name] = figures
            report(text, line(f"`{name}`" if name in options.efforts else f"GDAL, QUALITY={name}", figures))
    for each in ratios(found):
        report(text, each)
    if options.document:
        write_section(options.document, text)


def report(text: list[str], *lines: str) -> None:
    """Print lines and append them to the text of the document."""
    print("\n".join(lines), flush=True)
    text.extend(lines)


def exports(options: argparse.Namespace, factor: int):  # noqa: ANN201 - pairs of a name and its figures
    """Yield the name and the figures of each export of one size."""
    work = options.work / f"f{factor}"
    work.mkdir(parents=True, exist_ok=True)
    ours = [sys.executable, str(Path(__file__).resolve()), "--data", str(options.data), "--work", str(work)]
    # In a process of its own, because children inherit the memory of this one.
    subprocess.run([*ours, "--prepare", str(options.data / f"mur_f{factor}.nc")], check=True, cwd=ROOT)
    for name, quality in QUALITIES.items() if not options.skip_gdal else ():
        yield name, fastest(gdal(options.data / f"mur_f{factor}_index.tif", quality), work / "out-gdal")
    for effort in options.efforts.split(","):
        command = [*ours, "--engine", options.engine, "--export", effort]
        yield effort, fastest([command], work / f"out-{effort}")


def line(label: str, figures: Figures) -> str:
    """Return a row of the table."""
    cores = processor_count()
    busy = figures.processor_s / figures.seconds / cores
    runnable = f"{busy + figures.queued_s / figures.seconds / cores:.0%}" if figures.queued_s else "-"
    times = f"{figures.seconds:.2f} | {figures.whole_s:.2f} | {figures.processor_s:.2f} | {busy:.0%} of {cores}"
    runnable += " | -" if figures.idle_s is None else f" | {figures.idle_s / figures.seconds / cores:.1%}"
    return f"| {label} | {times} | {runnable} | {figures.peak_bytes / 1e6:.0f} | {figures.written / 1e6:.2f} |"


def ratios(found: dict[int, dict[str, Figures]]) -> list[str]:
    """Return a table of the ratios with their limits."""
    sizes = list(found)
    lines = ["", "| ratio | limit | " + " | ".join(f"{36000 // factor} wide" for factor in sizes) + " |"]
    lines.append("| --- | --: | " + "--: | " * len(sizes))
    for label, effort, quality, figure, limit in LIMITS:
        if all(effort in rows and quality in rows for rows in found.values()):
            cells = [getattr(rows[effort], figure) / getattr(rows[quality], figure) for rows in found.values()]
            lines.append(f"| {label} | {limit:.3g} | " + " | ".join(f"{cell:.3f}" for cell in cells) + " |")
    ours = [[figures for name, figures in rows.items() if name not in QUALITIES] for rows in found.values()]
    peaks = [max(each.peak_bytes for each in rows) / 1e6 for rows in ours]
    lines.append("| highest peak, MB | 1074 | " + " | ".join(f"{peak:.0f}" for peak in peaks) + " |")
    if len(sizes) > 1:
        small, full = found[max(sizes)], found[min(sizes)]
        growth = (max(sizes) / min(sizes)) ** 2
        for name in (name for name in full if name not in QUALITIES):
            seconds, processor_s, peak = (
                getattr(full[name], figure) / getattr(small[name], figure)
                for figure in ("seconds", "processor_s", "peak_bytes")
            )
            lines.append(
                f"| `{name}`, {growth:.0f} times the pixels | | {seconds:.1f} times the time, {processor_s:.1f} times "
                f"the CPU time | {peak:.2f} times the peak |"
            )
    return lines


def prepare(source: Path, work: Path) -> None:
    """Convert the values once, and write the colormap of ``mur_fN_index.tif``."""
    from lazytile.pyramid.ingest.convert import convert  # noqa: PLC0415 - the other processes need none of it

    width = (HIGH_K - LOW_K) / COLOURS
    entries = []
    for at in range(COLOURS):
        low = "-INF" if at == 0 else f"{LOW_K + at * width:.9f}"
        high = "+INF" if at == COLOURS - 1 else f"{LOW_K + (at + 1) * width:.9f}"
        rgb = f"{at},{255 - at},{(at * 7) % 256}"
        bounds = f"({low},{high})" if at == 0 else f"[{low},{high})"
        entries.append(f'<ColorMapEntry rgb="{rgb}" transparent="false" value="{bounds}" ref="{at + 1}"/>')
    folder = work / "colormaps"
    folder.mkdir(exist_ok=True)
    (folder / "bench.xml").write_text(
        f'<ColorMaps><ColorMap title="bench" units="K"><Entries>{"".join(entries)}</Entries></ColorMap></ColorMaps>'
    )
    if not (work / "store" / "mur.zarr" / "zarr.json").exists():
        started = time.monotonic()
        convert(source, work / "store", "mur", ["analysed_sst"])
        print(f"converted in {time.monotonic() - started:.0f} s (not timed below)", file=sys.stderr)


def gdal(source: Path, quality: int | None) -> list[list[str]]:
    """Return the commands that write GDAL's pyramid to OUT."""
    options = ["-co", "COMPRESS=PPNG", "-co", "BLOCKSIZE=512"]
    if quality is not None:
        options += ["-co", f"QUALITY={quality}"]
    if shutil.which("gdal_translate"):
        return [
            ["gdal_translate", "-q", "-of", "MRF", *options, str(source), "OUT"],
            ["gdaladdo", "-q", "-r", "nearest", "OUT", *OVERVIEWS],
        ]
    script = (
        "import sys, rasterio, rasterio.shutil as s\n"
        "q = {} if sys.argv[3] == '-' else {'quality': sys.argv[3]}\n"
        "s.copy(sys.argv[1], sys.argv[2], driver='MRF', compress='PPNG', blocksize=512, **q)\n"
        "with rasterio.open(sys.argv[2], 'r+') as d:\n"
        "    d.build_overviews([2, 4, 8, 16, 32, 64], rasterio.enums.Resampling.nearest)\n"
    )
    return [[sys.executable, "-c", script, str(source), "OUT", "-" if quality is None else str(quality)]]


def fastest(commands: list[list[str]], out: Path) -> Figures:
    """Return the summed figures of consecutive commands: the fastest of three runs, or the only one if it is long."""
    runs: list[Figures] = []
    while not runs or (len(runs) < RUNS and runs[0].seconds < LONG_S):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        each = [measure([str(out / "x.mrf") if word == "OUT" else word for word in command]) for command in commands]
        seconds, whole_s, processor_s, queued_s = (
            sum(getattr(figures, name) for figures in each)
            for name in ("seconds", "whole_s", "processor_s", "queued_s")
        )
        written = sum(path.stat().st_size for path in out.iterdir())
        peak = max(figures.peak_bytes for figures in each)
        runs.append(Figures(seconds, whole_s, processor_s, queued_s, each[0].idle_s, peak, written))
    shutil.rmtree(out)
    return min(runs, key=lambda figures: figures.seconds)


def measure(command: list[str]) -> Figures:
    """Run a command and return its figures; those that it prints as JSON replace the ones of its process."""
    environment = {**os.environ, "GDAL_CACHEMAX": "1024", "GDAL_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    before, started = os.times(), time.monotonic()
    peaks: dict[int, int] = {}
    with tempfile.TemporaryFile() as printed:
        process = subprocess.Popen(command, env=environment, stdout=printed, cwd=ROOT)
        while process.poll() is None:
            for member in family(process.pid):
                peaks[member] = max(peaks.get(member, 0), peak_bytes(member))
            time.sleep(SAMPLE_S)
        whole_s, after = time.monotonic() - started, os.times()
        printed.seek(0)
        answer = printed.read()
    if process.returncode:
        raise SystemExit(f"{command[0]} failed with {process.returncode}")
    processor_s = after.children_user + after.children_system - before.children_user - before.children_system
    own = {"seconds": whole_s, "processor_s": processor_s, "queued_s": 0.0, "idle_s": None}
    own |= json.loads(answer or "{}")
    return Figures(own["seconds"], whole_s, own["processor_s"], own["queued_s"], own["idle_s"], sum(peaks.values()), 0)


def export(work: Path, effort: str, engine: str) -> None:
    """Export once and print the seconds and the processor seconds as JSON."""
    from lazytile.colormaps.library.catalog import ColormapCatalog  # noqa: PLC0415 - only this process needs them
    from lazytile.pyramid.core import process  # noqa: PLC0415
    from lazytile.pyramid.engines.factory import open_bulk_engine  # noqa: PLC0415
    from lazytile.pyramid.engines.protocol import EngineOptions, EngineSpec  # noqa: PLC0415
    from lazytile.pyramid.mrf.effort import CompressionEffort  # noqa: PLC0415
    from lazytile.pyramid.mrf.export import export_mrf  # noqa: PLC0415
    from lazytile.pyramid.mrf.options import ExportOptions  # noqa: PLC0415
    from lazytile.pyramid.render.style import Styles  # noqa: PLC0415
    from lazytile.pyramid.store.store import Store  # noqa: PLC0415
    from lazytile.service.cli.options.engine import install_caches  # noqa: PLC0415

    process.begin()  # as the command does
    caches = install_caches(None)
    store = Store(work / "store")
    layer = store.layer("mur")
    style = Styles(ColormapCatalog(work / "colormaps")).style(layer, "bench")
    with open_bulk_engine(EngineSpec.parse(engine), EngineOptions(caches=caches)) as opened:
        started, processor, queued, idle = time.monotonic(), time.process_time(), queued_seconds(), idle_seconds()
        export_mrf(
            store.folder,
            layer,
            style,
            work / f"out-{effort}",
            engine=opened,
            options=ExportOptions(page=512, effort=CompressionEffort(effort)),
        )
        seconds, processor_s = time.monotonic() - started, time.process_time() - processor
        queued_s, idle_s = queued_seconds() - queued, idle_seconds() - idle
    print(json.dumps({"seconds": seconds, "processor_s": processor_s, "queued_s": queued_s, "idle_s": idle_s}))


def queued_seconds() -> float:
    """Return how long the threads of this process have waited for a processor, seconds."""
    files = Path("/proc/self/task").glob("*/schedstat")
    return sum(int(file.read_text().split()[1]) for file in files) / 1e9


def idle_seconds() -> float:
    """Return for how long the machine's processors have been idle or waited for a disk, all together, seconds."""
    return sum(map(int, Path("/proc/stat").read_text().split()[4:6])) / os.sysconf("SC_CLK_TCK")


def write_section(document: Path, rows: list[str]) -> None:
    """Write the tables into a document, in place of the previous ones."""
    heading = f"## MRF export against GDAL ({conditions()})"
    intro = (
        "`make bench-mrf`: a sea-surface temperature, PPNG pages of 512 pixels, all levels.\n"
        "`scripts/bench_mrf.py` defines the columns. GDAL starts from the coloured raster, lazytile from values.\n"
        "Compare figures within one run only."
    )
    bench_document.write_section(document, "bench-mrf", [heading, "", intro, *rows])


if __name__ == "__main__":
    main()
