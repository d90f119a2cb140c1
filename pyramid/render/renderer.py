"""From a task to tiles: read, map, colour, encode. The one renderer of service, export and warm-up.

``render`` is the function that engines run, in this process or on a Dask worker. A task is small and picklable and
contains all that ``render`` needs; a process opens each store once.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import DatasetNotFoundError, GenerationChangedError
from lazytile.pyramid.kernel.selection import current_kernel
from lazytile.pyramid.render.block_reader import read_codes, read_index, read_values
from lazytile.pyramid.render.data_tile import encode_geotiff, encode_lerc, encode_npy, encode_terrain
from lazytile.pyramid.render.default_resampling import default_resampling
from lazytile.pyramid.render.filters import MARGIN_PX
from lazytile.pyramid.render.image import ImageFormat, encode, encode_rgba
from lazytile.pyramid.render.location import TileBlock, locate
from lazytile.pyramid.resampling.method import Resampling
from lazytile.pyramid.resampling.value_tile import VALUES, ValueTile
from lazytile.pyramid.storage.pointer import LEAST_S
from lazytile.pyramid.store.store import Store, StoredDataset, store_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from lazytile.colormaps.compiled.palette import Palette
    from lazytile.pyramid.core.stop_flag import StopFlag
    from lazytile.pyramid.render.render_task import RenderTask
    from lazytile.pyramid.resampling.location import Location
    from lazytile.pyramid.store.dataset import Dataset

Pixels = TypeVar("Pixels")

MAX_BLOCK_PX = 1 << 20
"""Most pixels of a block that is computed as a whole (a metatile of 4 x 4 tiles of 256 pixels)."""


def render(task: RenderTask, stop: StopFlag | None = None) -> tuple[bytes, ...]:
    """Compute the tiles of a task's block.

    Args:
        task: What to render.
        stop: Ends the computation once it is set; None: nothing does.

    Returns:
        The files of the tiles, row by row.

    Raises:
        GenerationChangedError: The dataset is no longer the one that the task was made for.
        StoreError: A chunk is missing or damaged.
        RequestError: The tiles cannot be located, or their format needs a package.
        StoppedError: ``stop`` was set.
    """
    tiles = task.block.rows * task.block.cols
    if tiles > 1 and tiles * task.matrix.tile_height * task.matrix.tile_width > MAX_BLOCK_PX:
        # A pixel is the same in every block, so memory need not grow with the metatile.
        single = (TileBlock(row, col) for row, col in task.block.addresses())
        return tuple(itertools.chain.from_iterable(render(replace(task, block=block), stop) for block in single))
    if task.rgb is not None:
        pixels = render_rgba(task, stop)
        return tuple(encode_rgba(tile, task.image_format, task.background) for tile in _tiles(task, pixels))
    if task.image_format.is_data:
        values = render_values(task, stop)
        addresses = task.block.addresses()
        return tuple(
            _encode_values(task, tile, address) for tile, address in zip(_tiles(task, values), addresses, strict=True)
        )
    return tuple(_encode_index(task, tile) for tile in _tiles(task, render_index(task, stop)))


def _tiles(task: RenderTask, pixels: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Split a block, shape (height, width, ...), into tiles, row by row."""
    height, width = task.matrix.tile_height, task.matrix.tile_width
    for top in range(0, pixels.shape[0], height):
        for left in range(0, pixels.shape[1], width):
            yield pixels[top : top + height, left : left + width]


def _encode_index(task: RenderTask, tile: NDArray[Any]) -> bytes:
    palette = task.palette
    if tile.any():
        return encode(tile, palette.rgba, task.image_format, task.background)
    return empty_tile(palette, tile.shape, task.image_format, task.background)


def empty_tile(
    palette: Palette, shape: tuple[int, ...], image_format: ImageFormat, background: tuple[int, int, int]
) -> bytes:
    """Return the tile without data of a style, size and format, encoded once.

    Args:
        palette: Colours of the style.
        shape: Height and width in pixels.
        image_format: Format of the file.
        background: As for ``encode``.

    Returns:
        The file.
    """

    def make() -> bytes:
        index = np.zeros(shape, np.uint8 if palette.is_indexed else np.uint16)
        return encode(index, palette.rgba, image_format, background)

    tile: bytes = process.cache("tables").get(("empty tile", palette.key, shape, image_format, background), make)
    return tile


def _encode_values(task: RenderTask, tile: NDArray[np.float64], address: tuple[int, int]) -> bytes:
    match task.image_format:
        case ImageFormat.GEOTIFF:
            return encode_geotiff(tile, task.matrix.tile_bounds(*address), task.tms.crs)
        case ImageFormat.LERC:
            return encode_lerc(tile)
        case ImageFormat.TERRAIN:
            return encode_terrain(tile)
        case _:
            return encode_npy(tile)


def render_index(task: RenderTask, stop: StopFlag | None = None) -> NDArray[Any]:
    """Compute the palette indices of a task's block.

    Args:
        task: What to render.
        stop: As for ``render``.

    Returns:
        Shape (height, width), uint8 (uint16 over 256 colours).
    """
    kernel = current_kernel()
    if task.is_computed or kernel.reuses_values:
        return kernel.paint(_value_tile(task, task.variable, stop), task.palette)

    def read(source: _Source) -> NDArray[Any]:
        variable = source.stored.description.variable(task.variable)
        where = (task.dim_index, source.location, source.method)
        return read_index(source.stored, variable, *where, task.palette, stop)

    return _read_checked(task, read, stop)


