"""Tiles that hold data of a layer whose edges lie on the borders of tiles, exactly or nearly."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lazytile.pyramid.catalog.tile_limits import tiles_with_data
from lazytile.pyramid.core.grid import Grid, RegularAxis
from lazytile.pyramid.store.store import Store
from lazytile.pyramid.tiling.tms import REGISTERED
from tests import data

SET = REGISTERED["WorldCRS84Quad"]
TILE_DEG = 45.0  # of matrix 2, which has 8 columns and 4 rows


@pytest.fixture(scope="module")
def layer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("limits")
    data.CATALOGUE["extra_dimension"]().write(folder)
    return Store(folder).layer("extra_dimension")


def limits(layer, west, north, east, south):
    """The limits in matrix 2 of a layer with these edges, in tiles from the matrix's corner."""
    x = RegularAxis(-180.0 + west * TILE_DEG, (east - west) * TILE_DEG / 100, 100)
    y = RegularAxis(90.0 - north * TILE_DEG, (north - south) * TILE_DEG / 100, 100)
    placed = replace(layer, dataset=replace(layer.dataset, grid=Grid("EPSG:4326", x, y)))
    found = tiles_with_data(placed, SET, SET.matrix("2"))
    return found.min_col, found.min_row, found.max_col, found.max_row


def test_an_edge_on_a_border_adds_no_tile(layer):
    assert limits(layer, 3.0, 1.0, 5.0, 3.0) == (3, 1, 4, 2)


@pytest.mark.parametrize("off", [9e-7, -9e-7])
def test_an_edge_a_millionth_of_a_tile_from_a_border_is_on_it(layer, off):
    assert limits(layer, 3.0 - off, 1.0 - off, 5.0 + off, 3.0 + off) == (3, 1, 4, 2)


def test_an_edge_further_out_adds_a_tile(layer):
    off = 1.1e-6
    assert limits(layer, 3.0 - off, 1.0, 5.0, 3.0) == (2, 1, 4, 2)
    assert limits(layer, 3.0, 1.0 - off, 5.0, 3.0) == (3, 0, 4, 2)
    assert limits(layer, 3.0, 1.0, 5.0 + off, 3.0) == (3, 1, 5, 2)
    assert limits(layer, 3.0, 1.0, 5.0, 3.0 + off) == (3, 1, 4, 3)


def test_data_smaller_than_the_tolerance_still_has_a_tile(layer):
    assert limits(layer, 3.0 - 4e-7, 1.5, 3.0 + 4e-7, 1.6) == (3, 1, 3, 1)
