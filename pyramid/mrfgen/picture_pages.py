"""The pages of the MRF that a configuration of OnEarth's mrfgen makes of pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.core.grid import Shape
from lazytile.pyramid.mrf.effort import CompressionEffort
from lazytile.pyramid.mrf.model import Compression
from lazytile.pyramid.mrf.page_encoding import PageFormat
from lazytile.pyramid.mrfgen.halving import Halving
from lazytile.pyramid.mrfgen.preparation import PALETTE_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lazytile.pyramid.mrf.model import MrfHeader
    from lazytile.pyramid.mrf.reader import MrfReader
    from lazytile.pyramid.mrfgen.mosaic import Layout, Mosaic
    from lazytile.pyramid.mrfgen.picture_job import PictureJob

GREY = tuple((level, level, level, 255) for level in range(PALETTE_SIZE))


@dataclass(frozen=True, slots=True)
class PicturePages:
    """Where the pages of an MRF come from."""

    job: PictureJob
    layout: Layout
    mosaic: Mosaic | None
    header: MrfHeader
    old: MrfReader | None
    """Of an MRF of slices: the pages of the other slices are kept."""
    z: int
    """The slice that the pictures show."""
    has_pictures: bool
    work: Path

    def pages(self) -> Iterator[bytes | int | None]:
        """Yield every page in the order of the index, or how many are empty."""
        page = self.job.page
        touched = self.layout.pages_touched(page)
        above: NDArray[Any] | None = None
        for level in self.header.levels:
            below = self._scratch(level.number + 1) if level.number + 1 < len(self.header.levels) else None
            for z in range(self.header.slices):
                if z != self.z or not self.has_pictures:
                    yield from self._kept(level.number, z, level.pages)
                    continue
                for row in range(level.pages.rows):
                    yield from self._row(level.number, row, touched[row], above, below)
            above = below
            touched = _halved(touched)

    def _kept(self, level: int, z: int, pages: Shape) -> Iterator[bytes | int | None]:
        """Yield the pages of another slice as they are."""
        if self.old is None:
            yield pages.rows * pages.cols
            return
        for row, col in np.ndindex(pages.rows, pages.cols):
            yield self.old.page(level, row, col, z=z)

    def _row(
        self,
        level: int,
        row: int,
        touched: NDArray[np.bool_],
        above: NDArray[Any] | None,
        below: NDArray[Any] | None,
    ) -> Iterator[bytes | int | None]:
        side = self.job.page
        for col, is_touched in enumerate(touched.tolist()):
            if not is_touched:
                yield 1
                continue
            if above is None:
                assert self.mosaic is not None
                pixels = self._shown(self.mosaic.read(row * side, col * side, side, side))
            else:
                pixels = _padded(above, row * side, col * side, side)
            if below is not None:
                half = self._halving().apply(_edges(pixels, self._inside(level, row, col)))
                top, left = row * side // 2, col * side // 2
                part = below[top : top + side // 2, left : left + side // 2]
                part[:] = half[: part.shape[0], : part.shape[1]]
            yield self._encoded(pixels)

    def _inside(self, level: int, row: int, col: int) -> Shape:
        """Return the rows and columns of a page that lie within its level."""
        size, side = self.header.levels[level].size, self.job.page
        return Shape(min(side, size.rows - row * side), min(side, size.cols - col * side))

    def _shown(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return pixels in the bands of the MRF."""
        bands = self.header.bands
        if pixels.shape[2] == bands:
            return pixels
        if pixels.shape[2] > bands:
            return pixels[..., :bands]
        if pixels.shape[2] == 3 and bands == 4:
            alpha = pixels.any(axis=2, keepdims=True) * np.uint8(255)
            return np.concatenate([pixels, alpha], axis=2)
        raise MrfError(f"pictures of {pixels.shape[2]} bands do not fit pages of {bands}")

    def _halving(self) -> Halving:
        header = self.header
        palette = np.array(header.palette, np.uint8) if header.palette else None
        nodata = header.nodata[0] if header.nodata and not self.job.zen else None
        return Halving(self.job.overviews, palette, nodata, has_alpha=header.bands == 4)

    def _encoded(self, pixels: NDArray[Any]) -> bytes | None:
        if not pixels.any() and self.header.compression not in (Compression.TIF, Compression.LERC):
            return None  # absent pages read as 0
        page_format = self._page_format()
        match self.header.compression:
            case Compression.PPNG:
                return page_format.image(pixels[..., 0], np.array(self.header.palette, np.uint8))
            case Compression.TIF | Compression.LERC:
                fill = self.header.nodata[0] if self.header.nodata else None
                return page_format.encode_codes(pixels[..., 0], fill)
        if self.header.bands < 3:
            return page_format.image(pixels[..., 0], np.array(GREY, np.uint8))
        if self.header.bands == 3:
            alpha = pixels.any(axis=2, keepdims=True) * np.uint8(255)
            pixels = np.concatenate([pixels, alpha], axis=2)
        return page_format.pixels(np.ascontiguousarray(pixels))

    def _page_format(self) -> PageFormat:
        job, header = self.job, self.header
        return PageFormat(
            header.compression,
            CompressionEffort.DEFAULT,
            job.quality if header.compression in (Compression.JPEG, Compression.JPNG) else 85,
            png_bands=header.bands if header.compression is Compression.PNG else None,
            max_error=job.max_error if header.compression is Compression.LERC else 0.0,
            zen=job.zen,
            deflated=header.compression is Compression.LERC,
        )

    def _scratch(self, level: int) -> NDArray[Any]:
        """Return the pixels of a level to be filled in: a sparse file, 0 where nothing is written."""
        size = self.header.levels[level].size
        path = self.work / f"level-{level}.raw"
        return np.memmap(path, self.header.dtype, "w+", shape=(size.rows, size.cols, self.header.bands))


def _padded(pixels: NDArray[Any], top: int, left: int, side: int) -> NDArray[Any]:
    """Return a page of pixels; past the edge they are 0."""
    part = pixels[top : top + side, left : left + side]
    page = np.zeros((side, side, pixels.shape[2]), pixels.dtype)
    page[: part.shape[0], : part.shape[1]] = part
    return page


def _edges(pixels: NDArray[Any], inside: Shape) -> NDArray[Any]:
    """Return a page whose last row and column are repeated past an odd edge, so that they are halved alone."""
    rows, cols = inside.rows, inside.cols
    if rows % 2 or cols % 2:
        pixels = pixels.copy()
        if rows % 2 and rows < pixels.shape[0]:
            pixels[rows] = pixels[rows - 1]
        if cols % 2 and cols < pixels.shape[1]:
            pixels[:, cols] = pixels[:, cols - 1]
    return pixels


def _halved(touched: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which pages of the next level show any of the touched ones."""
    rows, cols = touched.shape
    padded = np.zeros((rows + rows % 2, cols + cols % 2), np.bool_)
    padded[:rows, :cols] = touched
    blocks = padded.reshape(padded.shape[0] // 2, 2, padded.shape[1] // 2, 2)
    return np.asarray(blocks.any(axis=(1, 3)), np.bool_)
