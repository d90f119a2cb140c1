"""The reader reads GDAL's and OnEarth's files as they do, and refuses hostile ones in one line."""

import os
import resource
import struct
from dataclasses import astuple, replace

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.io import MemoryFile

from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.core.grid import Bounds, Shape
from lazytile.pyramid.mrf.model import Compression, MrfHeader
from lazytile.pyramid.mrf.reader import MrfReader, read_header
from lazytile.pyramid.mrf.xml import format_header, parse_header
from lazytile.pyramid.render.image import encode_png8
from tests.pyramid.mrf.stores import export, field, mrf_text, style, write_mrf, write_store
from tests.shared import shared

PAGE = encode_png8(np.arange(65536, dtype=np.uint32).astype(np.uint8).reshape(256, 256), style().palette.rgba)
RECORDS = [(0, len(PAGE))] * 5


def mosaic(mrf, number):
    """A whole level, shape (rows, cols, bands)."""
    level, page = mrf.header.levels[number], mrf.header.page
    shape = (level.pages.rows * page.rows, level.pages.cols * page.cols, mrf.header.page_bands)
    whole = np.full(shape, mrf.header.nodata[0] if mrf.header.nodata else 0, mrf.header.dtype)
    for row, col in np.ndindex(level.pages.rows, level.pages.cols):
        pixels = mrf.pixels(number, row, col)
        if pixels is not None:
            whole[row * page.rows :, col * page.cols :][: page.rows, : page.cols] = pixels
    return whole[: level.size.rows, : level.size.cols]


def assert_reads_like_gdal(path):
    with MrfReader(path) as mrf:
        with rasterio.open(path) as full:
            names = [path, *(f"{path}:MRF:L{at}" for at in range(len(full.overviews(1))))]
        assert len(names) == len(mrf.header.levels)
        for number, name in enumerate(names):
            with rasterio.open(name) as level:
                np.testing.assert_array_equal(mosaic(mrf, number).transpose(2, 0, 1), level.read())


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_the_real_onearth_file():
    path = shared("mrf", "Raster_Status-2004214000000.mrf")
    with MrfReader(path) as mrf:
        header = mrf.header
        assert (header.size, header.page, header.bands) == (Shape(1280, 2560), Shape(512, 512), 3)
        assert (header.compression, header.quality, header.nodata) == (Compression.JPEG, 80, (0.0,))
        assert header.bounds == Bounds(-180.0, -90.0, 180.0, 90.0)
        assert header.projection.startswith('GEOGCS["WGS 84"')
        assert [level.pages.rows * level.pages.cols for level in header.levels] == [15, 6, 2, 1]
        assert header.records == 24
        records = [mrf.record_at(number) for number in range(24)]
        assert min(record.offset for record in records) == 4723
        assert 4723 + sum(record.size for record in records) == mrf.data_bytes
        for number in range(4):
            with rasterio.open(path if number == 0 else f"{path}:MRF:L{number - 1}") as level:
                theirs = level.read().astype(int)
            assert theirs.shape == (3, header.levels[number].size.rows, header.levels[number].size.cols)
            # Decoders of JPEG interpolate colour differently: the same picture, not the same numbers.
            assert np.abs(mosaic(mrf, number).transpose(2, 0, 1) - theirs).mean() < 1
            # The page's bytes, given to GDAL's JPEG decoder, are what its MRF driver makes of them, but for rounding:
            # newer GDALs set up libjpeg differently in the two drivers.
            row, col = mrf.header.levels[number].pages.rows - 1, mrf.header.levels[number].pages.cols - 1
            with MemoryFile(mrf.page(number, row, col)) as file, file.open() as jpeg:
                block = theirs[:, row * 512 : row * 512 + 512, col * 512 : col * 512 + 512]
                page = jpeg.read()[:, : block.shape[1], : block.shape[2]]
            np.testing.assert_allclose(page.astype(int), block, atol=4)
            assert np.abs(page.astype(int) - block).mean() < 0.75


