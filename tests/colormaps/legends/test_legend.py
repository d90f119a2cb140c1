"""Legends: content, every size, and the colours of the colormap in SVG and PNG."""

import io
import json
from itertools import product

import numpy as np
import pytest
from lxml import etree
from PIL import Image

from lazytile.colormaps.core.errors import ColormapError
from lazytile.colormaps.formats.gibs import read_gibs
from lazytile.colormaps.legends.layout import INKS, LegendStyle, plan_legend
from lazytile.colormaps.legends.panels import legend_document, legend_panels
from lazytile.colormaps.legends.png import legend_png
from lazytile.colormaps.legends.svg import legend_svg
from lazytile.colormaps.legends.text_metrics import TextMetrics
from lazytile.colormaps.library.catalog import ColormapCatalog
from scripts.make_legend_picture import picture, six_colormaps
from tests.colormaps.formats.test_gibs import document, entry
from tests.colormaps.slow import FILES
from tests.shared import shared

SVG = "{http://www.w3.org/2000/svg}"


def image_of(colormap, **style):
    return Image.open(io.BytesIO(legend_png(plan_legend(colormap, LegendStyle(**style)))))


@pytest.mark.parametrize("file", FILES or ["none"])
def test_one_panel_a_colormap_and_transparent_entries_left_out(file):
    colormap = read_gibs(shared("colormaps", file))
    panels = legend_panels(colormap)
    visible = [part for part in colormap.parts if any(e.rgba.alpha for e in part.entries)]
    assert [panel.title for panel in panels if panel.title in {part.title for part in visible}] == [
        part.title for part in visible if part.title
    ]
    for panel, part in zip(panels, visible, strict=True):
        assert [swatch.rgba for swatch in panel.swatches] == [e.rgba for e in part.entries if e.rgba.alpha]
        assert panel.units == part.units


def test_ticks_and_labels_are_where_the_file_says():
    panel = legend_panels(read_gibs(shared("colormaps", "GHRSST_Sea_Surface_Temperature.xml")))[0]
    labelled = {tick.label: tick.place for tick in panel.ticks if tick.label}
    assert (panel.min_label, panel.max_label) == ("< 0.00", "≥ 32.00")
    assert list(labelled) == ["8.00", "16.00", "24.00"]
    # Entry 55 of the 215 shown begins at the tick: continuous ticks stand at the beginning of their bin.
    assert labelled["8.00"] == pytest.approx(54 / 215)
    discrete = legend_panels(
        read_gibs(shared("colormaps", "UHI_Urban-Rural_Summer_Night_Min_Land_Surface_Temp_Difference_2013.xml"))
    )[0]
    assert discrete.type == "discrete"
    assert discrete.open_ends == (True, True)
    middle = {tick.label: tick.place for tick in discrete.ticks if tick.label}
    assert middle["-0.25 - 0.25"] == pytest.approx(4.5 / 9)


LEGEND = """<ColorMaps><ColorMap title="Depth" units="m">
<Entries>
<ColorMapEntry rgb="1,1,1" transparent="true" value="[0,1)" ref="1"/>
<ColorMapEntry rgb="10,0,0" value="[1,2)" ref="2"/>
<ColorMapEntry rgb="20,0,0" value="[2,4)" ref="2"/>
<ColorMapEntry rgb="30,0,0" value="[4,+INF)" ref="3"/>
<ColorMapEntry rgb="40,0,0" value="[9,10)"/>
</Entries>
<Legend type="{type}" minLabel="low" maxLabel="high">
<LegendEntry rgb="1,1,1" tooltip="none" id="1"/>
<LegendEntry rgb="15,0,0" tooltip="one to four" id="2" showTick="true" showLabel="true" label="1"/>
<LegendEntry rgb="30,0,0" tooltip="more" id="3" showTick="true" showLabel="true" label="4"/>
</Legend></ColorMap></ColorMaps>"""


