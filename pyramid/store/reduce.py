"""Reducing a level to the next coarser one: each cell stands for a 2x2 block of the finer level, no-data left out.

Kernels take the array module from their arrays (NumPy or CuPy). The blocks are aligned at cell (0, 0); where the number
of rows or columns is odd, the last blocks have only two cells or one.

- ``mean``: of the cells that hold data, in packed units. Integers are exact, halves are rounded to even; floats are
  summed in float64 in row-major order.
- ``mode``: the most frequent code among the cells that hold data; of equally frequent ones the first in row-major
  order.
- ``nearest``: the first cell in row-major order that holds data.
- ``min``, ``max``: of the values that are data.

A block without data gets the packing's fill code, or its first cell's where the packing has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.array_backend import array_module
from lazytile.pyramid.kernel.selection import current_kernel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lazytile.pyramid.core.packing import Packing

    Cells = Sequence[NDArray[Any]]

STRIP_CELLS = 1 << 18
"""Cells reduced at a time, so that temporaries stay in a processor's cache."""


def reduce_level(codes: NDArray[Any], packing: Packing, reduction: str) -> NDArray[Any]:
    """Return the next coarser level.

    Args:
        codes: Shape (rows, cols), the packing's dtype.
        packing: Of the codes.
        reduction: One of ``dataset.REDUCTIONS``.

    Returns:
        Shape (ceil(rows / 2), ceil(cols / 2)), same dtype.
    """
    xp = array_module(codes)
    blocks = current_kernel().blocks if xp is np else None
    if blocks is not None and (found := blocks.reduce(codes, packing, reduction)) is not None:
        return found
    rows, cols = codes.shape
    half_rows, half_cols = rows // 2, cols // 2
    result: NDArray[Any] = xp.empty((rows - half_rows, cols - half_cols), codes.dtype)
    even = codes[: half_rows * 2, : half_cols * 2]
    step = max(1, STRIP_CELLS // max(1, 2 * cols))
    for start in range(0, half_rows, step):
        strip = even[2 * start : 2 * (start + step)]
        cells = (strip[0::2, 0::2], strip[0::2, 1::2], strip[1::2, 0::2], strip[1::2, 1::2])
        result[start : start + len(cells[0]), :half_cols] = reduce_cells(cells, packing, reduction)
    if cols % 2:
        side = codes[: half_rows * 2, -1]
        result[:half_rows, -1] = reduce_cells((side[0::2], side[1::2]), packing, reduction)
    if rows % 2:
        bottom = codes[-1, : half_cols * 2]
        result[-1, :half_cols] = reduce_cells((bottom[0::2], bottom[1::2]), packing, reduction)
    if rows % 2 and cols % 2:
        result[-1:, -1:] = reduce_cells((codes[-1:, -1:],), packing, reduction)
    return result


def reduce_cells(cells: Cells, packing: Packing, reduction: str) -> NDArray[Any]:
    """Reduce arrays cell by cell.

    Args:
        cells: One, two or four arrays of equal shape and the packing's dtype.
        packing: Of the codes.
        reduction: One of ``dataset.REDUCTIONS``.

    Returns:
        The same shape and dtype.
    """
    xp = array_module(cells[0])
    valid = _valid(cells, packing)
    with np.errstate(all="ignore"):  # infinities and NaN that hold no data
        if packing.scale_factor < 0:
            reduction = _MIRRORED.get(reduction, reduction)
        reduced: NDArray[Any] = _KERNELS[reduction](xp, cells, valid, packing.fill_code)
    return reduced


_MIRRORED = {"min": "max", "max": "min"}
"""The smallest value has the largest code where the scale is negative."""


def _valid(cells: Cells, packing: Packing) -> list[NDArray[np.bool_]] | None:
    """Return which cells hold data; None where all do."""
    if cells[0].dtype.kind != "f" and not packing.missing and packing.valid_min is None and packing.valid_max is None:
        return None
    return [holds_data(cell, packing) for cell in cells]


def holds_data(codes: NDArray[Any], packing: Packing) -> NDArray[np.bool_]:
    """Return which codes are data: the inverse of ``Packing.is_missing``, without its work for what cannot occur.

    Args:
        codes: Any shape, the packing's dtype.
        packing: Of the codes.

    Returns:
        The same shape, bool.
    """
    if codes.dtype.kind == "f":
        return ~packing.is_missing(codes)
    valid: NDArray[np.bool_] | None = None
    for code in packing.missing:
        if _inside(code, packing):
            here = codes != codes.dtype.type(code)
            valid = here if valid is None else valid & here
    for limit, above in ((packing.valid_min, True), (packing.valid_max, False)):
        if limit is not None:
            here = codes >= limit if above else codes <= limit
            valid = here if valid is None else valid & here
    return valid if valid is not None else array_module(codes).ones(codes.shape, bool)


def _inside(code: float, packing: Packing) -> bool:
    """Whether the valid range does not rule a code out already."""
    return (packing.valid_min is None or code >= packing.valid_min) and (
        packing.valid_max is None or code <= packing.valid_max
    )


def _blank(result: NDArray[Any], where: NDArray[np.bool_], cells: Cells, fill: float | None) -> None:
    """Set cells to no data."""
    result[where] = cells[0][where] if fill is None else fill


def _mean(xp: Any, cells: Cells, valid: list[NDArray[np.bool_]] | None, fill: float | None) -> NDArray[Any]:
    if cells[0].dtype.kind == "f":
        return _mean_floats(xp, cells, valid, fill)
    if cells[0].dtype.itemsize > 4:
        return _mean_wide(xp, cells, valid, fill)
    dtype = cells[0].dtype
    wide = np.int32 if dtype.itemsize <= 2 else np.int64
    count = len(cells)
    total = xp.zeros(cells[0].shape, wide)
    if valid is None:
        for cell in cells:
            total += cell
        return _halves_to_even(total, count).astype(dtype)
    held = xp.zeros(cells[0].shape, np.int8)
    for cell, good in zip(cells, valid, strict=True):
        total += cell * good
        held += good
    result = _halves_to_even(total, count).astype(dtype)
    _blank(result, held == 0, cells, fill)
    mixed = xp.nonzero((held > 0) & (held < count))
    if len(mixed[0]):
        few, sums = held[mixed].astype(wide), total[mixed]
        quotient = sums // few
        twice = 2 * (sums - quotient * few)
        up = (twice > few) | ((twice == few) & (quotient & 1).astype(bool))
        result[mixed] = (quotient + up).astype(dtype)
    return result


def _halves_to_even(total: NDArray[Any], count: int) -> NDArray[Any]:
    """Divide integers by 1, 2 or 4, halves rounded to even."""
    shift = count.bit_length() - 1
    if shift == 0:
        return total
    quotient = total >> shift
    # One above the half where the quotient is odd: then exactly the halves carry.
    rounded: NDArray[Any] = (total + ((count >> 1) - 1) + (quotient & 1)) >> shift
    return rounded


def _mean_wide(xp: Any, cells: Cells, valid: list[NDArray[np.bool_]] | None, fill: float | None) -> NDArray[Any]:
    """Return the mean of 64-bit integers: quotients and remainders are summed apart, so that no sum overflows."""
    dtype = cells[0].dtype
    good = valid or [xp.ones(cells[0].shape, bool)] * len(cells)
    held: NDArray[Any] = sum((each.astype(np.int8) for each in good), xp.zeros(cells[0].shape, np.int8))
    result: NDArray[Any] = xp.zeros(cells[0].shape, dtype)
    for count in range(1, len(cells) + 1):
        here = xp.nonzero(held == count)
        if not len(here[0]):
            continue
        divisor = dtype.type(count)
        quotient = xp.zeros(len(here[0]), dtype)
        remainder = xp.zeros(len(here[0]), dtype)
        for cell, each in zip(cells, good, strict=True):
            codes = xp.where(each[here], cell[here], dtype.type(0))
            part = codes // divisor
            quotient += part
            remainder += codes - part * divisor
        carried = remainder // divisor
        quotient += carried
        twice = 2 * (remainder - carried * divisor)
        up = (twice > divisor) | ((twice == divisor) & ((quotient & dtype.type(1)) != 0))
        result[here] = quotient + up.astype(dtype)
    if valid is not None:
        _blank(result, held == 0, cells, fill)
    return result


def _mean_floats(xp: Any, cells: Cells, valid: list[NDArray[np.bool_]] | None, fill: float | None) -> NDArray[Any]:
    good = valid or []
    total = xp.zeros(cells[0].shape, np.float64)
    held = xp.zeros(cells[0].shape, np.int8)
    for cell, each in zip(cells, good, strict=True):
        total += xp.where(each, cell, cell.dtype.type(0))
        held += each
    result: NDArray[Any] = (total / held).astype(cells[0].dtype)
    _blank(result, held == 0, cells, fill)
    return result


def _mode(xp: Any, cells: Cells, valid: list[NDArray[np.bool_]] | None, fill: float | None) -> NDArray[Any]:
    best = cells[0].copy()
    votes = xp.zeros(best.shape, np.int8)
    for index, cell in enumerate(cells):
        mine = xp.zeros(best.shape, np.int8)
        for other, each in enumerate(cells):
            mine += (cell == each) & (valid[other] if valid else True)
        if valid:
            mine *= valid[index]
        better = mine > votes
        best = xp.where(better, cell, best)
        votes = xp.where(better, mine, votes)
    if valid:
        _blank(best, votes == 0, cells, fill)
    return best


def _nearest(xp: Any, cells: Cells, valid: list[NDArray[np.bool_]] | None, fill: float | None) -> NDArray[Any]:
    if valid is None:
        return cells[0].copy()
    result: NDArray[Any] = cells[0].copy()
    _blank(result, xp.ones(result.shape, bool), cells, fill)
    for cell, good in zip(reversed(cells), reversed(valid), strict=True):
        result = xp.where(good, cell, result)
    return result


def _extreme(
    xp: Any, cells: Cells, valid: list[NDArray[np.bool_]] | None, fill: float | None, choose: Any
) -> NDArray[Any]:
    if valid is None:
        result = cells[0]
        for cell in cells[1:]:
            result = choose(result, cell)
        return result.copy()
    result, held = cells[0], valid[0]
    for cell, good in zip(cells[1:], valid[1:], strict=True):
        result = xp.where(held & good, choose(result, cell), xp.where(good, cell, result))
        held = held | good
    result = result.copy()
    _blank(result, ~held, cells, fill)
    return result


def _min(xp: Any, cells: Cells, valid: list[NDArray[np.bool_]] | None, fill: float | None) -> NDArray[Any]:
    return _extreme(xp, cells, valid, fill, xp.minimum)


def _max(xp: Any, cells: Cells, valid: list[NDArray[np.bool_]] | None, fill: float | None) -> NDArray[Any]:
    return _extreme(xp, cells, valid, fill, xp.maximum)


_KERNELS = {"mean": _mean, "mode": _mode, "nearest": _nearest, "min": _min, "max": _max}
