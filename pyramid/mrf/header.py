"""The header of an export, and the tile matrix of each of its levels. Planned without touching data."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from pyproj import CRS
from pyproj.enums import WktVersion
from pyproj.exceptions import CRSError

from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.core.grid import GEOGRAPHIC_CODES, Bounds, Shape
from lazytile.pyramid.mrf.model import Compression, MrfHeader
from lazytile.pyramid.mrf.zen import mask_fits
from lazytile.pyramid.render.image import padded_palette
from lazytile.pyramid.render.render_task import RENDERER_VERSION, shown_variables
from lazytile.pyramid.tiling.native_set import native_set
from lazytile.pyramid.tiling.tms import metres_per_unit

if TYPE_CHECKING:
    from lazytile.pyramid.mrf.model import MrfLevel
    from lazytile.pyramid.mrf.page_encoding import PageFormat
    from lazytile.pyramid.render.render_task import Rgb
    from lazytile.pyramid.render.style import Style
    from lazytile.pyramid.store.layer import Layer
    from lazytile.pyramid.tiling.tms import TileMatrix, TileMatrixSet

OPEN_ENDED_SETS = frozenset({"WebMercatorQuad", "WorldCRS84Quad"})
"""Sets with matrices far finer than any data. A GIBS set has the size of its layers, and is exported whole."""
EDGE_TOLERANCE = 1e-6
"""Pixels by which the width of the globe may differ from a whole number, through rounding."""
MAX_PAGE = 4096
MIN_PAGE = 64
"""Pixels along a side: the palette alone of a smaller page has more bytes than GDAL accepts."""


def exported_set(layer: Layer, identifier: str) -> TileMatrixSet:
    """Return the set that an export is made in.

    Args:
        layer: To export.
        identifier: Of the set, or ``native``.

    Returns:
        The set. The native one has the bounds of the grid: a file states where it lies, and no map client cuts it at
        180 degrees.

    Raises:
        InvalidParameterError: There is no such set.
    """
    tms, dataset = layer.tile_matrix_set(identifier), layer.dataset
    if not tms.is_native:
        return tms
    return native_set(dataset.name, dataset.grid, dataset.levels, dataset.chunk, is_rolled=False)


def with_page_size(layer: Layer, tms: TileMatrixSet, page: int | None) -> TileMatrixSet:
    """Return a set with tiles of another size: the same pixels, cut differently.

    Args:
        layer: To export.
        tms: The set.
        page: Pixels along a side of a page; None: the set's.

    Returns:
        The set.

    Raises:
        MrfError: The size is not allowed.
    """
    tile = tms.matrices[-1]
    if page is None or (page, page) == (tile.tile_width, tile.tile_height):
        return tms
    if page % 2 or not MIN_PAGE <= page <= MAX_PAGE:
        raise MrfError(f"pages of {page} pixels are not allowed, an even number from {MIN_PAGE} to {MAX_PAGE} is")
    if tms.identifier != layer.native_set.identifier:
        return replace(tms, matrices=tuple(_cut(tms, matrix, page) for matrix in tms.matrices))
    dataset = layer.dataset
    return native_set(dataset.name, dataset.grid, dataset.levels, Shape(page, page), is_rolled=False)


def _cut(tms: TileMatrixSet, matrix: TileMatrix, page: int) -> TileMatrix:
    """Return a matrix of a set in tiles of another size."""
    size = _extent(tms, matrix)
    width, height = math.ceil(size.cols / page), math.ceil(size.rows / page)
    return replace(matrix, tile_width=page, tile_height=page, matrix_width=width, matrix_height=height)


def finest_index(tms: TileMatrixSet, layer: Layer, requested: str | None) -> int:
    """Return the index of the matrix that full resolution shows.

    Args:
        tms: The set.
        layer: To export.
        requested: Identifier of a matrix; None: the last, of an open-ended set the first as fine as the data.

    Returns:
        Index in ``tms.matrices``.
    """
    if requested is not None:
        return tms.matrices.index(tms.matrix(requested))
    grid = layer.dataset.grid
    cell_metres = metres_per_unit(grid.crs) * min(grid.x.cell_size, -grid.y.cell_size) * (1 + 1e-9)
    if tms.identifier in OPEN_ENDED_SETS:
        for position, matrix in enumerate(tms.matrices):
            if metres_per_unit(tms.crs) * matrix.cell_width <= cell_metres:
                return position
    return len(tms.matrices) - 1


def _full_size(layer: Layer, tms: TileMatrixSet, matrix: TileMatrix) -> Shape:
    """Return the pixels of the matrix that lie within the set's bounds; a GIBS matrix extends past the globe."""
    return layer.dataset.grid.shape if tms.is_native else _extent(tms, matrix)


