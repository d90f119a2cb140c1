"""The HEALPix that a group states: by its grid mapping, by attributes of its pixel numbers, or of the whole file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.sources.cf import attributes as cf
from lazytile.pyramid.sources.meshes.healpix_cells import Pixelization

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import xarray as xr

_NSIDES = ("healpix_nside", "nside", "NSIDE", "Nside")
_LEVELS = ("refinement_level", "level", "healpix_order_level", "resolution", "depth")
_ORDERS = ("healpix_order", "indexing_scheme", "order", "ordering", "ORDERING", "orderingConvention")
_NUMBERS = ("cell_ids", "cell_id", "healpix_index", "ipix", "pixel", "cell")
_DIMS = frozenset({"cell", "cells", "pix", "pixel", "pixels", "value", "values"})
_MAX_LEVEL = 29


@dataclass(frozen=True, slots=True)
class HealpixMesh:
    """The pixels of a group."""

    dim: str
    size: int
    """Number of stored pixels."""
    pixelization: Pixelization
    numbers: str
    """Variable with the number of each stored pixel; empty where all are stored in their order."""
    evidence: str
    problem: str = ""


def healpix_of(group: xr.Dataset) -> HealpixMesh | None:
    """Return the HEALPix of a group.

    Args:
        group: Variables, not decoded.

    Returns:
        The pixels; None where nothing states a HEALPix.
    """
    for attributes, evidence in _statements(group):
        nside = _nside(attributes)
        if nside is None:
            continue
        order = next((str(attributes[name]).lower() for name in _ORDERS if name in attributes), "")
        pixelization = Pixelization(nside, nested=order.startswith("nest"))
        numbers, dim = _pixels(group, pixelization.pixels)
        if not dim:
            continue
        problem = ""
        if not order.startswith(("nest", "ring")):
            problem = f"it lies on a HEALPix grid whose order is {order or 'not stated'}; nested and ring are known"
        elif pixelization.nested and nside & (nside - 1):
            problem = f"it lies on a nested HEALPix grid of nside {nside}, which is no power of 2"
        elif not numbers and group.sizes[dim] != pixelization.pixels:
            problem = (
                f"it lies on {group.sizes[dim]} of the {pixelization.pixels} pixels of a HEALPix grid, and no variable "
                f"states which ({', '.join(_NUMBERS)})"
            )
        return HealpixMesh(dim, group.sizes[dim], pixelization, numbers, evidence, problem)
    return None


def _statements(group: xr.Dataset) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield the attributes that may state a HEALPix, and where they are."""
    for name, variable in group.variables.items():
        mapping = cf.text(variable.attrs, "grid_mapping_name").lower() == "healpix"
        if mapping or cf.text(variable.attrs, "grid_name").lower() == "healpix":
            yield variable.attrs, f"{'the grid mapping' if mapping else 'attributes of'} {name}"
    if any(name in group.attrs for name in _NSIDES) or str(group.attrs.get("PIXTYPE", "")).upper() == "HEALPIX":
        yield group.attrs, "global attributes"


def _nside(attributes: Mapping[str, Any]) -> int | None:
    for name in (*_NSIDES, *_LEVELS):
        value = attributes.get(name)
        if value is None:
            continue
        try:
            number = int(np.asarray(value).ravel()[0])
        except (TypeError, ValueError):
            continue
        if name in _LEVELS:
            return 1 << number if 0 <= number <= _MAX_LEVEL else None
        return number if 1 <= number <= 1 << _MAX_LEVEL else None
    return None


def _pixels(group: xr.Dataset, pixels: int) -> tuple[str, str]:
    """Return the variable with the numbers of pixels, empty where all are stored, and their dimension."""
    for name, variable in group.variables.items():
        stated = cf.text(variable.attrs, "standard_name"), cf.text(variable.attrs, "grid_name")
        named = str(name).lower() in _NUMBERS or stated[0] == "healpix_index" or stated[1] == "healpix"
        if named and variable.ndim == 1 and variable.dtype.kind in "iu":
            return str(name), str(variable.dims[0])
    whole = [str(dim) for dim, size in group.sizes.items() if size == pixels]
    if whole:
        return "", whole[0]
    cells = [str(dim) for dim in group.sizes if str(dim).lower() in _DIMS]
    return "", cells[0] if cells else ""
