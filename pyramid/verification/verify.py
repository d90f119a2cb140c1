"""Verifying that a stored dataset is what was written: files by checksum, levels by the finer ones they derive from."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.chunks.array_digests import misfit
from lazytile.pyramid.chunks.damage import ChunkNotMadeError, DamagedChunkError
from lazytile.pyramid.chunks.digest_table import NO_CHUNK, ChunkDigest, Unknown
from lazytile.pyramid.chunks.whole_table import read_old_table, read_table
from lazytile.pyramid.cluster.places import Places
from lazytile.pyramid.core.errors import DatasetNotFoundError, StoreError, StoreUnavailableError, first_line
from lazytile.pyramid.engines.factory import engine_or_threads
from lazytile.pyramid.storage.object_path import location, store_location
from lazytile.pyramid.storage.pointer import dataset_folder
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.pyramid.store.chunk_file import CHUNKS, read_file
from lazytile.pyramid.store.chunk_reader import linked_boxes, open_level
from lazytile.pyramid.store.geozarr import axis_names, coordinate_problem
from lazytile.pyramid.store.layout import level_shape
from lazytile.pyramid.store.node_metadata import metadata_problems
from lazytile.pyramid.store.overview import ChunkIndex, derived_codes
from lazytile.pyramid.store.store import is_current_state, read_description
from lazytile.pyramid.store.stored_chunks import StoredChunks

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazytile.pyramid.chunks.array_digests import ArrayDigests
    from lazytile.pyramid.chunks.damage import ChunkPlace
    from lazytile.pyramid.chunks.digest_table import Plane
    from lazytile.pyramid.engines.protocol import BulkEngine
    from lazytile.pyramid.store.dataset import Dataset

_UNREACHED = (StorageError, StoreUnavailableError)
"""What says nothing about a file: it ends the verification, and is no damage."""
BAND_CHUNKS = 4
"""Rows of chunks of a level that one task recomputes."""


@dataclass(frozen=True, slots=True)
class Verification:
    """The findings of a verification."""

    dataset: str
    files: int
    """Chunks whose checksum was compared; shards in a dataset of an older version."""
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
    """Row of chunks of a level."""
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
    engine: BulkEngine | str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Check a dataset.

    Args:
        store: Folder of datasets.
        name: Of the dataset.
        engine: Runs the tasks; the name of one; None: threads of this process.
        progress: Called with the number of tasks done and of all tasks.

    Returns:
        The findings.

    Raises:
        DatasetNotFoundError: The store has no such dataset.
        StoreError: Its description cannot be read, or it was changed meanwhile.
        StorageError: Object storage does not answer: then nothing is known of what it holds.
    """
    folder = dataset_folder(store_location(store), name)
    dataset = read_description(folder)
    problems = [*metadata_problems(folder, dataset), *_coordinate_problems(folder, dataset)]
    files, bands = _bands(folder, dataset)
    done, total = 0, len(files) + len(bands)
    found: list[_Findings] = []
    with engine_or_threads(engine) as bulk:
        for function, items in ((_check_files, files), (_check_level, bands)):
            for result in bulk.map(function, items, label="verify", places=Places.of(folders=(folder,))):
                found.append(result)
                done += 1
                if progress is not None:
                    progress(done, total)
    if not is_current_state(folder, dataset):
        raise StoreError(f"dataset {name} was changed during verification, verify it again")
    return Verification(
        dataset.name,
        sum(each.files for each in found),
        sum(each.unknown for each in found),
        sum(each.chunks for each in found),
        tuple(sorted({*problems, *(line for each in found for line in each.problems)})),
    )


def is_whole(place: ChunkPlace) -> bool:
    """Return whether a chunk that was damaged is whole now, or gone with its dataset.

    Args:
        place: Of the chunk.

    Returns:
        Whether nothing is left to report.
    """
    folder = location(place.folder)
    try:
        description = read_description(folder)
        if place.variable not in {each.name for each in description.variables}:
            return coordinate_problem(folder / str(place.level), place.variable) is None
        reader = open_level(folder, description, place.variable, place.level)
        if isinstance(reader, StoredChunks):
            reader.whole(place.dim_index, place.row, place.col)
        else:
            reader.read(place.dim_index, place.row, place.col)
    except (ChunkNotMadeError, DatasetNotFoundError):
        return True
    except (StorageError, StoreError):
        return False
    return True


