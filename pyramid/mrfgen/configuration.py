"""Reading the configuration of OnEarth's mrfgen, so that an operator can switch.

mrfgen takes images, we take a layer of the store: ``parameter_name`` names the layer, the date its step. Elements that
would change the result and are not supported are an error; elements without meaning here are listed in ``unused``.
Nothing is ignored silently.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.mrf.model import Compression
from lazytile.pyramid.mrf.options import ExportOptions
from lazytile.pyramid.mrf.page_encoding import DEFAULT_QUALITY
from lazytile.pyramid.mrfgen.elements import (
    COMPRESSIONS,
    MRFGEN_QUALITY,
    lookup,
    read_elements,
    target_extents,
    whole_number,
)
from lazytile.pyramid.tiling.registry import custom_sets
from lazytile.pyramid.tiling.tms import REGISTERED

if TYPE_CHECKING:
    from lazytile.pyramid.core.grid import Bounds
    from lazytile.pyramid.store.layer import Layer
    from lazytile.pyramid.tiling.tms import TileMatrixSet

DEFAULT_WIDTH = 20480
"""Pixels of the set that is used where neither the configuration nor the data need more, as in mrfgen."""
_OVERVIEWS = {"nearest": "nearest", "nnb": "nearest", "average": "mean", "avg": "mean"}
_SET_PREFIX = {
    "4326": ("16km", "2km", "1km", "500m", "250m", "31.25m", "15.625m"),
    "3857": tuple(f"GoogleMapsCompatible_Level{level}" for level in (3, 6, 7, 8, 9, 12, 13)),
    "3413": ("EPSG3413_1km", "EPSG3413_500m", "EPSG3413_250m", "EPSG3413_31.25m"),
    "3031": ("EPSG3031_1km", "EPSG3031_500m", "EPSG3031_250m"),
}
_UNUSED = {
    "input_files": "a layer of the store is exported",
    "input_dir": "a layer of the store is exported",
    "working_dir": "temporary files lie beside the result",
    "cache_dir": "temporary files lie beside the result",
    "logfile_dir": "messages are written to standard error",
    "mrf_empty_tile_filename": "pages without data are not stored; --onearth writes an empty tile",
    "empty_tile": "pages without data are not stored; --onearth writes an empty tile",
    "mrf_name": "files are named LAYER-YYYYJJJHHMMSS, as GIBS does",
    "vrtnodata": "the data defines its no data",
    "source_epsg": "the data defines its CRS",
    "extents": "the data defines its extent",
    "resampling": "the cell under the pixel's centre is shown",
    "reprojection_resampling": "the cell under the pixel's centre is shown",
    "resize_resampling": "the cell under the pixel's centre is shown",
    "overview_levels": "levels continue to a single page",
    "mrf_nocopy": "all pages are written in order",
    "mrf_merge": "one layer is exported",
    "mrf_parallel": "pages are always rendered in parallel",
    "mrf_cores": "--workers sets the number",
    "mrf_clean": "the data file has no gaps",
    "mrf_strict_palette": "every colour is from the palette",
    "mrf_maxsize": "no limit is set",
    "source_url": "it is not recorded",
    "mrf_overwrite_colormap": "pages show the colours of the style",
    "mrf_noaddo": "levels are made from the layer's own",
    "mrf_brunsli": "JPEG pages are plain JPEG, which every reader takes",
    "mrf_z_levels": "each time has a file of its own; lazytile mrf --slices writes them into one",
    "mrf_z_key": "each time has a file of its own; lazytile mrf --slices writes them into one",
    "background": "the data defines where there is none",
}
_OFF = {"", "false", "no", "0", "off", "none"}


@dataclass(frozen=True, slots=True)
class MrfgenJob:
    """The export that a configuration requests."""

    layer: str
    date: str
    """Beginning of the time's label: ``2014-06-06`` or ``2014-06-06T12:30:00``."""
    folder: Path
    colormap: Path | None
    epsg: str
    width: int | None
    height: int | None
    """Pixels of full resolution."""
    block: int | None
    """Pixels along a side of a page; None: the set's."""
    compression: Compression
    zen: bool
    quality: int
    max_error: float
    overviews: str
    extents: Bounds | None
    """Of the MRF; None: those of the set."""
    unused: tuple[str, ...]
    """One line for each element that has no meaning here."""

    def options(self, layer: Layer) -> ExportOptions:
        """Return the options of the export.

        Args:
            layer: That the configuration names.

        Returns:
            The options.

        Raises:
            MrfError: No set or step fits.
        """
        tms = self._set(layer)
        if self.extents is not None and not _agree(self.extents, tms.bounds):
            raise MrfError(
                f"target_extents are not those of {tms.identifier}; make a set of your own (--tile-matrix-sets), "
                "or an MRF of pictures (--pictures)"
            )
        height = round((tms.bounds.north - tms.bounds.south) / tms.matrices[-1].cell_height)
        if self.height not in (None, height):
            raise MrfError(f"target_y {self.height} is not allowed, {tms.identifier} has {height}")
        time = layer.variable.time
        select: dict[str, list[str]] = {}
        if time is not None:
            steps = [label for label in time.labels if label.startswith(self.date)]
            if not steps:
                raise MrfError(f"{layer.name} has no time {self.date}, which date_of_data and time_of_data select")
            select[time.name] = steps
        return ExportOptions(
            tms=tms.identifier,
            page=self.block,
            select=select,
            compression=self.compression,
            zen=self.zen,
            quality=self.quality,
            max_error=self.max_error,
            overviews=self.overviews,
        )

    def _set(self, layer: Layer) -> TileMatrixSet:
        sets = [REGISTERED[name] for name in _SET_PREFIX[self.epsg]]
        sets += [each for each in custom_sets() if each.crs == f"EPSG:{self.epsg}"]
        widths = [round((tms.bounds.east - tms.bounds.west) / tms.matrices[-1].cell_width) for tms in sets]
        if self.width is not None:
            if self.width not in widths:
                allowed = ", ".join(map(str, widths))
                raise MrfError(f"target_x {self.width} fits no GIBS set of EPSG:{self.epsg}, allowed are {allowed}")
            fitting = [each for each, width in zip(sets, widths, strict=True) if width == self.width]
            own = [each for each in fitting if self.extents is not None and _agree(self.extents, each.bounds)]
            return (own or fitting)[0]
        wanted = max(DEFAULT_WIDTH if self.epsg == "4326" else 0, layer.dataset.grid.shape.cols)
        fitting = [tms for tms, width in zip(sets, widths, strict=True) if width >= wanted]
        return fitting[0] if fitting else sets[-1]


