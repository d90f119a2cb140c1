"""Statistics of codes, gathered block by block and exact for integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.dataset import Statistics
from lazytile.pyramid.reduce import holds_data

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lazytile.pyramid.packing import Packing

_STRIP_CELLS = 1 << 18


@dataclass(frozen=True, slots=True)
class Summary:
    """What is known of some cells, in packed units. ``+`` joins the summaries of two sets of cells."""

    cells: int = 0
    valid: int = 0
    least: float | None = None
    greatest: float | None = None
    total: float = 0
    """Sum of the codes that are data: a Python integer for integer codes, so that it is exact."""

    def __add__(self, other: Summary) -> Summary:
        ends = [(a, b) for a, b in ((self.least, self.greatest), (other.least, other.greatest)) if a is not None]
        return Summary(
            self.cells + other.cells,
            self.valid + other.valid,
            min((low for low, _ in ends), default=None),
            max((high for _, high in ends if high is not None), default=None),
            self.total + other.total,
        )

    def statistics(self, packing: Packing) -> Statistics:
        """Return the same in physical units."""
        if not self.valid or self.least is None or self.greatest is None:
            return Statistics(None, None, None, self.valid, self.cells)
        ends = sorted(code * packing.scale_factor + packing.add_offset for code in (self.least, self.greatest))
        mean = self.total / self.valid * packing.scale_factor + packing.add_offset
        # The rounding of one division must not put a constant field's mean outside its range.
        return Statistics(ends[0], ends[1], min(max(mean, ends[0]), ends[1]), self.valid, self.cells)


def summarise(codes: NDArray[Any], packing: Packing) -> Summary:
    """Return the summary of an array of codes of any shape. Infinite floats count as data but not in the sum."""
    flat = codes.reshape(-1)
    summary = Summary()
    for start in range(0, flat.size, _STRIP_CELLS):
        summary += _summarise(flat[start : start + _STRIP_CELLS], packing)
    return summary


def _summarise(codes: NDArray[Any], packing: Packing) -> Summary:
    valid = holds_data(codes, packing)
    count = int(np.count_nonzero(valid))
    if count == 0:
        return Summary(codes.size)
    data = codes if count == codes.size else codes[valid]
    if data.dtype.kind == "f":
        data = data[np.isfinite(data)]
        if not data.size:
            return Summary(codes.size, count)
        total: float = float(data.sum(dtype=np.float64))
    elif data.dtype.itemsize < 8:
        total = int(data.sum(dtype=np.int64))
    else:
        # Halves of 32 bits: neither sum can overflow.
        low = data & data.dtype.type(0xFFFFFFFF)
        total = (int((data >> data.dtype.type(32)).sum()) << 32) + int(low.sum(dtype=np.uint64))
    return Summary(codes.size, count, data.min().item(), data.max().item(), total)
