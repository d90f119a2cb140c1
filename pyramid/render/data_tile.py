"""Data tiles: values instead of colours, for clients that colour or compute themselves.

GeoTIFF, LERC and NumPy files carry float32 (NaN, or LERC's mask, where there is no data). Terrain-RGB carries heights
in steps of 0.1 m as the colours of a PNG (height = -10000 + (R * 65536 + G * 256 + B) * 0.1, transparent for no data).
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from lazytile.pyramid.render.lerc2 import encode_float32

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lazytile.pyramid.core.grid import Bounds

_MODEL_PIXEL_SCALE, _MODEL_TIEPOINT = 33550, 33922
_GEO_KEYS = 34735
_GDAL_NODATA = 42113
_DOUBLE, _SHORT, _ASCII = 12, 3, 2
_GEOGRAPHIC, _PROJECTED = 2, 1

TERRAIN_BASE_M = -10000.0
TERRAIN_STEP_M = 0.1


def encode_npy(values: NDArray[np.float64]) -> bytes:
    """Encode values as a float32 NumPy file (format 1.0).

    Args:
        values: Shape (height, width), float64; NaN for no data.

    Returns:
        The file.
    """
    stream = io.BytesIO()
    np.save(stream, values.astype(np.float32), allow_pickle=False)
    return stream.getvalue()


def encode_terrain(values: NDArray[np.float64]) -> bytes:
    """Encode heights as a Terrain-RGB PNG with alpha.

    Args:
        values: Shape (height, width), float64, metres; NaN for no data.

    Returns:
        The file.
    """
    shown = np.isfinite(values)
    steps = np.rint((np.where(shown, values, 0.0) - TERRAIN_BASE_M) / TERRAIN_STEP_M)
    steps = np.clip(steps, 0, 2**24 - 1).astype(np.uint32)
    rgba = np.stack((steps >> 16, steps >> 8 & 255, steps & 255, shown * 255), -1).astype(np.uint8)
    rgba[~shown] = 0
    stream = io.BytesIO()
    Image.fromarray(rgba).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def encode_lerc(values: NDArray[np.float64]) -> bytes:
    """Encode values as one lossless float32 Lerc2 blob with a mask.

    Args:
        values: Shape (height, width), float64; NaN for no data.

    Returns:
        The blob.

    Raises:
        InvalidParameterError: The optional LERC library is not installed.
    """
    mask = np.isfinite(values)
    return encode_float32(np.where(mask, values, 0.0).astype(np.float32), mask)


def encode_geotiff(values: NDArray[np.float64], bounds: Bounds, crs: str) -> bytes:
    """Encode values as a deflated float32 GeoTIFF 1.1.

    Args:
        values: Shape (height, width), float64; NaN for no data.
        bounds: Outer edges, in units of the CRS.
        crs: ``EPSG:nnnn``; a tile in any other CRS carries no CRS.

    Returns:
        The file.
    """
    height, width = values.shape
    tags = ImageFileDirectory_v2()
    x_size, y_size = (bounds.east - bounds.west) / width, (bounds.north - bounds.south) / height
    _put(tags, _MODEL_PIXEL_SCALE, _DOUBLE, (x_size, y_size, 0.0))
    _put(tags, _MODEL_TIEPOINT, _DOUBLE, (0.0, 0.0, 0.0, bounds.west, bounds.north, 0.0))
    _put(tags, _GDAL_NODATA, _ASCII, "nan")
    code = crs.removeprefix("EPSG:")
    if code.isdecimal():
        geographic = code == "4326"
        model, key = (_GEOGRAPHIC, 2048) if geographic else (_PROJECTED, 3072)
        keys = ((1024, 0, 1, model), (1025, 0, 1, 1), (key, 0, 1, int(code)))
        _put(tags, _GEO_KEYS, _SHORT, (1, 1, 1, len(keys), *(number for entry in keys for number in entry)))
    stream = io.BytesIO()
    Image.fromarray(values.astype(np.float32)).save(stream, "TIFF", tiffinfo=tags, compression="tiff_adobe_deflate")
    return stream.getvalue()


def _put(tags: ImageFileDirectory_v2, tag: int, kind: int, value: object) -> None:
    tags.tagtype[tag] = kind
    tags[tag] = value