def read_mrfgen(path: Path) -> MrfgenJob:
    """Read a configuration.

    Args:
        path: Of the XML file.

    Returns:
        The job.

    Raises:
        MrfError: An element is missing or not supported, or the file cannot be read.
    """
    elements = dict(read_elements(path).texts)
    unused = [f"{name} is not used: {why}" for name, why in _UNUSED.items() if name in elements]
    unused += [f"{name} is not used: no mail is sent" for name in elements if name.startswith("email_")]
    take = elements.pop
    for name in (*_UNUSED, *(name for name in list(elements) if name.startswith("email_"))):
        take(name, "")
    for name in ("parameter_name", "date_of_data", "output_dir"):
        if not elements.get(name):
            raise MrfError(f"{path}: a mrfgen configuration needs {name}")
    layer, date, clock, out = (
        take(name, "") for name in ("parameter_name", "date_of_data", "time_of_data", "output_dir")
    )
    kind = take("mrf_compression_type", "PNG").upper()
    compression = lookup(path, "mrf_compression_type", kind, COMPRESSIONS)
    precision = take("quality_prec", "")
    quality, max_error = _precision(path, precision, compression)
    if precision and compression in (Compression.PNG, Compression.PPNG, Compression.TIF):
        unused.append(f"quality_prec is not used: pages in {compression.name} are exact")
    resampling = take("overview_resampling", "nearest")
    epsg = take("target_epsg", "4326").upper().removeprefix("EPSG:")
    lookup(path, "target_epsg", epsg, _SET_PREFIX)
    outsize = [*take("outsize", "").replace(",", " ").split(), "", ""]
    width, height = take("target_x", "") or outsize[0], take("target_y", "") or outsize[1]
    block = take("mrf_blocksize", "")
    extents = take("target_extents", "")
    colormap = take("colormap", "")
    if "://" in colormap:
        raise MrfError(f"{path}: colormap {colormap} is a URL, only a file can be read")
    wanted = [name for name, text in elements.items() if text.lower() not in _OFF]
    if wanted:
        raise MrfError(f"{path}: elements that are not supported: {', '.join(wanted)}")
    return MrfgenJob(
        layer,
        _date(path, date, clock),
        Path(out),
        Path(colormap) if colormap else None,
        epsg,
        whole_number(path, "target_x", width) if width else None,
        whole_number(path, "target_y", height) if height else None,
        whole_number(path, "mrf_blocksize", block) if block else None,
        compression,
        kind == "ZEN",
        quality,
        max_error,
        lookup(path, "overview_resampling", resampling.lower(), _OVERVIEWS),
        target_extents(path, extents) if extents else None,
        tuple(unused),
    )


def _agree(first: Bounds, second: Bounds) -> bool:
    """Return whether bounds are equal but for the rounding of metres."""
    pairs = ((first.west, second.west), (first.south, second.south), (first.east, second.east))
    size = second.east - second.west
    return all(abs(a - b) <= 1e-6 * size for a, b in (*pairs, (first.north, second.north)))


def _date(path: Path, date: str, clock: str) -> str:
    if not (date.isdigit() and len(date) == 8) or (clock and not (clock.isdigit() and len(clock) == 6)):
        raise MrfError(f"{path}: date_of_data is YYYYMMDD and time_of_data HHMMSS, got {date[:20]!r} {clock[:20]!r}")
    day = f"{date[:4]}-{date[4:6]}-{date[6:]}"
    return f"{day}T{clock[:2]}:{clock[2:4]}:{clock[4:]}" if clock else day


def _precision(path: Path, text: str, compression: Compression) -> tuple[int, float]:
    """Return JPEG's quality and LERC's error, which share one element."""
    if compression is not Compression.LERC:
        is_jpeg = compression in (Compression.JPEG, Compression.JPNG)
        return (whole_number(path, "quality_prec", text) if text and is_jpeg else MRFGEN_QUALITY), 0.0
    try:
        return DEFAULT_QUALITY, float(text or 0.0)
    except ValueError as error:
        raise MrfError(f"{path}: quality_prec {text[:60]!r} is not a number") from error
