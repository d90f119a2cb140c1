"""The Zen mask of JPEG pages: GDAL reads ours and we read GDAL's, to the pixel; damaged ones raise MrfError."""

import io
import struct

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lazytile.colormaps.compiled.palette import Palette
from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.core.grid import Shape
from lazytile.pyramid.mrf.check import inspect_mrf
from lazytile.pyramid.mrf.codecs import decode_page
from lazytile.pyramid.mrf.model import Compression, MrfHeader
from lazytile.pyramid.mrf.reader import MrfReader
from lazytile.pyramid.mrf.zen import mask_of, pack, unpack, with_mask
from lazytile.pyramid.render.style import Style
from tests.pyramid.mrf.stores import export, field, served_index, style, write_mrf, write_store

SIZES = [(1, 1), (511, 511), (513, 1025), (520, 520)]


def masked_style():
    """Opaque colours of which every fifth is black, two that are transparent, and no data."""
    rgba = np.random.default_rng(4).integers(0, 256, (200, 4)).astype(np.uint8)
    rgba[:, 3] = 255
    rgba[::5, :3] = 0
    rgba[[0, 31, 77], 3] = 0
    palette = style().palette
    return Style("masked", None, Palette(rgba, palette.cuts, palette.slots), "made for a test")


def without_zen(jpeg):
    """The JPEG without its APP3 segments, walked by hand; and their contents."""
    at, rest, found = 2, jpeg[:2], []
    while jpeg[at + 1] != 0xDA:
        (length,) = struct.unpack(">H", jpeg[at + 2 : at + 4])
        if jpeg[at + 1] == 0xE3:
            found.append(jpeg[at + 4 : at + 2 + length])
        else:
            rest += jpeg[at : at + 2 + length]
        at += 2 + length
    return rest + jpeg[at:], found


def strip(path, folder):
    """A copy of an MRF whose JPEGs have lost their masks."""
    folder.mkdir()
    records, data = [], b""
    with MrfReader(path) as mrf:
        for number in range(mrf.header.records):
            record = mrf.record_at(number)
            page = path.with_suffix(".pjg").read_bytes()[record.offset :][: record.size]
            page = without_zen(page)[0] if page else b""
            records.append((len(data) if page else 0, len(page)))
            data += page
    copy = write_mrf(folder, "", records, data, "pjg")
    copy.write_bytes(path.read_bytes())
    return copy


def gdal(path, level):
    with rasterio.open(path if level == 0 else f"{path}:MRF:L{level - 1}") as mrf:
        return mrf.read().transpose(1, 2, 0)


@pytest.mark.parametrize(("rows", "cols"), SIZES)
@pytest.mark.parametrize(("page", "full_chroma"), [(256, False), (512, True)])
def test_gdal_reads_what_is_no_data_as_zero_and_nothing_else(tmp_path, rows, cols, page, full_chroma):
    store, painted = write_store(tmp_path, field(rows, cols)), masked_style()
    options = {"compression": Compression.JPEG, "zen": True, "full_chroma": full_chroma, "page": page}
    (summary,) = export(store, tmp_path / "out", painted, **options)
    (plain,) = export(store, tmp_path / "plain", painted, compression=Compression.PNG, page=page)
    stripped = strip(summary.path, tmp_path / "stripped")
    assert inspect_mrf(summary.path, decode=True).problems == ()
    blacks = 0
    with MrfReader(summary.path) as mrf:
        assert mrf.header.nodata == (0.0,)
        for level in mrf.header.levels:
            pixels = gdal(summary.path, level.number)
            is_data = gdal(plain.path, level.number)[:, :, 3:] > 0
            # The same decoder on the same JPEGs, once with and once without the masks.
            expected = np.where(is_data, np.maximum(gdal(stripped, level.number), 1), 0)
            np.testing.assert_array_equal(pixels, expected)
            blacks += int((gdal(stripped, level.number) == 0)[is_data.repeat(3, axis=2)].sum())
            for row, col in np.ndindex(level.pages.rows, level.pages.cols):
                ours = mrf.pixels(level.number, row, col)
                part = pixels[row * page :, col * page :][:page, :page]
                if ours is None:
                    assert not part.any()
                    continue
                with Image.open(io.BytesIO(mrf.page(level.number, row, col))) as image:
                    decoded = np.asarray(image)
                cut = is_data[row * page :, col * page :][:page, :page]
                here = ours[: part.shape[0], : part.shape[1]]
                np.testing.assert_array_equal(
                    here, np.where(cut, np.maximum(decoded[: len(cut), : cut.shape[1]], 1), 0)
                )
                np.testing.assert_array_equal(here.any(axis=2), part.any(axis=2))
    with rasterio.open(summary.path) as mrf:
        assert mrf.nodatavals == (0.0, 0.0, 0.0)
        np.testing.assert_array_equal(mrf.dataset_mask() > 0, mrf.read().any(axis=0))
    assert blacks > 0 or rows == 1, "black that is data was put to the test"


