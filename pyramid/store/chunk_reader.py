"""Reading decoded chunks of a stored level.

``ChunkReader`` is the seam to storage. A local array in the layout that our converter writes is read directly (one
file, one decode: 0.05 ms a chunk against 0.76 ms through zarr-python, whose calls all pass one event loop); anything
else goes through zarr-python. Both give the same arrays; a test compares them.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import zarr

from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.store.codec import DECOMPRESSORS, decompress, use_one_thread
from lazytile.pyramid.store.shard_reader import ShardChunks, shard_reader

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lazytile.pyramid.core.grid import Shape

# Blosc's own threads would fight the engine's: tiles run in parallel, not parts of a chunk.
use_one_thread()


class ChunkReader(Protocol):
    """The chunks of one variable at one level."""

    @property
    def waits(self) -> bool:
        """Whether a read mostly waits (for a network, or an event loop), so that several at once are quicker."""
        ...

    def read(self, dim_index: tuple[int, ...], chunk_row: int, chunk_col: int) -> NDArray[Any]:
        """Return decoded codes, shape (chunk rows, chunk cols), also at ragged edges; read-only for the caller.

        ``dim_index`` is the index along each dimension before rows and columns. Raises ``StoreError`` where the
        chunk is damaged.
        """
        ...


@dataclass(frozen=True, slots=True)
class FileChunks:
    """Chunks as files below a folder, each raw or compressed by one codec: what our converter writes."""

    folder: str
    """Of the array, with the prefix of chunk keys (``.../0/sst/c``)."""
    dtype: np.dtype[Any]
    chunk: Shape
    fill_value: float
    compressor: str = "none"
    """One of ``codec.DECOMPRESSORS``."""

    @property
    def waits(self) -> bool:
        """A local file is there at once: threads would cost more than they save (0.76 ms a tile against 0.50)."""
        return False

    def read(self, dim_index: tuple[int, ...], chunk_row: int, chunk_col: int) -> NDArray[Any]:
        """Return the codes of a chunk; a chunk without a file is all fill value."""
        path = "/".join((self.folder, *map(str, dim_index), f"{chunk_row}/{chunk_col}"))
        shape = (self.chunk.rows, self.chunk.cols)
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return np.full(shape, self.fill_value, self.dtype)
        try:
            data: Any = os.read(descriptor, os.fstat(descriptor).st_size)
        finally:
            os.close(descriptor)
        try:
            return np.frombuffer(decompress(self.compressor, data), self.dtype).reshape(shape)
        except (StoreError, ValueError) as error:
            raise StoreError(f"chunk {path} is damaged: {error}") from error


@dataclass(frozen=True, slots=True, eq=False)
class ZarrChunks:
    """Chunks through zarr-python: any codec, any store."""

    array: zarr.Array[Any]
    chunk: Shape

    @property
    def waits(self) -> bool:
        """Calls pass zarr-python's event loop, and may go to a network."""
        return True

    def read(self, dim_index: tuple[int, ...], chunk_row: int, chunk_col: int) -> NDArray[Any]:
        """Return the codes of a chunk, ragged ones padded with the fill value."""
        top, left = chunk_row * self.chunk.rows, chunk_col * self.chunk.cols
        window = (slice(top, top + self.chunk.rows), slice(left, left + self.chunk.cols))
        selection: Any = (*dim_index, *window)
        codes = np.asarray(self.array[selection])
        codes = codes.astype(codes.dtype.newbyteorder("="), copy=False)
        if codes.shape == (self.chunk.rows, self.chunk.cols):
            return codes
        padded = np.full((self.chunk.rows, self.chunk.cols), self.array.fill_value, codes.dtype)
        padded[: codes.shape[0], : codes.shape[1]] = codes
        return padded


def open_chunks(folder: Path, chunk: Shape) -> ChunkReader:
    """Open the reader of the Zarr array in a local folder, the direct one where its layout is ours."""
    try:
        document = json.loads((folder / "zarr.json").read_bytes())
        direct = _direct(folder, document, chunk)
        return direct if direct is not None else ZarrChunks(zarr.open_array(str(folder), mode="r"), chunk)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"array {folder} cannot be opened: {error}") from error


def _direct(folder: Path, document: dict[str, Any], chunk: Shape) -> FileChunks | ShardChunks | None:
    """Return the direct reader if the array's metadata says exactly what it understands, else None."""
    grid, encoding = document["chunk_grid"], document["chunk_key_encoding"]
    is_plain = (
        grid["name"] == "regular"
        and encoding["name"] == "default"
        and encoding.get("configuration", {}).get("separator", "/") == "/"
        and not document.get("storage_transformers")
    )
    if not is_plain:
        return None
    shards = shard_reader(str(folder / "c"), document, chunk)
    if shards is not None:
        return shards
    dim_index = len(document["shape"]) - 2
    codecs = [(codec["name"], codec.get("configuration", {})) for codec in document["codecs"]]
    names = [name for name, _ in codecs]
    fits = (
        tuple(grid["configuration"]["chunk_shape"]) == (*(1,) * dim_index, chunk.rows, chunk.cols)
        and names[0] == "bytes"
        and (len(names) == 1 or (len(names) == 2 and names[1] in DECOMPRESSORS))
        and codecs[0][1].get("endian", "little") == sys.byteorder
    )
    if not fits:
        return None
    dtype = np.dtype(document["data_type"])
    fill_value = float("nan") if document["fill_value"] == "NaN" else document["fill_value"]
    if not isinstance(fill_value, int | float):
        return None
    return FileChunks(str(folder / "c"), dtype, chunk, fill_value, names[1] if len(names) > 1 else "none")
