"""Linking a source: registering it in a store without copying its data."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.core.errors import GenerationChangedError, SourceError, SourceUnavailableError
from lazytile.pyramid.fetch.source_url import absolute_source
from lazytile.pyramid.ingest.convert import Storage, describe_dataset
from lazytile.pyramid.ingest.proposed_name import dataset_name
from lazytile.pyramid.linked.foreign_levels import levels_of
from lazytile.pyramid.linked.opened_source import open_record
from lazytile.pyramid.linked.reading_cost import ReadingCost, reading_cost
from lazytile.pyramid.linked.record import LinkRecord, read_record, write_record
from lazytile.pyramid.linked.sampled_range import measured
from lazytile.pyramid.linked.source_version import check_linkable, settled_time_ns, version_of
from lazytile.pyramid.sources.overrides import Overrides
from lazytile.pyramid.sources.series import files_of
from lazytile.pyramid.storage.object_path import ObjectPath, location, store_location
from lazytile.pyramid.storage.pinned import pinned
from lazytile.pyramid.storage.pointer import dataset_folder
from lazytile.pyramid.store.dataset import NAME_PATTERN, SUFFIX
from lazytile.pyramid.store.geozarr import finish_metadata, write_metadata
from lazytile.pyramid.store.layout import level_shape
from lazytile.pyramid.store.publish import staged

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lazytile.pyramid.core.grid import Grid
    from lazytile.pyramid.linked.opened_source import OpenedSource
    from lazytile.pyramid.store.dataset import Dataset

_ATTEMPTS = 3
"""Times that a source which changes while it is registered is registered anew."""


@dataclass(frozen=True, slots=True)
class Linked:
    """A dataset whose level 0 is read where it is."""

    dataset: Dataset
    costs: tuple[ReadingCost, ...]
    """Of each variable."""


def link(
    path: str | Path | Sequence[str | Path],
    store: str | Path,
    name: str | None = None,
    variables: Sequence[str] | None = None,
    *,
    group: str | None = None,
    x: str | None = None,
    y: str | None = None,
    crs: str | None = None,
    bounds: tuple[float, float, float, float] | None = None,
    nodata: float | None = None,
    time: str | None = None,
    time_pattern: str | None = None,
    title: str | None = None,
    colormap: str | None = None,
    exact: bool = False,
    progress: Callable[[float, float], None] | None = None,
) -> Linked:
    """Register a source as the dataset ``STORE/NAME.zarr`` without copying its data.

    Tiles are those of the converted source, byte for byte. Its overviews are made when they are first read, and kept in
    the store. A dataset of the same name is replaced in one step.

    Args:
        path: A file, a folder of Zarr, a URL of Zarr, a pattern, or a list of them, which form one time series.
        store: Folder of datasets, created where there is none; or object storage.
        name: As for ``convert``.
        variables: As for ``convert``.
        group: As for ``convert``.
        x: As for ``convert``.
        y: As for ``convert``.
        crs: As for ``convert``.
        bounds: As for ``convert``.
        nodata: As for ``convert``.
        time: As for ``convert``.
        time_pattern: As for ``convert``.
        title: As for ``convert``.
        colormap: As for ``convert``.
        exact: Whether to read the whole source for exact statistics, however large it is.
        progress: Called with the bytes that were read for them, and their number in all.

    Returns:
        The description, and what reading costs.

    Raises:
        SourceError: The source cannot be read where it is, or cannot be placed on the Earth.
        StoreError: The store cannot be written.
    """
    if name is not None and not NAME_PATTERN.fullmatch(name):
        raise SourceError(
            f"a dataset's name has up to 128 letters, digits, _ and -, a letter or digit first; not {name!r}"
        )
    place = store_location(store)
    given = tuple(absolute_source(each) for each in files_of(path))
    check_linkable(given)
    chosen = name or dataset_name(given[0])
    _check_apart(given, place, chosen)
    paths = tuple(str(pinned(each)) for each in given)
    record = LinkRecord(
        generation="",
        paths=paths,
        version="",
        as_of_ns=0,
        variables=None if variables is None else tuple(variables),
        group=group,
        overrides=Overrides(x, y, crs, bounds, nodata, time, time_pattern),
        title=title,
        colormap=colormap,
        is_exact=exact,
    )
    return _registered(record, place, chosen, progress)


def _check_apart(paths: Sequence[str], store: Path, name: str) -> None:
    """Raise ``SourceError`` where a source is the dataset that the link would replace, and with it the data."""
    replaced = location(absolute_source(store / f"{name}{SUFFIX}"))
    # In object storage a dataset is named without the suffix, too.
    names = {replaced, replaced.with_suffix("")} if isinstance(replaced, ObjectPath) else {replaced}
    for path in paths:
        source = location(path)
        if names & {source, *source.parents}:
            raise SourceError(
                f"{path} is the dataset {name} of this store: the link would replace the data that it shows; "
                f"choose another name or another store"
            )


def link_again(store: Path, name: str) -> Linked:
    """Register the source of a linked dataset anew, with the options that it was linked with.

    Args:
        store: Folder of datasets.
        name: Of the dataset.

    Returns:
        The description, and what reading costs.

    Raises:
        SourceError: The source cannot be read.
        StoreError: The store cannot be written, or the dataset is no linked one.
    """
    record = read_record(dataset_folder(store, name))
    return _registered(replace(record, paths=tuple(str(pinned(each)) for each in record.paths)), store, name)


def _registered(
    record: LinkRecord, store: Path, name: str, progress: Callable[[float, float], None] | None = None
) -> Linked:
    """Register a source at its present version."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _attempt(record, store, name, progress)
        except GenerationChangedError as error:
            changed = error
        except SourceUnavailableError as error:
            raise SourceError(str(error)) from error
        except SourceError as error:
            cause = error.__cause__
            if not isinstance(cause, GenerationChangedError):
                raise
            changed = cause
        if attempt == _ATTEMPTS:
            raise SourceError(f"{record.paths[0]} changes while it is read: {changed}")
    raise AssertionError  # the last attempt returns or raises


