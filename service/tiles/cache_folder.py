"""The folder of the tile cache as an operator sees it: what is in it, and clearing a part of it.

A server that uses the folder finds out by the time of a file, and then empties its caches in memory.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.service.http.errors import CacheError
from lazytile.service.tiles.disk_cache import FOLDER, DiskTier
from lazytile.service.tiles.disk_shard import DAMAGED_FOLDER, DATABASE
from lazytile.service.tiles.tile_tag import TileTag

if TYPE_CHECKING:
    from pathlib import Path

CLEARED = "cleared"
"""File whose time is that of the last clearing."""
WAIT_S = 5.0


@dataclass(frozen=True, slots=True)
class CacheContent:
    """What a folder holds."""

    folder: str
    tiles: int
    nbytes: int
    """Bytes of the tiles."""
    disk_bytes: int
    """Bytes of all files."""
    datasets: dict[str, int]
    """Number of tiles by dataset."""
    set_aside: int
    """Damaged databases that were set aside."""


def cache_content(folder: Path) -> CacheContent:
    """Return what the folder of a tile cache holds. Reads every database, without disturbing servers.

    Args:
        folder: The folder of the setting ``cache``.

    Returns:
        The content.

    Raises:
        CacheError: There is no such folder, or a database cannot be read.
    """
    if not folder.is_dir():
        raise CacheError(f"there is no tile cache at {folder}")
    tiles: Counter[str] = Counter()
    nbytes = 0
    for database in sorted((folder / FOLDER).glob(f"*/{DATABASE}")):
        try:
            uri = f"{database.resolve().as_uri()}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True, timeout=WAIT_S)) as connection:
                rows = connection.execute("SELECT tag, COUNT(*), SUM(LENGTH(value)) FROM Cache GROUP BY tag").fetchall()
        except sqlite3.Error as error:
            raise CacheError(f"{database} cannot be read: {error}") from error
        for tag, count, size in rows:
            tiles[TileTag.parse(tag).dataset] += count
            nbytes += size or 0
    damaged = folder / FOLDER / DAMAGED_FOLDER
    return CacheContent(
        folder=str(folder),
        tiles=tiles.total(),
        nbytes=nbytes,
        disk_bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        datasets=dict(sorted(tiles.items())),
        set_aside=sum(1 for _ in damaged.iterdir()) if damaged.is_dir() else 0,
    )


def clear_cache(folder: Path, limit_bytes: int, layer: str = "", time: str = "") -> int:
    """Delete tiles on disk, and let the servers that use the folder empty their caches in memory.

    Args:
        folder: The folder of the setting ``cache``.
        limit_bytes: The setting ``cache_limit_bytes``.
        layer: Delete only tiles of this layer, or of all layers of this dataset; empty for every tile.
        time: Delete only tiles of this time: a label, or its beginning such as ``2024-01``; empty for every time.

    Returns:
        Number of tiles deleted.

    Raises:
        CacheError: There is no such folder, or it is not ours.
    """
    if not folder.is_dir():
        raise CacheError(f"there is no tile cache at {folder}")
    disk = DiskTier(folder, limit_bytes)
    try:
        count = disk.drop_where(lambda tag: TileTag.parse(tag).fits(layer, time))
    finally:
        disk.close()
    (folder / CLEARED).touch(mode=0o600)
    return count


def clearing_time(folder: Path) -> int:
    """Return when the cache was last cleared.

    Args:
        folder: The folder of the setting ``cache``.

    Returns:
        Nanoseconds since 1970; 0 for never.
    """
    try:
        return (folder / CLEARED).stat().st_mtime_ns
    except OSError:
        return 0
