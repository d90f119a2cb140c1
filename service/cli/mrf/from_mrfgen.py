"""The command ``mrf from-mrfgen``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path  # noqa: TC003 - Typer reads annotations
from typing import Annotated

import typer

from lazytile.service.cli.mrf.summary import print_summaries
from lazytile.service.cli.options.colormap_fetching import OfflineOption, fetch_missing_colormap
from lazytile.service.cli.options.common import (
    DEFAULT_STORE,
    ColormapsOption,
    JsonOption,
    StoreOption,
    TileMatrixSetsOption,
)
from lazytile.service.cli.options.engine import RenderingEngineOptions  # noqa: TC001
from lazytile.service.cli.options.exported_layer import OnEarthOption, open_layer, style_of
from lazytile.service.cli.options.groups import with_option_groups
from lazytile.service.cli.options.progress import tile_progress

_PICTURES = ("input_dir", "mrf_empty_tile_filename", "empty_tile")
FLAWED_CODE = 1
"""Exit code where mrfgen would make the MRF and fail nevertheless."""


@with_option_groups
def from_mrfgen(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="XML configuration of OnEarth's mrfgen.")],
    *,
    store: StoreOption = DEFAULT_STORE,
    pictures: Annotated[
        bool | None,
        typer.Option(
            "--pictures/--layer",
            help="Make the MRF of the pictures that CONFIG names, or of a layer [default: the layer if there is one].",
        ),
    ] = None,
    max_picture_pixels: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            envvar="LAZYTILE_MAX_PICTURE_PIXELS",
            help="Most pixels of a picture that is read [default: 17179869184].",
        ),
    ] = None,
    onearth: OnEarthOption = False,
    colormaps: ColormapsOption = None,
    offline: OfflineOption = False,
    tile_matrix_sets: TileMatrixSetsOption = None,
    as_json: JsonOption = False,
    engine: RenderingEngineOptions,
) -> None:
    """Make the MRF that a mrfgen configuration describes: of its pictures, or of a layer of the store.

    If the store has a layer parameter_name, that is exported to output_dir; else the input files are, as mrfgen does
    it. An element that is not supported is an error; one that has no effect is reported on standard error.
    """
    from lazytile.pyramid.core.errors import StoreError  # noqa: PLC0415
    from lazytile.pyramid.mrfgen.elements import read_elements  # noqa: PLC0415

    if pictures is None:
        elements = read_elements(config)
        pictures = False
        try:
            open_layer(store, elements.texts.get("parameter_name", ""))
        except StoreError:
            # Without pictures mrfgen makes an empty MRF, from an empty tile.
            pictures = bool(elements.files or any(elements.texts.get(name) for name in _PICTURES))
            if not pictures:
                raise
    if pictures:
        _export_pictures(config, max_picture_pixels, as_json=as_json)
        return
    _export_layer(config, store, colormaps, engine, tile_matrix_sets, onearth=onearth, offline=offline, as_json=as_json)


def _export_pictures(config: Path, max_pixels: int | None, *, as_json: bool) -> None:
    from lazytile.pyramid.mrfgen.picture import MAX_PIXELS  # noqa: PLC0415 - numpy takes a moment to import
    from lazytile.pyramid.mrfgen.picture_export import export_pictures  # noqa: PLC0415
    from lazytile.pyramid.mrfgen.picture_job import read_picture_job  # noqa: PLC0415

    job = read_picture_job(config)
    for line in job.unused:
        typer.echo(line, err=True)
    made = export_pictures(job, max_pixels=max_pixels or MAX_PIXELS)
    print_summaries([made.mrf], as_json=as_json)
    for line in made.flaws:
        typer.echo(f"lazytile: {line}", err=True)
    if made.flaws:
        raise typer.Exit(FLAWED_CODE)


def _export_layer(
    config: Path,
    store: Path,
    colormaps: Path | None,
    engine: RenderingEngineOptions,
    tile_matrix_sets: Path | None,
    *,
    onearth: bool,
    offline: bool,
    as_json: bool,
) -> None:
    from lazytile.colormaps.compiled.palette import compile_colormap  # noqa: PLC0415 - numpy takes a moment to import
    from lazytile.colormaps.formats.gibs import read_gibs  # noqa: PLC0415
    from lazytile.pyramid.mrf.export import export_mrf  # noqa: PLC0415
    from lazytile.pyramid.mrfgen.configuration import read_mrfgen  # noqa: PLC0415
    from lazytile.pyramid.render.style import Style  # noqa: PLC0415
    from lazytile.pyramid.tiling.registry import register_folder  # noqa: PLC0415

    job = read_mrfgen(config)
    for line in job.unused:
        typer.echo(f"{config.name}: {line}", err=True)
    found = open_layer(store, job.layer)
    if job.colormap is None:
        fetch_missing_colormap(found, colormaps, offline=offline)
        painted = style_of(found, "default", colormaps)
    else:
        colormap = read_gibs(job.colormap)
        palette = compile_colormap(colormap, data_units=found.variable.units)
        painted = Style(job.colormap.stem, colormap, palette, "requested")
    with engine.open() as pool, tile_progress(f"exporting {job.layer}") as progress:
        if tile_matrix_sets is not None:
            register_folder(tile_matrix_sets)
        options = replace(job.options(found), onearth=onearth)
        made = export_mrf(store, found, painted, job.folder, engine=pool, options=options, progress=progress)
    print_summaries(made, as_json=as_json)
