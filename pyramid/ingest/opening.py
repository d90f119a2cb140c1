"""What a program's or a user's ``open`` means: a dataset of a store, or a source to convert first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lazytile.pyramid.core.errors import DatasetNotFoundError, StoreError
from lazytile.pyramid.fetch.source_url import is_url
from lazytile.pyramid.storage.object_path import ObjectPath, location
from lazytile.pyramid.storage.pointer import current_pointers
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.pyramid.store.dataset import SUFFIX
from lazytile.pyramid.store.store import Store, read_description

_WEB = ("http:", "https:")
"""Schemes that name files of web servers; to open a store there, name its folder and the dataset."""


@dataclass(frozen=True, slots=True)
class StoredName:
    """Where a stored dataset is."""

    store: Path
    """The store, absolute."""
    name: str


def stored_name(path: str | Path) -> StoredName | None:
    """Return the dataset that a path names, if it names one.

    Args:
        path: ``STORE/NAME.zarr``, ``STORE/NAME``, or the folder of a store with one dataset.

    Returns:
        The dataset; None for anything else: a file, a URL, Zarr of somebody else.

    Raises:
        StoreError: The folder is a store of several datasets, or the dataset is damaged.
    """
    found = stored_names(path)
    if len(found) > 1:
        names = ", ".join(each.name for each in found)
        raise StoreError(f"{path} is a store of {len(found)} datasets; open one: {names}")
    return found[0] if found else None


def stored_names(path: str | Path) -> tuple[StoredName, ...]:
    """Return the datasets that a path names: one, or all of a store.

    Args:
        path: As for ``stored_name``.

    Returns:
        The datasets, sorted by name; none for anything else.

    Raises:
        StoreError: A dataset is damaged.
    """
    place = location(path)
    if isinstance(place, ObjectPath) and place.parts[0] not in _WEB and ".." not in place.parts:
        return _remote_names(place)
    if is_url(path):
        return ()
    folder = Path(path).resolve()
    for candidate in (folder, folder.with_name(f"{folder.name}{SUFFIX}")):
        if candidate.suffix == SUFFIX and _is_ours(candidate):
            return (StoredName(candidate.parent, candidate.name.removesuffix(SUFFIX)),)
    if not folder.is_dir():
        return ()
    names = (name for name in Store(folder).names() if _is_ours(folder / f"{name}{SUFFIX}"))
    return tuple(StoredName(folder, name) for name in names)


def _remote_names(place: ObjectPath) -> tuple[StoredName, ...]:
    """Return the datasets that a URL names: one of a store, or all of it."""
    name = place.name.removesuffix(SUFFIX)
    try:
        if len(place.parent.parts) > 1 and name in current_pointers(place.parent).get().datasets:
            return (StoredName(place.parent, name),)
        return tuple(StoredName(place, each) for each in sorted(current_pointers(place).get().datasets))
    except StorageError:
        return ()  # opening it as a source says what is wrong


def _is_ours(folder: Path) -> bool:
    try:
        read_description(folder)
    except DatasetNotFoundError:
        return False
    except StoreError:
        # Zarr of somebody else has no description; a damaged one of ours has one.
        text = (folder / "zarr.json").read_bytes() if (folder / "zarr.json").is_file() else b""
        if b'"lazytile"' in text:
            raise
        return False
    return True
