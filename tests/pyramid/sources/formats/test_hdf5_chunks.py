"""Chunks of netCDF 4 that are read and decompressed outside the library: the same values as through it."""

from __future__ import annotations

import os
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazytile.pyramid.core.errors import LazytileError
from lazytile.pyramid.core.process import current
from lazytile.pyramid.fetch.source_url import source_stamp
from lazytile.pyramid.sources.formats import hdf5_chunks as chunks_module
from lazytile.pyramid.sources.formats.hdf5_chunks import Hdf5Chunks, hdf5_chunks
from lazytile.pyramid.sources.open_files import OpenFile, handles

TYPES = ("i1", "u1", "<i2", ">i2", "<u4", ">i4", "<i8", "<f4", ">f4", "<f8", ">f8")
NAME = "cells"


@pytest.fixture(autouse=True)
def _small_chunks_and_nothing_kept(monkeypatch):
    monkeypatch.setattr(chunks_module, "LEAST_CHUNK_BYTES", 1)
    yield
    for path in {key[0] for key in list(chunks_module._cache()._new) + list(chunks_module._cache()._used)}:
        chunks_module.forget(path)


def opened(path: Path, name: str = NAME) -> Hdf5Chunks | None:
    with netCDF4.Dataset(path) as file:
        group, _, short = name.rpartition("/")
        shape = (file[group] if group else file)[short].shape
    return hdf5_chunks(str(path), source_stamp(str(path)), f"/{name}", shape)


def through_the_library(path: Path, name: str = NAME) -> np.ndarray:
    with netCDF4.Dataset(path) as file:
        file[name].set_auto_maskandscale(False)
        file[name].set_always_mask(False)
        return np.asarray(file[name][:])


def write(path: Path, values: np.ndarray, chunks: tuple[int, ...], **options) -> Path:
    with netCDF4.Dataset(path, "w") as file:
        for axis, size in enumerate(values.shape):
            file.createDimension(f"d{axis}", size)
        variable = file.createVariable(
            NAME,
            values.dtype,
            [f"d{axis}" for axis in range(values.ndim)],
            chunksizes=chunks,
            endian="big" if values.dtype.byteorder == ">" else "native",
            **options,
        )
        variable.set_auto_maskandscale(False)
        variable[:] = values
    return path


@st.composite
def cases(draw):
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=4)))
    chunks = tuple(draw(st.integers(1, size)) for size in shape)
    boxes = []
    for size in shape:
        start = draw(st.integers(0, size - 1))
        stop = draw(st.integers(start + 1, size))
        boxes.append(draw(st.sampled_from([slice(None), slice(start, stop)])))
    if draw(st.booleans()):
        axis = draw(st.integers(0, len(shape) - 1))
        boxes[axis] = draw(st.lists(st.integers(0, shape[axis] - 1), min_size=1, max_size=4))
    options = draw(
        st.fixed_dictionaries(
            {
                "zlib": st.booleans(),
                "complevel": st.integers(1, 9),
                "shuffle": st.booleans(),
                "fill_value": st.sampled_from([None, 7]),
            }
        )
    )
    return draw(st.sampled_from(TYPES)), shape, chunks, tuple(boxes), options, draw(st.integers(0, 2**32 - 1))


@given(cases())
def test_a_box_holds_what_the_library_reads(case):
    dtype, shape, chunks, box, options, seed = case
    random = np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "in.nc", random, chunks, **options)
        found = opened(path)
        # The library chooses a contiguous layout where one chunk holds everything and nothing is compressed.
        if found is None:
            assert not options["zlib"]
            return
        for _ in range(2):  # from the file, then what is left from the cache
            values = found.read(box)
            assert values.dtype.newbyteorder("=") == np.dtype(dtype).newbyteorder("=")
            expected = through_the_library(path)
            for axis, cells in enumerate(box):
                expected = expected.take(np.arange(shape[axis])[cells], axis=axis)
            np.testing.assert_array_equal(values, expected)


