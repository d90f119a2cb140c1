"""Object storage in a folder: ``file:///FOLDER``, such as a bucket that the operating system mounts."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lazytile.pyramid.core.file_lock import file_lock
from lazytile.pyramid.storage.protocol import (
    ConflictError,
    ObjectEntry,
    ObjectTooLargeError,
    StorageError,
    StoredObject,
    content_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import BinaryIO

_HIDDEN = ".lazytile-"
"""Start of the names of files that are no objects: locks, and objects that are being written."""


class LocalStorage:
    """Objects as files. Conditional puts hold among the processes of one machine. See ``ObjectStorage``."""

    def __init__(self, root: Path) -> None:
        """Use a folder.

        Args:
            root: The folder that keys are relative to.
        """
        self._root = root

    def get(self, key: str, limit: int | None = None) -> StoredObject | None:
        """Return an object, None where there is none."""
        with _explained(self._root / key), suppress(FileNotFoundError, NotADirectoryError):
            with (self._root / key).open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if limit is not None and size > limit:
                    raise ObjectTooLargeError(f"{self._root / key} has {size} bytes, {limit} are allowed")
                data = file.read()
            return StoredObject(data, _etag(data))
        return None

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes] | None:
        """Return parts of an object."""
        absent = suppress(FileNotFoundError, NotADirectoryError)
        with _explained(self._root / key), absent, (self._root / key).open("rb") as file:
            return [os.pread(file.fileno(), stop - start, start) for start, stop in ranges]
        return None

    def get_end(self, key: str, length: int) -> tuple[bytes, int] | None:
        """Return the last bytes of an object, and its size."""
        absent = suppress(FileNotFoundError, NotADirectoryError)
        with _explained(self._root / key), absent, (self._root / key).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            return os.pread(file.fileno(), length, max(0, size - length)), size
        return None

    def put(
        self, key: str, data: bytes | Path | BinaryIO, *, if_absent: bool = False, if_match: str | None = None
    ) -> str:
        """Write an object."""
        path = self._root / key
        content = content_of(data)
        with _explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with file_lock(path.with_name(f"{_HIDDEN}{path.name}.lock"), remove=True):
                if if_absent and path.exists():
                    raise ConflictError(f"{path} exists already")
                if if_match is not None and (not path.exists() or _etag(path.read_bytes()) != if_match):
                    raise ConflictError(f"{path} was changed by another writer")
                _replace(path, content)
        return _etag(content)

    def copy(self, source: str, target: str) -> None:
        """Copy an object."""
        path = self._root / target
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{_HIDDEN}{secrets.token_hex(8)}")
        shutil.copyfile(self._root / source, temporary)
        temporary.replace(path)

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        """Yield the objects below a prefix."""
        for folder, _, names in os.walk(self._root / prefix):
            for name in names:
                path = Path(folder, name)
                with suppress(FileNotFoundError):
                    status = path.stat()
                    if not name.startswith(_HIDDEN):
                        key = path.relative_to(self._root).as_posix()
                        yield ObjectEntry(key, status.st_size, status.st_mtime)

    def folders(self, prefix: str) -> tuple[str, ...]:
        """Return the next parts of the keys below a prefix."""
        with suppress(FileNotFoundError), os.scandir(self._root / prefix) as entries:
            return tuple(sorted(entry.name for entry in entries if entry.is_dir()))
        return ()

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects, and the folders that become empty."""
        for key in keys:
            path = self._root / key
            with _explained(path), suppress(FileNotFoundError):
                path.unlink()
            with suppress(OSError):
                for parent in path.parents:
                    parent.rmdir()


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f"{_HIDDEN}{secrets.token_hex(8)}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _etag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Raise the errors of files, except for missing ones, as those of storage."""
    try:
        yield
    except (StorageError, FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror or error}") from error
