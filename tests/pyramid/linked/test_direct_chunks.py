"""Chunks of plain folders of Zarr are read without zarr-python, with the same result."""

from __future__ import annotations

import time
from itertools import product

import numcodecs
import numpy as np
import pytest
import zarr

from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.linked.dated_stores import DatedFolder, dated_store
from lazytile.pyramid.linked.direct_chunks import direct_chunks

DIRECT = {
    "v2": True,
    "v3": True,
    "odd": True,
    "sharded": False,
    "big endian": True,
    "plain": True,
    "gzip": True,
    "shuffled": False,
    "flat names": True,
}


@pytest.mark.parametrize("layout", DIRECT)
def test_plain_chunks_are_read_without_zarr_python_with_the_same_result(tmp_path, layout):
    """Among them chunks at the ends of the array, and one that is absent."""
    codes = np.arange(70 * 110, dtype="int16").reshape(70, 110)
    options = {
        "v2": {"zarr_format": 2},
        "sharded": {"shards": (64, 64)},
        "big endian": {"dtype": ">i2"},
        "plain": {"compressors": None},
        "gzip": {"compressors": zarr.codecs.GzipCodec()},
        "shuffled": {"zarr_format": 2, "filters": [numcodecs.Shuffle(2)]},
        "flat names": {"chunk_key_encoding": {"name": "v2", "separator": "."}},
    }
    made = {"chunks": (32, 32), "dtype": "<i2", "fill_value": -7, "shape": codes.shape, **options.get(layout, {})}
    array = zarr.create_array(tmp_path / "in.zarr", name="a/b", **made)
    array[:32, :64] = codes[:32, :64]
    array[32:, :] = codes[32:]
    folder = dated_store(str(tmp_path / "in.zarr"), time.time_ns() + 10**9)
    assert isinstance(folder, DatedFolder)
    read = direct_chunks(folder, "/a/b", array)
    assert (read is not None) == DIRECT[layout]
    for index in product(range(3), range(4)) if read is not None else ():
        rows, cols = (slice(32 * at, 32 * (at + 1)) for at in index)
        wanted = array[rows, cols]
        found = read.read(index)
        assert found.dtype == np.dtype("int16")
        assert found.shape == (32, 32)
        assert np.array_equal(found[: wanted.shape[0], : wanted.shape[1]], wanted)
        turned = np.empty(wanted.shape[::-1], np.int16)
        read.copy(index, turned.T)
        assert np.array_equal(turned.T, wanted)
        assert np.array_equal(found[: wanted.shape[0], : wanted.shape[1]], wanted)  # it has memory of its own


def test_a_chunk_that_is_no_chunk_is_refused(tmp_path):
    array = zarr.create_array(tmp_path / "in.zarr", name="a", shape=(8, 8), chunks=(8, 8), dtype="int16")
    array[:] = 1
    file = tmp_path / "in.zarr" / "a" / "c" / "0" / "0"
    folder = dated_store(str(tmp_path / "in.zarr"), time.time_ns() + 60 * 10**9)
    assert isinstance(folder, DatedFolder)
    read = direct_chunks(folder, "a", array)
    assert read is not None
    file.write_bytes(bytes(4 << 20))
    with pytest.raises(StoreError, match=f"a/c/0/0 has {4 << 20} bytes, a packed chunk of 128 at most"):
        read.read((0, 0))
    file.write_bytes(b"nonsense")
    with pytest.raises(StoreError, match="a/c/0/0: it is no Zstandard frame"):
        read.read((0, 0))
    file.unlink()
    assert read.read((0, 0)).tolist() == np.zeros((8, 8)).tolist()
    (tmp_path / "in.zarr" / "zarr.json").unlink()
    with pytest.raises(StoreError, match="holds no Zarr any more"):
        read.read((0, 0))
