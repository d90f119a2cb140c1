"""Palette indices of values, against a reference that tries every entry."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lazytile.colormaps.compiled.palette import Palette, compile_colormap
from lazytile.colormaps.core.errors import ColormapError
from lazytile.colormaps.formats.gibs import read_gibs
from lazytile.pyramid.core.packing import Packing
from lazytile.pyramid.kernel.painting import code_table
from tests.colormaps.formats.test_gibs import document, entry
from tests.colormaps.slow import FILES, SlowPalette, float_edges, neighbours, slow_decode, slow_parse
from tests.shared import shared

_LOADED = {}


def loaded(file):
    """The compiled palette of a real file and its slow twin, made once."""
    if file not in _LOADED:
        path = shared("colormaps", file)
        slow = slow_parse(path)
        _LOADED[file] = (compile_colormap(read_gibs(path)), SlowPalette(slow), float_edges(slow))
    return _LOADED[file]


@st.composite
def packings(draw):
    dtype = draw(st.sampled_from(["int16", "uint16", "int8", "uint8"]))
    codes = st.integers(np.iinfo(dtype).min, np.iinfo(dtype).max)
    scale = st.sampled_from([1.0, 0.01, 0.001, 0.15, 0.1, 1 / 3, 1e-4, -0.01, 250.0, 0.0005]) | st.floats(1e-6, 1e3)
    offset = st.sampled_from([0.0, 298.15, 273.15, -5.0, 15.0, 0.3, 1e6]) | st.floats(-1e4, 1e4)
    missing = tuple(draw(st.lists(codes, max_size=3)))
    ends = st.none() | codes.map(float)
    return Packing(dtype, draw(scale), draw(offset), missing, draw(ends), draw(ends))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(file=st.sampled_from(FILES or ["none"]), packing=packings())
def test_the_table_of_all_codes_equals_decode_then_bin_one_by_one(file, packing):
    palette, slow, _ = loaded(file)
    codes = packing.all_codes()
    table = code_table(palette, packing)
    assert table.dtype == np.uint8
    assert table.shape == (1 << (8 * codes.dtype.itemsize),)
    assert table.tolist() == slow.indices([slow_decode(code, packing) for code in codes.tolist()])


@pytest.mark.parametrize("file", FILES or ["none"])
def test_all_65536_codes_of_a_packing_that_fits_the_file(file):
    palette, slow, edges = loaded(file)
    low, high = edges[0], edges[-1]
    packing = Packing("int16", scale_factor=(high - low) * 1.1 / 65536, add_offset=(low + high) / 2, missing=(-32768,))
    codes = packing.all_codes()
    expected = slow.indices([slow_decode(code, packing) for code in codes.tolist()])
    assert code_table(palette, packing).tolist() == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("file", FILES or ["none"])
def test_floats_at_every_edge_and_one_ulp_either_side(file, dtype):
    palette, slow, edges = loaded(file)
    special = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 5e-324, 1e38, -1e38], np.float64).astype(dtype)
    values = np.concatenate([neighbours(edges, dtype), special])
    assert palette.index_of(values).tolist() == slow.indices(values)
    shaped = values[: len(values) // 2 * 2].reshape(2, -1)
    assert palette.index_of(shaped).tolist() == palette.index_of(shaped.ravel()).reshape(2, -1).tolist()


numbers = st.integers(-6, 6).map(float) | st.sampled_from([math.inf, -math.inf, 0.1, 0.15, 0.3])


@st.composite
def interval_texts(draw):
    low, high = draw(numbers), draw(numbers)
    text = {math.inf: "+INF", -math.inf: "-INF"}
    if draw(st.booleans()) and math.isfinite(low):
        return f"[{low}]"
    return f"{draw(st.sampled_from('[('))}{text.get(low, low)},{text.get(high, high)}{draw(st.sampled_from('])'))}"


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(interval_texts(), st.booleans()), min_size=1, max_size=12))
def test_any_intervals_overlapping_reversed_or_open(parts):
    """Intervals as no file has them: the first entry in document order that holds a value wins."""
    raw = [
        {"value": text, "ref": str(ref), "rgb": f"{ref},0,0", "nodata": "true" if nodata else "false"}
        for ref, (text, nodata) in enumerate(parts)
    ]
    text = "".join(
        f'<ColorMapEntry rgb="{e["rgb"]}" value="{e["value"]}" ref="{e["ref"]}" nodata="{e["nodata"]}"/>' for e in raw
    )
    palette = compile_colormap(read_gibs(document(text), "it"))
    slow = SlowPalette(raw)
    values = neighbours([-7, -6, -5, -4, -3, -2, -1, 0, 0.1, 0.15, 0.3, 1, 2, 3, 4, 5, 6, 7], np.float64).tolist()
    values += [math.inf, -math.inf, math.nan, 1.7e308, -1.7e308, 0.5, 2.5]
    assert palette.index_of(np.array(values)).tolist() == slow.indices(values)


def test_slot_zero_is_the_first_nodata_entry_and_the_others_follow_in_order():
    palette = compile_colormap(
        read_gibs(
            document(
                entry("[0,1)", "1,1,1", 'ref="1"')
                + '<ColorMapEntry rgb="9,9,9" transparent="true" nodata="true" ref="2"/>'
                + entry("[1,2)", "2,2,2", 'ref="3"')
                + '<ColorMapEntry rgb="8,8,8" nodata="true" value="[5]" ref="4"/>'
            ),
            "it",
        )
    )
    assert palette.rgba.tolist() == [[9, 9, 9, 0], [1, 1, 1, 255], [2, 2, 2, 255], [8, 8, 8, 255]]
    assert palette.entries == (1, 0, 2, 3)
    assert palette.index_of(np.array([0.5, 1.5, 5, 3, np.nan])).tolist() == [1, 2, 3, 0, 0]
    assert palette.colours(np.array([[1, 0]], np.uint8)).tolist() == [[[1, 1, 1, 255], [9, 9, 9, 0]]]


def test_without_nodata_slot_zero_is_transparent_black():
    palette = compile_colormap(read_gibs(shared("colormaps", "AIRS_Precipitation_Day.xml")))
    assert palette.rgba[0].tolist() == [0, 0, 0, 0]
    assert len(palette.rgba) == 253
    assert palette.entries[:2] == (-1, 0)


def test_more_than_256_colours_need_16_bits():
    many = document("".join(entry(f"[{n}]", f"{n % 256},{n // 256},0", f'ref="{n}"') for n in range(300)))
    palette = compile_colormap(read_gibs(many, "it"))
    assert not palette.is_indexed
    indices = palette.index_of(np.arange(-1, 301, dtype=np.float32))
    assert indices.dtype == np.uint16
    assert indices.tolist() == [0, *range(1, 301), 0]
    assert palette.colours(indices)[301].tolist() == [0, 0, 0, 0]
    assert palette.colours(indices)[300].tolist() == [43, 1, 0, 255]


@pytest.mark.parametrize("units", ["K", "kelvin", " Kelvin ", "degK"])
def test_kelvin_on_a_celsius_map_is_binned_on_the_value_minus_273_15(units):
    file = "GHRSST_Sea_Surface_Temperature.xml"
    palette = compile_colormap(read_gibs(shared("colormaps", file)), data_units=units)
    _, slow, edges = loaded(file)
    kelvins = np.concatenate([neighbours([edge + 273.15 for edge in edges], np.float64), [np.inf, -np.inf, np.nan]])
    assert palette.index_of(kelvins).tolist() == slow.indices([value - 273.15 for value in kelvins.tolist()])
    packing = Packing("int16", 0.001, 298.15, (-32768,))
    expected = slow.indices([slow_decode(code, packing) - 273.15 for code in packing.all_codes().tolist()])
    assert code_table(palette, packing).tolist() == expected


@pytest.mark.parametrize(
    ("data", "target", "value", "expected"),
    [
        ("K", "°C", 273.15, 0.0),
        ("degrees_celsius", "K", 0.0, 273.15),
        ("degF", "celsius", 212.0, 100.0),
        ("C", "Fahrenheit", 100.0, 212.0),
        ("1", "%", 0.5, 50.0),
        ("percent", "fraction", 50.0, 0.5),
        ("m", "mm", 0.25, 250.0),
        ("cm", "m", 30.0, 0.3),
        ("kg m-2 s-1", "mm/hr", 0.001, 3.6),
        ("Pa", "hPa", 101325.0, 1013.25),
        ("kg m-2", "g/m²", 0.5, 500.0),
        ("", "°C", 5.0, 5.0),
        ("K", "", 5.0, 5.0),
        ("furlongs", "°C", 5.0, 5.0),
        ("m", "K", 5.0, 5.0),
    ],
)
def test_units_are_converted_where_known(data, target, value, expected):
    from lazytile.colormaps.core.units import conversion

    assert conversion(data, target).apply(np.array([value])).tolist() == [expected]


def test_differences_of_temperature_have_no_origin():
    palette = compile_colormap(read_gibs(document(entry("[1,2)"), "SST Anomaly", units="°C"), "x"), data_units="K")
    assert palette.index_of(np.array([1.5, 274.65])).tolist() == [1, 0]


def test_units_that_cannot_be_compared_are_noted():
    colormap = read_gibs(document(entry("[1,2)"), units="°C"), "x")
    assert "no conversion is known" in compile_colormap(colormap, data_units="mm").notes[0]
    assert not compile_colormap(colormap, data_units="K").notes


def test_a_map_of_several_is_chosen_by_its_title():
    colormap = read_gibs(shared("colormaps", "MODIS_Aqua_Cloud_Water_Path.xml"))
    default, ice, water = (
        compile_colormap(colormap, map_title=title)
        for title in (None, "Cloud Water Path - Ice Phase", "Cloud Water Path - Water Phase")
    )
    values = np.array([5.0, 500.0])
    assert default.index_of(values).tolist() == ice.index_of(values).tolist()
    assert ice.index_of(values).tolist()[0] == 1
    assert water.index_of(values).tolist()[0] == 126
    assert default.rgba.tolist() == water.rgba.tolist()
    with pytest.raises(ColormapError, match="no ColorMap titled 'x'"):
        compile_colormap(colormap, map_title="x")


def test_a_palette_travels_and_its_key_says_what_decides_pixels():
    colormap = read_gibs(shared("colormaps", "GHRSST_Sea_Surface_Temperature.xml"))
    palette = compile_colormap(colormap)
    copy = pickle.loads(pickle.dumps(palette))
    assert isinstance(copy, Palette)
    assert copy == palette
    assert copy.key == palette.key
    assert len(palette.key) == 64
    assert not copy.rgba.flags.writeable
    assert len(pickle.dumps(palette)) < 10_000
    assert compile_colormap(colormap, data_units="K").key != palette.key
    assert {palette, copy, compile_colormap(colormap)} == {palette}


def test_integers_of_any_size_are_values_too():
    palette = compile_colormap(read_gibs(document(entry("[0,10)")), "it"))
    for dtype in (np.int8, np.uint8, np.int32, np.int64, np.float16, np.float32):
        assert palette.index_of(np.array([0, 9, 10], dtype)).tolist() == [1, 1, 0]
