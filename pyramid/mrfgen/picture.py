"""One input picture of mrfgen: its place, its bands and its palette, read with rasterio (the extra ``geotiff``)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.errors import MrfError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from numpy.typing import NDArray

try:
    import rasterio
except ImportError:  # the extra is not installed
    rasterio = None

RASTER_ERRORS: tuple[type[Exception], ...] = () if rasterio is None else (rasterio.errors.RasterioError,)
"""What reading a damaged picture raises."""
MAX_PIXELS = 1 << 34
"""Pixels of a picture that are read: one of the globe at 250 m has 1.3e10. Pictures are decoded in strips."""
WHOLE_PIXELS = 1 << 28
"""Pixels of a picture that is decoded as a whole: interlaced PNG."""
CACHE_BYTES = 64 << 20
"""Of GDAL's block cache."""
_INTERLACE_AT = 28
"""Byte of a PNG that states whether it is interlaced (PNG specification, 11.2.2)."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture with a place on the Earth."""

    path: Path
    width: int
    height: int
    west: float
    north: float
    cell_width: float
    cell_height: float
    """Positive: rows run from north to south."""
    bands: int
    dtype: str
    colours: tuple[str, ...]
    """Colour interpretation of each band, such as ``red``, ``alpha``, ``palette``."""
    palette: tuple[tuple[int, int, int, int], ...]
    """RGBA of each index; empty without a palette."""
    nodata: float | None
    crs: str
    """WKT; empty where the file states none."""

    @property
    def east(self) -> float:
        """Right edge."""
        return self.west + self.width * self.cell_width

    @property
    def south(self) -> float:
        """Lower edge."""
        return self.north - self.height * self.cell_height

    @property
    def has_alpha(self) -> bool:
        """Whether the last band is the opacity."""
        return self.colours[-1] == "alpha"


def open_raster(path: Path | str) -> AbstractContextManager[Any]:
    """Open a raster with rasterio.

    Args:
        path: Of the file.

    Returns:
        The dataset, to be closed.

    Raises:
        MrfError: rasterio is not installed, or the file is no raster.
    """
    if rasterio is None:
        raise MrfError("pictures of a mrfgen configuration need rasterio: pip install 'lazytile[geotiff]'")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # without a CRS or a place: checked by the callers
            opened: AbstractContextManager[Any] = rasterio.open(path)
            return opened
    except rasterio.errors.RasterioIOError as error:
        raise MrfError(f"{path} cannot be read as a picture: {' '.join(str(error).split())[:200]}") from error


def read_picture(path: Path, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read what a picture is, without its pixels.

    Args:
        path: Of the file.
        max_pixels: Pixels that a picture may have.

    Returns:
        The picture.

    Raises:
        MrfError: The file is no picture, has no place or is not north-up, or has too many pixels.
    """
    with open_raster(path) as file:
        _check_pixels(path, file.width, file.height, max_pixels)
        place = file.transform
        if place.is_identity:
            raise MrfError(f"{path} has no place on the Earth: neither georeference nor world file")
        if place.b or place.d or place.a <= 0 or place.e >= 0:
            raise MrfError(f"{path} is not north-up; warp it first (gdalwarp)")
        colours = tuple(each.name for each in file.colorinterp)
        table = file.colormap(1) if colours[0] == "palette" else {}
        return Picture(
            path,
            file.width,
            file.height,
            place.c,
            place.f,
            place.a,
            -place.e,
            file.count,
            file.dtypes[0],
            colours,
            tuple(table[index] for index in sorted(table)),
            file.nodatavals[0],
            file.crs.to_wkt() if file.crs else "",
        )


def _check_pixels(path: Path, width: int, height: int, max_pixels: int) -> None:
    with path.open("rb") as file:
        head = file.read(_INTERLACE_AT + 1)
    is_whole = head.startswith(b"\x89PNG") and head[_INTERLACE_AT:] == b"\x01"
    limit = min(max_pixels, WHOLE_PIXELS) if is_whole else max_pixels
    if width * height > limit:
        kind = ", which is interlaced and must be decoded as a whole," if is_whole else ""
        raise MrfError(
            f"{path}{kind} has {width} x {height} pixels, more than the {limit} that are read; "
            "--max-picture-pixels allows more"
        )


def strips(file: Any, rows: int) -> Iterator[tuple[Any, NDArray[Any]]]:
    """Yield a raster in strips.

    Args:
        file: As ``open_raster`` returns it.
        rows: Of a strip.

    Yields:
        The window and its pixels, shape (bands, rows, cols).
    """
    import rasterio.windows  # noqa: PLC0415 - the extra is there if a file is

    for top in range(0, file.height, rows):
        window = rasterio.windows.Window(0, top, file.width, min(rows, file.height - top))
        pixels: NDArray[Any] = file.read(window=window)
        yield window, pixels


def colours_of(pixels: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Return colours as numbers.

    Args:
        pixels: Shape (3 or 4, ...), uint8: red, green, blue, and perhaps alpha.

    Returns:
        Shape (...), uint32; opaque where there is no alpha.
    """
    parts = pixels.astype(np.uint32)
    alpha = parts[3] if len(parts) > 3 else np.uint32(255)
    packed: NDArray[np.uint32] = parts[0] << 24 | parts[1] << 16 | parts[2] << 8 | alpha
    return packed
