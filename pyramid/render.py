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
from lazytile.pyramid.plan import TileBlock, locate
from lazytile.pyramid.resample import Resampling
from lazytile.pyramid.store import Store, StoredDataset
from lazytile.pyramid.values import ValueTile, read_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lazytile.colormaps.palette import Palette
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
    resampling: Resampling = Resampling.NEAREST
    chunk_cache_bytes: int = 64 << 20
    value_cache_bytes: int = 32 << 20

    @property
    def value_key(self) -> tuple[object, ...]:
        """What decides the values, before any colour."""
        place = (self.tms.identifier, self.matrix, self.block)
        return (self.store, self.dataset, self.generation, self.variable, self.leading, place, self.resampling)

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
            self.resampling.value,
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
    tile = _value_tile(task)
    palette, packing = task.palette, tile.packing
    if packing.has_table:
        index = code_table(palette, packing).take(tile.codes.view(f"u{tile.codes.dtype.itemsize}"))
    else:
        index = palette.index_of(packing.decode(tile.codes))
    if tile.outside is not None:
        index[tile.outside] = 0
    return index


def _value_tile(task: RenderTask) -> ValueTile:
    """Return the values of a task's block, from memory where another style of the same pixels was asked for."""
    store = store_at(task.store, task.chunk_cache_bytes)
    return value_cache(task.value_cache_bytes).get(task.value_key, lambda: _read(store, task))


def _read(store: Store, task: RenderTask) -> ValueTile:
    stored = store.dataset(task.dataset)
    description = stored.description
    _check_generation(task, stored)
    location = locate(description.grid, description.levels, task.tms, task.matrix, task.block)
    tile = read_values(stored, description.variable(task.variable), task.leading, location, task.resampling)
    # A chunk may have been read after the dataset was replaced; then its pixels belong to neither generation.
    _check_generation(task, store.dataset(task.dataset))
    return tile


def _check_generation(task: RenderTask, stored: StoredDataset) -> None:
    if stored.description.generation != task.generation:
        raise GenerationChangedError(f"dataset {task.dataset} has been replaced, ask again")


def code_table(palette: Palette, packing: Packing) -> NDArray[Any]:
    """Return the palette index of every 8- or 16-bit code, by unsigned bit pattern: shape (256 or 65536,)."""
    return _tables.get((palette.key, packing), lambda: palette.index_of(packing.decode(packing.all_codes())))


@functools.lru_cache(maxsize=64)
def store_at(folder: str, chunk_cache_bytes: int) -> Store:
    """Return this process's reader of a store."""
    return Store(Path(folder), chunk_cache_bytes)


@functools.lru_cache(maxsize=8)
def value_cache(limit_bytes: int) -> BytesLru[ValueTile]:
    """Return this process's value tiles."""
    return BytesLru(limit_bytes, lambda tile: tile.nbytes)


_blanks: BytesLru[bytes] = BytesLru(8 << 20, len)


def _blank(
    palette: Palette, shape: tuple[int, ...], image_format: ImageFormat, background: tuple[int, int, int]
) -> bytes:
    """Return the tile without data: every one of a style, size and format is the same image."""
    return _blanks.get(
        (palette.key, shape, image_format, background),
        lambda: encode(np.zeros(shape, np.uint8), palette.rgba, image_format, background),
    )
