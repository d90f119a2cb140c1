"""Reversed colormaps."""

import pytest

from lazytile.colormaps.core.errors import ColormapError, ColormapNotFoundError
from lazytile.colormaps.library.catalog import ColormapCatalog


def values_and_colours(colormap):
    return {entry.value: entry.rgba for entry in colormap.entries if not entry.nodata}


@pytest.mark.parametrize("name", ["air_temperature", "sea_surface_temperature", "grey", "ocean"])
def test_values_stay_and_colours_are_in_the_opposite_order(name):
    catalog = ColormapCatalog()
    plain, turned = values_and_colours(catalog.find(name)), values_and_colours(catalog.find(f"{name}_r"))
    assert list(turned) == list(plain)
    ordered = sorted(plain, key=lambda bins: bins[0].lower)
    assert [turned[bins] for bins in ordered] == [plain[bins] for bins in reversed(ordered)]


def test_no_data_keeps_its_colour_and_the_legend_follows():
    catalog = ColormapCatalog()
    plain, turned = catalog.find("air_temperature"), catalog.find("air_temperature_r")
    assert turned.nodata_entry == plain.nodata_entry
    patches = {patch.id: patch.rgb for patch in turned.main_part.legend.entries}
    for entry in turned.main_part.entries:
        if entry.ref in patches and not entry.nodata:
            assert patches[entry.ref][:3] == entry.rgba[:3]


def test_classes_and_unknown_names_are_refused():
    with pytest.raises(ColormapError, match="classes"):
        ColormapCatalog().find("classes_r")
    with pytest.raises(ColormapNotFoundError):
        ColormapCatalog().find("nothing_r")
