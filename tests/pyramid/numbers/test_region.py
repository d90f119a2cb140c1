"""Which cells lie in a region: as counting crossings row by row says, to the last bit of every crossing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lazytile.pyramid.numbers import region
from lazytile.pyramid.numbers.region import Edges


def slow_mask(edges: Edges, xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
    """Count the crossings to the west of each point."""
    inside = np.zeros((ys.size, xs.size), np.bool_)
    for row, y in enumerate(ys):
        crosses = (edges.y1 <= y) != (edges.y2 <= y)
        x1, y1 = edges.x1[crosses], edges.y1[crosses]
        at = np.sort(x1 + (y - y1) / (edges.y2[crosses] - y1) * (edges.x2[crosses] - x1))
        inside[row] = np.searchsorted(at, xs, side="right") & 1
    return inside


@pytest.mark.parametrize("compared", [1, 40, 1 << 20])
@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), points=st.integers(1, 30), rows=st.integers(0, 30), cols=st.integers(0, 40))
def test_the_cells_of_any_region(compared: int, seed: int, points: int, rows: int, cols: int) -> None:
    random = np.random.default_rng(seed)
    # On a coarse lattice, so that points lie on corners and edges too.
    ring = random.integers(-6, 7, (points, 2)) / random.choice([1.0, 2.0, 3.0])
    edges = Edges(ring[:, 0], ring[:, 1], np.roll(ring[:, 0], -1), np.roll(ring[:, 1], -1))
    xs = np.sort(random.integers(-14, 15, cols) / 2.0)
    ys = random.integers(-14, 15, rows) / 2.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(region, "_COMPARED", compared)
        np.testing.assert_array_equal(edges.mask(xs, ys), slow_mask(edges, xs, ys), strict=True)
