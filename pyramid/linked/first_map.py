"""Whether linking a source is a quicker way to its first map than converting it, by measuring how fast it is read.

Both ways read the whole source once for the range of its colours, so that they are the same. Converting also writes it;
linking reads the first step a second time, and makes that step's overviews chunk by chunk.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lazytile.colormaps.core.errors import LazytileError
from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.fetch.source_url import absolute_source
from lazytile.pyramid.linked.opened_source import open_record
from lazytile.pyramid.linked.reading_cost import reading_cost, touched_bytes
from lazytile.pyramid.linked.record import LinkRecord
from lazytile.pyramid.linked.source_version import check_linkable, version_of
from lazytile.pyramid.sources.overrides import Overrides
from lazytile.pyramid.store.layout import Block

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lazytile.pyramid.linked.opened_source import OpenedSource
    from lazytile.pyramid.sources.source_variable import SourceVariable

WRITTEN_BYTES_PER_S = 130e6
"""Unpacked bytes that converting packs and writes each second, beside reading them (docs/how-to/data-in-place.md)."""
LAZY_BYTES_PER_S = 60e6
"""Unpacked bytes of level 0 that become overviews each second, where they are made when they are first read."""
SAVED_S = 0.5
"""What linking has to save: a copy does not depend on its source, and its later tiles read less."""
MAX_TILE_BYTES = 64 << 20
"""Of a source whose tiles read more than this, all later maps would be slow."""
SAMPLE_CELLS = 1024
"""Rows and columns of cells that are read for the measurement."""


@dataclass(frozen=True, slots=True)
class FirstMap:
    """What the first map of a source takes beyond reading the source once."""

    linked_s: float
    """If it is linked."""
    converted_s: float
    """If it is converted as far as the map needs."""
    tile_bytes: int
    """Most that a tile of level 0 of a linked variable reads, unpacked."""
    reading_s: float
    """What reading the source once takes, for either way."""

    @property
    def is_linked(self) -> bool:
        """Whether linking is the quicker way."""
        return self.tile_bytes <= MAX_TILE_BYTES and self.converted_s - self.linked_s >= SAVED_S


def first_map(
    paths: Sequence[str],
    variables: Sequence[str] | None = None,
    *,
    group: str | None = None,
    overrides: Overrides | None = None,
    whole_planes: int = 0,
) -> FirstMap | None:
    """Measure reading a source, and estimate what its first map takes.

    Args:
        paths: Files, folders of Zarr and URLs of Zarr, which form one time series.
        variables: As for ``convert``.
        group: As for ``convert``.
        overrides: What the user states.
        whole_planes: Steps of all variables together up to which converting makes all overviews at once.

    Returns:
        The estimate; None for a source that cannot be linked, or that converting has to refuse.
    """
    absolute = tuple(map(absolute_source, paths))
    try:
        check_linkable(absolute)
        record = LinkRecord(
            generation="",
            paths=absolute,
            version=version_of(absolute),
            as_of_ns=time.time_ns(),
            variables=None if variables is None else tuple(variables),
            group=group,
            overrides=overrides or Overrides(),
        )
        opened = open_record(record, f"{absolute[0]}/being measured/{record.as_of_ns}")
        return _estimated(opened, whole_planes)
    except (LazytileError, OSError):
        return None  # whoever converts it is told what is wrong


def _estimated(opened: OpenedSource, whole_planes: int) -> FirstMap:
    every, shape = opened.source.variables, opened.source.found.grid.shape
    planes = [math.prod(len(dimension.labels) for dimension in each.variable.dimensions) for each in every]
    plane_bytes = [shape.rows * shape.cols * np.dtype(each.variable.packing.dtype).itemsize for each in every]
    whole_bytes = sum(count * size for count, size in zip(planes, plane_bytes, strict=True))
    costs = [reading_cost(opened, each) for each in every]
    tile_bytes = max(cost.tile_bytes for cost in costs)
    converted_s = whole_bytes / WRITTEN_BYTES_PER_S
    is_lazy = sum(planes) > whole_planes
    lazy_s = plane_bytes[0] / LAZY_BYTES_PER_S
    if tile_bytes > MAX_TILE_BYTES or converted_s < SAVED_S:
        return FirstMap(lazy_s, converted_s, tile_bytes, 0.0)
    rate = _bytes_per_s(opened, every[0])
    return FirstMap(
        linked_s=lazy_s + costs[0].step_bytes / rate,
        converted_s=converted_s + (lazy_s if is_lazy else 0.0),
        tile_bytes=tile_bytes,
        reading_s=whole_bytes / rate,
    )


def _bytes_per_s(opened: OpenedSource, variable: SourceVariable) -> float:
    """Read a block in the middle of the first step, and return how many unpacked bytes of the source a second takes."""
    shape = opened.source.found.grid.shape
    rows, cols = (
        ((length - count) // 2, (length + count) // 2)
        for length, count in ((side, min(side, SAMPLE_CELLS)) for side in (shape.rows, shape.cols))
    )
    leading = tuple((0, 1) for _ in variable.variable.dimensions)
    began = time.perf_counter()
    try:
        opened.reader(variable).read(Block(leading, rows, cols, 0))
    finally:
        took_s = time.perf_counter() - began
    if took_s <= 0:
        raise SourceError("the clock stands still")
    return touched_bytes(opened, variable, rows, cols) / took_s
