"""The oracle against numbers computed by hand: a wrong reference would agree with wrong code."""

import math

import numpy as np
import pyproj
import pytest

from tests import oracle
from tests.data import CATALOGUE
from tests.oracle import OracleLayer, parse_value
from tests.shared import shared

COLORMAP = """<?xml version="1.0" encoding="UTF-8"?>
<ColorMaps>
  <ColorMap title="No Data"><Entries>
    <ColorMapEntry rgb="9,9,9" transparent="true" nodata="true" ref="0"/>
  </Entries><Legend type="classification"><LegendEntry rgb="9,9,9" tooltip="No Data" id="0"/></Legend></ColorMap>
  <ColorMap title="Temperature" units="°C"><Entries>
    <ColorMapEntry rgb="1,0,0" transparent="false" value="[-INF,0.00)" sourceValue="[-INF,0.00)" ref="1"/>
    <ColorMapEntry rgb="2,0,0" transparent="false" value="[0.00,1.5)" sourceValue="[0,15)" ref="2"/>
    <ColorMapEntry rgb="3,0,0" transparent="true" value="(1.5,2]" sourceValue="(15,20]" ref="3"/>
    <ColorMapEntry rgb="4,0,0" transparent="false" value="[5]" sourceValue="[50]" ref="4"/>
    <ColorMapEntry rgb="5,0,0" transparent="false" value="(6,+INF)" sourceValue="(60,+INF)" ref="5"/>
  </Entries></ColorMap>
</ColorMaps>
"""


@pytest.fixture
def colormap(tmp_path):
    path = tmp_path / "temperature.xml"
    path.write_text(COLORMAP, encoding="utf-8")
    return path


def _layer(codes, **fields):
    fields = {"west": -180.0, "north": 90.0, "dx": 1.0, "dy": 1.0, "missing": (-1,), **fields}
    return OracleLayer(np.asarray(codes), **fields)


def _reduced(codes, reduction="mean", dtype="int16", **fields):
    return _layer(np.array(codes, dtype), reduction=reduction, chunk=(1, 1), **fields).level(1).tolist()


@pytest.mark.parametrize(
    ("cells", "mean"),
    [
        ([[1, 2], [3, 4]], 2),  # 2.5 goes to the even 2
        ([[1, 2], [4, 7]], 4),  # 3.5 goes to the even 4
        ([[1, 1], [1, 2]], 1),
        ([[0, -3], [-3, -4]], -2),  # -2.5
        ([[-1, 5], [-1, -1]], 5),  # missing cells do not count
        ([[-1, 5], [-1, 8]], 6),  # 6.5 of two
        ([[-1, -1], [-1, -1]], -1),
        ([[32767, 32767], [32767, 32767]], 32767),  # the sum does not overflow
    ],
)
def test_the_mean_of_integers_goes_half_to_even(cells, mean):
    assert _reduced(cells) == [[mean]]


def test_ragged_edges_use_the_cells_there_are():
    assert _reduced([[2, 4, 10], [6, 8, 20], [1, 2, -1]]) == [[5, 15], [2, -1]]


def test_other_reductions():
    cells = [[7, -1, 1], [3, 3, 9]]
    assert _reduced(cells, "nearest") == [[7, 1]]
    assert _reduced(cells, "mode") == [[3, 1]]
    assert _reduced(cells, "min") == [[3, 1]]
    assert _reduced(cells, "max") == [[7, 9]]
    assert _reduced(cells, "max", scale=-2.0) == [[3, 1]]  # of values, and these fall as codes rise
    assert _reduced([[-1, 4], [2, -1]], "nearest") == [[4]]


def test_the_mean_of_floats_is_of_valid_cells():
    level = _layer(np.array([[0.1, np.nan], [0.3, -1]], "float64"), chunk=(1, 1)).level(1)
    assert level.tolist() == [[0.2]]
    assert level.dtype == np.float64
    nothing = _layer(np.full((2, 2), np.nan, "float32"), missing=(), chunk=(1, 1)).level(1)
    assert np.isnan(nothing).all()


