"""Writing the MRF that a configuration of OnEarth's mrfgen makes of pictures.

Every page of full resolution is read from the mosaic once. The levels above it are halved from pixels that lie in
sparse temporary files beside the MRF, so memory is bounded by a page, and areas without pictures take neither time nor
space.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyproj import CRS
from pyproj.enums import WktVersion

from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.core.grid import Shape
from lazytile.pyramid.mrf.model import Compression, MrfHeader
from lazytile.pyramid.mrf.reader import MrfReader, read_header
from lazytile.pyramid.mrf.writer import MrfWriter
from lazytile.pyramid.mrf.zdb import read_zdb, write_zdb
from lazytile.pyramid.mrfgen.mosaic import Mosaic, lay_out
from lazytile.pyramid.mrfgen.picture import MAX_PIXELS, RASTER_ERRORS, read_picture
from lazytile.pyramid.mrfgen.picture_pages import PicturePages
from lazytile.pyramid.mrfgen.preparation import PALETTE_SIZE, Preparation
from lazytile.pyramid.streams.progress import ExportedMrf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lazytile.pyramid.mrfgen.mosaic import Layout
    from lazytile.pyramid.mrfgen.picture_job import PictureJob

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PictureExport:
    """The MRF of a job."""

    mrf: ExportedMrf
    flaws: tuple[str, ...]
    """Errors after which mrfgen makes the MRF nevertheless and fails in the end, one line each."""


def export_pictures(job: PictureJob, *, max_pixels: int = MAX_PIXELS) -> PictureExport:
    """Write or update the MRF of a job.

    Args:
        job: The job.
        max_pixels: Pixels that an input picture may have.

    Returns:
        The MRF, and what is wrong with it.

    Raises:
        MrfError: A picture cannot be read or does not suit the job, or the MRF cannot be written.
    """
    started = time.monotonic()
    folder = job.mrf.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{job.mrf.stem}.", dir=folder) as work, _quiet_gdal():
            return _exported(job, Path(work), max_pixels, started)
    except RASTER_ERRORS as error:
        reason = " ".join(str(error.__cause__ or error).split())[:300]
        raise MrfError(f"{job.mrf} cannot be made, a picture cannot be read: {reason}") from error
    except OSError as error:
        raise MrfError(f"{job.mrf} cannot be written: {error.strerror or error}") from error


@contextlib.contextmanager
def _quiet_gdal() -> Iterator[None]:
    """Hide GDAL's remarks on georeferences, one for each time that a file is opened."""
    logger = logging.getLogger("rasterio._env")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _exported(job: PictureJob, work: Path, max_pixels: int, started: float) -> PictureExport:
    preparation = Preparation(job, work, max_pixels)
    pictures = preparation.pictures()
    keys = _keys(job)
    z = keys.index(job.key) if job.key else 0
    with contextlib.ExitStack() as stack:
        old = stack.enter_context(MrfReader(job.mrf)) if job.mrf.is_file() and (job.updates or job.slices) else None
        if old is not None and job.updates:
            pictures.insert(0, _existing(job, z))
        layout = lay_out(job, pictures)
        mosaic = stack.enter_context(Mosaic(job, layout, work)) if pictures else None
        header = _header(job, layout, mosaic, preparation.palette())
        if old is not None and job.slices and replace(old.header, notes=(), data_file="") != replace(header, notes=()):
            raise MrfError(f"{job.mrf} exists with another size, palette or number of slices; remove it first")
        source = PicturePages(job, layout, mosaic, header, old if job.slices else None, z, bool(pictures), work)
        _remove_parts(job.mrf)
        with MrfWriter(job.mrf, header) as writer:
            for page in source.pages():
                if isinstance(page, int):
                    writer.add_empty(page)
                else:
                    writer.add(page)
            writer.finish()
            summary = ExportedMrf(
                job.mrf,
                writer.written,
                writer.empty_pages,
                writer.shared_pages,
                writer.data_bytes,
                time.monotonic() - started,
            )
    if job.slices:
        write_zdb(job.mrf, keys)
    return PictureExport(summary, tuple(preparation.flaws))


