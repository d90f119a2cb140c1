"""What an export will write: files, headers, and the tasks that make the pages. Made without touching data."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from pyproj import CRS
from pyproj.enums import WktVersion
from pyproj.exceptions import CRSError

from lazytile.pyramid.errors import MrfError
from lazytile.pyramid.grid import GEOGRAPHIC_CODES, Bounds, Shape
from lazytile.pyramid.image import padded_palette
from lazytile.pyramid.layer import NATIVE
from lazytile.pyramid.mapping import keeps_axes_apart
from lazytile.pyramid.mrf import Compression, MrfHeader
from lazytile.pyramid.mrf_effort import Effort
from lazytile.pyramid.mrf_encode import BANDS, DEFAULT_QUALITY, VALUE_TYPES, PageFormat
from lazytile.pyramid.mrf_name import file_stems
from lazytile.pyramid.plan import TileBlock, locate
from lazytile.pyramid.task import RENDERER_VERSION, RenderTask
from lazytile.pyramid.tms import metres_per_unit, native_set

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lazytile.pyramid.layer import Layer
    from lazytile.pyramid.mrf import MrfLevel
    from lazytile.pyramid.style import Style
    from lazytile.pyramid.tms import TileMatrix, TileMatrixSet

OPEN_ENDED_SETS = frozenset({"WebMercatorQuad", "WorldCRS84Quad"})
"""Sets that go on far beyond any data. A GIBS set has the size that its layers have, and is exported whole."""
EDGE_TOLERANCE = 1e-6
"""Pixels: the globe is so many of them wide, up to rounding."""
JOB_PIXELS = 64 * 256 * 256
"""Of the pages that one task makes: some 50 ms of work, so that what Dask spends on a task does not show."""
MAX_PAGE = 4096
MIN_PAGE = 64
"""Pixels: of a smaller page the palette alone has more bytes than GDAL takes for sane."""


@dataclass(frozen=True, slots=True)
class PageRun:
    """Neighbouring pages of one row of a level. ``task`` makes them; without one none of them holds data."""

    count: int
    task: RenderTask | None


@dataclass(frozen=True, slots=True)
class MrfPlan:
    """One MRF to write."""

    path: Path
    header: MrfHeader
    layer: Layer
    matrices: tuple[TileMatrix, ...]
    """What each level shows, full resolution first."""
    task: RenderTask
    """The pattern of every task: only matrix and block differ."""
    page_format: PageFormat
    shares_pages: bool
    """Whether equal pages are stored once."""

    def runs(self, first: int = 0) -> Iterator[PageRun]:
        """Yield what makes every page from record ``first`` on, in the order of the index."""
        for level, matrix in zip(self.header.levels, self.matrices, strict=True):
            rows, cols = self._reached(matrix, level.pages)
            for row in range(level.pages.rows):
                begun = first - level.first_record - row * level.pages.cols
                if begun < level.pages.cols:
                    yield from self._row(matrix, row, max(0, begun), cols & rows[row])

    def _row(self, matrix: TileMatrix, row: int, begin: int, reached: NDArray[np.bool_]) -> Iterator[PageRun]:
        a_task = max(1, JOB_PIXELS // (matrix.tile_width * matrix.tile_height))
        stops = (np.flatnonzero(np.diff(reached)) + 1).tolist()
        for start, stop in itertools.pairwise([0, *stops, len(reached)]):
            left = max(start, begin)
            if not reached[start]:
                if left < stop:
                    yield PageRun(stop - left, None)
                continue
            for col in range(left, stop, a_task):
                count = min(a_task, stop - col)
                block = TileBlock(row, col, 1, count)
                yield PageRun(count, replace(self.task, matrix=matrix, block=block))

    def _reached(self, matrix: TileMatrix, pages: Shape) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which rows and columns of pages the data's grid reaches: shapes (rows,) and (columns,)."""
        dataset = self.layer.dataset
        is_apart = keeps_axes_apart(self.task.tms.crs, dataset.grid.crs)
        if not is_apart or not self.page_format.drops_blank(self.task.palette.rgba):
            # Every pixel would have to be located, or blank pages are wanted: the renderer makes them all.
            return np.ones(pages.rows, np.bool_), np.ones(pages.cols, np.bool_)
        whole = TileBlock(0, 0, pages.rows, pages.cols)
        location = locate(dataset.grid, dataset.levels, self.task.tms, matrix, whole)
        rows: NDArray[np.bool_] = np.any(np.isfinite(location.y).reshape(pages.rows, -1), axis=1)
        cols: NDArray[np.bool_] = np.any(np.isfinite(location.x).reshape(pages.cols, -1), axis=1)
        return rows, cols


