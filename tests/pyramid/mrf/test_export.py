"""GDAL reads every block of every level of an export as the service serves it."""

import io
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from lazytile.pyramid.core.errors import InvalidParameterError, MrfError
from lazytile.pyramid.mrf.header import exported_set
from lazytile.pyramid.mrf.reader import MrfReader
from lazytile.pyramid.store.dataset import Dimension
from tests.pyramid.mrf.stores import (
    FILL,
    export,
    field,
    halve,
    mrf_text,
    served_bytes,
    served_index,
    style,
    write_store,
)

PLAIN = style()
DAYS = Dimension("time", "time", ("2019-01-01T09:00:00Z", "2019-01-02T09:00:00Z", "2020-12-31T00:00:00.5Z"))


def gdal_levels(path):
    """Every level as GDAL reads it, full resolution first."""
    with rasterio.open(path) as full:
        levels = [full.read(1)]
        count = len(full.overviews(1))
    for number in range(count):
        with rasterio.open(f"{path}:MRF:L{number}") as overview:
            levels.append(overview.read(1))
    return levels


def assert_equals_served(path, store, painted, tms, leading=()):
    """All blocks of all levels, by GDAL and by our reader, against renderer and decoded served bytes."""
    chosen = exported_set(next(iter(store.layers())), tms)
    levels = gdal_levels(path)
    with MrfReader(path) as mrf:
        assert len(mrf.header.levels) == len(levels)
        for level, pixels in zip(mrf.header.levels, levels, strict=True):
            assert pixels.shape == (level.size.rows, level.size.cols)
            if level.number == len(chosen.matrices):
                break  # below matrix 0 nothing is served
            matrix = chosen.matrices[len(chosen.matrices) - 1 - level.number]
            assert (matrix.matrix_height, matrix.matrix_width) == (level.pages.rows, level.pages.cols)
            for row, col in np.ndindex(level.pages.rows, level.pages.cols):
                address = (store, painted, tms, matrix.identifier, row, col, leading)
                index, served = served_index(*address), served_bytes(*address)
                page = mrf.page(level.number, row, col)
                if page is None:
                    assert not index.any()
                else:
                    assert page == served
                    np.testing.assert_array_equal(mrf.pixels(level.number, row, col)[:, :, 0], index)
                np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(served))), index)
                height, width = mrf.header.page.rows, mrf.header.page.cols
                block = pixels[row * height : (row + 1) * height, col * width : (col + 1) * width]
                np.testing.assert_array_equal(block, index[: block.shape[0], : block.shape[1]])