def test_levels_end_with_one_chunk():
    assert _layer(np.zeros((720, 1440), "int8")).levels == 4
    assert _layer(np.zeros((256, 256), "int8")).levels == 1
    assert _layer(np.zeros((257, 10), "int8")).levels == 2
    layer = _layer(np.zeros((72, 145), "int8"), chunk=(10, 20))
    assert [layer.level(k).shape for k in range(layer.levels)] == [(72, 145), (36, 73), (18, 37), (9, 19)]


def test_decoding_is_in_float64():
    layer = _layer(np.array([[-7000, -1]], "int16"), scale=0.001, offset=298.15)
    values = layer.values(layer.codes)
    assert values[0, 0] == -7000 * 0.001 + 298.15
    assert math.isnan(values[0, 1])


@pytest.mark.parametrize(
    ("pixel", "level"), [(0.25, 0), (0.2499999, 0), (0.1, 0), (0.499, 0), (0.5, 1), (1.0, 2), (1.9999, 2), (50.0, 3)]
)
def test_the_level_is_the_coarsest_as_fine_as_the_pixel(pixel, level):
    layer = _layer(np.zeros((720, 1440), "int8"), dx=0.25, dy=0.25)
    assert layer.level_for("EPSG:4326", pixel, pixel) == level
    assert layer.level_for("EPSG:3857", pixel * 111319.49079327358, pixel * 111319.49079327358) == level


def test_the_level_is_as_fine_on_both_axes():
    layer = _layer(np.zeros((180, 1440), "int8"), dx=0.25, dy=1.0)
    assert layer.level_for("EPSG:4326", 0.703125, 0.703125) == 0
    assert layer.level_for("EPSG:4326", 1.0, 1.0) == 0
    assert layer.level_for("EPSG:4326", 2.0, 2.0) == 1


def test_an_edge_belongs_to_the_eastern_and_the_southern_cell():
    layer = _layer(np.zeros((20, 40), "int8"), west=170.0, north=10.0)
    assert [layer.column(x) for x in (169.9, 170.0, 171.0, 180.0, -180.0, -170.5, -150.0)] == [
        None,
        0,
        1,
        10,
        10,
        19,
        None,
    ]
    assert [layer.row(y) for y in (10.1, 10.0, 9.0, -9.99, -10.0)] == [None, 0, 1, 19, None]


def test_gibs_tiles_end_with_the_world():
    layer = _layer(np.arange(180 * 360).reshape(180, 360).astype("int32"))
    codes, here = layer.tile_codes("1km", 0, 0, 1)
    # 288 degrees a tile and 0.5625 a pixel: 180 is 128 pixels into the second tile, -90 is 320 pixels down.
    assert here[:320, :128].all()
    assert not here[320:].any()
    assert not here[:, 128:].any()
    assert codes[0, 0] == 288  # 108.28 E is in column 288
    assert codes[319, 127] == 179 * 360 + 359


def test_nothing_is_shown_past_a_ragged_edge():
    layer = _layer(np.ones((5, 5), "int8"), west=0.0, north=5.0, chunk=(2, 2))
    assert layer.levels == 3
    _, here = layer.tile_codes("WorldCRS84Quad", 0, 0, 1)  # pixels of 0.703 degrees from the equator's 0 E: level 0
    longitudes = (np.arange(256) + 0.5) * 0.703125
    assert here.any(axis=0).tolist() == (longitudes < 5).tolist()
    layer = _layer(np.ones((5, 5), "int8"), west=0.0, north=0.5, dx=0.1, dy=0.1, chunk=(2, 2))
    assert layer.level_for("EPSG:4326", 0.703125, 0.703125) == 2
    _, here = layer.tile_codes("WorldCRS84Quad", 0, 0, 1)
    assert np.argwhere(here).tolist() == [[127, 0]]  # its centre is at 0.35; at 0.8 level 2 has a cell, the data none


