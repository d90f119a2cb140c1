"""The attributes that other readers of a store rely on."""

import pytest

from lazytile.pyramid.store.geozarr import root_attributes
from tests.data import CATALOGUE


def test_the_levels_of_a_pyramid():
    dataset = CATALOGUE["odd_sizes"]().description()
    grid = dataset.grid
    found = root_attributes(dataset, {"history": "h"})["multiscales"]
    assert found["resampling_method"] == "average"
    assert len(found["layout"]) == dataset.levels > 2
    rows, cols = grid.shape.rows, grid.shape.cols
    for level, entry in enumerate(found["layout"]):
        size = 2**level
        assert entry == {
            "asset": str(level),
            **({"derived_from": str(level - 1)} if level else {}),
            "transform": {"scale": [2.0, 2.0] if level else [1.0, 1.0], "translation": [0.0, 0.0]},
            "spatial:shape": [-(-rows // size), -(-cols // size)],
            "spatial:transform": [
                pytest.approx(grid.x.cell_size * size), 0.0, grid.x.first_edge,
                0.0, pytest.approx(grid.y.cell_size * size), grid.y.first_edge,
            ],
        }  # fmt: skip


def test_attributes_of_the_root():
    dataset = CATALOGUE["mercator"]().description()
    found = root_attributes(dataset, {"history": "h"})
    bounds = dataset.grid.bounds
    assert found["history"] == "h"
    assert found["proj:code"] == "EPSG:3857"
    assert found["spatial:dimensions"] == ["y", "x"]
    assert found["spatial:bbox"] == [bounds.west, bounds.south, bounds.east, bounds.north]
    assert {"proj", "spatial", "multiscales"} <= {convention["name"] for convention in found["zarr_conventions"]}
