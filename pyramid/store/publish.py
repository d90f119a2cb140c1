"""Publishing a finished dataset, so that a kill at any moment leaves the old one or the new one.

A dataset is written to ``STORE/.NAME.zarr.partial-XXXX`` while a lock on ``STORE/.NAME.zarr.lock`` is held. The kernel
drops the lock of a process that dies; its next holder knows that partial folders of that name are left over: it
resumes the one with its own work's key in the name and removes the others. The finished folder is exchanged with the
old one in one step (Linux ``renameat2`` with ``RENAME_EXCHANGE``). Where the system lacks that, the old one is moved
aside first, and the next run repairs what a kill between the two renames leaves.

For object storage the partial folder and the lock are in a folder of this machine, which holds metadata and journals;
chunks and checksums go straight to the prefix of the new generation. Publishing uploads the metadata and swaps the
pointer (``storage.generations``). The partial folder stays until the new generation counts.
"""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import (
    DatasetNotFoundError,
    EngineError,
    EngineStartError,
    StoreError,
    StoreUnavailableError,
)
from lazytile.pyramid.core.file_lock import LockHeldError, file_lock
from lazytile.pyramid.core.json_text import parse_json
from lazytile.pyramid.storage.generations import Upload, remove_dataset
from lazytile.pyramid.storage.object_path import ObjectPath
from lazytile.pyramid.storage.pointer import current_pointers, dataset_folder
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.pyramid.storage.staging import staging_folder
from lazytile.pyramid.store.dataset import NAME_PATTERN, SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lazytile.pyramid.storage.generations import Kept

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_METADATA = "zarr.json"
UNFINISHED = ".journal"
"""Name of a file in a folder that a later run of the same work can resume."""
_REMOVE_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Staging:
    """Where a dataset is built until it is published."""

    folder: Path
    """Of this machine: metadata, statistics and the journal of the build."""
    chunks: Path
    """Of the arrays' chunks and checksums: the same folder, or the prefix of the new generation in object storage."""


@contextmanager
def staged(store: Path, name: str, work: str = "", kept: Kept | None = None) -> Iterator[Staging]:
    """Yield where to write a dataset to, and publish it as ``STORE/NAME.zarr`` when the block ends.

    Where the block raises, the folder is removed and the store is as before. An interrupt, like a kill, leaves it, and
    so do the loss of an engine, a full disk, and an upload that fails: the same work goes on there.

    Args:
        store: Folder of datasets, created where there is none; or a path of object storage.
        name: Of the dataset.
        work: Identifies the work. The folder that a killed run of the same work left is yielded again as it is;
            without it the folder is always empty.
        kept: In object storage, what the new generation takes over of the one before.

    Yields:
        The folder, and the place of the chunks.

    Raises:
        StoreUnavailableError: Object storage cannot be reached.
        StoreError: The store cannot be written, another process is writing the same name, or the target is no dataset.
    """
    folder = staging_folder(store)
    target, is_built = folder / f"{name}{SUFFIX}", False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if target.is_symlink() or (target.exists() and not target.is_dir()):
            raise StoreError(f"{target} is not a folder; a dataset cannot replace it")
        if target.exists() and not _is_dataset(target):
            raise StoreError(
                f"{target} is no dataset of lazytile and would be lost; choose another name or move it away"
            )
        with _locked(folder, name):
            partial = folder / f".{name}{SUFFIX}.partial-{work or secrets.token_hex(4)}"
            _clean(folder, name, keep=partial)
            is_new, upload = not partial.exists(), None
            partial.mkdir(exist_ok=True)
            try:
                upload = Upload(store, name, partial, kept) if isinstance(store, ObjectPath) else None
                yield Staging(partial, partial if upload is None else upload.target)
                is_built = True
                if upload is None:
                    _publish(partial, target)
                else:
                    upload.publish()
            except EngineError as error:
                if is_new and isinstance(error, EngineStartError):
                    _discard(partial, upload)
                raise  # nothing is wrong with what is there, and a worker may still be writing to it
            except Exception as error:
                is_upload = is_built and upload is not None
                is_resumable = is_upload or _is_disk_full(error) or isinstance(error, StorageError)
                if not (work and is_resumable and (partial / UNFINISHED).is_file()):
                    _discard(partial, upload)
                raise
            _remove(partial)
    except StorageError as error:
        advice = "; nothing is lost: repeat the command to go on" if is_built and work else ""
        raise StoreUnavailableError(f"{error}{advice}") from error
    except OSError as error:
        reason = error.strerror or str(error)
        advice = "; make room and repeat the command" if work and _is_disk_full(error) else ""
        raise StoreError(f"{error.filename or target} cannot be written: {reason}{advice}") from error


def _discard(partial: Path, upload: Upload | None) -> None:
    """Remove an unfinished dataset that nobody will go on with."""
    if upload is not None:
        upload.abandon()
    _remove(partial)