def _attempt(record: LinkRecord, store: Path, name: str, progress: Callable[[float, float], None] | None) -> Linked:
    paths = record.paths
    record = replace(record, as_of_ns=settled_time_ns(paths), version=version_of(paths), witnesses=())
    opened = open_record(record, f"{store / name}/being linked/{record.as_of_ns}")
    dataset = describe_dataset(
        opened.source, name, title=record.title, colormap=record.colormap, storage=Storage(lazy=True)
    )
    record = replace(record, levels=levels_of(opened))
    costs = tuple(reading_cost(opened, each) for each in opened.source.variables)
    read = _counted(opened, progress)
    found = [
        measured(opened, each, cost, is_exact=record.is_exact, progress=read)
        for each, cost in zip(opened.source.variables, costs, strict=True)
    ]
    dataset = replace(
        dataset,
        linked=1 + len(record.levels),
        variables=tuple(replace(each.variable, colormap=record.colormap) for each in found),
        remarks=(
            *_remarks(dataset.remarks, dataset.grid, 1 + len(record.levels)),
            *(each.remark for each in found if each.remark),
        ),
    )
    witnesses = () if opened.arrays is None else opened.arrays.witnesses()
    if version_of(paths) != record.version:
        raise GenerationChangedError(f"{paths[0]} has been changed")
    with staged(store, name) as staging:
        partial = staging.folder
        write_metadata(partial, dataset, opened.source.coordinates, opened.source.attributes)
        write_record(partial, replace(record, generation=dataset.generation, witnesses=witnesses))
        finish_metadata(partial, dataset, opened.source.attributes)
    return Linked(dataset, costs)


def _counted(opened: OpenedSource, progress: Callable[[float, float], None] | None) -> Callable[[int], None] | None:
    """Return what adds up the bytes that were read of a source, and tells them."""
    if progress is None:
        return None
    cells = opened.source.found.grid.shape.rows * opened.source.found.grid.shape.cols
    total = sum(
        cells
        * np.dtype(each.variable.packing.dtype).itemsize
        * math.prod(len(d.labels) for d in each.variable.dimensions)
        for each in opened.source.variables
    )
    done = 0

    def add(count: int) -> None:
        nonlocal done
        done += count
        progress(done, total)

    return add


def _remarks(remarks: tuple[str, ...], grid: Grid, levels: int) -> tuple[str, ...]:
    """Return remarks without those that leave out what is used as a coarser level."""
    shapes = [level_shape(grid.shape, level) for level in range(1, levels)]
    used = tuple(f"is left out: it lies on another grid ({shape.rows} x {shape.cols})" for shape in shapes)
    return tuple(each for each in remarks if not (used and each.endswith(used)))
