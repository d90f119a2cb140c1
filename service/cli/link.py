"""The command ``link``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from lazytile.service.cli.options.common import DEFAULT_STORE, JsonOption, StoreOption, counted, print_json
from lazytile.service.cli.options.groups import with_option_groups
from lazytile.service.cli.options.replacement import OverwriteOption, check_replacement
from lazytile.service.cli.options.source import SourceOptions  # noqa: TC001 - Typer reads annotations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lazytile.pyramid.linked.reading_cost import ReadingCost


@with_option_groups
def link(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="A folder or URL of Zarr, an Icechunk repository, kerchunk references, or a file that convert reads; "
            "several of them form one time series.",
            show_default=False,
        ),
    ],
    *,
    store: StoreOption = DEFAULT_STORE,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the dataset [default: derived from the file name].")
    ] = None,
    source: SourceOptions,
    time: Annotated[
        str | None, typer.Option(metavar="TIME", help="Time of a file that states none, in ISO 8601.")
    ] = None,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="Title of the dataset.")] = None,
    colormap: Annotated[
        str | None, typer.Option(metavar="COLORMAP", help="Colormap of the default style [default: found by name].")
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Read the whole source for its range; otherwise a sample of a large one.")
    ] = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show data where it is: register a source in the store without copying it.

    Tiles are the same as after lazytile convert. Overviews are made when they are first shown, and kept in the store.
    When the source changes, a running server shows its new content within seconds.
    """
    from lazytile.pyramid.fetch.source_url import base_name  # noqa: PLC0415
    from lazytile.pyramid.ingest.proposed_name import dataset_name  # noqa: PLC0415
    from lazytile.pyramid.linked.link import link as run  # noqa: PLC0415 - xarray and zarr take a second to import
    from lazytile.pyramid.sources.series import files_of  # noqa: PLC0415

    given = files_of(files)
    chosen = name or dataset_name(given[0])
    check_replacement(store, chosen, base_name(given[0]), overwrite=overwrite)
    linked = run(given, store, chosen, **source.arguments(), time=time, title=title, colormap=colormap, exact=exact)
    dataset, shape = linked.dataset, linked.dataset.grid.shape
    for remark in dataset.remarks:
        typer.echo(f"note: {remark}", err=True)
    layers = [dataset.layer_name(variable) for variable in dataset.variables]
    path = f"{store / dataset.name}.zarr"
    if as_json:
        print_json(
            dataset=path,
            rows=shape.rows,
            cols=shape.cols,
            levels=dataset.levels,
            layers=layers,
            costs=[asdict(each) for each in linked.costs],
        )
        return
    typer.echo(
        f"{path}: {shape.cols} x {shape.rows} cells in {base_name(given[0])}, {counted(dataset.levels, 'level')}, "
        f"{'layers' if len(layers) > 1 else 'layer'} {', '.join(layers)}"
    )
    typer.echo(_cost_line(linked.costs))


def _cost_line(costs: Sequence[ReadingCost]) -> str:
    """Return the cost of the variable that costs most."""
    return max(costs, key=lambda cost: cost.tile_bytes).text
