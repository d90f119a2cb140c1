"""Which reader a colormap file needs: by its suffix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.colormaps.errors import ColormapError
from lazytile.colormaps.gibs import read_gibs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lazytile.colormaps.model import Colormap

_READERS: dict[str, Callable[[Path, str | None], Colormap]] = {".xml": read_gibs}
SUFFIXES = tuple(_READERS)
"""Suffixes of files that can be read, in the order in which they are looked for."""


def read_colormap(path: Path, name: str | None = None) -> Colormap:
    """Read a colormap file of any known kind. Raises ``ColormapError``, with the file in its text."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ColormapError(f"{path.name}: a colormap file ends in {', '.join(SUFFIXES)}, not {path.suffix!r}")
    return reader(path, name)