def test_the_mask_of_a_page_without_gaps_has_four_bytes(tmp_path):
    store = write_store(tmp_path, np.full((256, 512), 700, np.int16))
    (summary,) = export(store, tmp_path / "out", masked_style(), compression=Compression.JPEG, zen=True)
    (plain,) = export(store, tmp_path / "plain", masked_style(), compression=Compression.JPEG)
    with MrfReader(summary.path) as mrf, MrfReader(plain.path) as other:
        page, segments = without_zen(mrf.page(0, 0, 0))
        assert segments == [b"Zen\0"]
        assert page == other.page(0, 0, 0)
        assert other.header.nodata == ()


def masks(rows, cols):
    random = np.random.default_rng(11)
    y, x = np.mgrid[0:rows, 0:cols]
    yield np.zeros((rows, cols), bool)
    yield np.ones((rows, cols), bool)
    for share in (0.001, 0.1, 0.5, 0.9, 0.999):
        yield random.random((rows, cols)) < share
    yield (x + y) % 2 == 0
    yield y % 16 < 8
    yield (x // 8 + y // 8) % 3 == 0
    yield np.hypot(x - cols / 2, y - rows / 3) < cols / 3
    yield (y == rows - 1) & (x == cols - 1)
    yield random.integers(0, 256, (rows, cols)) == 7


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(("rows", "cols"), [(512, 512), (720, 720), (64, 1000), (65, 129), (33, 70)])
def test_gdal_reads_every_mask(tmp_path, rows, cols):
    stream = io.BytesIO()
    Image.new("L", (cols, rows), 200).save(stream, "JPEG")
    wanted = list(masks(rows, cols))
    pages = [with_mask(stream.getvalue(), mask) for mask in wanted]
    ends = np.cumsum([len(page) for page in pages])
    text = (
        f'<MRF_META><Raster><Size x="{cols}" y="{rows * len(pages)}" c="1"/><PageSize x="{cols}" y="{rows}" c="1"/>'
        "<Compression>JPEG</Compression></Raster></MRF_META>"
    )
    records = [(int(end) - len(page), len(page)) for end, page in zip(ends, pages, strict=True)]
    path = write_mrf(tmp_path, text, records, b"".join(pages), "pjg")
    with rasterio.open(path) as theirs, MrfReader(path) as ours:
        pixels = theirs.read(1)
        for number, mask in enumerate(wanted):
            expected = np.where(mask, 200, 0)
            np.testing.assert_array_equal(pixels[number * rows : (number + 1) * rows], expected)
            np.testing.assert_array_equal(ours.pixels(0, number, 0)[:, :, 0], expected)


@pytest.mark.parametrize(("compression", "bands"), [("JPEG", 1), ("JPEG", 3), ("JPEG", 4), ("JPNG", 4)])
@pytest.mark.parametrize("block", [128, 100])
def test_gdal_s_masks_are_read(tmp_path, compression, bands, block):
    y, x = np.mgrid[0:300, 0:450]
    pixels = np.stack([(np.sin(y / 21 + band) + np.cos(x / 17)) * 60 + 128 for band in range(bands)]).astype(np.uint8)
    hole = (np.hypot(y - 140, x - 130) < 90) | ((np.random.default_rng(2).random((300, 450)) < 0.01) & (x < 250))
    pixels[: 3 if bands > 1 else 1, hole] = 0
    pixels[0, 280:] = 0  # zero in only one band is data
    pixels[3:] = 255 if compression == "JPNG" else pixels[3:]
    if bands == 4 and compression == "JPEG":
        pixels[3, hole] = 0
    path = tmp_path / "gdal.mrf"
    profile = {"driver": "MRF", "height": 300, "width": 450, "count": bands, "dtype": "uint8", "compress": compression}
    profile |= {"blocksize": block, "interleave": "PIXEL", "transform": rasterio.Affine(1, 0, 0, 0, -1, 9)}
    with rasterio.open(path, "w", **profile) as mrf:
        mrf.write(pixels)
    segments = set()
    with rasterio.open(path) as gdal, MrfReader(path) as mrf:
        theirs = gdal.read()
        for row, col in np.ndindex(-(-300 // block), -(-450 // block)):
            part = theirs[:, row * block :, col * block :][:, :block, :block].transpose(1, 2, 0)
            data = mrf.page(0, row, col)
            segments.update(without_zen(data)[1] if data.startswith(b"\xff\xd8") else ())  # JPNG has PNG as well
            ours = mrf.pixels(0, row, col)[: part.shape[0], : part.shape[1]]
            np.testing.assert_array_equal(ours == 0, part == 0)
            assert np.abs(ours.astype(int) - part).mean() < 2
    colours = theirs[: min(bands, 3)] if compression == "JPNG" else theirs
    zero = hole | ~pixels[: len(colours)].any(axis=0)
    np.testing.assert_array_equal(~colours.any(axis=0), zero)
    if compression == "JPEG":
        np.testing.assert_array_equal((colours == 0).any(axis=0), zero)
    assert b"Zen\0" in segments, "pages without zeros"
    assert len(segments) > 3, "and pages with some"


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 255), st.integers(1, 900)), min_size=1, max_size=40))
def test_unpacking_inverts_packing(runs):
    data = b"".join(bytes((value,)) * length for value, length in runs)
    assert unpack(pack(data), len(data)) == data


