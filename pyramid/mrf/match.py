"""Matching requests to exported MRFs: the same pixels in the same positions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.mrf.model import Compression
from lazytile.pyramid.render.image import PALETTE_SIZE, ImageFormat
from lazytile.pyramid.render.render_task import RENDERER_VERSION
from lazytile.pyramid.render.tile_request import PixelOptions

if TYPE_CHECKING:
    from lazytile.pyramid.mrf.model import MrfHeader
    from lazytile.pyramid.render.tile_request import TileRequest


_SAME_PICTURES = frozenset({str(RENDERER_VERSION), "2", "3"})
"""Versions of the renderer that give plain tiles the same pixels. Version 3 changed modes, which are no tile's default,
and values and reliefs, which pictures do not hold; version 4 only the compression."""


def is_plain(request: TileRequest) -> bool:
    """Return whether a tile is one that exports hold: PNG, of the set's own size, without options of values or pixels.

    Args:
        request: For a tile.

    Returns:
        Whether it is.
    """
    return (
        request.image_format is ImageFormat.PNG
        and request.pixels == PixelOptions()
        and request.matrix in request.tms.matrices
    )


def has_pixels_of(header: MrfHeader, notes: dict[str, str], request: TileRequest) -> bool:
    """Return whether pages show what the renderer would, in a PNG of the same kind.

    Args:
        header: Of the MRF.
        notes: Of the header, by name.
        request: For a tile.

    Returns:
        Whether they do.
    """
    palette = request.style.palette
    compression = Compression.PPNG if len(palette.rgba) <= PALETTE_SIZE else Compression.PNG
    return (
        header.compression is compression
        and header.bands == header.page_bands == (1 if compression is Compression.PPNG else 4)
        and notes.get("palette") == palette.key
        and notes.get("renderer") in _SAME_PICTURES
        and notes.get("overviews", "mean") == "mean"
    )


def level_of(header: MrfHeader, notes: dict[str, str], request: TileRequest) -> int | None:
    """Return the level that shows the request's matrix.

    Args:
        header: Of the MRF.
        notes: Of the header, by name.
        request: For a tile.

    Returns:
        The level; None where the MRF has another set or no such level.
    """
    tms, matrix = request.tms, request.matrix
    names = [each.identifier for each in tms.matrices]
    if notes.get("tms") != tms.identifier or notes.get("matrix") not in names or header.bounds is None:
        return None
    finest = tms.matrices[names.index(notes["matrix"])]
    level = names.index(finest.identifier) - names.index(matrix.identifier)
    if not 0 <= level < len(header.levels):
        return None
    pages = header.levels[level].pages
    # A custom set may have changed since: the numbers must agree as well.
    cell_width = (header.bounds.east - header.bounds.west) / header.size.cols
    agrees = (
        (header.page.rows, header.page.cols) == (matrix.tile_height, matrix.tile_width)
        and np.isclose(header.bounds.west, finest.origin_x, rtol=1e-9, atol=1e-9 * cell_width)
        and np.isclose(header.bounds.north, finest.origin_y, rtol=1e-9, atol=1e-9 * cell_width)
        and np.isclose(cell_width, finest.cell_width, rtol=1e-9, atol=0.0)
        and request.row < pages.rows
        and request.col < pages.cols
    )
    return level if agrees else None
