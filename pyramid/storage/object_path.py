"""Paths of object storage, and the place that a store's name means: a folder or a URL."""

from __future__ import annotations

import re
from pathlib import Path, PosixPath
from typing import TYPE_CHECKING, Any, NoReturn

from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.storage.cloud import CloudStorage
from lazytile.pyramid.storage.local import LocalStorage
from lazytile.pyramid.storage.memory import MemoryStorage
from lazytile.pyramid.storage.options import StorageOptions
from lazytile.pyramid.storage.protocol import ObjectStorage, StorageError

if TYPE_CHECKING:
    from typing import Self

SCHEMES = ("s3", "gs", "az", "https", "http", "file", "memory")
_URL = re.compile(rf"({'|'.join(SCHEMES)}):/+(?=[^/])", re.IGNORECASE)
"""A path of ``pathlib`` has one slash where a URL has two."""
_NO_PREFIX = re.compile(r"([a-z][a-z0-9+.-]+):(/+|$)", re.IGNORECASE)
"""What looks like a URL, but for letters of drives."""


class ObjectPath(PosixPath):
    """A path that reads objects: ``s3://BUCKET/KEY``. It joins and splits like any path, and cannot be written."""

    @property
    def storage(self) -> ObjectStorage:
        """The bucket."""
        return storage_at(self.bucket)

    @property
    def bucket(self) -> str:
        """URL of the bucket, or of the web server."""
        scheme = self.parts[0]
        return f"{scheme}//" if scheme == "file:" else f"{scheme}//{'/'.join(self.parts[1:2])}"

    @property
    def key(self) -> str:
        """Key in the bucket."""
        return "/".join(self.parts[1 if self.parts[0] == "file:" else 2 :])

    def __str__(self) -> str:
        return f"{self.parts[0]}//{'/' if self.parts[0] == 'file:' else ''}{'/'.join(self.parts[1:])}"

    def __fspath__(self) -> str:
        return str(self)

    def __reduce__(self) -> tuple[type[ObjectPath], tuple[str]]:
        return type(self), (str(self),)

    def resolve(self, strict: bool = False) -> Self:  # noqa: ARG002 - as in pathlib
        """Return the path: URLs are absolute.

        Args:
            strict: As in pathlib.

        Returns:
            The path.
        """
        return self

    def absolute(self) -> Self:
        """Return the path, as ``resolve`` does."""
        return self

    def read_bytes(self) -> bytes:
        """Return the content of the object.

        Raises:
            FileNotFoundError: There is no such object.
            StorageError: It cannot be read.
        """
        found = self.storage.get(self.key)
        if found is None:
            raise FileNotFoundError(f"{self} does not exist")
        return found.data

    def read_text(
        self,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,  # noqa: ARG002 - as in pathlib
    ) -> str:
        """Return the content of the object as text.

        Args:
            encoding: Of the text; None: UTF-8.
            errors: How to decode what is not in the encoding; None: raise.
            newline: As in pathlib.

        Returns:
            The text.
        """
        return self.read_bytes().decode(encoding or "utf-8", errors or "strict")

    def exists(self, *, follow_symlinks: bool = True) -> bool:  # noqa: ARG002 - as in pathlib
        """Return whether there is such an object.

        Args:
            follow_symlinks: As in pathlib.

        Returns:
            Whether there is.
        """
        return self.storage.get_end(self.key, 1) is not None

    def is_file(self, *, follow_symlinks: bool = True) -> bool:  # noqa: ARG002 - as in pathlib
        """Return whether there is such an object.

        Args:
            follow_symlinks: As in pathlib.

        Returns:
            Whether there is.
        """
        return self.exists()

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:  # noqa: ARG002 - as in pathlib
        """Return whether any object lies below.

        Args:
            follow_symlinks: As in pathlib.

        Returns:
            Whether any does.
        """
        return next(iter(self.storage.list(self.key)), None) is not None

    def is_symlink(self) -> bool:
        """Return False: objects are no links."""
        return False

    def size_below(self) -> int | None:
        """Return the bytes of all objects below; None of a web server, which lists nothing."""
        if self.parts[0] in ("http:", "https:"):
            return None
        return sum(entry.size for entry in self.storage.list(self.key))

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse what would write a file, or list a folder, of the name of an object."""
        raise StorageError(f"{self} is object storage, where files cannot be changed in place")

    mkdir = rename = replace = rmdir = touch = unlink = write_bytes = write_text = _refuse
    glob = iterdir = open = rglob = stat = _refuse


def location(place: str | Path) -> Path:
    """Return the path of a store or of something in it.

    Args:
        place: A folder, or a URL of object storage: ``s3://BUCKET/PREFIX``, also as ``Path`` spells it.

    Returns:
        The path, an ``ObjectPath`` for a URL.
    """
    if isinstance(place, ObjectPath):
        return place
    match = _URL.match(str(place))
    if match is None:
        return Path(place)
    return ObjectPath(f"{match[1].lower()}:/{str(place)[match.end() :]}")


def store_location(place: str | Path) -> Path:
    """Return the path of a store.

    Args:
        place: A folder, or a URL of object storage, as ``location`` takes it.

    Returns:
        The path, an ``ObjectPath`` for a URL.

    Raises:
        StoreError: It is a URL of another kind, which would become a folder of that name, or lacks the bucket.
    """
    found = location(place)
    if isinstance(found, ObjectPath) and ".." in found.parts:
        raise StoreError(f"{found}: a URL of object storage has no part '..'")
    url = _NO_PREFIX.match(str(place))
    if isinstance(found, ObjectPath) or url is None or found.exists():
        return found
    scheme = url[1].lower()
    if scheme in SCHEMES:
        raise StoreError(f"{scheme}:// names no bucket; a store in object storage is {scheme}://BUCKET/PREFIX")
    rest = str(place)[url.end() :]
    raise StoreError(
        f"a store has no address such as {url[1]}://{rest}; it is a folder, or at s3://, gs:// or az://BUCKET/PREFIX, "
        f"or, to be read only, at https://"
    )


def storage_at(bucket: str) -> ObjectStorage:
    """Return this process's access to a bucket.

    Args:
        bucket: Its URL, as ``ObjectPath.bucket`` has it.

    Returns:
        The storage, opened once.

    Raises:
        StoreError: A library for it is not installed.
    """
    return process.current().resource(("storage", bucket), lambda: _opened(bucket))


def _opened(bucket: str) -> ObjectStorage:
    scheme = bucket.partition(":")[0]
    if scheme == "memory":
        return MemoryStorage(bucket)
    if scheme == "file":
        return LocalStorage(Path("/"))
    return CloudStorage(bucket, StorageOptions.current())
