"""Datasets of stores in object storage as sources: their address leads to the generation that counts now.

A store keeps each generation of a dataset under a prefix of its own, ``NAME.zarr/TOKEN``. What reads a dataset in parts
names one of them, so that it never reads parts of two; a look at the pointer tells when there is another one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.storage.object_path import ObjectPath, location
from lazytile.pyramid.storage.pointer import generation_path, read_pointers
from lazytile.pyramid.storage.protocol import StorageError

if TYPE_CHECKING:
    from pathlib import Path

_SCHEMES = ("s3:", "gs:", "az:")
"""Where sources lie; those on web servers may be anything."""
_SUFFIX = ".zarr"
_TOKEN = re.compile(r"[0-9a-f]{14}")


def pinned(source: str | Path) -> str | Path:
    """Return the address of what a source holds now.

    Args:
        source: A path or URL.

    Returns:
        Of a dataset in a store in object storage, or of an earlier generation of it, the URL of its present generation;
        anything else as it is.
    """
    place = location(source)
    if not isinstance(place, ObjectPath) or place.parts[0] not in _SCHEMES or ".." in place.parts:
        return source
    if _TOKEN.fullmatch(place.name) and place.parent.suffix == _SUFFIX:
        place = place.parent
    root, name = place.parent, place.name.removesuffix(_SUFFIX)
    if len(root.parts) < 2:
        return source
    try:
        published = read_pointers(root).datasets.get(name)
    except (StorageError, StoreError):
        return source  # whoever opens it says what is wrong
    return source if published is None else str(generation_path(root, name, published))
