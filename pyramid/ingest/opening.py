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
    place = location(path)
    if isinstance(place, ObjectPath) and place.parts[0] not in _WEB:
        return _remote_name(place)
    if is_url(path):
        return None
    folder = Path(path).resolve()
    for candidate in (folder, folder.with_name(f"{folder.name}{SUFFIX}")):
        if candidate.suffix == SUFFIX and _is_ours(candidate):
            return StoredName(candidate.parent, candidate.name.removesuffix(SUFFIX))
    if not folder.is_dir():
        return None
    names = [name for name in Store(folder).names() if _is_ours(folder / f"{name}{SUFFIX}")]
    if len(names) > 1:
        raise StoreError(f"{path} is a store of {len(names)} datasets; open one: {', '.join(names)}")
    return StoredName(folder, names[0]) if names else None


def _remote_name(place: ObjectPath) -> StoredName | None:
    """Return the dataset that a URL names: one of a store, or the only one of it."""
    try:
        for root, name in ((place.parent, place.name.removesuffix(SUFFIX)), (place, None)):
            names = [*current_pointers(root).get().datasets] if len(root.parts) > 1 else []
            if name in names:
                return StoredName(root, name)
            if name is None and len(names) > 1:
                raise StoreError(f"{place} is a store of {len(names)} datasets; open one: {', '.join(sorted(names))}")
            if name is None and names:
                return StoredName(root, names[0])
    except StorageError:
        return None  # opening it as a source says what is wrong
    return None


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
