"""The reader for a colormap file, selected by its suffix, and for XML by its root."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from lazytile.colormaps.core.errors import ColormapError
from lazytile.colormaps.core.safe_xml import local_name, parse_xml, read_bytes
from lazytile.colormaps.formats.color_table import read_table_text
from lazytile.colormaps.formats.gibs import read_gibs
from lazytile.colormaps.formats.slcp import read_slcp
from lazytile.colormaps.formats.sld import read_sld

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lazytile.colormaps.core.model import Colormap


def _read_xml(content: bytes, name: str, file: str) -> Colormap:
    root = local_name(parse_xml(content, file))
    return read_gibs(content, name, file) if root in {"ColorMaps", "ColorMap"} else read_sld(content, name, file)


_READERS: dict[str, Callable[[bytes, str, str], Colormap]] = {
    ".xml": _read_xml,
    ".json": read_slcp,
    ".sld": read_sld,
    ".txt": read_table_text,
    ".clr": read_table_text,
}
SUFFIXES = tuple(_READERS)
"""Suffixes of colormap files, in the order of preference."""


def read_colormap(path: Path, name: str | None = None) -> Colormap:
    """Read a colormap file of any known format.

    Args:
        path: Of the file.
        name: Of the colormap; by default the file's without its suffix.

    Returns:
        The colormap.

    Raises:
        ColormapError: The file cannot be read; the text names it.
    """
    _reader(path.name)
    return read_content(read_bytes(path), name or path.stem, path.name)


def read_content(content: bytes, name: str, file: str) -> Colormap:
    """Read the bytes of a colormap file.

    Args:
        content: Of the file.
        name: Of the colormap.
        file: Name of the file; its suffix selects the format.

    Returns:
        The colormap.

    Raises:
        ColormapError: The content cannot be read; the text names the file.
    """
    return _reader(file)(content, name, file)


def _reader(file: str) -> Callable[[bytes, str, str], Colormap]:
    suffix = PurePath(file).suffix.lower()
    if suffix not in _READERS:
        raise ColormapError(f"{file}: a colormap file ends in {', '.join(SUFFIXES)}, not {suffix!r}")
    return _READERS[suffix]
