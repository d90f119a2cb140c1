"""The source files that a process keeps open between blocks: a few, closed as soon as nobody reads them.

The netCDF and HDF5 libraries are not thread-safe, so their reads take turns under the locks that xarray uses.
"""

from __future__ import annotations

import gc
import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from xarray.backends.locks import HDF5_LOCK, NETCDFC_LOCK

from lazytile.pyramid.core import process
from lazytile.pyramid.fetch.source_url import path_or_url, source_stamp
from lazytile.pyramid.sources.formats.container import NETCDF, open_group
from lazytile.pyramid.sources.formats.hdf5_chunks import forget, hdf5_chunks
from lazytile.pyramid.sources.formats.hdf5_filters import load_plugins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lazytile.pyramid.sources.formats.hdf5_chunks import Hdf5Chunks

DEFAULT_OPEN_FILES = 4
"""Source files that a process keeps open between blocks."""


@dataclass(slots=True)
class OpenFile:
    """An open source file, and how many threads are reading it."""

    handle: Any
    """The group that is read, as the library of the format opens it."""
    engine: str
    path: str
    stamp: tuple[int, ...]
    """Of the file when it was opened."""
    readers: int = 0
    is_evicted: bool = False
    _chunks: dict[str, Hdf5Chunks | None] = field(default_factory=dict)

    def chunks(self, group: str, name: str) -> Hdf5Chunks | None:
        """Return the chunks of a variable of netCDF, for reading them outside the library.

        Args:
            group: Path of the group.
            name: Of the variable.

        Returns:
            The chunks; None where the library must read them.
        """
        if self.engine != NETCDF:
            return None
        if name not in self._chunks:
            with library_locks(self.engine):
                shape = tuple(map(int, self.handle.variables[name].shape))
                self._chunks[name] = hdf5_chunks(self.path, self.stamp, f"{group.rstrip('/')}/{name}", shape)
        return self._chunks[name]

    def close_unread(self) -> None:
        """Close the file if it was evicted and nobody reads it any more."""
        if self.is_evicted and not self.readers:
            _close(self.handle, self.engine)


class Handles:
    """The source files that this process has open, the most recently used last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[tuple[Any, ...], OpenFile] = {}

    @contextmanager
    def lease(self, path: str, engine: str, group: str, version: str) -> Iterator[OpenFile]:
        """Yield an open file, which stays open meanwhile unless the file changes.

        A file that is not open or has changed is opened. Of others than the most recently used ones, each is closed as
        soon as nobody reads it.

        Args:
            path: Of the file, or a URL.
            engine: Name of the format.
            group: Path of the group.
            version: Of a remote source; empty for others.

        Yields:
            The file, its group open.
        """
        key = (os.getpid(), path, engine, group, version, source_stamp(path))
        with self._lock:
            leased = self._open.pop(key, None)
            if leased is None:
                self._drop_changed(path, version, key[-1])
                leased = OpenFile(_open(path, engine, group), engine, path, key[-1])
            self._open[key] = leased
            leased.readers += 1
            while len(self._open) > DEFAULT_OPEN_FILES:
                evicted = self._open.pop(next(iter(self._open)))
                evicted.is_evicted = True
                evicted.close_unread()
        try:
            yield leased
        finally:
            with self._lock:
                leased.readers -= 1
                leased.close_unread()

    def drop_changed(self, path: str) -> None:
        """Close a file that has changed since it was opened.

        Args:
            path: Of the file, or a URL.
        """
        try:
            stamp = source_stamp(path)
        except OSError:
            stamp = (-1,)  # it is gone
        with self._lock:
            self._drop_changed(path, None, stamp)

    def drop(self, path: str) -> bool:
        """Forget a file, and close it as soon as nobody reads it.

        Args:
            path: Of the file, or a URL.

        Returns:
            Whether it was open.
        """
        with self._lock:
            found = [self._open.pop(key) for key in [*self._open] if key[1] == path]
            for file in found:
                file.is_evicted = True
                file.close_unread()
        return bool(found)

    def _drop_changed(self, path: str, version: str | None, stamp: tuple[int, ...]) -> None:
        for key in [each for each in self._open if each[1] == path]:
            if key[-1] != stamp or (version is not None and key[-2] != version):
                _close(self._open.pop(key).handle, key[2])


def release_changed(path: str) -> None:
    """Close a source file that has changed since this process opened it.

    The HDF5 library gives everybody who opens a file that is open in the process its old content, whatever was written
    to it since.

    Args:
        path: Of the file, absolute, or a URL.
    """
    forget(path)
    handles().drop_changed(path)


def release(path: str) -> None:
    """Let a source file go, so that a program may write to it after it was converted.

    Args:
        path: Of the file, absolute, or a URL.
    """
    forget(path)
    if handles().drop(path):
        gc.collect()  # files of other libraries close with their last reference, which may be in a circle


def handles() -> Handles:
    """Return the files that this process has open."""
    return process.current().resource("source files", Handles)


@contextmanager
def library_locks(engine: str) -> Iterator[None]:
    """Hold the locks of the libraries that read a format, if they are not thread-safe.

    Args:
        engine: Name of the format.

    Yields:
        Nothing; the locks are held meanwhile.
    """
    if engine != NETCDF:
        yield
        return
    with NETCDFC_LOCK, HDF5_LOCK:
        yield


def _open(path: str, engine: str, group: str) -> Any:
    if engine == NETCDF:
        import netCDF4  # noqa: PLC0415 - other formats do not need it

        load_plugins()
        with library_locks(engine):
            root = netCDF4.Dataset(path)
            root.set_auto_maskandscale(False)
            root.set_always_mask(False)
            return root if group == "/" else root[group]
    return open_group(path_or_url(path), engine, group)


def _close(handle: Any, engine: str) -> None:
    """Close a file that nobody reads, or that has changed: its content is then neither the old nor the new one."""
    if engine != NETCDF:
        return  # its last reference closes it
    with library_locks(engine):
        # A group and its variables refer to each other: the last reference may live until the next collection.
        while handle.parent is not None:
            handle = handle.parent
        if handle.isopen():
            handle.close()
