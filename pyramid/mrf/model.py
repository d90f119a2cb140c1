"""The model of an MRF: its header, its levels, and the position of a page's record in the index.

MRF (Meta Raster Format) is a small XML file ``NAME.mrf``, an index ``NAME.idx`` of 16 bytes a page, and a data file of
concatenated page images. The format is that of GDAL's MRF driver and NASA's OnEarth. This module opens no file.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.core.grid import Bounds, Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORD_BYTES = 16
"""Of the index: offset and size of a page, each an unsigned big-endian 64-bit number."""
MAX_PAGE_BYTES = 256 << 20
"""Limit of an uncompressed page: no real one comes near, a hostile header may claim more."""
MAX_LENGTH = (1 << 31) - 1
"""Pixels along an axis: GDAL counts them in a signed 32-bit number."""


class Compression(Enum):
    """Compression of pages: GDAL's name and the extension of the data file."""

    PPNG = ("PPNG", "ppg")
    PNG = ("PNG", "ppg")
    JPEG = ("JPEG", "pjg")
    JPNG = ("JPNG", "pjp")
    NONE = ("NONE", "til")
    DEFLATE = ("DEFLATE", "pzp")
    ZSTD = ("ZSTD", "pzs")
    TIF = ("TIF", "ptf")
    LERC = ("LERC", "lrc")

    @property
    def extension(self) -> str:
        """Extension of the data file, without its dot."""
        return self.value[1]

    @classmethod
    def parse(cls, name: str) -> Compression:
        """Parse the name of a compression.

        Args:
            name: GDAL's, in any case.

        Returns:
            The compression.

        Raises:
            MrfError: The name is unknown.
        """
        try:
            return cls[name.strip().upper()]
        except KeyError:
            allowed = ", ".join(item.name for item in cls)
            raise MrfError(f"MRF compression {name!r} is not supported, it may be {allowed}") from None


@dataclass(frozen=True, slots=True)
class MrfLevel:
    """One resolution of an MRF."""

    number: int
    """0 is full resolution."""
    size: Shape
    """Pixels."""
    pages: Shape
    first_record: int
    """Index of this level's first page in the index file."""


@dataclass(frozen=True, slots=True)
class MrfHeader:
    """The metadata of an MRF. An invalid one cannot be built."""

    size: Shape
    """Pixels at full resolution."""
    page: Shape
    """Pixels of a page; pages at the edge are whole, readers crop them."""
    compression: Compression
    dtype: str = "uint8"
    """NumPy name."""
    bands: int = 1
    page_bands: int = 1
    """Bands of a page: all of them, or one."""
    slices: int = 1
    """Length of the z axis."""
    has_overviews: bool = True
    scale: int = 2
    """Factor by which each level is smaller than the one before."""
    nodata: tuple[float, ...] = ()
    """One number, one for each band, or none."""
    palette: tuple[tuple[int, int, int, int], ...] = ()
    """RGBA of each index, for pages of one band."""
    bounds: Bounds | None = None
    projection: str = ""
    """WKT, or another name of a CRS."""
    quality: int | None = None
    photometric: str = ""
    is_big_endian: bool = False
    options: tuple[tuple[str, str], ...] = ()
    """Options of the codec."""
    data_file: str = ""
    """Bare name of the data file, where it does not end as that of the compression does."""
    notes: tuple[tuple[str, str], ...] = field(default=())
    """Our notes on the origin of the pages; other readers ignore them."""

    def __post_init__(self) -> None:
        lengths = {"Size x": self.size.cols, "Size y": self.size.rows, "Size z": self.slices, "Size c": self.bands}
        lengths |= {"PageSize x": self.page.cols, "PageSize y": self.page.rows, "PageSize c": self.page_bands}
        for name, length in lengths.items():
            if not 1 <= length <= MAX_LENGTH:
                raise MrfError(f"MRF {name} is {length}, it may be 1 to {MAX_LENGTH}")
        if self.page_bands not in (1, self.bands):
            raise MrfError(f"MRF PageSize c is {self.page_bands}, it may be 1 or Size c, which is {self.bands}")
        if self.scale < 2:
            raise MrfError(f"MRF Rsets scale is {self.scale}, it may be 2 or more")
        if self.page_bytes > MAX_PAGE_BYTES:
            raise MrfError(f"MRF pages of {self.page_bytes} bytes are too large, at most {MAX_PAGE_BYTES} are read")
        if len(self.nodata) not in (0, 1, self.bands):
            raise MrfError(f"MRF NoData has {len(self.nodata)} values for {self.bands} bands")

    @property
    def data_extension(self) -> str:
        """Extension of the data file, without its dot."""
        return self.data_file.rpartition(".")[2] or self.compression.extension

    @property
    def page_bytes(self) -> int:
        """Bytes of an uncompressed page."""
        return self.page.rows * self.page.cols * self.page_bands * np.dtype(self.dtype).itemsize

    @property
    def records_per_position(self) -> int:
        """Records for each position in a level: one for each band where pages hold one band."""
        return self.bands // self.page_bands

    @property
    def levels(self) -> tuple[MrfLevel, ...]:
        """Every level, full resolution first. Sizes halve until one page holds the whole level."""
        return _levels(self.size, self.page, self.scale, self.slices * self.records_per_position, self.has_overviews)

    @property
    def records(self) -> int:
        """Records of the whole index."""
        last = self.levels[-1]
        return last.first_record + last.pages.rows * last.pages.cols * self.slices * self.records_per_position

    def record(self, level: int, row: int, col: int, *, z: int = 0, band: int = 0) -> int:
        """Return the number of a page's record.

        Args:
            level: Of the MRF, 0 is full resolution.
            row: Of the page.
            col: Of the page.
            z: Slice.
            band: Where pages hold one band.

        Returns:
            The number.

        Raises:
            MrfError: There is no such page.
        """
        levels = self.levels
        if not 0 <= level < len(levels):
            raise MrfError(f"MRF level {level} is out of range, it may be 0 to {len(levels) - 1}")
        at = levels[level]
        limits = {
            "row": (row, at.pages.rows),
            "column": (col, at.pages.cols),
            "slice": (z, self.slices),
            "band": (band, self.records_per_position),
        }
        for name, (value, length) in limits.items():
            if not 0 <= value < length:
                raise MrfError(f"MRF {name} {value} is out of range, it may be 0 to {length - 1}")
        return at.first_record + band + self.records_per_position * (col + at.pages.cols * (row + at.pages.rows * z))

    def pages(self) -> Iterator[tuple[MrfLevel, int, int, int, int]]:
        """Yield level, z, row, column and band of every page, in the order of the index."""
        for level in self.levels:
            positions = itertools.product(
                range(self.slices), range(level.pages.rows), range(level.pages.cols), range(self.records_per_position)
            )
            for z, row, col, band in positions:
                yield level, z, row, col, band


@process.memo
def _levels(size: Shape, page: Shape, scale: int, per_position: int, has_overviews: bool) -> tuple[MrfLevel, ...]:
    levels: list[MrfLevel] = []
    first = 0
    while True:
        pages = Shape(math.ceil(size.rows / page.rows), math.ceil(size.cols / page.cols))
        levels.append(MrfLevel(len(levels), size, pages, first))
        if not has_overviews or pages == Shape(1, 1):
            return tuple(levels)
        first += pages.rows * pages.cols * per_position
        size = Shape(math.ceil(size.rows / scale), math.ceil(size.cols / scale))
