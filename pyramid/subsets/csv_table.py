"""A box of cells as a table (RFC 4180): a row for each cell and step."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.core.stop_flag import StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lazytile.pyramid.core.packing import Packing
    from lazytile.pyramid.subsets.subset import Subset

_BLOCK = 4096
"""Cells between two looks at whether to stop."""


def csv_table(subset: Subset, is_stopped: Callable[[], bool] = lambda: False) -> bytes:
    """Write cells as CSV.

    Args:
        subset: The cells.
        is_stopped: Called again and again; True stops writing.

    Returns:
        The table in UTF-8. Columns: the time, longitude and latitude of the centre, in another CRS x and y too, other
        dimensions, the value and its units. A cell without data has an empty value. Only cells in the box are listed.

    Raises:
        StoppedError: ``is_stopped`` returned True.
    """
    window, variable = subset.window, subset.variable
    time = variable.time
    others = [dimension for dimension in variable.dimensions if dimension is not time]
    is_native = not window.grid.is_geographic
    stream = io.StringIO()
    writer = csv.writer(stream)
    names = [dimension.name for dimension in others]
    writer.writerow(["time", "longitude", "latitude", *(("x", "y") if is_native else ()), *names, "value", "units"])
    inside = np.ones((window.rows, window.cols), np.bool_) if window.mask is None else window.mask
    columns = [*subset.places(), *(np.meshgrid(window.x, window.y) if is_native else ())]
    places = list(zip(*([f"{each:.10g}" for each in column[inside].tolist()] for column in columns), strict=True))
    times = [""] * len(subset.indices) if time is None else subset.labels(time)
    for step, label in enumerate(times):
        values = _texts(subset.codes[step][inside], variable.packing)
        rest = [subset.labels(dimension)[step] for dimension in others]
        for first in range(0, len(places), _BLOCK):
            if is_stopped():
                raise StoppedError
            block = zip(places[first : first + _BLOCK], values[first : first + _BLOCK], strict=True)
            writer.writerows([label, *place, *rest, value, variable.units] for place, value in block)
    return stream.getvalue().encode()


def _texts(codes: NDArray[np.generic], packing: Packing) -> list[str]:
    """Return the value of each code as text, without the digits that packing adds; empty for no data."""
    distinct, inverse = np.unique(codes, return_inverse=True)
    dtype, is_plain = np.dtype(packing.dtype), packing.scale_factor == 1.0 and packing.add_offset == 0.0
    if is_plain:
        texts = [str(code) if dtype.kind == "f" else str(int(code)) for code in distinct]
    else:
        texts = [f"{value:.12g}" for value in packing.decode(distinct).tolist()]
    shown = np.where(packing.is_missing(distinct), "", np.array(texts, object))
    found: list[str] = shown[inverse].tolist()
    return found
