"""Reading a chunk that is whole, or an error that names it: what is done about a chunk that is missing or damaged.

A damaged chunk of an overview is computed again from its children. Every other damage is recorded, for the log, the
metrics and ``/readyz``, and raised; nothing that was read is kept. Where the dataset has been replaced since it was
opened, the chunk belongs to another state, and nothing is wrong with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from lazytile.pyramid.chunks.damage import ChunkNotMadeError, DamagedChunkError, DamageRecord
from lazytile.pyramid.core import process
from lazytile.pyramid.store.generation_attempts import check_opened
from lazytile.pyramid.store.lazy_overview import OverviewWriter
from lazytile.pyramid.store.stored_chunks import StoredChunks

if TYPE_CHECKING:
    from collections.abc import Hashable

    from numpy.typing import NDArray

    from lazytile.pyramid.core.byte_lru import BytesLru
    from lazytile.pyramid.store.chunk_reader import ChunkReader, SourceReader
    from lazytile.pyramid.store.lazy_overview import OpenedDataset


def read_sound(
    stored: OpenedDataset, reader: ChunkReader, dim_index: tuple[int, ...], row: int, col: int
) -> NDArray[Any]:
    """Read a chunk of an opened dataset.

    Args:
        stored: The dataset.
        reader: Of one variable at one level.
        dim_index: Index along each leading dimension.
        row: Of the chunk.
        col: Of the chunk.

    Returns:
        Codes, shape ``description.chunk``.

    Raises:
        DamagedChunkError: The chunk, or one that it is computed from, is missing or damaged.
        GenerationChangedError: The dataset was replaced meanwhile.
        StoreError: The chunk cannot be read at the moment.
        NotComputedError: It has to be made or unpacked first, within ``process.if_known``.
    """
    record = DamageRecord.current()
    if reader.waits and stored.description.lazy:
        process.check_may_compute("a chunk that is not in memory")
    try:
        codes = reader.read(dim_index, row, col)
    except ChunkNotMadeError:
        process.check_may_compute("a chunk of an overview")
        codes, _ = _writer(stored, reader).make(dim_index, row, col)
    except DamagedChunkError as error:
        check_opened(stored)
        codes = _repaired(stored, reader, error)
    if not record.is_empty and reader.array is not None:
        record.clear(reader.array.chunk(dim_index, row, col))
    return codes


def kept_chunk(
    stored: OpenedDataset,
    reader: ChunkReader,
    kept: BytesLru[NDArray[Any]],
    key: tuple[Hashable, tuple[int, int]],
    dim_index: tuple[int, ...],
    *,
    in_source: bool,
) -> NDArray[Any]:
    """Return a chunk of an opened dataset from a cache; read it where it is not there.

    What another process has unpacked of a source is copied for each use: kept, it would be in memory twice.

    Args:
        stored: The dataset.
        reader: Of one variable at one level.
        kept: The cache of decoded chunks.
        key: Names the chunk and its content: the plane, and row and column of the chunk.
        dim_index: Index along each leading dimension.
        in_source: Whether the level lies in the source of a linked dataset.

    Returns:
        Codes, as ``read_sound`` returns them.

    Raises:
        NotComputedError: It has to be made or unpacked first, within ``process.if_known``.
    """
    row, col = key[1]
    if in_source:
        found = kept.peek(key, again=True)
        found = cast("SourceReader", reader).read_at_hand(dim_index, row, col) if found is None else found
        if found is not None:
            return found
    # Another thread may take long to make a chunk of a lazy dataset.
    waits = not stored.description.lazy or process.may_compute()
    return kept.get(key, lambda: read_sound(stored, reader, dim_index, row, col), waits=waits)


def _writer(stored: OpenedDataset, reader: ChunkReader) -> OverviewWriter:
    assert isinstance(reader, StoredChunks)
    assert reader.array is not None
    return OverviewWriter(stored, reader, reader.array.variable, reader.array.level)


def _repaired(stored: OpenedDataset, reader: ChunkReader, error: DamagedChunkError) -> NDArray[Any]:
    """Compute a damaged chunk again, or record the damage and raise it."""
    record, place = DamageRecord.current(), error.place
    assert place is not None
    is_ours = isinstance(reader, StoredChunks) and bool(stored.description.codec)
    if place.level == 0 or not is_ours:
        record.note(error)
        raise error
    try:
        codes, outcome = _writer(stored, reader).make(place.dim_index, place.row, place.col)
    except DamagedChunkError as cause:
        if cause.place == place:
            error = DamagedChunkError(place, f"{error.reason}; {cause.reason}", error.file)
        else:
            reason = f"{error.reason}; it cannot be computed, since {cause.place} is damaged"
            error = DamagedChunkError(place, reason, error.file)
        record.note(error)
        raise error from cause
    if outcome:
        record.note_rebuilt(error, outcome)
    return codes
