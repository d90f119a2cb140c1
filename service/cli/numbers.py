"""The commands ``stats`` and ``point``: numbers of a stored layer, as ``/numbers`` of a server has them."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lazytile.service.cli.options.common import (
    DEFAULT_STORE,
    JsonOption,
    LayerArgument,
    StoreOption,
    existing,
)

if TYPE_CHECKING:
    from pathlib import Path

    from lazytile.pyramid.reading.view import LayerView
    from lazytile.pyramid.store.layer import Layer

TimeOption = Annotated[str | None, typer.Option("--time", metavar="TIME", help="Time [default: the latest].")]
DimensionOption = Annotated[
    list[str] | None,
    typer.Option("--dim", metavar="NAME=LABEL", help="Label along another dimension [default: the first]; repeatable."),
]


def stats(
    layer: LayerArgument,
    *,
    bbox: Annotated[
        str | None,
        typer.Option(
            "--bbox", metavar="W,S,E,N", help="Box in degrees; a west above the east crosses 180 [default: all]."
        ),
    ] = None,
    time: TimeOption = None,
    dim: DimensionOption = None,
    percentiles: Annotated[str, typer.Option(metavar="P,P...", help="Percentiles from 0 to 100.")] = "5,25,50,75,95",
    bins: Annotated[int, typer.Option(metavar="N", min=0, max=1000, help="Bins of a histogram; 0 for none.")] = 0,
    max_cells: Annotated[
        int, typer.Option(metavar="N", min=1, help="Cells to read at most; above it a coarser level is read.")
    ] = 4_000_000,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Print statistics of a layer over a box, weighted by area."""
    from lazytile.pyramid.numbers.statistics import StatisticsOptions  # noqa: PLC0415 - slow to import
    from lazytile.pyramid.reading.numbers import region_statistics  # noqa: PLC0415
    from lazytile.service.numbers.formats import statistics_document  # noqa: PLC0415

    view = _view(store, layer, time, dim)
    options = StatisticsOptions(max_cells, _numbers("--percentiles", percentiles), bins)
    box = None if bbox is None else _numbers("--bbox", bbox)
    found = region_statistics(view, box, None, options)
    label, others = _labels(view)
    document = statistics_document(view.layer(), label, others, found, options).members()
    if as_json:
        typer.echo(json.dumps(document, indent=2))
        return
    units = view.layer().variable.units
    typer.echo(f"{_headline(view.layer(), label, others)}: {found.valid_count} of {found.cell_count} cells hold data")
    if found.level:
        typer.echo(f"  of level {found.level}: the whole would be more than {max_cells} cells")
    rows = [("minimum", found.minimum), ("maximum", found.maximum), ("mean", found.mean), ("std", found.std)]
    rows += [(f"{share:g} %", value) for share, value in zip(options.percentiles, found.percentiles, strict=True)]
    for name, value in rows:
        typer.echo(f"  {name:<8} {_shown(value)} {units if value is not None else ''}".rstrip())
    if found.histogram is not None:
        edges = found.histogram.edges
        for low, high, count in zip(edges[:-1], edges[1:], found.histogram.counts, strict=True):
            typer.echo(f"  {_shown(low)} to {_shown(high)}: {count} cells")


def point(
    layer: LayerArgument,
    *,
    lon: Annotated[float, typer.Option("--lon", metavar="DEGREES", help="Longitude.")],
    lat: Annotated[float, typer.Option("--lat", metavar="DEGREES", help="Latitude.")],
    time: TimeOption = None,
    dim: DimensionOption = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Print the value of the cell under a point."""
    from lazytile.pyramid.reading.numbers import value_at  # noqa: PLC0415 - slow to import

    view = _view(store, layer, time, dim)
    value = value_at(view, lon, lat)
    label, others = _labels(view)
    found, units = view.layer(), view.layer().variable.units
    if as_json:
        document = {
            "layer": found.name,
            "longitude": lon,
            "latitude": lat,
            "time": label,
            "dimensions": others,
            "value": None if math.isnan(value) else value,
            "units": units,
        }
        typer.echo(json.dumps(document, indent=2))
        return
    shown = "no data" if math.isnan(value) else f"{_shown(value)} {units}".rstrip()
    typer.echo(f"{_headline(found, label, others)} at {lon:g}, {lat:g}: {shown}")


def _view(folder: Path, name: str, time: str | None, dims: list[str] | None) -> LayerView:
    """Return a layer with its steps selected. Raises ``LazytileError``."""
    from lazytile.pyramid.core.errors import DatasetNotFoundError, InvalidParameterError  # noqa: PLC0415 - slow
    from lazytile.pyramid.reading.view import LayerView  # noqa: PLC0415
    from lazytile.pyramid.store.store import Store  # noqa: PLC0415

    store = Store(existing(folder))
    dataset, _, variable = name.partition(".")
    if dataset not in store.names():
        raise DatasetNotFoundError(f"there is no layer {name!r}; lazytile info --store {folder} lists them")
    description = store.dataset(dataset).description
    if not variable and len(description.variables) == 1:
        variable = description.variables[0].name
    layers = [description.layer_name(each) for each in description.variables]
    if variable not in {each.name for each in description.variables}:
        raise DatasetNotFoundError(f"there is no layer {name!r}, dataset {dataset} has {', '.join(layers)}")
    selectors: dict[str, Any] = {} if time is None else {"time": time}
    for text in dims or ():
        dimension, is_pair, label = text.partition("=")
        if not is_pair:
            raise InvalidParameterError("dim", f"--dim is NAME=LABEL, got {text!r}")
        selectors[dimension] = label
    return LayerView(store, dataset, variable).select(selectors)


def _labels(view: LayerView) -> tuple[str | None, dict[str, str]]:
    """Return the label of the time, and those of the other dimensions by name."""
    variable = view.layer().variable
    at = dict(zip(variable.dimensions, view.steps.one(variable), strict=True))
    time = next((each.labels[index] for each, index in at.items() if each.kind == "time"), None)
    return time, {each.name: each.labels[index] for each, index in at.items() if each.kind != "time"}


def _headline(layer: Layer, time: str | None, others: dict[str, str]) -> str:
    steps = [*([time] if time else []), *(f"{name} {label}" for name, label in others.items())]
    return f"{layer.name} ({', '.join(steps)})" if steps else layer.name


def _numbers(option: str, text: str) -> tuple[float, ...]:
    from lazytile.pyramid.core.errors import InvalidParameterError  # noqa: PLC0415 - slow to import

    try:
        return tuple(float(each) for each in text.split(","))
    except ValueError as error:
        raise InvalidParameterError(option, f"{option} is numbers separated by commas, got {text!r}") from error


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"
