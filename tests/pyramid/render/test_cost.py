"""Estimated costs: they grow with what a tile needs, and tell ordinary tiles from what is heavy."""

from dataclasses import replace

import numpy as np
import pytest

from lazytile.colormaps.library.catalog import ColormapCatalog
from lazytile.pyramid.catalog.tile_options import options_of
from lazytile.pyramid.core.grid import Bounds
from lazytile.pyramid.numbers.cost import numbers_ms
from lazytile.pyramid.numbers.region import Region
from lazytile.pyramid.numbers.statistics import PointCell, StatisticsOptions
from lazytile.pyramid.numbers.task import NumbersTask
from lazytile.pyramid.render.cost import tile_cost
from lazytile.pyramid.render.image import ImageFormat
from lazytile.pyramid.render.style import Styles
from lazytile.pyramid.render.tile_request import TileRequest
from lazytile.pyramid.store.layer import Layer
from lazytile.pyramid.store.store import Store
from tests import data


@pytest.fixture(scope="module")
def layer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    data.CATALOGUE["global_180"]().write(folder)
    return Store(folder).layer("global_180")


def requested(layer, *, tms="WebMercatorQuad", matrix="2", image_format=ImageFormat.PNG, **parameters):
    options = options_of(layer, parameters)
    matrices = layer.tile_matrix_set(tms)
    style = Styles(ColormapCatalog()).style(layer, "default")
    wanted = matrices.matrix(matrix).enlarged(options.scale)
    return TileRequest(layer, style, (), matrices, wanted, 0, 0, image_format, options.pixels)


def ms(layer, **parameters):
    return tile_cost(requested(layer, **parameters)).ms


def huge(layer, levels, lazy=False):
    """The same layer on a grid of a billion cells."""
    grid = layer.dataset.grid
    x = replace(grid.x, length=46080, cell_size=360 / 46080)
    y = replace(grid.y, length=23040, cell_size=-180 / 23040)
    return Layer(replace(layer.dataset, grid=replace(grid, x=x, y=y), levels=levels, lazy=lazy), layer.variable)


def test_an_ordinary_tile_costs_a_millisecond_or_two(layer):
    cost = tile_cost(requested(layer))
    assert 0.3 < cost.ms < 2.5
    assert (cost.pixels, cost.is_mesh) == (256 * 256, False)


def test_a_tile_of_a_deep_pyramid_costs_no_more_than_one_of_a_small_one(layer):
    deep = huge(layer, 9)
    assert ms(deep, matrix="2") < 3 * ms(layer, matrix="2")
    assert ms(deep, matrix="7") < 3 * ms(layer, matrix="2")


def test_without_overviews_a_tile_of_the_world_costs_the_whole_grid(layer):
    shallow = huge(layer, 1)
    cost = tile_cost(requested(shallow, matrix="0"))
    assert cost.cells == 46080 * 23040
    assert cost.ms > 1000
    assert ms(shallow, matrix="0", resampling="nearest") < cost.ms < ms(shallow, matrix="0", resampling="mode")
    assert ms(shallow, matrix="9") < 5


def test_overviews_that_do_not_exist_yet_cost_the_cells_below_them(layer):
    lazy, full = (tile_cost(requested(huge(layer, 9, lazy=lazy), matrix="0")) for lazy in (True, False))
    assert lazy.ms > 100 * full.ms
    assert lazy.ready_ms == full.ready_ms == full.ms, "once they exist, they cost no more than others"


@pytest.mark.parametrize(
    ("more", "less"),
    [
        ({"scale": "2"}, {}),
        ({"filter": "blur"}, {"filter": "hillshade"}),
        ({"filter": "contour:2"}, {}),
        ({"expression": "VAR * 2"}, {}),
        ({"image_format": ImageFormat.WEBP}, {"image_format": ImageFormat.JPEG}),
        ({"image_format": ImageFormat.JPEG}, {}),
        ({"resampling": "mode"}, {"resampling": "average"}),
        ({"resampling": "average"}, {"resampling": "nearest"}),
    ],
)
def test_what_takes_longer_costs_more(layer, more, less):
    more = {name: value.replace("VAR", layer.variable.name) if name == "expression" else value
            for name, value in more.items()}  # fmt: skip
    assert ms(layer, **more) > ms(layer, **less)


def test_a_mesh_costs_ten_times_as_much(layer):
    polar = tile_cost(requested(layer, tms="EPSG3413_500m", matrix="1"))
    assert polar.is_mesh
    assert polar.ms > 10 * ms(layer)


def test_several_tiles_of_a_task_cost_several_times_as_much(layer):
    one, four = tile_cost(requested(layer)), tile_cost(requested(layer), 4)
    assert four.pixels == 4 * one.pixels
    assert 3 < (four.ms - 0.3) / (one.ms - 0.3) < 5


def numbers(layer, steps=1, *, bounds=None, budget=1 << 22):
    dataset = layer.dataset
    region = None if bounds is None else Region.of_bounds(bounds)
    options = None if bounds is None else StatisticsOptions(budget)
    cell = PointCell(0, 0, 0.0, 0.0) if bounds is None else None
    task = NumbersTask("/store", dataset.name, "", layer.variable.name, ((),) * steps, region, options, cell)
    return numbers_ms(task, dataset)


def test_numbers_cost_their_cells_up_to_the_budget(layer):
    world, part = Bounds(-180, -90, 180, 90), Bounds(0, 0, 36, 18)
    large = huge(layer, 9)
    assert numbers(large, bounds=world) > 100
    assert numbers(large, bounds=world) == numbers(huge(layer, 1), bounds=world)
    assert numbers(large, bounds=part, budget=1 << 30) == pytest.approx(
        numbers(large, bounds=world, budget=1 << 30) / 100, rel=0.1
    )
    assert numbers(layer, bounds=world) < numbers(large, bounds=world) / 10


def test_a_series_costs_its_steps(layer):
    assert numbers(layer, 1) < 2
    assert numbers(layer, 1000) > 100
    packed = Layer(replace(layer.dataset, shard_steps=(8,) * layer.dataset.levels), layer.variable)
    assert numbers(packed, 1000) < numbers(layer, 1000) / 3


def test_the_extent_of_a_region_is_that_of_all_its_rings():
    ring = np.array([[0.0, 0.0], [90.0, 0.0], [90.0, 45.0]])
    assert Region((ring,)).extent_share == pytest.approx(0.25 * 0.25)
    assert Region((ring, ring + np.array([90.0, 45.0]))).extent_share == pytest.approx(0.5 * 0.5)
    assert Region.of_bounds(Bounds(-400, -90, 400, 90)).extent_share == 1.0


def test_a_chunk_of_floats_costs_more_to_unpack_than_one_of_small_integers(layer):
    def unpacking(dtype):
        variable = replace(layer.variable, packing=replace(layer.variable.packing, dtype=dtype, missing=()))
        changed = Layer(replace(layer.dataset, variables=(variable,)), variable)
        return ms(changed) - ms(layer)

    assert unpacking("uint8") == unpacking("int16") == 0
    assert 0.2 < unpacking("float32") < unpacking("float64") < 3
