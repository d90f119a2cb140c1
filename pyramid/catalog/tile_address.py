"""The address of a tile as a request writes it, and what it resolves to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lazytile.pyramid.catalog.dimensions import SelectedStep
    from lazytile.pyramid.render.image import ImageFormat
    from lazytile.pyramid.render.style import Rescale
    from lazytile.pyramid.render.tile_request import TileRequest


@dataclass(frozen=True, slots=True)
class RawTileAddress:
    """The text of a request for a tile, split into its parts, none of them resolved."""

    layer: str
    style: str
    tms: str
    matrix: str
    row: str
    col: str
    image_format: ImageFormat
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Dimensions, options and any other parameters of the query string, by lower-case name."""
    positional: tuple[str, ...] = ()
    """Dimensions by their position in a path."""
    protocol_parameters: frozenset[str] = frozenset()
    """Names among ``parameters`` that belong to the protocol, not to the layer."""
    is_limited: bool = False
    """Whether a tile outside the limits in the capabilities is an error, as in WMTS, whose clients read them."""
    limit_margin: int = 0
    """Tiles by which one may lie outside the limits: clients that know only the bounds of a layer ask for the next."""


@dataclass(frozen=True, slots=True)
class ResolvedTile:
    """A resolved tile address: everything that the response needs, computed once."""

    request: TileRequest
    steps: tuple[SelectedStep, ...]
    """Along each dimension of the layer, in order."""
    unknown_parameters: tuple[str, ...] = ()
    """Names in the query string that mean nothing here, sorted."""
    own_range: Rescale | None = None
    """How the colours are spread once the range of the tile's own values is known; None where it does not matter."""
    is_like_others: bool = True
    """Whether tiles at other rows and columns of the same address are made in the same way."""

    @property
    def labels(self) -> dict[str, str]:
        """Label of the selected step of each dimension, by parameter name."""
        return {step.parameter: step.label for step in self.steps}

    @property
    def time(self) -> SelectedStep | None:
        """The selected time, None for a layer without times."""
        for step in self.steps:
            if step.is_time:
                return step
        return None
