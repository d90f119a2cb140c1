"""Halving a picture for the next level, as gdaladdo does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.mrfgen.preparation import indices_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Halving:
    """How pixels become those of the next level."""

    method: str
    """``nearest``: the upper left of four pixels. ``nnb``: the first of four that holds data, as GDAL's MRF driver has
    it. ``mean``: their mean."""
    palette: NDArray[np.uint8] | None = None
    """Shape (entries, 4), uint8: pixels are indices, whose colours are averaged."""
    nodata: float | None = None
    has_alpha: bool = False
    """Whether the last band is the opacity: transparent pixels do not count."""

    def apply(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Halve pixels.

        Args:
            pixels: Shape (rows, cols, bands), both even.

        Returns:
            Shape (rows / 2, cols / 2, bands).
        """
        if self.method == "nearest":
            return pixels[::2, ::2]
        if self.method == "nnb":
            return self._first(pixels)
        if self.palette is not None:
            return self._halved_indices(pixels[..., 0])[..., None]
        counted = np.ones(pixels.shape, np.bool_)
        if self.nodata is not None:
            counted &= pixels != pixels.dtype.type(self.nodata)
        if pixels.dtype.kind == "f":
            counted &= ~np.isnan(pixels)
        if self.has_alpha:
            counted[..., :-1] &= pixels[..., -1:] > 0
        empty = 0 if self.nodata is None else self.nodata
        return _mean(pixels, counted, empty)

    def _first(self, pixels: NDArray[Any]) -> NDArray[Any]:
        found = pixels[::2, ::2]
        if self.nodata is None:
            return found
        nodata = pixels.dtype.type(self.nodata)
        for other in (pixels[::2, 1::2], pixels[1::2, ::2], pixels[1::2, 1::2]):
            found = np.where(found == nodata, other, found)
        return found

    def _halved_indices(self, index: NDArray[np.uint8]) -> NDArray[np.uint8]:
        assert self.palette is not None
        visible = self.palette[:, 3] > 0
        if self.nodata is not None and 0 <= self.nodata < len(visible):
            visible = visible.copy()
            visible[int(self.nodata)] = False
        colours = self.palette[:, :3][index]
        counted = np.repeat(visible[index][..., None], 3, axis=2)
        means = _mean(colours, counted, 0)
        some = np.asarray(_blocks(visible[index][..., None]).any(axis=(1, 3)))[..., 0]
        known, inverse = np.unique(means.reshape(-1, 3), axis=0, return_inverse=True)
        parts = [indices_of(self.palette, part) for part in np.array_split(known, max(1, len(known) // 4096))]
        found = np.concatenate(parts)[inverse.reshape(means.shape[:2])]
        return np.where(some, found, np.uint8(0 if self.nodata is None else self.nodata))


def _blocks(pixels: NDArray[Any]) -> NDArray[Any]:
    rows, cols, bands = pixels.shape
    return pixels.reshape(rows // 2, 2, cols // 2, 2, bands)


def _mean(pixels: NDArray[Any], counted: NDArray[np.bool_], empty: float) -> NDArray[Any]:
    """Return the mean of the counted pixels of each block, rounded half up for integers."""
    weights = _blocks(counted)
    count = weights.sum(axis=(1, 3), dtype=np.int64)
    total = (_blocks(pixels).astype(np.float64) * weights).sum(axis=(1, 3))
    mean = total / np.maximum(count, 1)
    if pixels.dtype.kind in "iu":
        mean = np.floor(mean + 0.5)
    return np.where(count > 0, mean, empty).astype(pixels.dtype)
