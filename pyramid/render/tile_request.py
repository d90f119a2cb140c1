"""A valid request for one tile: every name resolved, every number in range."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.core.request_field import RequestField
from lazytile.pyramid.render.default_resampling import default_resampling
from lazytile.pyramid.render.image import PALETTE_SIZE, ImageFormat
from lazytile.pyramid.render.location import TileBlock
from lazytile.pyramid.render.render_task import WHITE, RenderTask, shown_variables
from lazytile.pyramid.resampling.method import Resampling
from lazytile.pyramid.tiling.reprojection import keeps_axes_apart
from lazytile.pyramid.tiling.tms import metres_per_unit

if TYPE_CHECKING:
    from pathlib import Path

    from lazytile.pyramid.render.expression import Expression
    from lazytile.pyramid.render.filters import Filter
    from lazytile.pyramid.render.render_task import Rgb
    from lazytile.pyramid.render.style import Style
    from lazytile.pyramid.store.layer import Layer
    from lazytile.pyramid.tiling.tms import TileMatrix, TileMatrixSet


MAX_OVERZOOM = 1 << 26
"""Most pixels across one cell. The deepest registered sets stay below it for any sensible grid; beyond it, float64
could not separate neighbouring pixels to a small fraction of a pixel."""


LIGHT_PX = dict.fromkeys(Resampling, 0) | {Resampling.NEAREST: 512 * 512, Resampling.AVERAGE: 256 * 256}
"""Most pixels of a tile that may be rendered on the event loop (``engines.inline_render``), in a millisecond or two."""
MAX_TILE_SIDE_PX = 2048
"""Of a tile as rendered, so after ``@2x``: memory grows with the pixels."""


@dataclass(frozen=True, slots=True)
class PixelOptions:
    """What a request may specify of its pixels besides location, time and style."""

    resampling: Resampling | None = None
    """None for the default of ``default_resampling``."""
    expression: Expression | None = None
    """Shown instead of the layer's variable."""
    filter: Filter | None = None
    rgb: Rgb | None = None
    """Shown instead of the layer's variable in its style."""


@dataclass(frozen=True)  # without slots: ``TileTemplate`` makes one from a dictionary
class TileRequest:
    """One tile of a layer. An invalid one cannot be built."""

    layer: Layer
    style: Style
    dim_index: tuple[int, ...]
    """Index along each of the layer's dimensions."""
    tms: TileMatrixSet
    matrix: TileMatrix
    row: int
    col: int
    image_format: ImageFormat
    pixels: PixelOptions = PixelOptions()
    shown_variables: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """Names of the variables whose values the pixels show."""
    generation: str = field(init=False, repr=False, compare=False)
    """Of the content that is shown, as ``Dataset.content_generation`` returns it."""
    default_resampling: Resampling = field(init=False, repr=False, compare=False)
    """Method of a request that names none."""

    def __post_init__(self) -> None:
        self.matrix.check(self.row, self.col)
        side = max(self.matrix.tile_width, self.matrix.tile_height)
        if side > MAX_TILE_SIDE_PX:
            raise InvalidParameterError(
                RequestField.TILE_MATRIX, f"a tile has at most {MAX_TILE_SIDE_PX} pixels a side, this one has {side}"
            )
        grid = self.layer.dataset.grid
        pixel_m = self.matrix.cell_width * metres_per_unit(self.tms.crs)
        if grid.x.cell_size * metres_per_unit(grid.crs) > MAX_OVERZOOM * pixel_m:
            raise InvalidParameterError(
                RequestField.TILE_MATRIX,
                f"tile matrix {self.matrix.identifier} is too fine for {self.layer.name}: a cell would be over "
                f"{MAX_OVERZOOM} pixels wide",
            )
        if self.image_format.is_data and self.pixels.rgb is not None:
            raise InvalidParameterError(
                RequestField.FORMAT, "a picture of three variables has no values: ask for png, jpg or webp"
            )
        dimensions = self.layer.variable.dimensions
        if len(dimensions) != len(self.dim_index):
            raise ValueError(f"index {self.dim_index} does not fit {len(dimensions)} dimensions")
        for at, dimension in zip(self.dim_index, dimensions, strict=True):
            if not 0 <= at < len(dimension.labels):
                raise ValueError(f"index {self.dim_index} is outside dimension {dimension.name}")
        dataset = self.layer.dataset
        shown = shown_variables(self.layer.variable.name, self.pixels.expression, self.pixels.rgb)
        set_field = object.__setattr__  # the dataclass is frozen
        set_field(self, "shown_variables", shown)
        set_field(self, "generation", dataset.content_generation(shown, self.dim_index))
        set_field(self, "default_resampling", default_resampling(dataset, shown, self.tms, self.matrix))

    @property
    def resampling(self) -> Resampling:
        """The requested method, else the default one."""
        return self.pixels.resampling or self.default_resampling

    def canonical(self) -> TileRequest:
        """Return the request without a method that is the default anyway, so that equal pixels have one key."""
        if self.pixels.resampling is not self.default_resampling:
            return self
        return replace(self, pixels=replace(self.pixels, resampling=None))

    @property
    def is_light(self) -> bool:
        """Whether two vectors, a table and a few chunks that are at hand are enough for a tile."""
        pixels = self.pixels
        return (
            self.matrix.tile_width * self.matrix.tile_height <= LIGHT_PX[self.resampling]
            and (pixels.expression, pixels.filter, pixels.rgb) == (None, None, None)
            and self.image_format is ImageFormat.PNG
            and len(self.style.palette.rgba) <= PALETTE_SIZE
            and keeps_axes_apart(self.tms.crs, self.layer.dataset.grid.crs)
        )

    def task(self, store: Path, *, metatile: int = 1, background: tuple[int, int, int] = WHITE) -> RenderTask:
        """Return the task that renders this tile's metatile, which ends at the edge of the matrix.

        The metatiles of a matrix do not overlap, so neighbouring tiles have the same task.

        Args:
            store: Folder of the store, absolute if another process is to find it.
            metatile: Tiles on a side of the metatile.
            background: Red, green and blue behind transparent colours, in formats without alpha.

        Returns:
            The task.
        """
        block = metatile_of(self.matrix, self.row, self.col, metatile)
        return RenderTask(
            str(store),
            self.layer.dataset.name,
            self.generation,
            self.layer.variable.name,
            self.dim_index,
            self.tms,
            self.matrix,
            block,
            self.style.palette,
            self.image_format,
            background,
            resampling=self.pixels.resampling,
            default_resampling=self.default_resampling,
            expression=self.pixels.expression,
            filter=self.pixels.filter,
            rgb=self.pixels.rgb,
        )

    @property
    def tile(self) -> TileBlock:
        """This tile as a block, for ``RenderTask.tile_key``."""
        return TileBlock(self.row, self.col)


def metatile_of(matrix: TileMatrix, row: int, col: int, side: int) -> TileBlock:
    """Return the metatile that a tile belongs to; it ends at the edge of the matrix.

    Args:
        matrix: The matrix.
        row: Row of the tile.
        col: Column of the tile.
        side: Tiles on a side.

    Returns:
        The block.
    """
    top, left = row // side * side, col // side * side
    return TileBlock(top, left, min(side, matrix.matrix_height - top), min(side, matrix.matrix_width - left))
