"""Names and levels of codecs."""

import subprocess
import sys

import numpy as np
import pytest
import zarr

from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.store.codec import Codec

LEVELS = [("blosc-lz4", 0, 9, 5), ("blosc-zstd", 0, 9, 3), ("zstd", 1, 22, 3), ("gzip", 0, 9, 6)]


@pytest.mark.parametrize(("name", "least", "greatest", "default"), LEVELS)
def test_levels(name, least, greatest, default):
    assert Codec.parse(name) == Codec(name, default)
    for level in (least, greatest):
        assert Codec.parse(f"{name}:{level}") == Codec(name, level)
        assert Codec.parse(f"{name}:{level}").text == f"{name}:{level}"
    for level in (least - 1, greatest + 1, "x", "1.5"):
        with pytest.raises(StoreError, match=rf"the level of codec {name} is {least} to {greatest}, not"):
            Codec.parse(f"{name}:{level}")


def test_none_has_no_level():
    assert Codec.parse("none").text == Codec.parse("none:0").text == "none"
    with pytest.raises(StoreError, match="0 to 0"):
        Codec.parse("none:1")
    with pytest.raises(StoreError, match="'lzma' is unknown, allowed are blosc-lz4, blosc-zstd, zstd, gzip, none"):
        Codec.parse("lzma")


@pytest.mark.parametrize("text", ["blosc-lz4:9", "blosc-zstd:1", "zstd:19", "gzip:1", "none"])
def test_zarr_reads_what_is_encoded(tmp_path, text):
    codes = np.arange(256 * 256, dtype="<i2").reshape(256, 256)
    codec = Codec.parse(text)
    array = zarr.create_array(
        tmp_path, shape=codes.shape, chunks=codes.shape, dtype="int16", compressors=codec.zarr_codec(codes.dtype)
    )
    (tmp_path / "c" / "0").mkdir(parents=True)
    (tmp_path / "c" / "0" / "0").write_bytes(codec.encode(codes))
    np.testing.assert_array_equal(array[...], codes)


def test_blosc_starts_no_threads_of_its_own():
    """Tiles run in parallel, not the parts of a chunk: Blosc's threads would compete with the engine's."""
    program = "import lazytile.pyramid.store.codec; from numcodecs import blosc; print(blosc.use_threads)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
