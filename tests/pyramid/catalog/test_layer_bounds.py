"""The bounds of a layer in the CRSs of sets, against pyproj's bounds of the same area."""

from __future__ import annotations

import pyproj
import pytest

from lazytile.pyramid.catalog.layer_bounds import bounds_in, clipped_bounds, is_global
from lazytile.pyramid.core.grid import Bounds, Grid, RegularAxis, Shape
from lazytile.pyramid.core.packing import Packing
from lazytile.pyramid.store.dataset import Dataset, Variable
from lazytile.pyramid.store.layer import Layer
from lazytile.pyramid.tiling.tms import REGISTERED


def layer_of(west, south, east, north):
    grid = Grid(
        "EPSG:4326", RegularAxis(west, (east - west) / 100, 100), RegularAxis(north, (south - north) / 100, 100)
    )
    variable = Variable("t", (), Packing("int16"))
    return Layer(Dataset("d", "g", grid, 1, Shape(256, 256), (variable,), title="T", source="f"), variable)


@pytest.mark.parametrize(
    ("area", "name"),
    [((-40.0, 60.0, 10.0, 75.0), "EPSG3413_1km"), ((100.0, 65.0, 130.0, 80.0), "EPSG3413_1km")],
)
def test_a_region_in_a_polar_set_is_little_larger_than_its_hull(area, name):
    tms = REGISTERED[name]
    found = bounds_in(layer_of(*area), tms)
    exact = pyproj.Transformer.from_crs("EPSG:4326", tms.crs, always_xy=True).transform_bounds(*area, densify_pts=500)
    width, height = exact[2] - exact[0], exact[3] - exact[1]
    assert exact[0] - width * 0.02 < found.west <= exact[0]
    assert exact[1] - height * 0.02 < found.south <= exact[1]
    assert exact[2] <= found.east < exact[2] + width * 0.02
    assert exact[3] <= found.north < exact[3] + height * 0.02


def test_bounds_end_at_the_set():
    tms = REGISTERED["EPSG3413_1km"]
    assert bounds_in(layer_of(-180.0, 40.0, 180.0, 90.0), tms) == tms.bounds
    assert bounds_in(layer_of(-10.0, -60.0, 10.0, -40.0), tms) == tms.bounds  # nothing of it is in the set


def test_web_mercator_ends_at_its_square():
    half = 20037508.342789244
    found = bounds_in(layer_of(-180.0, -90.0, 180.0, 90.0), REGISTERED["WebMercatorQuad"])
    assert (found.west, found.south, found.east, found.north) == pytest.approx((-half, -half, half, half))
    found = bounds_in(layer_of(0.0, 0.0, 90.0, 45.0), REGISTERED["WebMercatorQuad"])
    assert (found.west, found.south, found.east, found.north) == pytest.approx(
        (0.0, 0.0, half / 2, 5621521.486192066), abs=1e-6
    )


def test_data_across_180_degrees_is_as_wide_as_the_globe():
    assert clipped_bounds(layer_of(170.0, -10.0, 190.0, 10.0)) == Bounds(-180.0, -10.0, 180.0, 10.0)
    assert clipped_bounds(layer_of(-10.0, -10.0, 10.0, 10.0)) == Bounds(-10.0, -10.0, 10.0, 10.0)


@pytest.mark.parametrize(
    ("area", "expected"),
    [
        ((-180.0, -90.0, 180.0, 90.0), True),
        ((-179.5, -80.0, 179.5, 80.0), True),
        ((-179.4, -80.0, 179.4, 80.0), False),
        ((-180.0, -79.9, 180.0, 80.0), False),
        ((-180.0, -80.0, 180.0, 79.9), False),
    ],
)
def test_a_layer_is_global_from_80_degrees_south_to_80_north(area, expected):
    assert is_global(layer_of(*area)) is expected
