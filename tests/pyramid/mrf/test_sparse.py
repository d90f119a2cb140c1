"""Pages that no chunk with data reaches are not rendered, and none that one reaches is left out."""

from __future__ import annotations

import numpy as np
import pytest

from lazytile.pyramid.mrf.export import render_pages
from lazytile.pyramid.mrf.model import Compression
from lazytile.pyramid.mrf.options import ExportOptions
from lazytile.pyramid.mrf.plan import plan_mrfs
from lazytile.pyramid.mrf.reader import MrfReader
from tests import data
from tests.pyramid.mrf.stores import FILL, export, style, write_store


def sparse(rows, cols, spots):
    """Codes that hold data at some spots only."""
    codes = np.full((rows, cols), FILL, np.int16)
    for row, col in spots:
        codes[row, col] = 500
    return codes


def pages_of(path):
    with MrfReader(path) as mrf:
        return [mrf.page(level.number, row, col) for level, _, row, col, _ in mrf.header.pages()]


SPOTS = {
    "corner": [(0, 0)],
    "seam": [(700, 0), (701, 2047)],
    "edges of chunks": [(255, 255), (256, 256), (511, 1024)],
    "last cell": [(1023, 2047)],
    "none": [],
}
EXTENTS = {"globe": (-180.0, 90.0, 360.0, 180.0), "from 0": (0.0, 90.0, 360.0, 180.0), "box": (-20.0, 60.0, 40.0, 20.0)}


@pytest.mark.parametrize("spots", SPOTS)
@pytest.mark.parametrize("extent", EXTENTS)
@pytest.mark.parametrize("tms", ["native", "2km", "GoogleMapsCompatible_Level3"])
def test_what_is_skipped_is_empty(tmp_path, monkeypatch, spots, extent, tms):
    store = write_store(tmp_path, sparse(1024, 2048, SPOTS[spots]), EXTENTS[extent])
    options = {"tms": tms, "page": 512} if tms == "native" else {"tms": tms}
    if tms == "2km":
        options["finest"] = "3"
    rendered = []

    def counted(job):
        rendered.append(job.task.block.rows * job.task.block.cols)
        return render_pages(job)

    monkeypatch.setattr("lazytile.pyramid.mrf.export.render_pages", counted)
    (skipping,) = export(store, tmp_path / "skipping", threads=1, **options)
    few = sum(rendered)
    monkeypatch.setattr("lazytile.pyramid.mrf.plan.MrfPlan._reach", lambda *_: None)
    rendered.clear()
    (whole,) = export(store, tmp_path / "whole", threads=1, **options)
    assert pages_of(skipping.path) == pages_of(whole.path)
    assert skipping.path.with_suffix(".idx").read_bytes() == whole.path.with_suffix(".idx").read_bytes()
    assert (skipping.empty_tiles, skipping.tiles) == (whole.empty_tiles, sum(rendered))
    if spots == "none":
        assert few == 0
    elif spots == "corner" and tms != "native":
        assert few < sum(rendered) / 2


POLAR_SPOTS = {
    "pole": [(0, 5), (1, 1000)],
    "south": [(1023, 3)],
    "seam": [(100, 0), (101, 2047)],
    "equator": [(500, 300), (511, 1024)],
}


@pytest.mark.parametrize("spots", POLAR_SPOTS)
@pytest.mark.parametrize("tms", ["EPSG3413_1km", "EPSG3031_1km"])
def test_pages_of_a_reprojected_set_are_skipped_too(tmp_path, monkeypatch, spots, tms):
    """Issue 16, item 11: where x and y depend on each other every page was rendered."""
    store = write_store(
        tmp_path, sparse(1024, 2048, POLAR_SPOTS[spots]), EXTENTS["from 0" if spots == "pole" else "globe"]
    )
    rendered = []

    def counted(job):
        rendered.append(job.task.block.rows * job.task.block.cols)
        return render_pages(job)

    monkeypatch.setattr("lazytile.pyramid.mrf.export.render_pages", counted)
    options = {"tms": tms, "page": 64, "finest": "1", "overviews": "nearest"}
    (skipping,) = export(store, tmp_path / "skipping", threads=1, **options)
    few = sum(rendered)
    monkeypatch.setattr("lazytile.pyramid.mrf.plan.MrfPlan._reach", lambda *_: None)
    rendered.clear()
    (whole,) = export(store, tmp_path / "whole", threads=1, **options)
    assert pages_of(skipping.path) == pages_of(whole.path)
    assert few < sum(rendered) / 2


