"""Tables of codes: what codes mean and which colour they have, as compiled kernels read it.

Each table has the fields of the struct of the same name in ``source/pixels.h``, which explains them. A table
belongs to a packing or a palette; ``structs`` gives it addresses, the processor's or a GPU's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core import process
from lazytile.pyramid.kernel.painting import between_table, code_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lazytile.colormaps.compiled.palette import Palette
    from lazytile.pyramid.core.packing import Packing

MAX_MISSING = 8
"""Most codes in the list of ``NoData``."""
MAX_STEPS = 4
"""Most steps of a conversion of units."""
BUCKETS = 1024
"""In which a search begins."""
INDEX8, INDEX16, VALUE = 0, 1, 2
"""What comes out: palette indices of 8 or 16 bits, or values."""
_DTYPES: dict[int, np.dtype[Any]] = {
    INDEX8: np.dtype(np.uint8),
    INDEX16: np.dtype(np.uint16),
    VALUE: np.dtype(np.float64),
}
TYPES = {"int8": 0, "uint8": 1, "int16": 2, "uint16": 3, "float32": 4, "float64": 5}
"""Numbers of the types of codes."""
_STEPS = {"add": 0, "subtract": 1, "multiply": 2, "divide": 3}


@dataclass(frozen=True, slots=True, eq=False)
class NoDataTable:
    """Which codes are no data."""

    valid_min: float
    valid_max: float
    missing_value: tuple[float, ...]
    low: int
    high: int
    missing: tuple[int, ...]
    nbytes: int = 200
    kept: dict[str, Any] = field(default_factory=dict)
    """The struct that a kernel makes of it, once."""

    @classmethod
    def of(cls, packing: Packing) -> NoDataTable | None:
        """Return the table of a packing.

        Args:
            packing: The packing.

        Returns:
            The table; None where it has no room for the codes, or no code is data.
        """
        if np.dtype(packing.dtype).kind == "f":
            low, high = packing.limits()
            values = tuple(code for code in packing.missing if code == code)  # noqa: PLR0124 - not NaN
            if len(values) > MAX_MISSING:
                return None
            ends = (-np.inf if low is None else float(low), np.inf if high is None else float(high))
            return cls(*ends, values, 0, 0, ())
        info = np.iinfo(packing.dtype)
        least, greatest = packing.limits()
        low = int(info.min if least is None else least)
        high = int(info.max if greatest is None else greatest)
        inside = sorted({int(code) for code in packing.missing if low <= code <= high})
        while inside and inside[0] == low:
            low = inside.pop(0) + 1
        while inside and inside[-1] == high:
            high = inside.pop() - 1
        if len(inside) > MAX_MISSING or low > high:
            return None
        return cls(0.0, 0.0, (), low, high, tuple(inside))


@dataclass(frozen=True, slots=True, eq=False)
class OutputTable:
    """From codes to what comes out."""

    exact: NDArray[np.uint16] | None
    between: NDArray[np.uint16] | None
    cuts: NDArray[np.float64]
    slots: NDArray[np.uint16]
    start: NDArray[np.int32]
    scale: float
    offset: float
    first: float
    per_bucket: float
    steps: tuple[tuple[int, float], ...]
    kind: int
    kept: dict[str, Any] = field(default_factory=dict)
    """The struct that a kernel makes of it, once."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of what comes out."""
        return _DTYPES[self.kind]

    @property
    def arrays(self) -> tuple[NDArray[Any] | None, ...]:
        """The arrays that the struct points to, in its order."""
        return (self.exact, self.between, self.cuts, self.slots, self.start)

    @property
    def nbytes(self) -> int:
        """Bytes in memory, those of the struct included."""
        return sum(array.nbytes for array in self.arrays if array is not None) + 600

    @classmethod
    def of_values(cls, packing: Packing) -> OutputTable:
        """Return the table of values: decoded codes.

        Args:
            packing: Of the codes.

        Returns:
            The table.
        """
        nothing = np.zeros(1, np.uint16)
        start = np.zeros(BUCKETS + 1, np.int32)
        scale, offset = packing.scale_factor, packing.add_offset
        return cls(None, None, np.zeros(1), nothing, start, scale, offset, 0.0, 0.0, (), VALUE)

    @classmethod
    def of_palette(cls, palette: Palette, packing: Packing) -> OutputTable:
        """Return the table of a palette.

        Args:
            palette: The palette, whose conversion has at most ``MAX_STEPS`` steps.
            packing: Of the codes.

        Returns:
            The table.
        """
        exact = between = None
        if packing.has_table:
            exact = code_table(palette, packing).astype(np.uint16)
            if palette.is_indexed:
                table = between_table(palette, packing)
                flagged = table.index.astype(np.uint16) | (table.is_cut.astype(np.uint16) << 8)
                between = np.append(flagged, np.uint16(0))
        first, per_bucket, start = _buckets(palette.cuts)
        cuts = np.append(palette.cuts, np.nan)
        steps = tuple((_STEPS[name], operand) for name, operand in palette.conversion.steps)
        slots = np.ascontiguousarray(palette.slots, np.uint16)
        kind = INDEX8 if palette.is_indexed else INDEX16
        scale, offset = packing.scale_factor, packing.add_offset
        return cls(exact, between, cuts, slots, start, scale, offset, first, per_bucket, steps, kind)


