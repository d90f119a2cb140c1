"""Even cuts: where the bin of a value follows from a subtraction and a multiplication, without a search.

The guess ``floor((value - first) * per_step)`` never falls as the value rises: each of its steps is rounded, and
rounding preserves order. So the guesses at every cut and at the float64 just below it bound those between, and
compiling a palette proves for every value whether the guess is right or at most one bin off.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

_FEWEST = 4
"""With fewer cuts a search costs no more."""


@dataclass(frozen=True, slots=True)
class EvenCuts:
    """How to guess the number of cuts at or below a value."""

    first: float
    per_step: float
    """Bins per unit of value."""
    below: float
    """The float64 just below the first cut; lower values count as this one."""
    last: float
    """The last cut; higher values count as this one."""
    is_exact: bool
    """Whether the guess is always right; else it is at most one off, and is compared with the cuts around it."""
    has_infinite_cut: bool = False
    """Whether one more cut stands at +inf, which an interval such as ``[32,+INF)`` does not hold."""

    def count(self, xp: ModuleType, cuts: NDArray[np.float64], values: NDArray[Any], nan: NDArray[Any]) -> NDArray[Any]:
        """Return how many cuts are at or below each value, as ``searchsorted(cuts, values, side="right")`` would.

        Args:
            xp: The module of the values.
            cuts: On the host.
            values: Any shape.
            nan: Which values are NaN; they count as below all cuts.

        Returns:
            Counts, the shape of ``values``.
        """
        inside = xp.where(nan, self.below, xp.clip(values, self.below, self.last))
        counted = self._guess(xp, inside).astype(np.int64)
        if self.has_infinite_cut:
            counted = counted + (values == math.inf)
        if self.is_exact:
            return counted
        # The cut below and the cut above, where there are any: nothing is less than -inf, or at least NaN.
        around = xp.asarray(np.concatenate([[-math.inf], cuts, [math.nan]]))
        too_high = values < xp.take(around, counted)
        too_low = values >= xp.take(around, counted + 1)
        corrected: NDArray[Any] = counted - too_high + too_low
        return corrected

    def _guess(self, xp: ModuleType, inside: NDArray[Any]) -> NDArray[Any]:
        guess: NDArray[Any] = xp.floor((inside - self.first) * self.per_step) + 1.0
        return guess


def even_cuts(cuts: NDArray[np.float64]) -> EvenCuts | None:
    """Return how to guess the number of cuts below a value.

    Args:
        cuts: Ascending, float64.

    Returns:
        None where only a search is right.
    """
    if len(cuts) and cuts[-1] == math.inf:
        even = even_cuts(cuts[:-1])
        return None if even is None else replace(even, has_infinite_cut=True)
    if len(cuts) < _FEWEST:
        return None
    span = float(cuts[-1]) - float(cuts[0])
    per_step = (len(cuts) - 1) / span if 0.0 < span < 1e300 else math.inf
    if not per_step < 1e300:
        return None
    below = float(np.nextafter(cuts[0], -np.inf))
    candidates = [
        # A factor one ulp to either side may be exact where the nearest is not.
        EvenCuts(float(cuts[0]), float(factor), below, float(cuts[-1]), is_exact=True)
        for factor in (per_step, np.nextafter(per_step, np.inf), np.nextafter(per_step, 0.0))
    ]
    exact = next((candidate for candidate in candidates if _largest_error(candidate, cuts) == 0), None)
    if exact is None and _largest_error(candidates[0], cuts) <= 1:
        return replace(candidates[0], is_exact=False)
    return exact


def _largest_error(even: EvenCuts, cuts: NDArray[np.float64]) -> int:
    """Return how far off the guess can be for any value: it is largest at a cut or just below one."""
    at = np.arange(1, len(cuts) + 1)
    guessed_at = even._guess(np, cuts)  # noqa: SLF001
    guessed_below = even._guess(np, np.nextafter(cuts, -np.inf))  # noqa: SLF001
    return int(max(np.abs(guessed_at - at).max(), np.abs(guessed_below - (at - 1)).max()))
