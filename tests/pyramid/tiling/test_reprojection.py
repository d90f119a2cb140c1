"""Maps between CRSs are within an eighth of a pixel of exact pyproj, also at poles, the seam and the horizon."""

import numpy as np
import pyproj
import pytest

from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.core.stop_flag import StopFlag, StoppedError
from lazytile.pyramid.tiling import mesh
from lazytile.pyramid.tiling.mesh import map_mesh
from lazytile.pyramid.tiling.reprojection import PixelAxis, keeps_axes_apart, map_x, map_y, transform

GEOSTATIONARY = "+proj=geos +h=35786023 +lon_0=-75 +sweep=x +ellps=GRS80"
ROTATED = "+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=39.25 +lon_0=18 +to_meter=0.0174532925199433"
LAMBERT = "+proj=lcc +lat_1=25 +lat_2=25 +lat_0=25 +lon_0=-95 +R=6371200"
EDGE = 20037508.342789244

CASES = {
    "north pole in the tile": ("EPSG:3413", "EPSG:4326", (-1e6, 4096), (1e6, -4096), 512),
    "half the Arctic": ("EPSG:3413", "EPSG:4326", (-4194304, 8192), (4194304, -8192), 512),
    "seam from the pole": ("EPSG:3413", "EPSG:4326", (-1048576, 1024), (2097152, -1024), 512),
    "south pole at a corner": ("EPSG:3031", "EPSG:4326", (0, 8192), (4194304, -8192), 512),
    "whole disc with horizon": ("EPSG:3857", GEOSTATIONARY, (-EDGE, 2 * EDGE / 256), (EDGE, -2 * EDGE / 256), 256),
    "near the horizon": ("EPSG:3857", GEOSTATIONARY, (-EDGE, EDGE / 4 / 256), (EDGE / 2, -EDGE / 4 / 256), 256),
    "rotated pole": ("EPSG:4326", ROTATED, (-10, 0.2), (70, -0.1), 256),
    "rotated pole over the pole": ("EPSG:4326", ROTATED, (-180, 360 / 256), (90, -45 / 256), 256),
    "UTM": ("EPSG:3857", "EPSG:32648", (11600000, 300), (2500000, -300), 256),
    "Lambert": ("EPSG:3857", LAMBERT, (-14000000, 19567), (6500000, -19567), 256),
    "polar data on Mercator, all of it": (
        "EPSG:3857",
        "EPSG:3413",
        (-EDGE, 2 * EDGE / 256),
        (EDGE, -2 * EDGE / 256),
        256,
    ),
    "EASE-2": ("EPSG:3857", "EPSG:6931", (-EDGE, EDGE / 2 / 256), (EDGE, -EDGE / 2 / 256), 256),
}


def centres(start, step, count):
    return start + (np.arange(count) + 0.5) * step


def pixel_errors(case):
    tile_crs, data_crs, (x0, dx), (y0, dy), size = CASES[case]
    xs, ys = centres(x0, dx, size), centres(y0, dy, size)
    wraps = data_crs in ("EPSG:4326", ROTATED)
    found = map_mesh(tile_crs, data_crs, PixelAxis(x0, dx, 0, size), PixelAxis(y0, dy, 0, size), wraps=wraps)
    exact_x, exact_y = pyproj.Transformer.from_crs(tile_crs, data_crs, always_xy=True).transform(*np.meshgrid(xs, ys))
    shown = np.isfinite(exact_x) & np.isfinite(exact_y)
    np.testing.assert_array_equal(np.isfinite(found.x) & np.isfinite(found.y), shown)
    # What a step of one pixel does to the exact image, by exact points beside each pixel: the measure of a miss.
    near = pyproj.Transformer.from_crs(tile_crs, data_crs, always_xy=True)

    def step(shift_x, shift_y):
        grid = np.meshgrid(xs + shift_x * dx * 0.01, ys + shift_y * dy * 0.01)
        with np.errstate(invalid="ignore"):
            x, y = near.transform(*grid)
            return around(x - exact_x) / 0.01, (y - exact_y) / 0.01

    def around(values):
        return values - 360 * np.round(values / 360) if wraps else values

    with np.errstate(all="ignore"):
        a, c = step(1, 0)
        b, d = step(0, 1)
        miss_x, miss_y = around(found.x - exact_x), found.y - exact_y
        determinant = a * d - b * c
        errors = np.hypot((d * miss_x - b * miss_y) / determinant, (a * miss_y - c * miss_x) / determinant)
    return errors[shown & np.isfinite(errors)], found.exact_share


@pytest.mark.parametrize("case", CASES)
def test_every_pixel_is_within_the_bound(case):
    errors, share = pixel_errors(case)
    assert errors.size > 1000
    assert errors.max() <= 0.125
    assert share < 1.0


