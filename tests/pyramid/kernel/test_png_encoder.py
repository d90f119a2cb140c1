"""PNGs of the native kernel: decoders read the same pixels, every variant writes the same bytes, and few of them."""

from __future__ import annotations

import ctypes
import hashlib
import io
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image

from lazytile.pyramid.kernel.numpy_kernel import NumpyKernel
from lazytile.pyramid.kernel.selection import choose_kernel, install_kernel
from lazytile.pyramid.render.image import encode_png8
from tests.pyramid.kernel.libraries import KERNELS, kernel_of
from tests.pyramid.kernel.pictures import WIDEST, picture, pictures, rows_of

GREY = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 4, axis=1)
LARGEST_OVERHEAD = 0.001
"""Of pixels that cannot be compressed."""


@pytest.fixture(params=["base", "v3", "v4"])
def encoder(request):
    return kernel_of(request.param).png


@settings(max_examples=150, deadline=None)
@given(pictures())
def test_a_picture_reads_back(index):
    png = kernel_of("base").png.encode(index, b"")
    np.testing.assert_array_equal(rows_of(png), index)


@settings(max_examples=60, deadline=None)
@given(pictures())
def test_every_variant_writes_the_same_bytes(index):
    expected = kernel_of("base").png.encode(index, b"")
    for name in KERNELS:
        try:
            kernel = kernel_of(name)
        except pytest.skip.Exception:
            continue
        assert kernel.png.encode(index, b"") == expected, name


@settings(max_examples=60, deadline=None)
@given(pictures())
def test_pixels_that_cannot_be_compressed_take_hardly_more_than_themselves(index):
    size = len(kernel_of("base").png.encode(index, b""))
    rows = index.shape[0] * (index.shape[1] + 1)
    assert size <= rows + 100 + LARGEST_OVERHEAD * rows


def test_pillow_and_gdal_read_the_file(encoder, tmp_path, fresh_process):
    rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed (it is the extra geotiff)")
    install_kernel(choose_kernel("native"))
    for seed in range(14):
        index = picture(seed, 131, 97 + seed)
        png = encode_png8(index, GREY)
        image = Image.open(io.BytesIO(png))
        assert (image.mode, image.size) == ("P", index.shape[::-1])
        np.testing.assert_array_equal(np.asarray(image), index)
        path = tmp_path / "picture.png"
        path.write_bytes(png)
        with pytest.warns(rasterio.errors.NotGeoreferencedWarning), rasterio.open(path) as dataset:
            np.testing.assert_array_equal(dataset.read(1), index)


@pytest.mark.parametrize("index", [
    picture(3, 256, 256),
    np.asfortranarray(picture(3, 90, 40)),
    picture(3, 90, 80)[::2, ::2],
    picture(3, 90, 80)[:, 13:50],
    picture(3, 90, 80)[::-1, 5:],
    picture(3, 90, 80).astype(np.uint16),
], ids=["whole", "columns first", "every other", "part", "upside down", "16 bits"])  # fmt: skip
def test_any_layout_of_an_array_is_taken(encoder, index):
    expected = np.ascontiguousarray(index, np.uint8)
    assert encoder.encode(index, b"") == encoder.encode(expected, b"")
    np.testing.assert_array_equal(rows_of(encoder.encode(index, b"")), expected)


def test_memory_and_earlier_pictures_leave_no_trace(encoder):
    shapes = ((256, 256), (7, 1000), (256, 256), (1, 1), (300, 300))
    made = [encoder.encode(picture(seed, *shapes[seed % 5]), b"") for seed in range(20)]
    for seed in reversed(range(20)):
        library = encoder._library
        index, room = picture(seed, *shapes[seed % 5]), (ctypes.c_int64 * 2)()
        library.png_room(*index.shape, ctypes.addressof(room))
        for filler in (0, 0xAA, 0xFF):
            scratch, file = np.full(room[0], filler, np.uint8), np.full(room[1], filler, np.uint8)
            ends = (scratch.ctypes.data, file.ctypes.data)
            size = library.png(index.ctypes.data, index.strides[0], *index.shape, b"", 0, *ends)
            assert file[:size].tobytes() == made[seed]


def test_threads_do_not_share_memory(encoder):
    indices = [picture(seed, 64 + seed, 80) for seed in range(28)] * 4
    expected = [encoder.encode(index, b"") for index in indices]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda index: encoder.encode(index, b""), indices)) == expected


def test_a_thread_keeps_no_memory_of_a_large_picture(encoder):
    encoder.encode(picture(1, 256, 256), b"")
    kept = encoder._kept.room
    index = picture(0, 2048, WIDEST)
    np.testing.assert_array_equal(rows_of(encoder.encode(index, b"")), index)
    assert encoder._kept.room is kept


def test_the_palette_is_in_front_of_the_pixels(fresh_process):
    kernel = kernel_of("base")
    rgba = np.random.default_rng(1).integers(0, 256, (7, 4)).astype(np.uint8)
    index = picture(0, 30, 30) % 7
    files = []
    for each in (kernel, NumpyKernel()):
        install_kernel(each)
        files.append(encode_png8(index, rgba))
    own, other = files
    head = 8 + 25 + (12 + 768) + (12 + 256)
    assert own[:head] == other[:head]
    for file in files:
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(file)).convert("RGBA")), rgba[index])


def test_fields_and_classes_take_fewer_bytes_than_zlib_makes():
    """Of what tiles show, all in all; a picture that repeats itself may take more.

    zlib's level 1 is what is served without a library for deflate.
    """
    ours = zlibs = 0
    for seed in range(140):
        if seed % 7 not in (3, 4):
            continue
        index = picture(seed, 256, 256)
        rows = np.full((256, 257), 2, np.uint8)
        rows[:, 1:] = np.diff(index, axis=0, prepend=np.zeros((1, 256), np.uint8))
        ours += len(kernel_of("base").png.encode(index, b""))
        zlibs += len(zlib.compress(rows, 1))
    assert ours < zlibs, (ours, zlibs)


def test_the_bytes_are_those_of_this_version():
    """Tiles in caches and MRFs have them: other bytes need another name of the encoder."""
    encoder = kernel_of("base").png
    digest = hashlib.sha256()
    for seed in range(21):
        digest.update(encoder.encode(_portable(seed), b""))
    assert (encoder.name, digest.hexdigest()[:16]) == ("lazytile 1", "09887ef600066f4b")


def _portable(seed):
    """Return a picture without NumPy's generators and rounding, which other versions may have otherwise."""
    rows, cols = np.indices((50 + 31 * seed, 300 - 7 * seed))
    steps = (rows * rows // (3 + seed) + cols * (seed % 5) // 2) // (1 + seed % 4)
    return (steps + (rows * cols * seed % 7 == 3)).astype(np.uint8)
