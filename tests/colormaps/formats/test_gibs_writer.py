"""Writing GIBS version 1.3: valid against the schema, and unchanged when read again."""

import functools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from lazytile.colormaps.compiled.palette import compile_colormap
from lazytile.colormaps.core.errors import ColormapError
from lazytile.colormaps.core.model import Colormap, Entry, Interval, Legend, LegendEntry, Part, Rgba
from lazytile.colormaps.formats.gibs import read_gibs
from lazytile.colormaps.formats.gibs_writer import gibs_xml, write_gibs
from lazytile.colormaps.formats.readers import read_content
from lazytile.colormaps.library.catalog import ColormapCatalog
from tests.colormaps.library.test_catalog import BUNDLED
from tests.colormaps.slow import FILES
from tests.shared import shared


@functools.cache
def schema():
    return etree.XMLSchema(etree.parse(shared("colormaps", "ColorMap_v1.3.xsd")))


def bare(colormap):
    """The parts without line numbers, which a rewritten file has elsewhere."""
    return [
        replace(part, entries=tuple(replace(entry, line=None) for entry in part.entries)) for part in colormap.parts
    ]


def assert_valid(content):
    checked = schema()
    assert checked.validate(etree.fromstring(content)), checked.error_log


@pytest.mark.parametrize("file", FILES or ["none"])
def test_real_files_round_trip_and_are_valid(file):
    colormap = read_gibs(shared("colormaps", file))
    content = gibs_xml(colormap)
    assert_valid(content)
    again = read_gibs(content, colormap.name)
    if "ref=" in shared("colormaps", file).read_text("utf-8") and "v1.2" not in file:
        assert bare(again) == bare(colormap)
    assert compile_colormap(again) == compile_colormap(colormap)
    kept = [e for e in colormap.entries if e.ref is not None or "v1.2" not in file]
    assert [again.entries[e.index].label for e in kept] == [e.label for e in kept]
    assert gibs_xml(again) == content


@pytest.mark.parametrize("name", sorted(BUNDLED))
def test_bundled_files_are_valid(name):
    assert_valid((ColormapCatalog().bundled_folder / f"{name}.xml").read_bytes())


finite = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn", "Co"]), max_size=12).map(str.strip)
intervals = st.builds(
    Interval, finite | st.just(float("-inf")), finite | st.just(float("inf")), st.booleans(), st.booleans()
)
colours = st.builds(Rgba, *[st.integers(0, 255)] * 3, st.sampled_from([0, 255]))


@st.composite
def colormaps(draw):
    entries = []
    for index in range(draw(st.integers(1, 6))):
        value = tuple(draw(st.lists(intervals, max_size=3)))
        source = tuple(draw(st.lists(intervals, max_size=2)))
        entries.append(Entry("T", index, draw(colours), value, source, draw(st.booleans()), ref=index))
    marks = [
        LegendEntry(e.index, e.rgba._replace(alpha=255), draw(texts), draw(st.none() | texts), draw(st.booleans()))
        for e in entries
    ]
    legend = Legend(draw(st.sampled_from(["continuous", "discrete"])), tuple(marks), draw(st.none() | texts))
    labelled = tuple(replace(e, label=mark.tooltip) for e, mark in zip(entries, marks, strict=True))
    return Colormap("x", (Part("T", labelled, draw(texts), legend),))


@settings(max_examples=150, deadline=None)
@given(colormaps())
def test_any_colormap_round_trips(colormap):
    content = gibs_xml(colormap)
    assert_valid(content)
    assert bare(read_gibs(content, "x")) == bare(colormap)


def test_what_the_schema_cannot_hold_is_refused(tmp_path):
    def one(**fields):
        return Colormap("x", (Part("T", (Entry("T", 0, **{"rgba": Rgba(1, 2, 3), **fields}),)),))

    with pytest.raises(ColormapError, match="alpha 7"):
        gibs_xml(one(rgba=Rgba(1, 2, 3, 7)))
    with pytest.raises(ColormapError, match="16-bit"):
        gibs_xml(one(ref=99999))
    path = tmp_path / "kept.xml"
    path.write_text("old")
    with pytest.raises(ColormapError):
        write_gibs(one(ref=99999), path)
    assert path.read_text() == "old"
    with pytest.raises(ColormapError, match="cannot be written"):
        write_gibs(one(), path / "below" / "a.xml")
    assert [file.name for file in tmp_path.iterdir()] == ["kept.xml"]


@pytest.mark.parametrize("suffix", ["sld", "txt"])
@pytest.mark.parametrize("file", FILES or ["none"])
def test_exports_say_of_every_value_what_a_tile_shows(file, suffix):
    import numpy as np

    from lazytile.colormaps.formats.step_writers import sld_xml, table_text
    from tests.colormaps.slow import float_edges, neighbours, slow_parse

    path = shared("colormaps", file)
    colormap = read_gibs(path)
    content = (sld_xml if suffix == "sld" else table_text)(colormap)
    again = compile_colormap(read_content(content, "again", f"again.{suffix}"))
    palette = compile_colormap(colormap)
    values = np.concatenate([neighbours(float_edges(slow_parse(path)), np.float64), [1e308, -1e308, np.nan]])
    if suffix == "sld":  # SLD has no colour for no data
        values = values[:-1]
    shown, expected = again.colours(again.index_of(values)), palette.colours(palette.index_of(values))
    assert shown.tolist() == expected.tolist()
