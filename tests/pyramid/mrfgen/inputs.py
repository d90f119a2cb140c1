"""Pictures of the kinds that OnEarth's configurations of mrfgen name, made of waves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import rasterio
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

PALETTE = [(0, 0, 0, 0), *((index, (index * 7) % 256, 255 - index, 255) for index in range(1, 200))]
COLORMAP = "<ColorMap>" + "".join(
    f'<ColorMapEntry rgb="{red},{green},{blue}" transparent="{"false" if alpha else "true"}" value="[{at}]"/>'
    for at, (red, green, blue, alpha) in enumerate(PALETTE)
)
COLORMAP += "</ColorMap>"
OTHER = [(index, 255 - index, 9, 255 if index else 0) for index in range(256)]
"""A palette in files whose colours a configuration overwrites."""


def index(rows: int, cols: int, seed: float = 0.0) -> np.ndarray:
    """Palette indices; 0, no data, in patches and around the edge."""
    y, x = np.mgrid[:rows, :cols]
    waves = 100 + 50 * np.sin(y / 19 + seed) + 49 * np.cos(x / 23 - seed)
    waves[np.sin(y / 31) * np.cos(x / 41 + seed) > 0.6] = 0
    waves[:3] = waves[-2:] = 0
    return np.clip(waves, 0, 199).astype(np.uint8)


def colours(rows: int, cols: int, seed: float = 0.0) -> np.ndarray:
    """Smooth colours, never black, shape (rows, cols, 3)."""
    y, x = np.mgrid[:rows, :cols]
    parts = [128 + 90 * np.sin(y / (60 + 9 * at) + x / 80 + at + seed) for at in range(3)]
    return np.stack(parts, axis=-1).astype(np.uint8)


def rgba(rows: int, cols: int, seed: float = 0.0) -> np.ndarray:
    """The colours of ``PALETTE``, shape (rows, cols, 4): what it hides is transparent black."""
    return np.array(PALETTE, np.uint8)[index(rows, cols, seed)]


def _world(path: Path, west: float, north: float, cell: float) -> None:
    path.write_text(f"{cell!r}\n0\n0\n{-cell!r}\n{west + cell / 2!r}\n{north - cell / 2!r}\n")


def _palette_png(path: Path, west: float, north: float, cell: float, rows: int, cols: int) -> Path:
    image = Image.fromarray(index(rows, cols), "P")
    image.putpalette([part for colour in PALETTE for part in colour[:3]])
    image.save(path.with_suffix(".png"), transparency=0)
    _world(path.with_suffix(".pgw"), west, north, cell)
    return path.with_suffix(".png")


def _picture(path: Path, kind: str, west: float, north: float, cell: float, pixels: np.ndarray) -> Path:
    name = path.with_suffix(f".{kind}")
    Image.fromarray(pixels).save(name, **({"quality": 95, "subsampling": 0} if kind == "jpg" else {}))
    _world(path.with_suffix(".jgw" if kind == "jpg" else ".pgw"), west, north, cell)
    return name


def _tiff(
    path: Path,
    west: float,
    north: float,
    cell: float,
    pixels: np.ndarray,
    *,
    crs: str = "EPSG:4326",
    palette: bool = False,
) -> Path:
    name = path.with_suffix(".tiff")
    bands = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    with rasterio.open(
        name,
        "w",
        driver="GTiff",
        width=bands.shape[2],
        height=bands.shape[1],
        count=len(bands),
        dtype="uint8",
        crs=crs,
        transform=rasterio.Affine(cell, 0, west, 0, -cell, north),
        photometric="PALETTE" if palette else "RGB",
        **({} if palette else {"alpha": "YES"} if len(bands) == 4 else {}),
    ) as file:
        file.write(bands)
        if palette:
            file.write_colormap(1, dict(enumerate(OTHER)))
    return name


def _vrt(path: Path) -> Path:
    """A palette whose right part lies beyond 180 degrees."""
    tiff = _tiff(path.with_name("vrt-source"), 157.5, 0.0, 0.0703125, index(320, 512), palette=True)
    with rasterio.open(tiff) as file:
        rasterio.shutil.copy(file, path.with_suffix(".vrt"), driver="VRT")
    return path.with_suffix(".vrt")


def make(kind: str, path: Path, number: int) -> Path:
    """Write a picture of a kind; return its path, whose ending belongs to the kind."""
    match kind:
        case "palette png":
            return _palette_png(path, -180.0, 90.0, 0.08991008991, 2002, 4004)
        case "rgb png":
            return _picture(path, "png", -180.0, 90.0, 0.17578125, colours(1024, 2048))
        case "polar jpeg":
            west, north = (-4194304.0, 0.0)[number % 2], (4194304.0, 0.0)[number // 2]
            return _picture(path, "jpg", west, north, 8192.0, colours(512, 512, number))
        case "globe jpeg":
            return _picture(path, "jpg", -180.0, 90.0, 0.17578125, colours(1024, 2048))
        case "quarter jpeg" | "quarter jpeg 2":
            west = -90.0 if kind == "quarter jpeg" else 0.0
            return _picture(path, "jpg", west, 45.0, 0.140625, colours(640, 640, number))
        case "palette granule" | "palette granule 2":
            west, north = (20.3, 51.7) if kind == "palette granule" else (40.1, 42.2)
            return _tiff(path, west, north, 0.0439453125, index(600, 700, number), palette=True)
        case "flood png" | "flood png 2":
            west = 9.0 if kind == "flood png" else 49.0
            return _picture(path, "png", west, 72.0, 0.087890625, rgba(455, 455, number))
        case "rgba tiff":
            return _tiff(path, -40.2, 30.4, 0.1, rgba(400, 500))
        case "rgba polar tiff":
            return _tiff(path, -2_000_000.0, 1_500_000.0, 10_000.0, rgba(250, 300, 2.0), crs="EPSG:3413")
        case "rgba antimeridian tiff":
            return _tiff(path, 165.1, 20.3, 0.1, rgba(300, 330, 1.0))
        case "rgba disc tiff":
            pixels = np.concatenate([colours(1200, 1200), np.full((1200, 1200, 1), 255, np.uint8)], axis=2)
            y, x = np.mgrid[:1200, :1200]
            pixels[(x - 600) ** 2 + (y - 600) ** 2 > 590**2] = 0
            return _tiff(path, -135.0, 60.0, 0.1, pixels)
        case "rgba granule tiff":
            return _tiff(path, -60.4, 48.9, 0.05, rgba(800, 900))
        case "palette vrt":
            return _vrt(path)
    raise ValueError(kind)
