"""Verifying that a stored dataset is what was written: files by checksum, levels by the finer ones they derive from."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from lazytile.pyramid.chunks.damage import ChunkNotMadeError
from lazytile.pyramid.cluster.places import Places
from lazytile.pyramid.core.errors import DatasetNotFoundError, StoreError
from lazytile.pyramid.engines.factory import engine_or_threads
from lazytile.pyramid.storage.object_path import location, store_location
from lazytile.pyramid.storage.pointer import dataset_folder
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.pyramid.store.chunk_reader import open_level
from lazytile.pyramid.store.geozarr import axis_names, coordinate_problem
from lazytile.pyramid.store.node_metadata import metadata_problems
from lazytile.pyramid.store.store import is_current_state, read_description
from lazytile.pyramid.store.stored_chunks import StoredChunks
from lazytile.pyramid.verification.checksums import check_planes
from lazytile.pyramid.verification.levels import check_band
from lazytile.pyramid.verification.tasks import Findings, bands_of, planes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from lazytile.pyramid.chunks.damage import ChunkPlace
    from lazytile.pyramid.engines.protocol import BulkEngine
    from lazytile.pyramid.store.dataset import Dataset


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
    planes, bands = list(planes_of(folder, dataset)), list(bands_of(folder, dataset))
    places = Places.of(folders=(folder,))
    found: list[Findings] = []

    def collect(results: Iterable[Findings]) -> None:
        for result in results:
            found.append(result)
            if progress is not None:
                progress(len(found), len(planes) + len(bands))

    with engine_or_threads(engine) as bulk:
        collect(bulk.map(check_planes, planes, label="verify", places=places))
        collect(bulk.map(check_band, bands, label="verify", places=places))
    if not is_current_state(folder, dataset):
        raise StoreError(f"dataset {name} was changed during verification, verify it again")
    all_found = Findings.of(found)
    lines = tuple(sorted({*problems, *all_found.problems}))
    return Verification(dataset.name, all_found.files, all_found.unknown, all_found.chunks, lines)


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


def _coordinate_problems(folder: Path, dataset: Dataset) -> list[str]:
    """Compare the coordinates of every level with their checksums."""
    dimensions = {each.name for variable in dataset.variables for each in variable.dimensions}
    problems = []
    for level, name in product(range(dataset.levels), sorted({*axis_names(dataset.grid), *dimensions})):
        problem = coordinate_problem(folder / str(level), name)
        if problem is not None:
            problems.append(f"{folder / str(level) / name}: {problem}")
    return problems
