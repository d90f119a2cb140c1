"""Codes of one packing as codes of another, for sources whose packing differs from step to step.

The steps of a series, and the bands of a variable with a list of scales, are stored as one array, which has one
packing. It is one that loses nothing: integers where all scales and offsets are whole multiples of the finest one,
else floats, in float32 where that holds every code exactly enough (24 bits for codes of 16), else in float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.packing import Packing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_WHOLE = 1e-6
"""How far a multiple of a scale may be from a whole number: attributes are often float32."""


@dataclass(frozen=True, slots=True)
class Recoding:
    """The packings of a source's steps, and the one in which all are stored."""

    target: Packing
    steps: tuple[Packing, ...]
    """One for each step of the source along ``axis``; a single one is that of all steps."""
    axis: int = 0
    """Position among the leading dimensions."""

    def apply(self, codes: NDArray[Any], steps: Sequence[int]) -> NDArray[Any]:
        """Return codes in the packing of the store.

        Args:
            codes: Shape (*leading, rows, cols), as the source packs them.
            steps: Of the source, of the codes along ``axis``.

        Returns:
            Codes of ``target``, the same shape.
        """
        if len(self.steps) == 1:
            return recode(codes, self.steps[0], self.target)
        planes = np.moveaxis(codes, self.axis, 0)
        found = [recode(plane, self.steps[step], self.target) for plane, step in zip(planes, steps, strict=True)]
        return np.moveaxis(np.stack(found), 0, self.axis)


def recode(codes: NDArray[Any], source: Packing, target: Packing) -> NDArray[Any]:
    """Return codes of one packing as codes of another.

    Args:
        codes: Any shape, of the dtype of ``source``.
        source: Their packing.
        target: A packing that ``common_packing`` returned for ``source`` and others.

    Returns:
        Codes of ``target``, the same shape; its fill code where there is no data.
    """
    if source == target:
        return codes
    dtype = np.dtype(target.dtype)
    fill = target.fill_code
    missing = source.is_missing(codes)
    if dtype.kind == "f":
        values = source.decode(codes)
        found: NDArray[Any] = ((values - target.add_offset) / target.scale_factor).astype(dtype)
    elif (source.scale_factor, source.add_offset) == (target.scale_factor, target.add_offset):
        found = codes.astype(dtype)
    else:
        values = codes.astype(np.float64) * source.scale_factor + source.add_offset
        found = np.rint((values - target.add_offset) / target.scale_factor).astype(dtype)
    if fill is not None:
        found[missing] = fill
    return found


def common_packing(packings: Sequence[Packing]) -> Packing:
    """Return a packing in which the values of all others can be stored without loss.

    Args:
        packings: At least one.

    Returns:
        The packing itself where all are the same; else one of integers if there is one, else of floats.
    """
    first = packings[0]
    if all(each == first for each in packings):
        return first
    whole = _integers(packings)
    if whole is not None:
        return whole
    wide = any(np.dtype(each.dtype).itemsize > (2 if np.dtype(each.dtype).kind in "iu" else 4) for each in packings)
    return Packing("float64" if wide else "float32")


def _integers(packings: Sequence[Packing]) -> Packing | None:
    """Return a packing of integers in whose steps all codes are whole; None where there is none."""
    if any(np.dtype(each.dtype).kind == "f" for each in packings):
        return None
    finest = min(packings, key=lambda each: abs(each.scale_factor))
    scale, offset = finest.scale_factor, finest.add_offset
    ends: list[int] = []
    for each in packings:
        ratio, shift = each.scale_factor / scale, (each.add_offset - offset) / scale
        if abs(ratio - round(ratio)) > _WHOLE or abs(shift - round(shift)) > _WHOLE or not math.isfinite(shift):
            return None
        limits = np.iinfo(each.dtype)
        if abs(ratio - round(ratio)) * max(abs(limits.min), limits.max) > _WHOLE * max(1, abs(ratio)):
            return None
        ends += [round(ratio) * int(end) + round(shift) for end in (limits.min, limits.max)]
    same = {each.dtype for each in packings} == {finest.dtype} and min(ends) >= np.iinfo(finest.dtype).min
    shared = [code for code in finest.missing if all(code in each.missing for each in packings)]
    if same and max(ends) <= np.iinfo(finest.dtype).max and shared:
        return Packing(finest.dtype, scale, offset, (shared[0],))
    for dtype in ("int16", "int32"):
        # The least code of the type is kept for no data.
        if np.iinfo(dtype).min < min(ends) and max(ends) <= np.iinfo(dtype).max:
            return Packing(dtype, scale, offset, (int(np.iinfo(dtype).min),))
    return None
