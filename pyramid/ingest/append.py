"""Appending time steps to a dataset: in one step for every reader, without touching existing chunks.

The new state is built beside the old one: files that stay are linked (a second name, no copy), new ones are built as
``convert`` builds them, and both states are exchanged as in ``convert``. Steps that stay keep their generation, and
with it the keys of their tiles.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from lazytile.pyramid.chunks.digest_table import FOLDER
from lazytile.pyramid.core.errors import SourceError, StoreError, StoreUnavailableError
from lazytile.pyramid.core.json_text import parse_json
from lazytile.pyramid.engines.factory import engine_or_threads
from lazytile.pyramid.fetch.downloads import FOLDER as DOWNLOADS
from lazytile.pyramid.fetch.downloads import local_files
from lazytile.pyramid.fetch.source_url import source_stamp
from lazytile.pyramid.ingest.append_check import StepMapping, check_fits, in_packing_of, map_steps
from lazytile.pyramid.ingest.build import Progress, build_arrays
from lazytile.pyramid.ingest.convert import with_statistics
from lazytile.pyramid.ingest.manifest import planes
from lazytile.pyramid.ingest.recount import States, recomputed_statistics
from lazytile.pyramid.ingest.shard_packing import Earlier
from lazytile.pyramid.sources.overrides import Overrides
from lazytile.pyramid.sources.source import Source, open_source
from lazytile.pyramid.storage.generations import Kept
from lazytile.pyramid.storage.metadata_copy import local_metadata
from lazytile.pyramid.storage.object_path import ObjectPath, store_location
from lazytile.pyramid.storage.pinned import pinned
from lazytile.pyramid.storage.pointer import dataset_folder
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.pyramid.storage.staging import staging_folder
from lazytile.pyramid.store.chunk_file import CHUNKS
from lazytile.pyramid.store.code_statistics import FILE as SUMMARY
from lazytile.pyramid.store.code_statistics import CodeStatistics, read_statistics, write_statistics
from lazytile.pyramid.store.codec import DEFAULT_CODEC
from lazytile.pyramid.store.geozarr import write_coordinate
from lazytile.pyramid.store.node_metadata import consolidate
from lazytile.pyramid.store.publish import UNFINISHED, staged
from lazytile.pyramid.store.store import is_current_state, read_description

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from lazytile.pyramid.engines.protocol import BulkEngine
    from lazytile.pyramid.fetch.http_client import HttpOptions
    from lazytile.pyramid.store.dataset import Dataset, Variable

_METADATA = "zarr.json"
_NO_LINKS = frozenset({errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EXDEV, errno.ENOSYS})


def append(
    path: str | Path,
    store: str | Path,
    name: str,
    *,
    group: str | None = None,
    time: str | None = None,
    time_pattern: str | None = None,
    replace_steps: bool = False,
    fetching: HttpOptions | None = None,
    engine: BulkEngine | str | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Dataset:
    """Append the time steps of a source to the dataset ``STORE/NAME.zarr`` and return its new description.

    The source must have the same grid, packing and other dimensions. Until the end, and if anything fails, the dataset
    stays as it is; a run that was killed is resumed.

    Args:
        path: A file or URL.
        store: Folder of datasets.
        name: Of the dataset.
        group: Of the file, where the variables are not in the root.
        time: As for ``convert``.
        time_pattern: As for ``convert``.
        replace_steps: Whether a time that the dataset has replaces the old step. Other times must be later than the
            dataset's last.
        fetching: How remote sources are downloaded.
        engine: Runs the tasks; the name of one; None: threads of this process.
        progress: Called after each task.

    Returns:
        The new description.

    Raises:
        SourceError: The source cannot be read or does not fit the dataset.
        StoreError: The store cannot be written, or the dataset was changed meanwhile.
    """
    place = store_location(store)
    folder = dataset_folder(place, name)
    old = read_description(folder)
    if old.linked:
        raise SourceError(
            f"dataset {name} is linked: it shows what its source holds, and steps are added there; convert copies it"
        )
    timed = [variable.name for variable in old.variables if variable.time is not None]
    if not timed:
        raise SourceError(f"dataset {name} has no time dimension, nothing can be appended to it")
    (file,) = local_files([str(path)], staging_folder(place) / DOWNLOADS, fetching)
    source = open_source(pinned(file), timed, group=group, overrides=Overrides(time=time, time_pattern=time_pattern))
    check_fits(source, old)
    source = in_packing_of(old, source)
    with _metadata_of(folder, old) as here:
        steps = map_steps(source, old, here, replace_steps=replace_steps)
        return _append(source, (place, folder, here), old, steps, engine=engine, progress=progress)


def _append(
    source: Source,
    places: tuple[Path, Path, Path],
    old: Dataset,
    steps: StepMapping,
    *,
    engine: BulkEngine | str | None,
    progress: Callable[[Progress], None] | None,
) -> Dataset:
    """Append the steps of a source; the places are the store, the dataset, and its metadata on this machine."""
    store, folder, here = places
    name, kept = old.name, _kept(folder, old, _left_out(old, steps))
    with staged(store, name, _fingerprint(source, old), kept) as staging, engine_or_threads(engine) as bulk:
        if not is_current_state(folder, old):
            raise StoreError(f"dataset {name} was changed meanwhile, append again")
        new, partial = _extended(old, steps), staging.folder
        if not (partial / UNFINISHED).exists():
            _clone(here, partial, old, _left_out(old, steps))
            _write_shapes(partial, new, steps)
        earlier = Earlier(folder, old)
        added = build_arrays(source, staging, new, bulk, progress, time_steps=steps.stored_steps, earlier=earlier)
        states = States(staging.chunks, new, folder, old, frozenset(steps.stored_steps))
        if steps.replaced:
            totals = {name: recomputed_statistics(states, name, len(levels), bulk) for name, levels in added.items()}
        else:
            totals = {name: _combined(here, name, levels) for name, levels in added.items()}
            totals = {
                name: levels or recomputed_statistics(states, name, len(added[name]), bulk)
                for name, levels in totals.items()
            }
        new = replace(
            new,
            variables=tuple(
                with_statistics(variable, totals[variable.name]) if variable.name in totals else variable
                for variable in new.variables
            ),
        )
        write_statistics(partial, totals)
        root = parse_json((partial / _METADATA).read_bytes())
        consolidate(partial, {**root["attributes"], "lazytile": new.to_stored_json()})
    return new


@contextmanager
def _metadata_of(folder: Path, dataset: Dataset) -> Iterator[Path]:
    """Yield a folder of this machine that has the metadata, coordinates and statistics of a dataset."""
    names = [variable.name for variable in dataset.variables]
    try:
        with local_metadata(folder, range(dataset.levels), names, SUMMARY) as here:
            yield here
    except StorageError as error:
        raise StoreUnavailableError(str(error)) from error


def _left_out(old: Dataset, steps: StepMapping) -> list[frozenset[int]]:
    """Return which files of each level are written again, by their index along time: those with a step that changes."""
    sizes = old.shard_steps or (1,) * old.levels
    return [frozenset(step // size for step in steps.stored_steps) for size in sizes]


def _kept(folder: Path, dataset: Dataset, left_out: Sequence[Collection[int]]) -> Kept | None:
    """Return what the next generation takes over in object storage: chunks and checksums of the steps that stay."""
    if not isinstance(folder, ObjectPath):
        return None
    axes = {variable.name: variable.time_axis for variable in dataset.variables}

    def is_kept(key: str) -> bool:
        parts = key.split("/")
        if len(parts) < 4 or parts[1] not in axes or parts[2] not in (CHUNKS, FOLDER):
            return False
        axis, index = axes[parts[1]], parts[3].split("-") if parts[2] == FOLDER else parts[3:]
        return axis is None or int(index[axis]) not in left_out[int(parts[0])]

    return Kept(folder, is_kept)


def _fingerprint(source: Source, old: Dataset) -> str:
    placements = [repr(each.placement) for each in source.variables]
    parts = ("append", source.path, source_stamp(source.path), source.version, placements, old.generation)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _extended(old: Dataset, steps: StepMapping) -> Dataset:
    """Return the description with the new steps and a new generation; its statistics are still the old ones."""
    generation = secrets.token_hex(16)
    return replace(
        old,
        generation=generation,
        codec=old.codec or DEFAULT_CODEC.text,  # format 1 has only Blosc, whose chunks name their compressor
        variables=tuple(_extended_variable(variable, old.generation, generation, steps) for variable in old.variables),
    )


def _extended_variable(variable: Variable, before: str, now: str, steps: StepMapping) -> Variable:
    generations = variable.step_generations(before)
    dimensions = variable.dimensions
    if variable.time is not None:
        generations += [now] * (len(steps.labels) - len(generations))
        for step in steps.replaced:
            generations[step] = now
        grown = replace(variable.time, labels=steps.labels)
        dimensions = tuple(grown if each.kind == "time" else each for each in dimensions)
    runs = tuple((each, len(list(members))) for each, members in groupby(generations))
    least, greatest = variable.style_range
    ends = None if least is None or greatest is None else (least, greatest)
    return replace(variable, dimensions=dimensions, generations=runs, first_range=ends)


def _clone(folder: Path, partial: Path, old: Dataset, left_out: Sequence[Collection[int]]) -> None:
    """Create a second dataset of the same files, without those of some time steps."""
    shutil.copy2(folder / _METADATA, partial / _METADATA)
    for level in range(old.levels):
        here, there = folder / str(level), partial / str(level)
        there.mkdir()
        data = {variable.name: variable for variable in old.variables}
        for entry in here.iterdir():
            variable = data.get(entry.name)
            if variable is None:
                # Coordinates are small, and zarr-python may write to the existing files.
                (shutil.copytree if entry.is_dir() else shutil.copy2)(entry, there / entry.name)
                continue
            array = there / entry.name
            array.mkdir()
            shutil.copy2(entry / _METADATA, array / _METADATA)
            axis = variable.time_axis
            if (entry / CHUNKS).is_dir():
                _link_tree(str(entry / CHUNKS), str(array / CHUNKS), axis, left_out[level])
            for plane in planes(entry):
                if axis is None or plane.name == "plane" or int(plane.name.split("-")[axis]) not in left_out[level]:
                    (array / FOLDER).mkdir(exist_ok=True)
                    _link(str(plane), str(array / FOLDER / plane.name))
            if axis is None and (entry / SUMMARY).exists():
                shutil.copy2(entry / SUMMARY, array / SUMMARY)


def _link_tree(source: str, target: str, axis: int | None, left_out: Collection[int]) -> None:
    """Link all files below a folder; ``axis`` folders deep, those of some steps are left out."""
    Path(target).mkdir()
    with os.scandir(source) as entries:
        for entry in entries:
            if axis == 0 and entry.name.isdecimal() and int(entry.name) in left_out:
                continue
            if entry.is_dir(follow_symlinks=False):
                _link_tree(entry.path, f"{target}/{entry.name}", None if not axis else axis - 1, left_out)
            elif entry.name.isdecimal():
                _link(entry.path, f"{target}/{entry.name}")


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        shutil.copy2(source, target)


def _write_shapes(partial: Path, new: Dataset, steps: StepMapping) -> None:
    """Write the new lengths into the metadata of the arrays, and the new times."""
    for level in range(new.levels):
        for variable in new.variables:
            path = partial / str(level) / variable.name / _METADATA
            document = parse_json(path.read_bytes())
            leading = [len(dimension.labels) for dimension in variable.dimensions]
            document["shape"] = [*leading, *document["shape"][-2:]]
            path.write_text(json.dumps(document, indent=2), encoding="utf-8")
        write_coordinate(partial / str(level), steps.name, steps.values, steps.attributes)


def _combined(folder: Path, name: str, levels: list[CodeStatistics]) -> list[CodeStatistics]:
    """Return the statistics of old and new steps together; none where those of the old ones are unknown."""
    before = [read_statistics(folder, level, name) for level in range(len(levels))]
    known = [each for each in before if each is not None]
    return [one + other for one, other in zip(known, levels, strict=True)] if len(known) == len(levels) else []
