"""Unpacking gives what was packed, and no more than a chunk holds, whatever the bytes claim."""

from __future__ import annotations

import bz2
import gzip
import lzma
import resource
import tracemalloc
import zlib

import numpy as np
import pytest
from numcodecs import blosc, lz4, zstd

from lazytile.pyramid.chunks.unpacking import unpack, unpack_lzma
from lazytile.pyramid.core.errors import StoreError
from tests.pyramid.chunks.bombs import BOMBS, deflate, zstd_sized, zstd_unsized

CODES = np.arange(40_000, dtype="int16")
CONTENT = CODES.tobytes()
PACKED = {
    "none": CONTENT,
    "gzip": gzip.compress(CONTENT),
    "zlib": zlib.compress(CONTENT),
    "bz2": bz2.compress(CONTENT),
    "lzma": lzma.compress(CONTENT),
    "zstd": bytes(zstd.compress(CONTENT, 3)),
    "blosc": bytes(blosc.compress(CODES, b"zstd", 5, blosc.SHUFFLE, 0)),
    "lz4": bytes(lz4.compress(CONTENT)),
}


@pytest.mark.parametrize("name", PACKED)
def test_what_was_packed_is_unpacked(name: str) -> None:
    assert bytes(unpack(name, PACKED[name], len(CONTENT))) == CONTENT
    assert bytes(unpack(name, PACKED[name], len(CONTENT) + 1, exact=False)) == CONTENT
    for limit in (len(CONTENT) - 1, len(CONTENT) + 1):
        with pytest.raises(StoreError):
            unpack(name, PACKED[name], limit)


@pytest.mark.parametrize("name", PACKED)
def test_memory_for_the_result_is_used_only_where_it_fits(name: str) -> None:
    into = bytearray(len(CONTENT))
    found = unpack(name, PACKED[name], len(CONTENT), into=into)
    assert bytes(found) == CONTENT
    assert (found is into) == (name in {"zstd", "blosc", "lz4"})
    into[:] = bytes(len(into))
    assert bytes(unpack(name, PACKED[name], len(CONTENT) + 1, exact=False, into=into)) == CONTENT
    assert bytes(unpack(name, PACKED[name], len(CONTENT) + 1, exact=False, into=bytearray(len(CONTENT) + 1))) == CONTENT
    with pytest.raises(StoreError):
        unpack(name, PACKED[name], len(CONTENT) - 1, into=bytearray(len(CONTENT) - 1))


@pytest.mark.parametrize("name", [name for name in PACKED if name != "none"])
def test_truncated_and_foreign_bytes_are_refused(name: str) -> None:
    data = PACKED[name]
    for wrong in (data[:-3], data[: len(data) // 2], data[:7], b"", b"\xff" * 100, bytes(100)):
        with pytest.raises(StoreError):
            unpack(name, wrong, len(CONTENT))


def test_members_in_a_row_and_padding_are_one_content() -> None:
    half = len(CONTENT) // 2
    data = gzip.compress(CONTENT[:half]) + gzip.compress(CONTENT[half:]) + bytes(64)
    assert bytes(unpack("gzip", data, len(CONTENT))) == CONTENT
    data = bz2.compress(CONTENT[:half]) + bz2.compress(CONTENT[half:])
    assert bytes(unpack("bz2", data, len(CONTENT))) == CONTENT
    with pytest.raises(StoreError, match="more than 4096 compressed streams"):
        unpack("gzip", gzip.compress(b"") * 5000, len(CONTENT))


def test_a_zstandard_frame_without_a_size_must_fill_the_chunk() -> None:
    frame = zstd_unsized(1)
    assert bytes(unpack("zstd", frame, 1 << 20)) == b"a" * (1 << 20)
    for limit in ((1 << 20) - 1, (1 << 20) + 1):
        with pytest.raises(StoreError):
            unpack("zstd", frame, limit)


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_the_memory_of_a_chunk(name: str) -> None:
    codec, make = BOMBS[name]
    data = make()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    try:
        with pytest.raises(StoreError, match=r"bytes|early|small|decompress"):
            unpack(codec, data, 80_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20
    # What libraries allocate by themselves; an LZMA decoder takes its dictionary.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10


def test_an_lzma_dictionary_is_bounded() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30}]
    with pytest.raises(StoreError, match="dictionary"):
        unpack_lzma(b"", 100, {"format": lzma.FORMAT_RAW, "filters": filters})
    data = lzma.compress(b"a" * 100, format=lzma.FORMAT_XZ, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 29}])
    with pytest.raises(StoreError):
        unpack("lzma", data, 100)


def test_bombs_are_sound_but_for_their_size() -> None:
    assert gzip.decompress(deflate(3, "gzip")) == zlib.decompress(deflate(3, "zlib")) == bytes(3 << 20)
    assert bytes(zstd.decompress(zstd_sized(2))) == b"a" * (2 << 20)
