"""Where requests find datasets and styles: a store, which looks at the disk, or a snapshot, which does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lazytile.pyramid.render.style import Rescale, Style
    from lazytile.pyramid.store.layer import Layer
    from lazytile.pyramid.store.store import StoredDataset


class LayerSource(Protocol):
    """Datasets and layers by name."""

    def dataset(self, name: str) -> StoredDataset:
        """Return a dataset.

        Args:
            name: Of the dataset.

        Returns:
            The dataset.

        Raises:
            DatasetNotFoundError: There is no such dataset.
            StoreError: It is damaged.
        """
        ...

    def datasets(self) -> Iterator[StoredDataset]:
        """Yield every dataset that can be read, by name."""
        ...

    def layer(self, name: str) -> Layer:
        """Return a layer.

        Args:
            name: ``DATASET`` or ``DATASET.VARIABLE``.

        Returns:
            The layer.

        Raises:
            DatasetNotFoundError: There is no such layer.
            StoreError: Its dataset is damaged.
        """
        ...


class StyleSource(Protocol):
    """Compiled styles."""

    def style(self, layer: Layer, name: str, rescale_to: Rescale | None = None) -> Style:
        """Return a style of a layer.

        Args:
            layer: The layer.
            name: ``default``, or a colormap.
            rescale_to: Range to spread the colours over; None for the colormap's own.

        Returns:
            The style.

        Raises:
            InvalidParameterError: The name is unknown, or the colormap cannot be spread.
            StyleNotCompiledError: It is not compiled, and this source compiles none.
        """
        ...
