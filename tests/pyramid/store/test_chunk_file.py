"""Chunk files are what zarr-python writes and reads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
import zarr

from lazytile.pyramid.chunks.digest_table import ChunkDigest
from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.store.chunk_file import ChunkFolder, is_filled_with, read_file
from lazytile.pyramid.store.chunk_reader import folder_reader
from lazytile.pyramid.store.codec import Codec

if TYPE_CHECKING:
    from pathlib import Path

CHUNK = (256, 256)
CODECS = ("blosc-lz4:5", "blosc-zstd:3", "zstd:3", "gzip:1", "none")


def folder(array: Path, dtype: str, fill: float, codec: str = "blosc-lz4:5") -> ChunkFolder:
    return ChunkFolder(str(array / "c"), dtype, CHUNK, fill, Codec.parse(codec))


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("dtype", ["int8", "int16", "uint32", "int64", "float32", "float64"])
def test_zarr_reads_what_is_written(tmp_path: Path, dtype: str, codec: str) -> None:
    codes = (np.random.default_rng(1).random((300, 400)) * 90).astype(dtype)
    array = zarr.create_array(
        tmp_path / "a",
        shape=(2, 300, 400),
        chunks=(1, *CHUNK),
        dtype=dtype,
        fill_value=7,
        compressors=Codec.parse(codec).zarr_codec(np.dtype(dtype)),
    )
    chunks = folder(tmp_path / "a", dtype, 7, codec)
    for row in range(2):
        for col in range(2):
            part = codes[row * 256 : row * 256 + 256, col * 256 : col * 256 + 256]
            digest = chunks.write((1, row, col), part)
            assert digest == ChunkDigest.of(chunks.file((1, row, col)).read_bytes())
    np.testing.assert_array_equal(array[1], codes)
    assert (array[0] == 7).all()
    array[0] = codes
    read = folder_reader(chunks).read((0,), 1, 1)
    np.testing.assert_array_equal(read[:44, :144], codes[256:, 256:])
    assert (read[44:] == 7).all()


@pytest.mark.parametrize(("dtype", "fill"), [("int16", -5), ("float32", float("nan")), ("float64", 1e20)])
def test_a_chunk_of_fill_gets_no_file(tmp_path: Path, dtype: str, fill: float) -> None:
    codes = np.full(CHUNK, fill, dtype)
    chunks = folder(tmp_path, dtype, fill)
    assert chunks.write((0, 0), codes) == ChunkDigest(0, 0)
    assert not chunks.file((0, 0)).exists()
    codes[255, 255] = 3
    assert chunks.write((0, 0), codes).size > 0


def test_a_file_is_read_whole_however_little_a_call_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytes(range(250))
    (tmp_path / "a").write_bytes(data)
    real = os.read
    monkeypatch.setattr(os, "read", lambda descriptor, size: real(descriptor, min(size, 100)))
    assert read_file(tmp_path / "a") == data
    assert read_file(str(tmp_path / "a")) == data
    assert read_file(tmp_path / "b") is None


def test_negative_zero_is_no_fill_of_zero() -> None:
    assert not is_filled_with(np.full((2, 2), -0.0), 0.0)


@pytest.mark.parametrize("codec", CODECS)
def test_a_damaged_chunk_is_named(tmp_path: Path, codec: str) -> None:
    chunks = folder(tmp_path, "int16", 0, codec)
    chunks.write((0, 0), np.arange(65536, dtype="int16").reshape(CHUNK))
    path = chunks.file((0, 0))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(StoreError, match=f"{path} is damaged"):
        folder_reader(chunks).read((), 0, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lzma", "codec 'lzma' is unknown, allowed are blosc-lz4, blosc-zstd, zstd, gzip, none"),
        ("gzip:10", "the level of codec gzip is 0 to 9, not '10'"),
        ("zstd:x", "the level of codec zstd is 1 to 22, not 'x'"),
    ],
)
def test_other_codecs_are_refused(text: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        Codec.parse(text)


def test_a_chunk_is_written_only_below_an_array_that_exists(tmp_path: Path) -> None:
    array = tmp_path / "store/sst.zarr/0/sst"
    chunks = folder(array, "int16", -1)
    with pytest.raises(StoreError, match=r"there is no array \S+/0/sst on this machine: it does not see the store"):
        chunks.write((0, 1, 2), np.zeros(CHUNK, "int16"))
    assert list(tmp_path.iterdir()) == []
    array.mkdir(parents=True)
    chunks.write((0, 1, 2), np.zeros(CHUNK, "int16"))
    assert (array / "c/0/1/2").is_file()