def render_codes(task: RenderTask) -> NDArray[Any]:
    """Compute the codes of a task's block, still packed.

    Args:
        task: What to render.

    Returns:
        Shape (height, width), dtype of the codes. Every code that means no data becomes the one fill code; without a
        fill
        code the pixels outside the data are 0.
    """

    def read(source: _Source) -> ValueTile:
        variable = source.stored.description.variable(task.variable)
        return read_codes(source.stored, variable, task.dim_index, source.location)

    # A mixture of codes is no code.
    return codes_of(_read_checked(replace(task, resampling=Resampling.NEAREST), read))


def codes_of(tile: ValueTile) -> NDArray[Any]:
    """Return the codes of a value tile.

    Args:
        tile: Values of the nearest cells.

    Returns:
        As ``render_codes``.
    """
    fill = tile.packing.fill_code
    missing = tile.packing.is_missing(tile.codes)
    if tile.outside is not None:
        missing = missing | tile.outside
    return np.where(missing, tile.codes.dtype.type(0 if fill is None else fill), tile.codes)


def render_values(task: RenderTask, stop: StopFlag | None = None) -> NDArray[np.float64]:
    """Compute the values of a task's block.

    Args:
        task: What to render.
        stop: As for ``render``.

    Returns:
        Shape (height, width), float64, physical units; NaN for no data.
    """
    return _value_tile(task, task.variable, stop).decode()


def render_rgba(task: RenderTask, stop: StopFlag | None = None) -> NDArray[np.uint8]:
    """Compute the colours of a task of three variables.

    Args:
        task: What to render; it has ``rgb``.
        stop: As for ``render``.

    Returns:
        Shape (height, width, 4), uint8; transparent where a variable has no data.
    """
    assert task.rgb is not None
    return task.rgb.pixels([_value_tile(task, each.variable, stop).decode() for each in task.rgb.channels])


def _value_tile(task: RenderTask, variable: str, stop: StopFlag | None) -> ValueTile:
    """Return the values of a task's block, from memory where another style of the same pixels was requested."""

    def read(source: _Source) -> ValueTile:
        def read_variable(name: str) -> ValueTile:
            found = source.stored.description.variable(name)
            return read_values(source.stored, found, task.dim_index, source.location, source.method, stop)

        return _compute(task, variable, read_variable, stop) if task.is_computed else read_variable(variable)

    tile: ValueTile = process.cache("values").get(task.value_key(variable), lambda: _read_checked(task, read, stop))
    return tile


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the pixels of a task come from."""

    stored: StoredDataset
    location: Location
    method: Resampling


def _read_checked(task: RenderTask, read: Callable[[_Source], Pixels], stop: StopFlag | None = None) -> Pixels:
    """Locate a task's block and read it, all of it from the generation that the task was made for."""
    store = store_at(task.store)
    stored = _opened(store, task)
    description = stored.description
    method = task.resampling or task.default_resampling
    if method is None:
        method = default_resampling(description, task.variables, task.tms, task.matrix)
    location = _locate(description, task, method, stop)
    if stop is not None:
        stop.check()  # before chunks are read
    pixels = read(_Source(stored, location, method))
    # A chunk may have been read after the dataset was replaced; then its pixels belong to neither generation.
    check_generation(task, store.dataset(task.dataset))
    return pixels


def _opened(store: Store, task: RenderTask) -> StoredDataset:
    """Return the dataset that a task was made for, which this process may not have seen yet in object storage."""
    stored = store.dataset(task.dataset)
    try:
        check_generation(task, stored)
    except GenerationChangedError:
        if not store.refresh(LEAST_S):
            raise
        stored = store.dataset(task.dataset)
        check_generation(task, stored)
    return stored


def _locate(description: Dataset, task: RenderTask, method: Resampling, stop: StopFlag | None) -> Location:
    return locate(
        description.grid,
        description.levels,
        task.tms,
        task.matrix,
        task.block,
        margin_px=0 if task.filter is None else MARGIN_PX,
        footprints=method.needs_footprints,
        stop=stop,
    )


def _compute(
    task: RenderTask, variable: str, read_variable: Callable[[str], ValueTile], stop: StopFlag | None
) -> ValueTile:
    """Compute an expression or a filter of the variables."""
    if task.expression is None:
        values = read_variable(variable).decode()
    else:
        with np.errstate(all="ignore"):  # values that are not finite become no data
            values = task.expression.evaluate(
                {name: read_variable(name).decode() for name in task.expression.variables}
            )
    if task.filter is not None:
        centre = values[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
        values = np.where(np.isnan(centre), np.nan, task.filter.apply(values, current_kernel(), stop))
    return ValueTile(values, VALUES, None)


def check_generation(task: RenderTask, stored: StoredDataset) -> None:
    """Check that a dataset's content is still what a task was made for.

    Args:
        task: The task.
        stored: The dataset as it is stored now.

    Raises:
        GenerationChangedError: The content has changed.
    """
    try:
        generation = stored.description.content_generation(task.variables, task.dim_index)
    except DatasetNotFoundError:
        generation = ""
    if generation != task.generation:
        raise GenerationChangedError(f"dataset {task.dataset} has been replaced; repeat the request")
