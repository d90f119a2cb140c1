"""The tag of a tile in the disk cache, by which tiles are deleted: dataset and generation, layers and time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from lazytile.pyramid.render.tile_request import TileRequest

_SEPARATOR = "|"


@dataclass(frozen=True, slots=True)
class TileTag:
    """What a tile shows."""

    dataset: str
    generation: str
    layers: tuple[str, ...] = ()
    """Names of the layers whose values it shows; none where an earlier version wrote it."""
    time: str | None = None
    """Label of the time, empty for a layer without times; None where an earlier version wrote the tile."""

    @classmethod
    def of(cls, request: TileRequest) -> Self:
        """Return the tag of a tile.

        Args:
            request: The request.

        Returns:
            The tag.
        """
        layer = request.layer
        dataset = layer.dataset
        labels = [
            dimension.labels[at]
            for at, dimension in zip(request.dim_index, layer.variable.dimensions, strict=True)
            if dimension.kind == "time"
        ]
        names = tuple(dataset.layer_name(dataset.variable(name)) for name in request.shown_variables)
        return cls(dataset.name, request.generation, names, labels[0] if labels else "")

    @property
    def content(self) -> str:
        """Names dataset and generation: the beginning of the text."""
        return f"{self.dataset}:{self.generation}"

    def __str__(self) -> str:
        return _SEPARATOR.join((self.content, ",".join(self.layers), self.time or ""))

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Return a tag as it was written.

        Args:
            text: The text in the database, None for a tile without a tag.

        Returns:
            The tag; one of an earlier version has no layers and no time.
        """
        content, *rest = (text or "").split(_SEPARATOR, 2)
        dataset, _, generation = content.partition(":")
        if len(rest) < 2:
            return cls(dataset, generation)
        return cls(dataset, generation, tuple(rest[0].split(",")), rest[1])

    def fits(self, layer: str, time: str) -> bool:
        """Return whether a tile is one of a layer and a time, or may be.

        Args:
            layer: Name of a layer or dataset; empty for every one.
            time: A label or its beginning; empty for every time.

        Returns:
            True also where the tag does not say: a tile of an earlier version.
        """
        if layer and layer != self.dataset:
            is_other_dataset = layer.partition(".")[0] != self.dataset
            if is_other_dataset or (self.layers and layer not in self.layers):
                return False
        return not time or self.time is None or self.time.startswith(time)