def plan_mrfs(
    store: Path,
    layer: Layer,
    style: Style,
    folder: Path,
    *,
    tms: str = NATIVE,
    finest: str | None = None,
    page: int | None = None,
    select: Mapping[str, Sequence[str]] | None = None,
    compression: Compression = Compression.PPNG,
    quality: int = DEFAULT_QUALITY,
    effort: Effort = Effort.SERVED,
    share_pages: bool = False,
) -> list[MrfPlan]:
    """Plan the MRFs of a layer in one style, one for each step of its dimensions.

    ``tms``: ``native`` for the data's own grid (a page is a chunk, a pixel a cell), or a registered set. ``finest``:
    its matrix that full resolution shows; else its last one, and of a set that goes on far beyond any data the first
    as fine as the data. ``page``: pixels along a side of a page of the native grid, the chunk's without it; a
    registered set has its tiles. ``select``: labels wanted, by dimension. ``compression`` decides
    what pages hold: PPNG palette indices, PNG, JPEG and JPNG colours, the others the data's codes; ``quality`` is
    JPEG's, ``effort`` how hard PPNG and DEFLATE pages are compressed.
    ``share_pages``: store equal pages once. Raises ``MrfError`` and ``RequestError`` for what
    the layer does not have.
    """
    chosen = _paged(layer, layer.tile_matrix_set(tms), page)
    position = _finest(chosen, layer, finest)
    page_format = PageFormat(compression, effort, quality)
    header = _header(layer, style, chosen, chosen.matrices[position], page_format)
    matrices = tuple(_level_matrix(chosen, position, level) for level in header.levels)
    plans = []
    for stem, leading in file_stems(layer, select or {}):
        task = RenderTask(
            str(store.resolve()),
            layer.dataset.name,
            layer.dataset.content_generation([layer.variable.name], leading),
            layer.variable.name,
            leading,
            chosen,
            matrices[0],
            TileBlock(0, 0),
            style.palette,
        )
        notes = _notes(layer, style, chosen, matrices[0], leading)
        notes += (("encoder", page_format.encoder), ("shared", str(share_pages).lower()))
        own = replace(header, notes=notes)
        plans.append(MrfPlan(folder / f"{stem}.mrf", own, layer, matrices, task, page_format, share_pages))
    return plans


def _paged(layer: Layer, tms: TileMatrixSet, page: int | None) -> TileMatrixSet:
    """Return the set with tiles of the size asked for."""
    tile = tms.matrices[-1]
    if page is None or (page, page) == (tile.tile_width, tile.tile_height):
        return tms
    if tms.identifier != layer.native_set.identifier:
        raise MrfError(f"the tiles of {tms.identifier} have {tile.tile_width} pixels, only native takes other pages")
    if page % 2 or not MIN_PAGE <= page <= MAX_PAGE:
        raise MrfError(f"pages of {page} pixels cannot be, an even number from {MIN_PAGE} to {MAX_PAGE} can")
    dataset = layer.dataset
    return native_set(dataset.name, dataset.grid, dataset.levels, Shape(page, page))


def _finest(tms: TileMatrixSet, layer: Layer, asked: str | None) -> int:
    """Return the position of the matrix that full resolution shows."""
    if asked is not None:
        return tms.matrices.index(tms.matrix(asked))
    grid = layer.dataset.grid
    cell_metres = metres_per_unit(grid.crs) * min(grid.x.cell_size, -grid.y.cell_size) * (1 + 1e-9)
    if tms.identifier in OPEN_ENDED_SETS:
        for position, matrix in enumerate(tms.matrices):
            if metres_per_unit(tms.crs) * matrix.cell_width <= cell_metres:
                return position
    return len(tms.matrices) - 1


