"""Parsing of untrusted XML: no entities, no network, and a limit on its size."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lxml import etree

from lazytile.colormaps.core.errors import ColormapError

if TYPE_CHECKING:
    from pathlib import Path

LIMIT_BYTES = 4 << 20
"""Larger files are not colormaps: the largest real ones have 60 kB."""

_DECLARATION = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)


def read_bytes(path: Path, limit_bytes: int = LIMIT_BYTES) -> bytes:
    """Read a file.

    Args:
        path: Of the file.
        limit_bytes: Of the file.

    Returns:
        Its bytes.

    Raises:
        ColormapError: The file cannot be read or exceeds the limit.
    """
    try:
        with path.open("rb") as file:
            content = file.read(limit_bytes + 1)
    except OSError as error:
        raise ColormapError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(content) > limit_bytes:
        raise ColormapError(f"{path}: exceeds the limit of {limit_bytes} bytes for a colormap")
    return content


def parse_xml(content: bytes, file: str, limit_bytes: int = LIMIT_BYTES) -> etree._Element:
    """Parse an XML document. Document type declarations are refused, and with them every entity.

    Args:
        content: The document.
        file: Names the document in messages.
        limit_bytes: Of the document.

    Returns:
        The root element.

    Raises:
        ColormapError: The document is not well formed, has a document type declaration, or exceeds the limit.
    """
    if len(content) > limit_bytes:
        raise ColormapError(f"{file}: {len(content)} bytes exceed the limit of {limit_bytes} for a colormap")
    # A 16- or 32-bit encoding, or UTF-7, would hide a declaration from this search, but not from libxml2, so the
    # parsed document is checked as well.
    if b"\0" in content[:1024] or _DECLARATION.search(content):
        raise ColormapError(f"{file}: document type declarations, entities and 16-bit encodings are not allowed")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError, LookupError) as error:
        raise ColormapError(f"{file}: not well-formed XML: {error}") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise ColormapError(f"{file}: document type declarations are not allowed")
    return root


def local_name(element: etree._Element) -> str:
    """Return the name of an element without its namespace.

    Args:
        element: Any element.

    Returns:
        The name.
    """
    return etree.QName(element).localname
