"""Options of exports: bands, chroma, precision, slices, year folders, nearest overviews."""

import io
import sqlite3

import numpy as np
import pytest
import rasterio
from PIL import Image

from lazytile.colormaps.compiled.palette import Palette
from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.mrf.model import Compression
from lazytile.pyramid.mrf.page_encoding import PageFormat
from lazytile.pyramid.mrf.reader import MrfReader
from lazytile.pyramid.mrf.zdb import read_zdb
from lazytile.pyramid.render.style import Style
from lazytile.pyramid.store.dataset import Dimension
from tests.pyramid.mrf.stores import FILL, export, field, served_index, style, write_store

DAYS = Dimension("time", "time", ("2018-12-31T00:00:00Z", "2019-01-01T09:30:00Z", "2020-12-31T00:00:00Z"))


def grey_style():
    rgba = np.repeat(np.arange(200, dtype=np.uint8)[:, None], 4, axis=1)
    rgba[:, 3] = 255
    rgba[0] = 0
    cuts = np.linspace(0, 1000, 200)[:-1]
    return Style("grey", None, Palette(rgba, cuts, np.array([0, *range(1, 200), 0], np.uint8)), "made for a test")


def matrix_of(store, level):
    matrices = next(iter(store.layers())).native_set.matrices
    return matrices[len(matrices) - 1 - level].identifier


def gdal(path, level):
    with rasterio.open(path if level == 0 else f"{path}:MRF:L{level - 1}") as mrf:
        return mrf.read().transpose(1, 2, 0)


def on_black(rgba):
    flat = (rgba.astype(np.uint16) * rgba[:, 3:] + 127) // 255
    return flat[:, :3].astype(np.uint8)


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (300, 520)])
def test_bands_of_png(tmp_path, bands, rows, cols):
    store = write_store(tmp_path, field(rows, cols))
    painted = grey_style() if bands < 3 else style()
    (summary,) = export(store, tmp_path / "out", painted, compression=Compression.PNG, bands=bands)
    rgba = painted.palette.rgba
    colours = {1: rgba[:, :1], 2: rgba[:, (0, 3)], 3: on_black(rgba), 4: rgba}[bands]
    with MrfReader(summary.path) as mrf:
        for level in mrf.header.levels:
            pixels = gdal(summary.path, level.number)
            assert pixels.shape == (level.size.rows, level.size.cols, bands)
            for row, col in np.ndindex(level.pages.rows, level.pages.cols):
                shown = colours[served_index(store, painted, "native", matrix_of(store, level.number), row, col)]
                part = pixels[row * 256 :, col * 256 :][:256, :256]
                np.testing.assert_array_equal(part, shown[: part.shape[0], : part.shape[1]])
                page = mrf.pixels(level.number, row, col)
                assert page is None or (page == shown).all()


