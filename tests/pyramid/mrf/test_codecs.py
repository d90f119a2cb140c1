"""Pages of every compression that GDAL writes read as GDAL reads them, and damaged ones raise MrfError."""

import zlib

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.core.grid import Shape
from lazytile.pyramid.mrf.codecs import decode_page
from lazytile.pyramid.mrf.model import Compression, MrfHeader
from lazytile.pyramid.mrf.reader import MrfReader

CASES = [
    *(("PNG", "uint8", bands) for bands in (1, 2, 3, 4)),
    ("PNG", "uint16", 1),
    ("PNG", "int16", 1),
    ("JPEG", "uint8", 1),
    ("JPEG", "uint8", 3),
    ("JPNG", "uint8", 2),
    ("JPNG", "uint8", 4),
    *(
        (name, dtype, bands)
        for name in ("NONE", "DEFLATE", "ZSTD", "LERC")
        for dtype in ("uint8", "int16", "uint16", "float32")
        for bands in (1, 3)
    ),
    *(("TIF", dtype, 1) for dtype in ("uint8", "int16", "uint16", "float32")),
    ("TIF", "uint8", 3),
]


def picture(dtype, bands, rows=300, cols=450):
    y, x = np.mgrid[0:rows, 0:cols]
    waves = [(np.sin(y / 21 + band) + np.cos(x / 17 - band)) * 0.25 + 0.5 for band in range(bands)]
    whole = np.stack(waves)
    if dtype == "float32":
        return (whole * 300 - 20.5).astype(np.float32)
    limit = {"uint8": 255, "uint16": 60000, "int16": 60000}[dtype]
    pixels = (whole * limit).astype(np.int64) - (30000 if dtype == "int16" else 0)
    if bands in (2, 4):  # alpha: opaque on the left
        pixels[-1] = np.where(x < 256, limit if dtype != "int16" else 30000, pixels[-1])
    return pixels.astype(dtype)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """GDAL's MRFs, each created once."""
    known = {}

    def make(compression, dtype, bands, **options):
        key = (compression, dtype, bands, *options.items())
        if key not in known:
            path = tmp_path_factory.mktemp("gdal") / "x.mrf"
            pixels = picture(dtype, bands)
            profile = {"driver": "MRF", "height": 300, "width": 450, "count": bands, "dtype": dtype}
            profile |= {"compress": compression, "blocksize": 128, "interleave": "PIXEL", "crs": "EPSG:4326"}
            with rasterio.open(path, "w", **profile, **options, transform=rasterio.Affine(1, 0, 0, 0, -1, 9)) as mrf:
                mrf.write(pixels)
            known[key] = path
        return known[key]

    return make


def assert_reads_like_gdal(path, tolerance=0.0):
    with MrfReader(path) as mrf, rasterio.open(path) as gdal:
        expected = gdal.read()
        bands = mrf.header.page_bands
        for row, col in np.ndindex(3, 4):
            block = expected[:, row * 128 : row * 128 + 128, col * 128 : col * 128 + 128]
            parts = []
            for band in range(mrf.header.records_per_position):
                pixels = mrf.pixels(0, row, col, band=band)
                assert pixels.shape == (128, 128, bands)
                assert pixels.dtype == expected.dtype
                parts.append(pixels[: block.shape[1], : block.shape[2]])
            ours = np.concatenate(parts, axis=2).transpose(2, 0, 1)
            np.testing.assert_allclose(ours.astype(float), block.astype(float), atol=tolerance, rtol=0)


@pytest.mark.parametrize(("compression", "dtype", "bands"), CASES)
def test_gdal_s_pages(written, compression, dtype, bands):
    if compression == "LERC":
        pytest.importorskip("lerc")
    # Decoders of JPEG interpolate colour each in its own way.
    tolerance = 20 if compression in ("JPEG", "JPNG") else 0
    assert_reads_like_gdal(written(compression, dtype, bands), tolerance)


@pytest.mark.parametrize("bands", [2, 3, 4])
def test_png_of_16_bits_in_several_bands_is_refused_not_cut_to_8(written, bands):
    with (
        MrfReader(written("PNG", "uint16", bands)) as mrf,
        pytest.raises(MrfError, match=f"a PNG of 16 bits, {bands} bands of 16 bits are not supported"),
    ):
        mrf.pixels(0, 0, 0)


