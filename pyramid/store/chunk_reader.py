"""Reading stored chunks: every reader of a dataset's codes gets them from here.

Chunks in the layouts that the converter writes (files or shards, one compressor) are read directly, the rest through
zarr-python. ``StoredChunks.read`` is the one place where bytes become codes, after they are compared with the checksum
recorded for them, and an absent chunk the fill value, if the table of checksums says that it is empty. Both ways give
the same arrays. Direct reading stays because it is 4 to 20 times faster: ``scripts/bench_chunks.py``.
"""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import zarr

from lazytile.pyramid.chunks.array_digests import ArrayDigests
from lazytile.pyramid.chunks.bounded_zarr import bounded_unpacking
from lazytile.pyramid.chunks.damage import ArrayPlace
from lazytile.pyramid.chunks.unpacking import UNPACKERS
from lazytile.pyramid.core.errors import StoreError, StoreUnavailableError
from lazytile.pyramid.core.grid import Shape
from lazytile.pyramid.core.json_text import parse_json
from lazytile.pyramid.storage.object_path import ObjectPath, location
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.pyramid.store.chunk_file import CHUNKS, ChunkFiles, ChunkObjects
from lazytile.pyramid.store.codec import Codec
from lazytile.pyramid.store.layout import level_shape, padding_code, shard_shape
from lazytile.pyramid.store.shard import ShardFiles, ShardObjects, shard_shape_of
from lazytile.pyramid.store.stored_chunks import StoredChunks, ZarrChunks

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lazytile.pyramid.chunks.shard_shape import ShardShape
    from lazytile.pyramid.store.chunk_file import ChunkFolder, EncodedChunks
    from lazytile.pyramid.store.dataset import Dataset


LINKED = "lazytile.pyramid.linked.foreign_chunks"
"""The module that reads the levels that lie in a source. The store stands below the packages that read sources, and
only a process that meets a linked dataset loads them."""


