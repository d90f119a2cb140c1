"""The folder of this machine where what belongs to a store is built, fetched and locked."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from lazytile.pyramid.storage.object_path import ObjectPath
from lazytile.pyramid.storage.options import StorageOptions


def staging_folder(store: Path) -> Path:
    """Return the folder of a store on this machine.

    Args:
        store: Of the datasets.

    Returns:
        The store itself if it is a folder; for object storage a folder of this user, which need not exist yet.
    """
    if not isinstance(store, ObjectPath):
        return store
    return staging_root() / hashlib.sha256(str(store).encode()).hexdigest()[:16]


def staging_root() -> Path:
    """Return the folder that holds the staging folders of all stores, which need not exist yet."""
    chosen = StorageOptions.current().staging
    if chosen is None:
        cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        chosen = Path(cache).expanduser() / "lazytile" / "staging"
    return chosen.absolute()
