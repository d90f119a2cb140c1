"""The MRF tier of the tile cache: tiles from exported files, without rendering.

An export in the folder of MRFs, or in a folder below, is found by its name (``file_names.possible_stems``). The notes
in its header decide whether it has a requested tile: dataset, generation, palette and tile matrix set must match. An
export of another generation is skipped with one line in the log. So is one that is damaged, differs from its checksums
or has none, until its files change; a damaged page alone is skipped alone. Their tiles are computed from the store.
"""

from __future__ import annotations

import asyncio
import logging
import struct
import time
import zlib
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.mrf.codecs import PNG_SIGNATURE
from lazytile.pyramid.mrf.effort import CompressionEffort
from lazytile.pyramid.mrf.file_names import possible_stems
from lazytile.pyramid.mrf.match import has_pixels_of, is_plain, level_of
from lazytile.pyramid.mrf.model import Compression
from lazytile.pyramid.mrf.reader import MrfReader
from lazytile.pyramid.render.image import ImageFormat
from lazytile.pyramid.render.render_task import WHITE
from lazytile.pyramid.render.renderer import empty_tile
from lazytile.service.tiles.mrf_damage import DamagedMrfs, identity_of
from lazytile.service.tiles.mrf_folders import MrfFolders

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lazytile.pyramid.mrf.model import MrfHeader
    from lazytile.pyramid.render.tile_request import TileRequest
    from lazytile.service.tiles.mrf_damage import Identity, PageAddress

LOG = logging.getLogger(__name__)

CHECK_INTERVAL_S = 1.0
"""How long a new, replaced or removed MRF may stay unnoticed."""
OPEN_FILES = 64
"""MRFs open at a time, with at most three descriptors each; the least recently used is closed."""


@dataclass(frozen=True, slots=True)
class MrfTile:
    """A tile from an MRF."""

    data: bytes
    variant: str
    """Empty where these are the renderer's bytes; else the checksum of these bytes, which hold the same pixels: 8
    hexadecimal digits."""


@dataclass(frozen=True, slots=True)
class _OpenMrf:
    reader: MrfReader
    notes: dict[str, str]
    slices: dict[str, int]
    """Position along z of each step, from the header's notes."""
    identity: Identity


class MrfTier:
    """Finds tiles in MRFs. One thread does all file access, so no file is closed while it is read."""

    def __init__(
        self, folder: Path, unchecked: Path | None = None, on_damage: Callable[[], None] = lambda: None
    ) -> None:
        """Serve from folders, which need not exist yet.

        Args:
            folder: Folder of exported MRFs. One without checksums is skipped.
            unchecked: Folder of MRFs that are believed where they have no checksums.
            on_damage: Called whenever a look-up meets a damaged MRF, from the thread of the look-ups.
        """
        if unchecked is not None:
            LOG.warning("MRFs in %s are served without checksums: damage to them may go unnoticed", unchecked)
        self._index = MrfFileIndex(folder, unchecked, on_damage)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="lazytile-mrf")
        self._next_check = self._known_until = 0.0

    def lacks(self, request: TileRequest) -> bool:
        """Return whether no MRF has a tile, as far as that is known without a look at the files.

        Args:
            request: The request.

        Returns:
            False where only ``find`` can say it.
        """
        return time.monotonic() < self._known_until and not (self._index.paths_for(request) and is_plain(request))

    async def find(self, request: TileRequest) -> MrfTile | None:
        """Return a tile, None where no undamaged MRF has it."""
        loop = asyncio.get_running_loop()
        now = time.monotonic()
        if now >= self._next_check:
            self._next_check = now + CHECK_INTERVAL_S
            await loop.run_in_executor(self._pool, self._index.refresh)
            self._known_until = now + CHECK_INTERVAL_S
        paths = self._index.paths_for(request)
        if not paths or not is_plain(request):
            return None
        return await loop.run_in_executor(self._pool, self._index.find, request, paths)

    async def close(self) -> None:
        """Close the files, then the thread."""
        await asyncio.get_running_loop().run_in_executor(self._pool, self._index.close)
        self._pool.shutdown(wait=True)


