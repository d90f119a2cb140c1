"""Data tiles: other programs read back the same values."""

import io
import sys

import numpy as np
import pytest
import rasterio
from PIL import Image

from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.core.grid import Bounds
from lazytile.pyramid.render.data_tile import encode_geotiff, encode_lerc, encode_npy, encode_terrain
from lazytile.pyramid.render.lerc2 import canonical, fletcher32


@pytest.fixture
def values():
    field = np.random.default_rng(1).normal(285, 10, (40, 64))
    field[:3] = np.nan
    return field


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:3413"])
def test_geotiff(values, crs):
    bounds = Bounds(-10.0, 20.0, 30.0, 45.0)
    with rasterio.MemoryFile(encode_geotiff(values, bounds, crs)) as memory, memory.open() as dataset:
        assert dataset.crs.to_string() == crs
        assert tuple(dataset.bounds) == (-10.0, 20.0, 30.0, 45.0)
        assert np.isnan(dataset.nodata)
        assert dataset.dtypes == ("float32",)
        np.testing.assert_array_equal(dataset.read(1), values.astype(np.float32))


def test_npy(values):
    np.testing.assert_array_equal(np.load(io.BytesIO(encode_npy(values)), allow_pickle=False), values.astype("f4"))


def test_terrain(values):
    pixels = np.asarray(Image.open(io.BytesIO(encode_terrain(values)))).astype(np.int64)
    heights = -10000 + (pixels[..., 0] * 65536 + pixels[..., 1] * 256 + pixels[..., 2]) * 0.1
    np.testing.assert_allclose(heights[3:], values[3:], atol=0.0501)
    assert (pixels[3:, :, 3] == 255).all()
    assert (pixels[:3] == 0).all()


def test_lerc(values):
    lerc = pytest.importorskip("lerc", reason="the optional LERC library is not installed")
    failed, decoded, mask = lerc.decode(encode_lerc(values))[:3]
    assert failed == 0
    np.testing.assert_array_equal(np.asarray(mask, bool), np.isfinite(values))
    np.testing.assert_array_equal(decoded[3:], values[3:].astype("f4"))


def test_lerc_without_the_library_is_a_clear_refusal(values, monkeypatch):
    monkeypatch.setitem(sys.modules, "lerc", None)
    with pytest.raises(InvalidParameterError, match=r"lazytile\[lerc\]"):
        encode_lerc(values)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (40, 64), (256, 256), (512, 512)])
@pytest.mark.parametrize("gaps", [0.0, 0.02, 0.4, 1.0])
def test_lerc_tiles_are_the_same_bytes_each_time(shape, gaps):
    lerc = pytest.importorskip("lerc", reason="the optional package lerc is not installed")
    random = np.random.default_rng(3)
    waves = np.add.outer(np.sin(np.arange(shape[0]) / 9), np.cos(np.arange(shape[1]) / 7)) * 10
    for field in (waves + random.normal(285, 1, shape), np.round(waves), np.full(shape, 2.5)):
        field[random.random(shape) < gaps] = np.nan
        blobs = set()
        for turn in range(12):
            np.full(1 << 16, turn, np.uint8)  # other bytes in the memory that the library gets next
            blobs.add(encode_lerc(field))
        (blob,) = blobs
        result, read, mask = lerc.decode(blob)[:3]
        assert result == 0
        shown = np.isfinite(field)
        if not shown.all():
            np.testing.assert_array_equal(np.asarray(mask, bool).reshape(shape), shown)
        np.testing.assert_array_equal(read[shown], field[shown].astype(np.float32))


def test_the_checksum_is_the_librarys():
    lerc = pytest.importorskip("lerc", reason="the optional package lerc is not installed")
    for side in (1, 2, 7, 300):
        field = np.random.default_rng(side).random((side, side)).astype(np.float32)
        _, size, blob = lerc.encode(field, 1, False, None, 0.0, 1)
        blob = bytes(blob)[:size]
        assert fletcher32(blob[14:]) == int.from_bytes(blob[10:14], "little")
        damaged = bytearray(canonical(blob))
        damaged[-1] ^= 1
        assert lerc.decode(bytes(damaged)) != 0, "the library checks the sum"
        assert lerc.decode(canonical(blob))[0] == 0
