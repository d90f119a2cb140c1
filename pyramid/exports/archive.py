"""Exporting a layer as one file for other readers: PMTiles, MBTiles, cloud optimized GeoTIFF.

The tiles are rendered as an MRF first, in a hidden folder beside the target: by the same renderer, in parallel, and
resumed after a kill. Then they are packed, for PMTiles in the order of tile numbers, so that the archive is clustered.
The file is renamed to its name when it is complete.
"""

from __future__ import annotations

import importlib
import os
import shutil
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.exports.cog import write_cog
from lazytile.pyramid.exports.tile_archives import write_mbtiles, write_pmtiles
from lazytile.pyramid.mrf.export import export_mrf
from lazytile.pyramid.mrf.model import Compression
from lazytile.pyramid.mrf.reader import MrfReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lazytile.pyramid.engines.protocol import BulkEngine
    from lazytile.pyramid.mrf.options import ExportOptions
    from lazytile.pyramid.render.style import Style
    from lazytile.pyramid.store.layer import Layer
    from lazytile.pyramid.streams.progress import MrfProgress


class Archive(Enum):
    """A format of exports: the extension, and the package that writes it."""

    PMTILES = ("pmtiles", "pmtiles")
    MBTILES = ("mbtiles", "sqlite3")
    COG = ("tif", "rasterio")

    @classmethod
    def parse(cls, name: str) -> Archive:
        """Parse the name of a format.

        Args:
            name: In any case.

        Returns:
            The format.

        Raises:
            MrfError: The name is unknown.
        """
        if name.strip().upper() in cls.__members__:
            return cls[name.strip().upper()]
        formats = ", ".join(item.name.lower() for item in cls)
        raise MrfError(f"export format {name!r} is unknown, allowed are {formats}")


@dataclass(frozen=True, slots=True)
class ExportedArchive:
    """An exported file."""

    path: Path
    tiles: int
    """Tiles with data; the others are omitted."""
    file_bytes: int


def export_archives(
    store: Path,
    layer: Layer,
    style: Style,
    folder: Path,
    archive: Archive,
    *,
    engine: BulkEngine,
    options: ExportOptions,
    progress: Callable[[MrfProgress], None] | None = None,
) -> list[ExportedArchive]:
    """Write one file for each step of a layer, named as MRFs are; existing files are replaced.

    PMTiles and MBTiles hold images in a set of Web Mercator; a GeoTIFF may also hold the data's codes (compressions of
    values).

    Args:
        store: Folder of datasets.
        layer: To export.
        style: Its colours.
        folder: Created where there is none.
        archive: The format.
        engine: Runs the tasks.
        options: How to export.
        progress: Called after every task, from this thread.

    Returns:
        The files.

    Raises:
        MrfError: The format or its package does not allow it, or a file cannot be written. What ``export_mrf`` raises
            passes through.
    """
    _check(layer, archive, options)
    work = folder / f".{layer.name}.{archive.name.lower()}.work"
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MrfError(f"folder {folder} cannot be written: {error.strerror}") from error
    options = replace(options, by_year=False, as_slices=False)
    made = export_mrf(store, layer, style, work, engine=engine, options=options, progress=progress)
    summaries = []
    for each in made:
        target = folder / f"{each.path.stem}.{archive.value[0]}"
        part = folder / f".{target.name}.part"
        try:
            part.unlink(missing_ok=True)
            _pack(each.path, part, archive, layer=layer, style=style, tms=options.tms)
            with part.open("rb") as file:
                os.fsync(file.fileno())
            part.replace(target)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise MrfError(f"{target} cannot be written: {error.strerror or error}") from error
        except MrfError as error:
            part.unlink(missing_ok=True)
            raise MrfError(str(error).replace(str(part), str(target))) from error
        summaries.append(ExportedArchive(target, each.tiles - each.empty_tiles, target.stat().st_size))
    shutil.rmtree(work)
    return summaries


def _pack(mrf: Path, part: Path, archive: Archive, *, layer: Layer, style: Style, tms: str) -> None:
    if archive is Archive.COG:
        write_cog(mrf, part, layer)
        return
    write = write_pmtiles if archive is Archive.PMTILES else write_mbtiles
    with MrfReader(mrf) as reader:
        write(reader, part, layer.tile_matrix_set(tms), layer, style)


def _check(layer: Layer, archive: Archive, options: ExportOptions) -> None:
    """Refuse impossible exports before any tile is rendered."""
    package = archive.value[1]
    try:
        importlib.import_module(package)
    except ImportError as error:
        raise MrfError(f"{archive.name} needs the package {package}: pip install 'lazytile[export]'") from error
    if archive is Archive.COG:
        return
    if options.page is not None:
        raise MrfError(f"{archive.name} takes the tiles of the set, not pages of {options.page} pixels")
    tms = layer.tile_matrix_set(options.tms)
    is_quad = tms.crs == "EPSG:3857" and all(
        (matrix.matrix_width, matrix.matrix_height, matrix.identifier) == (1 << zoom, 1 << zoom, str(zoom))
        for zoom, matrix in enumerate(tms.matrices)
    )
    if not is_quad:
        raise MrfError(f"{archive.name} takes tiles of Web Mercator, not of {tms.identifier}: --tms WebMercatorQuad")
    if options.compression not in (Compression.PPNG, Compression.PNG, Compression.JPEG):
        raise MrfError(f"{archive.name} takes tiles in PPNG, PNG or JPEG, not {options.compression.name}")