def test_chunks_that_the_file_does_not_hold_have_its_fill_value(tmp_path):
    path = tmp_path / "in.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("time", None)
        file.createDimension("x", 10)
        variable = file.createVariable(NAME, "i2", ("time", "x"), chunksizes=(2, 4), zlib=True, fill_value=-5)
        variable[5, 3:5] = 9
    found = opened(path)
    np.testing.assert_array_equal(found.read((slice(None), slice(None))), through_the_library(path))
    assert (found.read((slice(0, 2), slice(None))) == -5).all()


def test_filters_that_were_omitted_for_a_chunk_are_not_undone(tmp_path):
    path = write(tmp_path / "in.nc", np.zeros((4, 4), "<i4"), (2, 4), zlib=True, shuffle=True)
    plain = np.arange(8, dtype="<i4").reshape(2, 4)
    shuffled = np.frombuffer(plain.tobytes(), "u1").reshape(-1, 4).T.tobytes()
    with h5py.File(path, "r+") as file:
        file[NAME].id.write_direct_chunk((0, 0), plain.tobytes(), filter_mask=3)
        file[NAME].id.write_direct_chunk((2, 0), shuffled, filter_mask=2)
    values = opened(path).read((slice(None), slice(None)))
    np.testing.assert_array_equal(values, np.concatenate([plain, plain]))
    np.testing.assert_array_equal(values, through_the_library(path))


@pytest.mark.parametrize(
    "options",
    [
        {"fletcher32": True, "zlib": True},
        {"contiguous": True},
        {"compression": "zstd"},
        {"zlib": True, "dtype": "S1"},
        {"zlib": True, "cells": 64 << 20},
    ],
    ids=["checksum", "contiguous", "zstd", "letters", "large"],
)
def test_what_only_the_library_reads_is_left_to_it(tmp_path, options):
    path = tmp_path / "in.nc"
    dtype, cells = options.pop("dtype", "i1"), options.pop("cells", 100)
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("x", cells)
        chunks = {} if options.get("contiguous") else {"chunksizes": (cells,)}
        try:
            file.createVariable(NAME, dtype, ("x",), **chunks, **options)
        except RuntimeError as error:
            pytest.skip(f"this netCDF library writes no such file: {error}")
    assert opened(path) is None


def test_chunks_too_small_to_be_worth_it_are_left_to_the_library(tmp_path, monkeypatch):
    path = write(tmp_path / "in.nc", np.zeros((64, 64), "i2"), (32, 64), zlib=True)
    assert opened(path) is not None
    monkeypatch.setattr(chunks_module, "LEAST_CHUNK_BYTES", 4097)
    assert opened(path) is None


def test_a_variable_shorter_than_its_dimension_is_left_to_the_library(tmp_path):
    path = tmp_path / "in.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("time", None)
        first = file.createVariable(NAME, "i2", ("time",), chunksizes=(2,), zlib=True)
        other = file.createVariable("other", "i2", ("time",), chunksizes=(2,), zlib=True)
        first[:3] = 1
        other[:7] = 1
    assert opened(path) is None
    assert opened(path, "other") is not None


def test_the_variable_of_a_group_is_found(tmp_path):
    path = tmp_path / "in.nc"
    with netCDF4.Dataset(path, "w") as file:
        group = file.createGroup("a/b")
        group.createDimension("x", 10)
        group.createVariable(NAME, "f4", ("x",), chunksizes=(3,), zlib=True)[:] = np.arange(10)
    np.testing.assert_array_equal(opened(path, f"a/b/{NAME}").read((slice(2, 8),)), np.arange(2, 8))


