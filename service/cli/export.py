"""The command ``export``: a layer as one file of another kind."""

from __future__ import annotations

from typing import Annotated

import typer

from lazytile.service.cli.options.common import JsonOption, LayerArgument, OutdirArgument, counted, print_json
from lazytile.service.cli.options.engine import RenderingEngineOptions  # noqa: TC001
from lazytile.service.cli.options.exported_layer import ExportedLayerOptions  # noqa: TC001
from lazytile.service.cli.options.groups import with_option_groups
from lazytile.service.cli.options.progress import tile_progress


@with_option_groups
def export(
    layer: LayerArgument,
    outdir: OutdirArgument,
    *,
    to: Annotated[str, typer.Option(metavar="KIND", help="pmtiles, mbtiles or cog.")],
    selection: ExportedLayerOptions,
    tms: Annotated[
        str | None,
        typer.Option(
            "--tms", metavar="SET", help="Tile matrix set [default: WebMercatorQuad; for cog the data's own grid]."
        ),
    ] = None,
    values: Annotated[bool, typer.Option("--values", help="cog: write the stored values instead of colours.")] = False,
    jpeg: Annotated[bool, typer.Option("--jpeg", help="pmtiles, mbtiles: write JPEG tiles instead of PNG.")] = False,
    effort: Annotated[
        str, typer.Option(metavar="NAME", help="Compression effort for PNG tiles: served, fast, default or small.")
    ] = "served",
    as_json: JsonOption = False,
    engine: RenderingEngineOptions,
) -> None:
    """Export a layer as PMTiles, MBTiles or cloud optimized GeoTIFF, one file per time.

    pmtiles and cog need an additional package: pip install 'lazytile[export]'. To resume an interrupted
    export, run the command again.
    """
    from lazytile.pyramid.core.errors import MrfError  # noqa: PLC0415
    from lazytile.pyramid.exports.archive import Archive, export_archives  # noqa: PLC0415
    from lazytile.pyramid.mrf.effort import CompressionEffort  # noqa: PLC0415
    from lazytile.pyramid.mrf.model import Compression  # noqa: PLC0415
    from lazytile.pyramid.mrf.options import ExportOptions  # noqa: PLC0415
    from lazytile.pyramid.render.image import PALETTE_SIZE  # noqa: PLC0415

    archive = Archive.parse(to)
    if values and archive is not Archive.COG:
        raise MrfError(f"{to} holds pictures; only cog holds values")
    found, painted = selection.open(layer)
    rgb = selection.colours(found)
    is_indexed = rgb is None and len(painted.palette.rgba) <= PALETTE_SIZE
    picture = Compression.JPEG if jpeg else Compression.PPNG if is_indexed else Compression.PNG
    options = ExportOptions(
        tms=tms or ("native" if archive is Archive.COG else "WebMercatorQuad"),
        finest=selection.finest,
        page=512 if archive is Archive.COG and tms is None else None,
        select=selection.steps(found),
        compression=Compression.DEFLATE if values else picture,
        effort=CompressionEffort.parse(effort),
        rgb=rgb,
    )
    with engine.open() as pool, tile_progress(f"exporting {layer}") as progress:
        selection.register_sets()
        summaries = export_archives(
            selection.store, found, painted, outdir, archive, engine=pool, options=options, progress=progress
        )
    if as_json:
        files = [{"file": each.path, "tiles": each.tiles, "bytes": each.file_bytes} for each in summaries]
        print_json(files=files)
        return
    for summary in summaries:
        typer.echo(f"{summary.path}: {counted(summary.tiles, 'tile')} with data, {summary.file_bytes / 1e6:.1f} MB")