@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (511, 511), (512, 512), (513, 513), (513, 1025), (520, 520)])
def test_gdal_s_own_paletted_files(tmp_path, rows, cols):
    ours = export(write_store(tmp_path, field(rows, cols)), tmp_path / "out")[0].path
    path = tmp_path / "gdal.mrf"
    rasterio.shutil.copy(ours, path, driver="MRF", compress="PPNG", blocksize=128)
    with MrfReader(ours) as mrf:
        factors = [2 << at for at in range(len(replace(mrf.header, page=Shape(128, 128)).levels) - 1)]
    if factors:
        with rasterio.open(path, "r+") as mrf:
            mrf.build_overviews(factors, rasterio.enums.Resampling.nearest)
    assert_reads_like_gdal(path)
    with MrfReader(path) as theirs, MrfReader(ours) as mrf:
        assert theirs.header.palette == mrf.header.palette
        assert theirs.header.nodata == mrf.header.nodata
        assert astuple(theirs.header.bounds) == pytest.approx(astuple(mrf.header.bounds))
        np.testing.assert_array_equal(mosaic(theirs, 0), mosaic(mrf, 0))


def test_names_in_the_header(tmp_path):
    text = mrf_text(raster="<DataFile>d.bin</DataFile><IndexFile>i.bin</IndexFile>")
    path = write_mrf(tmp_path, text, RECORDS, PAGE)
    path.with_suffix(".ppg").rename(tmp_path / "d.bin")
    path.with_suffix(".idx").rename(tmp_path / "i.bin")
    with MrfReader(path) as mrf:
        assert mrf.page(0, 1, 1) == PAGE


def test_empty_pages(tmp_path):
    path = write_mrf(tmp_path, mrf_text(), [(0, 0), (1, 0), ((1 << 64) - 1, 0), (0, len(PAGE)), (0, 0)], PAGE)
    with MrfReader(path) as mrf:
        assert [mrf.page(0, *at) is None for at in np.ndindex(2, 2)] == [True, True, True, False]
        assert mrf.pixels(1, 0, 0) is None


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ((2, 0, 0), "level 2 is out of range, it may be 0 to 1"),
        ((-1, 0, 0), "level -1 is out of range"),
        ((0, 2, 0), "row 2 is out of range, it may be 0 to 1"),
        ((0, 0, -1), "column -1 is out of range"),
    ],
)
def test_pages_out_of_range(tmp_path, address, message):
    with MrfReader(write_mrf(tmp_path, mrf_text(), RECORDS, PAGE)) as mrf, pytest.raises(MrfError, match=message):
        mrf.page(*address)


