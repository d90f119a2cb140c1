"""Chunks as files are what zarr-python writes and reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import zarr

from lazytile.pyramid import chunkfile

if TYPE_CHECKING:
    from pathlib import Path

CHUNK = (256, 256)


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint32", "int64", "float32", "float64"])
def test_zarr_reads_what_is_written(tmp_path: Path, dtype: str) -> None:
    codes = (np.random.default_rng(1).random((300, 400)) * 90).astype(dtype)
    array = zarr.create_array(
        tmp_path / "a",
        shape=(2, 300, 400),
        chunks=(1, *CHUNK),
        dtype=dtype,
        fill_value=7,
        compressors=chunkfile.codec(np.dtype(dtype)),
    )
    for row in range(2):
        for col in range(2):
            part = codes[row * 256 : row * 256 + 256, col * 256 : col * 256 + 256]
            chunkfile.write_chunk(tmp_path / "a", (1, row, col), part, CHUNK, 7)
    np.testing.assert_array_equal(array[1], codes)
    assert (array[0] == 7).all()
    array[0] = codes
    read = chunkfile.read_chunk(tmp_path / "a", (0, 1, 1), np.dtype(dtype), CHUNK, 7)
    np.testing.assert_array_equal(read[:44, :144], codes[256:, 256:])
    assert (read[44:] == 7).all()


@pytest.mark.parametrize(("dtype", "fill"), [("int16", -5), ("float32", float("nan")), ("float64", 1e20)])
def test_a_chunk_of_fill_gets_no_file(tmp_path: Path, dtype: str, fill: float) -> None:
    codes = np.full(CHUNK, fill, dtype)
    assert chunkfile.write_chunk(tmp_path, (0, 0), codes, CHUNK, fill) == 0
    assert not chunkfile.chunk_path(tmp_path, (0, 0)).exists()
    codes[255, 255] = 3
    assert chunkfile.write_chunk(tmp_path, (0, 0), codes, CHUNK, fill) > 0


def test_negative_zero_is_no_fill_of_zero(tmp_path: Path) -> None:
    assert not chunkfile.is_all(np.full((2, 2), -0.0), 0.0)
