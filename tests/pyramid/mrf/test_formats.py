"""Exports in every compression: GDAL and our reader read the layer's colours or values."""

import io

import numpy as np
import pytest
import rasterio
from PIL import Image

from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.mrf.effort import CompressionEffort
from lazytile.pyramid.mrf.model import Compression
from lazytile.pyramid.mrf.reader import MrfReader
from lazytile.pyramid.render.renderer import render_codes
from lazytile.pyramid.store.store import Store
from tests.data import Field, Synthetic
from tests.pyramid.mrf.stores import FILL, export, field, served_index, style, task_of, write_store

SIZES = [(1, 1), (511, 511), (513, 1025), (520, 520)]
VALUE_COMPRESSIONS = ["NONE", "DEFLATE", "ZSTD", "TIF", "LERC"]
FILLS = {
    "int8": -128.0,
    "uint8": 255.0,
    "int16": -32768.0,
    "uint16": 65535.0,
    "int32": -(2.0**31),
    "uint32": 2.0**32 - 1,
    "int64": -(2.0**53),
    "uint64": 2.0**53,
    "float32": float("nan"),
    "float64": float("nan"),
}


def gdal_levels(path):
    """Every level, shape (bands, rows, cols), full resolution first."""
    with rasterio.open(path) as full:
        levels, count = [full.read()], len(full.overviews(1))
    for number in range(count):
        with rasterio.open(f"{path}:MRF:L{number}") as overview:
            levels.append(overview.read())
    return levels


def blocks(path):
    """Yield (GDAL's pixels, ours, level, row, column) of every page; ours None where there is none."""
    levels = gdal_levels(path)
    with MrfReader(path) as mrf:
        assert len(levels) == len(mrf.header.levels)
        page = mrf.header.page
        for level, pixels in zip(mrf.header.levels, levels, strict=True):
            assert pixels.shape[1:] == (level.size.rows, level.size.cols)
            for row, col in np.ndindex(level.pages.rows, level.pages.cols):
                part = pixels[:, row * page.rows :, col * page.cols :][:, : page.rows, : page.cols]
                yield part.transpose(1, 2, 0), mrf.pixels(level.number, row, col), level, row, col


def matrix_of(store, level):
    layer = next(iter(store.layers()))
    matrices = layer.native_set.matrices
    return matrices[len(matrices) - 1 - level.number].identifier


def cut(page, like):
    return page[: like.shape[0], : like.shape[1]]


@pytest.mark.parametrize(("rows", "cols"), SIZES)
@pytest.mark.parametrize("compression", VALUE_COMPRESSIONS)
def test_values(tmp_path, compression, rows, cols):
    if compression == "LERC":
        pytest.importorskip("lerc")
    store = write_store(tmp_path, field(rows, cols))
    (summary,) = export(store, tmp_path / "out", compression=Compression[compression])
    for gdal, ours, level, row, col in blocks(summary.path):
        codes = render_codes(task_of(store, style(), "native", matrix_of(store, level), row, col))
        assert gdal.dtype == np.int16
        np.testing.assert_array_equal(gdal[:, :, 0], cut(codes, gdal))
        if ours is None:
            assert (codes == FILL).all()
        else:
            np.testing.assert_array_equal(ours[:, :, 0], codes)
    with rasterio.open(summary.path) as mrf:
        assert mrf.nodata == FILL
        assert mrf.tags(ns="IMAGE_STRUCTURE")["COMPRESSION"] == compression


