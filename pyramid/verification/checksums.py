"""Comparing stored chunks with the checksums that were recorded when they were written."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from lazytile.pyramid.chunks.array_digests import misfit
from lazytile.pyramid.chunks.damage import DamagedChunkError
from lazytile.pyramid.chunks.digest_table import NO_CHUNK, ChunkDigest, Unknown
from lazytile.pyramid.chunks.whole_table import read_old_table, read_table
from lazytile.pyramid.core.errors import StoreError, first_line
from lazytile.pyramid.storage.object_path import location
from lazytile.pyramid.store.chunk_file import CHUNKS, read_file
from lazytile.pyramid.store.chunk_reader import open_level
from lazytile.pyramid.store.stored_chunks import StoredChunks
from lazytile.pyramid.store.together import encoded_together, map_together
from lazytile.pyramid.verification.tasks import UNREACHED, Findings

if TYPE_CHECKING:
    from lazytile.pyramid.chunks.array_digests import ArrayDigests
    from lazytile.pyramid.chunks.digest_table import Plane
    from lazytile.pyramid.chunks.shard_shape import ChunkPosition
    from lazytile.pyramid.store.together import Step
    from lazytile.pyramid.verification.tasks import Planes

_SOUND, _UNKNOWN, _ABSENT, _NO_TABLE = "sound", "unknown", "absent", "no table"
_States = list[tuple["Step", str]]
"""For each chunk its plane, and what is wrong with it, the path first, or one of the words above."""


def check_planes(planes: Planes) -> Findings:
    """Compare the chunks of planes with their checksums.

    Args:
        planes: The planes.

    Returns:
        The findings.

    Raises:
        StorageError: Object storage does not answer.
    """
    try:
        opened = open_level(location(planes.folder), planes.dataset, planes.variable, planes.level)
    except UNREACHED:
        raise
    except StoreError as error:
        return Findings(problems=(str(error),))
    digests = opened.digests if isinstance(opened, StoredChunks) else None
    if not isinstance(opened, StoredChunks) or digests is None:
        return Findings.of([_unchecked(planes, step) for step in planes.steps])
    reader = opened.fresh()
    for step in {digests.plane(step).file: step for step in planes.steps}.values():
        digests.forget(step)
    found: list[Findings] = []
    steps = planes.steps
    if not planes.dataset.checked and planes.dataset.shard:
        old = [step for step in steps if read_table(digests.plane(step)) is None]
        found += [_check_shards(digests.plane(step), step) for step in old]
        steps = tuple(step for step in steps if step not in old)
    positions = ((step, row, col) for step in steps for row, col in product(*map(range, digests.grid)))

    def states(unit: list[ChunkPosition]) -> _States:
        return _states(reader, digests, unit)

    by_plane: dict[Step, list[str]] = {step: [] for step in steps}
    for unit in map_together(reader, positions, states):
        for step, state in unit:
            by_plane[step].append(state)
    return Findings.of([*found, *(_summary(planes, reader, step, each) for step, each in by_plane.items())])


def _states(reader: StoredChunks, digests: ArrayDigests, unit: list[ChunkPosition]) -> _States:
    """Check chunks that are read together."""
    together = encoded_together(reader, unit)
    return [(position[0], _state(reader, digests, position, together)) for position in unit]


def _state(
    reader: StoredChunks, digests: ArrayDigests, position: ChunkPosition, together: dict[ChunkPosition, bytes | None]
) -> str:
    """Return the state of a chunk. ``together``: what was read together."""
    file = reader.source.name(*position)
    try:
        digest = digests.find(*position)
        if digest is Unknown.NO_TABLE:
            return _NO_TABLE
        if position in together and isinstance(digest, ChunkDigest) and misfit(digest, together[position]) is None:
            return _SOUND
        data = reader.encoded(*position)
    except DamagedChunkError as error:
        return f"{file}: {error.reason}"
    except UNREACHED:
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


def _summary(planes: Planes, reader: StoredChunks, step: Step, states: list[str]) -> Findings:
    """Return what the states of the chunks of a plane amount to."""
    if _NO_TABLE in states:
        array = location(planes.folder) / str(planes.level) / planes.variable
        return Findings(problems=(f"{array}: the checksums of step {step} are missing",))
    unknown = states.count(_UNKNOWN)
    problems = [each for each in states if each not in (_SOUND, _UNKNOWN, _ABSENT)]
    if unknown and planes.dataset.codec and not reader.lazy and reader.digests is not None:
        problems.append(f"{reader.digests.plane(step).file}: the checksums of step {step} are missing")
    return Findings(len(states) - unknown - states.count(_ABSENT), unknown, 0, tuple(problems))


def _unchecked(planes: Planes, step: Step) -> Findings:
    """Count the files of a plane that has no checksums."""
    folder = Path(planes.folder, str(planes.level), planes.variable, CHUNKS, *map(str, step))
    return Findings(unknown=sum(path.is_file() for path in folder.glob("*/*")))


def _check_shards(plane: Plane, step: Step) -> Findings:
    """Compare the shards of a plane with their checksums, which older versions recorded of whole files."""
    table = read_old_table(plane)
    if table is None:
        return Findings(problems=(f"{plane.file}: the checksums of step {step} are missing",))
    problems: list[str] = []
    for row, col in product(*map(range, table.shape[:2])):
        path = Path(plane.array, CHUNKS, *map(str, (*step, row, col)))
        digest = ChunkDigest(int(table[row, col, 0]), int(table[row, col, 1]))
        try:
            data = read_file(path)
        except OSError as error:
            problems.append(f"{path}: it cannot be read: {error.strerror}")
            continue
        reason = misfit(digest, data)
        if reason is not None:
            problems.append(f"{path}: {_told(digest, data, reason)}")
    return Findings(table.shape[0] * table.shape[1], 0, 0, tuple(problems))
