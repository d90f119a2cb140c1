"""The options of an export."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.mrf.effort import CompressionEffort
from lazytile.pyramid.mrf.model import Compression
from lazytile.pyramid.mrf.page_encoding import DEFAULT_QUALITY, PageFormat
from lazytile.pyramid.store.layer import NATIVE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lazytile.pyramid.render.render_task import Rgb

OVERVIEWS = ("mean", "nearest")


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """The options of an export. An invalid combination cannot be built."""

    tms: str = NATIVE
    """``native`` for the data's own grid (a page is a chunk, a pixel a cell), or a registered set."""
    finest: str | None = None
    """The set's matrix that full resolution shows; None: its last one, of a set far finer than any data the first as
    fine as the data."""
    page: int | None = None
    """Pixels along a side of a page; None: the set's tiles, of the native grid the chunk's."""
    select: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Labels to export, by dimension."""
    compression: Compression = Compression.PPNG
    """Content of pages: PPNG palette indices, PNG, JPEG and JPNG colours, the others the data's codes."""
    quality: int = DEFAULT_QUALITY
    """Of JPEG."""
    effort: CompressionEffort = CompressionEffort.SERVED
    """Effort for PPNG and DEFLATE pages."""
    bands: int | None = None
    """Of PNG pages: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA (the default)."""
    full_chroma: bool = False
    """Of JPEG: 4:4:4, not 4:2:0."""
    zen: bool = False
    """Of JPEG: a mask of the pixels without data in each page (GDAL's Zen), which keeps them exactly 0."""
    max_error: float = 0.0
    """Of LERC: largest error of a code; 0 is lossless."""
    share_pages: bool = False
    """Store equal pages once."""
    overviews: str = "mean"
    """``mean``: the levels of the data's pyramid. ``nearest``: the cell of level 0 under the pixel's centre."""
    by_year: bool = False
    """A folder for each year."""
    as_slices: bool = False
    """All times as the z slices of one MRF, with a ``.zdb`` beside it that names them."""

    rgb: Rgb | None = None
    """Three variables shown as one picture instead of the layer in its style."""
    onearth: bool = False
    """Write OnEarth's files beside the MRFs: layer configuration, colormap, legends, empty tile."""

    def __post_init__(self) -> None:
        if self.overviews not in OVERVIEWS:
            raise MrfError(f"overviews {self.overviews!r} are unknown, allowed are {' or '.join(OVERVIEWS)}")
        if self.by_year and self.as_slices:
            raise MrfError("an MRF of slices holds all years, --by-year cannot divide it")
        if self.rgb is not None:
            self.page_format.check_colours()

    @property
    def page_format(self) -> PageFormat:
        """Encoding of pages. Raises ``MrfError`` for an option that the compression does not have."""
        return PageFormat(
            self.compression,
            self.effort,
            self.quality,
            self.bands,
            self.full_chroma,
            self.max_error,
            self.zen,
            deflated=self.onearth and self.compression is Compression.LERC,
        )
