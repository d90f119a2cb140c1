"""Colormap formats other than GIBS: values map to the colours that the rules of each format define."""

import json
import sys
import types

import numpy as np
import pytest

from lazytile.colormaps.compiled.palette import compile_colormap
from lazytile.colormaps.core.errors import ColormapError, ColormapNotFoundError
from lazytile.colormaps.formats.readers import read_colormap, read_content
from lazytile.colormaps.library.catalog import ColormapCatalog
from lazytile.colormaps.synthesis.named import random_colormap

NAN, INF = float("nan"), float("inf")


def shown(colormap, values):
    """The colours of some values."""
    palette = compile_colormap(colormap)
    return [tuple(colour) for colour in palette.colours(palette.index_of(np.array(values, np.float64))).tolist()]


def slcp(**scale):
    return read_content(json.dumps({"scale": scale}).encode(), "bar", "bar.json")


def test_slcp():
    colormap = slcp(
        colors=["000000", "ff0000", "00ff0080", "0000FF"],
        values=[None, [None, 0], [0, 1.5], [1.5, None]],
        labels=["No Data", "< 0", "0 to 1.5", "more"],
    )
    assert not colormap.warnings
    assert shown(colormap, [-INF, -1, 0, 1.5, INF, NAN]) == [
        (255, 0, 0, 255),
        (255, 0, 0, 255),
        (0, 255, 0, 128),
        (0, 0, 255, 255),
        (0, 0, 255, 255),
        (0, 0, 0, 255),
    ]
    assert [e.label for e in colormap.main_part.entries] == ["< 0", "0 to 1.5", "more"]


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        ({"colors": ["ff0000"], "values": [[0, 1], [1, 2]]}, "1 colors and 2 values"),
        ({"colors": ["ff0000", "red"], "values": [[0, 1], [1, 2]]}, "not 'red'; read as transparent"),
        ({"colors": ["ff0000", "ff0001"], "values": [[0, 1], [1]]}, "not two numbers"),
        ({"colors": ["ff0000", "ff0001"], "values": [[0, 1], ["a", 1]]}, "not two numbers"),
        ({"colors": ["ff0000", "ff0001"], "values": [[0, 1], [2, 3]]}, "there is a gap"),
    ],
)
def test_flaws_of_colour_bars_are_reported(scale, message):
    assert any(message in str(flaw) for flaw in slcp(**scale).warnings)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"scale": 1}',
        b'{"scale": {"colors": 1}}',
        b'{"scale": {"colors": [], "values": []}}',
        b"[" * 9999,
    ],
)
def test_what_is_not_a_colour_bar_is_refused(content):
    with pytest.raises(ColormapError, match=r"^bar\.json: "):
        read_content(content, "bar", "bar.json")


def sld(inner, root="ColorMap", attributes=""):
    return read_content(f'<a xmlns="x"><{root} {attributes}>{inner}</{root}></a>'.encode(), "s", "s.sld")


ENTRIES = (
    '<ColorMapEntry color="#000000" quantity="0" opacity="0.5"/>'
    '<ColorMapEntry color="#ff0000" quantity="10" label="ten"/>'
    '<ColorMapEntry color="#0000ff" quantity="20"/>'
)


def test_sld_ramp_is_blended():
    colours = shown(sld(ENTRIES), [-5, 0, 5, 9.999, 10, 15, 20, 99])
    assert colours[0] == (0, 0, 0, 128)
    assert colours[7] == (0, 0, 255, 255)
    assert abs(colours[2][0] - 128) <= 2
    assert abs(colours[5][0] - 128) <= 2
    assert abs(colours[5][2] - 128) <= 2
    assert colours[3][0] >= 252
    palette = compile_colormap(sld(ENTRIES))
    assert palette.is_indexed


def test_sld_intervals_and_values():
    steps = sld(ENTRIES, attributes='type="intervals"')
    assert shown(steps, [-INF, -1, 0, 9.9, 10, 20, NAN]) == [
        (0, 0, 0, 128),
        (0, 0, 0, 128),
        (255, 0, 0, 255),
        (255, 0, 0, 255),
        (0, 0, 255, 255),
        (0, 0, 0, 0),
        (0, 0, 0, 0),
    ]
    exact = sld(ENTRIES, attributes='type="values"')
    assert shown(exact, [0, 10, 10.5]) == [(0, 0, 0, 128), (255, 0, 0, 255), (0, 0, 0, 0)]
    assert exact.is_classification


CATEGORIES = (
    "<Value>#ff0000</Value><Threshold>1</Threshold><Value>#00ff00</Value><Threshold>2</Threshold><Value>#0000ff</Value>"
)


