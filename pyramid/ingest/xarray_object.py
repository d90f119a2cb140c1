"""An xarray object as a source: it is written to a Zarr group, which is then converted like any other file.

Values keep the packing that their encoding states, so that what xarray decoded from 16-bit integers is stored as those.
Dask arrays are computed block by block.
"""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from lazytile.pyramid.core.errors import SourceError, first_line

if TYPE_CHECKING:
    from pathlib import Path

_KEPT = ("dtype", "scale_factor", "add_offset", "_FillValue", "missing_value", "units", "calendar", "grid_mapping")
"""Encodings that decide the codes. The others describe the chunks of another file."""


def is_xarray(source: object) -> bool:
    """Return whether a source is an xarray object.

    Args:
        source: Anything.

    Returns:
        True for a ``Dataset`` and a ``DataArray``.
    """
    return isinstance(source, xr.Dataset | xr.DataArray)


def name_of_object(source: xr.Dataset | xr.DataArray) -> str:
    """Return a name for an object's dataset.

    Args:
        source: The object.

    Returns:
        The stem of the file that it came from, the name of the array, or ``data``.
    """
    file = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", str(source.encoding.get("source", "")).rstrip("/").rpartition("/")[2])
    stated = str(source.name) if isinstance(source, xr.DataArray) and source.name is not None else ""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", stated or file).strip("_-")[:128] or "data"


def write_object(source: xr.Dataset | xr.DataArray, folder: Path) -> Path:
    """Write an object as a Zarr group.

    Args:
        source: The object; numeric variables on a grid with CF coordinates.
        folder: An existing folder.

    Returns:
        Path of the group.

    Raises:
        SourceError: The object cannot be written.
    """
    if isinstance(source, xr.DataArray):
        plain = source.to_dataset(name="data" if source.name is None else source.name)
    else:
        plain = source.copy()
    path = folder / f"{name_of_object(source)}.zarr"
    for name in list(plain.variables):
        variable = plain.variables[name]
        if variable.dtype.kind not in "biufMmOUST":
            raise SourceError(f"{name} has the type {variable.dtype}, which has no place on a map")
        variable.encoding = {key: value for key, value in variable.encoding.items() if key in _KEPT}
    for name in [name for name, each in plain.variables.items() if each.chunks is not None and _is_uneven(each.chunks)]:
        plain[name] = plain[name].chunk("auto")
    try:
        with warnings.catch_warnings():
            # Of texts and of zarr-python's own extensions: the group is read at once and thrown away.
            warnings.simplefilter("ignore")
            plain.to_zarr(path, mode="w", consolidated=False, zarr_format=3)
    except (ValueError, TypeError, NotImplementedError, OSError, np.exceptions.DTypePromotionError) as error:
        raise SourceError(f"the xarray object cannot be stored: {first_line(error)}") from error
    return path


def _is_uneven(chunks: tuple[tuple[int, ...], ...]) -> bool:
    """Return whether Zarr has no chunks like those of a Dask array: all but the last must be of one size."""
    return any(len(set(sizes[:-1])) > 1 or sizes[-1] > sizes[0] for sizes in chunks)
