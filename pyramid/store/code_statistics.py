"""Statistics of codes, computed block by block and exact for integers."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.core.json_text import json_values, parse_json
from lazytile.pyramid.kernel.selection import current_kernel
from lazytile.pyramid.store.dataset import Histogram, Statistics
from lazytile.pyramid.store.histogram import Bins, count_bins
from lazytile.pyramid.store.reduce import holds_data

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lazytile.pyramid.core.packing import Packing

_STRIP_CELLS = 1 << 18
FILE = "summary.json"
"""In the folder of an array; Zarr readers ignore it."""


@dataclass(frozen=True, slots=True)
class CodeStatistics:
    """Statistics of some cells, in packed units. ``+`` joins those of two disjoint sets of cells."""

    cells: int = 0
    valid: int = 0
    least: float | None = None
    greatest: float | None = None
    total: float = 0
    """Sum of the codes that are data: a Python integer for integer codes, so that it is exact."""
    bins: Bins | None = None
    """Counts of the codes that are data; None where they were not requested."""

    def __add__(self, other: CodeStatistics) -> CodeStatistics:
        ends = [(a, b) for a, b in ((self.least, self.greatest), (other.least, other.greatest)) if a is not None]
        bins = self.bins or other.bins
        if self.bins is not None and other.bins is not None:
            bins = self.bins + other.bins
        return CodeStatistics(
            self.cells + other.cells,
            self.valid + other.valid,
            min((low for low, _ in ends), default=None),
            max((high for _, high in ends if high is not None), default=None),
            self.total + other.total,
            bins,
        )

    def statistics(self, packing: Packing) -> Statistics:
        """Return the statistics in physical units.

        Args:
            packing: Of the codes.

        Returns:
            Minimum, maximum and mean, all None without data.
        """
        if not self.valid or self.least is None or self.greatest is None:
            return Statistics(None, None, None, self.valid, self.cells)
        ends = sorted(code * packing.scale_factor + packing.add_offset for code in (self.least, self.greatest))
        mean = self.total / self.valid * packing.scale_factor + packing.add_offset
        # Rounding must not put a constant field's mean outside its range.
        return Statistics(ends[0], ends[1], min(max(mean, ends[0]), ends[1]), self.valid, self.cells)

    def histogram(self, packing: Packing) -> Histogram | None:
        """Return the counts by physical value, ascending.

        Args:
            packing: Of the codes.

        Returns:
            The histogram; None without counts.
        """
        if self.bins is None:
            return None
        width = math.ldexp(1.0, self.bins.exponent)
        first, counts = self.bins.first, self.bins.counts
        # Integer codes lie in the middle of their bin of one, so that a class's bar is above its number.
        shift = 0.5 if np.dtype(packing.dtype).kind in "iu" else 0.0
        start = first * width - shift
        if packing.scale_factor < 0:
            start, counts = (first + len(counts)) * width - shift, counts[::-1]
        return Histogram(start * packing.scale_factor + packing.add_offset, width * abs(packing.scale_factor), counts)

    def to_json(self) -> dict[str, Any]:
        """Return the statistics as JSON values; ``from_json`` is the inverse."""
        document: dict[str, Any] = json_values(self)
        return document

    @classmethod
    def from_json(cls, document: Any) -> CodeStatistics:
        """Build statistics from JSON values.

        Args:
            document: As ``to_json`` returns it.

        Returns:
            The statistics.

        Raises:
            StoreError: The document has another form.
        """
        try:
            bins = document["bins"]
            fields = {key: value for key, value in document.items() if key != "bins"}
            counted = None if bins is None else Bins(bins["exponent"], bins["first"], tuple(bins["counts"]))
            return cls(**fields, bins=counted)
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(f"not statistics of codes: {type(error).__name__}: {error}") from error


def statistics_of(codes: NDArray[Any], packing: Packing, *, binned: bool = False) -> CodeStatistics:
    """Compute the statistics of codes. Infinite floats count as data but not in the sum.

    Args:
        codes: Any shape, the packing's dtype.
        packing: Of the codes.
        binned: Whether to count the codes in bins too.

    Returns:
        The statistics.
    """
    flat = codes.reshape(-1)
    if packing.has_table:
        return _table_statistics(flat, packing, binned=binned)
    total = CodeStatistics()
    for start in range(0, flat.size, _STRIP_CELLS):
        total += _strip_statistics(flat[start : start + _STRIP_CELLS], packing, binned=binned)
    return total


def _table_statistics(codes: NDArray[Any], packing: Packing, *, binned: bool) -> CodeStatistics:
    """Count each 8- or 16-bit code; everything else follows from the counts."""
    found = _table(packing)
    table, valid = found.codes, found.valid
    patterns = codes.view(f"u{codes.dtype.itemsize}")
    blocks = current_kernel().blocks
    counts = _counts(patterns, table.size) if blocks is None else blocks.count(patterns)
    occurring = valid & (counts > 0)
    data, times = table[occurring], counts[occurring]
    if not data.size:
        return CodeStatistics(codes.size)
    total = int((data.astype(np.int64) * times).sum())
    bins = count_bins(data, times) if binned else None
    return CodeStatistics(codes.size, int(times.sum()), data.min().item(), data.max().item(), total, bins)


def _counts(patterns: NDArray[Any], size: int) -> NDArray[np.int64]:
    counts = np.zeros(size, np.int64)
    for start in range(0, patterns.size, _STRIP_CELLS):
        counts += np.bincount(patterns[start : start + _STRIP_CELLS], minlength=size)
    return counts


@dataclass(frozen=True, slots=True, eq=False)
class _CodeTable:
    """Every 8- or 16-bit code, and which of them are data."""

    codes: NDArray[Any]
    valid: NDArray[np.bool_]

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.codes.nbytes + self.valid.nbytes


def _table(packing: Packing) -> _CodeTable:
    def make() -> _CodeTable:
        codes = packing.all_codes()
        return _CodeTable(codes, holds_data(codes, packing))

    table: _CodeTable = process.cache("tables").get(("valid codes", packing), make)
    return table


def _strip_statistics(codes: NDArray[Any], packing: Packing, *, binned: bool) -> CodeStatistics:
    blocks = current_kernel().blocks
    selected = None if blocks is None else blocks.select(codes, packing)
    count, data = _select(codes, packing) if selected is None else selected
    if data.dtype.kind == "f":
        if not data.size:
            return CodeStatistics(codes.size, count)
        total: float = float(data.sum(dtype=np.float64))
    elif not data.size:
        return CodeStatistics(codes.size)
    elif data.dtype.itemsize < 8:
        total = int(data.sum(dtype=np.int64))
    else:
        # Halves of 32 bits: neither sum can overflow.
        low = data & data.dtype.type(0xFFFFFFFF)
        total = (int((data >> data.dtype.type(32)).sum()) << 32) + int(low.sum(dtype=np.uint64))
    bins = count_bins(data) if binned else None
    return CodeStatistics(codes.size, count, data.min().item(), data.max().item(), total, bins)


def _select(codes: NDArray[Any], packing: Packing) -> tuple[int, NDArray[Any]]:
    """Return how many codes are data, and those of them that are finite."""
    valid = holds_data(codes, packing)
    count = int(np.count_nonzero(valid))
    data = codes if count == codes.size else codes[valid]
    return count, data[np.isfinite(data)] if data.dtype.kind == "f" else data


def write_statistics(dataset: Path, statistics: Mapping[str, Sequence[CodeStatistics]]) -> None:
    """Write the statistics of each variable's levels beside their chunks, exact, for a later append.

    Args:
        dataset: Folder of the dataset.
        statistics: Of the codes of each level, by variable.
    """
    for name, levels in statistics.items():
        for level, each in enumerate(levels):
            (dataset / str(level) / name / FILE).write_text(json.dumps(each.to_json()), encoding="utf-8")


def read_statistics(dataset: Path, level: int, name: str) -> CodeStatistics | None:
    """Read what ``write_statistics`` has written.

    Args:
        dataset: Folder of the dataset.
        level: Of the pyramid.
        name: Of the variable.

    Returns:
        The statistics; None where there are none that can be read.
    """
    try:
        return CodeStatistics.from_json(parse_json((dataset / str(level) / name / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, StoreError):
        return None
