"""Packing the pages of a Web Mercator MRF as PMTiles (version 3) and MBTiles (1.3)."""

from __future__ import annotations

import importlib
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.mrf.model import Compression

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lazytile.pyramid.core.grid import Bounds
    from lazytile.pyramid.mrf.reader import MrfReader
    from lazytile.pyramid.render.style import Style
    from lazytile.pyramid.store.layer import Layer
    from lazytile.pyramid.tiling.tms import TileMatrixSet

MERCATOR_LATITUDE = 85.0511287798066
"""The edge of Web Mercator's square."""


def write_pmtiles(reader: MrfReader, path: Path, tms: TileMatrixSet, layer: Layer, style: Style) -> None:
    """Write an archive whose tiles lie in the order of their numbers.

    Args:
        reader: Of the MRF.
        path: Of the archive.
        tms: The set of the MRF.
        layer: That the MRF shows.
        style: Its colours.

    Raises:
        MrfError: No tile has data.
    """
    # An untyped package that only this export needs.
    tile, writer = importlib.import_module("pmtiles.tile"), importlib.import_module("pmtiles.writer")
    numbered = sorted(
        (tile.zxy_to_tileid(zoom, col, row), level, row, col) for zoom, level, row, col in _tiles(reader, tms)
    )
    if not numbered:
        raise MrfError(f"{layer.name} has no tile with data, a PMTiles archive needs at least one")
    bounds = _bounds(layer)
    with writer.write(str(path)) as out:
        for number, level, row, col in numbered:
            out.write_tile(number, reader.page(level, row, col))
        header = {
            "tile_type": tile.TileType.JPEG if _extension(reader) == "jpg" else tile.TileType.PNG,
            "tile_compression": tile.Compression.NONE,
            "min_lon_e7": round(bounds.west * 1e7),
            "min_lat_e7": round(bounds.south * 1e7),
            "max_lon_e7": round(bounds.east * 1e7),
            "max_lat_e7": round(bounds.north * 1e7),
            "center_zoom": 0,
            "center_lon_e7": round((bounds.west + bounds.east) / 2 * 1e7),
            "center_lat_e7": round((bounds.south + bounds.north) / 2 * 1e7),
        }
        out.finalize(header, _metadata(reader, layer, style))


def write_mbtiles(reader: MrfReader, path: Path, tms: TileMatrixSet, layer: Layer, style: Style) -> None:
    """Write a database of tiles; its rows count from the south.

    Args:
        reader: Of the MRF.
        path: Of the database.
        tms: The set of the MRF.
        layer: That the MRF shows.
        style: Its colours.

    Raises:
        MrfError: It cannot be written.
    """
    bounds = _bounds(layer)
    zooms = [zoom for zoom, *_ in _tiles(reader, tms)]
    described = _metadata(reader, layer, style) | {
        "bounds": f"{bounds.west:.7g},{bounds.south:.7g},{bounds.east:.7g},{bounds.north:.7g}",
        "minzoom": str(min(zooms, default=0)),
        "maxzoom": str(max(zooms, default=0)),
    }
    try:
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("PRAGMA application_id = 0x4d504258")
            database.execute("CREATE TABLE metadata (name TEXT, value TEXT)")
            database.execute(
                "CREATE TABLE tiles (zoom_level INTEGER, tile_column INTEGER, tile_row INTEGER, tile_data BLOB)"
            )
            database.executemany("INSERT INTO metadata VALUES (?, ?)", described.items())
            database.executemany(
                "INSERT INTO tiles VALUES (?, ?, ?, ?)",
                (
                    (zoom, col, (1 << zoom) - 1 - row, reader.page(level, row, col))
                    for zoom, level, row, col in _tiles(reader, tms)
                ),
            )
            database.execute("CREATE UNIQUE INDEX tile_index ON tiles (zoom_level, tile_column, tile_row)")
            database.execute("CREATE UNIQUE INDEX name_index ON metadata (name)")
    except sqlite3.Error as error:
        raise MrfError(f"{path} cannot be written: {error}") from error


def _tiles(reader: MrfReader, tms: TileMatrixSet) -> Iterator[tuple[int, int, int, int]]:
    """Yield (zoom, level, row, column) of every tile that holds data."""
    finest = [matrix.identifier for matrix in tms.matrices].index(dict(reader.header.notes)["matrix"])
    for level, _, row, col, _ in reader.header.pages():
        zoom = finest - level.number
        if zoom >= 0 and not reader.record(level.number, row, col).is_empty:
            yield zoom, level.number, row, col


def _bounds(layer: Layer) -> Bounds:
    """Return the longitudes and latitudes of the data within Web Mercator; across 180 degrees the full circle."""
    bounds = layer.geographic_bounds()
    if bounds.east > 180.0:
        bounds = type(bounds)(-180.0, bounds.south, 180.0, bounds.north)
    south, north = max(bounds.south, -MERCATOR_LATITUDE), min(bounds.north, MERCATOR_LATITUDE)
    return type(bounds)(bounds.west, south, bounds.east, north)


def _extension(reader: MrfReader) -> str:
    return "jpg" if reader.header.compression is Compression.JPEG else "png"


def _metadata(reader: MrfReader, layer: Layer, style: Style) -> dict[str, Any]:
    return {
        "name": reader.path.stem,
        "format": _extension(reader),
        "type": "overlay",
        "version": "1",
        "description": f"{layer.title}, style {style.name}",
    }
