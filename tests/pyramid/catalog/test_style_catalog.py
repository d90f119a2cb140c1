"""The styles that a layer is offered with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lazytile.colormaps.library.catalog import ColormapCatalog
from lazytile.pyramid.catalog.style_catalog import StyleCatalog, offered_styles
from lazytile.pyramid.store.store import Store
from tests import data


@pytest.fixture
def layer(tmp_path):
    data.CATALOGUE["global_180"]().write(tmp_path)
    return Store(tmp_path).layer("global_180")


@pytest.fixture
def known():
    return {each.colormap.name: each for each in StyleCatalog(ColormapCatalog()).known()}


def test_the_default_style_comes_first_then_colormaps_of_the_units(layer, known):
    layer = replace(layer, variable=replace(layer.variable, units="kelvin"))
    names = [style.name for style in offered_styles(layer, known.values())]
    assert names[0] == "default"
    assert {"sea_surface_temperature", "air_temperature"} <= set(names)
    assert "classes" not in names


def test_at_most_32_colormaps_are_offered(layer, known):
    layer = replace(layer, variable=replace(layer.variable, units="kelvin"))
    many = [known["air_temperature"]] * 40
    assert len(offered_styles(layer, many)) == 1 + 32


def test_a_style_has_the_title_of_its_colormap_or_its_name(known):
    assert known["air_temperature"].style.title == "Air Temperature"
    assert known["air_temperature"].style.legend_sizes.keys() == {"H", "V"}


def test_a_colormap_without_a_title_is_called_by_its_name(monkeypatch):
    grey = ColormapCatalog().find("grey")
    untitled = replace(grey, parts=tuple(replace(part, title="") for part in grey.parts))
    monkeypatch.setattr(ColormapCatalog, "find", lambda self, name: untitled)
    titles = {each.style.name: each.style.title for each in StyleCatalog(ColormapCatalog()).known()}
    assert titles["grey"] == "grey"
