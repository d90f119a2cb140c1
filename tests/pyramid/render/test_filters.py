"""Filters: known results, no data, and seams between tiles."""

import math

import numpy as np
import pytest

from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.core.request_field import RequestField
from lazytile.pyramid.render.filters import Filter, FilterKind


def plane(across, down, size=12):
    """A field that rises evenly to the right and down, with its margin."""
    side = size + 2 * 2
    return np.arange(side)[None] * across + np.arange(side)[:, None] * down


def test_sobel_is_the_slope_of_a_plane():
    np.testing.assert_allclose(Filter.parse("sobel").apply(plane(3.0, 4.0)), 5.0)


def test_blur_keeps_a_plane_and_smooths_a_spike():
    values = plane(1.0, -2.0)
    np.testing.assert_allclose(Filter.parse("blur").apply(values), values[2:-2, 2:-2])
    spike = np.zeros((5, 5))
    spike[2, 2] = 256.0
    np.testing.assert_allclose(Filter.parse("blur").apply(spike), 36.0)


def test_blur_leaves_no_data_out_of_the_mean():
    values = np.full((5, 5), 7.0)
    values[0, :] = np.nan
    np.testing.assert_allclose(Filter.parse("blur").apply(values), 7.0)


def test_hillshade_of_a_plain_and_of_slopes():
    flat = Filter.parse("hillshade").apply(np.zeros((6, 6)))
    np.testing.assert_allclose(flat, 255 * math.sin(math.radians(45)))
    towards_sun = Filter.parse("hillshade").apply(plane(1.0, 1.0))  # falls to the north-west, where the light is
    away = Filter.parse("hillshade").apply(plane(-1.0, -1.0))
    assert (towards_sun > flat.mean()).all()
    assert (away < flat.mean()).all()
    stronger = Filter.parse("hillshade:0.001").apply(plane(1.0, 1.0))
    np.testing.assert_allclose(stronger, flat.mean(), rtol=2e-3)


def test_contours_lie_where_a_multiple_is_crossed():
    found = Filter.parse("contour:10").apply(plane(1.0, 0.0, 20))
    shown = ~np.isnan(found)
    assert shown.any(axis=0).sum() == 2
    assert shown.all(axis=0).sum() == 2
    for value in found[0][shown[0]]:
        assert (value + 1) % 10 == 0, "the next pixel to the right is the multiple"


@pytest.mark.parametrize("kind", ["sobel", "blur", "hillshade", "contour:0.3"])
def test_tiles_join(kind):
    field = np.random.default_rng(4).random((24, 44))
    chosen = Filter.parse(kind)
    whole = chosen.apply(field)
    left, right = chosen.apply(field[:, :24]), chosen.apply(field[:, 20:])
    np.testing.assert_array_equal(whole, np.concatenate((left, right), axis=1))


@pytest.mark.parametrize(
    "text", ["", "emboss", "sobel:3", "contour", "contour:0", "contour:-1", "contour:nan", "contour:x", "blur:1"]
)
def test_unknown_filters_are_refused(text):
    with pytest.raises(InvalidParameterError, match="it may be sobel, blur, hillshade") as caught:
        Filter.parse(text)
    assert caught.value.field is RequestField.FILTER


def test_names():
    assert Filter.parse("contour:2.5") == Filter(FilterKind.CONTOUR, 2.5)
