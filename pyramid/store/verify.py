"""Verifying that a stored dataset is what was written: files by checksum, levels by the finer ones they derive from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.engines.factory import engine_or_threads
from lazytile.pyramid.store.chunk_file import CHUNKS, NO_FILE, FileDigest, read_file
from lazytile.pyramid.store.chunk_reader import open_chunks
from lazytile.pyramid.store.dataset import SUFFIX, Dataset
from lazytile.pyramid.store.layout import level_shape, shard_grid
from lazytile.pyramid.store.manifest import read_plane
from lazytile.pyramid.store.overview import ChunkIndex, overview_codes
from lazytile.pyramid.store.store import read_description

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazytile.pyramid.engines.protocol import BulkEngine

_METADATA = "zarr.json"
BAND_CHUNKS = 4
"""Rows of chunks of a level that one task recomputes."""


@dataclass(frozen=True, slots=True)
class Verification:
    """The findings of a verification."""

    dataset: str
    files: int
    """Chunk files (or shards) whose checksum was compared."""
    unknown: int
    """Chunk files without a checksum to compare with: written by a reader of a lazy dataset, or by an older version."""
    chunks: int
    """Overview chunks that were recomputed from the finer level."""
    problems: tuple[str, ...]
    """One line each, the path first; none in a sound dataset."""


@dataclass(frozen=True, slots=True)
class _Band:
    """Some rows of chunks of one plane of one level."""

    folder: str
    dataset: Dataset
    variable: str
    level: int
    dim_index: tuple[int, ...]
    first: int
    """Row of files (checksums) or chunks (levels)."""
    stop: int


@dataclass(frozen=True, slots=True)
class _Findings:
    files: int = 0
    unknown: int = 0
    chunks: int = 0
    problems: tuple[str, ...] = ()


def verify(
    store: str | Path,
    name: str,
    *,
    engine: BulkEngine | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Check a dataset.

    Args:
        store: Folder of datasets.
        name: Of the dataset.
        engine: Runs the tasks; None: threads of this process.
        progress: Called with the number of tasks done and of all tasks.

    Returns:
        The findings.

    Raises:
        DatasetNotFoundError: The store has no such dataset.
        StoreError: Its description cannot be read, or it was changed meanwhile.
    """
    folder = Path(store) / f"{name}{SUFFIX}"
    dataset = read_description(folder)
    problems = metadata_problems(folder, dataset)
    files, bands = _bands(folder, dataset)
    done, total = 0, len(files) + len(bands)
    found: list[_Findings] = []
    with engine_or_threads(engine) as bulk:
        for function, items in ((_check_files, files), (_check_level, bands)):
            for result in bulk.map(function, items, label="verify"):
                found.append(result)
                done += 1
                if progress is not None:
                    progress(done, total)
    if read_description(folder).generation != dataset.generation:
        raise StoreError(f"dataset {name} was changed during verification, verify it again")
    return Verification(
        dataset.name,
        sum(each.files for each in found),
        sum(each.unknown for each in found),
        sum(each.chunks for each in found),
        tuple(sorted({*problems, *(line for each in found for line in each.problems)})),
    )