def test_the_control_grid_spares_most_points_away_from_poles_and_horizons():
    for case in ("UTM", "Lambert", "rotated pole"):
        assert pixel_errors(case)[1] == 0.0


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("top", "left", "height", "width"), [(64, 96, 128, 64), (37, 101, 90, 77), (0, 255, 256, 1)])
def test_a_part_of_a_map_is_the_same_part_of_the_whole(case, top, left, height, width):
    """Positions depend on the pixel's place in the matrix alone: tiles of any block join."""
    tile_crs, data_crs, (x0, dx), (y0, dy), size = CASES[case]
    wraps = data_crs in ("EPSG:4326", ROTATED)
    whole = map_mesh(tile_crs, data_crs, PixelAxis(x0, dx, 0, size), PixelAxis(y0, dy, 0, size), wraps=wraps)
    cols, rows = PixelAxis(x0, dx, left, width), PixelAxis(y0, dy, top, height)
    part = map_mesh(tile_crs, data_crs, cols, rows, wraps=wraps)
    np.testing.assert_array_equal(part.x, whole.x[top : top + height, left : left + width])
    np.testing.assert_array_equal(part.y, whole.y[top : top + height, left : left + width])


def polar(size):
    half = 4194304
    return PixelAxis(-half, 2 * half / size, 0, size), PixelAxis(half, -2 * half / size, 0, size)


@pytest.mark.parametrize(("first", "height"), [(0, 1100), (7, 1093), (509, 300)])
def test_a_large_map_is_made_in_strips_that_join(first, height):
    cols, rows = polar(1100)
    whole = map_mesh("EPSG:3413", "EPSG:4326", cols, rows, wraps=True)
    part = map_mesh(
        "EPSG:3413", "EPSG:4326", cols, PixelAxis(rows.origin, rows.step, first, height), StopFlag(), wraps=True
    )
    np.testing.assert_array_equal(part.x, whole.x[first : first + height])
    np.testing.assert_array_equal(part.y, whole.y[first : first + height])
    narrow = map_mesh("EPSG:3413", "EPSG:4326", PixelAxis(cols.origin, cols.step, 480, 100), rows, wraps=True)
    np.testing.assert_array_equal(narrow.x, whole.x[:, 480:580])
    assert narrow.x.shape == (1100, 100)
    assert 0 < whole.exact_share < 0.01


def test_a_large_map_is_stopped_between_strips(monkeypatch):
    stop, points = StopFlag(), []

    def counted(source, target, x, y):
        points.append(x.size)
        stop.set()
        return transform(source, target, x, y)

    monkeypatch.setattr(mesh, "transform", counted)
    with pytest.raises(StoppedError):
        map_mesh("EPSG:3413", "EPSG:4326", *polar(2048), stop, wraps=True)
    assert sum(points) < 2048 * 2048 / 16, "it went on after the first strip"


@pytest.mark.parametrize("size", [1, 2, 3, 17, 255])
def test_any_tile_size(size):
    xs, ys = centres(11600000, 300, size), centres(2500000, -300, size + 1)
    cols, rows = PixelAxis(11600000, 300, 0, size), PixelAxis(2500000, -300, 0, size + 1)
    found = map_mesh("EPSG:3857", "EPSG:32648", cols, rows, wraps=False)
    exact = transform("EPSG:3857", "EPSG:32648", *np.meshgrid(xs, ys))
    np.testing.assert_allclose(found.x, exact[0], atol=300 * 0.125)
    np.testing.assert_allclose(found.y, exact[1], atol=300 * 0.125)


def test_mercator_and_geographic_keep_their_axes_apart_exactly():
    assert keeps_axes_apart("EPSG:3857", "EPSG:4326")
    assert not keeps_axes_apart("EPSG:3413", "EPSG:4326")
    xs, ys = np.linspace(-EDGE, EDGE, 101), np.linspace(-EDGE, EDGE, 101)
    found_x, found_y = map_x("EPSG:3857", "EPSG:4326", xs), map_y("EPSG:3857", "EPSG:4326", ys)
    exact_x, exact_y = transform("EPSG:3857", "EPSG:4326", xs, ys)
    np.testing.assert_allclose(found_x, exact_x, atol=1e-9)
    np.testing.assert_allclose(found_y, exact_y, atol=1e-9)
    np.testing.assert_allclose(map_x("EPSG:4326", "EPSG:3857", found_x), xs, atol=1e-6)
    np.testing.assert_allclose(map_y("EPSG:4326", "EPSG:3857", found_y), ys, atol=1e-6)


def test_a_crs_that_nobody_knows_is_refused():
    with pytest.raises(InvalidParameterError, match="no map from EPSG:3857 to EPSG:999999"):
        map_mesh("EPSG:3857", "EPSG:999999", PixelAxis(0, 1, 0, 4), PixelAxis(0, 1, 0, 4), wraps=False)
