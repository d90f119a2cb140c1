import gc
from pathlib import Path

import pytest

from lazytile.colormaps.library.catalog import ColormapCatalog
from lazytile.pyramid.catalog.tile_options import options_of
from lazytile.pyramid.core.byte_lru import BytesLru
from lazytile.pyramid.render.image import ImageFormat
from lazytile.pyramid.render.style import Styles
from lazytile.pyramid.render.tile_request import TileRequest
from lazytile.pyramid.render.tile_template import TileKeys, TileTemplate
from lazytile.pyramid.store.store import Store
from tests import data

PARAMETERS = ({}, {"resampling": "bilinear"}, {"filter": "contour:2"}, {"scale": "2"}, {"expression": "VAR * 2"})


@pytest.fixture
def layer(tmp_path):
    data.CATALOGUE["global_180"]().write(tmp_path)
    return Store(tmp_path).layer("global_180")


def request_of(layer, parameters, image_format, row, col, styles):
    parameters = {name: text.replace("VAR", layer.variable.name) for name, text in parameters.items()}
    options = options_of(layer, parameters)
    matrix = layer.tile_matrix_set("WebMercatorQuad").matrix("4").enlarged(options.scale)
    style = styles.style(layer, "default")
    tms = layer.tile_matrix_set("WebMercatorQuad")
    return TileRequest(layer, style, (), tms, matrix, row, col, image_format, options.pixels)


@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
@pytest.mark.parametrize("metatile", [1, 3])
@pytest.mark.parametrize("image_format", [ImageFormat.PNG, ImageFormat.JPEG])
def test_requests_tasks_and_keys_are_those_of_the_usual_way(layer, parameters, metatile, image_format):
    styles, store = Styles(ColormapCatalog()), Path("/store")
    first = request_of(layer, parameters, image_format, 3, 5, styles)
    task = first.task(store, metatile=metatile)
    template, keys = TileTemplate(first, task, metatile), TileKeys(task)
    for row, col in ((3, 5), (0, 0), (15, 15), (14, 2)):
        expected = request_of(layer, parameters, image_format, row, col, styles)
        request, made = template.at(row, col)
        assert request == expected
        assert made == expected.task(store, metatile=metatile)
        assert made.key == expected.task(store, metatile=metatile).key
        assert keys.key(row, col) == made.tile_key(request.tile)
        assert (request.generation, request.shown_variables, request.is_light) == (
            expected.generation,
            expected.shown_variables,
            expected.is_light,
        )


def test_a_template_keeps_no_style_alive(layer):
    styles = Styles(ColormapCatalog(), BytesLru(1 << 20, lambda style: style.nbytes))
    request = request_of(layer, {}, ImageFormat.PNG, 3, 5, styles)
    template = TileTemplate(request, request.task(Path("/store")), 1)
    assert template.at(3, 5) is not None
    del request
    styles._cache.clear()
    gc.collect()
    assert template.at(3, 5) is None