@pytest.mark.parametrize(
    ("data", "packed"),
    [
        (b"\x05", b"\x00\x05"),
        (b"\x05" * 3, b"\x00\x05\x05\x05"),
        (b"\x05" * 4, b"\x00\x00\x04\x05"),
        (b"\x05" * 255, b"\x00\x00\xff\x05"),
        (b"\x05" * 256, b"\x00\x00\x01\x00\x05"),
        (b"\x05" * 767, b"\x00\x00\x02\xff\x05"),
        (b"\x05" * 768, b"\x00\x00\x03\x00\x00\x05"),
        (b"\x05" * 66303, b"\x00\x00\x03\xff\xff\x05"),
        (b"\x05" * 66305, b"\x00\x00\x03\xff\xff\x05\x05\x05"),
        (bytes(range(256)), b"\x00\x00\x00" + bytes(range(1, 256))),
        (bytes(range(256)) + bytes(range(2, 256)), b"\x00\x00\x00" + bytes(range(1, 256)) + bytes(range(2, 256))),
    ],
)
def test_runs_as_gdal_counts_them(data, packed):
    assert pack(data) == packed
    assert unpack(packed, len(data)) == data


def jpeg_page(content, rows=128, cols=128):
    """A grey JPEG with this content, or several, in APP3."""
    stream = io.BytesIO()
    Image.new("L", (cols, rows), 200).save(stream, "JPEG")
    jpeg, segments = stream.getvalue(), content if isinstance(content, list) else [content]
    joined = b"".join(b"\xff\xe3" + struct.pack(">H", len(segment) + 2) + segment for segment in segments)
    return jpeg[:20] + joined + jpeg[20:]