@pytest.mark.parametrize("full_chroma", [False, True])
@pytest.mark.parametrize("compression", [Compression.JPEG, Compression.JPNG])
def test_chroma_of_jpeg(tmp_path, compression, full_chroma):
    store = write_store(tmp_path, np.full((513, 700), 500, np.int16) + np.arange(700, dtype=np.int16) % 300)
    palette = style().palette
    ramp = np.arange(200, dtype=np.uint8)
    rgba = np.stack((ramp, 255 - ramp, ramp // 2, np.full(200, 255, np.uint8)), axis=1)
    painted = Style("opaque", None, Palette(rgba, palette.cuts, palette.slots), "made for a test")
    (summary,) = export(store, tmp_path / "out", painted, compression=compression, full_chroma=full_chroma)
    with MrfReader(summary.path) as mrf:
        assert mrf.header.photometric == ("YCC" if full_chroma else "")
        for level in mrf.header.levels:
            pixels = gdal(summary.path, level.number)
            for row, col in np.ndindex(level.pages.rows, level.pages.cols):
                data = mrf.page(level.number, row, col)
                with Image.open(io.BytesIO(data)) as image:
                    assert image.format == "JPEG" or compression is Compression.JPNG
                    if image.format == "JPEG":
                        luma = image.layer[0][1:3]
                        assert luma == ((1, 1) if full_chroma else (2, 2))
                ours = mrf.pixels(level.number, row, col)
                part = pixels[row * 256 :, col * 256 :][:256, :256]
                # The same JPEG bytes in two builds of libjpeg: roundings differ, and how chroma is scaled up.
                off = np.abs(part.astype(int) - ours[: part.shape[0], : part.shape[1]])
                if full_chroma or min(part.shape[:2]) > 64:  # a strip at the data's edge is nothing but an edge
                    assert (off.max() if full_chroma else off.mean()) <= 3


def test_precision_of_lerc(tmp_path):
    pytest.importorskip("lerc")
    codes = field(513, 700)
    store = write_store(tmp_path, codes)
    (exact,) = export(store, tmp_path / "exact", compression=Compression.LERC)
    (rough,) = export(store, tmp_path / "rough", compression=Compression.LERC, max_error=8)
    assert rough.data_bytes < 0.8 * exact.data_bytes
    pixels = gdal(rough.path, 0)[:, :, 0]
    assert 0 < np.abs(pixels[codes != FILL].astype(int) - codes[codes != FILL]).max() <= 8
    assert (pixels[codes == FILL] == FILL).all()
    np.testing.assert_array_equal(gdal(exact.path, 0)[:, :, 0], codes)
    with MrfReader(rough.path) as mrf:
        assert mrf.header.options == (("LERC_PREC", "8"),)


def test_slices(tmp_path):
    height = Dimension("height", "other", ("0", "10"))
    steps = [[field(300, 520, 2 * at + up) for up in range(2)] for at in range(3)]
    store = write_store(tmp_path, np.array(steps), dimensions=(DAYS, height))
    summaries = export(store, tmp_path / "out", as_slices=True)
    assert [summary.path.name for summary in summaries] == ["sst_height-0.mrf", "sst_height-10.mrf"]
    painted = style()
    for up, summary in enumerate(summaries):
        with MrfReader(summary.path) as mrf:
            assert mrf.header.slices == 3
            for level, z, row, col, _ in mrf.header.pages():
                address = (store, painted, "native", matrix_of(store, level.number), row, col, (z, up))
                page = mrf.pixels(level.number, row, col, z=z)
                wanted = served_index(*address)
                assert (page[:, :, 0] == wanted).all() if page is not None else not wanted.any()
            for z in range(3):
                with rasterio.open(f"{summary.path}:MRF:Z{z}") as one:
                    pixels = one.read(1)
                for row, col in np.ndindex(2, 3):
                    part = pixels[row * 256 :, col * 256 :][:256, :256]
                    wanted = served_index(store, painted, "native", matrix_of(store, 0), row, col, (z, up))
                    np.testing.assert_array_equal(part, wanted[: part.shape[0], : part.shape[1]])
        with sqlite3.connect(summary.path.with_suffix(".zdb")) as database:
            keys = database.execute("SELECT z, key_str FROM ZINDEX ORDER BY z").fetchall()
        database.close()
        assert keys == [(0, "20181231000000"), (1, "20190101093000"), (2, "20201231000000")]
        assert read_zdb(summary.path.with_suffix(".zdb"))["20190101093000"] == 1
    again = export(store, tmp_path / "out", as_slices=True)
    assert all(summary.was_complete for summary in again)
    (tmp_path / "no.zdb").write_bytes(b"no database" * 100)
    with pytest.raises(MrfError, match=r"no\.zdb cannot be read"):
        read_zdb(tmp_path / "no.zdb")


def test_slices_need_times(tmp_path):
    store = write_store(tmp_path, field(20, 30))
    with pytest.raises(MrfError, match="sst has no times, which are the slices of an MRF"):
        export(store, tmp_path / "out", as_slices=True)


def test_a_folder_for_each_year(tmp_path):
    store = write_store(tmp_path, np.stack([field(20, 30, at) for at in range(3)]), dimensions=(DAYS,))
    summaries = export(store, tmp_path / "out", by_year=True)
    names = [str(summary.path.relative_to(tmp_path / "out")) for summary in summaries]
    assert names == ["2018/sst-2018365000000.mrf", "2019/sst-2019001093000.mrf", "2020/sst-2020366000000.mrf"]
    assert all(summary.path.exists() for summary in summaries)


@pytest.mark.parametrize(("rows", "cols"), [(255, 255), (520, 520), (513, 1025), (1000, 3)])
@pytest.mark.parametrize("compression", [Compression.PPNG, Compression.DEFLATE])
def test_nearest_overviews(tmp_path, rows, cols, compression):
    codes = field(rows, cols)
    store = write_store(tmp_path, codes)
    (summary,) = export(store, tmp_path / "out", overviews="nearest", compression=compression)
    table = served_index
    painted = style()
    with MrfReader(summary.path) as mrf:
        levels = mrf.header.levels
        assert dict(mrf.header.notes)["overviews"] == "nearest"
    full = gdal(summary.path, 0)[:, :, 0]
    if compression is Compression.DEFLATE:
        np.testing.assert_array_equal(full, codes)
    else:
        wanted = table(store, painted, "native", matrix_of(store, 0), 0, 0)
        np.testing.assert_array_equal(full[:256, :256], wanted[: min(rows, 256), : min(cols, 256)])
    for level in levels[1:]:
        step = 1 << level.number
        at = [np.minimum(np.arange(0, length, step) + step // 2, length - 1) for length in (rows, cols)]
        np.testing.assert_array_equal(gdal(summary.path, level.number)[:, :, 0], full[at[0]][:, at[1]])


def test_nearest_overviews_of_a_set(tmp_path):
    codes = field(800, 1600)
    store = write_store(tmp_path, codes)
    (near,) = export(store, tmp_path / "near", overviews="nearest", tms="16km")
    (mean,) = export(store, tmp_path / "mean", tms="16km")
    painted = style()
    with MrfReader(near.path) as mrf, MrfReader(mean.path) as other:
        assert mrf.page(0, 1, 1) == other.page(0, 1, 1), "full resolution is no overview"
        assert mrf.page(2, 0, 0) != other.page(2, 0, 0)
        x = -180 + (np.arange(512) + 0.5) * 0.5625
        y = 90 - (np.arange(512) + 0.5) * 0.5625
        rows = np.floor((90 - y) / 0.225).astype(int)
        cols = np.floor((x + 180) / 0.225).astype(int)
        wanted = np.zeros((512, 512), np.uint8)
        inside = np.ix_(rows < 800, cols < 1600)
        values = codes[rows[rows < 800]][:, cols[cols < 1600]]
        wanted[inside] = np.where(values == FILL, 0, painted.palette.index_of(values.astype(float)))
        np.testing.assert_array_equal(mrf.pixels(2, 0, 0)[:, :, 0], wanted)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"bands": 1, "compression": Compression.PNG}, "the style has colours, PNG pages of 1 or 2 bands are grey"),
        ({"bands": 5, "compression": Compression.PNG}, "PNG pages of 5 bands are not allowed, 1 to 4 are"),
        ({"bands": 3}, "PPNG pages have a fixed number of bands"),
        ({"full_chroma": True}, "PPNG pages have no chroma"),
        ({"max_error": 1.0}, "PPNG pages are exact"),
        ({"overviews": "cubic"}, "overviews 'cubic' are unknown, allowed are mean or nearest"),
        ({"by_year": True, "as_slices": True}, "an MRF of slices holds all years, --by-year"),
    ],
)
def test_impossible_options_are_refused(tmp_path, wrong, message):
    store = write_store(tmp_path, field(20, 30))
    with pytest.raises(MrfError, match=message):
        export(store, tmp_path / "out", **wrong)
    assert not (tmp_path / "out").exists()


def test_error_of_lerc_is_a_number():
    from lazytile.pyramid.mrf.effort import CompressionEffort

    with pytest.raises(MrfError, match="LERC's maximum error -1 is out of range"):
        PageFormat(Compression.LERC, CompressionEffort.SERVED, max_error=-1)
