"""Proof that another process sees the same files: a nonce that was just written, or a fingerprint of what is there.

Traits of a process, such as its encoder of pictures, are proved by comparing them.

A machine without the store's file system has a folder of the same name at best. A nonce, a random text in a file of a
random name, cannot be there by chance. Sources are not ours to write to, and a store may be read-only: a fingerprint
takes the nonce's place, of size, modification time and the bytes at both ends.
"""

from __future__ import annotations

import os
import secrets
import stat
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from lazytile.pyramid.cluster.versions import difference
from lazytile.pyramid.core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lazytile.pyramid.cluster.places import Places

PREFIX = ".lazytile-nonce-"
END_BYTES = 64 << 10
"""Bytes at each end of a file that are compared."""
MAX_ENTRIES = 64
"""Most entries of a folder whose content is compared; the names of all are."""
STALE_S = 3600.0
"""Age at which a nonce that a killed process left is removed."""
ATTEMPTS = 3
"""How often a worker looks for a nonce: a network file system may show a new file late."""
RETRY_S = 0.5
_METADATA = ("zarr.json", ".zmetadata", ".zgroup", ".zattrs")


@dataclass(frozen=True, slots=True)
class Nonce:
    """A file that was just written, and its text."""

    path: str
    text: str

    def problem(self) -> str:
        """Return why this process does not see the file, or an empty text."""
        folder, _, name = self.path.rpartition("/")
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(RETRY_S)
            try:
                found = Path(self.path).read_text(encoding="ascii")
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                return f"cannot read {folder}: {type(error).__name__}: {error}"
            return "" if found == self.text else f"sees another {name} in {folder}"
        return f"does not see the folder {folder}" if not Path(folder).is_dir() else f"sees another folder {folder}"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A file or folder that is only read, and what it looks like."""

    path: str
    digest: str

    def problem(self) -> str:
        """Return why this process does not see the same file or folder, or an empty text."""
        try:
            found = fingerprint(self.path)
        except FileNotFoundError:
            return f"does not see {self.path}"
        except OSError as error:
            return f"cannot read {self.path}: {error.strerror or error}"
        return "" if found == self.digest else f"sees another {self.path}"


@dataclass(frozen=True, slots=True)
class Traits:
    """A function, and what it returned where the work comes from."""

    function: Callable[[], Mapping[str, str]]
    wanted: Mapping[str, str]

    def problem(self) -> str:
        """Return how this process differs, or an empty text."""
        return difference(self.wanted, self.function())


Proof = Nonce | Fingerprint | Traits


@contextmanager
def proofs_of(places: Places) -> Iterator[tuple[Proof, ...]]:
    """Yield what a process must see, or be, that works at some places. The nonces exist while the context lasts.

    Args:
        places: What the work reads and writes.

    Yields:
        A proof for each place, and one of the traits.

    Raises:
        StoreError: This process does not see a place itself.
    """
    nonces: list[Nonce] = []
    proofs: list[Proof] = []
    try:
        for folder in places.folders:
            nonce = _written_nonce(folder)
            if nonce is None:
                proofs.append(_fingerprint(folder))
            else:
                nonces.append(nonce)
        proofs += map(_fingerprint, places.sources)
        if places.traits is not None:
            proofs.append(Traits(places.traits, places.traits()))
        yield (*nonces, *proofs)
    finally:
        for nonce in nonces:
            with suppress(OSError):
                Path(nonce.path).unlink()


def _fingerprint(path: str) -> Fingerprint:
    try:
        return Fingerprint(path, fingerprint(path))
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}") from error


def _written_nonce(folder: str) -> Nonce | None:
    """Write a nonce into a folder; None where the folder cannot be written."""
    nonce = Nonce(f"{folder.rstrip('/')}/{PREFIX}{secrets.token_hex(8)}", secrets.token_hex(16))
    try:
        _remove_stale(folder)
        Path(nonce.path).write_text(nonce.text, encoding="ascii")
    except OSError:
        with suppress(OSError):
            Path(nonce.path).unlink()  # an empty one, of a full disk
        return None
    return nonce


def _remove_stale(folder: str) -> None:
    for entry in os.scandir(folder):
        if entry.name.startswith(PREFIX):
            with suppress(OSError):
                if time.time() - entry.stat().st_mtime > STALE_S:
                    Path(entry.path).unlink()


def fingerprint(path: str) -> str:
    """Return what identifies the content of a file or folder without reading all of it.

    Args:
        path: Of the file or folder.

    Returns:
        32 hexadecimal digits. Of a file: size, modification time in seconds and ``END_BYTES`` at each end. Of a
        folder: the names in it and its metadata files, and those of its first subfolders.

    Raises:
        OSError: The path cannot be read.
    """
    state = os.stat(path)  # noqa: PTH116
    if not stat.S_ISDIR(state.st_mode):
        return _file_digest(path, state)
    digest = blake2b(digest_size=16)
    # Hidden files come and go: locks, unfinished work, nonces.
    names = sorted(entry.name for entry in os.scandir(path) if not entry.name.startswith("."))
    digest.update(repr(names).encode())
    candidates = [*_METADATA, *(f"{name}/{file}" for name in names[:MAX_ENTRIES] for file in _METADATA)]
    for name in candidates:
        with suppress(FileNotFoundError, NotADirectoryError):
            file = f"{path}/{name}"
            digest.update(f"{name} {_file_digest(file, os.stat(file))}".encode())  # noqa: PTH116
    return digest.hexdigest()


def _file_digest(path: str, state: os.stat_result) -> str:
    digest = blake2b(f"{state.st_size} {int(state.st_mtime)}".encode(), digest_size=16)
    with open(path, "rb") as file:  # noqa: PTH123
        digest.update(file.read(END_BYTES))
        if state.st_size > END_BYTES:
            file.seek(max(END_BYTES, state.st_size - END_BYTES))
            digest.update(file.read(END_BYTES))
    return digest.hexdigest()
