"""Measure reading stored chunks: our readers against zarr-python, which reads any Zarr array.

Chunks of 256 x 256 int16 in Blosc LZ4, as the converter writes them, from files in the page cache. The ways are:

- ``array``: a selection of one chunk from a ``zarr.Array``, the documented synchronous interface.
- ``window``: one selection of eight chunks, which zarr-python reads concurrently; the time is for one chunk.
- ``pipeline``: the codec pipeline's ``read`` in an event loop of the calling thread, past zarr-python's one loop.
- ``bytes``: the codec pipeline's ``decode`` on bytes that we read, in an event loop of the calling thread (not for
  shards, whose bytes hold many chunks).
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from zarr.core.buffer import default_buffer_prototype

from lazytile.pyramid.core.grid import Shape
from lazytile.pyramid.store.chunk_reader import open_chunks
from lazytile.pyramid.store.codec import DEFAULT_CODEC

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Read = Callable[[int, int], Any]

CELLS = 256
SIDE = 16
"""Chunks of the array in rows and columns."""
SHARD = 4
"""Chunks of a shard in rows and columns."""
WINDOW = 8
"""Chunks of a window, side by side."""
ROUNDS = 20
INDICES = [(row, col) for row in range(SIDE) for col in range(SIDE)]
_thread = threading.local()


def write_array(folder: Path, *, sharded: bool) -> None:
    """Write an array that compresses as sea surface temperatures do."""
    cells = CELLS * SIDE
    y, x = np.mgrid[0:cells, 0:cells] / cells
    noise = np.random.default_rng(1).normal(0, 4, (cells, cells))
    codes = (3000 * np.sin(9 * x) * np.cos(7 * y) + noise).astype(np.int16)
    array = zarr.create_array(
        folder,
        shape=codes.shape,
        chunks=(CELLS, CELLS),
        shards=(CELLS * SHARD, CELLS * SHARD) if sharded else None,
        dtype=codes.dtype,
        fill_value=-32768,
        compressors=DEFAULT_CODEC.zarr_codec(codes.dtype),
    )
    array[...] = codes


def ways(folder: Path, *, sharded: bool) -> dict[str, tuple[Read, int]]:
    """Return how a chunk at a row and a column is read, and how many chunks that gives, by name."""
    array = zarr.open_array(folder, mode="r")
    direct = open_chunks(folder, Shape(CELLS, CELLS))
    inner: Any = array.async_array
    prototype = default_buffer_prototype()
    spec = inner.metadata.get_chunk_spec((0, 0), inner.config, prototype)
    whole = (slice(0, CELLS), slice(0, CELLS))

    def run(work: Any) -> Any:
        if not hasattr(_thread, "runner"):
            _thread.runner = asyncio.Runner()
        return _thread.runner.run(work)

    def window(row: int, col: int) -> Any:
        left = col // WINDOW * WINDOW * CELLS
        return array[row * CELLS : (row + 1) * CELLS, left : left + WINDOW * CELLS]

    def pipeline(row: int, col: int) -> Any:
        out = prototype.nd_buffer.empty(shape=(CELLS, CELLS), dtype=np.dtype(np.int16), order="C")
        side = SHARD if sharded else 1
        (outer_row, down), (outer_col, across) = divmod(row, side), divmod(col, side)
        selection = tuple(slice(at * CELLS, (at + 1) * CELLS) for at in (down, across))
        key = inner.store_path / inner.metadata.encode_chunk_key((outer_row, outer_col))
        run(inner.codec_pipeline.read([(key, spec, selection, whole, not sharded)], out))
        return out.as_ndarray_like()

    def decode(row: int, col: int) -> Any:
        data = prototype.buffer.from_bytes((folder / "c" / str(row) / str(col)).read_bytes())
        (chunk,) = run(inner.codec_pipeline.decode([(data, spec)]))
        return chunk.as_ndarray_like()

    found: dict[str, tuple[Read, int]] = {
        "ours": (lambda row, col: direct.read((), row, col), 1),
        "array": (lambda row, col: array[row * CELLS : (row + 1) * CELLS, col * CELLS : (col + 1) * CELLS], 1),
        "window": (window, WINDOW),
        "pipeline": (pipeline, 1),
        "bytes": (decode, 1),
    }
    if sharded:
        del found["bytes"]
    check(found)
    return found


def check(found: dict[str, tuple[Read, int]]) -> None:
    """Raise ``ValueError`` if the ways return different chunks."""
    ours, _ = found["ours"]
    for name, (read, chunks) in found.items():
        if chunks == 1 and any((read(*index) != ours(*index)).any() for index in INDICES[:: SIDE - 1]):
            raise ValueError(f"{name} returns other chunks than ours")


def best_ms(read: Read, chunks: int, threads: int) -> float:
    """Return the time for a chunk, in milliseconds of wall time: the shortest of several rounds."""
    indices: Sequence[tuple[int, int]] = INDICES[::chunks]
    shortest = float("inf")
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(ROUNDS):
            began = time.perf_counter()
            if threads == 1:
                for row, col in indices:
                    read(row, col)
            else:
                list(pool.map(lambda index: read(*index), indices))
            shortest = min(shortest, time.perf_counter() - began)
    return shortest * 1e3 / (len(indices) * chunks)


def main() -> None:
    """Print the figures, and how many times ours each way takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 8], help="threads that read at the same time")
    options = parser.parse_args()
    print(f"zarr {zarr.__version__}, ms for a chunk (times ours)")
    with tempfile.TemporaryDirectory() as work:
        for sharded in (False, True):
            folder = Path(work, "shards" if sharded else "files")
            write_array(folder, sharded=sharded)
            for threads in options.threads:
                figures = {name: best_ms(*way, threads) for name, way in ways(folder, sharded=sharded).items()}
                shown = "  ".join(f"{name} {ms:.3f} ({ms / figures['ours']:.1f})" for name, ms in figures.items())
                print(f"{folder.name:6} {threads} thread{'s' * (threads > 1):1}  {shown}")


if __name__ == "__main__":
    main()