def damaged(path: Path) -> None:
    """Overwrite the middle of the second chunk."""
    with h5py.File(path) as file:
        place = file[NAME].id.get_chunk_info(1)
    with path.open("r+b") as file:
        file.seek(place.byte_offset + place.size // 2)
        file.write(b"\xff" * 40)


def cut(path: Path) -> None:
    """End the file within the last chunk."""
    with h5py.File(path) as file:
        places = [file[NAME].id.get_chunk_info(at) for at in range(file[NAME].id.get_num_chunks())]
    os.truncate(path, max(place.byte_offset + place.size for place in places) - 10)


@pytest.mark.parametrize("harm", [damaged, cut])
def test_a_damaged_chunk_is_an_error_and_the_others_are_read(tmp_path, harm):
    values = np.random.default_rng(1).integers(0, 30000, (4, 4000)).astype("i2")
    path = write(tmp_path / "in.nc", values, (1, 4000), zlib=True)
    found = opened(path)
    harm(path)
    object.__setattr__(found, "stamp", source_stamp(str(path)))  # it was damaged before it was opened
    with pytest.raises(LazytileError):
        found.read((slice(None), slice(None)))
    np.testing.assert_array_equal(found.read((slice(0, 1), slice(None))), values[:1])


def test_a_file_that_has_changed_is_not_read_by_its_old_places(tmp_path):
    path = write(tmp_path / "in.nc", np.zeros((4, 4), "i2"), (2, 2), zlib=True)
    found = opened(path)
    write(tmp_path / "new.nc", np.ones((4, 4), "i2"), (2, 2), zlib=True).replace(path)
    with pytest.raises(LazytileError, match="has been changed"):
        found.read((slice(None), slice(None)))


def test_the_cells_of_a_chunk_are_decompressed_once_and_dropped_when_all_were_read(tmp_path, monkeypatch):
    path = write(tmp_path / "in.nc", np.arange(64, dtype="i4").reshape(8, 8), (4, 8), zlib=True)
    found = opened(path)
    unpacked = []
    unpack = chunks_module.unpack
    monkeypatch.setattr(chunks_module, "unpack", lambda *given: unpacked.append(given[0]) or unpack(*given))
    for row in range(8):  # a block is higher or lower than a chunk
        assert found.read((slice(row, row + 1), slice(None)))[0, 0] == 8 * row
    assert len(unpacked) == 2
    assert chunks_module._cache().statistics.entries == 0


def test_threads_that_need_one_chunk_decompress_it_once(tmp_path, monkeypatch):
    path = write(tmp_path / "in.nc", np.arange(64, dtype="i4").reshape(8, 8), (8, 8), zlib=True)
    found = opened(path)
    started, unpacked, unpack = threading.Barrier(4), [], chunks_module.unpack
    monkeypatch.setattr(chunks_module, "unpack", lambda *given: unpacked.append(given[0]) or unpack(*given))

    def read(row: int) -> int:
        started.wait(30)
        return int(found.read((slice(row, row + 1), slice(None)))[0, 0])

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(read, range(4))) == [0, 8, 16, 24]
    assert len(unpacked) == 1


def test_the_cache_holds_no_more_than_its_limit(tmp_path, monkeypatch):
    cache = chunks_module.BytesLru(3000, lambda chunk: chunk.nbytes)
    monkeypatch.setattr(chunks_module, "_cache", lambda: cache)
    path = write(tmp_path / "in.nc", np.arange(4096, dtype="i4").reshape(64, 64), (8, 64), zlib=True)
    found = opened(path)
    for row in range(0, 64, 8):
        found.read((slice(row, row + 1), slice(None)))
        assert 0 < cache.statistics.size_bytes <= 3000


def test_blocks_of_netcdf_are_read_this_way(tmp_path):
    path = write(tmp_path / "in.nc", np.ones((4, 4), "i2"), (2, 2), zlib=True)
    current()
    with handles().lease(str(path), "netcdf4", "/", "") as file:
        assert isinstance(file, OpenFile)
        assert isinstance(file.chunks("/", NAME), Hdf5Chunks)
    handles().drop(str(path))
