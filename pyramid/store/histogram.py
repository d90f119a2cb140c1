"""Counts of numbers in bins, gathered in one pass without knowing the range beforehand.

A bin is ``[i * 2**exponent, (i + 1) * 2**exponent)`` for an integer i. The exponent is the least at which the range
fits ``MAX_BINS`` bins; where the range grows, neighbours are merged in pairs. Bins of one exponent nest in those of
the next, so the result depends on the numbers alone, not on the order or the blocks they came in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.kernel.selection import current_kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_BINS = 512
"""A range fills more than half of them, where its numbers can be distinguished."""
_FLOAT_BITS = 45
"""A bin is no narrower than the largest magnitude divided by two to this power: indices stay exact in float64."""
_INTEGER_BITS = 62
_LEAST_EXPONENT = -1000


@dataclass(frozen=True, slots=True)
class Bins:
    """Counts in adjacent bins, of which the first and the last are not empty."""

    exponent: int
    first: int
    """Index of the first bin."""
    counts: tuple[int, ...]

    def __add__(self, other: Bins) -> Bins:
        exponent = max(self.exponent, other.exponent)
        while True:
            one, two = self.coarsened(exponent), other.coarsened(exponent)
            first = min(one.first, two.first)
            size = max(one.first + len(one.counts), two.first + len(two.counts)) - first
            if size <= MAX_BINS:
                break
            exponent += 1
        counts = [0] * size
        for part in (one, two):
            for at, count in enumerate(part.counts, part.first - first):
                counts[at] += count
        return Bins(exponent, first, tuple(counts))

    def coarsened(self, exponent: int) -> Bins:
        """Return the same counts in wider bins.

        Args:
            exponent: Of the result, at least this one's.

        Returns:
            The bins.
        """
        shift = exponent - self.exponent
        if shift == 0:
            return self
        first = self.first >> shift
        counts = [0] * (((self.first + len(self.counts) - 1) >> shift) - first + 1)
        for at, count in enumerate(self.counts, self.first):
            counts[(at >> shift) - first] += count
        return Bins(exponent, first, tuple(counts))


def count_bins(numbers: NDArray[Any], weights: NDArray[Any] | None = None) -> Bins | None:
    """Count numbers in bins.

    Args:
        numbers: Shape (n,), integers or finite floats.
        weights: How often each occurs, shape (n,), at least 1.

    Returns:
        The bins; None without numbers.
    """
    if not numbers.size:
        return None
    least, greatest = numbers.min().item(), numbers.max().item()
    exponent = _exponent(least, greatest)
    first = _index(least, exponent)
    blocks = current_kernel().blocks
    if blocks is not None and weights is None:
        found = blocks.bin(numbers, exponent, first, _index(greatest, exponent) - first + 1)
        if found is not None:
            return Bins(exponent, first, tuple(found.tolist()))
    if numbers.dtype.kind == "f":
        position = np.ldexp(numbers.astype(np.float64), -exponent)
        index = np.floor(position).astype(np.int64) - ((position == 0) & (numbers < 0))
    else:
        index = (numbers >> numbers.dtype.type(exponent)).astype(np.int64)
    # Weights go through float64, exact up to 2**53 cells.
    counts = np.bincount(index - first, weights)
    return Bins(exponent, first, tuple(int(count) for count in counts))


def _index(number: float, exponent: int) -> int:
    """Return the bin of a number. A negative one so small that ``ldexp`` makes it 0 is below 0 all the same."""
    if isinstance(number, int):
        return number >> exponent
    position = math.ldexp(number, -exponent)
    return math.floor(position) - (position == 0 and number < 0)


def _exponent(least: float, greatest: float) -> int:
    """Return the least exponent that fits a range; it never decreases when the range grows."""
    magnitude = max(abs(least), abs(greatest))
    if isinstance(magnitude, int):
        exponent = max(0, magnitude.bit_length() - _INTEGER_BITS)
    elif magnitude == 0:
        exponent = _LEAST_EXPONENT
    else:
        exponent = max(math.frexp(magnitude)[1] - _FLOAT_BITS, _LEAST_EXPONENT)
    while _index(greatest, exponent) - _index(least, exponent) >= MAX_BINS:
        exponent += 1
    return exponent
