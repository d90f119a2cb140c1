"""Reading GIBS colormaps: real files against an independent parser, and defects of files."""

import pytest

from lazytile.colormaps.core.errors import ColormapError
from lazytile.colormaps.core.model import Interval
from lazytile.colormaps.formats.gibs import read_gibs
from tests.colormaps.slow import FILES, is_nodata, slow_number, slow_parse
from tests.shared import shared

# Entries, marked no data, transparent: counted by hand from the files, so that a fault shared by both parsers shows.
COUNTS = {
    "AIRS_Precipitation_Day": (252, 0, 0),
    "AMSR2_Cloud_Liquid_Water_Day": (241, 1, 2),
    "Anthropogenic_Biomes_of_the_World_2001-2006": (22, 1, 1),
    "GEDI_MU_Color_Index": (252, 1, 1),
    "GHRSST_L4_MUR_Sea_Surface_Temperature_v1.0": (216, 1, 1),
    "GHRSST_Sea_Ice_Concentration": (102, 1, 1),
    "GHRSST_Sea_Surface_Temperature": (216, 1, 1),
    "MEaSUREs_Sea_Surface_Height_Anomalies": (63, 1, 1),
    "MODIS_Aqua_Cloud_Water_Path": (251, 1, 1),
    "MODIS_Aqua_Sea_Ice": (11, 1, 10),
    "MODIS_Combined_Value_Added_AOD": (153, 1, 1),
    "MODIS_NDVI_v1.0": (143, 1, 3),
    "MODIS_NDVI_v1.3": (143, 1, 3),
    "OPERA_Dynamic_Surface_Water_Extent": (6, 1, 1),
    "SampleColorMap_v1.2_ContinuousLog": (256, 1, 2),
    "UHI_Urban-Rural_Summer_Night_Min_Land_Surface_Temp_Difference_2013": (11, 1, 2),
}


def document(entries, title="Data", legend="", units=""):
    return (
        f'<ColorMaps><ColorMap title="{title}" units="{units}">'
        f"<Entries>{entries}</Entries>{legend}</ColorMap></ColorMaps>"
    ).encode()


def entry(value, rgb="1,2,3", more='ref="1"'):
    return f'<ColorMapEntry rgb="{rgb}" value="{value}" {more}/>'


def only(text):
    return read_gibs(document(entry(text)), "it")


@pytest.mark.parametrize("file", FILES or ["none"])
def test_every_real_file_reads_as_a_slow_parse_does(file):
    path = shared("colormaps", file)
    colormap, slow = read_gibs(path), slow_parse(path)
    assert len(colormap.entries) == len(slow)
    for read, raw in zip(colormap.entries, slow, strict=True):
        assert read.rgba[:3] == tuple(int(part) for part in raw["rgb"].split(","))
        assert read.rgba.alpha == (0 if raw.get("transparent") == "true" else 255)
        assert read.nodata == is_nodata(raw)
        assert read.ref == (int(raw["ref"]) if "ref" in raw else None)
        for intervals, attribute in ((read.value, "value"), (read.source, "sourceValue")):
            assert len(intervals) == (attribute in raw)
            if intervals:
                text = raw[attribute]
                numbers = [slow_number(number) for number in text.strip("[]()").split(",")]
                assert (intervals[0].lower, intervals[0].upper) == (numbers[0], numbers[-1])
                assert intervals[0].closed_upper == (text[-1] == "]" or len(numbers) == 1)
                assert intervals[0].closed_lower == (text[0] != "(")


@pytest.mark.parametrize("file", FILES or ["none"])
def test_counts_of_entries_nodata_and_transparent(file):
    colormap = read_gibs(shared("colormaps", file))
    counted = (
        len(colormap.entries),
        sum(e.nodata for e in colormap.entries),
        sum(e.rgba.alpha == 0 for e in colormap.entries),
    )
    assert counted == COUNTS[colormap.name]