def _bands(folder: Path, dataset: Dataset) -> tuple[list[_Band], list[_Band]]:
    files: list[_Band] = []
    levels: list[_Band] = []
    for variable in dataset.variables:
        every = list(product(*(range(len(dimension.labels)) for dimension in variable.dimensions)))
        for dim_index, level in product(every, range(dataset.levels)):
            plane = (str(folder), dataset, variable.name, level, dim_index)
            files.append(_Band(*plane, 0, 0))
            if level and level >= dataset.linked:
                count = -(-level_shape(dataset.grid.shape, level).rows // dataset.chunk.rows)
                levels += [
                    _Band(*plane, first, min(count, first + BAND_CHUNKS)) for first in range(0, count, BAND_CHUNKS)
                ]
    return files, levels


def _coordinate_problems(folder: Path, dataset: Dataset) -> list[str]:
    """Compare the coordinates of every level with their checksums."""
    dimensions = {each.name for variable in dataset.variables for each in variable.dimensions}
    problems = []
    for level, name in product(range(dataset.levels), sorted({*axis_names(dataset.grid), *dimensions})):
        problem = coordinate_problem(folder / str(level), name)
        if problem is not None:
            problems.append(f"{folder / str(level) / name}: {problem}")
    return problems


def _check_files(band: _Band) -> _Findings:
    """Compare the chunks of a plane with the checksums recorded when they were written."""
    try:
        reader = open_level(location(band.folder), band.dataset, band.variable, band.level)
    except _UNREACHED:
        raise
    except StoreError as error:
        return _Findings(problems=(str(error),))
    digests = reader.digests if isinstance(reader, StoredChunks) else None
    if not isinstance(reader, StoredChunks) or digests is None:
        return _unchecked(band)
    reader = reader.fresh()
    plane = digests.plane(band.dim_index)
    digests.forget(band.dim_index)
    if digests.find(band.dim_index, 0, 0) is Unknown.NO_TABLE:
        array = location(band.folder) / str(band.level) / band.variable
        return _Findings(problems=(f"{array}: the checksums of step {band.dim_index} are missing",))
    if not band.dataset.checked and band.dataset.shard and read_table(plane) is None:
        return _check_shards(band, plane)
    outcomes = [
        _check_chunk(reader, digests, band.dim_index, row, col) for row, col in product(*map(range, digests.grid))
    ]
    unknown = outcomes.count(_UNKNOWN)
    problems = [each for each in outcomes if each not in (_SOUND, _UNKNOWN, _ABSENT)]
    if unknown and band.dataset.codec and not reader.lazy:
        problems.append(f"{plane.file}: the checksums of step {band.dim_index} are missing")
    return _Findings(len(outcomes) - unknown - outcomes.count(_ABSENT), unknown, 0, tuple(problems))


_SOUND, _UNKNOWN, _ABSENT = "sound", "unknown", "absent"


def _check_chunk(reader: StoredChunks, digests: ArrayDigests, dim_index: tuple[int, ...], row: int, col: int) -> str:
    """Return what is wrong with a chunk, the path first; ``_SOUND``, or why it was not compared."""
    file = reader.source.name(dim_index, row, col)
    try:
        digest = digests.find(dim_index, row, col)
        data = reader.encoded(dim_index, row, col)
    except DamagedChunkError as error:
        return f"{file}: {error.reason}"
    except _UNREACHED:
        raise
    except (OSError, StoreError) as error:
        return f"{file}: {first_line(error)}"
    if digest is Unknown.UNCHECKED or (reader.lazy and digest is Unknown.NOT_MADE):
        # An overview of a lazy dataset that was stored without its entry is computed again when it is read.
        return _ABSENT if data is None else _UNKNOWN
    reason = misfit(digest, data)
    return _SOUND if reason is None else f"{file}: {_told(digest, data, reason)}"


def _told(digest: ChunkDigest | Unknown, data: bytes | None, reason: str) -> str:
    """Return what is wrong with a file, and whether it is damaged, or missing, or one too many."""
    return f"damaged, {reason}" if data and digest != NO_CHUNK else reason


def _unchecked(band: _Band) -> _Findings:
    """Count the files of a plane that has no checksums."""
    folder = Path(band.folder, str(band.level), band.variable, CHUNKS, *map(str, band.dim_index))
    return _Findings(unknown=sum(path.is_file() for path in folder.glob("*/*")))


def _check_shards(band: _Band, plane: Plane) -> _Findings:
    """Compare the shards of a plane with their checksums, which older versions recorded of whole files."""
    table = read_old_table(plane)
    if table is None:
        return _Findings(problems=(f"{plane.file}: the checksums of step {band.dim_index} are missing",))
    problems: list[str] = []
    for row, col in product(*map(range, table.shape[:2])):
        path = Path(plane.array, CHUNKS, *map(str, (*band.dim_index, row, col)))
        digest = ChunkDigest(int(table[row, col, 0]), int(table[row, col, 1]))
        try:
            data = read_file(path)
        except OSError as error:
            problems.append(f"{path}: it cannot be read: {error.strerror}")
            continue
        reason = misfit(digest, data)
        if reason is not None:
            problems.append(f"{path}: {_told(digest, data, reason)}")
    return _Findings(table.shape[0] * table.shape[1], 0, 0, tuple(problems))


def _check_level(band: _Band) -> _Findings:
    """Recompute the chunks of a level from the finer one and compare them bit by bit."""
    dataset = band.dataset
    variable = dataset.variable(band.variable)
    folder = location(band.folder)
    here = folder / str(band.level) / band.variable
    try:
        stored, children = (open_level(folder, dataset, band.variable, band.level - up) for up in (0, 1))
        source = linked_boxes(folder, dataset, band.variable)
    except _UNREACHED:
        raise
    except StoreError as error:
        return _Findings(problems=(f"{here}: {error}",))
    shape = level_shape(dataset.grid.shape, band.level)
    cols = -(-shape.cols // dataset.chunk.cols)
    chunks = 0
    problems: list[str] = []
    for row, col in product(range(band.first, band.stop), range(cols)):
        path = here.joinpath(CHUNKS, *map(str, (*band.dim_index, row, col)))
        try:
            codes = stored.read(band.dim_index, row, col)
            at = ChunkIndex(band.level, band.dim_index, row, col)
            wanted = derived_codes(children.read, source, dataset, variable, at)
        except ChunkNotMadeError:
            continue
        except _UNREACHED:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a damaged file makes a library raise
            problems.append(f"{path}: it or a chunk it derives from cannot be read: {str(error).splitlines()[0][:200]}")
            continue
        chunks += 1
        seen = np.ascontiguousarray(codes[: wanted.shape[0], : wanted.shape[1]])
        if seen.tobytes() != np.ascontiguousarray(wanted).tobytes():
            problems.append(f"{path}: differs from what level {band.level - 1} gives")
    return _Findings(chunks=chunks, problems=tuple(problems))
