"""Locations of tiles: levels, index maps, chunks. No data is read."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazytile.pyramid.core.errors import TileOutOfRangeError
from lazytile.pyramid.core.grid import Grid, RegularAxis, Shape
from lazytile.pyramid.render.level import choose_level, is_finer
from lazytile.pyramid.render.location import TileBlock, locate
from lazytile.pyramid.tiling.native_set import native_set
from lazytile.pyramid.tiling.tms import REGISTERED


def plan_tiles(*args):
    return locate(*args).nearest()


QUARTER = Grid("EPSG:4326", RegularAxis(-180.0, 0.25, 1440), RegularAxis(90.0, -0.25, 720))
MUR = Grid("EPSG:4326", RegularAxis(-179.995, 0.01, 36000), RegularAxis(89.995, -0.01, 17999))
MERCATOR = REGISTERED["WebMercatorQuad"]


@pytest.mark.parametrize(("zoom", "level"), [("9", 0), ("7", 0), ("6", 1), ("5", 2), ("3", 4), ("0", 7)])
def test_level_is_the_coarsest_as_fine_as_the_tile(zoom, level):
    assert choose_level(MUR, 8, MERCATOR, MERCATOR.matrix(zoom)) == level


def test_level_stays_within_the_pyramid():
    assert choose_level(MUR, 3, MERCATOR, MERCATOR.matrix("0")) == 2


def test_level_respects_the_coarser_axis():
    flat = Grid("EPSG:4326", RegularAxis(-180.0, 0.25, 1440), RegularAxis(90.0, -1.0, 180))
    square = REGISTERED["WorldCRS84Quad"].matrix("0")  # 0.703125 degrees a pixel
    assert choose_level(QUARTER, 4, REGISTERED["WorldCRS84Quad"], square) == 1
    assert choose_level(flat, 4, REGISTERED["WorldCRS84Quad"], square) == 0


def scaled(cells_a_pixel):
    """A grid of 8 levels with so many cells along a pixel of matrix 0 of WorldCRS84Quad, 0.703125 degrees wide."""
    cell = 0.703125 / cells_a_pixel
    return Grid("EPSG:4326", RegularAxis(-180.0, cell, 1000), RegularAxis(90.0, -cell, 500))


SQUARE = REGISTERED["WorldCRS84Quad"]


@pytest.mark.parametrize(
    ("cells_a_pixel", "level"),
    [
        (2.0, 1),
        (4.0, 2),
        (4.0 * (1 - 0.9e-9), 2),  # cells of level 2 a little larger than a pixel: 1/3 degree is no exact number
        (4.0 * (1 - 1.1e-9), 1),
        (4.0 * (1 + 1e-6), 2),
        (128.0 * (1 - 0.9e-9), 7),
        (128.0 * (1 - 1.1e-9), 6),
    ],
)
def test_cells_a_billionth_larger_than_a_pixel_are_as_fine(cells_a_pixel, level):
    assert choose_level(scaled(cells_a_pixel), 8, SQUARE, SQUARE.matrix("0")) == level


@pytest.mark.parametrize(
    ("cells_a_pixel", "finer"), [(1.0, False), (1 + 0.9e-9, False), (1 + 1.1e-9, True), (4.0, False), (5.0, True)]
)
def test_a_pixel_of_a_billionth_more_than_a_cell_drops_none(cells_a_pixel, finer):
    assert is_finer(scaled(cells_a_pixel), 8, SQUARE, SQUARE.matrix("0")) is finer


def test_tiles_past_the_globe_hold_nothing_there():
    tms = REGISTERED["1km"]
    plan = plan_tiles(QUARTER, 3, tms, tms.matrix("0"), TileBlock(0, 1))
    # Column 1 of matrix 0 starts at longitude 108; 180 is 128 pixels of 0.5625 degrees on.
    assert (plan.cols[:128] >= 0).all()
    assert (plan.cols[128:] == -1).all()
    assert (plan.rows[:320] >= 0).all()
    assert (plan.rows[320:] == -1).all()


def test_longitudes_come_round_on_a_0_to_360_grid():
    grid = Grid("EPSG:4326", RegularAxis(0.0, 1.0, 360), RegularAxis(90.0, -1.0, 180))
    tms = REGISTERED["WorldCRS84Quad"]
    plan = plan_tiles(grid, 1, tms, tms.matrix("0"), TileBlock(0, 0, 1, 2))
    assert (plan.cols >= 0).all()
    assert plan.cols[0] == 180
    assert plan.cols[255] == 359
    assert plan.cols[256] == 0


def test_nothing_is_drawn_past_a_ragged_edge():
    # 5 columns of 1 degree from 0: level 2 has 2 cells, the second reaching to 8 degrees.
    grid = Grid("EPSG:4326", RegularAxis(0.0, 1.0, 5), RegularAxis(5.0, -1.0, 5))
    tms = REGISTERED["WorldCRS84Quad"]
    matrix = tms.matrix("0")
    plan = plan_tiles(grid, 3, tms, matrix, TileBlock(0, 1))
    longitudes = matrix.pixel_xs(1)
    np.testing.assert_array_equal(plan.cols >= 0, (longitudes > 0) & (longitudes < 5))
    latitudes = matrix.pixel_ys(0)
    np.testing.assert_array_equal(plan.rows >= 0, (latitudes > 0) & (latitudes < 5))


@pytest.mark.parametrize("origin", [-180.0, 0.0, 20.5])
def test_native_sets_are_the_identity(origin):
    grid = Grid("EPSG:4326", RegularAxis(origin, 1 / 3, 1001), RegularAxis(83.0, -1 / 3, 499))
    tms = native_set("d", grid, 3, Shape(256, 256))
    for zoom, (rows, cols) in enumerate([(125, 251), (250, 501), (499, 1001)]):
        matrix = tms.matrix(str(zoom))
        block = TileBlock(0, 0, matrix.matrix_height, matrix.matrix_width)
        plan = plan_tiles(grid, 3, tms, matrix, block)
        assert plan.level == 2 - zoom
        padded_rows, padded_cols = matrix.matrix_height * 256, matrix.matrix_width * 256
        np.testing.assert_array_equal(plan.rows, [*range(rows), *[-1] * (padded_rows - rows)])
        np.testing.assert_array_equal(plan.cols, [*range(cols), *[-1] * (padded_cols - cols)])


@given(st.data())
def test_chunk_parts_cover_each_pixel_once_with_its_cell(data):
    lengths = st.integers(-1, 40)
    rows = np.array(data.draw(st.lists(lengths, min_size=1, max_size=30)), np.int64)
    cols = np.array(data.draw(st.lists(lengths, min_size=1, max_size=30)), np.int64)
    chunk = Shape(data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9)))
    from lazytile.pyramid.resampling.read_plan import AxisPlan

    out = np.full((rows.size, cols.size), -1, np.int64)
    for part in AxisPlan.of(0, rows, cols).parts(chunk):
        pixels = (part.along_rows.pixels, part.along_cols.pixels)
        in_rows, in_cols = part.along_rows.cells, part.along_cols.cells
        assert (out[pixels] == -1).all()
        assert (in_rows < chunk.rows).all()
        assert (in_cols < chunk.cols).all()
        out[pixels] = (in_rows + part.chunk_row * chunk.rows)[:, None] * 1000 + in_cols + part.chunk_col * chunk.cols
    expected = np.where((rows[:, None] >= 0) & (cols >= 0), rows[:, None] * 1000 + cols, -1)
    np.testing.assert_array_equal(out, expected)


@given(st.sampled_from(["WebMercatorQuad", "1km", "WorldCRS84Quad"]), st.integers(0, 4), st.data())
def test_a_block_is_its_tiles(identifier, zoom, data):
    tms = REGISTERED[identifier]
    matrix = tms.matrix(str(zoom))
    row = data.draw(st.integers(0, matrix.matrix_height - 1))
    col = data.draw(st.integers(0, matrix.matrix_width - 1))
    height = data.draw(st.integers(1, min(3, matrix.matrix_height - row)))
    width = data.draw(st.integers(1, min(3, matrix.matrix_width - col)))
    whole = plan_tiles(MUR, 8, tms, matrix, TileBlock(row, col, height, width))
    for at, (tile_row, tile_col) in enumerate(TileBlock(row, col, height, width).addresses()):
        tile = plan_tiles(MUR, 8, tms, matrix, TileBlock(tile_row, tile_col))
        top, left = at // width * matrix.tile_height, at % width * matrix.tile_width
        assert tile.level == whole.level
        np.testing.assert_array_equal(tile.rows, whole.rows[top : top + matrix.tile_height])
        np.testing.assert_array_equal(tile.cols, whole.cols[left : left + matrix.tile_width])


def test_mercator_grids_show_on_geographic_tiles():
    half = MERCATOR.matrix("0").origin_y
    grid = Grid("EPSG:3857", RegularAxis(-half, 2 * half / 512, 512), RegularAxis(half, -2 * half / 512, 512))
    tms = REGISTERED["WorldCRS84Quad"]
    plan = plan_tiles(grid, 1, tms, tms.matrix("0"), TileBlock(0, 0))
    latitudes = tms.matrix("0").pixel_ys(0)
    assert (plan.rows[abs(latitudes) > 85.06] == -1).all()
    assert (plan.rows[abs(latitudes) < 85.05] >= 0).all()
    assert plan.rows[128] == pytest.approx(256, abs=1)
    assert plan.cols[0] == 0


def test_tiles_outside_the_matrix_are_refused():
    with pytest.raises(TileOutOfRangeError, match=r"column 4 is out of range, it may be 0 to 3"):
        plan_tiles(QUARTER, 3, MERCATOR, MERCATOR.matrix("2"), TileBlock(0, 4))
    with pytest.raises(TileOutOfRangeError, match=r"row 4 is out of range"):
        plan_tiles(QUARTER, 3, MERCATOR, MERCATOR.matrix("2"), TileBlock(3, 0, 2, 1))


@given(st.integers(0, 2**31), st.integers(1, 9), st.integers(1, 9), st.floats(0.0, 1.0))
def test_a_window_reads_the_chunks_of_its_cells_and_no_other(seed, chunk_rows, chunk_cols, gaps):
    from lazytile.pyramid.resampling.mesh_plan import MeshPlan

    random = np.random.default_rng(seed)
    # Cells along a slanted line, as in a map that turns: most of their rectangle is not theirs.
    along = np.sort(random.integers(0, 40, (6, 7)), axis=None).reshape(6, 7)
    rows, cols = along + random.integers(0, 3, (6, 7)), along + random.integers(0, 3, (6, 7))
    rows[random.random((6, 7)) < gaps] = -1
    chunk, mesh = Shape(chunk_rows, chunk_cols), MeshPlan(0, rows, cols)
    window, there = mesh.window(1 << 20), (rows >= 0) & (cols >= 0)
    if not there.any():
        assert window is None
        return
    values = np.arange(45 * 45).reshape(45, 45)
    padded = np.pad(values, ((0, 45), (0, 45)))
    codes, read = np.full(window.axes.shape, -1), []
    for part in window.parts(chunk):
        read.append((part.chunk_row, part.chunk_col))
        top, left = part.chunk_row * chunk.rows, part.chunk_col * chunk.cols
        part.scatter(codes, part.gather(padded[top : top + chunk.rows, left : left + chunk.cols]))
    found = codes.ravel()[window.cells]
    np.testing.assert_array_equal(found[there], values[rows[there], cols[there]])
    assert (window.missing is None) == bool(there.all())
    if window.missing is not None:
        np.testing.assert_array_equal(window.missing, ~there)
    assert sorted(set(read)) == sorted(set(zip(rows[there] // chunk.rows, cols[there] // chunk.cols, strict=True)))
    assert mesh.window(window.axes.shape[0] * window.axes.shape[1] - 1) is None