HEADER = MrfHeader(Shape(128, 128), Shape(128, 128), Compression.JPEG)
MASK_BYTES = 128 * 128 // 8


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"Zen\0\x01", "Zen mask holds fewer than the 2048 bytes of a page"),
        (b"Zen\0\x01\x05\x05", "holds fewer"),
        (b"Zen\0" + pack(bytes(MASK_BYTES - 1)), "holds fewer"),
        (b"Zen\0" + pack(bytes(MASK_BYTES + 1)), "holds more"),
        (b"Zen\0" + pack(bytes(MASK_BYTES)) + b"\x07", "holds more"),
        (b"Zen\0\x01" + b"\x01\x03\xff\xff\x00" * 13000, "holds more"),  # 862 MB
        (b"Zen\0\x01\x01", "ends within a run"),
        (b"Zen\0\x01\x01\x08", "ends within a run"),
        (b"Zen\0\x01\x01\x03\x00", "ends within a run"),
        (b"Zen\0\x01\x01\x03\x00\x00", "ends within a run"),
        (b"Zen\0" + bytes(65529), "holds more"),
    ],
)
def test_hostile_masks(content, message):
    with pytest.raises(MrfError, match=message) as caught:
        decode_page(jpeg_page(content), HEADER)
    assert "\n" not in str(caught.value)


def test_other_segments_are_no_masks():
    for content in (b"", b"Zen", b"Meta\0" * 20, [b"Exif", b"Ze\0n"]):
        assert mask_of(jpeg_page(content), HEADER.page) is None
        assert (decode_page(jpeg_page(content), HEADER) == 200).all()
    several = [b"Zen\0", b"Zen\0" + pack(bytes(MASK_BYTES)), b"Other"]
    assert not decode_page(jpeg_page(several), HEADER).any(), "the last one counts, as for GDAL"
    assert decode_page(jpeg_page(several[::-1]), HEADER).all()
    for page in (
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe3\0",
        b"\xff\xd8\xff\xe3\0\0Zen\0",
        b"\xff\xd8\xff\xff\xff",
    ):
        assert mask_of(page, HEADER.page) is None


def test_verify_reports_the_mask_of_another_page(tmp_path):
    store = write_store(tmp_path, field(600, 900))
    (summary,) = export(store, tmp_path / "out", masked_style(), compression=Compression.JPEG, zen=True)
    data = bytearray(summary.path.with_suffix(".pjg").read_bytes())
    data[data.index(b"Zen\0", data.index(b"Zen\0") + 9) + 4] ^= 0xFF  # another mark than the one that runs have
    summary.path.with_suffix(".pjg").write_bytes(data)
    summary.path.with_suffix(".crc").unlink()
    (problem,) = inspect_mrf(summary.path, decode=True).problems
    assert "Zen mask" in problem


def test_impossible_formats_are_refused(tmp_path):
    store = write_store(tmp_path, field(600, 900))
    with pytest.raises(MrfError, match="PNG pages have no Zen mask, only JPEG pages do"):
        export(store, tmp_path / "out", compression=Compression.PNG, zen=True)
    with pytest.raises(MrfError, match="the Zen mask of pages of 1024 x 1024 may not fit a JPEG"):
        export(store, tmp_path / "out", compression=Compression.JPEG, zen=True, page=1024)
    assert not (tmp_path / "out").exists()
    with pytest.raises(MrfError, match=r"a page's Zen mask has .* bytes, a segment of a JPEG holds 65533"):
        with_mask(b"\xff\xd8", np.random.default_rng(1).random((1024, 1024)) < 0.5)
    assert export(store, tmp_path / "out", compression=Compression.JPEG, zen=True, page=720)
    with pytest.raises(MrfError, match="the Zen mask of pages of 728 x 728 may not fit"):
        export(store, tmp_path / "out728", compression=Compression.JPEG, zen=True, page=728)


def test_pages_of_the_served_index(tmp_path):
    """The mask is the renderer's own: where the tile that is served is transparent."""
    store, painted = write_store(tmp_path, field(300, 400)), masked_style()
    (summary,) = export(store, tmp_path / "out", painted, compression=Compression.JPEG, zen=True)
    with MrfReader(summary.path) as mrf:
        index = served_index(store, painted, "native", "1", 1, 1)
        is_data = painted.palette.rgba[index][..., 3] > 0
        np.testing.assert_array_equal(mask_of(mrf.page(0, 1, 1), Shape(256, 256)), is_data)