def _is_disk_full(error: BaseException) -> bool:
    """Return whether a full disk is at fault, directly or as the cause of what is raised."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        cause = cause.__cause__
    return False


def _is_dataset(folder: Path) -> bool:
    """Return whether a folder is a dataset that may be replaced, not a Zarr group or folder of another origin."""
    try:
        attributes = parse_json((folder / _METADATA).read_bytes())["attributes"]
    except (FileNotFoundError, NotADirectoryError):
        return not any(folder.iterdir())
    except (ValueError, KeyError, TypeError):
        return False
    return "lazytile" in attributes


def remove(store: Path, name: str) -> None:
    """Remove a dataset: in one step for readers, then its files.

    Args:
        store: Folder of datasets.
        name: Of the dataset.

    Raises:
        DatasetNotFoundError: The store has no such dataset.
        StoreError: Its files cannot be removed, or another process is writing it.
    """
    if isinstance(store, ObjectPath):
        _remove_remote(store, name)
        return
    target = store / f"{name}{SUFFIX}"
    try:
        if not NAME_PATTERN.fullmatch(name) or not (target / _METADATA).is_file():
            raise DatasetNotFoundError(f"the store {store} has no dataset {name!r}")
        with _locked(store, name):
            _clean(store, name)
            removed = store / f".{name}{SUFFIX}.removed-{secrets.token_hex(4)}"
            target.rename(removed)
            _sync_folder(store)
            _remove(removed)
    except OSError as error:
        raise StoreError(f"{error.filename or target} cannot be removed: {error.strerror or error}") from error


def _remove_remote(store: ObjectPath, name: str) -> None:
    """Remove a dataset of object storage."""
    folder = staging_folder(store)
    try:
        current_pointers(store).refresh()
        dataset_folder(store, name)
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder, name):
            _clean(folder, name)
            remove_dataset(store, name)
    except StorageError as error:
        raise StoreUnavailableError(str(error)) from error
    except OSError as error:
        raise StoreError(f"{error.filename or folder} cannot be written: {error.strerror or error}") from error


@contextmanager
def _locked(store: Path, name: str) -> Iterator[None]:
    """Hold the lock of a dataset's name, or raise ``StoreError`` where a living process has it."""
    try:
        with file_lock(store / f".{name}{SUFFIX}.lock", wait=False, write_pid=True, remove=True):
            yield
    except LockHeldError as error:
        raise StoreError(f"process {error.holder} is writing dataset {name} in {store}; wait until it ends") from None


def _clean(store: Path, name: str, keep: Path | None = None) -> None:
    """Repair what killed runs left of this dataset. The caller holds its lock."""
    target = store / f"{name}{SUFFIX}"
    for aside in sorted(store.glob(f".{name}{SUFFIX}.old-*")):
        if target.exists():
            _remove(aside)
        else:
            aside.rename(target)
    for removed in store.glob(f".{name}{SUFFIX}.removed-*"):
        _remove(removed)
    for partial in store.glob(f".{name}{SUFFIX}.partial-*"):
        # The dataset that was replaced (a kill after the exchange) lacks the file that marks unfinished work.
        if partial != keep or not (partial / UNFINISHED).is_file():
            _remove(partial)


def _publish(partial: Path, target: Path) -> None:
    """Move a finished folder into place. The old one is left where the new one was, or removed."""
    (partial / UNFINISHED).unlink(missing_ok=True)
    _flush(partial)
    if not target.exists():
        partial.rename(target)
    elif not exchange(partial, target):
        aside = target.with_name(f".{target.name}.old-{secrets.token_hex(4)}")
        target.rename(aside)
        partial.rename(target)
        _remove(aside)
    _sync_folder(target.parent)


def exchange(first: Path, second: Path) -> bool:
    """Exchange two paths in one step.

    Args:
        first: Existing path.
        second: Existing path on the same file system.

    Returns:
        False where the system or the file system cannot.

    Raises:
        OSError: The exchange fails.
    """
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    renameat2.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    if renameat2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EPERM):
        return False
    raise OSError(code, os.strerror(code), str(second))


def _remove(folder: Path) -> None:
    """Remove a folder of a dataset, its root metadata first: by that an open reader recognizes the removal."""
    for attempt in range(_REMOVE_ATTEMPTS):
        try:
            (folder / _METADATA).unlink(missing_ok=True)
            shutil.rmtree(folder)
        except FileNotFoundError:
            return
        except OSError as error:
            # A reader of a lazy dataset may still be writing its chunk there.
            if error.errno != errno.ENOTEMPTY or attempt == _REMOVE_ATTEMPTS - 1:
                raise


def _flush(folder: Path) -> None:
    """Flush everything below the folder to disk, with one call per file system where the system has that."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
        if syncfs is None:
            os.sync()
        elif syncfs(descriptor) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(folder))
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
