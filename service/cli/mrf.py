"""Exporting as MRF: the commands ``mrf LAYER OUTDIR`` and ``mrf from-mrfgen``."""

from __future__ import annotations

import logging
import sys
import time as clock
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path  # noqa: TC003 - typer reads annotations
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup

from lazytile.pyramid.core.errors import MrfError
from lazytile.service.cli import mrf_file
from lazytile.service.cli.lazy_engine import LazyEngine
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
    progress_bar,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lazytile.pyramid.mrf.export import MrfProgress, MrfSummary
    from lazytile.pyramid.store.layer import Layer

LOG = logging.getLogger(__name__)

LOG_EVERY_S = 30.0
"""How often progress is logged where standard error is no terminal."""


class _ExportUnlessNamed(TyperGroup):
    """``lazytile mrf LAYER OUTDIR`` exports; the other commands are named first."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Put ``export`` before anything that is not the name of a command."""
        if not args or args[0] not in self.commands:
            args = ["export", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_ExportUnlessNamed, help="Export a layer as MRF; verify, describe and read MRF files.")
for command in (mrf_file.verify, mrf_file.info, mrf_file.extract):
    app.command()(command)


@app.command(
    epilog="Further commands: mrf verify FILE, mrf info FILE, mrf extract FILE OUT, mrf from-mrfgen CONFIG. "
    "A layer of such a name is exported with: mrf export LAYER OUTDIR."
)
def export(
    layer: LayerArgument,
    outdir: Annotated[
        Path, typer.Argument(metavar="OUTDIR", help="Folder for the MRF files; made where there is none.")
    ],
    *,
    store: StoreOption = DEFAULT_STORE,
    style: StyleOption = "default",
    tms: Annotated[
        str, typer.Option("--tms", metavar="SET", help="Tile matrix set; native is the data's own grid.")
    ] = "native",
    finest: FinestOption = None,
    page: Annotated[
        int | None,
        typer.Option(metavar="PIXELS", help="Side of a page [default: the set's tile; native: the data's chunk]."),
    ] = None,
    time: TimesOption = None,
    dim: StepsOption = None,
    compression: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="PPNG, PNG, JPEG or JPNG for pictures; DEFLATE, ZSTD, LERC, TIF or NONE for the data's codes.",
        ),
    ] = "PPNG",
    quality: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=95, help="Of JPEG and JPNG [default: 85].")
    ] = None,
    effort: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="How hard PPNG and DEFLATE pages are compressed: served (the service's way), fast, default, small.",
        ),
    ] = "served",
    bands: Annotated[
        int | None,
        typer.Option(metavar="N", help="Of PNG pages: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA [default: 4]."),
    ] = None,
    full_chroma: Annotated[bool, typer.Option("--full-chroma", help="JPEG at 4:4:4, not 4:2:0.")] = False,
    zen: Annotated[
        bool, typer.Option("--zen", help="JPEG with GDAL's Zen mask: what is no data stays exactly 0.")
    ] = False,
    max_error: Annotated[
        float, typer.Option(metavar="CODES", help="How far LERC may be off, in the data's codes; 0 is lossless.")
    ] = 0.0,
    overviews: Annotated[
        str, typer.Option(metavar="HOW", help="mean: the data's pyramid; nearest: every 2nd, 4th, ... cell.")
    ] = "mean",
    by_year: Annotated[bool, typer.Option("--by-year", help="A folder for each year.")] = False,
    as_slices: Annotated[
        bool, typer.Option("--slices", help="All times in one MRF, as z slices with a .zdb beside it.")
    ] = False,
    onearth: Annotated[
        bool,
        typer.Option("--onearth", help="Also write OnEarth's layer configuration, colormap, legends and empty tile."),
    ] = False,
    share_pages: Annotated[bool, typer.Option("--share-pages", help="Store equal pages once.")] = False,
    colormaps: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Folder of further colormaps.")] = None,
    engine: EngineOption = "auto",
    workers: WorkersOption = None,
    dashboard: DashboardOption = None,
) -> None:
    """Export a layer as MRF files with overviews, one for each time; GDAL and OnEarth read them.

    An export that was interrupted goes on where it was when the command is given again.
    """
    from lazytile.colormaps.library.catalog import ColormapCatalog, default_user_folder  # noqa: PLC0415 - this command alone
    from lazytile.pyramid.mrf.effort import CompressionEffort  # noqa: PLC0415
    from lazytile.pyramid.mrf.export import export_mrf  # noqa: PLC0415
    from lazytile.pyramid.mrf.model import Compression  # noqa: PLC0415
    from lazytile.pyramid.mrf.options import ExportOptions  # noqa: PLC0415
    from lazytile.pyramid.mrf.page_encoding import DEFAULT_QUALITY  # noqa: PLC0415
    from lazytile.pyramid.render.style import Styles  # noqa: PLC0415
    from lazytile.pyramid.store.store import Store  # noqa: PLC0415

    opened = Store(existing(store))
    found = opened.layer(layer)
    painted = Styles(ColormapCatalog(colormaps or default_user_folder())).style(found, style)
    options = ExportOptions(
        tms=tms,
        finest=finest,
        page=page,
        select=selected(found, time or [], dim or []),
        compression=Compression.parse(compression),
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
    )
    with LazyEngine(engine, workers, dashboard) as pool, tile_progress(f"exporting {layer}") as progress:
        summaries = export_mrf(
            store,
            found,
            painted,
            outdir,
            engine=pool,
            options=options,
            progress=progress,
        )
    _tell(summaries)


