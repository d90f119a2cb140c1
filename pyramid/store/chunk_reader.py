"""Reading stored chunks: every reader of a dataset's codes gets them from here.

Chunks in the layouts that the converter writes (files or shards, one compressor) are read directly, the rest through
zarr-python. ``StoredChunks.read`` is the one place where bytes become codes, and an absent chunk the fill value. Both
ways give the same arrays. Direct reading stays because it is 4 to 20 times faster: ``scripts/bench_chunks.py``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import zarr

from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.core.grid import Shape
from lazytile.pyramid.store.chunk_file import CHUNKS, read_file
from lazytile.pyramid.store.codec import DECOMPRESSORS, decompress
from lazytile.pyramid.store.shard import ShardFiles, shard_side

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lazytile.pyramid.store.chunk_file import ChunkFolder


class ChunkReader(Protocol):
    """The chunks of one variable at one level."""

    @property
    def waits(self) -> bool:
        """Whether a read mostly waits (for a network, or an event loop), so that concurrent reads are faster."""
        ...

    def read(self, dim_index: tuple[int, ...], chunk_row: int, chunk_col: int) -> NDArray[Any]:
        """Return the codes of a chunk.

        Args:
            dim_index: Index along each dimension before rows and columns.
            chunk_row: Row of the chunk.
            chunk_col: Column of the chunk.

        Returns:
            Shape (chunk rows, chunk cols), also at ragged edges; read-only for the caller.

        Raises:
            StoreError: The chunk is damaged.
        """
        ...


class EncodedChunks(Protocol):
    """The bytes of an array's chunks, wherever they are stored."""

    def get(self, dim_index: tuple[int, ...], row: int, col: int) -> bytes | None:
        """Return the encoded bytes of a chunk.

        Args:
            dim_index: Index along each dimension before rows and columns.
            row: Row of the chunk.
            col: Column of the chunk.

        Returns:
            The bytes; None for an absent chunk.

        Raises:
            StoreError: The file that holds it is damaged.
        """
        ...

    def name(self, dim_index: tuple[int, ...], row: int, col: int) -> str:
        """Return what messages call a chunk.

        Args:
            dim_index: Index along each dimension before rows and columns.
            row: Row of the chunk.
            col: Column of the chunk.

        Returns:
            Its file, and its position in it.
        """
        ...


@dataclass(frozen=True, slots=True)
class ChunkFiles:
    """Encoded chunks as files below a folder: what the converter writes. See ``EncodedChunks``."""

    folder: str
    """Of the array, with the prefix of chunk keys (``.../0/sst/c``)."""

    def get(self, dim_index: tuple[int, ...], row: int, col: int) -> bytes | None:
        """Return the bytes of a chunk's file, None where there is none."""
        return read_file(self.name(dim_index, row, col))

    def name(self, dim_index: tuple[int, ...], row: int, col: int) -> str:
        """Return the path of a chunk's file."""
        return "/".join((self.folder, *map(str, dim_index), f"{row}/{col}"))


@dataclass(frozen=True, slots=True)
class StoredChunks:
    """Chunks in local files, each raw or compressed by one codec. See ``ChunkReader``."""

    source: EncodedChunks
    stored_dtype: np.dtype[Any]
    """With the byte order of the files."""
    chunk: Shape
    fill_value: float
    compressor: str = "none"
    """One of ``codec.DECOMPRESSORS``."""

    @property
    def waits(self) -> bool:
        """Local files are there at once: threads would cost more than they save (0.76 ms a tile against 0.50)."""
        return False

    def read(self, dim_index: tuple[int, ...], chunk_row: int, chunk_col: int) -> NDArray[Any]:
        """Return the codes of a chunk; an absent one is all fill value."""
        shape = (self.chunk.rows, self.chunk.cols)
        native = self.stored_dtype.newbyteorder("=")
        try:
            data = self.source.get(dim_index, chunk_row, chunk_col)
            if data is None:
                return np.full(shape, self.fill_value, native)
            codes = np.frombuffer(decompress(self.compressor, data), self.stored_dtype).reshape(shape)
        except (StoreError, ValueError) as error:
            name = self.source.name(dim_index, chunk_row, chunk_col)
            raise StoreError(f"chunk {name} is damaged: {error}") from error
        return codes.astype(native, copy=False)


@dataclass(frozen=True, slots=True, eq=False)
class ZarrChunks:
    """Chunks through zarr-python: any codec, any store. See ``ChunkReader``."""

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
    """Open the reader of a local Zarr array, the direct one where it understands the layout.

    Args:
        folder: Of the array.
        chunk: Cells of a chunk in rows and columns.

    Returns:
        The reader.

    Raises:
        StoreError: The array's metadata is missing or damaged.
    """
    try:
        document = json.loads((folder / "zarr.json").read_bytes())
        direct = _direct(folder, document, chunk)
        return direct if direct is not None else ZarrChunks(zarr.open_array(str(folder), mode="r"), chunk)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"array {folder} cannot be opened: {error}") from error


def folder_reader(chunks: ChunkFolder) -> ChunkReader:
    """Return the reader of chunk files that are being written, whose array may have no metadata yet.

    Args:
        chunks: The writer of the files.

    Returns:
        The reader.
    """
    dtype = np.dtype(chunks.dtype).newbyteorder("<")
    return StoredChunks(ChunkFiles(chunks.path), dtype, Shape(*chunks.chunk), chunks.fill, chunks.codec.zarr_name)


def _direct(folder: Path, document: dict[str, Any], chunk: Shape) -> StoredChunks | None:
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
    shape, codecs = tuple(grid["configuration"]["chunk_shape"]), document["codecs"]
    source: EncodedChunks = ChunkFiles(str(folder / CHUNKS))
    if [codec["name"] for codec in codecs] == ["sharding_indexed"]:
        inside = codecs[0]["configuration"]
        side = shard_side(inside, shape, chunk)
        if side is None:
            return None
        source = ShardFiles(str(folder / CHUNKS), side)
        shape, codecs = tuple(inside["chunk_shape"]), inside["codecs"]
    names = [codec["name"] for codec in codecs]
    fill_value = float("nan") if document["fill_value"] == "NaN" else document["fill_value"]
    fits = (
        shape == (*(1,) * (len(shape) - 2), chunk.rows, chunk.cols)
        and names[0] == "bytes"
        and (len(names) == 1 or (len(names) == 2 and names[1] in DECOMPRESSORS))
        and isinstance(fill_value, int | float)
    )
    if not fits:
        return None
    endian = codecs[0].get("configuration", {}).get("endian", "little")
    dtype = np.dtype(document["data_type"]).newbyteorder(endian)
    return StoredChunks(source, dtype, chunk, fill_value, names[1] if len(names) > 1 else "none")