def test_native_tiles_show_every_cell_of_a_level():
    layer = _layer(np.arange(35).reshape(5, 7).astype("int8"), chunk=(2, 4), reduction="nearest")
    assert layer.levels == 3
    codes, here = layer.native_tile_codes(0, 0, 0)
    assert here.tolist() == [[True, True, False, False]] * 2
    assert codes[here].tolist() == [0, 4, 28, 32]
    codes, here = layer.native_tile_codes(2, 2, 1)
    assert codes[here].tolist() == [32, 33, 34]
    assert here.tolist() == [[True, True, True, False], [False] * 4]


@pytest.mark.parametrize(("zoom", "row", "col"), [(0, 0, 0), (3, 5, 2), (9, 170, 301)])
def test_web_mercator_pixels_are_where_proj_puts_them(zoom, row, col):
    to_degrees = pyproj.Transformer.from_crs("EPSG:3857", "EPSG:4326", always_xy=True)
    # Cells of a hundredth of a pixel at the equator tell the position of each pixel's centre.
    size = 360 / 256 / 2**zoom / 100
    layer = _layer(np.zeros((1, 1), "int8"), dx=size, dy=size)
    pixel = 2 * 20037508.342789244 / 256 / 2**zoom
    for at in (0, 100, 255):
        x = -20037508.342789244 + (col * 256 + at + 0.5) * pixel
        y = 20037508.342789244 - (row * 256 + at + 0.5) * pixel
        longitude, latitude = to_degrees.transform(x, y)
        matrix = oracle.matrix_of("WebMercatorQuad", zoom)
        layer.codes = np.lib.stride_tricks.as_strided(layer.codes, (10**9, 10**9), (0, 0))
        assert layer._tile_column(matrix, col * 256 + at) == pytest.approx((longitude + 180) / size, abs=1.01)
        assert layer._tile_row(matrix, row * 256 + at) == pytest.approx((90 - latitude) / size, abs=1.01)


def test_mercator_data_on_geographic_tiles():
    to_metres = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True)
    layer = _layer(np.zeros((400, 400), "int8"), west=-2e6, north=7.5e6, dx=10000.0, dy=10000.0, crs="EPSG:3857")
    matrix = oracle.matrix_of("WorldCRS84Quad", 3)
    for at in (0, 17, 77):
        x, y = to_metres.transform(-180 + (2000 + at + 0.5) * matrix.pixel, 90 - (400 + at + 0.5) * matrix.pixel)
        assert layer._tile_column(matrix, 2000 + at) == math.floor((x + 2e6) / 10000)
        assert layer._tile_row(matrix, 400 + at) == math.floor((7.5e6 - y) / 10000)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("[1,2)", [1, 1.5], [0.999, 2]),
        ("(1,2]", [1.5, 2], [1, 2.1]),
        ("[1,2]", [1, 2], [3]),
        ("[-INF,0.00)", [-np.inf, -1e300], [0]),
        ("[32.00,+INF)", [32, 1e300], [31.99]),
        ("(-INF,-3)", [-4], [-3, -np.inf]),
        ("7", [7], [6.999, 7.001]),
        ("[7]", [7], [6.999]),
        ("[0)", [0], [1]),
        ("[1e-05,2.5e+03)", [1e-05, 2499], [2500, 0]),
        ("[1,2),[5,6)", [1, 5], [2, 4, 6]),
        ("3,4", [3, 4], [3.5]),
    ],
)
def test_values_of_entries(text, inside, outside):
    def holds(value):
        return any(interval.holds(np.array([value], float))[0] for interval in parse_value(text))

    assert all(holds(value) for value in inside)
    assert not any(holds(value) for value in outside)


