"""What an effort is called in an MRF: the encoder of its pages, whichever library that is."""

from __future__ import annotations

import io
import zlib

import numpy as np
from PIL import Image

from lazytile.pyramid.kernel.numpy_kernel import NumpyKernel
from lazytile.pyramid.kernel.selection import install_kernel
from lazytile.pyramid.mrf.effort import CompressionEffort
from lazytile.pyramid.mrf.model import Compression
from lazytile.pyramid.mrf.page_encoding import PageFormat
from lazytile.pyramid.render.image import encode_png8
from tests.pyramid.kernel.libraries import kernel_of

RGBA = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 4, axis=1)
INDEX = (np.arange(9000, dtype=np.int64).reshape(90, 100) // 7).astype(np.uint8)


def page_format(compression, effort=CompressionEffort.SERVED):
    return PageFormat(compression, effort)


def test_served_pages_are_the_bytes_of_tiles_and_name_their_encoder(fresh_process):
    found = {}
    for kernel in (kernel_of("base"), NumpyKernel()):
        install_kernel(kernel)
        pages = page_format(Compression.PPNG)
        page = pages.image(INDEX, RGBA)
        assert page == encode_png8(INDEX, RGBA)
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(page))), INDEX)
        found[pages.encoder] = page
    native, other = found
    assert native == f"served {kernel_of('base').png.name}"
    assert other in {"served isal 3", "served zlib"}
    assert found[native] != found[other]


def test_codes_are_compressed_by_a_library_with_either_kernel(fresh_process):
    codes = INDEX.astype(np.int16)
    found = set()
    for kernel in (kernel_of("base"), NumpyKernel()):
        install_kernel(kernel)
        pages = page_format(Compression.DEFLATE)
        page = pages.encode_codes(codes, None)
        np.testing.assert_array_equal(np.frombuffer(zlib.decompress(page), "<i2").reshape(codes.shape), codes)
        found.add((pages.encoder, page))
    ((name, _),) = found
    assert name in {"served isal 3", "served zlib"}


def test_other_efforts_do_not_depend_on_the_kernel(fresh_process):
    for effort in (CompressionEffort.FAST, CompressionEffort.DEFAULT, CompressionEffort.SMALL):
        found = set()
        for kernel in (kernel_of("base"), NumpyKernel()):
            install_kernel(kernel)
            pages = page_format(Compression.PPNG, effort)
            found.add((pages.encoder, pages.image(INDEX, RGBA)))
        assert len(found) == 1
