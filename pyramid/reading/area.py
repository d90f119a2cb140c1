"""The values of a layer in any rectangle of any CRS, resampled as in a tile."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyproj

from lazytile.pyramid.core.errors import InvalidParameterError, first_line
from lazytile.pyramid.core.grid import FULL_CIRCLE, GEOGRAPHIC_CODES, Bounds
from lazytile.pyramid.reading.arguments import Argument
from lazytile.pyramid.render.image import ImageFormat
from lazytile.pyramid.render.renderer import render_values
from lazytile.pyramid.render.tile_request import PixelOptions, TileRequest
from lazytile.pyramid.resampling.method import Resampling
from lazytile.pyramid.store.generation_attempts import generation_attempts
from lazytile.pyramid.tiling.native_set import crs_urn
from lazytile.pyramid.tiling.tms import PIXEL_SIZE_M, TileMatrix, TileMatrixSet, metres_per_unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr
    from numpy.typing import NDArray

    from lazytile.pyramid.reading.view import LayerView

PIECE_PX = 1024
"""Most pixels along a side of what is computed at once."""
DEFAULT_SIDE_PX = 512
MAX_PIXELS = 1 << 26
"""Most pixels of an area by default: 512 MiB of float64."""


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle of pixels."""

    crs: str
    bounds: Bounds
    width: int
    """Pixels."""
    height: int

    @classmethod
    def of(
        cls,
        bounds: Sequence[float],
        crs: object,
        width: int | None,
        height: int | None,
        max_pixels: int = MAX_PIXELS,
    ) -> Area:
        """Check the parts of an area.

        Args:
            bounds: West, south, east and north in the CRS; x first whatever the CRS says. In degrees, a west above
                the east crosses 180 degrees.
            crs: Anything that pyproj takes: ``EPSG:3857``, a number, WKT, a ``pyproj.CRS``.
            width: Pixels; None: what keeps pixels square.
            height: Pixels; None: what keeps pixels square.
            max_pixels: Most pixels.

        Returns:
            The area.

        Raises:
            InvalidParameterError: A part is invalid, or there are too many pixels.
        """
        name = _crs_text(crs)
        box = tuple(float(each) for each in bounds)
        if len(box) != 4 or not all(math.isfinite(each) for each in box):
            raise InvalidParameterError(Argument.BOUNDS, "bounds are west, south, east and north, four finite numbers")
        west, south, east, north = box
        if name in GEOGRAPHIC_CODES and east < west:
            east += FULL_CIRCLE
        if not (west < east and south < north):
            raise InvalidParameterError(
                Argument.BOUNDS,
                f"bounds are west, south, east and north, west below east and south below north; not {box}",
            )
        cols, rows = _size((east - west) / (north - south), width, height)
        if min(cols, rows) < 1 or cols * rows > max_pixels:
            raise InvalidParameterError(
                Argument.WIDTH,
                f"width and height are at least 1, and {max_pixels} pixels together at most; not {cols} x {rows}",
            )
        return cls(name, Bounds(west, south, east, north), cols, rows)

    @property
    def cell_width(self) -> float:
        """Width of a pixel, units of the CRS."""
        return (self.bounds.east - self.bounds.west) / self.width

    @property
    def cell_height(self) -> float:
        """Height of a pixel, units of the CRS."""
        return (self.bounds.north - self.bounds.south) / self.height

    def tile_matrix_set(self) -> TileMatrixSet:
        """Return a set of one matrix whose tiles cover the area, from its north-west corner."""
        side_x, side_y = min(self.width, PIECE_PX), min(self.height, PIECE_PX)
        scale = self.cell_width * metres_per_unit(self.crs) / PIXEL_SIZE_M
        matrix = TileMatrix(
            "area",
            self.cell_width,
            self.cell_height,
            self.bounds.west,
            self.bounds.north,
            side_x,
            side_y,
            math.ceil(self.width / side_x),
            math.ceil(self.height / side_y),
            scale,
        )
        return TileMatrixSet(f"area {self.crs}", "An area", self.crs, crs_urn(self.crs), None, (matrix,), self.bounds)


def _size(ratio: float, width: int | None, height: int | None) -> tuple[int, int]:
    """Return columns and rows; what is not given keeps pixels square."""
    if width is not None and height is not None:
        return int(width), int(height)
    if width is not None:
        return int(width), max(1, round(width / ratio))
    if height is not None:
        return max(1, round(height * ratio)), int(height)
    if ratio >= 1:
        return DEFAULT_SIDE_PX, max(1, round(DEFAULT_SIDE_PX / ratio))
    return max(1, round(DEFAULT_SIDE_PX * ratio)), DEFAULT_SIDE_PX


def _crs_text(crs: object) -> str:
    if isinstance(crs, str) and crs.upper() in ("CRS:84", "OGC:CRS84"):
        return "EPSG:4326"
    try:
        found = pyproj.CRS.from_user_input(crs)
    except pyproj.exceptions.CRSError as error:
        raise InvalidParameterError(Argument.CRS, f"crs {str(crs)[:60]!r} is not a CRS: {first_line(error)}") from error
    authority = found.to_authority(min_confidence=100)
    return found.to_wkt() if authority is None else ":".join(authority)


def read_area(view: LayerView, area: Area, resampling: str | None = None) -> xr.DataArray:
    """Read the values of a layer in an area.

    Args:
        view: The layer and its steps, one along each dimension.
        area: Where.
        resampling: A method by name; None for the one that a tile would have.

    Returns:
        Shape (height, width), dimensions ``y`` and ``x``, float64, physical units, NaN for no data; coordinates are
        pixel centres in the area's CRS.

    Raises:
        InvalidParameterError: The area or the method is invalid for the layer.
        StoreError: A chunk is missing or damaged.
    """
    import xarray as xr  # noqa: PLC0415 - takes half a second to import; tiles do not need it

    values: NDArray[np.float64] | None = None
    for attempt in generation_attempts():
        with attempt:
            values = _values(view, area, None if resampling is None else Resampling.parse(resampling))
            layer = view.layer()
    assert values is not None
    xs = area.bounds.west + (np.arange(area.width) + 0.5) * area.cell_width
    ys = area.bounds.north - (np.arange(area.height) + 0.5) * area.cell_height
    variable = layer.variable
    attributes = {"units": variable.units, "long_name": layer.title, "standard_name": variable.standard_name}
    return xr.DataArray(
        values,
        {"y": ys, "x": xs, "crs": ((), 0, _cf(area.crs))},
        ("y", "x"),
        variable.name,
        {name: text for name, text in attributes.items() if text} | {"grid_mapping": "crs"},
    )


def _cf(crs: str) -> dict[str, object]:
    return dict(pyproj.CRS.from_user_input(crs).to_cf())


def _values(view: LayerView, area: Area, resampling: Resampling | None) -> NDArray[np.float64]:
    layer, tms, style = view.layer(), area.tile_matrix_set(), view.style()
    (matrix,) = tms.matrices
    index = view.steps.one(layer.variable)
    values = np.empty((area.height, area.width))
    for row in range(matrix.matrix_height):
        for col in range(matrix.matrix_width):
            request = TileRequest(
                layer, style, index, tms, matrix, row, col, ImageFormat.NPY, PixelOptions(resampling=resampling)
            )
            piece = render_values(request.canonical().task(view.store.folder.resolve()))
            top, left = row * matrix.tile_height, col * matrix.tile_width
            part = values[top : top + matrix.tile_height, left : left + matrix.tile_width]
            part[...] = piece[: part.shape[0], : part.shape[1]]
    return values