def _full_size(layer: Layer, tms: TileMatrixSet, matrix: TileMatrix) -> Shape:
    """Return the pixels of the matrix that lie within the set's bounds; a GIBS matrix reaches past the globe."""
    if tms.is_native:
        return layer.dataset.grid.shape
    width = (tms.bounds.east - matrix.origin_x) / matrix.cell_width
    height = (matrix.origin_y - tms.bounds.south) / matrix.cell_height
    return Shape(math.ceil(height - EDGE_TOLERANCE), math.ceil(width - EDGE_TOLERANCE))


def _header(layer: Layer, style: Style, tms: TileMatrixSet, matrix: TileMatrix, page_format: PageFormat) -> MrfHeader:
    page = Shape(matrix.tile_height, matrix.tile_width)
    if min(page.rows, page.cols) < MIN_PAGE:
        raise MrfError(f"{layer.name} has chunks of {page.cols} x {page.rows}, the pages of an MRF need {MIN_PAGE}")
    size = _full_size(layer, tms, matrix)
    if tms.is_native:
        bounds = layer.dataset.grid.bounds
    else:
        east = matrix.origin_x + size.cols * matrix.cell_width
        bounds = Bounds(matrix.origin_x, matrix.origin_y - size.rows * matrix.cell_height, east, matrix.origin_y)
    header = MrfHeader(
        size,
        page,
        page_format.compression,
        # The overviews of a single page are none, and some readers stumble over being told about them.
        has_overviews=size.rows > page.rows or size.cols > page.cols,
        bounds=bounds,
        projection=_well_known_text(tms.crs),
    )
    return _with_picture(header, style, page_format) if page_format.is_picture else _with_codes(header, layer, tms)


def _with_picture(header: MrfHeader, style: Style, page_format: PageFormat) -> MrfHeader:
    palette, bands = style.palette, BANDS[header.compression]
    if header.compression is not Compression.PPNG:
        quality = None if header.compression is Compression.PNG else page_format.quality
        return replace(header, bands=bands, page_bands=bands, quality=quality)
    if not palette.is_indexed:
        raise MrfError(f"style {style.name} has {len(palette.rgba)} colours, PPNG pages hold 256, PNG pages any number")
    colours = [(red, green, blue, alpha) for red, green, blue, alpha in padded_palette(palette.rgba).tolist()]
    return replace(header, nodata=(0.0,), palette=tuple(colours))


def _with_codes(header: MrfHeader, layer: Layer, tms: TileMatrixSet) -> MrfHeader:
    packing = layer.variable.packing
    if packing.dtype not in VALUE_TYPES:
        allowed = ", ".join(sorted(VALUE_TYPES))
        raise MrfError(f"{layer.name} has values of type {packing.dtype}, pages of values may be {allowed}")
    fill = packing.fill_code
    if fill is None and not tms.is_native:
        raise MrfError(f"{layer.name} has no code for no data, its values fit its own grid alone: --tms native")
    return replace(header, dtype=packing.dtype, nodata=() if fill is None else (fill,))


def _well_known_text(crs: str) -> str:
    """Return the CRS as OnEarth's files name it, in the first version of WKT, or as it is where that cannot be."""
    try:
        return str(CRS.from_user_input("EPSG:4326" if crs in GEOGRAPHIC_CODES else crs).to_wkt(WktVersion.WKT1_GDAL))
    except CRSError:
        return crs


def _level_matrix(tms: TileMatrixSet, finest: int, level: MrfLevel) -> TileMatrix:
    """Return what a level shows: a matrix of the set, and past its coarsest one that goes on halving."""
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
        raise MrfError(f"TileMatrixSet {tms.identifier} does not halve from matrix to matrix, as an MRF's levels do")
    return matrix


def _notes(
    layer: Layer, style: Style, tms: TileMatrixSet, matrix: TileMatrix, leading: tuple[int, ...]
) -> tuple[tuple[str, str], ...]:
    """Return all that decides the pages: an export goes on, and the service serves from it, where these agree."""
    return (
        ("layer", layer.name),
        ("generation", layer.dataset.content_generation([layer.variable.name], leading)),
        ("index", " ".join(map(str, leading))),
        ("style", style.name),
        ("palette", style.palette.key),
        ("tms", tms.identifier),
        ("matrix", matrix.identifier),
        ("renderer", str(RENDERER_VERSION)),
        ("scale_factor", repr(layer.variable.packing.scale_factor)),
        ("add_offset", repr(layer.variable.packing.add_offset)),
        ("units", layer.variable.units),
    )