@pytest.mark.parametrize(
    ("attributes", "at_one"),
    [
        ("", (0, 255, 0, 255)),
        ('thresholdsBelongTo="preceding"', (255, 0, 0, 255)),
        ('threshholdsBelongTo="preceding"', (255, 0, 0, 255)),
    ],
)
def test_sld_categorize(attributes, at_one):
    colormap = sld(CATEGORIES, "Categorize", f'fallbackValue="#010203" {attributes}')
    assert shown(colormap, [-INF, 1, 1.5, INF, NAN]) == [
        (255, 0, 0, 255),
        at_one,
        (0, 255, 0, 255),
        (0, 0, 255, 255),
        (1, 2, 3, 0),  # OnEarth's SLDtoColorMap.py: the entry of no data has the colour, and is transparent
    ]
    assert not colormap.warnings


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("#78c818", (120, 200, 24, 0)),
        ("78C818", (120, 200, 24, 0)),
        ("#78c818ff", (120, 200, 24, 0)),
        ("transparent", (0, 0, 0, 0)),
    ],
)
def test_the_fallback_value_of_an_sld_is_no_data_and_transparent_as_in_onearth(text, wanted):
    """As ``SLDtoColorMap.py`` of OnEarth writes it: ``transparent="true" nodata="true"``."""
    colormap = sld(CATEGORIES, "Categorize", f'fallbackValue="{text}"')
    assert tuple(colormap.nodata_entry.rgba) == wanted
    assert shown(colormap, [NAN, 1.5]) == [wanted, (0, 255, 0, 255)]


def symbolizers(*layers):
    """An SLD of NamedLayers, each a name and the (opacity, Categorize) of its RasterSymbolizers."""
    text = ""
    for name, each in layers:
        text += f"<NamedLayer><se:Name>{name}</se:Name><UserStyle><se:CoverageStyle><se:Rule>"
        for opacity, values in each:
            text += f"<se:RasterSymbolizer>{opacity}<se:ColorMap>{values}</se:ColorMap></se:RasterSymbolizer>"
        text += "</se:Rule></se:CoverageStyle></UserStyle></NamedLayer>"
    namespaces = 'xmlns="http://www.opengis.net/sld" xmlns:se="http://www.opengis.net/se"'
    return f'<StyledLayerDescriptor version="1.1.0" {namespaces}>{text}</StyledLayerDescriptor>'.encode()


def categorize(fallback, below, threshold, above):
    return (
        f'<se:Categorize fallbackValue="{fallback}"><se:LookupValue>Rasterdata</se:LookupValue>'
        f"<se:Value>{below}</se:Value><se:Threshold>{threshold}</se:Threshold><se:Value>{above}</se:Value>"
        "</se:Categorize>"
    )


def test_every_symbolizer_of_an_sld_is_a_colormap_as_in_onearth():
    """``SLDtoColorMap.py`` makes a ColorMap of each RasterSymbolizer, of the layer that has the name."""
    one, two = categorize("#000000", "#110000", 5, "#220000"), categorize("#010101", "#330000", 9, "#440000")
    content = symbolizers(
        ("other", [("", categorize("#ffffff", "#999999", 1, "#aaaaaa"))]), ("mine", [("", one), ("", two)])
    )
    colormap = read_content(content, "mine", "mine.sld")
    assert [[tuple(entry.rgba) for entry in part.entries] for part in colormap.parts] == [
        [(0, 0, 0, 0)],
        [(17, 0, 0, 255), (34, 0, 0, 255)],
        [(51, 0, 0, 255), (68, 0, 0, 255)],
    ]
    assert [entry.index for entry in colormap.entries] == [0, 1, 2, 3, 4]
    refs = {entry.ref for entry in colormap.entries}
    assert refs == {mark.id for part in colormap.parts for mark in part.legend.entries}
    assert shown(colormap, [0, 7, NAN]) == [(17, 0, 0, 255), (34, 0, 0, 255), (0, 0, 0, 0)]  # the first map wins
    everything = read_content(content, "unnamed", "unnamed.sld")
    assert len(everything.entries) == 7


def test_the_opacity_of_a_symbolizer_holds_for_its_entries():
    """As ``colormap2vrt.py`` of OnEarth takes ``Opacity``."""
    content = symbolizers(("mine", [("<se:Opacity>0.4</se:Opacity>", categorize("#000000", "#110000", 5, "#220000"))]))
    assert shown(read_content(content, "mine", "mine.sld"), [0, 7]) == [(17, 0, 0, 102), (34, 0, 0, 102)]


def test_sld_interpolate():
    points = "".join(
        f"<InterpolationPoint><Data>{value}</Data><Value>{colour}</Value></InterpolationPoint>"
        for value, colour in ((0, "#000000"), (100, "#ffffff"))
    )
    colours = shown(sld(points, "Interpolate"), [-1, 50, 101])
    assert colours[0] == (0, 0, 0, 255)
    assert abs(colours[1][0] - 128) <= 2
    assert colours[2] == (255, 255, 255, 255)


@pytest.mark.parametrize(
    ("inner", "root", "attributes"),
    [
        ("", "ColorMap", ""),
        ('<ColorMapEntry color="red" quantity="1"/>', "ColorMap", ""),
        ('<ColorMapEntry color="#ff0000" quantity="x"/>', "ColorMap", ""),
        ('<ColorMapEntry color="#ff0000" quantity="inf"/>', "ColorMap", ""),
        (ENTRIES, "ColorMap", 'type="rainbow"'),
        ("<Value>#ff0000</Value><Threshold>1</Threshold>", "Categorize", ""),
        ("<InterpolationPoint/>", "Interpolate", ""),
    ],
)
def test_what_is_not_an_sld_is_refused(inner, root, attributes):
    with pytest.raises(ColormapError, match=r"^s(\.sld|:)"):
        sld(inner, root, attributes)


