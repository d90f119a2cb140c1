"""Bounds of the arrays of a Zarr source, checked before xarray reads the coordinates among them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import zarr

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.core.memory_size import CHUNK_VARIABLE, max_chunk_bytes
from lazytile.pyramid.sources.formats.extents import MAX_COORDINATE_BYTES, check_length

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import xarray as xr

MAX_CELLS = 1 << 46
"""Most cells of an array, all steps together."""
MAX_SHARD_CHUNKS = 1 << 22
"""Most chunks of a shard, whose index is read whole."""


def check_arrays(where: str, members: Iterable[tuple[str, object]]) -> None:
    """Check the shapes of arrays before anything is allocated for them.

    Args:
        where: The source, for the message.
        members: Name and array or group.

    Raises:
        SourceError: An array is too large, or its chunks or shards are.
    """
    for name, member in members:
        if isinstance(member, zarr.Array):
            check_length(name, max(member.shape, default=0), where)
            problem = _problem(member)
            if problem is not None:
                more = f"; {CHUNK_VARIABLE} sets more" if problem.startswith("chunks") else ""
                raise SourceError(f"{where}: {name} has {problem} are read{more}")


def _problem(array: zarr.Array[Any]) -> str | None:
    """Return what is too large in an array; None where nothing is."""
    shape, item_bytes = array.shape, array.dtype.itemsize
    found = {
        "chunks of {} bytes, at most {}": (math.prod(array.chunks) * item_bytes, max_chunk_bytes()),
        "shards of {} chunks, at most {}": (_chunks_of_shard(array), MAX_SHARD_CHUNKS),
        "{} bytes in one dimension, at most {}": (
            shape[0] * item_bytes if len(shape) == 1 else 0,
            MAX_COORDINATE_BYTES,
        ),
        "{} cells, at most {}": (math.prod(shape), MAX_CELLS),
    }
    for text, (number, limit) in found.items():
        if number > limit:
            return text.format(number, limit)
    return None


def _chunks_of_shard(array: zarr.Array[Any]) -> int:
    if array.shards is None:
        return 1
    return math.prod(shard // chunk for shard, chunk in zip(array.shards, array.chunks, strict=True))


def check_is_whole(where: str | Path, groups: Mapping[str, xr.Dataset]) -> None:
    """Check that a source is no linked dataset of ours, which lacks its finest data and overviews that nobody has made.

    Args:
        where: The source, for the message.
        groups: Its groups by path.

    Raises:
        SourceError: It is one.
    """
    described = groups["/"].attrs.get("lazytile") if "/" in groups else None
    if isinstance(described, dict) and described.get("linked"):
        raise SourceError(
            f"{where} is a linked dataset of lazytile, which holds coarser levels only; "
            f"name its source instead, which lazytile info shows"
        )
