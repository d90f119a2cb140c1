"""Computing overviews again from the finer levels, and comparing them with what is stored, bit by bit."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.chunks.damage import ChunkNotMadeError
from lazytile.pyramid.core.errors import StoreError, first_line
from lazytile.pyramid.storage.object_path import location
from lazytile.pyramid.storage.read_pool import read_pool
from lazytile.pyramid.store.chunk_file import CHUNKS
from lazytile.pyramid.store.chunk_reader import linked_boxes, open_level
from lazytile.pyramid.store.layout import level_shape
from lazytile.pyramid.store.overview import ChunkIndex, derived_codes
from lazytile.pyramid.verification.tasks import UNREACHED, Findings

if TYPE_CHECKING:
    from lazytile.pyramid.verification.tasks import Band

_MOST_CHARACTERS = 200


def check_band(band: Band) -> Findings:
    """Compute the chunks of a band again from the finer level.

    Args:
        band: Rows of chunks of an overview.

    Returns:
        The findings.

    Raises:
        StorageError: Object storage does not answer.
    """
    dataset = band.dataset
    variable = dataset.variable(band.variable)
    folder = location(band.folder)
    here = folder / str(band.level) / band.variable
    try:
        stored, children = (open_level(folder, dataset, band.variable, band.level - up) for up in (0, 1))
        source = linked_boxes(folder, dataset, band.variable)
    except UNREACHED:
        raise
    except StoreError as error:
        return Findings(problems=(f"{here}: {error}",))

    def compared(position: tuple[int, int]) -> Findings:
        row, col = position
        path = here.joinpath(CHUNKS, *map(str, (*band.dim_index, row, col)))
        try:
            codes = stored.read(band.dim_index, row, col)
            at = ChunkIndex(band.level, band.dim_index, row, col)
            wanted = derived_codes(children.read, source, dataset, variable, at)
        except ChunkNotMadeError:
            return Findings()
        except UNREACHED:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a damaged file makes a library raise
            reason = first_line(error)[:_MOST_CHARACTERS]
            return Findings(problems=(f"{path}: it or a chunk it derives from cannot be read: {reason}",))
        seen = np.ascontiguousarray(codes[: wanted.shape[0], : wanted.shape[1]])
        is_equal = seen.tobytes() == np.ascontiguousarray(wanted).tobytes()
        problems = () if is_equal else (f"{path}: differs from what level {band.level - 1} gives",)
        return Findings(chunks=1, problems=problems)

    cols = -(-level_shape(dataset.grid.shape, band.level).cols // dataset.chunk.cols)
    positions = product(range(band.first, band.stop), range(cols))
    return Findings.of(list(read_pool().map(compared, positions) if stored.waits else map(compared, positions)))
