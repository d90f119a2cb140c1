"""What mrfgen makes of each input picture before it lays them on each other.

Colours become indices of the colormap where pages hold a palette (``RgbPngToPalPng.py``), opacity is blended with a
background or dropped where pages are JPEG, and pictures in another CRS are reprojected by the nearest pixel (``gdalwarp
-of vrt``). Intermediate pictures lie in a temporary folder and are made in strips.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.colormaps.formats.readers import read_colormap
from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.mrf.model import Compression
from lazytile.pyramid.mrfgen.picture import MAX_PIXELS, Picture, colours_of, open_raster, read_picture, strips
from lazytile.pyramid.mrfgen.picture_job import DETECT

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lazytile.pyramid.mrfgen.picture_job import PictureJob

LOG = logging.getLogger(__name__)
STRIP_PIXELS = 1 << 22
PALETTE_SIZE = 256
_BACKGROUNDS = {"black": 0, "white": 255}


@dataclass(frozen=True, slots=True)
class Preparation:
    """Prepares the pictures of a job in a folder."""

    job: PictureJob
    folder: Path
    """For intermediate pictures."""
    max_pixels: int = MAX_PIXELS
    flaws: list[str] = field(default_factory=list)
    """Errors after which mrfgen goes on, one line each."""

    def pictures(self) -> list[Picture]:
        """Return the pictures as they are laid on each other.

        Returns:
            The pictures, in the target's CRS.

        Raises:
            MrfError: A picture cannot be read, or does not suit the compression.
        """
        palette = self.palette()
        prepared = []
        for number, path in enumerate(self.job.pictures):
            picture = read_picture(path, self.max_pixels)
            for step in (self._flattened, self._indexed if palette else None, self._reprojected):
                if step is not None:
                    picture = step(picture, number)
            prepared.append(picture)
        return prepared

    def palette(self) -> tuple[tuple[int, int, int, int], ...]:
        """Return the colours of the colormap in the order of the file, with which mrfgen numbers them.

        Returns:
            RGBA; empty without a colormap or where pages hold no palette.

        Raises:
            MrfError: The colormap cannot be read, or has too many colours.
        """
        if self.job.colormap is None or self.job.compression is not Compression.PPNG:
            return ()
        colormap = read_colormap(self.job.colormap)
        if len(colormap.entries) > PALETTE_SIZE:
            raise MrfError(f"{self.job.colormap} has {len(colormap.entries)} colours, a palette has {PALETTE_SIZE}")
        return tuple((each.red, each.green, each.blue, each.alpha) for each in (e.rgba for e in colormap.entries))

    def _flattened(self, picture: Picture, number: int) -> Picture:
        """Blend opacity with the background, or drop it, where pages are JPEG (or TIFF with a background)."""
        job = self.job
        if job.compression is Compression.JPEG and picture.bands < 3:
            raise MrfError(f"{picture.path} has {picture.bands} bands, pages in JPEG show three")
        blends = job.background in _BACKGROUNDS and picture.has_alpha and not job.zen
        keeps = job.compression is not Compression.JPEG and not blends
        if keeps or (picture.bands == 3 and not blends):
            return picture
        path = self.folder / f"{number}-flat.tif"
        background = _BACKGROUNDS.get(job.background, 0)
        with open_raster(picture.path) as source, self._created(path, picture, bands=3) as target:
            for window, pixels in strips(source, _strip_rows(picture)):
                flat = pixels[:3]
                if blends:
                    alpha = pixels[3].astype(np.float64) / 255.0
                    flat = np.rint(flat * alpha + background * (1.0 - alpha)).astype(np.uint8)
                target.write(flat, window=window)
        return replace(picture, path=path, bands=3, colours=("red", "green", "blue"), nodata=None)

    def _indexed(self, picture: Picture, number: int) -> Picture:
        """Replace colours by their numbers in the colormap."""
        job, palette = self.job, self.palette()
        if picture.palette:
            self._compare(picture, palette)
            return picture
        if picture.bands not in (3, 4) or picture.dtype != "uint8":
            raise MrfError(
                f"{picture.path} has {picture.bands} bands of {picture.dtype}, neither a palette nor colours"
            )
        keys = colours_of(np.array(palette, np.uint8).T)
        order = np.argsort(keys, kind="stable")  # of equal colours the first counts
        path, fill, lacking = self.folder / f"{number}-indexed.tif", int(job.nodata or 0), set()
        with open_raster(picture.path) as source, self._created(path, picture, bands=1) as target:
            target.write_colormap(1, dict(enumerate(palette)))
            for window, pixels in strips(source, _strip_rows(picture)):
                colours, inverse = np.unique(colours_of(pixels), return_inverse=True)
                at = order[np.minimum(np.searchsorted(keys, colours, sorter=order), len(order) - 1)]
                is_known = keys[at] == colours
                lacking |= set(colours[~is_known].tolist())
                index = np.where(is_known, at, fill).astype(np.uint8)
                target.write(index[inverse.reshape(pixels.shape[1:])], 1, window=window)
        if lacking:
            some = ", ".join(f"{colour >> 8:06x}" for colour in sorted(lacking)[:5])
            text = f"{len(lacking)} colours of {picture.path} are not in {job.colormap}, such as {some}"
            LOG.warning("%s: they show palette index %d", text, fill)
            if job.is_strict:
                self.flaws.append(f"{text}; mrf_strict_palette forbids it")
        padded = (*palette, *((0, 0, 0, 0),) * (PALETTE_SIZE - len(palette)))
        return replace(picture, path=path, bands=1, colours=("palette",), palette=padded, nodata=None)

    def _compare(self, picture: Picture, palette: tuple[tuple[int, int, int, int], ...]) -> None:
        """Log where the palette of a picture is not that of the colormap; mrfgen keeps the picture's."""
        differing = [
            index
            for index, (own, wanted) in enumerate(zip(picture.palette, palette, strict=False))
            if own[:3] != wanted[:3] and wanted[3]
        ]
        if differing and not self.job.overwrites_palette:
            LOG.warning(
                "%s: %d colours of its palette differ from those of %s, such as that of index %d",
                picture.path,
                len(differing),
                self.job.colormap,
                differing[0],
            )

    def _reprojected(self, picture: Picture, number: int) -> Picture:
        """Reproject a picture in another CRS by the nearest pixel."""
        job, target = self.job, f"EPSG:{self.job.epsg}"
        if job.source_epsg == job.epsg:
            return picture
        from rasterio.crs import CRS  # noqa: PLC0415 - the extra is there if a picture is
        from rasterio.shutil import copy  # noqa: PLC0415
        from rasterio.vrt import WarpedVRT  # noqa: PLC0415

        if job.source_epsg == DETECT:
            if not picture.crs:
                raise MrfError(f"{picture.path} states no CRS, which source_epsg detect needs")
            source_crs = CRS.from_wkt(picture.crs)
            if source_crs == CRS.from_epsg(int(job.epsg)):
                return picture
        else:
            source_crs = CRS.from_epsg(int(job.source_epsg))
        path = self.folder / f"{number}-reprojected.vrt"
        with open_raster(picture.path) as source, WarpedVRT(source, src_crs=source_crs, crs=target) as warped:
            copy(warped, path, driver="VRT")
        moved = read_picture(path, self.max_pixels)
        return replace(moved, palette=picture.palette, colours=picture.colours, nodata=picture.nodata)

    def _created(self, path: Path, picture: Picture, *, bands: int) -> Any:
        import rasterio  # noqa: PLC0415 - the extra is there if a picture is

        return rasterio.open(
            path,
            "w",
            driver="GTiff",
            width=picture.width,
            height=picture.height,
            count=bands,
            dtype="uint8",
            crs=picture.crs or None,
            transform=rasterio.Affine(picture.cell_width, 0, picture.west, 0, -picture.cell_height, picture.north),
            photometric="RGB" if bands == 3 else "PALETTE",
            compress="DEFLATE",
            zlevel=1,
            bigtiff="IF_SAFER",
        )


def _strip_rows(picture: Picture) -> int:
    return max(1, STRIP_PIXELS // picture.width)


def indices_of(palette: NDArray[np.uint8], colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the nearest colours of a palette, transparent entries apart, as GDAL finds them.

    Args:
        palette: Shape (entries, 4), uint8.
        colours: Shape (colours, 3), uint8.

    Returns:
        Shape (colours,), uint8; of equally near ones the first.
    """
    distances = ((palette[None, :, :3].astype(np.int32) - colours[:, None, :].astype(np.int32)) ** 2).sum(axis=2)
    distances[:, palette[:, 3] == 0] = np.iinfo(np.int32).max
    nearest: NDArray[np.uint8] = distances.argmin(axis=1).astype(np.uint8)
    return nearest