def table(text):
    return read_content(text.encode(), "t", "t.txt")


def test_gdal_colour_table():
    colormap = table("# a comment\nnv 1 2 3 4\n0 black\n10,255,0,0\n\n10:0:255:0:128\n20\t0 0 255 # blue\n")
    colours = shown(colormap, [-INF, 0, 9.99, 10, 20, INF, NAN])
    assert colours[0] == (0, 0, 0, 255)
    assert colours[2][0] > 250
    assert colours[3][1] > 250
    assert colours[3][3] in range(126, 132)
    assert colours[5] == (0, 0, 255, 255)
    assert colours[6] == (1, 2, 3, 4)


def test_percents_are_relative():
    colormap = table("0% 0 0 0\n100% 255 255 255\n")
    assert colormap.relative
    assert abs(shown(colormap, [0.5])[0][0] - 128) <= 1


def test_qgis_tables():
    steps = table(
        "# QGIS Generated Color Map Export File\nINTERPOLATION:DISCRETE\n1,255,0,0,255,<= 1\ninf,0,255,0,255,> 1\n"
    )
    assert shown(steps, [-INF, 1, 1.0000001, INF]) == [(255, 0, 0, 255)] * 2 + [(0, 255, 0, 255)] * 2
    assert [e.label for e in steps.main_part.entries] == ["<= 1", "> 1"]
    exact = table("INTERPOLATION:EXACT\n1,255,0,0,255,Water\n2,0,255,0,255,Two words, and a comma\n")
    assert shown(exact, [1, 2, 3]) == [(255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 0, 0)]
    assert exact.main_part.entries[1].label == "Two words, and a comma"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no colours"),
        ("x 1 2 3", "line 1: 'x' is not a number"),
        ("1 2 3", "line 1: a colour is"),
        ("0 0 0 0\n1 2 3 400", "line 2: the components of a colour must be 0 to 255"),
        ("0 0 0 0\n50% 1 2 3", "percentages or none"),
        ("INTERPOLATION:CUBIC\n1 1 1 1", "INTERPOLATION must be"),
        ("nan 1 2 3", "not a number"),
    ],
)
def test_what_is_not_a_colour_table_is_refused(text, message):
    with pytest.raises(ColormapError, match=message):
        table(text)


def test_binary_is_not_a_colour_table():
    with pytest.raises(ColormapError, match="not text"):
        read_content(b"\xff\xfe\x00", "t", "t.txt")


def test_an_sld_may_be_called_xml_and_other_suffixes_are_refused(tmp_path):
    path = tmp_path / "style.xml"
    path.write_text(f'<StyledLayerDescriptor><ColorMap type="values">{ENTRIES}</ColorMap></StyledLayerDescriptor>')
    assert len(read_colormap(path).entries) == 4
    with pytest.raises(ColormapError, match=r"ends in \.xml"):
        read_colormap(tmp_path / "a.pal")


def test_random_is_the_same_everywhere_and_different_by_seed():
    first, other = random_colormap(0), random_colormap(1)
    assert first.relative
    assert [e.rgba[:3] for e in first.entries[1:4]] == [(228, 98, 220), (126, 219, 51), (145, 29, 193)]
    assert ColormapCatalog().find("random").entries == first.entries
    assert [e.rgba for e in ColormapCatalog().find("random-1").entries] == [e.rgba for e in other.entries]
    assert [e.rgba for e in first.entries] != [e.rgba for e in other.entries]


class FakeMap:
    N = 256

    def __call__(self, share):
        return (0.0, 0.0, 0.0, 0.0) if share < 0 else (1.0, 1.0, 1.0, 1.0) if share > 1 else (share, 0.5, 0.0, 1.0)


def test_matplotlibs_names_where_it_is_installed(monkeypatch):
    fake = types.ModuleType("matplotlib")
    fake.colormaps = {"rainbow": FakeMap()}
    monkeypatch.setitem(sys.modules, "matplotlib", fake)
    colormap = ColormapCatalog().find("rainbow")
    assert colormap.relative
    assert compile_colormap(colormap).is_indexed
    colours = shown(colormap, [-1, 0.5, 2])
    assert colours[0] == (0, 0, 0, 0)
    assert abs(colours[1][0] - 128) <= 1
    assert colours[2] == (255, 255, 255, 255)
    with pytest.raises(ColormapNotFoundError):
        ColormapCatalog().find("viridis")


def test_without_matplotlib_its_names_are_unknown(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ColormapNotFoundError):
        ColormapCatalog().find("viridis")


def test_the_real_matplotlib():
    pytest.importorskip("matplotlib", reason="Matplotlib is not installed")
    assert shown(ColormapCatalog().find("viridis"), [0.001])[0][2] in range(80, 90)
