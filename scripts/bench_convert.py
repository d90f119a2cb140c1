"""Time ``lazytile convert`` with all levels against xarray and Dask writing level 0 alone, each in its own process.

    bench_convert.py FILE [--variable NAME] [--repeat N] [--factor 4] [--document docs/benchmarks.md]

Both keep the packed codes. Three baselines: xarray as it comes (decoded to floats and packed again), and the codes as
they are in the source's chunks and in chunks of 256 x 256 like ours. Peak memory is of all processes, sampled every
20 ms. Stores stay until the end: for five minutes after files are deleted, ext4 takes ten times as long to create files
in their place (``recently_deleted`` of ``fs/ext4/ialloc.c``); a second run of this script needs another ``--tmp``, or
that time. ``--factor`` also converts every n-th row and column of the file, to show whether time grows with the cells.
Ratios use the best run of each program; figures of different runs of this script are not comparable. Exits with 1 if a
limit is exceeded. Linux only: it reads /proc.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import bench_document
import netCDF4
import numpy as np
from bench_document import conditions
from bench_processes import family, resident_bytes

MAX_RATIO = 1.05
"""Maximum time of all levels, in multiples of the baseline that writes level 0 alone in its best chunks."""
MAX_PEAK_BYTES = 2 << 30
MAX_GROWTH = 1.2
"""Maximum time per cell at full size, in multiples of that at the smaller size."""
BAND_ROWS = 1024
OURS = "lazytile, all levels"
HEADINGS = ("program", "wall s", "cpu s", "peak MB", "written MB")
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


@dataclass(frozen=True, slots=True)
class Run:
    """The figures of one run of a program."""

    program: str
    wall_s: float
    cpu_s: float
    peak_bytes: int
    written_bytes: int

    @property
    def figures(self) -> tuple[str, ...]:
        """The columns of the table."""
        seconds = (f"{self.wall_s:.1f}", f"{self.cpu_s:.1f}")
        return (self.program, *seconds, f"{self.peak_bytes / 1e6:.0f}", f"{self.written_bytes / 1e6:.0f}")


def main() -> int:
    """Run each program in turn, print a line per run and the verdicts; return 1 if a limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--variable", default="analysed_sst")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--factor", type=int, default=0, help="also convert every n-th row and column; 0: do not")
    parser.add_argument("--document", type=Path, help="Markdown file whose section on conversion is replaced")
    parser.add_argument("--tmp", type=Path, help="folder for the stores (default: the system's)")
    arguments = parser.parse_args()
    programs = {
        OURS: "",
        "to_zarr, 256 x 256 chunks": "chunks256",
        "to_zarr, source chunks": "source",
        "to_zarr, decoded": "decoded",
    }
    print(f"{HEADINGS[0]:34} {HEADINGS[1]:>7} {HEADINGS[2]:>7} {HEADINGS[3]:>8} {HEADINGS[4]:>10}")
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(dir=arguments.tmp) as folder:
        thinned = None
        if arguments.factor > 1:
            thinned = Path(folder) / arguments.file.name
            thin(arguments.file, thinned, arguments.variable, arguments.factor)
        for _ in range(arguments.repeat):
            for label, program in programs.items():
                runs.append(run(label, program, arguments.file, arguments.variable, Path(folder)))
            if thinned is not None:
                label = f"{OURS}, factor {arguments.factor}"
                runs.append(run(label, programs[OURS], thinned, arguments.variable, Path(folder)))
        growth = None
        if thinned is not None:
            growth = cells(arguments.file, arguments.variable) / cells(thinned, arguments.variable)
    lines, passed = verdicts(runs, growth)
    print("\n".join(lines))
    if arguments.document:
        write_section(arguments.document, arguments.file, runs, lines)
    return 0 if passed else 1


def run(label: str, baseline: str, file: Path, variable: str, tmp: Path) -> Run:
    """Run a program on a file in a store of its own, and print what it took.

    Args:
        label: Its name in the table.
        baseline: The kind of baseline; empty for ``lazytile convert``.
        file: The source.
        variable: The variable to convert.
        tmp: Where the store is created.

    Returns:
        The figures.
    """
    folder = Path(tempfile.mkdtemp(dir=tmp))
    command = ["-c", _BASELINE, str(file), str(folder), variable, baseline]
    if not baseline:
        command = ["-m", "lazytile.service", "convert", str(file), "--store", str(folder), "--name", "bench"]
        command += ["--var", variable]
    os.sync()  # what the run before has written
    wall, cpu, peak = measure([sys.executable, *command])
    written = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    found = Run(label, wall, cpu, peak, written)
    name, *figures = found.figures
    print(f"{name:34} {figures[0]:>7} {figures[1]:>7} {figures[2]:>8} {figures[3]:>10}", flush=True)
    return found


