"""Hostile colormap files: each is refused, or read in part with a warning, before it costs memory or time."""

from __future__ import annotations

import pytest

from lazytile.colormaps.core.errors import ColormapError
from lazytile.colormaps.formats.readers import read_colormap, read_content

MANY = 65_536
ENTRY = '<ColorMapEntry rgb="1,2,3" value="[0,1)"/>'
SLD = "<StyledLayerDescriptor><RasterSymbolizer><ColorMap>{}</ColorMap></RasterSymbolizer></StyledLayerDescriptor>"
MANY_FILES = {
    "a.xml": f"<ColorMap>{ENTRY * MANY}</ColorMap>",
    "b.xml": "<ColorMaps><ColorMap><Entries>"
    + ENTRY
    + "</Entries><Legend type='continuous'>"
    + "<LegendEntry rgb='1,2,3' tooltip='' id='1'/>" * MANY
    + "</Legend></ColorMap></ColorMaps>",
    "a.sld": SLD.format('<ColorMapEntry color="#112233" quantity="1"/>' * MANY),
    "a.txt": "\n".join(f"{number} 1 2 3" for number in range(MANY)),
    "a.json": '{"scale": {"colors": [' + ",".join(['"000000"'] * MANY) + '], "values": [[0, 1]]}}',
}


@pytest.mark.parametrize("name", MANY_FILES)
def test_the_number_of_entries_is_bounded(name):
    with pytest.raises(ColormapError, match=f"{name}: it holds {MANY} entries, a colormap has at most 65535"):
        read_content(MANY_FILES[name].encode(), "a", name)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", "[" * 100_000, "not JSON"),
        ("a.json", '{"scale": ' + "9" * 100_000 + "}", "not JSON"),
        ("a.xml", "<ColorMaps>" + "<a>" * 100_000, "not well-formed XML"),
        ("a.xml", '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><ColorMaps>&c;</ColorMaps>', "not allowed"),
        ("a.xml", '<?xml version="1.0" encoding="none-such"?><ColorMaps/>', "not well-formed XML"),
    ],
)
def test_hostile_documents_are_one_clear_line(name, content, message):
    with pytest.raises(ColormapError, match=message) as raised:
        read_content(content.encode(), "a", name)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 500


def test_a_file_is_bounded(tmp_path):
    (tmp_path / "a.xml").write_bytes(b"<ColorMaps>" + b" " * (5 << 20) + b"</ColorMaps>")
    with pytest.raises(ColormapError, match="exceeds the limit of 4194304 bytes"):
        read_colormap(tmp_path / "a.xml")


@pytest.mark.parametrize(
    ("entry", "flaw"),
    [
        (f'rgb="{"9" * 100_000},2,3" value="[1,2)"', "is not three numbers from 0 to 255"),
        (f'rgb="1,2,3" value="{"[0,1)," * 10_000}"', "value has 60000 characters, at most 16384 are read"),
        (f'rgb="1,2,3" value="[1,2)" ref="{"9" * 100_000}"', "is not an integer"),
    ],
)
def test_hostile_attributes_become_warnings(entry, flaw):
    colormap = read_content(f"<ColorMap><ColorMapEntry {entry}/></ColorMap>".encode(), "a", "a.xml")
    assert any(flaw in str(each) for each in colormap.warnings), colormap.warnings
