"""Time our MRF export against GDAL's on the same sea-surface temperature: seconds, bytes, memory.

    bench_mrf.py --data FOLDER [--factor N] [--work FOLDER] [--efforts served,fast,default,small] [--skip-gdal]

FOLDER holds ``mur_fN.nc`` (int16 values) and ``mur_fN_index.tif`` (the same, already coloured, 8-bit palette), N = 1 at
full size. GDAL starts from the coloured raster: ``gdal_translate -of MRF`` and ``gdaladdo``, or rasterio's GDAL where
the commands are not there. We start from values: our Zarr pyramid, which is made first and not timed. Both write
PPNG pages of 512 pixels. Each export is a process of its own.

On a machine that others use as well, look at *wanted*: the share of the machine's cores that the export was running on
or waiting for (Linux counts a thread's time in the queue). What is missing to 100 % it spent idle.
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
from pathlib import Path

QUALITIES = {"85 (its default)": None, "60": 60, "10": 10}
OVERVIEWS = ["2", "4", "8", "16", "32", "64"]
COLOURS = 255
LOW_K, HIGH_K = 271.0, 305.0
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # as it lies there, installed or not


def main() -> None:
    """Run it all and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--factor", type=int, default=4)
    parser.add_argument("--work", type=Path, default=None)
    parser.add_argument("--efforts", default="served,fast,default,small")
    parser.add_argument("--engine", default="threads")
    parser.add_argument("--skip-gdal", action="store_true")
    parser.add_argument("--export", metavar="EFFORT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    work = options.work or Path(tempfile.gettempdir()) / f"bench-mrf-{options.factor}"
    work.mkdir(parents=True, exist_ok=True)
    if options.export:
        export(work, options.export, options.engine)
        return
    prepare(options.data / f"mur_f{options.factor}.nc", work)
    print("| what | seconds | processor s | cores busy | wanted | peak RSS MB | MB |")
    print("| --- | --: | --: | --: | --: | --: | --: |")
    if not options.skip_gdal:
        for name, quality in QUALITIES.items():
            row(f"GDAL QUALITY={name}", gdal(options.data / f"mur_f{options.factor}_index.tif", quality), "gdal")
    for effort in options.efforts.split(","):
        command = [sys.executable, str(Path(__file__).resolve()), "--data", str(options.data), "--work", str(work)]
        row(f"lazytile {effort}", [[*command, "--engine", options.engine, "--export", effort]], effort, work)


def prepare(source: Path, work: Path) -> None:
    """Convert the values, once, and write the colormap that ``mur_fN_index.tif`` was made with."""
    from lazytile.pyramid.convert import convert  # noqa: PLC0415 - the GDAL processes need none of it

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
    """Return the commands that make GDAL's pyramid as OUT."""
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


def row(label: str, commands: list[list[str]], kind: str, work: Path | None = None) -> None:
    """Run commands one after another and print what they took together."""
    out = (work or Path(tempfile.mkdtemp(prefix="bench-mrf-gdal-"))) / f"out-{kind}"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    environment = {**os.environ, "GDAL_CACHEMAX": "1024", "PYTHONPATH": str(ROOT)}
    seconds = processor_s = queued_s = peak_mb = 0.0
    for command in commands:
        started = time.monotonic()
        words = [str(out / "x.mrf") if word == "OUT" else word for word in command]
        with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, cwd=ROOT) as process:
            assert process.stdout is not None
            told = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{words[0]} failed with {process.returncode}")
        took = time.monotonic() - started
        used = usage.ru_utime + usage.ru_stime
        peak_mb = max(peak_mb, usage.ru_maxrss / 1024)
        if told:  # our own process starts Python and opens an engine first, and says how long the export was
            report = json.loads(told)
            took, used, queued_s = report["seconds"], report["processor_s"], report["queued_s"]
        seconds, processor_s = seconds + took, processor_s + used
    size = sum(path.stat().st_size for path in out.iterdir())
    shutil.rmtree(out)
    busy = processor_s / seconds
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = "-" if kind == "gdal" else f"{(processor_s + queued_s) / seconds / cores:.0%}"
    print(
        f"| {label} | {seconds:.2f} | {processor_s:.2f} | {busy:.2f} | {wanted} | {peak_mb:.0f} | {size / 1e6:.2f} |",
        flush=True,
    )


def export(work: Path, effort: str, engine: str) -> None:
    """Export once; write seconds and processor seconds to stdout."""
    from lazytile.colormaps.catalog import ColormapCatalog  # noqa: PLC0415 - only this process needs them
    from lazytile.pyramid.engines.engine import EngineSpec, open_bulk_engine  # noqa: PLC0415
    from lazytile.pyramid.mrf.effort import Effort  # noqa: PLC0415
    from lazytile.pyramid.mrf.export import export_mrf  # noqa: PLC0415
    from lazytile.pyramid.mrf.options import ExportOptions  # noqa: PLC0415
    from lazytile.pyramid.store import Store  # noqa: PLC0415
    from lazytile.pyramid.style import Styles  # noqa: PLC0415

    store = Store(work / "store")
    layer = store.layer("mur")
    style = Styles(ColormapCatalog(work / "colormaps")).style(layer, "bench")
    with open_bulk_engine(EngineSpec.parse(engine)) as opened:
        started, processor, queued = time.monotonic(), time.process_time(), queued_seconds()
        export_mrf(
            store.folder,
            layer,
            style,
            work / f"out-{effort}",
            engine=opened,
            options=ExportOptions(page=512, effort=Effort(effort)),
        )
        seconds, processor_s = time.monotonic() - started, time.process_time() - processor
        queued_s = queued_seconds() - queued
    print(json.dumps({"seconds": seconds, "processor_s": processor_s, "queued_s": queued_s}))


def queued_seconds() -> float:
    """Return how long the threads of this process have waited for a processor; 0 where the system does not say."""
    files = Path("/proc/self/task").glob("*/schedstat")
    return sum(int(file.read_text().split()[1]) for file in files) / 1e9


if __name__ == "__main__":
    main()
