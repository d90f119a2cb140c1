"""The layer of a picture that several variables of a dataset make."""

from __future__ import annotations

from dataclasses import dataclass

from lazytile.pyramid.store.layer import Layer


@dataclass(frozen=True, slots=True)
class PictureLayer(Layer):
    """A layer that is named like its dataset: its variable stands for all that the picture shows."""

    @property
    def name(self) -> str:
        """Identifier: the dataset's name."""
        return self.dataset.name
