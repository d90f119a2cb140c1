"""Limits of what a source may claim to hold, checked before anything of that size is allocated."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.core.memory_size import CHUNK_VARIABLE, max_chunk_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import xarray as xr

MAX_GROUPS = 10_000
MAX_VARIABLES = 100_000
"""In all groups together."""
MAX_DIMENSIONS = 16
"""Of a variable."""
MAX_LENGTH = 1 << 26
"""Cells or steps along a dimension: the whole Earth in cells of 0.6 metres."""
MAX_COORDINATE_BYTES = 1 << 30
"""Size of a one-dimensional variable, which is read whole."""


def check_extents(groups: Mapping[str, xr.Dataset], path: Path | str) -> None:
    """Check the sizes that the metadata of a source claim.

    Args:
        groups: Its groups by path, not read.
        path: Of the source, for messages.

    Raises:
        SourceError: One of them exceeds its limit.
    """
    if len(groups) > MAX_GROUPS:
        raise SourceError(f"{path} has {len(groups)} groups, at most {MAX_GROUPS} are read")
    if (count := sum(len(group.variables) for group in groups.values())) > MAX_VARIABLES:
        raise SourceError(f"{path} has {count} variables, at most {MAX_VARIABLES} are read")
    for group in groups.values():
        for name, length in group.sizes.items():
            check_length(str(name), length, path)
        for name, variable in group.variables.items():
            _check_variable(str(name), variable, path)


def check_length(name: str, length: int, path: Path | str) -> None:
    """Check a dimension, before its coordinates are read.

    Args:
        name: Of the dimension, or of an array that has it.
        length: Of the dimension.
        path: Of the source, for messages.

    Raises:
        SourceError: It is too long.
    """
    if length > MAX_LENGTH:
        raise SourceError(f"{path}: {name} has {length} cells or steps in a row, at most {MAX_LENGTH} are read")


def _check_variable(name: str, variable: xr.Variable, path: Path | str) -> None:
    if variable.ndim > MAX_DIMENSIONS:
        raise SourceError(f"{path}: {name} has {variable.ndim} dimensions, at most {MAX_DIMENSIONS} are read")
    if variable.ndim <= 1 and variable.nbytes > MAX_COORDINATE_BYTES:
        raise SourceError(
            f"{path}: {name} has {variable.nbytes} bytes, a coordinate has at most {MAX_COORDINATE_BYTES}"
        )
    chunks = variable.encoding.get("chunks") or variable.encoding.get("chunksizes")
    if chunks and (size := math.prod(map(int, chunks)) * variable.dtype.itemsize) > (most := max_chunk_bytes()):
        raise SourceError(
            f"{path}: {name} has chunks of {size} bytes, at most {most} are read; {CHUNK_VARIABLE} sets more"
        )
