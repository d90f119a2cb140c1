"""The address of a tile as it was written, whichever protocol it came by; its meaning is not yet known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lazytile.pyramid.render.image import ImageFormat


@dataclass(frozen=True, slots=True)
class RawTileAddress:
    """The words of a request for a tile; nothing is known of their meaning yet."""

    layer: str
    style: str
    tms: str
    matrix: str
    row: str
    col: str
    image_format: ImageFormat
    named: Mapping[str, str] = field(default_factory=dict)
    """Dimensions by lower-case name."""
    positional: tuple[str, ...] = ()
    """Dimensions by their place in a REST path."""
    own_names: frozenset[str] = frozenset()
    """Those of ``named`` that are no dimensions but the encoding's own."""
    is_limited: bool = False
    """Whether a tile outside the limits in the capabilities is an error: so in WMTS, whose clients have read them."""