def _extent(tms: TileMatrixSet, matrix: TileMatrix) -> Shape:
    width = (tms.bounds.east - matrix.origin_x) / matrix.cell_width
    height = (matrix.origin_y - tms.bounds.south) / matrix.cell_height
    return Shape(math.ceil(height - EDGE_TOLERANCE), math.ceil(width - EDGE_TOLERANCE))


def header_of(
    layer: Layer,
    style: Style,
    tms: TileMatrixSet,
    matrix: TileMatrix,
    page_format: PageFormat,
    *,
    rgb: Rgb | None = None,
) -> MrfHeader:
    """Return the header of an MRF.

    Args:
        layer: To export.
        style: Its colours.
        tms: The set.
        matrix: That full resolution shows.
        page_format: Of the pages.
        rgb: Shown instead of the layer in its style.

    Returns:
        The header.

    Raises:
        MrfError: The layer cannot be exported so.
    """
    page = Shape(matrix.tile_height, matrix.tile_width)
    if min(page.rows, page.cols) < MIN_PAGE:
        raise MrfError(
            f"{layer.name} has chunks of {page.cols} x {page.rows}, the pages of an MRF have at least {MIN_PAGE}"
        )
    if page_format.zen and not mask_fits(page):
        raise MrfError(f"the Zen mask of pages of {page.cols} x {page.rows} may not fit a JPEG, that of 720 x 720 does")
    size = _full_size(layer, tms, matrix)
    if tms.is_native:
        bounds = tms.bounds
    else:
        east = matrix.origin_x + size.cols * matrix.cell_width
        bounds = Bounds(matrix.origin_x, matrix.origin_y - size.rows * matrix.cell_height, east, matrix.origin_y)
    header = MrfHeader(
        size,
        page,
        page_format.compression,
        # A single page has no overviews, and some readers fail where the header announces them.
        has_overviews=size.rows > page.rows or size.cols > page.cols,
        bounds=bounds,
        projection=_well_known_text(tms.crs),
    )
    if page_format.is_image:
        return _with_colours(header, style, page_format, is_rgb=rgb is not None)
    precision = [("LERC_PREC", repr(page_format.max_error))] if page_format.max_error else []
    packing = [("DEFLATE", "ON")] if page_format.deflated else []
    return replace(_with_codes(header, layer, tms, page_format), options=(*precision, *packing))


def _with_colours(header: MrfHeader, style: Style, page_format: PageFormat, *, is_rgb: bool) -> MrfHeader:
    palette, bands = style.palette, page_format.bands
    if header.compression is not Compression.PPNG:
        if not is_rgb:
            page_format.page_colours(palette.rgba)  # grey pages refuse colours before any page is rendered
        quality = None if header.compression is Compression.PNG else page_format.quality
        photometric = "YCC" if page_format.full_chroma else ""
        # Under a Zen mask 0 is no data and nothing else is 0.
        nodata = (0.0,) if page_format.zen else ()
        return replace(header, bands=bands, page_bands=bands, quality=quality, photometric=photometric, nodata=nodata)
    if not palette.is_indexed:
        raise MrfError(f"style {style.name} has {len(palette.rgba)} colours, PPNG pages hold 256: use PNG pages")
    colours = [(red, green, blue, alpha) for red, green, blue, alpha in padded_palette(palette.rgba).tolist()]
    return replace(header, nodata=(0.0,), palette=tuple(colours))


