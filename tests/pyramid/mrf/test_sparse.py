"""Pages that no chunk with data reaches are not rendered, and none that one reaches is left out."""

from __future__ import annotations

import numpy as np
import pytest

from lazytile.pyramid.mrf.export import render_pages
from lazytile.pyramid.mrf.model import Compression
from lazytile.pyramid.mrf.reader import MrfReader
from tests.pyramid.mrf.stores import FILL, export, write_store


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
