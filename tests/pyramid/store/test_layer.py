"""Where on the globe a layer lies."""

import numpy as np
import pyproj
import pytest

from lazytile.pyramid.core.grid import Bounds, Grid, RegularAxis, Shape
from lazytile.pyramid.core.packing import Packing
from lazytile.pyramid.store.dataset import Dataset, Variable
from lazytile.pyramid.store.layer import Layer


def layer_of(crs, west, dx, cols, north, dy, rows):
    grid = Grid(crs, RegularAxis(west, dx, cols), RegularAxis(north, -dy, rows))
    variable = Variable("t", (), Packing("int16"))
    return Layer(Dataset("d", "g", grid, 1, Shape(256, 256), (variable,), title="T", source="f"), variable)


def bounds_of(*arguments):
    return layer_of(*arguments).geographic_bounds()


def outline(crs, west, east, south, north):
    """Longitudes, from 0 to 360, and latitudes of the edge of an area, by pyproj point by point."""
    x, y = np.linspace(west, east, 65), np.linspace(south, north, 65)
    xs = np.concatenate([x, x, np.full(65, west), np.full(65, east)])
    ys = np.concatenate([np.full(65, south), np.full(65, north), y, y])
    longitudes, latitudes = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(xs, ys)
    return longitudes % 360, latitudes


@pytest.mark.parametrize(
    ("arguments", "bounds"),
    [
        (("EPSG:4326", -10.0, 0.5, 40, 50.0, 0.5, 20), Bounds(-10.0, 40.0, 10.0, 50.0)),
        (("EPSG:4326", 170.0, 0.5, 40, 50.0, 0.5, 20), Bounds(170.0, 40.0, 190.0, 50.0)),
        (("EPSG:4326", 180.0, 0.5, 40, 50.0, 0.5, 20), Bounds(-180.0, 40.0, -160.0, 50.0)),
        (("EPSG:4326", 0.0, 1.0, 360, 90.5, 1.0, 181), Bounds(-180.0, -90.0, 180.0, 90.0)),
    ],
)
def test_geographic_grids(arguments, bounds):
    assert bounds_of(*arguments) == bounds


def test_web_mercator():
    half = 20037508.342789244
    found = bounds_of("EPSG:3857", -half, half / 90, 180, half, half / 90, 180)
    assert (found.west, found.east) == pytest.approx((-180.0, 180.0))
    assert (found.south, found.north) == pytest.approx((-85.0511287798066, 85.0511287798066))


@pytest.mark.parametrize("crs", ["EPSG:32631", "EPSG:32660", "EPSG:32601"], ids=["Greenwich", "zone 60", "zone 1"])
def test_projected_grids_on_both_sides_of_a_seam(crs):
    """Of UTM: 3 degrees on each side of the central meridian, which is 3 degrees from the seam, and a little more."""
    found = bounds_of(crs, 100_000.0, 10_000.0, 80, 100_000.0, 10_000.0, 10)
    longitudes, latitudes = outline(crs, 100_000.0, 900_000.0, 0.0, 100_000.0)
    if np.ptp(longitudes) > 180:  # it crosses Greenwich
        longitudes = (longitudes + 180) % 360 - 180
    west, east = longitudes.min(), longitudes.max()
    if west >= 180:
        west, east = west - 360, east - 360
    assert (found.west, found.east) == pytest.approx((west, east), abs=1e-6)
    assert (found.south, found.north) == pytest.approx((latitudes.min(), latitudes.max()), abs=1e-6)
    assert 7.0 < found.east - found.west < 7.5


def test_an_area_round_a_pole_has_every_longitude():
    north = bounds_of("EPSG:3413", -1e6, 1e4, 200, 1e6, 1e4, 200)
    assert (north.west, north.east, north.north) == (-180.0, 180.0, 90.0)
    assert 75.0 < north.south < 78.0
    south = bounds_of("EPSG:3031", -1e6, 1e4, 200, 1e6, 1e4, 200)
    assert (south.west, south.east, south.south) == (-180.0, 180.0, -90.0)
    assert -78.0 < south.north < -75.0


@pytest.mark.parametrize(("north", "rows", "is_listed"), [(-89.0, 10, False), (-84.0, 60, True), (90.0, 1800, True)])
def test_web_mercator_is_listed_for_what_it_can_show(north, rows, is_listed):
    """It ends at 85.06 degrees; GDAL takes the first set of a layer and fails where that shows nothing of it."""
    layer = layer_of("EPSG:4326", -180.0, 0.1, 10, north, 0.1, rows)
    listed = {tms.crs for tms in layer.tile_matrix_sets()}
    assert ("EPSG:3857" in listed) is is_listed
    assert "EPSG:4326" in listed
