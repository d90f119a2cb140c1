"""Looking up colormaps by name, and defaults for layers without one."""

import numpy as np
import pytest

from lazytile.colormaps.compiled.palette import compile_colormap
from lazytile.colormaps.core.errors import ColormapError, ColormapNotFoundError
from lazytile.colormaps.formats.gibs_writer import write_gibs
from lazytile.colormaps.library.catalog import ColormapCatalog
from scripts.make_colormaps import bundled_colormaps
from tests.colormaps.formats.test_gibs import document, entry

BUNDLED = {"air_temperature", "anomaly", "classes", "grey", "sea_surface_temperature"}


@pytest.fixture
def catalog():
    return ColormapCatalog()


def test_the_bundled_colormaps_are_what_their_script_writes(tmp_path, catalog):
    assert set(catalog.names()) == BUNDLED
    for colormap in bundled_colormaps():
        write_gibs(colormap, tmp_path / f"{colormap.name}.xml")
        written = (tmp_path / f"{colormap.name}.xml").read_bytes()
        assert written == (catalog.bundled_folder / f"{colormap.name}.xml").read_bytes()


@pytest.mark.parametrize("name", sorted(BUNDLED))
def test_bundled_colormaps_have_no_flaw_and_stay_palettes(catalog, name):
    colormap = catalog.find(name)
    palette = compile_colormap(colormap)
    assert not colormap.warnings
    assert palette.is_indexed
    assert palette.rgba[0].tolist() == [0, 0, 0, 0]
    assert colormap.main_part.legend is not None
    assert colormap.nodata_entry is not None
    assert len({entry.rgba for entry in colormap.entries}) == len(colormap.entries)


def test_the_sst_map_has_bins_of_15_hundredths_and_open_ends(catalog):
    entries = catalog.find("sea_surface_temperature").main_part.entries
    assert len(entries) == 242
    for position, e in enumerate(entries[1:-1]):
        assert e.value[0].lower == float(f"{270 + position * 15 // 100}.{position * 15 % 100:02}")
    palette = compile_colormap(catalog.find("sea_surface_temperature"))
    ends = palette.index_of(np.array([-np.inf, 0.0, 270.0, 270.14999, 270.15, 305.9, 306.0, np.inf, np.nan]))
    assert ends.tolist() == [1, 1, 2, 2, 3, 241, 242, 242, 0]


def test_the_users_folder_comes_first(tmp_path):
    (tmp_path / "mine.xml").write_bytes(document(entry("[0,1)")))
    (tmp_path / "grey.xml").write_bytes(document(entry("[0,1)"), title="My grey"))
    (tmp_path / ".hidden.xml").write_bytes(b"")
    catalog = ColormapCatalog(tmp_path)
    assert set(catalog.names()) == BUNDLED | {"mine"}
    assert catalog.find("grey").title == "My grey"
    assert catalog.find("mine").name == "mine"
    assert ColormapCatalog(tmp_path / "missing").find("grey").title == "Grey"


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "", ".x", "a..b", "/etc/passwd", "a b", "x" * 200, "a\nb", "a\0b", "é"]
)
def test_a_name_never_leads_out_of_the_folder(catalog, name):
    with pytest.raises(ColormapError, match="not a colormap name"):
        catalog.find(name)


def test_an_unknown_name_lists_what_there_is(catalog):
    with pytest.raises(ColormapNotFoundError, match="there is no colormap 'nope'; there are air_temperature"):
        catalog.find("nope")


def test_default_by_name_and_a_broken_file_is_skipped(tmp_path):
    (tmp_path / "good.xml").write_bytes(document(entry("[0,1)")))
    (tmp_path / "bad.xml").write_bytes(b"<nonsense")
    catalog = ColormapCatalog(tmp_path)
    colormap, reason = catalog.default_for(["bad", "../x", "good"], units="K")
    assert colormap.name == "good"
    assert "good" in reason
    colormap, reason = catalog.default_for(["bad"], units="K", standard_name="sea_surface_temperature")
    assert colormap.name == "sea_surface_temperature"
    assert "bad.xml" in str(colormap.warnings[0])


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        ({"standard_name": "sea_surface_foundation_temperature", "units": "kelvin"}, "sea_surface_temperature"),
        ({"names": ["analysed_sst"], "units": "degC", "minimum": -1.8, "maximum": 31.0}, "sea_surface_temperature"),
        ({"names": ["air"], "standard_name": "air_temperature", "units": "K"}, "air_temperature"),
        ({"standard_name": "sea_surface_temperature_anomaly", "units": "celsius"}, "anomaly"),
        # Units unknown, or a range that the map would show as one colour: a map is made.
        ({"names": ["t"], "standard_name": "sea_surface_temperature", "minimum": 0, "maximum": 9}, "t"),
        ({"names": ["t"], "standard_name": "air_temperature", "units": "K", "minimum": 1000, "maximum": 2000}, "t"),
        ({"names": ["t"], "standard_name": "air_temperature", "units": "mm"}, "t"),
    ],
)
def test_default_by_quantity(catalog, layer, name):
    colormap, reason = catalog.default_for(**layer)
    assert colormap.name == name
    assert reason