@pytest.mark.parametrize(
    ("rows", "cols"),
    [(1, 1), (255, 255), (256, 256), (257, 257), (511, 511), (512, 512), (513, 513), (513, 1025), (520, 520), (3, 700)],
)
def test_native_export_is_what_the_service_serves(tmp_path, rows, cols):
    store = write_store(tmp_path, field(rows, cols))
    (summary,) = export(store, tmp_path / "out")
    path = tmp_path / "out" / "sst.mrf"
    assert summary.path == path
    assert sorted(file.name for file in path.parent.iterdir()) == ["sst.crc", "sst.idx", "sst.mrf", "sst.ppg"]
    assert_equals_served(path, store, PLAIN, "native")
    with rasterio.open(path) as mrf:
        assert (mrf.height, mrf.width, mrf.count, mrf.dtypes) == (rows, cols, 1, ("uint8",))
        assert mrf.crs.to_epsg() == 4326
        np.testing.assert_allclose(mrf.bounds, (-180.0, -90.0, 180.0, 90.0), rtol=0, atol=1e-9)
        assert mrf.nodata == 0
        assert mrf.block_shapes == [(256, 256)]
        assert mrf.tags(ns="IMAGE_STRUCTURE")["COMPRESSION"] == "PPNG"
        colours = mrf.colormap(1)
        overviews = mrf.overviews(1)
    assert [colours[at] for at in range(256)] == [
        *map(tuple, PLAIN.palette.rgba.tolist()),
        *[(0, 0, 0, 0)] * (256 - len(PLAIN.palette.rgba)),
    ]
    levels, size = 0, (rows, cols)
    pages = []
    while True:
        pages.append(-(-size[0] // 256) * -(-size[1] // 256))
        if pages[-1] == 1:
            break
        size, levels = (-(-size[0] // 2), -(-size[1] // 2)), levels + 1
    assert overviews == [2 << at for at in range(levels)]
    assert path.with_suffix(".idx").stat().st_size == 16 * sum(pages)
    assert path.read_bytes().startswith(b"<MRF_META>")


def test_a_tile_without_data_takes_no_space(tmp_path):
    store = write_store(tmp_path, field(513, 1025))
    (summary,) = export(store, tmp_path / "out")
    first = (tmp_path / "out" / "sst.idx").read_bytes()[:16]
    assert first == bytes(16)
    assert summary.empty_tiles >= 1
    assert summary.tiles == 15 + 6 + 2 + 1
    assert summary.data_bytes == (tmp_path / "out" / "sst.ppg").stat().st_size
    records = struct.iter_unpack(">QQ", (tmp_path / "out" / "sst.idx").read_bytes())
    end = 0
    for offset, size in records:
        if size:
            assert offset == end, "pages lie in the order of the index"
            end += size
    assert end == summary.data_bytes


@pytest.mark.parametrize(
    "extent",
    [
        pytest.param((0.0, 90.0, 360.0, 180.0), id="0 to 360"),
        pytest.param((150.5, -10.25, 60.0, 20.0), id="across 180"),
        pytest.param((-0.05, 61.0, 7.0, 11.0), id="cells not square"),
        pytest.param((-180.125, 90.125, 360.0, 180.25), id="rows past the poles"),
    ],
)
def test_the_bounds_are_the_grid_s(tmp_path, extent):
    store = write_store(tmp_path, field(300, 600), extent)
    export(store, tmp_path / "out")
    path = tmp_path / "out" / "sst.mrf"
    west, north, width, height = extent
    with rasterio.open(path) as mrf:
        np.testing.assert_allclose(mrf.bounds, (west, north - height, west + width, north), rtol=0, atol=1e-9)
        np.testing.assert_allclose(mrf.res, (width / 600, height / 300), rtol=1e-12)
    assert_equals_served(path, store, PLAIN, "native")


def test_one_file_for_each_time(tmp_path):
    codes = np.stack([field(257, 300, seed) for seed in (1, 2, 3)])
    store = write_store(tmp_path, codes, dimensions=(DAYS,))
    names = ["sst-2019001090000", "sst-2019002090000", "sst-20203660000005"]
    assert [summary.path.stem for summary in export(store, tmp_path / "out")] == names
    for step, name in enumerate(names):
        assert_equals_served(tmp_path / "out" / f"{name}.mrf", store, PLAIN, "native", (step,))
    some = export(store, tmp_path / "some", select={"time": ["2019-01-02", "2020"]})
    assert [summary.path.stem for summary in some] == names[1:]
    with pytest.raises(MrfError, match=r"sst has no time '2018', it has 2019-01-01T09:00:00Z, .*"):
        export(store, tmp_path / "none", select={"time": ["2018"]})


def test_one_file_for_each_step_of_other_dimensions(tmp_path):
    depth = Dimension("depth", "other", ("-0.5", "10 m/s"))
    codes = np.stack([np.stack([field(20, 30, seed) for seed in (1, 2)]) for _ in DAYS.labels])
    store = write_store(tmp_path, codes, dimensions=(DAYS, depth))
    summaries = export(store, tmp_path / "out", select={"time": ["2019-01-01"]})
    assert [summary.path.stem for summary in summaries] == [
        "sst_depth--0.5-2019001090000",
        "sst_depth-10-m-s-2019001090000",
    ]
    for at, summary in enumerate(summaries):
        assert_equals_served(summary.path, store, PLAIN, "native", (0, at))
    with pytest.raises(MrfError, match=r"sst has no depth '10', it has -0.5, 10 m/s"):
        export(store, tmp_path / "none", select={"depth": ["10"]})
    with pytest.raises(MrfError, match="sst has no dimension 'height', it has time, depth"):
        export(store, tmp_path / "none", select={"height": ["10"]})


def test_labels_that_give_equal_file_names_get_numbers(tmp_path):
    band = Dimension("band", "other", ("a b", "a/b"))
    store = write_store(tmp_path, np.stack([field(5, 5), field(5, 5, 9)]), dimensions=(band,))
    assert [s.path.stem for s in export(store, tmp_path / "out")] == ["sst_band-a-b_0", "sst_band-a-b_1"]


@pytest.mark.parametrize(("tms", "size"), [("16km", (1280, 2560)), ("GoogleMapsCompatible_Level3", (2048, 2048))])
def test_registered_sets_have_the_size_gibs_gives_them(tmp_path, tms, size):
    store = write_store(tmp_path, field(300, 600), (-60.0, 50.0, 120.0, 60.0))
    (summary,) = export(store, tmp_path / "out", tms=tms)
    levels = gdal_levels(summary.path)
    assert levels[0].shape == size
    (layer,) = store.layers()
    chosen = layer.tile_matrix_set(tms)
    with MrfReader(summary.path) as mrf:
        page = mrf.header.page.rows
        for zoom, matrix in enumerate(reversed(chosen.matrices)):
            level = mrf.header.levels[zoom]
            assert (matrix.matrix_height, matrix.matrix_width) == (level.pages.rows, level.pages.cols)
            for row, col in np.ndindex(level.pages.rows, level.pages.cols):
                address = (store, PLAIN, tms, matrix.identifier, row, col)
                stored = mrf.page(zoom, row, col)
                assert stored is None or stored == served_bytes(*address)
                block = levels[zoom][row * page : (row + 1) * page, col * page : (col + 1) * page]
                index = served_index(*address)
                np.testing.assert_array_equal(block, index[: block.shape[0], : block.shape[1]])
                # Nothing is lost where readers cut the pages.
                assert not index[block.shape[0] :].any()
                assert not index[:, block.shape[1] :].any()
        assert mrf.header.levels[-1].pages.rows == mrf.header.levels[-1].pages.cols == 1


@pytest.mark.parametrize(
    ("tms", "finest", "page", "other"),
    [
        ("16km", "2", 512, 256),
        ("GoogleMapsCompatible_Level3", "3", 256, 512),
        ("WebMercatorQuad", "3", 256, 512),
        ("WorldCRS84Quad", "2", 256, 512),
        ("EPSG3413_1km", "0", 512, 256),
    ],
)
def test_pages_of_another_size_show_the_same_pixels(tmp_path, tms, finest, page, other):
    store = write_store(tmp_path, field(300, 600))
    (own,) = export(store, tmp_path / "own", tms=tms, finest=finest)
    (summary,) = export(store, tmp_path / "out", tms=tms, finest=finest, page=other)
    levels, wanted = gdal_levels(summary.path), gdal_levels(own.path)
    with rasterio.open(summary.path) as mrf, rasterio.open(own.path) as first:
        assert (mrf.block_shapes, first.block_shapes) == ([(other, other)], [(page, page)])
        assert (mrf.bounds, mrf.crs) == (first.bounds, first.crs)
    assert abs(len(levels) - len(wanted)) == 1
    for ours, theirs in zip(levels, wanted, strict=False):
        np.testing.assert_array_equal(ours, theirs)
    assert levels[0].any()


@pytest.mark.parametrize(("tms", "epsg", "south"), [("EPSG3413_1km", 3413, 40.0), ("EPSG3031_1km", 3031, -90.0)])
def test_polar_sets(tmp_path, tms, epsg, south):
    store = write_store(tmp_path, field(200, 720), (-180.0, south + 50.0, 360.0, 50.0))
    (summary,) = export(store, tmp_path / "out", tms=tms, finest="1")
    with rasterio.open(summary.path) as mrf:
        assert mrf.crs.to_epsg() == epsg
        assert mrf.bounds == (-4194304.0, -4194304.0, 4194304.0, 4194304.0)
        assert (mrf.shape, mrf.overviews(1)) == ((2048, 2048), [2, 4])
    levels = gdal_levels(summary.path)
    assert (levels[0] > 0).mean() > 0.1
    for number, identifier in enumerate(("1", "0")):
        for row, col in np.ndindex(4 >> number, 4 >> number):
            block = levels[number][row * 512 : (row + 1) * 512, col * 512 : (col + 1) * 512]
            np.testing.assert_array_equal(block, served_index(store, PLAIN, tms, identifier, row, col))


def test_a_gibs_pyramid_continues_below_matrix_0(tmp_path):
    store = write_store(tmp_path, field(360, 720))
    (summary,) = export(store, tmp_path / "out", tms="16km")
    with rasterio.open(summary.path) as mrf:
        assert mrf.bounds == (-180.0, -90.0, 180.0, 90.0)
        assert mrf.overviews(1) == [2, 4, 8]
    top = gdal_levels(summary.path)[3]
    assert top.shape == (160, 320)
    # 1.125 degrees a pixel over 0.5 degree cells: the mean of what each pixel covers of the pyramid's level 1.
    cells = halve(field(360, 720))
    down, across = shares_of_cells(160, 1.125, 180), shares_of_cells(320, 1.125, 360)
    share = down @ (cells != FILL) @ across.T
    mean = down @ np.where(cells == FILL, 0, cells) @ across.T / np.maximum(share, 1e-9)
    np.testing.assert_array_equal(top, PLAIN.palette.index_of(np.where(share < 0.5, np.nan, mean)))


def shares_of_cells(pixels, step, cells):
    """Share of each pixel, ``step`` cells long, that lies on each cell, in units of 2**-17: shape (pixels, cells)."""
    starts, edges = np.arange(pixels)[:, None] * step, np.arange(cells)
    overlap = np.minimum(starts + step, edges + 1) - np.maximum(starts, edges)
    return np.rint(np.maximum(overlap, 0) / step * 2**17) / 2**17


def test_an_open_ended_set_stops_at_the_data_s_resolution(tmp_path):
    store = write_store(tmp_path, field(180, 360))
    (summary,) = export(store, tmp_path / "quad", tms="WorldCRS84Quad")
    with rasterio.open(summary.path) as mrf:
        assert mrf.shape == (256, 512)
    (summary,) = export(store, tmp_path / "finer", tms="WorldCRS84Quad", finest="1")
    with rasterio.open(summary.path) as mrf:
        assert mrf.shape == (512, 1024)
    with pytest.raises(InvalidParameterError, match="tile matrix 'x' is not in WorldCRS84Quad"):
        export(store, tmp_path / "none", tms="WorldCRS84Quad", finest="x")


def test_more_than_256_colours_are_refused(tmp_path):
    store = write_store(tmp_path, field(10, 10))
    with pytest.raises(MrfError, match="style rich has 300 colours, PPNG pages hold 256: use PNG pages"):
        export(store, tmp_path / "out", style(300, "rich"))


def test_progress_ends_with_all_tiles(tmp_path):
    codes = np.stack([field(513, 600, seed) for seed in (1, 2, 3)])
    store = write_store(tmp_path, codes, dimensions=(DAYS,))
    reports = []
    export(store, tmp_path / "out", progress=reports.append)
    done = [progress.tiles_done for progress in reports]
    assert done == sorted(done)
    assert done[-1] == reports[-1].tiles_total == reports[-1].tiles_made == 3 * (9 + 4 + 1)
    assert reports[-1].seconds_left == 0
    assert reports[-1].tiles_per_second > 0


def test_a_complete_mrf_is_left_unchanged(tmp_path):
    store = write_store(tmp_path, field(300, 300))
    (first,) = export(store, tmp_path / "out")
    stamp = first.path.stat().st_mtime_ns
    (second,) = export(store, tmp_path / "out")
    assert not first.was_complete
    assert second.was_complete
    assert first.path.stat().st_mtime_ns == stamp
    assert (second.tiles, second.empty_tiles, second.data_bytes) == (first.tiles, first.empty_tiles, first.data_bytes)


def test_another_style_or_generation_replaces_it(tmp_path):
    store = write_store(tmp_path, field(300, 300))
    export(store, tmp_path / "out")
    other = style(seed=5)
    (second,) = export(store, tmp_path / "out", other)
    assert not second.was_complete
    assert_equals_served(second.path, store, other, "native")
    store = write_store(tmp_path, field(300, 300, 8), generation="generation-2")
    (third,) = export(store, tmp_path / "out", other)
    assert not third.was_complete
    assert_equals_served(third.path, store, other, "native")


def test_a_damaged_one_is_written_again(tmp_path):
    store = write_store(tmp_path, field(300, 300))
    (first,) = export(store, tmp_path / "out")
    data = first.path.with_suffix(".ppg")
    whole = data.read_bytes()
    data.write_bytes(whole[:-5])
    (second,) = export(store, tmp_path / "out")
    assert not second.was_complete
    assert data.read_bytes() == whole


def test_an_old_mrf_s_leftovers_go(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "sst.mrf").write_text(mrf_text().replace("PPNG", "JPEG"))
    for name in ("sst.idx", "sst.pjg", "sst.mrf.aux.xml"):
        (out / name).write_bytes(b"old")
    store = write_store(tmp_path, field(300, 300))
    export(store, out)
    assert sorted(file.name for file in out.iterdir()) == ["sst.crc", "sst.idx", "sst.mrf", "sst.ppg"]
    assert_equals_served(out / "sst.mrf", store, PLAIN, "native")


KILLED = """
import os, sys, time
from pathlib import Path
from lazytile.pyramid.mrf import writer as mrf_write
from lazytile.pyramid.store.store import Store
from tests.pyramid.mrf.stores import export
mrf_write.CHECKPOINT_BYTES = 1
def progress(report):
    if report.tiles_made:
        print(report.tiles_done, flush=True)
        time.sleep(0.02)
export(Store(Path(sys.argv[1])), Path(sys.argv[1]) / "out", threads=1, progress=progress)
"""


@pytest.mark.parametrize("after", [1, 4])
def test_a_killed_export_resumes_to_the_same_bytes(tmp_path, after):
    codes = np.stack([field(700, 900, seed) for seed in (1, 2, 3)])
    store = write_store(tmp_path, codes, dimensions=(DAYS,))
    export(store, tmp_path / "undisturbed")
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(Path.cwd())}
    ) as process:
        for _ in range(after):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait()
    out = tmp_path / "out"
    assert not (out / "sst-20203660000005.mrf").exists()
    assert any(file.name.endswith(".part") for file in out.iterdir())
    for path in out.glob("*.mrf"):
        with MrfReader(path) as mrf:  # what has its name is whole
            assert mrf.header.records == 12 + 4 + 1
    reports = []
    export(store, out, progress=reports.append)
    assert reports[-1].tiles_made < reports[-1].tiles_total, "it resumed, it did not start over"
    made = {file.name: file.read_bytes() for file in out.iterdir()}
    assert made == {file.name: file.read_bytes() for file in (tmp_path / "undisturbed").iterdir()}
