"""Every compression, size and page: GDAL reads our pages as we do, and we read GDAL's as it does."""

import io
import struct

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from PIL import Image

from lazytile.colormaps.compiled.palette import Palette
from lazytile.pyramid.mrf.codecs import decode_page
from lazytile.pyramid.mrf.model import Compression
from lazytile.pyramid.mrf.reader import MrfReader
from lazytile.pyramid.render.style import Style
from tests.pyramid.mrf.stores import export, field, style, write_store

SIZES = [(1, 1), (511, 511), (512, 512), (513, 513), (513, 1025), (520, 520)]
LARGE = (2161, 4320)
CASES = [(rows, cols, page) for rows, cols in SIZES for page in (256, 512)] + [(*LARGE, 512)]
GDAL_CASES = [(rows, cols, 512) for rows, cols in SIZES] + [(513, 1025, 256)]
KINDS = {name: {"compression": Compression[name]} for name in Compression.__members__}
KINDS["ZEN"] = {"compression": Compression.JPEG, "zen": True}
DECODER_ROUNDING = 4
"""Between GDAL's libjpeg, which computes in floats, and Pillow's."""


def grey():
    """Opaque greys that increase with the value, and no data."""
    rgba = np.repeat(np.arange(56, 256, dtype=np.uint8)[:, None], 4, axis=1)
    rgba[:, 3] = 255
    rgba[0] = 0
    palette = style().palette
    return Style("grey", None, Palette(rgba, palette.cuts, palette.slots), "made for a test")


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """A store of each size, created once."""
    known = {}

    def store(rows, cols):
        if (rows, cols) not in known:
            known[rows, cols] = write_store(tmp_path_factory.mktemp("store"), field(rows, cols))
        return known[rows, cols]

    return store


def expected_sizes(rows, cols, page):
    """Rows, columns, rows of pages and columns of pages of every level, by the format's rule."""
    sizes = []
    while not sizes or sizes[-1][2:] != (1, 1):
        sizes.append((rows, cols, -(-rows // page), -(-cols // page)))
        rows, cols = -(-rows // 2), -(-cols // 2)
    return sizes


def gdal_levels(path, count):
    """Every level as GDAL reads it, shape (rows, cols, bands)."""
    for number in range(count):
        with rasterio.open(path if number == 0 else f"{path}:MRF:L{number - 1}") as level:
            yield level.read().transpose(1, 2, 0)


def difference(ours, theirs):
    return int(np.abs(ours.astype(np.int64) - theirs.astype(np.int64)).max(initial=0))


def assert_every_block_agrees(path, sizes, page):
    """GDAL against our reader, and our reader against the JPEGs' own bytes; returns the formats of stored pages."""
    kinds = set()
    with MrfReader(path) as mrf:
        levels = mrf.header.levels
        assert [(level.size.rows, level.size.cols, level.pages.rows, level.pages.cols) for level in levels] == sizes
        for number, (level, pixels) in enumerate(zip(sizes, gdal_levels(path, len(sizes)), strict=True)):
            assert pixels.shape == (*level[:2], mrf.header.bands)
            for row, col in np.ndindex(*level[2:]):
                part = pixels[row * page :, col * page :][:page, :page]
                data = mrf.page(number, row, col)
                if data is None:
                    assert (part == (mrf.header.nodata or (0,))[0]).all()
                    continue
                whole = mrf.pixels(number, row, col)
                assert whole.shape == (page, page, mrf.header.bands)
                ours = whole[: part.shape[0], : part.shape[1]]
                is_jpeg = data.startswith(b"\xff\xd8")
                kinds.add("JPEG" if is_jpeg else "exact")
                if not is_jpeg:
                    np.testing.assert_array_equal(ours, part)
                    continue
                assert difference(ours, part) <= DECODER_ROUNDING
                with Image.open(io.BytesIO(data)) as image:
                    decoded = np.asarray(image)
                if b"Zen\0" in data:
                    np.testing.assert_array_equal(ours == 0, part == 0)
                    decoded = np.where(whole.any(axis=2, keepdims=True), np.maximum(decoded, 1), 0)
                np.testing.assert_array_equal(whole[..., : decoded.shape[2]], decoded)
    return kinds


def need(kind):
    if kind == "LERC":
        pytest.importorskip("lerc")


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize(("rows", "cols", "page"), CASES)
def test_gdal_reads_every_block_as_we_do(stores, tmp_path, kind, rows, cols, page):
    need(kind)
    (summary,) = export(stores(rows, cols), tmp_path / "out", grey(), page=page, **KINDS[kind])
    kinds = assert_every_block_agrees(summary.path, expected_sizes(rows, cols, page), page)
    assert "JPEG" in kinds if kind in {"JPEG", "ZEN"} else "exact" in kinds or kind == "JPNG"


@pytest.mark.parametrize(
    ("rows", "cols", "page", "kind"),
    [(*case, kind) for case in GDAL_CASES for kind in Compression.__members__]
    + [(*LARGE, 512, kind) for kind in ("PPNG", "JPEG", "ZSTD")],
)
def test_gdal_s_own_file_of_the_same_input(stores, tmp_path, kind, rows, cols, page):
    """Read as GDAL reads it; its index is as long as ours and has its records in the same order."""
    need(kind)
    (summary,) = export(stores(rows, cols), tmp_path / "out", grey(), page=page, **KINDS[kind])
    path = tmp_path / "gdal.mrf"
    rasterio.shutil.copy(summary.path, path, driver="MRF", compress=kind, blocksize=page, interleave="PIXEL")
    sizes = expected_sizes(rows, cols, page)
    if len(sizes) > 1:
        with rasterio.open(path, "r+") as mrf:
            mrf.build_overviews([2 << at for at in range(len(sizes) - 1)], rasterio.enums.Resampling.nearest)
    assert_every_block_agrees(path, sizes, page)
    ours, theirs = (
        list(struct.iter_unpack(">QQ", file.with_suffix(".idx").read_bytes())) for file in (summary.path, path)
    )
    assert len(ours) == len(theirs) == sum(level[2] * level[3] for level in sizes)
    with MrfReader(summary.path) as mine, MrfReader(path) as other, rasterio.open(path) as gdal:
        full = gdal.read().transpose(1, 2, 0)
        wanted = mine.header, other.header
        for number, position in enumerate(np.ndindex(*sizes[0][2:])):
            part = full[position[0] * page :, position[1] * page :][:page, :page]
            for header, (offset, size), file in zip(
                wanted, (ours[number], theirs[number]), (summary.path, path), strict=True
            ):
                if size == 0:
                    assert not part.any() or (part == header.nodata).all()
                    continue
                data = file.with_suffix(f".{header.compression.extension}").read_bytes()[offset : offset + size]
                pixels = decode_page(data, header)[: part.shape[0], : part.shape[1]]
                assert difference(pixels, part) <= (DECODER_ROUNDING * 4 if kind in {"JPEG", "JPNG"} else 0)