@pytest.mark.parametrize("type_", ["continuous", "discrete", "classification"])
def test_one_bar_for_each_legend_entry_in_its_own_colour(type_):
    """``oe_generate_legend.py`` of OnEarth draws LegendEntries; one is as transparent as its first ColorMapEntry."""
    colormap = read_gibs(LEGEND.replace("{type}", type_).encode())
    (panel,) = legend_panels(colormap)
    assert [(tuple(each.rgba), each.text) for each in panel.swatches] == [
        ((15, 0, 0, 255), "one to four"),
        ((30, 0, 0, 255), "more"),
    ]
    assert [(each.bin.lower, each.bin.upper) for each in panel.swatches] == [(1.0, 4.0), (4.0, np.inf)]
    places = {"continuous": [0.0, 0.5], "discrete": [0.25, 0.75], "classification": []}[type_]
    assert [(tick.place, tick.label) for tick in panel.ticks] == list(zip(places, ["1", "4"], strict=False))
    document = legend_document(colormap)
    assert [stop["color"] for stop in document["stops"]] == ["#0f0000", "#1e0000"]


def test_an_empty_legend_shows_the_entries():
    colormap = read_gibs(
        b'<ColorMaps><ColorMap title="a"><Entries><ColorMapEntry rgb="9,0,0" value="[0,1)"/></Entries>'
        b'<Legend type="continuous"/></ColorMap></ColorMaps>'
    )
    assert [tuple(each.rgba) for each in legend_panels(colormap)[0].swatches] == [(9, 0, 0, 255)]


def test_a_map_without_labels_gets_ticks_of_its_own():
    panel = legend_panels(read_gibs(shared("colormaps", "MODIS_NDVI_v1.0.xml")))[0]
    assert 4 <= sum(bool(tick.label) for tick in panel.ticks) <= 8


@pytest.mark.parametrize("file", [*FILES, "bundled"])
def test_every_orientation_text_and_size(file):
    colormap = ColormapCatalog().find("classes") if file == "bundled" else read_gibs(shared("colormaps", file))
    metrics = TextMetrics()
    sizes = [(None, None), (24, 24), (60, 400), (1000, 30), (333, 77)]
    for number, (orientation, (width, height)) in enumerate(product(("horizontal", "vertical"), sizes)):
        text = ("dark", "light")[number % 2]
        drawing = plan_legend(colormap, LegendStyle(orientation, text, width, height))
        image = Image.open(io.BytesIO(legend_png(drawing)))
        assert image.mode == "RGBA"
        assert image.size == (width or drawing.width, height or drawing.height)
        assert image.getpixel((0, image.height - 1))[3] == 0
        svg = etree.fromstring(legend_svg(drawing))
        assert (int(svg.get("width")), int(svg.get("height"))) == image.size
        for letters in drawing.texts:
            room = metrics.width(letters.text, letters.size)
            start = letters.x - {"start": 0, "middle": room / 2, "end": room}[letters.anchor]
            if drawing.width >= 160:
                assert start >= -1
                assert start + room <= drawing.width + 1


def test_the_svg_has_a_patch_with_a_tooltip_for_each_entry():
    colormap = read_gibs(shared("colormaps", "GHRSST_Sea_Surface_Temperature.xml"))
    svg = etree.fromstring(legend_svg(plan_legend(colormap, LegendStyle())))
    patches = [element for element in svg.iter(f"{SVG}polygon") if element.find(f"{SVG}title") is not None]
    assert [patch.find(f"{SVG}title").text for patch in patches] == [e.label for e in colormap.main_part.entries]
    assert [patch.get("fill") for patch in patches] == [e.rgba.hex() for e in colormap.main_part.entries]
    texts = [element.text for element in svg.iter(f"{SVG}text")]
    assert "Sea Surface Temperature (°C)" in texts
    assert {"< 0.00", "≥ 32.00", "8.00", "16.00", "24.00"} <= set(texts)