@pytest.mark.parametrize(
    ("grid_crs", "extent", "tms"),
    [
        (data.GEOSTATIONARY, (-5_434_894.0, 5_434_894.0, 10_869_788.0, 10_869_788.0), "GoogleMapsCompatible_Level6"),
        (data.GEOSTATIONARY, (-5_434_894.0, 5_434_894.0, 10_869_788.0, 10_869_788.0), "2km"),
        (data.LAMBERT, (-2_000_000.0, 1_000_000.0, 4_000_000.0, 2_000_000.0), "2km"),
        ("EPSG:3413", (-1_000_000.0, 1_000_000.0, 2_000_000.0, 2_000_000.0), "2km"),
        ("EPSG:3413", (-1_000_000.0, 1_000_000.0, 2_000_000.0, 2_000_000.0), "EPSG3413_1km"),
    ],
)
@pytest.mark.parametrize("spot", [(255, 257), (20, 256)])
def test_pages_of_projected_data_are_skipped_too(tmp_path, monkeypatch, grid_crs, extent, tms, spot):
    store = write_store(tmp_path, sparse(512, 512, [spot]), extent, crs=grid_crs)
    finest = {"2km": "1", "EPSG3413_1km": "1"}.get(tms, "2")
    options = {"tms": tms, "page": 64, "finest": finest, "overviews": "nearest"}
    (skipping,) = export(store, tmp_path / "skipping", **options)
    monkeypatch.setattr("lazytile.pyramid.mrf.plan.MrfPlan._reach", lambda *_: None)
    (whole,) = export(store, tmp_path / "whole", **options)
    assert pages_of(skipping.path) == pages_of(whole.path)


def test_a_large_polar_set_of_a_sparse_layer_is_planned_by_blocks(tmp_path):
    store = write_store(tmp_path, sparse(1024, 2048, [(300, 1000)]))  # its chunk ends at 45 N, in a corner of the set
    (plan,) = plan_mrfs(tmp_path, store.layer("sst"), style(), tmp_path, ExportOptions(tms="EPSG3413_31.25m"))
    runs = list(plan.runs())
    assert sum(run.count for run in runs) == plan.header.records > 300_000
    assert sum(run.count for run in runs if run.task is not None) < plan.header.records / 20


def test_values_are_skipped_too(tmp_path):
    store = write_store(tmp_path, sparse(1024, 2048, [(3, 3)]))
    (summary,) = export(store, tmp_path / "out", compression=Compression.DEFLATE)
    with MrfReader(summary.path) as mrf:
        assert mrf.pixels(0, 0, 0)[3, 3, 0] == 500
    assert summary.tiles - summary.empty_tiles == 4


def test_the_records_of_a_large_sparse_set_are_written_at_once(tmp_path):
    store = write_store(tmp_path, sparse(1024, 2048, [(512, 1000)]))
    reports = []
    (summary,) = export(store, tmp_path / "out", tms="250m", progress=reports.append)
    assert summary.tiles > 68_000
    assert len(reports) < 3000, "most pages are reported by rows, not one by one"
    (again,) = export(store, tmp_path / "out", tms="250m")
    assert again.was_complete
    assert (again.tiles, again.empty_tiles) == (summary.tiles, summary.empty_tiles)
