"""The commands of GDAL that OnEarth's mrfgen.py runs for a configuration, in its order and with its options.

mrfgen inserts pictures with ``mrf_insert`` where ``mrf_nocopy`` holds; the tool is not in Debian, so every picture here
goes through the mosaic that mrfgen builds in any case, and what it splits at 180 degrees is split with its commands.
"""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import rasterio

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = ("gdalbuildvrt", "gdalwarp", "gdal_translate", "gdaladdo")
EXTENTS = {"3857": "-20037508.34,-20037508.34,20037508.34,20037508.34", "3413": "-4194304,-4194304,4194304,4194304"}


def missing() -> str:
    """The first command that is not there."""
    return next((command for command in COMMANDS if shutil.which(command) is None), "")


def run(*command: object) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.stderr)


def indexed(picture: Path, palette: list[tuple[int, int, int, int]], fill: int, path: Path) -> Path:
    """As ``RgbPngToPalPng.py``: the number of each colour in the colormap."""
    with rasterio.open(picture) as file:
        pixels, profile = file.read(), file.profile
    wanted = np.array(palette, np.int64) @ (1 << 24, 1 << 16, 1 << 8, 1)
    alpha = pixels[3:] if len(pixels) == 4 else np.full((1, *pixels.shape[1:]), 255)
    found = np.moveaxis(np.concatenate([pixels[:3], alpha]).astype(np.int64), 0, -1) @ (1 << 24, 1 << 16, 1 << 8, 1)
    index = np.full(found.shape, fill, np.uint8)
    for number in range(len(palette) - 1, -1, -1):
        index[found == wanted[number]] = number
    profile = {key: profile[key] for key in ("width", "height", "crs", "transform")}
    with rasterio.open(path, "w", driver="GTiff", count=1, dtype="uint8", photometric="PALETTE", **profile) as file:
        file.write(index, 1)
        file.write_colormap(1, dict(enumerate(palette)))
    return path


def flattened(picture: Path, background: int | None, path: Path) -> Path:
    """Three bands, blended with a background or without their alpha."""
    with rasterio.open(picture) as file:
        pixels, profile = file.read(), file.profile
    colours = pixels[:3].astype(np.float64)
    if background is not None:
        share = pixels[3] / 255.0
        colours = np.rint(colours * share + background * (1 - share))
    profile = {key: profile[key] for key in ("width", "height", "crs", "transform")}
    with rasterio.open(path, "w", driver="GTiff", count=3, dtype="uint8", photometric="RGB", **profile) as file:
        file.write(colours.astype(np.uint8))
    return path


def reference(
    texts: dict[str, str], pictures: list[Path], work: Path, palette: list[tuple[int, int, int, int]]
) -> Path:
    """Make the MRF of a configuration's pictures with GDAL; return its path."""
    kind, epsg = texts["mrf_compression_type"], texts.get("target_epsg", "4326")
    nodata, source = texts.get("vrtnodata", ""), texts.get("source_epsg", "4326")
    extents = texts.get("target_extents") or EXTENTS.get(epsg, "-180,-90,180,90")
    west, south, east, north = extents.split(",")
    tiles = []
    for number, picture in enumerate(sorted(pictures, key=str)):
        tile = picture
        with rasterio.open(tile) as file:
            has_palette, bands, own = file.colorinterp[0].name == "palette", file.count, file.crs
            right, left = file.bounds.right, file.bounds.left
        if kind in ("JPEG", "ZEN") and bands == 4:
            background = {"black": 0, "white": 255}.get(texts.get("background", ""))
            tile = flattened(tile, background, work / f"{number}-flat.tif")
        if kind == "PPNG" and palette and not has_palette:
            tile = indexed(tile, palette, int(nodata or 0), work / f"{number}-indexed.tif")
        s_srs = f"EPSG:{own.to_epsg()}" if source == "detect" else f"EPSG:{source}"
        if s_srs != f"EPSG:{epsg}":
            moved = work / f"{number}-reproject.vrt"
            run("gdalwarp", "-q", "-overwrite", "-of", "vrt", "-s_srs", s_srs, "-t_srs", f"EPSG:{epsg}", tile, moved)
            tile = moved
        elif epsg == "4326" and right > float(east) and texts.get("mrf_nocopy", "true") == "true":
            halves = []
            for name, span in (("left", (left, float(east))), ("right", (float(east), right))):
                half = work / f"{number}-{name}.tif"
                with rasterio.open(tile) as file:
                    bounds = file.bounds
                run("gdalwarp", "-overwrite", "-te", span[0], bounds.bottom, span[1], bounds.top, tile, half)
                halves.append(half)
            with rasterio.open(halves[1], "r+") as file:
                file.transform = rasterio.Affine.translation(float(west) - float(east), 0) @ file.transform
            tiles += halves[:1]
            tile = halves[1]
        tiles.append(tile)
    (work / "tiles.txt").write_text("".join(f"{tile}\n" for tile in tiles))
    width, height = texts["outsize"].split() if "outsize" in texts else (texts.get("target_x"), texts.get("target_y"))
    cell_x = abs(float(east) - float(west)) / float(width)
    cell_y = abs(float(north) - float(south)) / float(height) if height else cell_x
    command = ["gdalbuildvrt", "-q", "-input_file_list", work / "tiles.txt", "-te", west, south, east, north]
    command += ["-a_srs", f"EPSG:{epsg}", "-resolution", "user", "-tr", repr(cell_x), repr(cell_y)]
    if nodata:
        command += ["-vrtnodata", nodata, "-srcnodata", nodata]
    vrt = work / "all.vrt"
    run(*command, vrt)
    height = height or str(round(abs(float(north) - float(south)) / cell_y))
    resize = texts.get("resize_resampling", "none")
    if resize != "none":
        resampled = work / "all-resample.vrt"
        run(
            *f"gdalwarp -of VRT -r {resize} -ts {width} {height} -te {west} {south} {east} {north}".split(),
            vrt,
            resampled,
        )
        vrt = resampled
    compress = {"ZEN": "JPEG", "PNG": "PNG"}.get(kind, kind)
    options = ["-co", f"COMPRESS={compress}", "-co", f"BLOCKSIZE={texts['mrf_blocksize']}"]
    options += ["-co", "QUALITY=80"] if compress in ("JPEG", "PNG", "JPNG") else []
    options += ["-co", "OPTIONS=JFIF:on"] if compress == "JPEG" and kind != "ZEN" else []
    options += ["-b", "1", "-b", "2", "-b", "3"] if compress == "JPEG" else []
    mrf = work / "reference.mrf"
    run("gdal_translate", "-q", "-of", "MRF", *options, "-outsize", width, height, vrt, mrf)
    factors = [str(2**power) for power in range(1, 4) if int(texts["mrf_blocksize"]) * 2 ** (power - 1) < int(width)]
    run("gdaladdo", "-q", "-r", texts.get("overview_resampling", "nearest"), mrf, *factors)
    return mrf