class MrfFileIndex:
    """The MRFs of a folder. All methods but ``paths_for`` belong to one thread."""

    def __init__(
        self, folder: Path, unchecked: Path | None = None, on_damage: Callable[[], None] = lambda: None
    ) -> None:
        self._folders = MrfFolders([folder, *([] if unchecked is None else [unchecked])])
        self._unchecked = unchecked
        self._on_damage = on_damage
        self._open: OrderedDict[Path, _OpenMrf] = OrderedDict()
        self._damaged = DamagedMrfs(self._check)
        self._stale: dict[Path, tuple[Identity, str]] = {}
        """Files that the log names as stale, and the generation that was requested."""

    def refresh(self) -> None:
        """Close files that have changed, and scan the folders where they have."""
        for path, mrf in list(self._open.items()):
            if identity_of(path) != mrf.identity:
                self._drop(path)
        self._damaged.check_again()
        self._folders.refresh()

    def paths_for(self, request: TileRequest) -> list[Path]:
        """Return the files whose names fit a tile."""
        known = self._folders.paths
        if not known:
            return []
        stems = possible_stems(request.layer, request.dim_index)
        return [path for stem in stems for path in known.get(stem, ())]

    def find(self, request: TileRequest, paths: list[Path]) -> MrfTile | None:
        """Return a tile from the first file that has it.

        Args:
            request: The tile.
            paths: Files whose names fit, as ``paths_for`` returns them.

        Returns:
            The tile; None where no undamaged file has it.
        """
        for path in paths:
            identity = identity_of(path) if path not in self._open else self._open[path].identity
            page = None
            try:
                mrf = self._opened(path, identity)
                page = None if mrf is None else self._page_of(mrf, request)
                tile = None if mrf is None or page is None else self._read(mrf, page, request)
            except MrfError as error:
                self._on_damage()
                if page is None:
                    self._drop(path)
                self._damaged.note(path, identity, page, str(error))
                continue
            if tile is not None:
                return tile
        return None

    def close(self) -> None:
        """Close every file."""
        for path in list(self._open):
            self._drop(path)

    def _check(self, path: Path, page: PageAddress | None) -> None:
        with MrfReader(path, needs_checksums=self._needs_checksums(path)) as reader:
            if page is not None:
                _page(reader, page)

    def _needs_checksums(self, path: Path) -> bool:
        return self._unchecked is None or self._unchecked not in path.parents

    def _opened(self, path: Path, identity: Identity) -> _OpenMrf | None:
        """Return an MRF, None for one that was damaged before and has not changed."""
        mrf = self._open.get(path)
        if mrf is not None:
            self._open.move_to_end(path)
            return mrf
        if self._damaged.is_useless(path, identity):
            self._on_damage()
            return None
        reader = MrfReader(path, needs_checksums=self._needs_checksums(path))
        notes = dict(reader.header.notes)
        slices = {step: z for z, step in enumerate(notes.get("index", "?").split(";"))}
        mrf = self._open[path] = _OpenMrf(reader, notes, slices, identity)
        while len(self._open) > OPEN_FILES:
            self._drop(next(iter(self._open)))
        return mrf

    def _page_of(self, mrf: _OpenMrf, request: TileRequest) -> PageAddress | None:
        """Return where an MRF has a tile, None if it has not."""
        header, notes, layer = mrf.reader.header, mrf.notes, request.layer
        if notes.get("layer") != layer.name:
            return None
        level = level_of(header, notes, request)
        z = mrf.slices.get(" ".join(map(str, request.dim_index)))
        if level is None or z is None or not has_pixels_of(header, notes, request):
            return None
        # Of the step that is requested: appending steps does not make the MRFs of the others stale.
        generation = request.generation
        generations = notes.get("generation", "").split(";")
        if z >= len(generations) or generations[z] != generation:
            self._log_stale(mrf, generation)
            return None
        return level, request.row, request.col, z

    def _read(self, mrf: _OpenMrf, page: PageAddress, request: TileRequest) -> MrfTile:
        data = _page(mrf.reader, page)
        if data is None:
            return MrfTile(self._blank(request), "")
        is_png = mrf.reader.header.compression is Compression.PNG
        is_served = is_png or mrf.notes.get("encoder") == CompressionEffort.SERVED.encoder
        return MrfTile(data, "" if is_served else f"{zlib.crc32(data):08x}")

    def _blank(self, request: TileRequest) -> bytes:
        shape = (request.matrix.tile_height, request.matrix.tile_width)
        return empty_tile(request.style.palette, shape, ImageFormat.PNG, WHITE)

    def _log_stale(self, mrf: _OpenMrf, generation: str) -> None:
        path, shown = mrf.reader.path, mrf.notes.get("generation")
        if self._stale.get(path) != (mrf.identity, generation):
            self._stale[path] = (mrf.identity, generation)
            LOG.warning("MRF is skipped: %s has generation %s, the dataset has %s", path, shown, generation)

    def _drop(self, path: Path) -> None:
        mrf = self._open.pop(path, None)
        if mrf is not None:
            mrf.reader.close()


def _page(reader: MrfReader, page: PageAddress) -> bytes | None:
    level, row, col, z = page
    data = reader.page(level, row, col, z=z)
    if data is not None and not reader.has_checksums:
        _check_png(data, reader.header, reader.path)
    return data


def _check_png(data: bytes, header: MrfHeader, path: Path) -> None:
    """Raise ``MrfError`` unless the bytes are a complete PNG of a page with correct checksums.

    This costs 10 to 20 microseconds, and no client receives a tile that the disk has corrupted.
    """
    kind = 3 if header.compression is Compression.PPNG else 6
    wanted = struct.pack(">IIBB", header.page.cols, header.page.rows, 8, kind)
    if not data.startswith(PNG_SIGNATURE) or data[12:16] != b"IHDR" or data[16:26] != wanted:
        raise MrfError(
            f"{path}: a page is not a PNG of {header.page.cols} x {header.page.rows} pixels of its colour type"
        )
    view, at, last = memoryview(data), len(PNG_SIGNATURE), b""
    while at + 12 <= len(data):
        stop = at + 8 + int.from_bytes(view[at : at + 4], "big")
        last = bytes(view[at + 4 : at + 8])
        if stop + 4 > len(data) or zlib.crc32(view[at + 4 : stop]) != int.from_bytes(view[stop : stop + 4], "big"):
            raise MrfError(f"{path}: a page is damaged, the checksum of its PNG is wrong")
        at = stop + 4
    if at != len(data) or last != b"IEND":
        raise MrfError(f"{path}: a page is damaged, its PNG does not end with IEND")