class ChunkReader(Protocol):
    """The chunks of one variable at one level."""

    @property
    def array(self) -> ArrayPlace | None:
        """What messages call the array; None: they name files only, and its damage is not recorded."""
        ...

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
            DamagedChunkError: The chunk is damaged or missing.
            ChunkNotMadeError: It belongs to an overview of a lazy dataset and has not been computed yet.
            StoreError: It cannot be read at the moment.
        """
        ...


class SourceReader(ChunkReader, Protocol):
    """The chunks of one variable at a level that lies in a source, and boxes of its cells."""

    def read_at_hand(self, dim_index: tuple[int, ...], chunk_row: int, chunk_col: int) -> NDArray[Any] | None:
        """Return the codes of a chunk if all that it shows of the source lies unpacked in memory that processes share.

        Args:
            dim_index: Index along each dimension before rows and columns.
            chunk_row: Row of the chunk.
            chunk_col: Column of the chunk.

        Returns:
            As ``read``; None where it does not.

        Raises:
            StoreError: The source has changed, or does not answer.
        """
        ...

    @property
    def reads_boxes(self) -> bool:
        """Whether boxes are read as fast as chunks of ours would be, which depends on the source."""
        ...

    @property
    def narrow_cols(self) -> int:
        """Columns of the smallest box worth reading, where several threads read such boxes faster than one; else 0."""
        ...

    def read_box(self, dim_index: tuple[int, ...], rows: tuple[int, int], cols: tuple[int, int]) -> NDArray[Any]:
        """Return the codes of a box.

        Args:
            dim_index: Index along each dimension before rows and columns.
            rows: First row, and the one after the last.
            cols: First column, and the one after the last.

        Returns:
            Shape (rows, cols).

        Raises:
            StoreError: It cannot be read at the moment.
        """
        ...


def open_level(folder: Path, dataset: Dataset, variable: str, level: int) -> ChunkReader:
    """Open the reader of one variable at one level of a dataset.

    Args:
        folder: Of the dataset.
        dataset: Its description.
        variable: Name of a variable.
        level: Of the pyramid.

    Returns:
        The reader.

    Raises:
        StoreError: The array's metadata is missing or damaged.
    """
    if level < dataset.linked:
        return cast("ChunkReader", importlib.import_module(LINKED).open_level(folder, dataset, variable, level))
    path = folder / str(level) / variable
    place, lazy = ArrayPlace(str(folder), dataset.name, variable, level), dataset.lazy and level > 0
    if not dataset.checked:
        reader = open_chunks(path, dataset.chunk, place)
        if isinstance(reader, StoredChunks) and dataset.codec:
            return replace(reader, lazy=lazy, digests=level_digests(path, dataset, variable, level))
        return replace(reader, lazy=lazy) if isinstance(reader, StoredChunks) else reader
    # The description says everything, and it has a checksum itself.
    described = dataset.variable(variable)
    packing = described.packing
    return StoredChunks(
        _source(path / CHUNKS, shard_shape(dataset, described, level)),
        np.dtype(packing.dtype).newbyteorder("<"),
        dataset.chunk,
        padding_code(packing),
        Codec.parse(dataset.codec).zarr_name,
        place,
        level_digests(path, dataset, variable, level),
        lazy,
    )


def linked_boxes(folder: Path, dataset: Dataset, variable: str) -> SourceReader | None:
    """Open the coarsest level that the source of a linked dataset has, to read boxes of it.

    Args:
        folder: Of the dataset.
        dataset: Its description.
        variable: Name of a variable.

    Returns:
        The reader; None where there is no source, or its boxes are read slowly.
    """
    if not dataset.linked:
        return None
    return boxes_of(open_level(folder, dataset, variable, dataset.linked - 1))


def boxes_of(reader: ChunkReader) -> SourceReader | None:
    """Return a reader of the coarsest level that a source has, to read boxes of it.

    Args:
        reader: As ``open_level`` returned it.

    Returns:
        The reader; None where boxes are read slowly.
    """
    source = cast("SourceReader", reader)
    return source if source.reads_boxes else None


def _source(chunks: Path, shard: ShardShape | None) -> EncodedChunks:
    """Return the encoded chunks of an array: of files or objects, in shards of some chunks or each for itself."""
    if isinstance(chunks, ObjectPath):
        return ChunkObjects(chunks) if shard is None else ShardObjects(chunks, shard)
    return ChunkFiles(str(chunks)) if shard is None else ShardFiles(str(chunks), shard)


def level_digests(array: Path, dataset: Dataset, variable: str, level: int) -> ArrayDigests:
    """Return the checksums of one variable at one level of a dataset.

    Args:
        array: Folder of the array.
        dataset: The description.
        variable: Name of a variable.
        level: Of the pyramid.

    Returns:
        The checksums.
    """
    shape, shard = level_shape(dataset.grid.shape, level), shard_shape(dataset, dataset.variable(variable), level)
    return ArrayDigests(
        str(array),
        level,
        variable,
        (-(-shape.rows // dataset.chunk.rows), -(-shape.cols // dataset.chunk.cols)),
        lambda dim_index: dataset.content_generation((variable,), dim_index),
        dataset.shard,
        dataset.checked,
        dataset.lazy and level > 0,
        *((1, None) if shard is None else (shard.steps, shard.axis)),
    )


def open_chunks(folder: Path, chunk: Shape, place: ArrayPlace | None = None) -> StoredChunks | ZarrChunks:
    """Open the reader of any local Zarr array, the direct one where it understands the layout. It checks nothing.

    Args:
        folder: Of the array.
        chunk: Cells of a chunk in rows and columns.
        place: What messages call it; None: they name files only.

    Returns:
        The reader.

    Raises:
        StoreError: The array's metadata is missing or damaged.
        StoreUnavailableError: Object storage does not answer.
    """
    try:
        document = parse_json((folder / "zarr.json").read_bytes())
        direct = _direct(folder, document, chunk)
        if direct is not None:
            return replace(direct, array=place)
        with bounded_unpacking():
            return ZarrChunks(zarr.open_array(str(folder), mode="r"), chunk, place)
    except StorageError as error:
        raise StoreUnavailableError(str(error)) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"array {folder} cannot be opened: {error}") from error


def folder_reader(chunks: ChunkFolder, digests: ArrayDigests | None = None) -> StoredChunks:
    """Return the reader of chunk files that are being written, whose array may have no metadata yet.

    Args:
        chunks: The writer of the files.
        digests: Their checksums; None: they are not compared.

    Returns:
        The reader.
    """
    dtype = np.dtype(chunks.dtype).newbyteorder("<")
    place = None if digests is None else ArrayPlace(chunks.path, "being written", digests.variable, digests.level)
    source, shape = _source(location(chunks.path), None).fresh(), Shape(*chunks.chunk)
    return StoredChunks(source, dtype, shape, chunks.fill, chunks.codec.zarr_name, place, digests)


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
    source = _source(folder / CHUNKS, None)
    if [codec["name"] for codec in codecs] == ["sharding_indexed"]:
        inside = codecs[0]["configuration"]
        shard = shard_shape_of(inside, shape, chunk)
        if shard is None:
            return None
        source = _source(folder / CHUNKS, shard)
        shape, codecs = tuple(inside["chunk_shape"]), inside["codecs"]
    names = [codec["name"] for codec in codecs]
    fill_value = float("nan") if document["fill_value"] == "NaN" else document["fill_value"]
    fits = (
        shape == (*(1,) * (len(shape) - 2), chunk.rows, chunk.cols)
        and names[0] == "bytes"
        and (len(names) == 1 or (len(names) == 2 and names[1] in UNPACKERS))
        and isinstance(fill_value, int | float)
    )
    if not fits:
        return None
    endian = codecs[0].get("configuration", {}).get("endian", "little")
    dtype = np.dtype(document["data_type"]).newbyteorder(endian)
    return StoredChunks(source, dtype, chunk, fill_value, names[1] if len(names) > 1 else "none")
