"""Overview chunks that are computed on first read, and stored.

A missing chunk is computed from its children, which may have to be computed first, and its file is moved into place in
one step. A file lock makes one process compute it while others wait; within a process the chunk cache does. Locks are
taken from coarse levels to fine ones, so they cannot deadlock. Where the store cannot be written (it is read-only, the
disk is full) the chunk is computed each time.

A dataset may be replaced at any moment. The file is therefore written below the folder that was opened, not below its
name, after that folder's description is checked: data derived from an old dataset never reaches a new one.
"""

from __future__ import annotations

import functools
import logging
import os
import secrets
import zlib
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lazytile.pyramid.core.errors import GenerationChangedError
from lazytile.pyramid.core.file_lock import file_lock
from lazytile.pyramid.store.chunk_file import CHUNKS, ChunkFolder
from lazytile.pyramid.store.codec import Codec
from lazytile.pyramid.store.layout import padding_code
from lazytile.pyramid.store.overview import ChunkIndex, overview_codes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lazytile.pyramid.store.chunk_reader import ChunkReader
    from lazytile.pyramid.store.dataset import Dataset

LOG = logging.getLogger(__name__)
LOCKS = 64
"""Lock files of an array; chunks share them by hash."""


class OpenedDataset(Protocol):
    """The dataset whose overview a chunk belongs to."""

    path: Path
    description: Dataset
    stamp: tuple[int, int]
    """Of the file that the description was read from."""

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


def lazy_chunk(stored: OpenedDataset, reader: ChunkReader, variable: str, at: ChunkIndex) -> NDArray[Any]:
    """Return a chunk of an overview: the stored one, or one that is computed and stored now.

    Args:
        stored: The dataset.
        reader: Of the overview's stored chunks.
        variable: Its name.
        at: Which chunk.

    Returns:
        Codes, shape ``description.chunk``.

    Raises:
        GenerationChangedError: The dataset was replaced meanwhile.
        StoreError: A chunk that it is derived from is damaged.
    """
    array = stored.path / str(at.level) / variable
    file = array.joinpath(CHUNKS, *map(str, at.coordinates))
    if file.exists():
        return reader.read(at.dim_index, at.row, at.col)
    with _lock(array, at) as is_held:
        if file.exists():
            return reader.read(at.dim_index, at.row, at.col)
        description = stored.description
        described = description.variable(variable)
        finer = functools.partial(stored.chunk, at.level - 1, variable)
        cells = overview_codes(finer, description, described, at)
        chunk, fill = (description.chunk.rows, description.chunk.cols), padding_code(described.packing)
        if is_held:
            folder = ChunkFolder(str(array), described.packing.dtype, chunk, fill, Codec.parse(description.codec))
            _store_file(stored, file, folder.encode(cells, always=True))
    if cells.shape == chunk:
        return cells
    padded = np.full(chunk, fill, cells.dtype)
    padded[: cells.shape[0], : cells.shape[1]] = cells
    return padded


@contextmanager
def _lock(array: Path, at: ChunkIndex) -> Iterator[bool]:
    """Hold the lock of a chunk; yield False where the store cannot be written."""
    path = array / f".lazy-{zlib.crc32(repr(at.coordinates).encode()) % LOCKS}"
    is_held = True
    with ExitStack() as stack:
        try:
            stack.enter_context(file_lock(path))
        except OSError as error:
            LOG.warning("overviews in %s are not stored: %s", array, error.strerror)
            is_held = False
        yield is_held


def _store_file(stored: OpenedDataset, file: Path, data: bytes) -> None:
    """Move a chunk's file into place below the folder that the dataset was opened in."""
    relative = file.relative_to(stored.path)
    temporary = f"{relative.parent}/.{relative.name}-{secrets.token_hex(4)}"
    root = os.open(stored.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _check(stored, root)
        for parent in reversed(relative.parents[:-1]):
            try:
                os.mkdir(parent, dir_fd=root)
            except FileExistsError:
                continue
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=root)
            with open(descriptor, "wb") as target:  # noqa: PTH123 - it has no path of its own
                target.write(data)
            os.rename(temporary, relative, src_dir_fd=root, dst_dir_fd=root)
        except OSError as error:
            LOG.warning("overview %s is not stored: %s", file, error.strerror)
            try:
                os.unlink(temporary, dir_fd=root)
            except OSError:
                return
    finally:
        os.close(root)


def _check(stored: OpenedDataset, root: int) -> None:
    """Raise ``GenerationChangedError`` where an open folder no longer belongs to the dataset that was opened."""
    try:
        status = os.stat("zarr.json", dir_fd=root)
    except OSError:
        status = None
    if status is None or (status.st_mtime_ns, status.st_ino) != stored.stamp:
        raise GenerationChangedError(f"dataset {stored.description.name} has been replaced, repeat the request")
