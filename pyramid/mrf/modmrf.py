"""The requirements of OnEarth's mod_mrf. It reads no header and takes its numbers from a configuration.

mod_mrf counts levels from the single page at the top. GIBS's sets begin with one tile in Web Mercator, but with 2 x 1
in longitude and latitude and 2 x 2 at the poles: ``SkippedLevels`` is the number of levels of the MRF above matrix 0.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from pyproj import CRS
from pyproj.exceptions import CRSError

from lazytile.pyramid.mrf.header import OPEN_ENDED_SETS
from lazytile.pyramid.mrf.model import Compression
from lazytile.pyramid.tiling.tms import REGISTERED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lazytile.pyramid.mrf.model import MrfHeader
    from lazytile.pyramid.tiling.tms import TileMatrix, TileMatrixSet

SERVED = {
    Compression.PPNG: "ppg",
    Compression.PNG: "ppg",
    Compression.JPNG: "ppg",
    Compression.JPEG: "pjg",
    Compression.TIF: "ptf",
    Compression.LERC: "lrc",
}
"""Compressions that OnEarth serves, with the ending of data files that its tools expect."""
_TIME = re.compile(r"-(\d{7,})$")
MAX_TILE_BYTES = 4 << 20
"""Limit of a page that mod_mrf sends."""
EDGE_TOLERANCE = 1e-6
"""Pixels by which an origin may differ, and relative difference of pixel sizes: headers have 8 decimals or fewer."""


def mod_mrf_problems(header: MrfHeader) -> Iterator[str]:
    """Yield what mod_mrf cannot serve of an MRF, one line each.

    Args:
        header: Of the MRF.

    Yields:
        The problems.
    """
    top = header.levels[-1]
    if header.levels[0].pages.rows * header.levels[0].pages.cols < 2:
        yield "mod_mrf needs at least 2 pages at full resolution, this MRF has one"
    elif not header.has_overviews or top.pages.rows * top.pages.cols != 1:
        yield "mod_mrf needs every level down to one page, this MRF has no overviews"
    if header.scale != 2:
        yield f"mod_mrf needs levels that halve, the scale of this MRF is {header.scale}"
    if header.page_bands != header.bands:
        yield "mod_mrf needs all bands in one page, this MRF has a page for each"


def onearth_problems(header: MrfHeader, path: Path) -> Iterator[str]:
    """Yield what OnEarth's tools cannot use of an MRF, one line each.

    ``oe2_wmts_configure`` names the data file by the media type and announces LERC as deflated; ``oe_scrape_time``
    lists data files by their ending and the time in their name.

    Args:
        header: Of the MRF.
        path: Of the .mrf file.

    Yields:
        The problems.
    """
    yield from mod_mrf_problems(header)
    if header.compression not in SERVED:
        allowed = ", ".join(each.name for each in SERVED)
        yield f"OnEarth serves no pages in {header.compression.name}, it serves {allowed}"
    elif header.data_extension != SERVED[header.compression]:
        yield (
            f"OnEarth looks for a data file that ends in .{SERVED[header.compression]}, "
            f"this one ends in .{header.data_extension}: export with --onearth"
        )
    if header.compression is Compression.LERC and not _is_deflated(header):
        yield "OnEarth announces LERC pages as deflated, these are not: export with --onearth"
    if not has_scraped_time(path.stem):
        yield f"OnEarth's oe_scrape_time takes times of 13 digits, YYYYJJJHHMMSS, which {path.stem} does not end in"


def has_scraped_time(stem: str) -> bool:
    """Return whether OnEarth finds the time in a file's name, or there is none to find.

    Args:
        stem: Name of the file without its ending.

    Returns:
        Whether it does.
    """
    time = _TIME.search(stem)
    return time is None or len(time[1]) == len("YYYYJJJHHMMSS")


def _is_deflated(header: MrfHeader) -> bool:
    options = {name.upper(): value.upper() for name, value in header.options}
    return options.get("DEFLATE") in {"ON", "TRUE", "YES", "1"}


def onearth_settings(header: MrfHeader) -> str:
    """Return the tile matrix set and the ``SkippedLevels`` to configure.

    Args:
        header: Of the MRF.

    Returns:
        One line.
    """
    crs = _authority(header.projection)
    sets = [tms for tms in REGISTERED.values() if tms.crs == crs and tms.identifier not in OPEN_ENDED_SETS]
    fitting = [(tms, position) for tms in sets for position in _positions(header, tms)]
    if not fitting:
        return "no tile matrix set of GIBS has the MRF's pixels and pages, OnEarth needs one of your own for it"
    # Several sets begin alike; the right one ends where the MRF does.
    tms, position = min(fitting, key=lambda found: len(found[0].matrices) - found[1])
    skipped = len(header.levels) - 1 - position
    return f"for OnEarth: tile matrix set {onearth_name(tms)} of {tms.crs}, SkippedLevels {skipped}"


def onearth_name(tms: TileMatrixSet) -> str:
    """Return GIBS's name of a set: its polar sets share names such as ``1km``, ours are unique.

    Args:
        tms: A registered set.

    Returns:
        The name.
    """
    return tms.identifier.removeprefix(f"{tms.crs.replace(':', '')}_")


def _positions(header: MrfHeader, tms: TileMatrixSet) -> Iterator[int]:
    """Yield each matrix of the set that full resolution may show, where every level of the MRF has a matrix."""
    for position, matrix in enumerate(tms.matrices):
        if _is_shown(header, matrix) and len(header.levels) > position:
            yield position


def _is_shown(header: MrfHeader, matrix: TileMatrix) -> bool:
    bounds = header.bounds
    if bounds is None:
        return False
    width = (bounds.east - bounds.west) / header.size.cols
    height = (bounds.north - bounds.south) / header.size.rows
    level = header.levels[0]
    return (
        (header.page.rows, header.page.cols) == (matrix.tile_height, matrix.tile_width)
        and (level.pages.rows, level.pages.cols) == (matrix.matrix_height, matrix.matrix_width)
        and math.isclose(width, matrix.cell_width, rel_tol=EDGE_TOLERANCE)
        and math.isclose(height, matrix.cell_height, rel_tol=EDGE_TOLERANCE)
        and abs(bounds.west - matrix.origin_x) <= EDGE_TOLERANCE * matrix.cell_width
        and abs(bounds.north - matrix.origin_y) <= EDGE_TOLERANCE * matrix.cell_height
    )


def _authority(projection: str) -> str:
    """Return ``AUTHORITY:CODE`` of a CRS, empty where it has none or is none."""
    try:
        name = CRS.from_user_input(projection).to_authority()
    except CRSError:
        return ""
    return "" if name is None else ":".join(name)
