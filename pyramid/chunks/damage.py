"""Damaged chunks: the error that names one, and the record of those that this process has met.

The record logs a damaged chunk once in a while however often it is read, keeps the condition of its dataset, which
``/readyz`` shows, and counts for the metrics. A chunk leaves it when it is read whole again, or when ``recheck`` finds
it whole.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.pyramid.core import process
from lazytile.pyramid.core.conditions import Conditions
from lazytile.pyramid.core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

LOG = logging.getLogger(__name__)
LIMIT = 1000
"""Most damaged chunks that are remembered; the oldest are forgotten first, and met again."""
RECHECK_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class DamageLimits:
    """How often damaged chunks are logged and read again."""

    log_every_s: float = 60.0
    """A chunk is logged once in this time."""
    lines: int = 60
    """Most lines in ``log_every_s``, about all chunks together."""
    recheck_every_s: float = 1.0
    """A chunk is read again to see whether it was repaired no more often."""


DEFAULT_LIMITS = DamageLimits()


@dataclass(frozen=True, slots=True)
class ChunkPlace:
    """A chunk of a dataset, as messages name it."""

    folder: str
    """Of the dataset."""
    dataset: str
    variable: str
    level: int
    dim_index: tuple[int, ...]
    row: int
    col: int

    def __str__(self) -> str:
        step = f"{'.'.join(map(str, self.dim_index))}/" if self.dim_index else ""
        return f"chunk {step}{self.row}.{self.col} of {self.variable} at level {self.level}"


@dataclass(frozen=True, slots=True)
class ArrayPlace:
    """An array of a dataset."""

    folder: str
    """Of the dataset."""
    dataset: str
    variable: str
    level: int

    def chunk(self, dim_index: tuple[int, ...], row: int, col: int) -> ChunkPlace:
        """Return the place of a chunk of the array.

        Args:
            dim_index: Index along each leading dimension.
            row: Of the chunk.
            col: Of the chunk.

        Returns:
            The place.
        """
        return ChunkPlace(self.folder, self.dataset, self.variable, self.level, dim_index, row, col)


class ChunkNotMadeError(StoreError):
    """An overview chunk of a lazy dataset has not been computed yet."""


class DamagedChunkError(StoreError):
    """A stored chunk is missing or differs from what was written, or its checksum is lost."""

    def __init__(self, place: ChunkPlace | None, reason: str, file: str = "", noted_by: str = "") -> None:
        """Name a chunk.

        Args:
            place: Of the chunk; None where its dataset is not known.
            reason: What is wrong with it, in one line.
            file: That holds the chunk, and its position in it.
            noted_by: Token of the process that has recorded the damage.
        """
        super().__init__(
            f"chunk {file} is damaged: {reason}"
            if place is None
            else f"dataset {place.dataset}: {place} is damaged: {reason} ({file})"
        )
        self.place = place
        self.reason = reason
        self.file = file
        self.noted_by = noted_by

    def __reduce__(self) -> tuple[type[DamagedChunkError], tuple[ChunkPlace | None, str, str, str]]:
        # As in RequestError: Dask pickles exceptions.
        return type(self), (self.place, self.reason, self.file, self.noted_by)


@dataclass(slots=True)
class _Met:
    reason: str
    logged_at: float
    checked_at: float
    unlogged: int = 0


class DamageRecord:
    """The damaged chunks that a process has met. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, limits: DamageLimits = DEFAULT_LIMITS) -> None:
        """Create an empty record.

        Args:
            clock: Seconds that only grow.
            limits: How often chunks are logged and read again.
        """
        self._clock = clock
        self.limits = limits
        """A server that reads its settings again replaces them."""
        self._met: OrderedDict[ChunkPlace, _Met] = OrderedDict()
        self._lock = threading.Lock()
        self.token = secrets.token_hex(8)
        """Tells this process from others."""
        self._lines_since = clock()
        self._lines = self._left_out = 0
        self.damaged = 0
        """Reads that met a damaged chunk."""
        self.rebuilt = 0
        """Overview chunks that were computed again."""

    @staticmethod
    def current() -> DamageRecord:
        """Return the record of this process."""
        return process.current().resource(DamageRecord, DamageRecord)

    @property
    def is_empty(self) -> bool:
        """Whether no damaged chunk is known."""
        return not self._met

    def note(self, error: DamagedChunkError) -> None:
        """Record that a read met a damaged chunk, unless this process has recorded this error.

        Args:
            error: Names the chunk. It may come from another process.
        """
        if error.noted_by == self.token or error.place is None:
            return
        error.noted_by = self.token
        now = self._clock()
        with self._lock:
            self.damaged += 1
            met = self._met.get(error.place)
            is_due = met is None or now - met.logged_at >= self.limits.log_every_s
            repeated = 0 if met is None else met.unlogged
            if met is None or is_due:
                self._met[error.place] = _Met(error.reason, now, now)
            else:
                met.unlogged += 1
                met.reason = error.reason
            while len(self._met) > LIMIT:
                self._met.popitem(last=False)
        if is_due:
            more = f" ({repeated} more reads since the last line)" if repeated else ""
            self._log(logging.ERROR, f"{error}{more}")
        self._report(error.place)

    def _log(self, level: int, line: str) -> None:
        """Log a line, unless there have been many of late."""
        now = self._clock()
        with self._lock:
            if now - self._lines_since >= self.limits.log_every_s:
                self._lines_since, self._lines = now, 0
            if self._lines >= self.limits.lines:
                self._left_out += 1
                return
            self._lines += 1
            left_out, self._left_out = self._left_out, 0
        LOG.log(level, "%s%s", line, f" ({left_out} lines about other chunks were left out before)" if left_out else "")

    def note_rebuilt(self, error: DamagedChunkError, outcome: str) -> None:
        """Record that a damaged overview chunk was computed again.

        Args:
            error: Names it.
            outcome: What became of it, in a few words.
        """
        with self._lock:
            self.damaged += 1
            self.rebuilt += 1
        self._log(logging.WARNING, f"{error}; {outcome}")

    def clear(self, place: ChunkPlace) -> None:
        """Record that a chunk was read whole.

        Args:
            place: Of the chunk.
        """
        with self._lock:
            if self._met.pop(place, None) is None:
                return
        self._log(logging.WARNING, f"dataset {place.dataset}: {place} is whole again")
        self._report(place)

    def recheck(self, is_whole: Callable[[ChunkPlace], bool]) -> None:
        """Read some of the damaged chunks again, and clear those that are whole.

        Args:
            is_whole: Reads a chunk and tells whether it is whole, or of no account any more.
        """
        now = self._clock()
        with self._lock:
            least_s = self.limits.recheck_every_s
            due = [(place, met) for place, met in self._met.items() if now - met.checked_at >= least_s]
            due = sorted(due, key=lambda item: item[1].checked_at)[:RECHECK_AT_ONCE]
            for _, met in due:
                met.checked_at = now
        for place, _ in due:
            if is_whole(place):
                self.clear(place)

    def _report(self, place: ChunkPlace) -> None:
        key = f"dataset {place.dataset}"
        with self._lock:
            met = [(at, each) for at, each in self._met.items() if at.dataset == place.dataset]
        if not met:
            Conditions.current().clear(key)
            return
        at, first = met[0]
        further = f", and {len(met) - 1} more chunks" if len(met) > 1 else ""
        Conditions.current().report(key, f"{at} is damaged: {first.reason}{further}", ready=True)
