"""One tile of a layer, its values and its picture, each computed when first asked for."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from PIL import Image

from lazytile.pyramid.render.image import ImageFormat
from lazytile.pyramid.render.renderer import render, render_values

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lazytile.pyramid.core.grid import Bounds
    from lazytile.pyramid.render.render_task import RenderTask


class Tile:
    """A tile of a layer. Notebooks show its picture."""

    def __init__(self, task: RenderTask) -> None:
        """Compute nothing yet.

        Args:
            task: The task of the tile, of one tile exactly.
        """
        self._task = task

    @property
    def tms(self) -> str:
        """Identifier of the tile matrix set."""
        return self._task.tms.identifier

    @property
    def matrix(self) -> str:
        """Identifier of the tile matrix: the zoom, in most sets."""
        return self._task.matrix.identifier

    @property
    def row(self) -> int:
        """Row, from the north."""
        return self._task.block.row

    @property
    def col(self) -> int:
        """Column, from the west."""
        return self._task.block.col

    @property
    def crs(self) -> str:
        """CRS of the set; longitude and easting come first."""
        return self._task.tms.crs

    @property
    def bounds(self) -> Bounds:
        """Outer edges in ``crs``: west, south, east, north."""
        return self._task.matrix.tile_bounds(self.row, self.col)

    @property
    def etag(self) -> str:
        """The ETag that a server gives the picture, without quotes."""
        return self._task.tile_key(self._task.block)

    @cached_property
    def array(self) -> NDArray[np.float64]:
        """Values in physical units, shape (height, width), float64; NaN for no data.

        Raises:
            GenerationChangedError: The dataset was replaced since the tile was asked for.
            StoreError: A chunk is missing or damaged.
        """
        values = render_values(replace(self._task, rgb=None))
        values.flags.writeable = False
        return values

    @cached_property
    def png(self) -> bytes:
        """The picture as PNG, the bytes that a server sends.

        Raises:
            GenerationChangedError: The dataset was replaced since the tile was asked for.
            StoreError: A chunk is missing or damaged.
        """
        return self.encoded("png")

    @property
    def image(self) -> Image.Image:
        """The picture, mode RGBA."""
        with Image.open(io.BytesIO(self.png)) as picture:
            return picture.convert("RGBA")

    def encoded(self, image_format: str) -> bytes:
        """Return the tile in a format, the bytes that a server sends.

        Args:
            image_format: An extension (``png``, ``jpg``, ``webp``, ``tif``, ``npy``, ``lerc``, ``terrain``).

        Returns:
            The file.

        Raises:
            InvalidParameterError: There is no such format.
            StoreError: A chunk is missing or damaged, or the dataset was replaced.
        """
        (encoded,) = render(replace(self._task, image_format=ImageFormat.from_extension(image_format)))
        return encoded

    def load(self) -> Tile:
        """Compute values and picture now.

        Returns:
            The tile itself.

        Raises:
            StoreError: A chunk is missing or damaged, or the dataset was replaced.
        """
        _ = self.array, self.png
        return self

    def _repr_png_(self) -> bytes:
        return self.png

    def __repr__(self) -> str:
        return (
            f"<lazytile.Tile {self._task.dataset}.{self._task.variable} {self.tms}/{self.matrix}/{self.row}/{self.col}>"
        )
