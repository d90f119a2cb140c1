"""A layer as a program looks at it: a variable of a stored dataset, with steps selected."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lazytile.colormaps.library.catalog import ColormapCatalog, default_user_folder
from lazytile.pyramid.catalog.dimension_names import dimension_name
from lazytile.pyramid.catalog.resolver import Resolver
from lazytile.pyramid.catalog.tile_address import RawTileAddress
from lazytile.pyramid.catalog.tile_options import NAMES as OPTION_NAMES
from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.reading.steps import StepSelection
from lazytile.pyramid.render.image import ImageFormat
from lazytile.pyramid.render.style import DEFAULT, Rescale, Style, Styles
from lazytile.pyramid.store.layer import Layer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lazytile.pyramid.core.request_field import RequestDimension
    from lazytile.pyramid.reading.steps import Selector
    from lazytile.pyramid.render.render_task import RenderTask
    from lazytile.pyramid.store.store import Store, StoredDataset

_RESERVED = OPTION_NAMES | {
    "store", "layer", "tms", "matrix", "row", "col", "style", "time", "format", "colormaps",
}  # fmt: skip
"""Keywords of ``lazytile.render_tile``: a dimension of that name gets the prefix ``dim_``."""


def name_of(dimension: RequestDimension) -> str:
    """Return the name of a dimension among the keywords of the Python API.

    Args:
        dimension: The dimension.

    Returns:
        The keyword.
    """
    return dimension_name(dimension, _RESERVED)


def styles_of(folder: str | None) -> Styles:
    """Return this process's styles of a folder of colormaps.

    Args:
        folder: The folder; None for the user's own.

    Returns:
        The styles, made once.
    """

    def make() -> Styles:
        return Styles(ColormapCatalog(default_user_folder() if folder is None else Path(folder)))

    return process.current().resource(("styles", folder), make)


@dataclass(frozen=True, slots=True)
class LayerView:
    """A variable of a stored dataset and the steps selected. Every read is of the dataset as it is then."""

    store: Store
    dataset: str
    variable: str
    steps: StepSelection = field(default_factory=StepSelection)
    colormaps: str | None = None
    """Folder of further colormaps; None for the user's own."""

    def stored(self) -> StoredDataset:
        """Return the dataset as it is stored now.

        Raises:
            StoreError: It is gone or damaged.
        """
        return self.store.dataset(self.dataset)

    def layer(self) -> Layer:
        """Return the layer as it is stored now.

        Raises:
            StoreError: It is gone or damaged.
        """
        description = self.stored().description
        return Layer(description, description.variable(self.variable))

    def select(self, selectors: Mapping[str, Selector]) -> LayerView:
        """Return a view of some steps.

        Args:
            selectors: As for ``StepSelection.narrowed``.

        Returns:
            The view.

        Raises:
            InvalidParameterError: There is no such dimension or step.
        """
        return replace(self, steps=self.steps.narrowed([self.layer().variable], selectors))

    def style(self, name: str = DEFAULT, rescale_to: Rescale | None = None) -> Style:
        """Return a style of the layer.

        Args:
            name: ``default`` or a colormap.
            rescale_to: Another range for its colours.

        Returns:
            The style, compiled.

        Raises:
            InvalidParameterError: There is no such style.
        """
        return styles_of(self.colormaps).style(self.layer(), name, rescale_to)

    def tile_task(
        self,
        address: tuple[str, str, str, str],
        *,
        style: str = DEFAULT,
        image_format: ImageFormat = ImageFormat.PNG,
        options: Mapping[str, str] | None = None,
    ) -> RenderTask:
        """Return the task of a tile, that of a request for it.

        Args:
            address: Set, matrix, row and column.
            style: ``default`` or a colormap.
            image_format: Format of the file.
            options: Those of a request, such as ``rescale``.

        Returns:
            The task, of the dataset as it is stored now.

        Raises:
            InvalidParameterError: There is no such option.
            RequestError: A part of the address or an option is invalid.
            StoreError: The dataset is gone or damaged.
        """
        layer = self.layer()
        named = {name.lower(): value for name, value in (options or {}).items()}
        index = self.steps.one(layer.variable)
        for dimension, at in zip(layer.variable.dimensions, index, strict=True):
            named[name_of(dimension).lower()] = dimension.labels[at]
        raw = RawTileAddress(f"{self.dataset}.{self.variable}", style, *address, image_format, named)
        resolved = Resolver(self.store, styles_of(self.colormaps), name_of).resolve(raw)
        # A server ignores what it does not know; a program that misspells an option needs the error.
        if resolved.unknown_parameters:
            unknown = resolved.unknown_parameters
            raise InvalidParameterError(unknown[0], f"{layer.name} takes no option {', '.join(map(repr, unknown))}")
        return resolved.request.task(self.store.folder.resolve())
