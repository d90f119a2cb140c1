"""The coarser levels that a source has itself: our own and others' pyramids (GeoZarr, ``multiscales``).

A level is used as it is where it is exactly the one that our pyramid has: half as many cells, rounded up, from the same
first edges, with the same variables, steps and packing. Any other is made from the finest, and so are those of a
dataset of ours that has overviews only where somebody has looked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import SourceError, StoreError, StoreUnavailableError
from lazytile.pyramid.fetch.source_url import path_or_url
from lazytile.pyramid.linked.opened_source import ZARRS, are_alike, open_overview
from lazytile.pyramid.sources.formats.container import open_container
from lazytile.pyramid.storage.object_path import location
from lazytile.pyramid.store.layout import level_shape, plan_levels
from lazytile.pyramid.store.store import read_description

if TYPE_CHECKING:
    from lazytile.pyramid.linked.opened_source import OpenedSource
    from lazytile.pyramid.sources.source import Source

MAX_GROUPS = 64
"""Groups of a source that are looked at."""


def levels_of(opened: OpenedSource) -> tuple[str, ...]:
    """Find the coarser levels of a source.

    Args:
        opened: The source.

    Returns:
        The group of each level that can be used as it is, level 1 first, without gaps.

    Raises:
        SourceError: The source cannot be read.
    """
    source, record = opened.source, opened.record
    if source.engine not in ZARRS or len(record.paths) != 1 or source.found.resampling is not None or record.group:
        return ()
    if _makes_its_levels(record.paths[0]):
        return ()
    container = open_container(path_or_url(record.paths[0]), record.overrides)
    try:
        finest = source.variables[0].placement
        sizes = {
            name: tuple(group.sizes[dim] for dim in group.variables[finest.name].dims)
            for name, group in list(container.groups.items())[:MAX_GROUPS]
            if finest.name in group.variables and name != finest.group
        }
    finally:
        container.close()
    found: list[str] = []
    for level in range(1, len(plan_levels(source.found.grid.shape))):
        shape = level_shape(source.found.grid.shape, level)
        fitting = [name for name, size in sizes.items() if len(size) >= 2 and {shape.rows, shape.cols} <= set(size)]
        group = next((name for name in fitting if _fits(opened, name, level)), None)
        if group is None:
            break
        found.append(group)
    return tuple(found)


def _makes_its_levels(path: str) -> bool:
    """Return whether a source is a dataset of ours whose coarser levels are made, chunk by chunk, by who reads them.

    A chunk that is absent there is not empty: it has not been made yet.
    """
    try:
        dataset = read_description(location(path))
    except StoreUnavailableError:
        raise
    except StoreError:
        return False  # it is somebody else's
    return dataset.lazy or dataset.linked > 0


def _fits(opened: OpenedSource, group: str, level: int) -> bool:
    """Return whether a group holds a level of the pyramid, with all variables."""
    source = opened.source
    try:
        other = open_overview(opened.record, group)
    except SourceError:
        return False  # it has no places of its own, or other variables
    return are_alike(other.found.grid, source.found.grid.coarsen(level)) and _variables(other) == _variables(source)


def _variables(source: Source) -> list[object]:
    return [(each.variable.name, each.variable.packing, each.variable.dimensions) for each in source.variables]
