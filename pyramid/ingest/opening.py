"""What a program's or a user's ``open`` means: a dataset of a store, or a source to convert first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lazytile.pyramid.core.errors import DatasetNotFoundError, StoreError
from lazytile.pyramid.fetch.source_url import is_url
from lazytile.pyramid.store.dataset import SUFFIX
from lazytile.pyramid.store.store import Store, read_description


@dataclass(frozen=True, slots=True)
class StoredName:
    """Where a stored dataset is."""

    store: Path
    """Folder of the store, absolute."""
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
