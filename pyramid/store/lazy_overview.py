"""Overview chunks that are computed from their children and stored.

Those of a lazy dataset are computed on first read; in any dataset, those that turn out to be damaged are computed
again. The file is moved into place in one step. A file lock makes one process compute it while others wait; within a
process the chunk cache does. Locks are taken from coarse levels to fine ones, so they cannot deadlock. In object
storage chunks of lazy datasets are put if they are absent (``chunks.made_objects``). Where the store cannot be written
(it is read-only, the disk is full) the chunk is computed each time.

A dataset may be replaced at any moment. The file is therefore written below the folder that was opened, not below its
name, after that folder's description is checked: data derived from an old dataset never reaches a new one.
"""

from __future__ import annotations

import functools
import logging
import os
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lazytile.pyramid.chunks.checksum import crc32
from lazytile.pyramid.chunks.damage import ChunkNotMadeError, DamagedChunkError
from lazytile.pyramid.chunks.digest_table import ENTRY_BYTES, MAGIC, ChunkDigest, encode_entry
from lazytile.pyramid.chunks.made_objects import keep_made
from lazytile.pyramid.chunks.open_folder import make_folders, replace_file
from lazytile.pyramid.chunks.shard_format import encode_shard
from lazytile.pyramid.chunks.unpacking import unpack
from lazytile.pyramid.core import process
from lazytile.pyramid.core.conditions import Conditions
from lazytile.pyramid.core.errors import StoreError, first_line
from lazytile.pyramid.core.file_lock import file_lock
from lazytile.pyramid.core.quiet_log import QuietLog
from lazytile.pyramid.storage.object_path import ObjectPath, location
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.pyramid.store.chunk_file import ChunkFolder
from lazytile.pyramid.store.chunk_reader import boxes_of
from lazytile.pyramid.store.codec import Codec
from lazytile.pyramid.store.generation_attempts import OpenedFolder, check_opened
from lazytile.pyramid.store.layout import padding_code
from lazytile.pyramid.store.overview import ChunkIndex, derived_codes, overview_codes
from lazytile.pyramid.store.shard import ShardFiles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lazytile.pyramid.store.chunk_reader import ChunkReader
    from lazytile.pyramid.store.stored_chunks import StoredChunks

LOG = logging.getLogger(__name__)
LOCKS = 64
"""Lock files of an array; chunks share them by hash."""
MAX_SHARD_BYTES = 128 << 20
"""A larger shard is not written again for one damaged chunk."""


class OpenedDataset(OpenedFolder, Protocol):
    """The dataset whose overview a chunk belongs to."""

    def chunk(self, level: int, variable: str, dim_index: tuple[int, ...], row: int, col: int) -> NDArray[Any]:
        """Return a chunk of codes.

        Args:
            level: Of the pyramid.
            variable: Its name.
            dim_index: Index along each leading dimension.
            row: Of the chunk.
            col: Of the chunk.

        Returns:
            Shape ``description.chunk``, read-only.
        """
        ...

    def reader(self, level: int, variable: str) -> ChunkReader:
        """Return the reader of one variable at one level, which makes and repairs nothing.

        Args:
            level: Of the pyramid.
            variable: Its name.

        Returns:
            The reader.
        """
        ...