@pytest.mark.parametrize("dtype", sorted(FILLS))
@pytest.mark.parametrize("compression", VALUE_COMPRESSIONS)
def test_types_of_values(tmp_path, compression, dtype):
    if compression == "LERC":
        pytest.importorskip("lerc")
    unfit = {"TIF": {"int64", "uint64", "float64"}, "LERC": {"int8", "int64", "uint64"}}
    codes = field(300, 280).astype(np.float64)
    missing = codes == FILL
    codes = np.where(missing, 0, codes / (8 if dtype.endswith("int8") else 1)).astype(dtype)
    codes[missing] = np.dtype(dtype).type(FILLS[dtype])
    fills = () if dtype.startswith("float") else (FILLS[dtype],)
    Synthetic("x", -180.0, 90.0, 1.0, 0.5, (Field("v", codes, 0.1, 4.0, fills, units="K"),)).write(tmp_path)
    store = Store(tmp_path)
    if dtype in unfit.get(compression, ()):
        with pytest.raises(MrfError, match=f"x has values of type {dtype}, pages in {compression} may be"):
            export(store, tmp_path / "out", compression=Compression[compression])
        return
    (summary,) = export(store, tmp_path / "out", compression=Compression[compression])
    for gdal, ours, level, row, col in blocks(summary.path):
        expected = render_codes(task_of(store, style(), "native", matrix_of(store, level), row, col))
        np.testing.assert_array_equal(gdal[:, :, 0], cut(expected, gdal))
        if ours is not None:
            np.testing.assert_array_equal(ours[:, :, 0], expected)
    with MrfReader(summary.path) as mrf:
        notes = dict(mrf.header.notes)
    assert (notes["scale_factor"], notes["add_offset"], notes["units"]) == ("0.1", "4.0", "K")
    with rasterio.open(summary.path) as mrf:
        np.testing.assert_array_equal(mrf.read(1), codes)
        np.testing.assert_equal(mrf.nodata, FILLS[dtype])


@pytest.mark.parametrize(("rows", "cols"), SIZES)
@pytest.mark.parametrize("colours", [200, 700])
def test_png_shows_every_colour(tmp_path, rows, cols, colours):
    store, painted = write_store(tmp_path, field(rows, cols)), style(colours)
    (summary,) = export(store, tmp_path / "out", painted, compression=Compression.PNG)
    for gdal, ours, level, row, col in blocks(summary.path):
        index = served_index(store, painted, "native", matrix_of(store, level), row, col)
        np.testing.assert_array_equal(gdal, cut(painted.palette.rgba[index], gdal))
        if ours is not None:
            np.testing.assert_array_equal(ours, painted.palette.rgba[index])


