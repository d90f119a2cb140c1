"""The store: a folder of datasets, and a dataset opened for reading.

Everything is opened once per generation. A dataset that is replaced on disk gets a new generation, so a reader that
holds the old one sees either its own chunks or, once they are removed, a ``StoreError``; never a mixture under one key.
"""

from __future__ import annotations

import math
import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import DatasetNotFoundError, StoreError, StoreUnavailableError
from lazytile.pyramid.core.json_text import parse_json
from lazytile.pyramid.storage.object_path import ObjectPath, location, store_location
from lazytile.pyramid.storage.pointer import LEAST_S, current_pointers, dataset_folder, is_current
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.pyramid.storage.read_pool import READ_AHEAD, read_pool
from lazytile.pyramid.store.chunk_reader import open_level
from lazytile.pyramid.store.dataset import NAME_PATTERN, SUFFIX, Dataset
from lazytile.pyramid.store.layer import Layer
from lazytile.pyramid.store.sound_chunk import kept_chunk
from lazytile.pyramid.store.stored_chunks import StoredChunks

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lazytile.pyramid.core.byte_lru import BytesLru
    from lazytile.pyramid.store.chunk_reader import ChunkReader


def read_description(path: Path) -> Dataset:
    """Read the description of a stored dataset.

    Args:
        path: Folder of the dataset.

    Returns:
        The description.

    Raises:
        DatasetNotFoundError: The folder holds no dataset.
        StoreUnavailableError: Its storage cannot be reached.
        StoreError: Its description is damaged or of an unknown format.
    """
    try:
        attributes = parse_json((path / "zarr.json").read_bytes())["attributes"]["lazytile"]
    except FileNotFoundError as error:
        raise DatasetNotFoundError(f"{path} holds no dataset") from error
    except StorageError as error:
        raise StoreUnavailableError(str(error)) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path} is no dataset of lazytile: {type(error).__name__}: {error}") from error
    return Dataset.from_json(attributes)


def is_current_state(folder: Path, dataset: Dataset) -> bool:
    """Return whether a folder still is the dataset as it was read.

    Args:
        folder: Of the dataset.
        dataset: Its description.

    Returns:
        Whether it is.
    """
    if isinstance(folder, ObjectPath):
        return is_current(folder)
    return read_description(folder).generation == dataset.generation


@dataclass(slots=True, eq=False)
class StoredDataset:
    """A dataset opened for reading: its description and its chunks, decoded ones cached in memory."""

    path: Path
    description: Dataset
    stamp: tuple[int, int, int]
    """Modification time, inode number and size of the file that the description was read from."""
    _chunks: BytesLru[NDArray[Any]]
    _readers: dict[tuple[int, str], ChunkReader] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def chunk(self, level: int, variable: str, dim_index: tuple[int, ...], row: int, col: int) -> NDArray[Any]:
        """Return a chunk of codes, read once for all threads that wait.

        Args:
            level: Of the pyramid.
            variable: Its name.
            dim_index: Index along each leading dimension.
            row: Of the chunk.
            col: Of the chunk.

        Returns:
            Shape ``description.chunk``, read-only.
        """
        (chunk,) = self.chunks(level, variable, dim_index, ((row, col),))
        return chunk

    def chunks(
        self, level: int, variable: str, dim_index: tuple[int, ...], positions: Sequence[tuple[int, int]]
    ) -> Iterator[NDArray[Any]]:
        """Read chunks, several at a time where reading means waiting.

        Args:
            level: Of the pyramid.
            variable: Its name.
            dim_index: Index along each leading dimension.
            positions: Row and column of each chunk.

        Yields:
            The chunks in their order, as ``chunk`` returns them.
        """
        reader = self.reader(level, variable)
        plane, in_source = self._plane(level, variable, dim_index), level < self.description.linked

        def read(position: tuple[int, int]) -> NDArray[Any]:
            return kept_chunk(self, reader, self._chunks, (plane, position), dim_index, in_source=in_source)

        if len(positions) < 2 or not reader.waits:
            yield from map(read, positions)
            return
        for first in range(0, len(positions), READ_AHEAD):
            yield from read_pool().map(read, positions[first : first + READ_AHEAD])

    def chunk_keys(
        self, level: int, variable: str, dim_index: tuple[int, ...], positions: Sequence[tuple[int, int]]
    ) -> list[Hashable]:
        """Return what identifies chunks and their content, in any cache of chunks.

        Args:
            level: Of the pyramid.
            variable: Its name.
            dim_index: Index along each leading dimension.
            positions: Row and column of each chunk.

        Returns:
            The keys.
        """
        plane = self._plane(level, variable, dim_index)
        return [(plane, position) for position in positions]

    def _plane(self, level: int, variable: str, dim_index: tuple[int, ...]) -> Hashable:
        generation = self.description.content_generation((variable,), dim_index)
        # Without checksums the generation alone does not vouch for what lies at the path.
        stamp = None if self.description.checked else self.stamp
        return (self.path, stamp, generation, variable, level, dim_index)

    def occupied(self, variable: str, dim_index: tuple[int, ...]) -> NDArray[np.bool_]:
        """Return which chunks of level 0 may hold anything but fill value, without reading them.

        Args:
            variable: Its name.
            dim_index: Index along each leading dimension.

        Returns:
            Shape (chunks in rows, chunks in columns); true also where that is unknown.
        """
        shape, chunk = self.description.grid.shape, self.description.chunk
        reader = self.reader(0, variable)
        found = np.ones((math.ceil(shape.rows / chunk.rows), math.ceil(shape.cols / chunk.cols)), np.bool_)
        if isinstance(reader, StoredChunks):
            for row, col in np.ndindex(found.shape):
                found[row, col] = reader.may_hold_data(dim_index, row, col)
        return found

    def reader(self, level: int, variable: str) -> ChunkReader:
        """Return the reader of one variable at one level, opened once.

        Args:
            level: Of the pyramid.
            variable: Its name.

        Returns:
            The reader. It knows no cache of decoded chunks, and repairs nothing.
        """
        reader = self._readers.get((level, variable))
        if reader is None:
            if level < self.description.linked or not self.description.checked:
                process.check_may_compute("opening an array")  # of any other the description says everything
            with self._lock:
                reader = open_level(self.path, self.description, variable, level)
                reader = self._readers.setdefault((level, variable), reader)
        return reader