BOMB = (
    '<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>'
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param('<?xml version="1.0"?>' + mrf_text(), "does not start with <MRF_META>", id="declaration"),
        pytest.param(BOMB + mrf_text(extra="<a>&c;</a>"), "does not start with <MRF_META>", id="bomb"),
        pytest.param(mrf_text(extra="<a>&c;</a>"), "not well-formed XML", id="entity"),
        pytest.param(mrf_text().replace("</MRF_META>", BOMB + "</MRF_META>"), "not well-formed", id="late doctype"),
        pytest.param(mrf_text()[:-3], "not well-formed XML", id="cut"),
        pytest.param("<MRF_META>" + "<a>" * 5000 + "</a>" * 5000 + "</MRF_META>", "not well-formed", id="deep"),
        pytest.param("<MRF_META>" + " " * (1 << 20) + "</MRF_META>", "has at most", id="long"),
        pytest.param("<MRF_META></MRF_META>", "needs a Raster with a Size", id="nothing"),
        pytest.param(
            mrf_text(extra="<CachedSource><Source>/etc/passwd</Source></CachedSource>"), "reads other files", id="cache"
        ),
        pytest.param(mrf_text().replace("<Raster>", '<Raster versioned="on">'), "versioned MRF", id="versioned"),
        pytest.param(mrf_text(raster="<DataFile>../x.ppg</DataFile>"), "must be the bare name", id="parent"),
        pytest.param(mrf_text(raster="<DataFile>/etc/passwd</DataFile>"), "must be the bare name", id="absolute"),
        pytest.param(mrf_text(raster="<IndexFile>a\\b</IndexFile>"), "must be the bare name", id="backslash"),
        pytest.param(mrf_text(raster="<IndexFile>..</IndexFile>"), "must be the bare name", id="dots"),
        pytest.param(mrf_text(raster="<DataFile>http://a</DataFile>"), "must be the bare name", id="URL"),
        pytest.param(mrf_text(raster="<DataFile></DataFile>"), "must be the bare name", id="no name"),
        pytest.param(mrf_text(raster='<IndexFile offset="16">a</IndexFile>'), "with an offset", id="offset"),
        pytest.param(mrf_text(size=(1 << 31, 1)), "Size x '2147483648' is not a whole number", id="huge"),
        pytest.param(mrf_text(size=("9" * 5000, 1)), "is not a whole number", id="endless number"),
        pytest.param(mrf_text(size=(-5, 1)), "Size x '-5' is not a whole number", id="negative"),
        pytest.param(mrf_text(size=("1e3", 1)), "is not a whole number", id="not a number"),
        pytest.param(mrf_text(size=("٣", 1)), "is not a whole number", id="other digits"),
        pytest.param(mrf_text(size=(0, 1)), "Size x is 0, it may be 1 to", id="no size"),
        pytest.param(mrf_text(page=0), "PageSize x is 0", id="no page"),
        pytest.param(mrf_text(page=1 << 20), "pages of 1099511627776 bytes are too large", id="huge page"),
        pytest.param(mrf_text().replace("PPNG", "QB3"), "compression 'QB3' is not supported", id="QB3"),
        pytest.param(mrf_text().replace('"uniform"', '"odd"'), "Rsets model 'odd'", id="model"),
        pytest.param(mrf_text().replace('scale="2"', 'scale="1"'), "scale is 1, it may be 2 or more", id="scale 1"),
        pytest.param(mrf_text().replace('scale="2"', 'scale="0"'), "scale is 0, it may be 2 or more", id="scale 0"),
        pytest.param(mrf_text(raster="<DataType>CFloat32</DataType>"), "DataType 'CFloat32'", id="type"),
        pytest.param(mrf_text(raster='<DataValues NoData="x"/>'), "NoData 'x' is not a list of numbers", id="nodata"),
        pytest.param(mrf_text(raster='<DataValues NoData="1 2"/>'), "NoData has 2 values for 1 bands", id="nodata 2"),
        pytest.param(mrf_text(raster="<Palette>" + "<Entry/>" * 257 + "</Palette>"), "at most 256 entries", id="257"),
        pytest.param(
            mrf_text(raster='<Palette><Entry c1="256"/></Palette>'), "palette colour .* is out of range", id="colour"
        ),
        pytest.param(
            mrf_text(extra='<GeoTags><BoundingBox minx="nan" miny="0" maxx="1" maxy="1"/></GeoTags>'),
            "BoundingBox needs minx",
            id="box",
        ),
    ],
)
def test_hostile_headers(tmp_path, text, message):
    with pytest.raises(MrfError, match=message) as caught:
        MrfReader(write_mrf(tmp_path, text, RECORDS, PAGE))
    assert "\n" not in str(caught.value)


def test_a_size_that_only_a_huge_index_could_have(tmp_path):
    path = write_mrf(tmp_path, mrf_text(size=((1 << 31) - 1,) * 2, page=1), RECORDS, PAGE)
    with pytest.raises(MrfError, match="the index has 80 bytes, its pages need"):
        MrfReader(path)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ((1, len(PAGE)), "the data file has"),
        ((len(PAGE), 1), "the data file has"),
        ((0, len(PAGE) + 1), "the data file has"),
        ((0, (1 << 64) - 1), "the data file has"),
        (((1 << 64) - 1, (1 << 64) - 1), "the data file has"),
        ((1 << 63, 1), "the data file has"),
        ((1, 3), "no image"),
    ],
)
def test_hostile_records(tmp_path, record, message):
    path = write_mrf(tmp_path, mrf_text(), [record, *RECORDS[1:]], PAGE)
    with MrfReader(path) as mrf:
        assert mrf.pixels(0, 0, 1) is not None, "the other pages are fine"
        with pytest.raises(MrfError, match=message):
            mrf.pixels(0, 0, 0)