def test_flaws_of_real_files_are_reported_with_file_line_and_entry():
    airs = [str(flaw) for flaw in read_gibs(shared("colormaps", "AIRS_Precipitation_Day.xml")).warnings]
    assert "AIRS_Precipitation_Day.xml, line 89, entry 83: '[9.96,0.08)' is reversed, it holds no value" in airs
    assert sum("repeats" in flaw for flaw in airs) == 13
    assert sum("gap" in flaw for flaw in airs) == 2
    log = [str(flaw) for flaw in read_gibs(shared("colormaps", "SampleColorMap_v1.2_ContinuousLog.xml")).warnings]
    assert any("line 6, entry 1: [0.01,0.0103) overlaps" in flaw for flaw in log)
    assert any("line 82, entry 77" in flaw for flaw in log)
    water = read_gibs(shared("colormaps", "MODIS_Aqua_Cloud_Water_Path.xml")).warnings
    assert len(water) == 1
    assert "'Cloud Water Path - Water Phase' overlaps" in str(water[0])
    assert not read_gibs(shared("colormaps", "GHRSST_Sea_Surface_Temperature.xml")).warnings


@pytest.mark.parametrize(
    ("text", "intervals", "slip"),
    [
        ("[1,2)", [Interval(1, 2)], None),
        ("(1,2]", [Interval(1, 2, closed_lower=False, closed_upper=True)], None),
        ("[1]", [Interval.single(1)], None),
        ("-1.5e-3", [Interval.single(-0.0015)], None),
        ("[-INF,+INF]", [Interval(float("-inf"), float("inf"), closed_upper=True)], None),
        ("[1,2),[5,6),[9]", [Interval(1, 2), Interval(5, 6), Interval.single(9)], None),
        ("1,2,3", [Interval.single(1), Interval.single(2), Interval.single(3)], "without brackets"),
        ("[0)", [Interval.single(0)], "do not match"),
        ("(0]", [Interval.single(0)], "do not match"),
        ("[5,3)", [Interval(5, 3)], "reversed"),
        ("[5,5)", [Interval(5, 5)], "empty"),
        ("[1,2", [Interval(1, 2)], "no closing bracket"),
        ("1,2)", [Interval.single(1), Interval.single(2)], "never opened"),
        ("[a,b)", [], "not a value"),
        ("[NaN,1)", [], "not a value"),
        ("", [], "holds no value"),
    ],
)
def test_notation_and_its_slips(text, intervals, slip):
    colormap = only(text)
    assert list(colormap.entries[0].value) == intervals
    message = [str(flaw) for flaw in colormap.warnings]
    if slip is None:
        assert not message
    else:
        assert slip in message[0]
        assert message[0].startswith("it, line 1, entry 0: ")


def test_gap_overlap_order_and_repeated_colours_are_reported():
    text = document(
        entry("[0,1)", "1,1,1", 'ref="1"')
        + entry("[2,3)", "2,2,2", 'ref="2"')
        + entry("[2.5,4)", "2,2,2", 'ref="3"')
        + entry("[-2,-1)", "3,3,3", 'ref="4"')
    )
    message = " | ".join(str(flaw) for flaw in read_gibs(text, "it").warnings)
    assert "entry 1: between 1 and 2 there is a gap" in message
    assert "entry 2: [2.5,4) overlaps [2,3) of entry 1, entry 1 wins" in message
    assert "entry 2: colour 2,2,2 repeats that of entry 1" in message
    assert "entry 3: [-2,-1) follows [2.5,4): values do not ascend" in message


