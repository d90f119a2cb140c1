"""The checksums of one array's chunks, and the comparison of a chunk's bytes with its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lazytile.pyramid.chunks.checksum import crc32
from lazytile.pyramid.chunks.digest_table import (
    PAGE_ENTRIES,
    ChunkDigest,
    MissingTableError,
    Page,
    Plane,
    Unknown,
    digest_in,
    find_page,
    page_key,
)
from lazytile.pyramid.chunks.made_objects import find_made
from lazytile.pyramid.core import process
from lazytile.pyramid.storage.object_path import SCHEMES

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_PLANES = 4096
_REMOTE = tuple(f"{scheme}://" for scheme in SCHEMES)


@dataclass(frozen=True, slots=True, eq=False)
class ArrayDigests:
    """Finds the digests of an array's chunks."""

    array: str
    """Folder of the array."""
    level: int
    variable: str
    grid: tuple[int, int]
    """Chunks of a plane in rows and columns."""
    generation_of: Callable[[tuple[int, ...]], str]
    """Generation of the content of a plane."""
    shard: int = 0
    """Chunks along a side of a shard, for tables of older versions; 0: not sharded."""
    checked: bool = True
    """Whether every plane must have a table."""
    lazy: bool = False
    """Whether the chunks are made one by one, and the first creates the table."""
    steps: int = 1
    """Time steps whose planes share a table."""
    axis: int | None = None
    """Of time among the leading dimensions; None: each plane has its table."""
    _last: dict[int, tuple[tuple[int, ...], int, Plane, Page]] = field(default_factory=dict)
    """The page of the last look-up, under 0: neighbours mostly follow each other."""
    _planes: dict[tuple[int, ...], Plane] = field(default_factory=dict)

    def plane(self, dim_index: tuple[int, ...]) -> Plane:
        """Return what the table of a plane is about.

        Args:
            dim_index: Index along each leading dimension.

        Returns:
            The plane.
        """
        found = self._planes.get(dim_index)
        if found is None:
            if len(self._planes) >= _MAX_PLANES:
                self._planes.clear()
            generation = self.generation_of(dim_index)
            outline = self.array, self.level, self.variable, dim_index, generation, self.grid
            found = Plane(*outline, self.shard, self.steps, self.axis)
            self._planes[dim_index] = found
        return found

    def find(self, dim_index: tuple[int, ...], row: int, col: int, *, again: bool = False) -> ChunkDigest | Unknown:
        """Look a chunk up.

        Args:
            dim_index: Index along each leading dimension.
            row: Of the chunk.
            col: Of the chunk.
            again: Whether to read its entry from the disk.

        Returns:
            The digest; why nothing is known.
        """
        if self.lazy and self.array.startswith(_REMOTE):
            return find_made(self.plane(dim_index), row, col, again=again)
        last = self._last.get(0)
        plane = last[2] if last is not None and last[0] == dim_index else self.plane(dim_index)
        number = (plane.first + row * self.grid[1] + col) // PAGE_ENTRIES
        if last is not None and last[1] == number and not again:
            if last[2] is plane:
                return digest_in(last[3], plane, row, col)
            if _share_page(last[2], plane):
                self._last[0] = dim_index, number, plane, last[3]
                return digest_in(last[3], plane, row, col)
        try:
            page = find_page(plane, number, checked=self.checked, again=again)
        except MissingTableError:
            self._last.clear()
            return Unknown.NOT_MADE if self.lazy else Unknown.NO_TABLE
        self._last[0] = dim_index, number, plane, page
        return digest_in(page, plane, row, col)

    def forget(self, dim_index: tuple[int, ...]) -> None:
        """Have the table of a plane read from the disk again.

        Args:
            dim_index: Index along each leading dimension.
        """
        self._last.clear()
        start = page_key(self.plane(dim_index), 0)[:-1]
        process.cache("digests").drop(lambda key: isinstance(key, tuple) and key[:-1] == start)


def _share_page(one: Plane, other: Plane) -> bool:
    """Return whether two planes have a table in common, and what is in memory of it serves both."""
    return one.axis is not None and one.generation == other.generation and one.table == other.table


def misfit(digest: ChunkDigest | Unknown, data: bytes | None) -> str | None:
    """Compare the bytes of a chunk with its digest.

    Args:
        digest: As ``ArrayDigests.find`` returns it.
        data: The chunk as stored; None where there is none.

    Returns:
        What is wrong, in a few words; None where they fit, or nothing is known.
    """
    if isinstance(digest, ChunkDigest):
        if not digest.size:
            return None if data is None else "this file should not exist"
        if not data:
            return f"it is missing or empty, {digest.size} bytes were written"
        if len(data) != digest.size:
            return f"it has {len(data)} bytes, {digest.size} were written"
        return None if crc32(data) == digest.crc else "its checksum differs from the one recorded"
    if digest in (Unknown.DAMAGED, Unknown.NO_TABLE, Unknown.NOT_MADE):
        return str(digest.value)
    return None
