"""The numbers of coordinate variables: unpacked, in degrees or in their own units, NaN where they are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.sources.cf import attributes as cf

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


def decoded(
    stored: NDArray[Any], attributes: Mapping[str, Any], *, defaults: bool = False, ranged: bool = True
) -> NDArray[np.float64]:
    """Return coordinates as numbers.

    Args:
        stored: Any shape, as the file holds them.
        attributes: Of the variable: fill values, valid range, scale and offset.
        defaults: Whether the fill values that the netCDF library writes on its own are missing too.
        ranged: Whether numbers beyond the valid range are missing.

    Returns:
        Float64, the shape of ``stored``, NaN where missing.

    Raises:
        StoreError: The scale is 0 or not finite.
    """
    if not ranged:
        attributes = {key: value for key, value in attributes.items() if not key.startswith("valid_")}
    packing = cf.packing_of(stored.dtype, attributes, netcdf=defaults)
    values: NDArray[np.float64] = packing.decode(cf.native_codes(np.asarray(stored), np.dtype(packing.dtype)))
    return values


def raw(stored: NDArray[Any], attributes: Mapping[str, Any]) -> NDArray[Any]:
    """Return coordinates as numbers, with fill values among them.

    Args:
        stored: Any shape, as the file holds them.
        attributes: Of the variable: scale and offset.

    Returns:
        The shape of ``stored``: packed numbers in float64, others in their own type.
    """
    return np.asarray(cf.decode_coordinate(stored, attributes))