def verdicts(runs: list[Run], growth: float | None) -> tuple[list[str], bool]:
    """Return a line for each limit, and whether none is exceeded. ``growth``: the ratio of the cell counts."""
    best: dict[str, Run] = {}
    for each in runs:
        if each.program not in best or each.wall_s < best[each.program].wall_s:
            best[each.program] = each
    ours = best[OURS]
    baselines = {name: run for name, run in best.items() if name.startswith("to_zarr")}
    fastest = min(baselines, key=lambda name: baselines[name].wall_s)
    found = []
    for name, other in baselines.items():
        ratio, cpu = ours.wall_s / other.wall_s, ours.cpu_s / other.cpu_s
        limit = f", limit {MAX_RATIO}" if name == fastest else ""
        text = f"all levels take {ratio:.2f} times as long as {name} ({cpu:.2f} times the CPU seconds){limit}"
        found.append((text, name != fastest or ratio <= MAX_RATIO))
    peak = max(each.peak_bytes for each in runs if each.program.startswith(OURS))
    found.append((f"the peak of all processes is {peak / 1e6:.0f} MB, limit 2147", peak <= MAX_PEAK_BYTES))
    small = next((each for name, each in best.items() if name.startswith(f"{OURS}, factor")), None)
    if small is not None and growth is not None:
        steeper = ours.wall_s / small.wall_s / growth
        text = (
            f"{growth:.1f} times the cells take {ours.wall_s / small.wall_s:.1f} times as long: {steeper:.2f} per cell"
        )
        found.append((f"{text}, limit {MAX_GROWTH}", steeper <= MAX_GROWTH))
    return [f"{'ok' if passed else 'OVER'}: {text}" for text, passed in found], all(passed for _, passed in found)


def cells(file: Path, variable: str) -> int:
    """Return the number of cells of a variable."""
    with netCDF4.Dataset(file) as opened:
        return int(np.prod(opened[variable].shape, dtype=np.int64))


def thin(file: Path, target: Path, variable: str, factor: int) -> None:
    """Write every n-th row and column of a variable with its packing, chunks and compression."""
    with netCDF4.Dataset(file) as source, netCDF4.Dataset(target, "w") as thinned:
        whole = source[variable]
        whole.set_auto_maskandscale(False)
        steps = dict.fromkeys(whole.dimensions[-2:], factor)
        for dim in whole.dimensions:
            values = source[dim][:: steps.get(dim, 1)]
            thinned.createDimension(dim, len(values))
            axis = thinned.createVariable(dim, source[dim].dtype, (dim,))
            axis.setncatts({name: source[dim].getncattr(name) for name in source[dim].ncattrs()})
            axis[:] = values
        attributes = {name: whole.getncattr(name) for name in whole.ncattrs()}
        fill = attributes.pop("_FillValue", None)
        shape = tuple(len(thinned.dimensions[dim]) for dim in whole.dimensions)
        filters, chunking = whole.filters() or {}, whole.chunking()
        chunks = tuple(map(min, chunking, shape)) if isinstance(chunking, list) else None
        options = {name: filters[name] for name in ("zlib", "shuffle", "complevel") if name in filters}
        copy = thinned.createVariable(
            variable, whole.dtype, whole.dimensions, fill_value=fill, chunksizes=chunks, **options
        )
        copy.set_auto_maskandscale(False)
        copy.setncatts(attributes)
        band = BAND_ROWS // factor * factor or factor
        for top in range(0, whole.shape[-2], band):
            rows = whole[..., top : top + band, :][..., ::factor, ::factor]
            copy[..., top // factor : top // factor + rows.shape[-2], :] = rows


def write_section(document: Path, source: Path, runs: list[Run], lines: list[str]) -> None:
    """Write the table of a source into a document, in place of its previous one."""
    heading = f"## Converting {source.name} ({source.stat().st_size / 1e6:.0f} MB, {conditions()})"
    intro = "`make bench-convert`. Compare figures within one run only; ratios use the best run of each program."
    table = [f"| {' | '.join(HEADINGS)} |", "| --- " + "| ---: " * (len(HEADINGS) - 1) + "|"]
    table += [f"| {' | '.join(each.figures)} |" for each in runs]
    found = [f"- {line}" for line in lines]
    section = [heading, "", intro, "", *table, "", *found]
    bench_document.write_section(document, f"bench-convert {source.name}", section)


def measure(command: list[str]) -> tuple[float, float, int]:
    """Return wall seconds, processor seconds and the peak resident bytes of a command and its children."""
    before = os.times()
    started = time.monotonic()
    process = subprocess.Popen(command)
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(resident_bytes(each) for each in family(process.pid)))
        time.sleep(0.02)
    after = os.times()
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with {process.returncode}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.monotonic() - started, cpu, peak


if __name__ == "__main__":
    sys.exit(main())
