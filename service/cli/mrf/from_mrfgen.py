"""The command ``mrf from-mrfgen``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path  # noqa: TC003 - Typer reads annotations
from typing import Annotated

import typer

from lazytile.service.cli.mrf.summary import print_summaries
from lazytile.service.cli.options.colormap_fetching import OfflineOption, fetch_missing_colormap
from lazytile.service.cli.options.common import DEFAULT_STORE, ColormapsOption, StoreOption
from lazytile.service.cli.options.engine import RenderingEngineOptions  # noqa: TC001
from lazytile.service.cli.options.exported_layer import OnEarthOption, open_layer, style_of
from lazytile.service.cli.options.groups import with_option_groups
from lazytile.service.cli.options.progress import tile_progress


@with_option_groups
def from_mrfgen(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="XML configuration of OnEarth's mrfgen.")],
    *,
    store: StoreOption = DEFAULT_STORE,
    onearth: OnEarthOption = False,
    colormaps: ColormapsOption = None,
    offline: OfflineOption = False,
    engine: RenderingEngineOptions,
) -> None:
    """Export the layer that a mrfgen configuration describes.

    parameter_name is the layer, output_dir the folder. An element that is not supported is an error; one that has no
    effect here is reported on standard error.
    """
    from lazytile.colormaps.compiled.palette import compile_colormap  # noqa: PLC0415 - numpy takes a moment to import
    from lazytile.colormaps.formats.gibs import read_gibs  # noqa: PLC0415
    from lazytile.pyramid.mrf.export import export_mrf  # noqa: PLC0415
    from lazytile.pyramid.mrfgen.configuration import read_mrfgen  # noqa: PLC0415
    from lazytile.pyramid.render.style import Style  # noqa: PLC0415

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
    options = replace(job.options(found), onearth=onearth)
    with engine.open() as pool, tile_progress(f"exporting {job.layer}") as progress:
        print_summaries(export_mrf(store, found, painted, job.folder, engine=pool, options=options, progress=progress))
