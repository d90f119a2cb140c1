"""The options of exports: which steps of a layer, and in which style."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from lazytile.pyramid.core.errors import InvalidParameterError, MrfError
from lazytile.pyramid.core.request_field import RequestField
from lazytile.service.cli.options.colormap_fetching import OfflineOption, fetch_missing_colormap
from lazytile.service.cli.options.common import (
    DEFAULT_STORE,
    ColormapsOption,
    StoreOption,
    TileMatrixSetsOption,
    existing,
)

if TYPE_CHECKING:
    from pathlib import Path

    from lazytile.pyramid.render.picture_layer import PictureLayer
    from lazytile.pyramid.render.render_task import Rgb
    from lazytile.pyramid.render.style import Rescale, Style
    from lazytile.pyramid.store.layer import Layer

OnEarthOption = Annotated[
    bool,
    typer.Option("--onearth", help="Also write OnEarth's layer configuration, colormap, legends and empty tile."),
]


@dataclass(frozen=True, slots=True)
class ExportedLayerOptions:
    """Where a layer comes from, its style, and the steps to export."""

    store: StoreOption = DEFAULT_STORE
    style: Annotated[str, typer.Option(metavar="STYLE", help="Style: default, or a colormap.")] = "default"
    finest: Annotated[
        str | None,
        typer.Option(metavar="MATRIX", help="Tile matrix of full resolution [default: what suits the data]."),
    ] = None
    time: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TIME|START/END",
            help="Time, the beginning of one (2019-01), or all from START to END; may be repeated [default: all].",
        ),
    ] = None
    dim: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=LABEL", help="Step of another dimension; may be repeated [default: all]."),
    ] = None
    rescale: Annotated[
        str | None,
        typer.Option(
            metavar="MIN,MAX",
            help="Range to spread the colours over [default: the colormap's own]; with --rgb three, separated by ;.",
        ),
    ] = None
    rgb: Annotated[
        str | None,
        typer.Option(
            metavar="RED,GREEN,BLUE",
            help="Show three variables of the dataset as one picture; LAYER is one of them or the dataset.",
        ),
    ] = None
    spacing: Annotated[
        str, typer.Option(metavar="HOW", help="With --rescale, how to space the colours: keep, even or log.")
    ] = "keep"
    colormaps: ColormapsOption = None
    offline: OfflineOption = False
    tile_matrix_sets: TileMatrixSetsOption = None

    def open(self, name: str) -> tuple[Layer, Style]:
        """Return a layer and the style to paint it with.

        Args:
            name: Name of the layer.

        Returns:
            The layer and the style of ``--style``.

        Raises:
            StoreError: There is no such store or layer.
            InvalidParameterError: There is no such style, or ``--rescale`` is invalid.
        """
        from lazytile.pyramid.render.style import Rescale  # noqa: PLC0415 - numpy takes a moment to import

        if self.rgb is not None:
            picture = self._picture(name)
            return picture, replace(style_of(picture, "grey", self.colormaps), name="rgb")  # its colours are not used
        layer = open_layer(self.store, name)
        if self.style in ("", "default"):
            fetch_missing_colormap(layer, self.colormaps, offline=self.offline)
        rescale_to = None if self.rescale is None else Rescale.parse(self.rescale, self.spacing)
        return layer, style_of(layer, self.style, self.colormaps, rescale_to)

    def _picture(self, name: str) -> PictureLayer:
        """Return the layer of the picture of ``--rgb``."""
        from lazytile.pyramid.core.errors import DatasetNotFoundError  # noqa: PLC0415
        from lazytile.pyramid.render.picture_layer import PictureLayer  # noqa: PLC0415

        try:
            layer = open_layer(self.store, name)
        except DatasetNotFoundError:
            first = (self.rgb or "").partition(",")[0]
            layer = open_layer(self.store, f"{name}.{first}")
        return PictureLayer(layer.dataset, layer.variable)

    def colours(self, layer: Layer) -> Rgb | None:
        """Return the three variables of ``--rgb``.

        Args:
            layer: As ``open`` returns it.

        Returns:
            The variables and their ranges; None where the layer is shown in its style.

        Raises:
            InvalidParameterError: ``--rgb`` or ``--rescale`` is invalid.
        """
        from lazytile.pyramid.catalog.tile_options import options_of  # noqa: PLC0415

        if self.rgb is None:
            return None
        return options_of(layer, {"rgb": self.rgb, "rescale": self.rescale or ""}).pixels.rgb

    def register_sets(self) -> None:
        """Add the sets of ``--tile-matrix-sets``; call it with the engine open, which begins with none.

        Raises:
            StoreError: The folder holds something else.
        """
        from lazytile.pyramid.tiling.registry import register_folder  # noqa: PLC0415 - numpy takes a moment to import

        if self.tile_matrix_sets is not None:
            register_folder(self.tile_matrix_sets)

    def steps(self, layer: Layer) -> dict[str, list[str]]:
        """Return the labels to export.

        Args:
            layer: The layer.

        Returns:
            Labels by name of the dimension; a dimension that is absent is exported whole.

        Raises:
            MrfError: A ``--dim`` is not ``NAME=LABEL``.
            InvalidParameterError: The layer has no such time.
        """
        from lazytile.pyramid.times import lookup  # noqa: PLC0415 - numpy takes a moment to import

        steps: dict[str, list[str]] = {}
        for text in self.dim or ():
            name, is_pair, label = text.partition("=")
            if not is_pair:
                raise MrfError(f"--dim {text!r} is not NAME=LABEL")
            steps.setdefault(name, []).append(label)
        dimension = layer.variable.time
        for text in self.time or ():
            if dimension is None:
                raise InvalidParameterError(RequestField.TIME, f"layer {layer.name} has no time")
            if "/" in text:
                chosen = [dimension.labels[at] for at in lookup.indices_within(dimension, text)]
            else:
                labels = [label for label in dimension.labels if text and label.startswith(text)]
                chosen = labels or [dimension.labels[lookup.index_of(dimension, text)]]
            steps.setdefault(dimension.name, []).extend(chosen)
        return steps


def open_layer(store: Path, name: str) -> Layer:
    """Return a layer of a store.

    Args:
        store: Folder of the datasets.
        name: Name of the layer.

    Returns:
        The layer as it is stored now.

    Raises:
        StoreError: There is no such store or layer.
    """
    from lazytile.pyramid.store.store import Store  # noqa: PLC0415 - zarr takes a moment to import

    return Store(existing(store)).layer(name)


def style_of(layer: Layer, name: str, colormaps: Path | None, rescale_to: Rescale | None = None) -> Style:
    """Return a style of a layer.

    Args:
        layer: The layer.
        name: ``default``, or a colormap.
        colormaps: Folder with additional colormaps; None for the user's own.
        rescale_to: Range to spread the colours over; None for the colormap's own.

    Returns:
        The style, compiled for the layer.

    Raises:
        InvalidParameterError: There is no such style.
    """
    from lazytile.colormaps.library.catalog import ColormapCatalog, default_user_folder  # noqa: PLC0415
    from lazytile.pyramid.render.style import Styles  # noqa: PLC0415 - numpy takes a moment to import

    return Styles(ColormapCatalog(colormaps or default_user_folder())).style(layer, name, rescale_to)
