"""Stores of every kind for tests whose subject is a store: a folder, memory, and S3."""

from __future__ import annotations

import secrets
from collections.abc import MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import zarr
from zarr.core.buffer import Buffer, cpu

from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget
from lazytile.pyramid.storage.object_path import ObjectPath, location
from lazytile.pyramid.storage.pointer import dataset_folder
from tests.s3 import BUCKET

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from tests.s3 import S3Server

KINDS = ("folder", "memory", "s3")


class _Objects(MutableMapping[str, Buffer]):
    """Objects below a prefix, each fetched once, when it is first read."""

    def __init__(self, folder: ObjectPath, names: list[str]) -> None:
        self._folder = folder
        self._found: dict[str, Buffer | None] = dict.fromkeys(names)

    def __getitem__(self, name: str) -> Buffer:
        found = self._found[name]
        if found is None:
            found = self._found[name] = cpu.Buffer.from_bytes((self._folder / name).read_bytes())
        return found

    def __setitem__(self, name: str, value: Buffer) -> None:
        raise TypeError(f"{name} is read only")

    def __delitem__(self, name: str) -> None:
        raise TypeError(f"{name} is read only")

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __contains__(self, name: object) -> bool:
        return name in self._found


@dataclass(frozen=True, slots=True)
class StorePlace:
    """An empty place for a store, and what tests do to the files or objects of its datasets."""

    root: Path
    """What commands take as the store."""

    @property
    def is_folder(self) -> bool:
        """Whether datasets are files."""
        return not isinstance(self.root, ObjectPath)

    def dataset(self, name: str = "d") -> Path:
        """Return the folder of a dataset, or the prefix of its present generation."""
        return dataset_folder(self.root, name)

    def files(self, name: str = "d") -> list[str]:
        """Return the names of all files or objects of a dataset, relative and sorted."""
        folder = self.dataset(name)
        if isinstance(folder, ObjectPath):
            start = len(folder.key) + 1
            return sorted(entry.key[start:] for entry in folder.storage.list(folder.key))
        return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())

    def group(self, name: str = "d") -> zarr.Group:
        """Open a dataset with zarr-python, past everything of ours but the bytes."""
        folder = self.dataset(name)
        if not isinstance(folder, ObjectPath):
            return zarr.open_group(folder, mode="r")
        return zarr.open_group(zarr.storage.MemoryStore(_Objects(folder, self.files(name))), mode="r")

    def leftovers(self) -> list[str]:
        """Return what lies in the store besides its datasets: unfinished and earlier generations, and other names."""
        if not isinstance(self.root, ObjectPath):
            return sorted(path.name for path in self.root.iterdir() if path.suffix != ".zarr" or path.name[0] == ".")
        found = {each.partition("/")[0] for each in self._keys()} - {"datasets.json"}
        stale = []
        for folder in found:
            tokens = self.root.storage.folders((self.root / folder).key)
            stale += [f"{folder}/{token}" for token in tokens if token != self.dataset(Path(folder).stem).name]
        return sorted(stale)

    def is_empty(self) -> bool:
        """Return whether no dataset has left anything."""
        if isinstance(self.root, ObjectPath):
            return set(self._keys()) <= {"datasets.json"}
        return not self.root.exists() or not list(self.root.iterdir())

    def _keys(self) -> list[str]:
        assert isinstance(self.root, ObjectPath)
        start = len(self.root.key) + 1
        return [entry.key[start:] for entry in self.root.storage.list(self.root.key)]


def put(path: Path, data: bytes) -> None:
    """Write a file or an object."""
    if isinstance(path, ObjectPath):
        path.storage.put(path.key, data)
    else:
        path.write_bytes(data)


def drop(path: Path) -> None:
    """Remove a file or an object."""
    if isinstance(path, ObjectPath):
        path.storage.delete([path.key])
    else:
        path.unlink()


def flip(path: Path, at: int) -> None:
    """Change one bit of a file or an object."""
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    put(path, bytes(data))


@contextmanager
def store_place(kind: str, folder: Path, server: S3Server | None, patch: pytest.MonkeyPatch) -> Iterator[StorePlace]:
    """Prepare an empty place, in a process that has opened none.

    Args:
        kind: One of ``KINDS``.
        folder: For a folder, and for what else the store needs of this machine.
        server: The server of S3, for that kind.
        patch: For the environment.

    Yields:
        The place.
    """
    patch.setenv("LAZYTILE_STORAGE_STAGING", str(folder / "staging"))
    patch.setenv("LAZYTILE_STORAGE_POLL_S", "0.2")
    if server is not None:
        server.behave()
        for name, value in server.environment.items():
            patch.setenv(name, value)
    before = process.current()
    process.install(CacheBudget.renderer(64 << 20))
    name = secrets.token_hex(4)
    url = {"folder": folder / "store", "memory": f"memory://{name}/store", "s3": f"s3://{BUCKET}/{name}"}[kind]
    try:
        yield StorePlace(location(url))
    finally:
        process.reinstall(before)