class OverviewWriter:
    """Computes and stores the chunks of one overview."""

    def __init__(self, stored: OpenedDataset, reader: StoredChunks, variable: str, level: int) -> None:
        """Prepare to compute chunks.

        Args:
            stored: The dataset.
            reader: Of the overview's stored chunks.
            variable: Its name.
            level: Of the overview, 1 or coarser.
        """
        self._stored = stored
        self._reader = reader
        self._variable = variable
        self._level = level
        self._array = stored.path / str(level) / variable

    def make(self, dim_index: tuple[int, ...], row: int, col: int) -> tuple[NDArray[Any], str]:
        """Return a chunk that was missing or damaged: what another process has stored meanwhile, or what is made now.

        Args:
            dim_index: Index along each leading dimension.
            row: Of the chunk.
            col: Of the chunk.

        Returns:
            Codes, shape ``description.chunk``, and what was done, in a few words; empty where another process did it.

        Raises:
            GenerationChangedError: The dataset was replaced meanwhile.
            DamagedChunkError: A chunk that it is derived from is damaged, or what it gives is not what was written.
        """
        file = self._reader.source.file(dim_index, row, col)
        with self._lock(file) as is_held:
            try:
                return self._reader.read(dim_index, row, col), ""
            except (ChunkNotMadeError, DamagedChunkError):
                pass
            cells, data = self._compute(dim_index, row, col)
            outcome = f"it was computed again from level {self._level - 1}"
            if not is_held or not self._store(dim_index, row, col, data):
                outcome += ", but cannot be stored"
        return self._padded(cells), outcome

    def _compute(self, dim_index: tuple[int, ...], row: int, col: int) -> tuple[NDArray[Any], bytes]:
        """Compute the cells of a chunk and its bytes, and compare them with the digest if one is known."""
        description = self._stored.description
        cells = self._cells(ChunkIndex(self._level, dim_index, row, col))
        data = self._folder.encode(cells, always=description.lazy)
        digests = self._reader.digests
        known = None if digests is None else digests.find(dim_index, row, col, again=True)
        if isinstance(known, ChunkDigest) and known != ChunkDigest.of(data):
            place = None if self._reader.array is None else self._reader.array.chunk(dim_index, row, col)
            reason = f"what level {self._level - 1} gives is not what was written either"
            raise DamagedChunkError(place, reason, self._reader.source.name(dim_index, row, col))
        return cells, data

    def _cells(self, at: ChunkIndex) -> NDArray[Any]:
        """Compute the cells of a chunk from those of the next finer level, which are made where they are missing.

        Those of a linked source that is read fast are not made and kept unless somebody asks for them: three quarters
        of the work on an overview would go into the finest one.
        """
        description = self._stored.description
        variable = description.variable(self._variable)
        linked = description.linked
        source = boxes_of(self._stored.reader(linked - 1, self._variable)) if linked else None
        if source is not None:
            made = self._stored.reader(self._level - 1, self._variable)
            with suppress(DamagedChunkError):
                return derived_codes(made.read, source, description, variable, at)
        finer = functools.partial(self._stored.chunk, self._level - 1, self._variable)
        return overview_codes(finer, description, variable, at)

    @property
    def _folder(self) -> ChunkFolder:
        description = self._stored.description
        packing = description.variable(self._variable).packing
        chunk = (description.chunk.rows, description.chunk.cols)
        codec = Codec.parse(description.codec)
        return ChunkFolder(str(self._array), packing.dtype, chunk, padding_code(packing), codec)

    def _padded(self, cells: NDArray[Any]) -> NDArray[Any]:
        folder = self._folder
        if cells.shape == folder.chunk:
            return cells
        padded = np.full(folder.chunk, folder.fill, cells.dtype)
        padded[: cells.shape[0], : cells.shape[1]] = cells
        return padded

    def _store(self, dim_index: tuple[int, ...], row: int, col: int, data: bytes) -> bool:
        """Store a chunk and its digest; return whether that worked."""
        if isinstance(self._stored.path, ObjectPath):
            return self._store_object(dim_index, row, col, data)
        root = os.open(self._stored.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            check_opened(self._stored, root)
            file = Path(self._reader.source.file(dim_index, row, col))
            is_recorded = False
            try:
                content = self._content(dim_index, row, col, data)
                if content is None:
                    return False
                is_recorded = self._record(root, dim_index, row, col, ChunkDigest.of(data))
                replace_file(root, file.relative_to(self._stored.path), content)
            except (OSError, StoreError) as error:
                self._warn(error)
                if is_recorded:
                    # The chunk has not been made; it would be taken for a lost one.
                    self._write_entry(root, dim_index, row, col, bytes(ENTRY_BYTES))
                return False
            Conditions.current().clear(self._condition)
            return True
        finally:
            os.close(root)

    def _store_object(self, dim_index: tuple[int, ...], row: int, col: int, data: bytes) -> bool:
        """Store a chunk of a lazy dataset in object storage; return whether that worked."""
        digests, chunk = self._reader.digests, location(self._reader.source.file(dim_index, row, col))
        if not self._stored.description.lazy or digests is None or not isinstance(chunk, ObjectPath):
            return False  # objects of other generations never change
        check_opened(self._stored)
        unpacked = bytes(unpack(self._reader.compressor, data, self._reader.nbytes))

        def is_equal(other: bytes) -> bool:
            with suppress(StoreError):
                return bytes(unpack(self._reader.compressor, other, self._reader.nbytes)) == unpacked
            return False

        try:
            keep_made(digests.plane(dim_index), (row, col), chunk, data, is_equal)
        except StorageError as error:
            self._warn(error)
            return False
        Conditions.current().clear(self._condition)
        return True

    def _record(self, root: int, dim_index: tuple[int, ...], row: int, col: int, digest: ChunkDigest) -> bool:
        """Write the digest of a chunk to the table of its plane, which is created where there is none.

        Return whether the table had none before.
        """
        digests = self._reader.digests
        if digests is None or not self._stored.description.checked:
            return False
        if isinstance(digests.find(dim_index, row, col), ChunkDigest):
            return False
        plane = digests.plane(dim_index)
        relative = plane.file.relative_to(self._stored.path)
        make_folders(root, relative)
        descriptor = os.open(relative, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644, dir_fd=root)
        try:
            if os.fstat(descriptor).st_size != plane.table_bytes:
                os.ftruncate(descriptor, 0)
                os.ftruncate(descriptor, plane.table_bytes)
            os.pwrite(descriptor, MAGIC, 0)
        finally:
            os.close(descriptor)
        self._write_entry(root, dim_index, row, col, encode_entry(plane, row * plane.grid[1] + col, digest))
        return True

    def _write_entry(self, root: int, dim_index: tuple[int, ...], row: int, col: int, entry: bytes) -> None:
        """Write the entry of a chunk to the table of its plane."""
        digests = self._reader.digests
        assert digests is not None
        plane = digests.plane(dim_index)
        descriptor = os.open(plane.file.relative_to(self._stored.path), os.O_WRONLY | os.O_CLOEXEC, dir_fd=root)
        try:
            os.pwrite(descriptor, entry, plane.entry_position(row, col))
        finally:
            os.close(descriptor)
        digests.find(dim_index, row, col, again=True)

    def _content(self, dim_index: tuple[int, ...], row: int, col: int, data: bytes) -> bytes | None:
        """Return the bytes of the file that holds a chunk: the chunk itself, or its shard with this one replaced.

        None where the shard is too large, or has no checksums.
        """
        source, digests = self._reader.source, self._reader.digests
        if not isinstance(source, ShardFiles):
            return data
        if digests is None:
            return None
        (rows, cols), variable = digests.grid, self._stored.description.variable(self._variable)
        lengths = [len(dimension.labels) for dimension in variable.dimensions]
        chunks: list[bytes | None] = []
        size = 0
        for at in source.shape.members(source.shape.locate(dim_index, row, col)[0]):
            chunk = None
            if at == (dim_index, row, col):
                chunk = data or None
            elif (
                at[1] < rows
                and at[2] < cols
                and all(step < length for step, length in zip(at[0], lengths, strict=True))
            ):
                chunk = self._chunk_of_shard(*at)
            size += len(chunk or b"")
            if size > MAX_SHARD_BYTES:
                return None
            chunks.append(chunk)
        return encode_shard(chunks)

    def _chunk_of_shard(self, dim_index: tuple[int, ...], row: int, col: int) -> bytes | None:
        try:
            return self._reader.whole(dim_index, row, col)
        except DamagedChunkError:
            return self._compute(dim_index, row, col)[1] or None

    @contextmanager
    def _lock(self, file: str) -> Iterator[bool]:
        """Hold the lock of a chunk's file; yield False where the store cannot be written."""
        if isinstance(self._array, ObjectPath):
            yield True  # of two that make an overview the first writes it
            return
        relative = Path(file).relative_to(self._array)
        path = self._array / f".lazy-{crc32(str(relative).encode()) % LOCKS}"
        is_held = True
        with ExitStack() as stack:
            try:
                stack.enter_context(file_lock(path))
            except OSError as error:
                self._warn(error)
                is_held = False
            yield is_held

    def _warn(self, error: Exception) -> None:
        """Report why chunks cannot be stored, and log it at most once a minute; they are served all the same."""
        reason = error.strerror if isinstance(error, OSError) else first_line(error)
        log = process.current().resource("log of overviews", lambda: QuietLog(LOG))
        log.warning("overviews in %s are computed, but not stored: %s", self._array, reason)
        Conditions.current().report(self._condition, f"overviews are computed, but not stored: {reason}", ready=True)

    @property
    def _condition(self) -> str:
        return f"overviews of dataset {self._stored.description.name}"