def _with_codes(header: MrfHeader, layer: Layer, tms: TileMatrixSet, page_format: PageFormat) -> MrfHeader:
    packing = layer.variable.packing
    if packing.dtype not in page_format.value_types:
        allowed, name = ", ".join(sorted(page_format.value_types)), page_format.compression.name
        raise MrfError(f"{layer.name} has values of type {packing.dtype}, pages in {name} may be {allowed}")
    fill = packing.fill_code
    if fill is None and not tms.is_native:
        raise MrfError(
            f"{layer.name} has no code for no data, its values can only be exported on its own grid: --tms native"
        )
    return replace(header, dtype=packing.dtype, nodata=() if fill is None else (fill,))


def _well_known_text(crs: str) -> str:
    """Return a CRS in WKT 1, as OnEarth's files have it, or unchanged where WKT 1 cannot express it."""
    try:
        return str(CRS.from_user_input("EPSG:4326" if crs in GEOGRAPHIC_CODES else crs).to_wkt(WktVersion.WKT1_GDAL))
    except CRSError:
        return crs


def level_matrix(tms: TileMatrixSet, finest: int, level: MrfLevel) -> TileMatrix:
    """Return the tile matrix of a level: one of the set, or past its coarsest one a matrix that halves further.

    Args:
        tms: The set.
        finest: Index of the matrix that full resolution shows.
        level: Of the MRF.

    Returns:
        The matrix.

    Raises:
        MrfError: The set does not halve from matrix to matrix.
    """
    base = tms.matrices[finest]
    width, height = base.cell_width * (1 << level.number), base.cell_height * (1 << level.number)
    if level.number > finest:
        name, scale = f"-{level.number - finest}", base.scale_denominator * (1 << level.number)
        return replace(
            base,
            identifier=name,
            cell_width=width,
            cell_height=height,
            matrix_width=level.pages.cols,
            matrix_height=level.pages.rows,
            scale_denominator=scale,
        )
    matrix = tms.matrices[finest - level.number]
    fits = (
        math.isclose(matrix.cell_width, width, rel_tol=1e-9)
        and math.isclose(matrix.cell_height, height, rel_tol=1e-9)
        and (matrix.tile_width, matrix.tile_height) == (base.tile_width, base.tile_height)
        and (matrix.origin_x, matrix.origin_y) == (base.origin_x, base.origin_y)
        and (matrix.matrix_height, matrix.matrix_width) == (level.pages.rows, level.pages.cols)
    )
    if not fits:
        raise MrfError(f"tile matrix set {tms.identifier} does not halve from matrix to matrix, as an MRF's levels do")
    return matrix


def notes_of(
    layer: Layer,
    style: Style,
    tms: TileMatrixSet,
    matrix: TileMatrix,
    slices: tuple[tuple[int, ...], ...],
    *,
    rgb: Rgb | None = None,
) -> tuple[tuple[str, str], ...]:
    """Return everything that decides the pages: where these agree an export is resumed and the service serves from it.

    Args:
        layer: To export.
        style: Its colours.
        tms: The set.
        matrix: That full resolution shows.
        slices: Index along each dimension of each slice.
        rgb: Shown instead of the layer in its style.

    Returns:
        Names and values.
    """
    variables = list(shown_variables(layer.variable.name, None, rgb))
    return (
        ("layer", layer.name),
        ("generation", ";".join(layer.dataset.content_generation(variables, at) for at in slices)),
        ("index", ";".join(" ".join(map(str, dim_index)) for dim_index in slices)),
        ("style", style.name if rgb is None else "rgb"),
        ("palette", style.palette.key if rgb is None else repr(rgb)),
        ("tms", tms.identifier),
        ("matrix", matrix.identifier),
        ("renderer", str(RENDERER_VERSION)),
        ("scale_factor", repr(layer.variable.packing.scale_factor)),
        ("add_offset", repr(layer.variable.packing.add_offset)),
        ("units", layer.variable.units),
    )
