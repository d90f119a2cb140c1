"""The MRFs in folders and the folders below them, found again where these have changed."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAX_DEPTH = 4
"""Depth of folders below a folder of MRFs: enough for style, tile matrix set and year."""
MAX_FILES = 1 << 20
"""Directory entries that one scan reads."""
FRESH_NS = 2_000_000_000
"""A folder changed so recently may change again within the same tick of its file system's clock."""


class MrfFolders:
    """The MRFs of some folders by stem. All but ``paths`` belongs to one thread."""

    def __init__(self, roots: Sequence[Path]) -> None:
        """Look into folders, which need not exist yet.

        Args:
            roots: The folders; one may lie within another.
        """
        self._roots = roots
        self.paths: dict[str, list[Path]] = {}
        """Files by stem. Never changed, only replaced, so other threads may read it."""
        self._changed: dict[Path, int] = {}
        """Folders scanned, and when each was last changed, in nanoseconds."""

    def refresh(self) -> None:
        """Scan the folders if one of them has changed since the last scan."""
        if not self._changed or any(_changed_ns(folder) != at for folder, at in self._changed.items()):
            self._scan()

    def _scan(self) -> None:
        paths: dict[str, list[Path]] = {}
        folders: dict[Path, int] = {}
        queue = [(root, 0) for root in self._roots]
        count = 0
        now = time.time_ns()
        while queue:
            folder, depth = queue.pop()
            if folder in folders:
                continue
            changed = _changed_ns(folder)
            folders[folder] = changed if now - changed > FRESH_NS else 0
            try:
                with os.scandir(folder) as entries:
                    for entry in sorted(entries, key=lambda each: each.name):
                        count += 1
                        if entry.name.startswith(".") or count > MAX_FILES:
                            continue
                        if entry.name.endswith(".mrf"):
                            paths.setdefault(entry.name.removesuffix(".mrf"), []).append(folder / entry.name)
                        elif depth < MAX_DEPTH and entry.is_dir(follow_symlinks=False):
                            queue.append((folder / entry.name, depth + 1))
            except OSError:
                continue  # it does not exist, or no longer
        self.paths, self._changed = paths, folders


def _changed_ns(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0