@pytest.mark.parametrize(("rows", "cols"), SIZES)
@pytest.mark.parametrize("compression", ["JPEG", "JPNG"])
def test_lossy_pictures(tmp_path, compression, rows, cols):
    painted = style(seed=7)
    rgba = painted.palette.rgba.copy()
    rgba[1:, :3] = np.arange(1, len(rgba))[:, None]  # neighbouring values look alike, as in any colormap
    rgba[1:, 3] = 255
    painted = type(painted)("grey", None, type(painted.palette)(rgba, painted.palette.cuts, painted.palette.slots), "")
    codes = field(rows, cols)
    codes[:, cols // 2 :] = np.where(codes[:, cols // 2 :] == FILL, 300, codes[:, cols // 2 :])
    store = write_store(tmp_path, codes)
    (summary,) = export(store, tmp_path / "out", painted, compression=Compression[compression], quality=90)
    kinds = set()
    with MrfReader(summary.path) as mrf:
        assert mrf.header.quality == 90
        for gdal, ours, level, row, col in blocks(summary.path):
            index = served_index(store, painted, "native", matrix_of(store, level), row, col)
            truth = painted.palette.rgba[index]
            if ours is None:
                assert not index.any()
                assert not gdal.any()
                continue
            with Image.open(io.BytesIO(mrf.page(level.number, row, col))) as image:
                kinds.add(image.format)
                decoded = np.asarray(image)
            np.testing.assert_array_equal(ours[:, :, : decoded.shape[2]], decoded)
            assert np.abs(gdal.astype(int) - cut(ours, gdal)).max() <= 4
            if compression == "JPNG" and decoded.shape[2] == 4:
                np.testing.assert_array_equal(ours, truth)
            elif index.all():
                assert np.abs(ours[..., :3].astype(int) - truth[..., :3]).mean() < 8
    if compression == "JPNG" and (rows, cols) == (513, 1025):
        assert kinds == {"JPEG", "PNG"}


def test_no_data_of_a_colour_is_painted_where_a_missing_page_would_be_black(tmp_path):
    painted = style()
    rgba = painted.palette.rgba.copy()
    rgba[0] = (10, 20, 30, 255)
    painted = type(painted)("sea", None, type(painted.palette)(rgba, painted.palette.cuts, painted.palette.slots), "")
    store = write_store(tmp_path, field(100, 100), (0.0, 10.0, 10.0, 10.0))
    options = {"tms": "WorldCRS84Quad", "finest": "2", "compression": Compression.PNG, "share_pages": True}
    (summary,) = export(store, tmp_path / "out", painted, **options)
    assert summary.empty_tiles == 0
    assert summary.shared_tiles > 20
    for gdal, _, level, row, col in blocks(summary.path):
        if level.number == 0:
            index = served_index(store, painted, "WorldCRS84Quad", "2", row, col)
            np.testing.assert_array_equal(gdal, painted.palette.rgba[index])


@pytest.mark.parametrize("effort", list(CompressionEffort))
@pytest.mark.parametrize("page", [256, 512])
def test_efforts_show_the_same(tmp_path, effort, page):
    store = write_store(tmp_path, field(600, 900))
    (summary,) = export(store, tmp_path / "out", effort=effort, page=page)
    with rasterio.open(summary.path) as mrf:
        assert mrf.block_shapes == [(page, page)]
    levels = gdal_levels(summary.path)
    (plain,) = export(store, tmp_path / "plain")
    for ours, other in zip(levels, gdal_levels(plain.path), strict=False):
        np.testing.assert_array_equal(ours, other)


def test_harder_work_gives_fewer_bytes(tmp_path):
    y, x = np.mgrid[0:600, 0:900]
    smooth = (500 + 240 * (np.sin(y / 37) + np.cos(x / 29 + y / 91))).astype(np.int16)
    store = write_store(tmp_path, smooth)
    sizes = [export(store, tmp_path / effort.value, effort=effort)[0].data_bytes for effort in CompressionEffort]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == len(sizes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"page": 99, "tms": "16km"}, "pages of 99 pixels are not allowed, an even number from 64 to 4096 is"),
        ({"page": 101}, "pages of 101 pixels are not allowed, an even number from 64 to 4096 is"),
        ({"page": 8192}, "pages of 8192 pixels are not allowed"),
        ({"quality": 100}, "JPEG quality 100 is out of range, it may be 1 to 95"),
    ],
)
def test_impossible_formats_are_refused(tmp_path, options, message):
    store = write_store(tmp_path, field(10, 10))
    with pytest.raises(MrfError, match=message):
        export(store, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_values_that_an_mrf_cannot_hold(tmp_path):
    codes = np.arange(100, dtype=np.int64).reshape(10, 10)
    Synthetic("x", 0.0, 10.0, 1.0, 1.0, (Field("v", codes),)).write(tmp_path)
    with pytest.raises(MrfError, match="x has values of type int64, pages in LERC may be float32, float64, int16"):
        export(Store(tmp_path), tmp_path / "out", compression=Compression.LERC)


def test_values_without_a_code_for_no_data(tmp_path):
    codes = np.arange(100, dtype=np.int16).reshape(10, 10)
    Synthetic("x", 0.0, 10.0, 1.0, 1.0, (Field("v", codes),)).write(tmp_path)
    (summary,) = export(Store(tmp_path), tmp_path / "out", compression=Compression.DEFLATE)
    with rasterio.open(summary.path) as mrf:
        assert mrf.nodata is None
        np.testing.assert_array_equal(mrf.read(1), codes)
    with pytest.raises(MrfError, match="no code for no data, its values can only be exported on its own grid"):
        export(Store(tmp_path), tmp_path / "other", compression=Compression.DEFLATE, tms="16km")
