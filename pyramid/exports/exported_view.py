"""Exports of a layer as a program looks at it: the steps that are selected, all of them where none are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.pyramid.engines.factory import engine_or_threads
from lazytile.pyramid.exports.archive import Archive, export_archives
from lazytile.pyramid.mrf.effort import CompressionEffort
from lazytile.pyramid.mrf.export import export_mrf
from lazytile.pyramid.mrf.model import Compression
from lazytile.pyramid.mrf.options import ExportOptions
from lazytile.pyramid.render.image import PALETTE_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lazytile.pyramid.engines.protocol import BulkEngine
    from lazytile.pyramid.exports.archive import ExportedArchive
    from lazytile.pyramid.reading.view import LayerView
    from lazytile.pyramid.streams.progress import ExportedMrf, MrfProgress

COG_PAGE_PX = 512


def export_view_as_mrf(
    view: LayerView,
    folder: Path,
    style: str,
    tms: str,
    kinds: tuple[str, str],
    *,
    engine: str | BulkEngine | None = None,
    progress: Callable[[MrfProgress], None] | None = None,
) -> list[ExportedMrf]:
    """Export a layer as MRF.

    Args:
        view: The layer and its steps.
        folder: Created where there is none.
        style: ``default`` or a colormap.
        tms: Identifier of the tile matrix set.
        kinds: Compression of pages and its effort, by name.
        engine: An open engine, or the name of one; None for threads.
        progress: Called after every task.

    Returns:
        The files.

    Raises:
        MrfError: They cannot be written.
        RequestError: There is no such style or set.
    """
    layer, painted = view.layer(), view.style(style)
    compression, effort = kinds
    options = ExportOptions(
        tms=tms,
        select=view.steps.texts(layer.variable),
        compression=Compression.parse(compression),
        effort=CompressionEffort.parse(effort),
    )
    with engine_or_threads(engine) as pool:
        return export_mrf(view.store.folder, layer, painted, folder, engine=pool, options=options, progress=progress)


def export_view(
    view: LayerView,
    folder: Path,
    archive: Archive,
    style: str,
    *,
    tms: str | None = None,
    values: bool = False,
    engine: str | BulkEngine | None = None,
    progress: Callable[[MrfProgress], None] | None = None,
) -> list[ExportedArchive]:
    """Export a layer as archives.

    Args:
        view: The layer and its steps.
        folder: Created where there is none.
        archive: The format.
        style: ``default`` or a colormap.
        tms: Identifier of the tile matrix set; None: the data's own grid.
        values: Whether pixels are the stored values instead of colours, which only a GeoTIFF can hold.
        engine: An open engine, or the name of one; None for threads.
        progress: Called after every task.

    Returns:
        The files.

    Raises:
        MrfError: They cannot be written, or need a package that is missing.
        RequestError: There is no such style or set.
    """
    layer, painted = view.layer(), view.style(style)
    picture = Compression.PPNG if len(painted.palette.rgba) <= PALETTE_SIZE else Compression.PNG
    options = ExportOptions(
        tms=tms or "native",
        page=COG_PAGE_PX if tms is None else None,
        select=view.steps.texts(layer.variable),
        compression=Compression.DEFLATE if values else picture,
    )
    with engine_or_threads(engine) as pool:
        return export_archives(
            view.store.folder, layer, painted, folder, archive, engine=pool, options=options, progress=progress
        )