def test_open_ends_that_meet_leave_a_gap_and_closed_ones_overlap():
    both_open = document(entry("[0,1)", "1,1,1") + entry("(1,2]", "2,2,2"))
    assert "gap" in str(read_gibs(both_open, "it").warnings[0])
    both_closed = document(entry("[0,1]", "1,1,1") + entry("[1,2]", "2,2,2"))
    assert "overlaps" in str(read_gibs(both_closed, "it").warnings[0])
    fitting = document(entry("(0,1]", "1,1,1") + entry("(1,2]", "2,2,2"))
    assert not read_gibs(fitting, "it").warnings


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ('rgb="1,2" value="1" ref="1"', "rgb '1,2' is not three numbers"),
        ('rgb="1,2,300" value="1" ref="1"', "above 255"),
        ('rgb="1,2,3" value="1" ref="x"', "ref 'x' is not an integer"),
        ('rgb="1,2,3" value="1" ref="1" transparent="yes"', "neither true nor false"),
        ('rgb="1,2,3" ref="1"/><ColorMapEntry rgb="1,2,4" value="1" ref="2"', "neither a value nor a sourceValue"),
    ],
)
def test_flaws_in_attributes_are_reported(attributes, message):
    colormap = read_gibs(document(f"<ColorMapEntry {attributes}/>"), "it")
    assert message in " | ".join(str(flaw) for flaw in colormap.warnings)


def test_a_source_value_on_another_scale_is_not_compared_with_values():
    text = document(
        '<ColorMapEntry rgb="9,9,9" transparent="true" sourceValue="[0,7500)" nodata="true" ref="0"/>'
        '<ColorMapEntry rgb="1,1,1" sourceValue="[7500,10000)" value="[150.0,200.0)" ref="1"/>'
        '<ColorMapEntry rgb="2,2,2" sourceValue="65535" ref="2"/>'
    )
    colormap = read_gibs(text, "it")
    assert [len(colormap.bins(e)) for e in colormap.entries] == [0, 1, 0]
    assert [flaw.entry for flaw in colormap.warnings] == [2]


def test_refs_are_class_codes_only_where_nothing_else_is_given():
    bare = document('<ColorMapEntry rgb="1,1,1" ref="7"/><ColorMapEntry rgb="0,0,0" nodata="true" ref="8"/>')
    colormap = read_gibs(bare, "it")
    assert [colormap.bins(e) for e in colormap.entries] == [(Interval.single(7.0),), ()]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not xml",
        b"<ColorMaps><ColorMap></ColorMaps>",
        b"<html/>",
        b"<ColorMaps/>",
        b'<ColorMaps><ColorMap title="x"><Entries/></ColorMap></ColorMaps>',
        b'<!DOCTYPE ColorMaps [<!ENTITY a "b">]><ColorMaps/>',
        '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE a><ColorMaps/>'.encode("utf-16"),
        b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE a+AD4-<ColorMaps/>',
        b'<?xml version="1.0" encoding="nonsense"?><ColorMaps/>',
    ],
)
def test_what_is_not_a_colormap_is_one_clear_error(content):
    with pytest.raises(ColormapError) as caught:
        read_gibs(content, "it")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("it: ")


def test_entities_are_refused_before_they_grow(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    bombs = (
        f'<!DOCTYPE x [<!ENTITY l0 "lol">{laughs}]><ColorMaps><ColorMap title="&l11;"/></ColorMaps>',
        f'<!DOCTYPE x [<!ENTITY s SYSTEM "file://{secret}">]><ColorMaps><ColorMap title="x">&s;</ColorMap></ColorMaps>',
        '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><ColorMaps/>',
    )
    for bomb in bombs:
        with pytest.raises(ColormapError, match="not allowed"):
            read_gibs(bomb.encode(), "it")


def test_too_large_and_missing_files(tmp_path):
    big = tmp_path / "big.xml"
    big.write_bytes(b"<ColorMaps>" + b" " * (4 << 20) + b"</ColorMaps>")
    with pytest.raises(ColormapError, match="exceeds the limit"):
        read_gibs(big)
    with pytest.raises(ColormapError, match="cannot be read"):
        read_gibs(tmp_path / "missing.xml")
