"""The command ``export``: a layer as one file of another kind."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lazytile.service.cli.lazy_engine import LazyEngine
from lazytile.service.cli.mrf import selected, tile_progress
from lazytile.service.cli.options import (
    DEFAULT_STORE,
    DashboardOption,
    EngineOption,
    FinestOption,
    LayerArgument,
    StepsOption,
    StoreOption,
    StyleOption,
    TimesOption,
    WorkersOption,
    existing,
)

OutdirArgument = Annotated[
    Path, typer.Argument(metavar="OUTDIR", help="Folder for the files; made where there is none.")
]


def export(
    layer: LayerArgument,
    outdir: OutdirArgument,
    *,
    to: Annotated[str, typer.Option(metavar="KIND", help="pmtiles, mbtiles or cog.")],
    store: StoreOption = DEFAULT_STORE,
    style: StyleOption = "default",
    tms: Annotated[
        str | None,
        typer.Option(
            "--tms", metavar="SET", help="Tile matrix set [default: WebMercatorQuad; the data's own grid for cog]."
        ),
    ] = None,
    finest: FinestOption = None,
    time: TimesOption = None,
    dim: StepsOption = None,
    values: Annotated[bool, typer.Option("--values", help="cog: the data's codes, not colours.")] = False,
    jpeg: Annotated[bool, typer.Option("--jpeg", help="pmtiles, mbtiles: JPEG tiles, not PNG.")] = False,
    effort: Annotated[
        str, typer.Option(metavar="NAME", help="How hard PNG tiles are compressed: served, fast, default, small.")
    ] = "served",
    colormaps: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Folder of further colormaps.")] = None,
    engine: EngineOption = "auto",
    workers: WorkersOption = None,
    dashboard: DashboardOption = None,
) -> None:
    """Export a layer as PMTiles, MBTiles or cloud optimized GeoTIFF, one file for each time.

    pmtiles and cog need a package more: pip install pmtiles, pip install rasterio. What was interrupted goes on when
    the command is given again.
    """
    from lazytile.colormaps.library.catalog import ColormapCatalog, default_user_folder  # noqa: PLC0415 - this command alone
    from lazytile.pyramid.core.errors import MrfError  # noqa: PLC0415
    from lazytile.pyramid.exports.archive import Archive, export_archives  # noqa: PLC0415
    from lazytile.pyramid.mrf.effort import CompressionEffort  # noqa: PLC0415
    from lazytile.pyramid.mrf.model import Compression  # noqa: PLC0415
    from lazytile.pyramid.mrf.options import ExportOptions  # noqa: PLC0415
    from lazytile.pyramid.render.image import PALETTE_SIZE  # noqa: PLC0415
    from lazytile.pyramid.render.style import Styles  # noqa: PLC0415
    from lazytile.pyramid.store.store import Store  # noqa: PLC0415

    archive = Archive.parse(to)
    if values and archive is not Archive.COG:
        raise MrfError(f"{to} holds pictures, only cog holds values")
    found = Store(existing(store)).layer(layer)
    painted = Styles(ColormapCatalog(colormaps or default_user_folder())).style(found, style)
    is_indexed = len(painted.palette.rgba) <= PALETTE_SIZE
    picture = Compression.JPEG if jpeg else Compression.PPNG if is_indexed else Compression.PNG
    options = ExportOptions(
        tms=tms or ("native" if archive is Archive.COG else "WebMercatorQuad"),
        finest=finest,
        page=512 if archive is Archive.COG and tms is None else None,
        select=selected(found, time or [], dim or []),
        compression=Compression.DEFLATE if values else picture,
        effort=CompressionEffort.parse(effort),
    )
    with LazyEngine(engine, workers, dashboard) as pool, tile_progress(f"exporting {layer}") as progress:
        summaries = export_archives(
            store, found, painted, outdir, archive, engine=pool, options=options, progress=progress
        )
    for summary in summaries:
        typer.echo(f"{summary.path}: {summary.tiles} tiles with data, {summary.file_bytes / 1e6:.1f} MB")