@pytest.mark.parametrize(
    ("compression", "dtype", "options"),
    [
        ("DEFLATE", "int16", {"netbyteorder": "TRUE"}),
        ("NONE", "uint16", {"netbyteorder": "TRUE"}),
        ("DEFLATE", "uint8", {"options": "GZ:ON"}),
        ("DEFLATE", "uint8", {"options": "RAWZ:ON"}),
        ("DEFLATE", "uint8", {"interleave": "BAND"}),
        ("NONE", "int16", {"options": "DEFLATE:ON"}),
        ("PNG", "uint8", {"options": "DEFLATE:ON GZ:ON"}),
        ("TIF", "uint8", {"options": "DEFLATE:ON RAWZ:ON"}),
        ("LERC", "float32", {"options": "DEFLATE:ON"}),
        ("LERC", "int16", {"options": "V1:ON DEFLATE:ON", "interleave": "BAND"}),  # as OnEarth writes LERC
        ("PNG", "uint8", {"interleave": "BAND"}),
    ],
)
def test_gdal_s_options(tmp_path, compression, dtype, options):
    if compression == "LERC":
        pytest.importorskip("lerc")
    path = tmp_path / "x.mrf"
    profile = {"driver": "MRF", "height": 300, "width": 450, "count": 3, "dtype": dtype, "compress": compression}
    profile |= {"blocksize": 128, "interleave": "PIXEL", "transform": rasterio.Affine(1, 0, 0, 0, -1, 9)} | options
    with rasterio.open(path, "w", **profile) as mrf:
        mrf.write(picture(dtype, 3))
    assert_reads_like_gdal(path)


def page_header(compression, dtype="int16", bands=1, **options):
    return MrfHeader(Shape(128, 128), Shape(128, 128), compression, dtype, bands, bands, options=tuple(options.items()))


def test_pages_within_others():
    data = zlib.compress(zlib.compress(bytes(1 << 26)))
    with pytest.raises(MrfError, match="has 34209 bytes of pixels, 32768 were expected"):
        decode_page(zlib.decompress(data), page_header(Compression.NONE, DEFLATE="ON"))
    with pytest.raises(MrfError, match="NONE pages within ZSTD are not supported"):
        decode_page(data, page_header(Compression.NONE, ZSTD="ON"))
    with pytest.raises(MrfError, match="DEFLATE is damaged"):
        decode_page(b"123", page_header(Compression.LERC, DEFLATE="yes"))
    assert not decode_page(bytes(32768), page_header(Compression.NONE, DEFLATE="off")).any()


@pytest.mark.parametrize("name", ["PNG", "JPEG", "JPNG", "NONE", "DEFLATE", "ZSTD", "TIF"])
def test_damaged_pages(written, name):
    bands = 4 if name == "JPNG" else 3
    path = written(name, "uint8", bands)
    with MrfReader(path) as mrf:
        data, header = mrf.page(0, 0, 0), mrf.header

    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(at=st.integers(0, len(data) - 1), junk=st.binary(min_size=1, max_size=8), cut=st.booleans())
    def damage(at, junk, cut):
        bad = data[:at] if cut else data[:at] + junk + data[at + len(junk) :]
        errors = []
        try:
            assert decode_page(bad, header).shape == (128, 128, bands)
        except MrfError as error:
            errors.append(str(error))
        assert not any("\n" in text for text in errors)

    damage()


@pytest.mark.parametrize(
    ("compression", "data", "message"),
    [
        (Compression.NONE, b"123", "has 3 bytes of pixels, 32768 were expected"),
        (Compression.DEFLATE, b"123", "DEFLATE is damaged"),
        (Compression.ZSTD, b"123", "ZSTD frame does not hold"),
        (Compression.ZSTD, b"\x28\xb5\x2f\xfd\xe0" + b"\xff" * 8, "ZSTD frame does not hold"),
        (Compression.ZSTD, bytes.fromhex("28b52ffd006095000020000106010300"), "ZSTD is damaged"),
        (Compression.ZSTD, bytes.fromhex("28b52ffd0060190000616263"), "expected to decompress 32768, got 3"),
        (Compression.ZSTD, b"\x28\xb5\x2f\xfd\xa0" + (32768).to_bytes(4, "little") + b"junk", "ZSTD is damaged"),
        (Compression.TIF, b"II*\0" + b"\xff" * 40, "TIFF is damaged"),
        (Compression.JPNG, b"\xff\xd8\xff", "JPNG pages have 2 or 4 bands, not 1"),
        (Compression.JPEG, b"\xff\xd8\xff\xe0\x00\x00", "holds no image, JPEG"),
    ],
)
def test_pages_that_are_none(compression, data, message):
    with pytest.raises(MrfError, match=message):
        decode_page(data, page_header(compression))


def test_a_deflate_bomb_stops_at_the_page_s_size():
    bomb = zlib.compress(bytes(1 << 26))
    with pytest.raises(MrfError, match="has 32769 bytes of pixels, 32768 were expected"):
        decode_page(bomb, page_header(Compression.DEFLATE))
