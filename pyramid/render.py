"""From a task to tiles: read, map, index, encode. The one renderer of service, export and warm-up.

``render`` is the function that engines run, in this process or on a Dask worker. Everything it needs is in the task,
which is small and picklable; a process opens each store once.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.errors import GenerationChangedError
from lazytile.pyramid.image import ImageFormat, encode
from lazytile.pyramid.memory import BytesLru
from lazytile.pyramid.plan import TileBlock, TilePlan, plan_tiles
from lazytile.pyramid.store import Store, StoredDataset

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lazytile.colormaps.palette import Palette
    from lazytile.pyramid.dataset import Variable
    from lazytile.pyramid.packing import Packing
    from lazytile.pyramid.tms import TileMatrix, TileMatrixSet

RENDERER_VERSION = 1
"""Part of every key: raised whenever the same request would give other bytes."""
WHITE = (255, 255, 255)

_tables: BytesLru[NDArray[Any]] = BytesLru(32 << 20, lambda table: table.nbytes)


@dataclass(frozen=True, slots=True)
class RenderTask:
    """A block of tiles of one layer in one style: what to compute, where its data is, and nothing else."""

    store: str
    """Folder of the store, as the process that renders sees it."""
    dataset: str
    generation: str
    variable: str
    leading: tuple[int, ...]
    """Index along each dimension before rows and columns."""
    tms: TileMatrixSet
    matrix: TileMatrix
    block: TileBlock
    palette: Palette
    image_format: ImageFormat = ImageFormat.PNG
    background: tuple[int, int, int] = WHITE
    """Seen through transparent colours in formats without alpha."""
    chunk_cache_bytes: int = 64 << 20

    @property
    def key(self) -> str:
        """Hash of all that decides the bytes: equal tasks are computed once on a cluster."""
        return self.tile_key(self.block)

    def tile_key(self, block: TileBlock) -> str:
        """Return the key of another block (a single tile, say) of the same layer, style and matrix.

        64 hexadecimal digits: the key of the tile caches and, quoted, the ETag.
        """
        parts = (
            RENDERER_VERSION,
            self.dataset,
            self.generation,
            self.variable,
            self.leading,
            self.tms.identifier,
            self.matrix,
            block,
            self.palette.key,
            self.image_format.mime,
            self.background if self.image_format is ImageFormat.JPEG else None,
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()


def render(task: RenderTask) -> tuple[bytes, ...]:
    """Compute the tiles of a task's block, row by row.

    Raises ``GenerationChangedError`` where the dataset is no longer the one the task was made for, and
    ``StoreError`` or ``RequestError`` as the store and the plan do.
    """
    index = render_index(task)
    matrix, palette = task.matrix, task.palette
    tiles = []
    for top in range(0, index.shape[0], matrix.tile_height):
        for left in range(0, index.shape[1], matrix.tile_width):
            tile = index[top : top + matrix.tile_height, left : left + matrix.tile_width]
            if tile.any():
                tiles.append(encode(tile, palette.rgba, task.image_format, task.background))
            else:
                tiles.append(_blank(palette, tile.shape, task.image_format, task.background))
    return tuple(tiles)


def render_index(task: RenderTask) -> NDArray[Any]:
    """Compute the palette indices of a task's block: shape (height, width), uint8 (uint16 over 256 colours)."""
    store = store_at(task.store, task.chunk_cache_bytes)
    stored = store.dataset(task.dataset)
    description = stored.description
    _check_generation(task, stored)
    plan = plan_tiles(description.grid, description.levels, task.tms, task.matrix, task.block)
    index = _paint(stored, description.variable(task.variable), task.leading, plan, task.palette)
    # A chunk may have been read after the dataset was replaced; then its pixels belong to neither generation.
    _check_generation(task, store.dataset(task.dataset))
    return index


def _check_generation(task: RenderTask, stored: StoredDataset) -> None:
    if stored.description.generation != task.generation:
        raise GenerationChangedError(f"dataset {task.dataset} has been replaced, ask again")


def _paint(
    stored: StoredDataset, variable: Variable, leading: tuple[int, ...], plan: TilePlan, palette: Palette
) -> NDArray[Any]:
    packing = variable.packing
    table = code_table(palette, packing) if packing.has_table else None
    dtype = np.uint8 if palette.is_indexed else np.uint16
    index = np.zeros((plan.rows.size, plan.cols.size), dtype)
    for part in plan.parts(stored.description.chunk):
        chunk = stored.chunk(plan.level, variable.name, leading, part.chunk_row, part.chunk_col)
        # Two takes of one axis each are 4 times faster than one of both.
        codes = chunk.take(part.in_rows, axis=0).take(part.in_cols, axis=1)
        if table is None:
            index[part.out_rows, part.out_cols] = palette.index_of(packing.decode(codes))
        else:
            index[part.out_rows, part.out_cols] = table.take(codes.view(f"u{codes.dtype.itemsize}"))
    return index


def code_table(palette: Palette, packing: Packing) -> NDArray[Any]:
    """Return the palette index of every 8- or 16-bit code, by unsigned bit pattern: shape (256 or 65536,)."""
    return _tables.get((palette.key, packing), lambda: palette.index_of(packing.decode(packing.all_codes())))


@functools.lru_cache(maxsize=64)
def store_at(folder: str, chunk_cache_bytes: int) -> Store:
    """Return this process's reader of a store."""
    return Store(Path(folder), chunk_cache_bytes)


_blanks: BytesLru[bytes] = BytesLru(8 << 20, len)


def _blank(
    palette: Palette, shape: tuple[int, ...], image_format: ImageFormat, background: tuple[int, int, int]
) -> bytes:
    """Return the tile without data: every one of a style, size and format is the same image."""
    return _blanks.get(
        (palette.key, shape, image_format, background),
        lambda: encode(np.zeros(shape, np.uint8), palette.rgba, image_format, background),
    )
