"""Tiles for Python programs: the bytes that the service would return, without a service.

The package ``lazytile`` exports these functions: ``lazytile.render_tile(...)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.pyramid.catalog.resolver import Resolver
from lazytile.pyramid.catalog.tile_address import RawTileAddress
from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.reading.view import name_of, styles_of
from lazytile.pyramid.render.image import ImageFormat
from lazytile.pyramid.render.renderer import render
from lazytile.pyramid.render.style import DEFAULT
from lazytile.pyramid.storage.object_path import location
from lazytile.pyramid.store.generation_attempts import generation_attempts
from lazytile.pyramid.store.store import Store, store_at

if TYPE_CHECKING:
    from pathlib import Path


def open_store(folder: str | Path) -> Store:
    """Open a folder of datasets that ``convert`` wrote.

    Args:
        folder: The folder; one that does not exist is an empty store.

    Returns:
        The store; ``store.layers()`` lists its layers. It notices datasets that are added, changed or removed.
    """
    return Store(location(folder))


def render_tile(  # noqa: PLR0917 - a tile address is set, matrix, row, column (OGC 17-083r4)
    store: Store | str | Path,
    layer: str,
    tms: str,
    matrix: str | int,
    row: int,
    col: int,
    *,
    style: str = DEFAULT,
    time: str | None = None,
    format: str = "png",  # noqa: A002 - the name in every tile protocol
    colormaps: str | Path | None = None,
    **options: str,
) -> bytes:
    """Render one tile: the bytes that WMTS, XYZ and an MRF of it have.

    Args:
        store: An open store, or its folder.
        layer: Name of the layer.
        tms: Identifier of the tile matrix set; ``native`` is the data's own grid.
        matrix: Identifier of the tile matrix.
        row: Row of the tile, from the north.
        col: Column of the tile, from the west.
        style: Name of the style.
        time: A time as in WMTS; None for the default time.
        format: An extension (``png``, ``jpg``, ``webp``, ``tif``, ``npy``, ``lerc``, ``terrain``) or a MIME type.
        colormaps: Folder of further colormaps.
        options: Other dimensions of the layer by name, and ``colormap``, ``rescale``, ``spacing``, ``resampling``,
            ``filter``, ``expression``, ``rgb``, ``scale`` as in a request.

    Returns:
        The encoded tile.

    Raises:
        InvalidParameterError: An option is unknown; like any ``RequestError``, it names the culprit.
        RequestError: A part of the address or an option is invalid.
        StoreError: The dataset is missing or damaged.
    """
    opened = store if isinstance(store, Store) else store_at(str(location(store).resolve()))
    image_format = ImageFormat.from_mime(format) if "/" in format else ImageFormat.from_extension(format)
    parameters = {name.lower(): value for name, value in options.items()}
    if time is not None:
        parameters["time"] = time
    address = RawTileAddress(layer, style, tms, str(matrix), str(row), str(col), image_format, parameters)
    resolver = Resolver(opened, styles_of(None if colormaps is None else str(colormaps)), name_of)
    for attempt in generation_attempts():
        with attempt:
            resolved = resolver.resolve(address)
            # WMTS servers ignore unknown parameters; a program that misspells an option needs the error.
            unknown = resolved.unknown_parameters
            if unknown:
                raise InvalidParameterError(
                    unknown[0], f"{resolved.request.layer.name} takes no option {', '.join(map(repr, unknown))}"
                )
            (tile,) = render(resolved.request.task(opened.folder.resolve()))
    return tile
