"""Cell edges from the centres in files."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.sources.cf.axes import latitude_axis, longitude_axis


def test_mur_longitudes_are_exact() -> None:
    found = longitude_axis((-179.99 + 0.01 * np.arange(36000)).astype("f4"), "lon")
    assert found.axis.first_edge == -179.995
    assert found.axis.cell_size == 0.01
    assert found.axis.length == 36000
    assert not found.flipped


def test_mur_latitudes_are_exact_and_flipped() -> None:
    found = latitude_axis((-89.99 + 0.01 * np.arange(17999)).astype("f4"), "lat")
    assert found.axis.first_edge == 89.995
    assert found.axis.cell_size == -0.01
    assert found.axis.last_edge == pytest.approx(-89.995, abs=1e-9)
    assert found.flipped
    assert found.source_range(0, 5) == (17994, 17999)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@given(
    cell=st.sampled_from([0.01, 0.05, 0.125, 0.25, 0.5, 0.625, 1.0, 2.5, 1 / 3, 1 / 12, 1 / 24]),
    start=st.integers(-700, 700),
    count=st.integers(16, 200),
    down=st.booleans(),
)
def test_round_numbers_come_back(dtype: str, cell: float, start: int, count: int, down: bool) -> None:
    edge = start * cell / 2
    if edge + count * cell > 360 or edge < -180 or count * cell > 360:
        return
    centres = (edge + (np.arange(count) + 0.5) * cell).astype(dtype)
    found = longitude_axis(centres[::-1] if down else centres, "lon")
    assert found.flipped is down
    assert found.axis.cell_size == pytest.approx(cell, rel=1e-12)
    assert found.axis.first_edge == pytest.approx(edge, abs=1e-9)
    assert (np.abs(found.axis.centres() - centres.astype("f8")) < 0.01 * cell).all()


def test_longitudes_continue_across_a_seam() -> None:
    found = longitude_axis(np.array([178.0, 179, -180, -179]), "lon")
    assert (found.axis.first_edge, found.axis.last_edge) == (177.5, 181.5)
    found = longitude_axis(np.array([358.5, 359.5, 0.5, 1.5]), "lon")
    assert (found.axis.first_edge, found.axis.last_edge) == (358.0, 362.0)


def test_columns_past_the_full_circle_are_dropped() -> None:
    found = longitude_axis(20 + np.arange(1081) / 3, "lon")
    assert found.axis.length == 1080
    assert found.dropped == 1
    assert found.axis.last_edge - found.axis.first_edge == pytest.approx(360, abs=1e-9)
    flipped = longitude_axis((20 + np.arange(1081) / 3)[::-1], "lon")
    assert flipped.source_range(0, 1080) == (1, 1081)


def test_the_step_of_a_full_circle_is_exact() -> None:
    found = longitude_axis(np.arange(4320) * 0.0833341, "lon")
    assert found.axis.cell_size == 360 / 4320


def test_irregular_axes_are_refused_with_the_deviation() -> None:
    with pytest.raises(
        SourceError, match=r"not regular: centres lie up to .* cells from even steps .* 0\.05 cells are allowed"
    ):
        latitude_axis(np.array([0.0, 1, 2, 3.3, 4]), "latitude lat")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.0, np.nan, 2.0], "missing or not finite"),
        ([5.0, 5.0], "neither rises nor falls"),
        ([5.0], "one value and no bounds"),
        ([], "no values"),
        ([80.0, 90.0, 100.0], r"within -90\.\.90"),
    ],
)
def test_bad_axes_are_refused_with_the_reason(values: list[float], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        latitude_axis(np.array(values), "lat")


def test_one_cell_takes_its_bounds() -> None:
    assert latitude_axis(np.array([45.0]), "lat", np.array([[44.0, 46.0]])).axis.first_edge == 46.0
    assert longitude_axis(np.array([45.0]), "lon", np.array([[44.0, 46.0]])).axis.last_edge == 46.0
