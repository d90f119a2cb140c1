"""The elements of a configuration of OnEarth's mrfgen, as texts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from lxml import etree

from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.core.grid import Bounds
from lazytile.pyramid.mrf.model import Compression

if TYPE_CHECKING:
    from pathlib import Path

Chosen = TypeVar("Chosen")

LIMIT_BYTES = 1 << 20
MRFGEN_QUALITY = 80
COMPRESSIONS = {
    "JPG": Compression.JPEG,
    "JPEG": Compression.JPEG,
    "ZEN": Compression.JPEG,
    "JPNG": Compression.JPNG,
    "PNG": Compression.PNG,
    "PPNG": Compression.PPNG,
    "TIF": Compression.TIF,
    "TIFF": Compression.TIF,
    "LRC": Compression.LERC,
    "LERC": Compression.LERC,
}


@dataclass(frozen=True, slots=True)
class Elements:
    """What a configuration states."""

    texts: dict[str, str]
    """Text by name of the element."""
    files: tuple[str, ...]
    """The files of ``input_files``."""


def read_elements(path: Path) -> Elements:
    """Read a configuration.

    Args:
        path: Of the XML file.

    Returns:
        Its elements.

    Raises:
        MrfError: The file cannot be read, or is no configuration of mrfgen.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LIMIT_BYTES + 1)
    except OSError as error:
        raise MrfError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > LIMIT_BYTES or b"<!DOCTYPE" in content:
        raise MrfError(f"{path}: a mrfgen configuration has at most {LIMIT_BYTES} bytes and no document type")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError, LookupError) as error:
        raise MrfError(f"{path}: not well-formed XML: {' '.join(str(error).split())}") from error
    if root.tag != "mrfgen_configuration":
        raise MrfError(f"{path}: not a mrfgen configuration, it starts with {root.tag!r}")
    texts = {str(element.tag): (element.text or "").strip() for element in root if isinstance(element.tag, str)}
    named = [(element.text or "").strip() for element in root.iterfind("input_files/file")]
    files = named or [text.strip() for text in texts.get("input_files", "").split(",")]
    return Elements(texts, tuple(file for file in files if file))


def lookup(path: Path, name: str, text: str, table: dict[str, Chosen]) -> Chosen:
    """Return what an element stands for.

    Args:
        path: Of the configuration.
        name: Of the element.
        text: Of the element.
        table: What there is, by text.

    Returns:
        The value.

    Raises:
        MrfError: The text is not in the table.
    """
    if text not in table:
        raise MrfError(f"{path}: {name} {text[:60]!r} is not supported, it may be {', '.join(table)}")
    return table[text]


def whole_number(path: Path, name: str, text: str) -> int:
    """Parse a whole number.

    Args:
        path: Of the configuration.
        name: Of the element.
        text: Of the element.

    Returns:
        The number.

    Raises:
        MrfError: It is none.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise MrfError(f"{path}: {name} {text[:60]!r} is not a whole number")
    return int(text)


def real_number(path: Path, name: str, text: str) -> float:
    """Parse a number.

    Args:
        path: Of the configuration.
        name: Of the element.
        text: Of the element.

    Returns:
        The number.

    Raises:
        MrfError: It is none, or not finite.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise MrfError(f"{path}: {name} {text[:60]!r} is not a number")
    return number


def target_extents(path: Path, text: str) -> Bounds:
    """Parse the extents of the MRF.

    Args:
        path: Of the configuration.
        text: Of the element ``target_extents``.

    Returns:
        The bounds.

    Raises:
        MrfError: The text is not ``XMIN,YMIN,XMAX,YMAX``.
    """
    parts = [real_number(path, "target_extents", part) for part in text.split(",")]
    if len(parts) != 4 or not (parts[0] < parts[2] and parts[1] < parts[3]):
        raise MrfError(f"{path}: target_extents {text[:80]!r} is not XMIN,YMIN,XMAX,YMAX")
    return Bounds(*parts)