class Store:
    """A folder of datasets, or a prefix of object storage. Thread-safe. See ``LayerSource``."""

    def __init__(self, folder: Path, chunks: BytesLru[NDArray[Any]] | None = None) -> None:
        """Read the datasets of a folder.

        Args:
            folder: The folder or URL; it need not exist yet.
            chunks: Cache of decoded chunks; without one, the process's own.
        """
        self.folder = store_location(folder)
        self._root = str(self.folder)
        self._pointers = current_pointers(self.folder) if isinstance(self.folder, ObjectPath) else None
        self._chunks = process.cache("chunks") if chunks is None else chunks
        self._open: dict[str, tuple[tuple[int, int, int], StoredDataset]] = {}
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """Return the names of the present datasets, sorted; none where the folder does not exist."""
        return sorted(name for name in self.entries() if self.stamp_of(name) is not None)

    def entries(self) -> list[str]:
        """Return the names that datasets of the folder have or may get, unsorted."""
        if self._pointers is not None:
            return [name for name in self._pointers.get().datasets if NAME_PATTERN.fullmatch(name)]
        try:
            with os.scandir(self._root) as entries:
                found = [entry.name.removesuffix(SUFFIX) for entry in entries if entry.name.endswith(SUFFIX)]
        except OSError:
            return []
        return [name for name in found if NAME_PATTERN.fullmatch(name)]

    def stamp_of(self, name: str) -> tuple[int, int, int] | None:
        """Return what changes whenever a dataset does. It takes one system call; of object storage, what was seen last.

        Args:
            name: Of the dataset.

        Returns:
            Modification time in nanoseconds, inode number and size of its description; None without a dataset.
        """
        if not NAME_PATTERN.fullmatch(name):
            return None
        if self._pointers is not None:
            published = self._pointers.get().datasets.get(name)
            return None if published is None else published.stamp
        try:
            status = os.stat(f"{self._root}/{name}{SUFFIX}/zarr.json")  # noqa: PTH116 - called for each tile
        except OSError:
            return None
        # A replaced dataset has another file, an appended one another time.
        return (status.st_mtime_ns, status.st_ino, status.st_size)

    def dataset(self, name: str) -> StoredDataset:
        """Return a dataset; one whose folder was renamed counts as damaged."""
        if not NAME_PATTERN.fullmatch(name):
            raise DatasetNotFoundError(f"{name!r} is no dataset name, allowed are letters, digits, _ and -")
        try:
            stamp = self.stamp_of(name)
            if stamp is None and self.refresh(LEAST_S):
                stamp = self.stamp_of(name)
        except StorageError as error:
            raise StoreUnavailableError(str(error)) from error
        if stamp is None:
            known = ", ".join(self.names()) or "none"
            raise DatasetNotFoundError(f"the store {self.folder} has no dataset {name!r}, it has {known}")
        with self._lock:
            known_stamp, opened = self._open.get(name, (None, None))
            if opened is not None and known_stamp == stamp:
                return opened
        process.check_may_compute("opening a dataset")
        path = dataset_folder(self.folder, name)
        description = read_description(path)
        if description.name != name:
            # The folder was renamed by hand, and requests use its name.
            raise StoreError(f"{path} holds the dataset {description.name!r}: the folder must have its name")
        opened = StoredDataset(path, description, stamp, self._chunks)
        with self._lock:
            self._open[name] = (stamp, opened)
        return opened

    def refresh(self, least_s: float = 0.0) -> bool:
        """Look now at what changes unseen: at the pointer of object storage.

        Args:
            least_s: A look that is no older holds.

        Returns:
            Whether there is such a thing; False for a folder, of which nothing is remembered.

        Raises:
            StorageError: It cannot be read.
        """
        if self._pointers is not None:
            self._pointers.refresh(least_s)
        return self._pointers is not None

    def datasets(self) -> Iterator[StoredDataset]:
        """Yield every dataset, by name; damaged ones are omitted, and what cannot be reached raises an error."""
        for name in self.names():
            try:
                yield self.dataset(name)
            except StoreError as error:
                if isinstance(error, StoreUnavailableError):
                    raise

    def layers(self) -> Iterator[Layer]:
        """Yield every layer of every dataset that can be read, by name."""
        for stored in self.datasets():
            for variable in stored.description.variables:
                yield Layer(stored.description, variable)

    def layer(self, name: str) -> Layer:
        """Return a layer."""
        dataset_name, _, variable_name = name.partition(".")
        try:
            description = self.dataset(dataset_name).description
            if not variable_name and len(description.variables) == 1:
                return Layer(description, description.variables[0])
            variable = description.variable(variable_name)
        except DatasetNotFoundError as error:
            known = ", ".join(layer.name for layer in self.layers()) or "none"
            raise DatasetNotFoundError(f"there is no layer {name!r}, there is {known}") from error
        return Layer(description, variable)


def store_at(folder: str) -> Store:
    """Return this process's reader of a store.

    Args:
        folder: The folder, as this process sees it.

    Returns:
        The reader, opened once.
    """
    return process.current().resource(("store", folder), lambda: Store(location(folder)))