def _bands(folder: Path, dataset: Dataset) -> tuple[list[_Band], list[_Band]]:
    files: list[_Band] = []
    levels: list[_Band] = []
    for variable in dataset.variables:
        every = list(product(*(range(len(dimension.labels)) for dimension in variable.dimensions)))
        for dim_index, level in product(every, range(dataset.levels)):
            plane = (str(folder), dataset, variable.name, level, dim_index)
            rows, _ = shard_grid(dataset, level)
            files.append(_Band(*plane, 0, rows))
            if level:
                count = -(-level_shape(dataset.grid.shape, level).rows // dataset.chunk.rows)
                levels += [
                    _Band(*plane, first, min(count, first + BAND_CHUNKS)) for first in range(0, count, BAND_CHUNKS)
                ]
    return files, levels


def metadata_problems(folder: Path, dataset: Dataset) -> list[str]:
    """Compare the metadata of every array with the description and with the copy in the root.

    Args:
        folder: Of the dataset.
        dataset: Its description.

    Returns:
        What differs, one line each, the path first.
    """
    problems = []
    consolidated: dict[str, Any] = {}
    try:
        root = json.loads((folder / _METADATA).read_bytes())
        consolidated = (root.get("consolidated_metadata") or {}).get("metadata", {})
    except (OSError, ValueError) as error:
        problems.append(f"{folder / _METADATA}: {error}")
    for level in range(dataset.levels):
        shape = level_shape(dataset.grid.shape, level)
        for variable in dataset.variables:
            path = folder / str(level) / variable.name / _METADATA
            wanted = [*(len(dimension.labels) for dimension in variable.dimensions), shape.rows, shape.cols]
            try:
                document = json.loads(path.read_bytes())
            except (OSError, ValueError) as error:
                problems.append(f"{path}: missing or damaged: {type(error).__name__}")
                continue
            copy = consolidated.get(f"{level}/{variable.name}", document)
            if document.get("shape") != wanted or document.get("data_type") != variable.packing.dtype:
                found = f"{document.get('shape')} of {document.get('data_type')}"
                problems.append(f"{path}: it is {found}, expected {wanted} of {variable.packing.dtype}")
            elif (copy.get("shape"), copy.get("codecs")) != (document.get("shape"), document.get("codecs")):
                problems.append(f"{path}: its copy in the root's zarr.json differs")
    return problems


def _check_files(band: _Band) -> _Findings:
    """Compare the files of a plane with the checksums recorded when they were written."""
    array = Path(band.folder, str(band.level), band.variable)
    rows, cols = shard_grid(band.dataset, band.level)
    digests = read_plane(array, band.dim_index, (rows, cols))
    is_overview = band.level > 0 and band.dataset.lazy
    known = unknown = 0
    problems: list[str] = []
    for row, col in product(range(rows), range(cols)):
        path = array.joinpath(CHUNKS, *map(str, (*band.dim_index, row, col)))
        try:
            data = read_file(path)
        except OSError as error:
            problems.append(f"{path}: cannot be read: {error.strerror}")
            continue
        if digests is None:
            unknown += data is not None
            continue
        wanted = FileDigest(int(digests[row, col, 0]), int(digests[row, col, 1]))
        known += 1
        if wanted == NO_FILE:
            if data is not None:
                problems.append(f"{path}: this file should not exist")
        elif not data:
            problems.append(f"{path}: missing or empty, {wanted.size} bytes were written")
        elif FileDigest.of(data) != wanted:
            problems.append(f"{path}: damaged, its checksum differs from the one recorded")
    if digests is None and band.dataset.codec and not is_overview:
        problems.append(f"{array}: the checksums of step {band.dim_index} are missing")
    return _Findings(known, unknown, 0, tuple(problems))


def _check_level(band: _Band) -> _Findings:
    """Recompute the chunks of a level from the finer one and compare them bit by bit."""
    dataset = band.dataset
    variable = dataset.variable(band.variable)
    here, finer = (Path(band.folder, str(level), band.variable) for level in (band.level, band.level - 1))
    try:
        stored, children = open_chunks(here, dataset.chunk), open_chunks(finer, dataset.chunk)
    except StoreError as error:
        return _Findings(problems=(f"{here}: {error}",))
    shape = level_shape(dataset.grid.shape, band.level)
    cols = -(-shape.cols // dataset.chunk.cols)
    chunks = 0
    problems: list[str] = []
    for row, col in product(range(band.first, band.stop), range(cols)):
        path = here.joinpath(CHUNKS, *map(str, (*band.dim_index, row, col)))
        if dataset.lazy and not path.exists():
            continue
        try:
            codes = stored.read(band.dim_index, row, col)
            wanted = overview_codes(children.read, dataset, variable, ChunkIndex(band.level, band.dim_index, row, col))
        except Exception as error:  # noqa: BLE001 - whatever a damaged file makes a library raise
            problems.append(f"{path}: it or a chunk it derives from cannot be read: {str(error).splitlines()[0][:200]}")
            continue
        chunks += 1
        seen = np.ascontiguousarray(codes[: wanted.shape[0], : wanted.shape[1]])
        if seen.tobytes() != np.ascontiguousarray(wanted).tobytes():
            problems.append(f"{path}: differs from what level {band.level - 1} gives")
    return _Findings(chunks=chunks, problems=tuple(problems))
