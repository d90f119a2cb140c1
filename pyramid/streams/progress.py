"""What an export reports: how far it is, over all its files, and the files that it has made."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class MrfProgress:
    """Progress of an export, over all its files."""

    path: Path
    """The MRF being written."""
    tiles_done: int
    tiles_total: int
    tiles_made: int
    """Tiles done by this run; the others existed already."""
    seconds: float

    @property
    def tiles_per_second(self) -> float:
        """Rate of this run."""
        return self.tiles_made / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Estimate; None before the first tile."""
        rate = self.tiles_per_second
        return (self.tiles_total - self.tiles_done) / rate if rate > 0 else None


@dataclass(frozen=True, slots=True)
class ExportedMrf:
    """An exported MRF."""

    path: Path
    tiles: int
    empty_tiles: int
    """Tiles without data, which take no space."""
    shared_tiles: int
    """Tiles stored as the bytes of another."""
    data_bytes: int
    seconds: float
    was_complete: bool = False
    """Whether it was complete before, with the same content, and was left as it is."""


class ProgressMeter:
    """Counts tiles and reports them."""

    def __init__(self, total: int, progress: Callable[[MrfProgress], None] | None) -> None:
        """Begin at none.

        Args:
            total: Tiles of all files.
            progress: Takes the reports.
        """
        self._total = total
        self._progress = progress
        self._done = self.made = 0
        self._started = time.monotonic()

    def add(self, path: Path, tiles: int, *, made: bool) -> None:
        """Count tiles, and report.

        Args:
            path: Of the file that they are in.
            tiles: Their number.
            made: Whether this run has made them.
        """
        self._done += tiles
        self.made += tiles if made else 0
        if self._progress is not None:
            seconds = time.monotonic() - self._started
            self._progress(MrfProgress(path, self._done, self._total, self.made, seconds))
