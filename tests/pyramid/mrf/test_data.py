"""Exports of the test catalogue and of real files, through converter and bundled colormaps."""

import numpy as np
import pytest
import rasterio

from lazytile.colormaps.library.catalog import ColormapCatalog
from lazytile.pyramid.engines.threads import ThreadsBulkEngine
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.mrf.export import export_mrf
from lazytile.pyramid.mrf.options import ExportOptions
from lazytile.pyramid.render.style import Styles
from lazytile.pyramid.store.store import Store
from tests.data import CATALOGUE
from tests.pyramid.mrf.test_export import assert_equals_served
from tests.shared import shared

STYLES = Styles(ColormapCatalog(None))


def export_first(store, out, **options):
    layer = next(iter(store.layers()))
    style = STYLES.style(layer, "default")
    with ThreadsBulkEngine(2) as engine:
        return (
            layer,
            style,
            export_mrf(store.folder, layer, style, out, engine=engine, options=ExportOptions(**options)),
        )


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_kind_of_dataset(tmp_path, name):
    CATALOGUE[name]().write(tmp_path)
    store = Store(tmp_path)
    layer, style, summaries = export_first(store, tmp_path / "out")
    sizes = [len(dimension.labels) for dimension in layer.variable.dimensions]
    assert len(summaries) == np.prod(sizes, dtype=int)
    grid = layer.dataset.grid
    for leading, summary in zip(np.ndindex(*sizes), summaries, strict=True):
        assert_equals_served(summary.path, store, style, "native", leading)
        with rasterio.open(summary.path) as mrf:
            assert mrf.crs.to_epsg() == (3857 if grid.crs == "EPSG:3857" else 4326)
            edges = (grid.bounds.west, grid.bounds.south, grid.bounds.east, grid.bounds.north)
            np.testing.assert_allclose(mrf.bounds, edges, rtol=1e-12, atol=1e-9)


def test_a_real_sea_surface_temperature(tmp_path):
    source = shared("realdata", "20241011120000-ABOM-L4_GHRSST-SSTfnd-GAMSSA_28km-GLOB-v02.0-fv01.0.nc")
    convert(source, tmp_path, "gamssa", ["analysed_sst"])
    store = Store(tmp_path)
    for tms in ("native", "16km"):
        _, style, (summary,) = export_first(store, tmp_path / tms, tms=tms)
        assert summary.path.name == "gamssa-2024285120000.mrf"
        assert_equals_served(summary.path, store, style, tms, (0,))
        with rasterio.open(summary.path) as mrf:
            assert len(np.unique(mrf.read(1))) > 50, "a picture, not a blank"
