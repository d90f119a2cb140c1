"""Chunks that lie in one file or object, read together: one request in place of one for each chunk.

Bulk work reads all chunks of many small planes. Those of a shard come in one piece; chunks with objects of their own
are read side by side.
"""

from __future__ import annotations

from itertools import groupby, product
from typing import TYPE_CHECKING, Any, TypeVar

from lazytile.pyramid.chunks.array_digests import misfit
from lazytile.pyramid.chunks.digest_table import ChunkDigest
from lazytile.pyramid.chunks.shard_shape import group_of
from lazytile.pyramid.cluster.read_counts import ReadCounts
from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.pyramid.storage.read_pool import read_pool
from lazytile.pyramid.store.layout import level_shape, shard_shape
from lazytile.pyramid.store.shard import ShardFiles, ShardObjects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from lazytile.pyramid.chunks.shard_shape import ChunkPosition
    from lazytile.pyramid.store.dataset import Dataset, Variable
    from lazytile.pyramid.store.stored_chunks import StoredChunks

Result = TypeVar("Result")
Step = tuple[int, ...]
"""Index along each leading dimension."""
TASK_CHUNKS = 512
"""Chunks of small planes that one task of bulk work reads."""
TOGETHER_BYTES = 16 << 20
"""Most bytes of the chunks of a shard that are read together."""


def planes_together(dataset: Dataset, variable: Variable, level: int) -> Iterator[tuple[Step, ...]]:
    """Yield all planes of a variable at a level, those of a task together.

    Args:
        dataset: The description.
        variable: Of the dataset.
        level: Of the pyramid.

    Yields:
        Planes; those of a shard follow each other, and are in one task.
    """
    shape = level_shape(dataset.grid.shape, level)
    chunks = -(-shape.rows // dataset.chunk.rows) * -(-shape.cols // dataset.chunk.cols)
    waiting: list[Step] = []
    for group in _groups(dataset, variable, level):
        if waiting and (len(waiting) + len(group)) * chunks > TASK_CHUNKS:
            yield tuple(waiting)
            waiting = []
        waiting += group
    if waiting:
        yield tuple(waiting)


def _groups(dataset: Dataset, variable: Variable, level: int) -> Iterator[list[Step]]:
    """Yield the planes of a variable at a level, those of a shard together."""
    every = product(*(range(len(dimension.labels)) for dimension in variable.dimensions))
    shape = shard_shape(dataset, variable, level)
    if shape is None or shape.axis is None:
        yield from ([step] for step in every)
        return

    def group(step: Step) -> Step:
        return group_of(step, shape.steps, shape.axis)

    for _, members in groupby(sorted(every, key=group), group):
        yield list(members)


def map_together(
    reader: StoredChunks, positions: Iterable[ChunkPosition], work: Callable[[list[ChunkPosition]], Result]
) -> Iterator[Result]:
    """Do something with all chunks of some planes, with those of a shard at a time.

    Args:
        reader: Of the chunks.
        positions: Of the chunks.
        work: Gets the positions of chunks that ``encoded_together`` reads together. Where reading means waiting, it
            runs in ``read_pool``.

    Returns:
        What it returns, in order.
    """
    units = _units(reader, positions)
    return read_pool().map(work, units) if reader.waits else map(work, units)


def _units(reader: StoredChunks, positions: Iterable[ChunkPosition]) -> Iterator[list[ChunkPosition]]:
    if not isinstance(reader.source, ShardFiles | ShardObjects):
        yield from ([position] for position in positions)
        return
    shards: dict[Step, list[ChunkPosition]] = {}
    for position in positions:
        shards.setdefault(reader.source.shape.locate(*position)[0], []).append(position)
    count = max(1, TOGETHER_BYTES // reader.most_bytes)
    for members in shards.values():
        yield from (members[first : first + count] for first in range(0, len(members), count))


def encoded_together(reader: StoredChunks, positions: list[ChunkPosition]) -> dict[ChunkPosition, bytes | None]:
    """Return chunks of a shard as they are stored, whether or not they are whole.

    Args:
        reader: Of the chunks.
        positions: Of some chunks of one shard, or of one chunk.

    Returns:
        The bytes of those that could be read together, None for an absent one; each other one is to be read for
        itself, which says why.

    Raises:
        StorageError: Object storage does not answer.
    """
    if not isinstance(reader.source, ShardFiles | ShardObjects):
        return {}
    places = [reader.source.shape.locate(*position) for position in positions]
    try:
        found = reader.source.get_many(places[0][0], [number for _, number in places], reader.most_bytes)
    except StorageError:
        raise
    except (OSError, StoreError):
        return {}
    counts = ReadCounts.current()
    for data in found:
        counts.add(0 if data is None else len(data))
    return dict(zip(positions, found, strict=True))


def codes_together(reader: StoredChunks, positions: list[ChunkPosition]) -> Iterator[NDArray[Any]]:
    """Yield the codes of chunks, each compared with its checksum.

    Args:
        reader: Of the chunks.
        positions: Of some chunks of one shard, or of one chunk.

    Yields:
        The codes of each, as ``StoredChunks.read`` returns them.

    Raises:
        StorageError: Object storage does not answer.
        StoreError: A chunk is missing or damaged.
    """
    found = encoded_together(reader, positions) if reader.digests is not None else {}
    for position in positions:
        data = found.pop(position, None)
        digest = reader.digests.find(*position) if data is not None and reader.digests is not None else None
        if data is not None and isinstance(digest, ChunkDigest) and misfit(digest, data) is None:
            yield reader.decoded(position, data)
        else:
            yield reader.read(*position)