def test_a_legend_of_markup_is_text():
    colormap = read_gibs(document(entry("[0,1)"), title="a &lt;script&gt; &amp; b"), "x")
    assert "a <script> & b" in [
        e.text for e in etree.fromstring(legend_svg(plan_legend(colormap, LegendStyle()))).iter()
    ]


@pytest.mark.parametrize(("orientation", "axis"), [("horizontal", 1), ("vertical", 0)])
def test_the_png_shows_the_colours_in_their_order(orientation, axis):
    entries = "".join(entry(f"[{n},{n + 1})", f"{40 * n},{255 - 40 * n},7", f'ref="{n}"') for n in range(6))
    colormap = read_gibs(document(entries), "x")
    pixels = np.asarray(image_of(colormap, orientation=orientation, width=300, height=300))
    opaque = pixels[(pixels[..., 3] == 255) & (pixels[..., 2] == 7)]
    assert {tuple(pixel[:3]) for pixel in opaque.tolist()} >= {(40 * n, 255 - 40 * n, 7) for n in range(6)}
    places = [np.argwhere((pixels[..., :3] == (40 * n, 255 - 40 * n, 7)).all(-1))[:, axis].mean() for n in range(6)]
    assert places == sorted(places, reverse=orientation == "vertical")


def test_light_and_dark_text():
    colormap = ColormapCatalog().find("air_temperature")
    for text, ink in INKS.items():
        pixels = np.asarray(image_of(colormap, text=text)).reshape(-1, 4)
        assert tuple(ink) in {tuple(pixel) for pixel in pixels.tolist()}


def test_nothing_to_see_is_an_empty_picture():
    invisible = read_gibs(document(entry("[0,1)", more='ref="1" transparent="true"')), "x")
    assert np.asarray(image_of(invisible))[..., 3].max() == 0
    assert legend_document(invisible)["stops"] == []


@pytest.mark.parametrize(
    "style",
    [{"orientation": "round"}, {"text": "pink"}, {"width": 5}, {"height": 0}, {"width": 4097}, {"height": 10**9}],
)
def test_styles_have_bounds(style):
    with pytest.raises(ColormapError, match="legend"):
        LegendStyle(**style)


def test_the_document_has_stops_and_units():
    whole = legend_document(read_gibs(shared("colormaps", "GHRSST_Sea_Surface_Temperature.xml")))
    assert json.loads(json.dumps(whole, allow_nan=False)) == whole
    assert whole["units"] == "°C"
    assert len(whole["stops"]) == 215
    assert whole["stops"][0] == {
        "lower": "-INF",
        "upper": 0,
        "closed_lower": True,
        "closed_upper": False,
        "label": "< 0.00",
        "color": "#2b001a",
        "opacity": 1.0,
    }
    assert whole["nodata"] == {"color": "#000000", "opacity": 0.0}
    assert len(legend_document(read_gibs(shared("colormaps", "MODIS_Aqua_Cloud_Water_Path.xml")))["panels"]) == 2
    for colormap in six_colormaps():
        assert legend_document(colormap)["stops"]


def test_letters_that_the_font_lacks_have_substitutes():
    metrics = TextMetrics()
    assert metrics.renderable("≥ 5 \N{EN DASH} 6 g/m² µ°") == ">= 5 - 6 g/m2 u°"
    assert metrics.renderable("é漢\n").endswith("??") or metrics.renderable("é漢\n").endswith("?")
    assert metrics.elided("short", 12, 500) == "short"
    assert metrics.elided("a long text that does not fit", 12, 60).endswith("…")
    assert metrics.elided("wide", 12, 1) == ""


def test_the_picture_of_the_documentation_is_what_its_script_draws():
    from lazytile.colormaps.library.catalog import BUNDLED

    kept = Image.open(BUNDLED.parent / "docs" / "legends.png")
    drawn = picture()
    assert kept.size == drawn.size
    # Another FreeType may smooth letters otherwise; the rest is the same.
    difference = np.abs(np.asarray(kept, int) - np.asarray(drawn, int)).max(axis=-1)
    assert (difference > 8).mean() < 0.02
