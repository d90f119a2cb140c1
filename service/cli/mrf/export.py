"""The command ``mrf export``, which is also ``mrf LAYER OUTDIR``."""

from __future__ import annotations

from typing import Annotated

import typer

from lazytile.service.cli.mrf.summary import print_summaries
from lazytile.service.cli.options.common import JsonOption, LayerArgument, OutdirArgument  # noqa: TC001 - Typer reads annotations
from lazytile.service.cli.options.engine import RenderingEngineOptions  # noqa: TC001
from lazytile.service.cli.options.exported_layer import ExportedLayerOptions, OnEarthOption  # noqa: TC001
from lazytile.service.cli.options.groups import with_option_groups
from lazytile.service.cli.options.progress import tile_progress


@with_option_groups
def export(
    layer: LayerArgument,
    outdir: OutdirArgument,
    *,
    selection: ExportedLayerOptions,
    tms: Annotated[
        str, typer.Option("--tms", metavar="SET", help="Tile matrix set; native is the data's own grid.")
    ] = "native",
    page: Annotated[
        int | None,
        typer.Option(metavar="PIXELS", help="Side of a page [default: the set's tile; for native the data's chunk]."),
    ] = None,
    compression: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="PPNG, PNG, JPEG or JPNG for pictures; DEFLATE, ZSTD, LERC, TIF or NONE for the stored values "
            "[default: PPNG; with --rgb PNG].",
        ),
    ] = None,
    quality: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=95, help="Quality of JPEG and JPNG [default: 85].")
    ] = None,
    effort: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Compression effort for PPNG and DEFLATE: served (as the service does it), fast, default or small.",
        ),
    ] = "served",
    bands: Annotated[
        int | None,
        typer.Option(metavar="N", help="Bands of PNG pages: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA [default: 4]."),
    ] = None,
    full_chroma: Annotated[bool, typer.Option("--full-chroma", help="Write JPEG at 4:4:4 instead of 4:2:0.")] = False,
    zen: Annotated[
        bool, typer.Option("--zen", help="Write JPEG with GDAL's Zen mask: no data stays exactly 0.")
    ] = False,
    max_error: Annotated[
        float, typer.Option(metavar="CODES", help="Maximum error of LERC, in stored values; 0 is lossless.")
    ] = 0.0,
    overviews: Annotated[
        str, typer.Option(metavar="HOW", help="mean: from the data's pyramid; nearest: every 2nd, 4th, ... cell.")
    ] = "mean",
    by_year: Annotated[bool, typer.Option("--by-year", help="Create a folder for each year.")] = False,
    as_slices: Annotated[
        bool, typer.Option("--slices", help="Write all times to one MRF as z slices, with a .zdb file.")
    ] = False,
    onearth: OnEarthOption = False,
    share_pages: Annotated[bool, typer.Option("--share-pages", help="Store identical pages once.")] = False,
    as_json: JsonOption = False,
    engine: RenderingEngineOptions,
) -> None:
    """Export a layer as MRF files with overviews, one per time, for GDAL and OnEarth.

    To resume an interrupted export, run the command again.
    """
    from lazytile.pyramid.mrf.effort import CompressionEffort  # noqa: PLC0415 - numpy takes a moment to import
    from lazytile.pyramid.mrf.export import export_mrf  # noqa: PLC0415
    from lazytile.pyramid.mrf.model import Compression  # noqa: PLC0415
    from lazytile.pyramid.mrf.options import ExportOptions  # noqa: PLC0415
    from lazytile.pyramid.mrf.page_encoding import DEFAULT_QUALITY  # noqa: PLC0415

    found, painted = selection.open(layer)
    options = ExportOptions(
        tms=tms,
        finest=selection.finest,
        page=page,
        select=selection.steps(found),
        compression=Compression.parse(compression or ("PPNG" if selection.rgb is None else "PNG")),
        quality=DEFAULT_QUALITY if quality is None else quality,
        effort=CompressionEffort.parse(effort),
        bands=bands,
        full_chroma=full_chroma,
        zen=zen,
        max_error=max_error,
        share_pages=share_pages,
        overviews=overviews,
        by_year=by_year,
        as_slices=as_slices,
        onearth=onearth,
        rgb=selection.colours(found),
    )
    with engine.open() as pool, tile_progress(f"exporting {layer}") as progress:
        selection.register_sets()
        print_summaries(
            export_mrf(selection.store, found, painted, outdir, engine=pool, options=options, progress=progress),
            as_json=as_json,
        )