@pytest.mark.parametrize(
    ("minimum", "maximum"),
    [
        (None, None),
        (float("nan"), float("nan")),
        (0.0, 0.0),
        (5.0, 5.0),
        (-1e-30, 1e-30),
        (1e9, 1e9 + 1e-6),
        (-1e308, 1e308),
        (float("-inf"), float("inf")),
        (3.0, None),
        (10.0, -10.0),
        (0.0, 5e-324),
        (271.3, 304.7),
        (0.001, 60.0),
        (1e-20, 1e20),
    ],
)
@pytest.mark.parametrize("standard_name", ["", "chlorophyll_concentration", "eastward_wind"])
def test_a_map_is_made_for_any_range(catalog, minimum, maximum, standard_name):
    colormap, reason = catalog.default_for(["x"], minimum=minimum, maximum=maximum, standard_name=standard_name)
    palette = compile_colormap(colormap)
    assert palette.is_indexed
    assert "ramp" in reason
    assert palette.index_of(np.array([-np.inf, np.inf, np.nan])).tolist() == [1, len(palette.rgba) - 1, 0]
    known = [end for end in (minimum, maximum) if end is not None and abs(end) <= 1e300]
    assert (palette.index_of(np.array(known, np.float64)) > 0).all()
    if minimum == 271.3 and standard_name != "eastward_wind":
        low, high = palette.index_of(np.array([minimum, maximum])).tolist()
        assert high - low > 100


def test_a_diverging_quantity_is_centred(catalog):
    colormap, _ = catalog.default_for(["u"], standard_name="eastward_wind", units="m s-1", minimum=-3.0, maximum=20.0)
    finite = [e.value[0] for e in colormap.main_part.entries[1:-1]]
    assert finite[0].lower == -finite[-1].upper


def test_flags_make_classes(catalog):
    attributes = {
        "flag_values": [1, 2, 4],
        "flag_meanings": "open_water land lake_ice",
        "flag_colors": "#0000ff #00ff00 #ffffff",
    }
    colormap, reason = catalog.default_for(["mask"], attributes=attributes, is_classes=True)
    palette = compile_colormap(colormap)
    assert "flag" in reason
    assert colormap.is_classification
    assert [e.label for e in colormap.main_part.entries] == ["open water", "land", "lake ice"]
    assert palette.index_of(np.array([1, 2, 3, 4], np.int8)).tolist() == [1, 2, 0, 3]
    assert palette.rgba[1].tolist() == [0, 0, 255, 255]


@pytest.mark.parametrize(
    "attributes",
    [
        {"flag_values": []},
        {"flag_values": "none at all"},
        {"flag_values": list(range(300))},
        {"flag_values": [float("nan")]},
        {"flag_values": [1, 2], "flag_meanings": "one", "flag_colors": "red"},
        {"flag_values": "1b, 2b", "flag_meanings": "a b c"},
        {"flag_values": np.array([1, 2], np.int8), "flag_meanings": "a b"},
    ],
)
def test_odd_flags_never_fail(catalog, attributes):
    colormap, reason = catalog.default_for(["mask"], attributes=attributes)
    assert compile_colormap(colormap).is_indexed
    assert reason


def test_classes_without_flags(catalog):
    colormap, _ = catalog.default_for(["landcover"], is_classes=True, minimum=10.0, maximum=220.0)
    palette = compile_colormap(colormap)
    assert palette.index_of(np.array([9, 10, 220, 221])).tolist() == [0, 1, 211, 0]
    wide, _ = catalog.default_for(["landcover"], is_classes=True, minimum=0.0, maximum=1e9)
    assert compile_colormap(wide).is_indexed
