"""Converting a source to a dataset in a store."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

from lazytile import __version__
from lazytile.pyramid.core.errors import SourceError, StoreError
from lazytile.pyramid.core.grid import Shape
from lazytile.pyramid.engines.factory import engine_or_threads
from lazytile.pyramid.fetch.downloads import FOLDER, local_files
from lazytile.pyramid.fetch.source_url import base_name, source_stamp
from lazytile.pyramid.ingest.build import Progress, build_arrays
from lazytile.pyramid.ingest.proposed_name import dataset_name
from lazytile.pyramid.ingest.shard_plan import MAX_SHARD_STEPS, automatic_steps, chosen_steps
from lazytile.pyramid.sources.overrides import Overrides
from lazytile.pyramid.sources.series import files_of, open_files
from lazytile.pyramid.storage.object_path import store_location
from lazytile.pyramid.storage.pinned import pinned
from lazytile.pyramid.storage.staging import staging_folder
from lazytile.pyramid.store.code_statistics import write_statistics
from lazytile.pyramid.store.codec import DEFAULT_CODEC, Codec
from lazytile.pyramid.store.dataset import NAME_PATTERN, Dataset
from lazytile.pyramid.store.geozarr import finish_metadata, write_metadata
from lazytile.pyramid.store.layout import CHUNK_CELLS, plan_levels
from lazytile.pyramid.store.publish import UNFINISHED, staged

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lazytile.pyramid.engines.protocol import BulkEngine
    from lazytile.pyramid.fetch.http_client import HttpOptions
    from lazytile.pyramid.sources.source import Source
    from lazytile.pyramid.store.code_statistics import CodeStatistics
    from lazytile.pyramid.store.dataset import Variable

MAX_SHARD = 64
MAX_REMARKS = 100
"""Remarks that a dataset stores, at most; the last of more states how many are left out."""


@dataclass(frozen=True, slots=True)
class Storage:
    """The storage of a dataset: codec, shards, lazy overviews."""

    codec: Codec = DEFAULT_CODEC
    shard: int = 0
    """Chunks along a side of the square that one file holds; 0: each has its own file."""
    lazy: bool = False
    """Whether overviews are left to their first readers."""
    lazy_above: int = 0
    """Number of planes, a plane being one step of one variable, up to which overviews are made nevertheless: making all
    of a few takes no longer than making those of the first picture."""
    shard_steps: int | None = None
    """Time steps that one file holds; 0: one; None: as many as ``shard_plan.automatic_steps`` says for each level."""

    def __post_init__(self) -> None:
        if self.shard and (self.shard < 2 or self.shard > MAX_SHARD or self.shard & (self.shard - 1)):
            raise StoreError(f"a shard has 2, 4, 8 ... {MAX_SHARD} chunks along a side, not {self.shard}")
        if self.shard and self.lazy:
            raise StoreError("lazy overviews are written chunk by chunk, so they cannot be in shards")
        if self.shard_steps and self.lazy:
            raise StoreError("lazy overviews are written chunk by chunk, so no file can hold several steps of them")
        if self.shard_steps is not None and not 0 <= self.shard_steps <= MAX_SHARD_STEPS:
            raise StoreError(f"a shard holds 0 to {MAX_SHARD_STEPS} time steps, not {self.shard_steps}")


DEFAULT_STORAGE = Storage()


def convert(
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
    storage: Storage = DEFAULT_STORAGE,
    fetching: HttpOptions | None = None,
    engine: BulkEngine | str | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Dataset:
    """Convert a gridded file, or several of one time series, to ``STORE/NAME.zarr`` and return its description.

    A dataset of the same name is replaced in one step; until then, and if anything fails, it stays as it is. A run that
    was killed is resumed by one with the same source and options.

    Args:
        path: A file, a URL, a pattern (``sst-*.nc``) or a list of them, which form one time series. Remote and
            compressed files are unpacked to ``STORE/.downloads`` first.
        store: Folder of datasets, created where there is none; or object storage, ``s3://BUCKET/PREFIX``.
        name: Letters, digits, ``_`` and ``-``; None derives it from the file's name.
        variables: Names of variables; None: all on the largest grid.
        group: Of the file, where the variables are not in the root.
        x: Name of the coordinate variable of columns, where the file does not say.
        y: Name of the coordinate variable of rows, where the file does not say.
        crs: ``EPSG:n``, WKT or PROJ, where the file does not say.
        bounds: West, south, east and north, the outer edges, for a NumPy array.
        nodata: The code of no data, where the file names none.
        time: Of a file that states none, ISO 8601.
        time_pattern: Where the names of files that state no times hold them: ``sst-%Y%m%d.nc``.
        title: Of the dataset; None: the source's.
        colormap: Name of a colormap; None: one is found by name, units and range.
        storage: Codec, shards, lazy overviews.
        fetching: How remote sources are downloaded.
        engine: Runs the tasks; the name of one; None: threads of this process.
        progress: Called after each task.

    Returns:
        The description.

    Raises:
        SourceError: The source cannot be converted.
        StoreError: The store cannot be written.
    """
    chosen = None if name is None else _checked_name(name)
    place = store_location(store)
    files = local_files(files_of(path), staging_folder(place) / FOLDER, fetching)
    chosen = chosen or dataset_name(files[0])
    source = open_files(
        [pinned(each) for each in files],
        variables,
        group=group,
        overrides=Overrides(x, y, crs, bounds, nodata, time, time_pattern),
    )
    if storage.lazy and _planes(source) <= storage.lazy_above:
        storage = replace(storage, lazy=False)
    dataset = describe_dataset(source, chosen, title=title, colormap=colormap, storage=storage)
    with staged(place, chosen, fingerprint(source, dataset)) as staging, engine_or_threads(engine) as bulk:
        if not (staging.folder / UNFINISHED).exists():
            write_metadata(staging.folder, dataset, source.coordinates, source.attributes)
        statistics = build_arrays(source, staging, dataset, bulk, progress)
        dataset = replace(
            dataset,
            variables=tuple(with_statistics(variable, statistics[variable.name]) for variable in dataset.variables),
        )
        write_statistics(staging.folder, statistics)
        finish_metadata(staging.folder, dataset, source.attributes)
    return dataset


def _planes(source: Source) -> int:
    return sum(prod(len(axis.labels) for axis in each.variable.dimensions) for each in source.variables)


def describe_dataset(
    source: Source, name: str, *, title: str | None, colormap: str | None, storage: Storage = DEFAULT_STORAGE
) -> Dataset:
    """Return the description of the dataset that a source becomes, with a new generation and no statistics yet.

    Args:
        source: The source.
        name: Of the dataset.
        title: Of the dataset; None: the source's.
        colormap: Name of a colormap; None: one is found later.
        storage: How the dataset is stored.

    Returns:
        The description.
    """
    grid = source.found.grid
    levels = plan_levels(grid.shape)
    return Dataset(
        name=name,
        generation=secrets.token_hex(16),
        grid=grid,
        levels=len(levels),
        chunk=Shape(CHUNK_CELLS, CHUNK_CELLS),
        variables=tuple(replace(each.variable, colormap=colormap) for each in source.variables),
        title=source.title if title is None else title,
        source=base_name(source.path),
        codec=storage.codec.text,
        shard=storage.shard,
        lazy=storage.lazy,
        checked=True,
        remarks=_stored_remarks(source.remarks),
        shard_steps=_shard_steps(levels, [each.variable for each in source.variables], storage),
    )


def _shard_steps(levels: Sequence[Shape], variables: Sequence[Variable], storage: Storage) -> tuple[int, ...]:
    if storage.lazy:
        return ()
    if storage.shard_steps is None:
        return automatic_steps(levels, variables, storage.shard)
    return chosen_steps(levels, variables, storage.shard, storage.shard_steps)


def _stored_remarks(remarks: tuple[str, ...]) -> tuple[str, ...]:
    if len(remarks) <= MAX_REMARKS:
        return remarks
    return (*remarks[: MAX_REMARKS - 1], f"{len(remarks) - MAX_REMARKS + 1} more remarks; lazytile info FILE lists all")


def fingerprint(source: Source, dataset: Dataset) -> str:
    """Return what identifies a piece of work: equal for the same source, unchanged, and the same result.

    Args:
        source: The source.
        dataset: Description of the result.

    Returns:
        16 hexadecimal digits.
    """
    described = {**dataset.to_json(), "generation": ""}
    placements = [repr(each.placement) for each in source.variables]
    parts = (
        source.path,
        [source_stamp(each) for each in source.files or (source.path,)],
        source.version,
        described,
        placements,
        __version__,
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def with_statistics(variable: Variable, levels: Sequence[CodeStatistics]) -> Variable:
    """Return a variable with statistics.

    Args:
        variable: Of a dataset.
        levels: Statistics of the codes of each level, level 0 first.

    Returns:
        The variable.
    """
    statistics = tuple(each.statistics(variable.packing) for each in levels)
    histogram = levels[0].histogram(variable.packing)
    return replace(variable, statistics=statistics[0], level_statistics=statistics, histogram=histogram)


def _checked_name(name: str) -> str:
    if not NAME_PATTERN.fullmatch(name):
        raise SourceError(
            f"a dataset's name has up to 128 letters, digits, _ and -, a letter or digit first; not {name!r}"
        )
    return name
