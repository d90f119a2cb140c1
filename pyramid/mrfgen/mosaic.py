"""Pictures laid on each other and resampled to the size of the MRF, as gdalbuildvrt and gdalwarp do it.

The mosaic is a VRT document with the sources and rectangles that ``gdalbuildvrt -te -tr -srcnodata -vrtnodata`` would
write; ``resize_resampling`` is a warp of it (``gdalwarp -ts -te -r``). Nothing is computed before a window is read.
"""

from __future__ import annotations

import contextlib
import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from lxml import etree

from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.core.grid import Bounds, Shape
from lazytile.pyramid.mrfgen.picture import open_raster

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from lazytile.pyramid.mrfgen.picture import Picture
    from lazytile.pyramid.mrfgen.picture_job import PictureJob

LOG = logging.getLogger(__name__)
SMALLEST_WIDTH = 20480
"""Pixels of the MRF where the configuration states no size, as in mrfgen; it doubles until the mosaic fits."""
MARGIN_PX = 4
"""Pixels around a picture, in its own and in those of the MRF, that resampling may colour."""
MAX_SIDE = (1 << 31) - 1
_GDAL_TYPES = {
    "uint8": "Byte",
    "int16": "Int16",
    "uint16": "UInt16",
    "int32": "Int32",
    "uint32": "UInt32",
    "float32": "Float32",
    "float64": "Float64",
}
_METHODS = {"cubicspline": "cubic_spline", "near": "nearest"}