def _tell(summaries: list[MrfSummary]) -> None:
    for summary in summaries:
        state = "was there already" if summary.was_there else f"{summary.seconds:.1f} s"
        shared = f", {summary.shared_tiles} shared" if summary.shared_tiles else ""
        typer.echo(
            f"{summary.path}: {summary.tiles} tiles, {summary.empty_tiles} of them empty{shared}, "
            f"{summary.data_bytes / 1e6:.1f} MB, {state}"
        )


def selected(layer: Layer, asked: list[str], dims: list[str]) -> dict[str, list[str]]:
    """Return the labels asked for, by the name of the dimension. Raises ``RequestError`` and ``MrfError``."""
    from lazytile.pyramid.core.errors import InvalidParameterError  # noqa: PLC0415
    from lazytile.pyramid.core.request_field import RequestField  # noqa: PLC0415
    from lazytile.pyramid.times import lookup  # noqa: PLC0415 - needed by this command alone

    select: dict[str, list[str]] = {}
    for text in dims:
        name, is_pair, label = text.partition("=")
        if not is_pair:
            raise MrfError(f"--dim {text!r} is not NAME=LABEL")
        select.setdefault(name, []).append(label)
    if not asked:
        return select
    dimension = layer.variable.time
    if dimension is None:
        raise InvalidParameterError(RequestField.TIME, f"layer {layer.name} has no time")
    for text in asked:
        steps = [label for label in dimension.labels if text and label.startswith(text)]
        chosen = steps or [dimension.labels[lookup.index_of(dimension, text)]]
        select.setdefault(dimension.name, []).extend(chosen)
    return select


@contextmanager
def tile_progress(label: str) -> Iterator[Callable[[MrfProgress], None]]:
    """Show tiles, rate and time left: as a bar on a terminal, else as a line of the log every half minute."""
    logged = clock.monotonic()
    with progress_bar(label, "tiles") as bar:

        def show(at: MrfProgress) -> None:
            nonlocal logged
            bar(at.tiles_done, at.tiles_total)
            now = clock.monotonic()
            if sys.stderr.isatty() or now - logged < LOG_EVERY_S:
                return
            logged = now
            left = at.seconds_left
            LOG.info(
                "%s: %d of %d tiles, %.0f a second, %s left",
                label,
                at.tiles_done,
                at.tiles_total,
                at.tiles_a_second,
                "?" if left is None else f"{left:.0f} s",
            )

        yield show


@app.command("from-mrfgen")
def from_mrfgen(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="Configuration of OnEarth's mrfgen, XML.")],
    *,
    store: StoreOption = DEFAULT_STORE,
    onearth: Annotated[
        bool,
        typer.Option("--onearth", help="Also write OnEarth's layer configuration, colormap, legends and empty tile."),
    ] = False,
    colormaps: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Folder of further colormaps.")] = None,
    engine: EngineOption = "auto",
    workers: WorkersOption = None,
    dashboard: DashboardOption = None,
) -> None:
    """Export what a mrfgen configuration asks for: parameter_name is the layer, output_dir the folder.

    Elements that are not supported are an error; those that have no meaning here are named on standard error.
    """
    from lazytile.colormaps.compiled.palette import compile_colormap  # noqa: PLC0415
    from lazytile.colormaps.formats.gibs import read_gibs  # noqa: PLC0415
    from lazytile.colormaps.library.catalog import ColormapCatalog, default_user_folder  # noqa: PLC0415 - this command alone
    from lazytile.pyramid.mrf.export import export_mrf  # noqa: PLC0415
    from lazytile.pyramid.mrf.mrfgen import read_mrfgen  # noqa: PLC0415
    from lazytile.pyramid.render.style import Style, Styles  # noqa: PLC0415
    from lazytile.pyramid.store.store import Store  # noqa: PLC0415

    job = read_mrfgen(config)
    for line in job.unused:
        typer.echo(f"{config.name}: {line}", err=True)
    found = Store(existing(store)).layer(job.layer)
    if job.colormap is None:
        painted = Styles(ColormapCatalog(colormaps or default_user_folder())).style(found, "default")
    else:
        colormap = read_gibs(job.colormap)
        palette = compile_colormap(colormap, data_units=found.variable.units)
        painted = Style(job.colormap.stem, colormap, palette, "asked for")
    options = replace(job.options(found), onearth=onearth)
    with LazyEngine(engine, workers, dashboard) as pool, tile_progress(f"exporting {job.layer}") as progress:
        _tell(export_mrf(store, found, painted, job.folder, engine=pool, options=options, progress=progress))