def _buckets(cuts: NDArray[np.float64]) -> tuple[float, float, NDArray[np.int32]]:
    """Return the start of the first bucket, buckets per unit of value, and the cuts below each bucket."""
    finite = cuts[np.isfinite(cuts)]
    first = float(finite[0]) if finite.size else 0.0
    span = float(finite[-1]) - first if finite.size else 0.0
    per_bucket = (BUCKETS - 2) / span if 0.0 < span < 1e300 and (BUCKETS - 2) / span < 1e300 else 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        place = (cuts - first) * per_bucket
    # As the kernel rounds and clips: infinity times 0, which is NaN, goes into the first bucket.
    bucket = np.clip(np.nan_to_num(place, nan=0.0, posinf=BUCKETS - 1, neginf=0.0), 0, BUCKETS - 1).astype(np.int64)
    return first, per_bucket, np.searchsorted(bucket, np.arange(BUCKETS + 1), side="left").astype(np.int32)


def nodata_table(packing: Packing) -> NoDataTable | None:
    """Return the table of a packing, kept in the cache of tables.

    Args:
        packing: The packing.

    Returns:
        As ``NoDataTable.of``.
    """
    found: _Found = process.cache("tables").get(("no data", packing), lambda: _Found(NoDataTable.of(packing)))
    return found.table


@dataclass(frozen=True, slots=True)
class _Found:
    table: NoDataTable | None
    nbytes: int = 600


def output_table(palette: Palette | None, packing: Packing) -> OutputTable:
    """Return the table of what comes out, kept in the cache of tables.

    Args:
        palette: As for ``OutputTable.of_palette``; None: values come out.
        packing: Of the codes.

    Returns:
        The table.
    """

    def make() -> OutputTable:
        return OutputTable.of_values(packing) if palette is None else OutputTable.of_palette(palette, packing)

    key = ("output", None if palette is None else palette.key, packing)
    table: OutputTable = process.computed("tables", key, make)
    return table


def is_injective(packing: Packing) -> bool:
    """Return whether different integer codes have different values.

    Args:
        packing: Of codes of 8 or 16 bits.

    Returns:
        False where an offset so large that it swallows the steps between codes makes values equal.
    """
    found: _Answer = process.computed("tables", ("injective", packing), lambda: _Answer(_is_injective(packing)))
    return found.is_so


@dataclass(frozen=True, slots=True)
class _Answer:
    is_so: bool
    nbytes: int = 100


def _is_injective(packing: Packing) -> bool:
    values = packing.all_codes().astype(np.float64) * packing.scale_factor + packing.add_offset
    return bool(np.unique(values).size == values.size)
