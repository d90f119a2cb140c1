"""Palette indices of many kinds, for tests of encoders: shapes, noise, fields, classes, runs of every length."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

WIDEST = 1024


def picture(seed: int, height: int, width: int) -> NDArray[np.uint8]:
    """Return a picture whose kind the seed chooses: shape (height, width), uint8."""
    random = np.random.default_rng(seed)
    return _KINDS[seed % len(_KINDS)](random, height, width)


def pictures() -> st.SearchStrategy[NDArray[np.uint8]]:
    """Return a strategy of pictures: of all kinds, and of all shapes from 1 x 1."""
    sides = st.one_of(st.integers(1, 20), st.integers(1, 300), st.sampled_from((256, 257, 512, WIDEST)))
    return st.builds(picture, st.integers(0, 2**32), sides, sides)


def rows_of(png: bytes) -> NDArray[np.uint8]:
    """Return the pixels of a PNG of 8 bits, read by the specification alone: every chunk, checksum and filter."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    stream, chunks = io.BytesIO(png[8:]), []
    while head := stream.read(8):
        size, kind = struct.unpack(">I4s", head)
        data = stream.read(size)
        assert struct.unpack(">I", stream.read(4)) == (zlib.crc32(kind + data),), kind
        chunks.append((kind, data))
    kinds = [kind for kind, _ in chunks]
    assert kinds[0] == b"IHDR"
    assert kinds[-2:] == [b"IDAT", b"IEND"]
    width, height, *rest = struct.unpack(">IIBBBBB", chunks[0][1])
    assert rest == [8, 3, 0, 0, 0]
    inflater = zlib.decompressobj()
    raw = inflater.decompress(chunks[-2][1])  # which checks Adler-32
    assert inflater.eof
    assert not inflater.unused_data
    rows = np.frombuffer(raw, np.uint8).reshape(height, width + 1)
    assert (rows[:, 0] == 2).all()
    return np.cumsum(rows[:, 1:], axis=0, dtype=np.uint8)


def _noise(random: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    return random.integers(0, random.integers(1, 257), (height, width)).astype(np.uint8)


def _constant(random: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    return np.full((height, width), random.choice([0, 1, 2, 255]), np.uint8)


def _gradient(random: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    slope = random.normal(0, 2, 2)
    return (np.arange(height)[:, None] * slope[0] + np.arange(width) * slope[1]).astype(np.int64).astype(np.uint8)


def _field(random: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    field = np.cumsum(np.cumsum(random.normal(0, 0.3, (height, width)), axis=0), axis=1) / 8
    field[random.random((height, width)) < random.choice([0, 0.02])] = 0
    return field.astype(np.int64).astype(np.uint8)


def _classes(random: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    size = int(random.integers(1, 70))
    cells = random.integers(0, 5, (-(-height // size), -(-width // size))).astype(np.uint8)
    return np.repeat(np.repeat(cells, size, axis=0), size, axis=1)[:height, :width]


def _runs(random: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """Runs of every length in the filtered rows, of zeros and of others, across rows and blocks."""
    count = height * width
    lengths = random.choice([1, 2, 3, 4, 5, 6, 7, 257, 258, 259, 260, 261, 262, 516, 517, 520], count)
    values = random.choice([0, 0, 2, 7, 255], count)
    filtered = np.repeat(values, lengths)[:count].astype(np.uint8).reshape(height, width)
    return np.cumsum(filtered, axis=0, dtype=np.uint8)


def _skewed(random: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """Counts that are Fibonacci numbers: the longest codes there are, which have to be limited."""
    counts, values = [1, 1], 0
    while sum(counts) < height * width:
        counts.append(counts[-1] + counts[-2])
    values = np.repeat(np.arange(len(counts)), counts)[: height * width].astype(np.uint8)
    filtered = random.permutation(values) * 3
    return np.cumsum(filtered.reshape(height, width), axis=0, dtype=np.uint8)


_KINDS: tuple[Callable[[np.random.Generator, int, int], NDArray[Any]], ...] = (
    _noise,
    _constant,
    _gradient,
    _field,
    _classes,
    _runs,
    _skewed,
)