def _keys(job: PictureJob) -> list[str]:
    """Return the keys of the slices in use, that of the job among them."""
    if not job.slices:
        return []
    path = job.mrf.with_suffix(".zdb")
    found = read_zdb(path) if path.is_file() and job.mrf.is_file() else {}
    keys = sorted(found, key=lambda key: found[key])
    if job.key and job.key not in keys:
        if len(keys) >= job.slices:
            raise MrfError(f"{path} has {len(keys)} keys already, mrf_z_levels allows {job.slices}")
        keys.append(job.key)
    return keys


def _existing(job: PictureJob, z: int) -> Any:
    """Return what an MRF that is updated shows, as the picture below the others."""
    header = read_header(job.mrf)
    if header.bounds is None:
        raise MrfError(f"{job.mrf} has no place on the Earth, it cannot be updated")
    if (header.slices > 1) != (job.slices > 1):
        raise MrfError(f"{job.mrf} has {header.slices} slices, mrf_z_levels states {job.slices or 'none'}")
    picture = read_picture(job.mrf, max_pixels=1 << 62)
    name = f"{job.mrf.absolute()}:MRF:Z{z}" if header.slices > 1 else str(job.mrf.absolute())
    return replace(picture, path=Path(name))


def _remove_parts(mrf: Path) -> None:
    """Remove what an interrupted run left: pictures may have changed since."""
    for part in mrf.parent.glob(f".{mrf.stem}.*.part"):
        part.unlink(missing_ok=True)


def _header(
    job: PictureJob, layout: Layout, mosaic: Mosaic | None, chosen: tuple[tuple[int, int, int, int], ...]
) -> MrfHeader:
    compression, bands, dtype = job.compression, 1, "uint8"
    own = mosaic.palette if mosaic is not None else ()
    palette = chosen if chosen and (job.overwrites_palette or not own) else own
    if mosaic is not None:
        bands, dtype = mosaic.bands, mosaic.dtype
    if palette and compression is Compression.PNG:
        compression = Compression.PPNG  # a page of PNG has no place for a palette of its own
    if compression is Compression.PPNG and not palette:
        raise MrfError("pages in PPNG need a palette: pictures with one, or a colormap")
    if compression is Compression.JPEG:
        bands = 3
    elif compression is Compression.JPNG:
        bands = 4
    elif compression not in (Compression.PNG, Compression.PPNG) and bands != 1:
        raise MrfError(f"pages in {compression.name} hold values of one band, the pictures have {bands}")
    if dtype != "uint8" and compression in (Compression.PNG, Compression.PPNG, Compression.JPEG, Compression.JPNG):
        raise MrfError(f"pages in {compression.name} hold bytes, the pictures have {dtype}")
    padded = (*palette, *((0, 0, 0, 0),) * (PALETTE_SIZE - len(palette))) if compression is Compression.PPNG else ()
    nodata = job.nodata if mosaic is None else mosaic.nodata
    is_lossy = compression in (Compression.JPEG, Compression.JPNG)
    options = (("LERC_PREC", repr(job.max_error)), ("DEFLATE", "ON")) if compression is Compression.LERC else ()
    return MrfHeader(
        layout.size,
        Shape(job.page, job.page),
        compression,
        dtype,
        bands,
        bands,
        max(1, job.slices),
        has_overviews=_has_overviews(job) and max(layout.size.rows, layout.size.cols) > job.page,
        nodata=(0.0,) if job.zen else () if nodata is None else (float(nodata),),
        palette=padded,
        bounds=layout.extents,
        projection=str(CRS.from_epsg(int(job.epsg)).to_wkt(WktVersion.WKT1_GDAL)),
        quality=job.quality if is_lossy else None,
        options=options,
    )


def _has_overviews(job: PictureJob) -> bool:
    # mrf_noaddo only keeps gdaladdo from running: inserting pictures makes the levels as well.
    return bool(job.overviews)
