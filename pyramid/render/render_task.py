"""What to render: a frozen, picklable value that describes a block of tiles completely."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.core.request_field import RequestField
from lazytile.pyramid.render.image import ImageFormat, png8_encoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lazytile.colormaps.compiled.palette import Palette
    from lazytile.pyramid.render.expression import Expression
    from lazytile.pyramid.render.filters import Filter
    from lazytile.pyramid.render.location import TileBlock
    from lazytile.pyramid.resampling.method import Resampling
    from lazytile.pyramid.tiling.tms import TileMatrix, TileMatrixSet

RENDERER_VERSION = 4
"""Part of every key; incremented whenever an equal request yields other bytes.

Version 3 changed modes at the edge of the data, the last digits of hillshades, and the sign of means of zeros; version
4 the compression of pictures.
"""
WHITE = (255, 255, 255)
LOCALITY_TILES = 4
"""Tiles on a side of a square that goes to one worker: its tiles share most chunks, and squares are many."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One variable as the brightness of one colour."""

    variable: str
    minimum: float
    """Darkest value, in the variable's units."""
    maximum: float
    """Brightest value; below ``minimum`` for an inverted channel."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.minimum) and math.isfinite(self.maximum)) or self.minimum == self.maximum:
            raise InvalidParameterError(
                RequestField.RESCALE, f"a colour needs two different finite values, got {self.minimum},{self.maximum}"
            )

    def brightness(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the brightness of values.

        Args:
            values: Any shape, float64, units of the variable.

        Returns:
            Same shape, float64, 0 to 255; NaN for NaN.
        """
        return np.clip((values - self.minimum) / (self.maximum - self.minimum), 0.0, 1.0) * 255.0


@dataclass(frozen=True, slots=True)
class Rgb:
    """Three variables of a dataset as one picture."""

    red: Channel
    green: Channel
    blue: Channel

    @property
    def channels(self) -> tuple[Channel, Channel, Channel]:
        """Red, green and blue."""
        return (self.red, self.green, self.blue)

    def pixels(self, values: Sequence[NDArray[np.float64]]) -> NDArray[np.uint8]:
        """Return the colours of values.

        Args:
            values: Of each channel: shape (height, width), float64, units of its variable; NaN for no data.

        Returns:
            Shape (height, width, 4), uint8; transparent black where a channel has no data.
        """
        channels = [channel.brightness(each) for channel, each in zip(self.channels, values, strict=True)]
        shown = np.logical_and.reduce([np.isfinite(channel) for channel in channels])
        pixels = np.zeros((*shown.shape, 4), np.uint8)
        for at, channel in enumerate(channels):
            pixels[..., at] = np.where(shown, np.rint(channel), 0.0)
        pixels[..., 3] = shown * np.uint8(255)
        return pixels


def shown_variables(variable: str, expression: Expression | None, rgb: Rgb | None) -> tuple[str, ...]:
    """Return the names of the variables whose values a picture shows.

    Args:
        variable: The layer's variable.
        expression: Computed instead of it, or None.
        rgb: Shown instead of it, or None.

    Returns:
        The names.
    """
    if rgb is not None:
        return tuple(channel.variable for channel in rgb.channels)
    return (variable,) if expression is None else tuple(expression.variables)


@dataclass(frozen=True)  # without slots: ``TileTemplate`` makes one from a dictionary
class RenderTask:
    """A block of tiles of one layer in one style: what to compute and where its data is."""

    store: str
    """Folder of the store, as seen by the process that renders."""
    dataset: str
    generation: str
    """Of the content that is shown, as ``Dataset.content_generation`` returns it."""
    variable: str
    dim_index: tuple[int, ...]
    """Index along each dimension before rows and columns."""
    tms: TileMatrixSet
    matrix: TileMatrix
    block: TileBlock
    palette: Palette
    image_format: ImageFormat = ImageFormat.PNG
    background: tuple[int, int, int] = WHITE
    """Seen through transparent colours in formats without alpha."""
    resampling: Resampling | None = None
    """As requested; None where the request names no method."""
    default_resampling: Resampling | None = None
    """Method where none is requested, for ``matrix`` only; None if the renderer is to find it."""
    expression: Expression | None = None
    """Computed instead of ``variable`` where there is one."""
    filter: Filter | None = None
    rgb: Rgb | None = None
    """Shown instead of ``variable`` in ``palette`` where there is one."""

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the variables that the pixels show."""
        return shown_variables(self.variable, self.expression, self.rgb)

    @property
    def is_computed(self) -> bool:
        """Whether the values shown are computed from those of variables, by an expression or a filter."""
        return self.expression is not None or self.filter is not None

    @property
    def locality(self) -> str:
        """Name of what the task reads: tasks of one name share chunks in a worker's memory."""
        near = (self.block.row // LOCALITY_TILES, self.block.col // LOCALITY_TILES)
        return repr((self.dataset, self.generation, self.variable, self.dim_index, self.matrix.identifier, near))

    def value_key(self, variable: str) -> tuple[object, ...]:
        """Return the key of a block's values, before any colour.

        Args:
            variable: The variable, or the layer's where there is an expression.

        Returns:
            Everything that determines the values.
        """
        tiles = (self.tms.identifier, self.matrix, self.block)
        pixels = (self.resampling, self.expression, self.filter)
        return (self.store, self.dataset, self.generation, variable, self.dim_index, tiles, pixels)

    @property
    def key(self) -> str:
        """Hash of everything that determines the bytes: a cluster computes equal tasks once."""
        return self.tile_key(self.block)

    def tile_key(self, block: TileBlock) -> str:
        """Return the key of a block, such as a single tile, of the same layer, style and matrix.

        Args:
            block: The block.

        Returns:
            64 hexadecimal digits: the key of the tile caches and, quoted, the ETag.
        """
        return hashlib.sha256(self.key_text(block).encode()).hexdigest()

    def key_text(self, block: object) -> str:
        """Return the text whose hash is the key of a block.

        Args:
            block: The block, or what stands for it.

        Returns:
            The text, which contains the ``repr`` of the block once.
        """
        parts = (
            RENDERER_VERSION,
            self.dataset,
            self.generation,
            self.variable,
            self.dim_index,
            self.tms.identifier,
            block,
            "usual" if self.resampling is None else self.resampling.value,
            self.expression,
            self.filter,
            self.rgb or self.palette.key,
            self.image_format.mime,
            self.background if self.image_format is ImageFormat.JPEG else None,
            # A host without the native kernel compresses otherwise: its tiles are others' with another ETag.
            png8_encoder() if self.image_format is ImageFormat.PNG else None,
        )
        return f"{parts!r}{_text_of(self.matrix)}"


@process.memo
def _text_of(matrix: TileMatrix) -> str:
    """Return a matrix as text, exact and equal in every process. Formatting ten numbers costs more than a look-up."""
    return repr(matrix)
