"""The tile matrix sets that a store offers and OGC 17-083 can describe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import DatasetNotFoundError, InvalidParameterError
from lazytile.pyramid.core.request_field import RequestField
from lazytile.pyramid.store.dataset import NAME_PATTERN
from lazytile.pyramid.tiling.native_set import native_set
from lazytile.pyramid.tiling.registry import custom_sets, find_tms
from lazytile.pyramid.tiling.tms import REGISTERED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lazytile.pyramid.catalog.layer_source import LayerSource
    from lazytile.pyramid.store.dataset import Dataset
    from lazytile.pyramid.tiling.tms import TileMatrixSet

_NATIVE_PREFIX = "native_"


def described_sets(store: LayerSource) -> Iterator[TileMatrixSet]:
    """Return every set that can be described: registered ones, custom ones, and native ones with square pixels.

    Args:
        store: The store of the datasets.

    Yields:
        The sets.
    """
    yield from REGISTERED.values()
    yield from custom_sets()
    for stored in store.datasets():
        native = _native_set(stored.description)
        if native.has_square_pixels:
            yield native


def find_set(store: LayerSource, identifier: str) -> TileMatrixSet:
    """Return a set by its identifier.

    Args:
        store: The store of the datasets, for their native sets.
        identifier: Of the set.

    Returns:
        The set.

    Raises:
        InvalidParameterError: There is no such set, or its pixels are not square, which the standard cannot express.
    """
    found = find_tms(identifier)
    name = identifier.removeprefix(_NATIVE_PREFIX)
    if found is None and identifier.startswith(_NATIVE_PREFIX) and NAME_PATTERN.fullmatch(name):
        try:
            found = _native_set(store.dataset(name).description)
        except DatasetNotFoundError as error:
            raise InvalidParameterError(
                RequestField.TILE_MATRIX_SET, f"there is no tile matrix set {identifier!r}"
            ) from error
    if found is None:
        raise InvalidParameterError(RequestField.TILE_MATRIX_SET, f"there is no tile matrix set {identifier!r}")
    if not found.has_square_pixels:
        raise InvalidParameterError(
            RequestField.TILE_MATRIX_SET,
            f"{identifier} has pixels that are not square: its tiles are served, but OGC 17-083 cannot describe it",
        )
    return found


def _native_set(dataset: Dataset) -> TileMatrixSet:
    return native_set(dataset.name, dataset.grid, dataset.levels, dataset.chunk)