@dataclass(frozen=True, slots=True)
class Placement:
    """A picture at a place: across 180 degrees it has two."""

    picture: Picture
    shift: float = 0.0
    """Added to its x."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The size of a mosaic, its pictures, and the size of the MRF."""

    extents: Bounds
    mosaic: Shape
    """Pixels of the mosaic."""
    size: Shape
    """Pixels of the MRF."""
    placements: tuple[Placement, ...]

    @property
    def cell_width(self) -> float:
        """Of a pixel of the MRF."""
        return (self.extents.east - self.extents.west) / self.size.cols

    @property
    def cell_height(self) -> float:
        """Of a pixel of the MRF, positive."""
        return (self.extents.north - self.extents.south) / self.size.rows

    def pages_touched(self, page: int) -> NDArray[np.bool_]:
        """Return which pages pictures may colour.

        Args:
            page: Pixels of a side.

        Returns:
            Shape (rows, cols) of pages.
        """
        touched = np.zeros((math.ceil(self.size.rows / page), math.ceil(self.size.cols / page)), np.bool_)
        for placement in self.placements:
            picture = placement.picture
            margin_x = MARGIN_PX * (picture.cell_width + self.cell_width)
            margin_y = MARGIN_PX * (picture.cell_height + self.cell_height)
            left = (picture.west + placement.shift - margin_x - self.extents.west) / self.cell_width
            right = (picture.east + placement.shift + margin_x - self.extents.west) / self.cell_width
            top = (self.extents.north - picture.north - margin_y) / self.cell_height
            bottom = (self.extents.north - picture.south + margin_y) / self.cell_height
            if right > 0 and bottom > 0:
                rows = slice(max(0, int(top // page)), math.ceil(bottom / page))
                touched[rows, max(0, int(left // page)) : math.ceil(right / page)] = True
        return touched


def lay_out(job: PictureJob, pictures: Sequence[Picture]) -> Layout:
    """Return how pictures are laid on each other.

    Args:
        job: The job.
        pictures: In the target's CRS.

    Returns:
        The layout.

    Raises:
        MrfError: No size can be found, or it is too large.
    """
    fitting = _alike(pictures)
    extents, width, height = job.extents, job.width, job.height
    wide, high = extents.east - extents.west, extents.north - extents.south
    if width is None:
        if not fitting:
            raise MrfError("without pictures a mrfgen configuration needs target_x or outsize")
        cell_x = sum(each.cell_width for each in fitting) / len(fitting)
        cell_y = sum(each.cell_height for each in fitting) / len(fitting)
        mosaic = Shape(math.floor(0.5 + high / cell_y), math.floor(0.5 + wide / cell_x))
        width = SMALLEST_WIDTH
        while width < mosaic.cols:
            width *= 2
        size = Shape(height or int(width * mosaic.rows / mosaic.cols), width)
    else:
        size = Shape(height or math.floor(0.5 + high / (wide / width)), width)
        mosaic = size
    if max(size.rows, size.cols) > MAX_SIDE or min(size.rows, size.cols) < 1:
        raise MrfError(f"an MRF of {size.cols} x {size.rows} pixels cannot be made, its sides are 1 to {MAX_SIDE}")
    return Layout(extents, mosaic, size, tuple(_placements(fitting, extents, splits=_splits(job, fitting))))


def _splits(job: PictureJob, pictures: Sequence[Picture]) -> bool:
    """Return whether what lies beyond 180 degrees is shown on the other side: where mrfgen inserts pictures."""
    if job.epsg not in ("4326", "3857"):
        return False
    if job.inserts is not None:
        return job.inserts
    if len(pictures) == 1 and pictures[0].path.suffix != ".vrt":
        picture, extents = pictures[0], job.extents
        is_global = picture.west <= extents.west and picture.east >= extents.east
        return not is_global
    return job.source_epsg == job.epsg


def _alike(pictures: Sequence[Picture]) -> list[Picture]:
    """Return the pictures with the bands of the first; like gdalbuildvrt, say which are left out."""
    fitting = []
    for picture in pictures:
        first = pictures[0]
        if (picture.bands, picture.colours, picture.dtype) == (first.bands, first.colours, first.dtype):
            fitting.append(picture)
        else:
            LOG.warning("%s is left out: its bands differ from those of %s", picture.path, first.path)
    return fitting


def _placements(pictures: Sequence[Picture], extents: Bounds, *, splits: bool) -> Iterator[Placement]:
    turn = extents.east - extents.west
    for picture in pictures:
        yield Placement(picture)
        if splits and picture.east > extents.east:
            yield Placement(picture, -turn)
        if splits and picture.west < extents.west:
            yield Placement(picture, turn)


class Mosaic:
    """The pixels of a layout, read by window."""

    def __init__(self, job: PictureJob, layout: Layout, folder: Path) -> None:
        """Write the VRT of a layout and open it.

        Args:
            job: The job.
            layout: Its pictures, at least one.
            folder: For the VRT.

        Raises:
            MrfError: GDAL cannot read it.
        """
        self.layout = layout
        first = layout.placements[0].picture
        self.bands, self.dtype, self.palette = first.bands, first.dtype, first.palette
        self.has_alpha = first.has_alpha
        self.nodata = job.nodata if job.nodata is not None else first.nodata
        path = folder / "mosaic.vrt"
        path.write_bytes(_vrt(job, layout, self.nodata))
        self._stack = contextlib.ExitStack()
        try:
            mosaic = self._stack.enter_context(open_raster(path))
            self._file = mosaic
            if job.resize or layout.mosaic != layout.size:
                self._file = self._stack.enter_context(self._warped(job, mosaic))
        except BaseException:
            self._stack.close()
            raise

    def read(self, top: int, left: int, rows: int, cols: int) -> NDArray[Any]:
        """Read a rectangle of pixels.

        Args:
            top: First row.
            left: First column.
            rows: Number of rows; those past the edge are 0.
            cols: Number of columns.

        Returns:
            Shape (rows, cols, bands).
        """
        import rasterio.windows  # noqa: PLC0415 - the extra is there if a mosaic is

        size = self.layout.size
        high, wide = min(rows, size.rows - top), min(cols, size.cols - left)
        pixels = np.zeros((rows, cols, self.bands), self.dtype)
        found = self._file.read(window=rasterio.windows.Window(left, top, wide, high))
        pixels[:high, :wide] = np.moveaxis(found, 0, -1)
        return pixels

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _warped(self, job: PictureJob, mosaic: Any) -> Any:
        import rasterio  # noqa: PLC0415 - the extra is there if a mosaic is
        from rasterio.enums import Resampling  # noqa: PLC0415
        from rasterio.vrt import WarpedVRT  # noqa: PLC0415

        layout, extents = self.layout, self.layout.extents
        place = rasterio.Affine(layout.cell_width, 0, extents.west, 0, -layout.cell_height, extents.north)
        method = job.resize or "near"
        return WarpedVRT(
            mosaic,
            crs=mosaic.crs,
            transform=place,
            width=layout.size.cols,
            height=layout.size.rows,
            resampling=Resampling[_METHODS.get(method, method)],
            nodata=self.nodata,
            src_nodata=self.nodata,
        )


def _vrt(job: PictureJob, layout: Layout, nodata: float | None) -> bytes:
    """Return the document that gdalbuildvrt would write."""
    extents, shape = layout.extents, layout.mosaic
    cell_x, cell_y = (extents.east - extents.west) / shape.cols, (extents.north - extents.south) / shape.rows
    root = etree.Element("VRTDataset", rasterXSize=str(shape.cols), rasterYSize=str(shape.rows))
    etree.SubElement(root, "SRS").text = f"EPSG:{job.epsg}"
    place = (extents.west, cell_x, 0.0, extents.north, 0.0, -cell_y)
    etree.SubElement(root, "GeoTransform").text = ", ".join(map(repr, place))
    first = layout.placements[0].picture
    for band in range(1, first.bands + 1):
        element = etree.SubElement(root, "VRTRasterBand", dataType=_GDAL_TYPES[first.dtype], band=str(band))
        if nodata is not None:
            etree.SubElement(element, "NoDataValue").text = repr(nodata)
        etree.SubElement(element, "ColorInterp").text = first.colours[band - 1].capitalize()
        if first.palette:
            table = etree.SubElement(element, "ColorTable")
            for red, green, blue, alpha in first.palette:
                etree.SubElement(table, "Entry", c1=str(red), c2=str(green), c3=str(blue), c4=str(alpha))
        for placement in layout.placements:
            source = _source(placement, layout, band, nodata)
            if source is not None:
                element.append(source)
    return etree.tostring(root)


def _source(placement: Placement, layout: Layout, band: int, nodata: float | None) -> Any:
    """Return the element of a source; None if it lies outside."""
    picture, extents, shape = placement.picture, layout.extents, layout.mosaic
    cell = ((extents.east - extents.west) / shape.cols, (extents.north - extents.south) / shape.rows)
    across = _span(
        picture.west + placement.shift - extents.west, picture.cell_width, picture.width, cell[0], shape.cols
    )
    down = _span(extents.north - picture.north, picture.cell_height, picture.height, cell[1], shape.rows)
    if across is None or down is None:
        return None
    is_plain = nodata is None and not picture.has_alpha
    source = etree.Element("SimpleSource" if is_plain else "ComplexSource")
    etree.SubElement(source, "SourceFilename", relativeToVRT="0").text = str(picture.path.absolute())
    etree.SubElement(source, "SourceBand").text = str(band)
    for name, at in (("SrcRect", 0), ("DstRect", 2)):
        numbers = (across[at], down[at], across[at + 1], down[at + 1])
        keys = ("xOff", "yOff", "xSize", "ySize")
        etree.SubElement(source, name, dict(zip(keys, map(repr, numbers), strict=True)))
    if nodata is not None:
        etree.SubElement(source, "NODATA").text = repr(nodata)
    if picture.has_alpha:
        etree.SubElement(source, "UseMaskBand").text = "true"
    return source


def _span(
    begin: float, cell: float, count: int, target_cell: float, target_count: int
) -> tuple[float, float, float, float] | None:
    """Return offset and size in the picture, and in the mosaic, along an axis; None where they do not meet.

    ``begin``: of the picture, from the mosaic's edge. The arithmetic is that of gdalbuildvrt (``GetSrcDstWin``).
    """
    offset = max(0.0, -begin / cell)
    target = max(0.0, begin / target_cell)
    size = count - offset
    ratio = cell / target_cell
    target_size = size * ratio
    if target + target_size > target_count:
        target_size = target_count - target
        size = target_size / ratio
    if size <= 0 or target_size <= 0:
        return None
    return offset, size, target, target_size