def test_a_page_larger_than_gdal_takes(tmp_path):
    text = mrf_text(size=(16, 16), page=16)
    with (
        MrfReader(write_mrf(tmp_path, text, [(0, len(PAGE))], PAGE)) as mrf,
        pytest.raises(MrfError, match="has at most 2 times as many"),
    ):
        mrf.page(0, 0, 0)


def test_an_image_that_claims_another_size_is_not_decoded(tmp_path):
    bomb = PAGE[:16] + struct.pack(">II", 65535, 65535) + PAGE[24:]
    with (
        MrfReader(write_mrf(tmp_path, mrf_text(), RECORDS, bomb)) as mrf,
        pytest.raises(MrfError, match="an image of 65535 x 65535 pixels, PNG of 256 x 256 was expected"),
    ):
        mrf.pixels(0, 0, 0)


def test_files_that_are_none(tmp_path):
    path = write_mrf(tmp_path, mrf_text(), RECORDS, PAGE)
    with pytest.raises(MrfError, match=r"ends in \.mrf"):
        MrfReader(path.with_suffix(".idx"))
    with pytest.raises(MrfError, match="No such file"):
        MrfReader(tmp_path / "none.mrf")
    path.with_suffix(".ppg").unlink()
    with pytest.raises(MrfError, match=r"hostile\.ppg cannot be opened"):
        MrfReader(path)
    os.mkfifo(path.with_suffix(".ppg"))
    with pytest.raises(MrfError, match="not a plain file"):
        MrfReader(path)
    path.with_suffix(".idx").write_bytes(bytes(79))
    with pytest.raises(MrfError, match="the index has 79 bytes, its pages need 80"):
        MrfReader(path)


def test_a_file_cut_while_it_is_read(tmp_path):
    path = write_mrf(tmp_path, mrf_text(), RECORDS, PAGE)
    with MrfReader(path) as mrf:
        os.truncate(path.with_suffix(".ppg"), 10)
        with pytest.raises(MrfError, match="ends within a page"):
            mrf.page(0, 0, 0)
        os.truncate(path.with_suffix(".idx"), 10)
        with pytest.raises(MrfError, match="the index ends before record 0"):
            mrf.page(0, 0, 0)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    which=st.sampled_from(["mrf", "idx", "ppg"]),
    at=st.integers(0, 1 << 20),
    junk=st.binary(min_size=1, max_size=24),
    cut=st.booleans(),
)
def test_any_damage_is_an_error_of_ours_or_harmless(tmp_path, which, at, junk, cut):
    path = write_mrf(tmp_path, mrf_text(), RECORDS, PAGE)
    target = path.with_suffix(f".{which}")
    content = bytearray(target.read_bytes())
    at %= len(content)
    content[at : at + len(junk)] = junk
    target.write_bytes(content[:at] if cut else content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    errors = []
    try:
        with MrfReader(path) as mrf:
            for row, col in np.ndindex(2, 2):
                mrf.pixels(0, row, col)
    except MrfError as error:
        errors.append(str(error))
    assert not any("\n" in text for text in errors)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 256 << 10, "kilobytes"


def test_headers_go_to_xml_and_back():
    header = MrfHeader(
        Shape(1, 2147483647),
        Shape(256, 512),
        Compression.DEFLATE,
        "float32",
        bands=3,
        page_bands=1,
        slices=7,
        nodata=(-9999.5, 0.0, 1e-40),
        palette=((1, 2, 3, 4), (255, 254, 253, 0)),
        bounds=Bounds(0.1, -90.125, 359.99999999999994, 1e-17),
        projection='GEOGCS["<&>"]',
        quality=60,
        photometric="YCC",
        is_big_endian=True,
        options=(("RAWZ", "ON"),),
        notes=(("layer", 'a"<b'),),
    )
    assert parse_header(format_header(header), "a.mrf") == header


def test_defaults_are_gdal_s():
    header = parse_header(b'<MRF_META><Raster><Size x="300" y="9000"/></Raster></MRF_META>', "a.mrf")
    assert header == MrfHeader(Shape(9000, 300), Shape(512, 300), Compression.PNG, has_overviews=False)


def test_the_header_alone(tmp_path):
    path = write_mrf(tmp_path, mrf_text(), [], b"")
    assert read_header(path).records == 5