def test_colours(colormap):
    entries, units = oracle.parse_colormap(colormap)
    assert units == "°C"
    values = np.array([[-5, 0, 1.4999], [1.5, 1.6, 2], [5, 5.5, 7], [np.nan, np.inf, -np.inf]])
    no_data = [9, 9, 9, 0]
    assert oracle.colour(values, entries).tolist() == [
        [[1, 0, 0, 255], [2, 0, 0, 255], [2, 0, 0, 255]],
        [no_data, [3, 0, 0, 0], [3, 0, 0, 0]],
        [[4, 0, 0, 255], no_data, [5, 0, 0, 255]],
        [no_data, no_data, [1, 0, 0, 255]],
    ]


def test_units_are_converted_before_binning(colormap):
    layer = _layer(np.array([[0, -1], [1, 700]], "int16"), scale=0.01, offset=273.15, units="kelvin")
    rgba = oracle.paint(layer, colormap, layer.codes, np.ones((2, 2), bool))
    assert rgba[..., 0].tolist() == [[2, 9], [2, 5]]
    assert oracle.convert_units(np.array([0.5]), "1", "%").tolist() == [50.0]
    assert oracle.convert_units(np.array([20.0]), "degC", "K").tolist() == [293.15]
    assert oracle.convert_units(np.array([20.0]), "m s-1", "°C").tolist() == [20.0]


def test_no_cell_is_no_data(colormap):
    layer = _layer(np.array([[1, 1]], "int16"))
    rgba = oracle.paint(layer, colormap, layer.codes, np.array([[True, False]]))
    assert rgba.tolist() == [[[2, 0, 0, 255], [9, 9, 9, 0]]]


def test_a_whole_tile(colormap):
    layer = _layer(np.array([[1, 6], [7, -1]], "int16"), west=-180.0, north=90.0, dx=180.0, dy=90.0)
    tile = oracle.render(layer, colormap, "WorldCRS84Quad", 0, 0, 0)
    assert tile.shape == (256, 256, 4)
    assert np.unique(tile[:128].reshape(-1, 4), axis=0).tolist() == [[2, 0, 0, 255]]
    assert np.unique(tile[128:].reshape(-1, 4), axis=0).tolist() == [[5, 0, 0, 255]]
    tile = oracle.render(layer, colormap, "WorldCRS84Quad", 0, 0, 1)
    assert np.unique(tile.reshape(-1, 4), axis=0).tolist() == [[9, 9, 9, 0]]  # 6 is in no entry, -1 is missing


def test_flatten_shows_the_background_through_transparent_colours():
    rgba = np.array([[[10, 20, 30, 255], [9, 9, 9, 0]]], np.uint8)
    assert oracle.flatten(rgba, (255, 254, 253)).tolist() == [[[10, 20, 30], [255, 254, 253]]]


def test_a_real_colormap():
    entries, units = oracle.parse_colormap(shared("colormaps", "GHRSST_Sea_Surface_Temperature.xml"))
    assert (len(entries), units) == (216, "°C")
    assert [entry.nodata for entry in entries] == [True] + [False] * 215
    values = np.array([-2.0, 0.0, 0.15, 31.99, 32.0, 99.0, np.nan])
    colours = oracle.colour(values, entries)
    assert colours[0].tolist() == [43, 0, 26, 255]
    assert colours[2].tolist() == [48, 0, 31, 255]
    assert colours[4].tolist() == colours[5].tolist() == [*entries[-1].rgba]
    assert colours[6].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_catalogue_is_worth_rendering(name):
    """Each synthetic dataset has data to show and, where it has a way to say so, cells without."""
    synthetic = CATALOGUE[name]()
    assert synthetic.name == name
    layer = synthetic.oracle()
    missing = layer.is_missing(layer.codes)
    assert missing.all() == (name == "all_missing")
    if name not in ("one_cell", "constant", "no_fill", "binary_edges", "antimeridian_negative", "extra_dimension"):
        assert missing.any()
    for of in synthetic.fields:
        assert of.codes.shape == (*(len(dimension.labels) for dimension in of.dimensions), *synthetic.size)
