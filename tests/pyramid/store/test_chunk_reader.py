"""The direct chunk reader reads what zarr-python reads, in the layouts that it supports."""

import google_crc32c
import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, BytesCodec, GzipCodec, ZstdCodec

from lazytile.pyramid.chunks.shard_format import encode_shard
from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.core.grid import Shape
from lazytile.pyramid.store.chunk_file import ChunkFiles
from lazytile.pyramid.store.chunk_reader import open_chunks
from lazytile.pyramid.store.shard import ShardFiles
from lazytile.pyramid.store.stored_chunks import StoredChunks, ZarrChunks

CHUNK = Shape(8, 16)


def make_array(folder, dtype="int16", *, compressors, fill_value=-1, shape=(2, 19, 35), shards=None):
    array = zarr.create_array(
        str(folder),
        shape=shape,
        chunks=(1, CHUNK.rows, CHUNK.cols),
        shards=shards,
        dtype=dtype,
        compressors=compressors,
        fill_value=fill_value,
        zarr_format=3,
    )
    codes = np.random.default_rng(5).integers(0, 100, shape).astype(dtype)
    codes[0, :8, :16] = fill_value  # a chunk that gets no file
    array[:] = codes
    return codes


def expected_chunk(codes, fill_value, time, row, col):
    window = codes[time, row * 8 : row * 8 + 8, col * 16 : col * 16 + 16]
    padded = np.full((8, 16), fill_value, codes.dtype)
    padded[: window.shape[0], : window.shape[1]] = window
    return padded


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize(
    "compressors",
    [BloscCodec(cname="zstd", clevel=3, shuffle="shuffle"), None, ZstdCodec(level=1), GzipCodec(level=1)],
    ids=["blosc", "none", "zstd", "gzip"],
)
def test_direct_reader_equals_zarr(tmp_path, dtype, compressors):
    fill_value = float("nan") if dtype.startswith("float") else 7
    codes = make_array(tmp_path / "a", dtype, compressors=compressors, fill_value=fill_value)
    direct = open_chunks(tmp_path / "a", CHUNK)
    assert isinstance(direct, StoredChunks)
    assert isinstance(direct.source, ChunkFiles)
    through_zarr = ZarrChunks(zarr.open_array(str(tmp_path / "a"), mode="r"), CHUNK)
    for time in range(2):
        for row in range(3):
            for col in range(3):
                expected = expected_chunk(codes, fill_value, time, row, col)
                for reader in (direct, through_zarr):
                    got = reader.read((time,), row, col)
                    assert got.dtype == codes.dtype
                    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
@pytest.mark.parametrize("shards", [(1, 16, 32), (1, 8, 64), (1, 32, 16)])
@pytest.mark.parametrize("compressors", [BloscCodec(cname="lz4", shuffle="shuffle"), None], ids=["blosc", "none"])
def test_direct_reader_of_shards_equals_zarr(tmp_path, dtype, shards, compressors):
    fill_value = float("nan") if dtype.startswith("float") else 7
    codes = make_array(tmp_path / "a", dtype, compressors=compressors, fill_value=fill_value, shards=shards)
    direct = open_chunks(tmp_path / "a", CHUNK)
    assert isinstance(direct, StoredChunks)
    assert isinstance(direct.source, ShardFiles)
    through_zarr = ZarrChunks(zarr.open_array(str(tmp_path / "a"), mode="r"), CHUNK)
    for time, row, col in np.ndindex(2, 3, 3):
        expected = expected_chunk(codes, fill_value, time, row, col)
        for reader in (direct, through_zarr):
            got = reader.read((time,), row, col)
            assert got.dtype == codes.dtype
            np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("endian", ["little", "big"])
@pytest.mark.parametrize("shards", [None, (1, 16, 32)], ids=["files", "shards"])
def test_either_byte_order_is_read(tmp_path, endian, shards):
    array = zarr.create_array(
        str(tmp_path / "a"),
        shape=(1, 19, 35),
        chunks=(1, CHUNK.rows, CHUNK.cols),
        shards=shards,
        dtype="int16",
        compressors=None,
        serializer=BytesCodec(endian=endian),
        fill_value=-1,
    )
    codes = np.random.default_rng(5).integers(-900, 900, array.shape).astype("int16")
    array[:] = codes
    direct = open_chunks(tmp_path / "a", CHUNK)
    assert isinstance(direct, StoredChunks)
    for row, col in np.ndindex(3, 3):
        got = direct.read((0,), row, col)
        assert got.dtype == np.dtype("int16")
        np.testing.assert_array_equal(got, expected_chunk(codes, -1, 0, row, col))


def test_a_shard_is_what_zarr_writes(tmp_path):
    make_array(tmp_path / "a", compressors=BloscCodec(cname="lz4", shuffle="shuffle"), shards=(1, 16, 32))
    path = tmp_path / "a" / "c" / "0" / "0" / "0"
    source = open_chunks(tmp_path / "a", CHUNK).source
    chunks = [source.get((0,), row, col, 4096) for row in range(2) for col in range(2)]
    assert chunks[0] is None
    assert None not in chunks[1:]
    encoded = encode_shard(chunks)
    assert len(encoded) == path.stat().st_size
    path.write_bytes(encoded)
    assert [source.get((0,), row, col, 4096) for row in range(2) for col in range(2)] == chunks
    assert (zarr.open_array(str(tmp_path / "a"), mode="r")[0, :8, :16] == -1).all()


@pytest.mark.parametrize("where", ["index", "checksum", "chunk", "cut", "empty", "far"])
def test_damaged_shards_are_a_clear_error(tmp_path, where):
    make_array(tmp_path / "a", compressors=BloscCodec(), shards=(1, 16, 32))
    reader, path = open_chunks(tmp_path / "a", CHUNK), tmp_path / "a" / "c" / "1" / "0" / "0"
    data = bytearray(path.read_bytes())
    start = len(data) - 4 * 16 - 4  # four chunks of offset and size, and a checksum
    match where:
        case "index":
            data[start] ^= 255
        case "checksum":
            data[-1] ^= 255
        case "chunk":
            data[int.from_bytes(data[start : start + 8], "little") + 1] ^= 255
        case "cut":
            del data[len(data) // 2 :]
        case "empty":
            data.clear()
        case "far":
            data[start : start + 8] = (len(data) * 2).to_bytes(8, "little")
            data[-4:] = google_crc32c.value(bytes(data[start:-4])).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"chunk 0/0 of shard .*1/0/0 is damaged"):
        reader.read((1,), 0, 0)


@pytest.mark.parametrize(
    "options",
    [
        {"compressors": [ZstdCodec(level=1), GzipCodec(level=1)]},
        {"compressors": [ZstdCodec(level=1), GzipCodec(level=1)], "shards": (1, 16, 32)},
        {"compressors": None, "shards": (2, 16, 32)},
    ],
    ids=["twice", "twice in shards", "shards of several steps"],
)
def test_other_layouts_go_through_zarr(tmp_path, options):
    codes = make_array(tmp_path / "a", **options)
    reader = open_chunks(tmp_path / "a", CHUNK)
    assert isinstance(reader, ZarrChunks)
    np.testing.assert_array_equal(reader.read((1,), 2, 2), expected_chunk(codes, -1, 1, 2, 2))


def test_another_chunk_shape_goes_through_zarr(tmp_path):
    codes = make_array(tmp_path / "a", compressors=BloscCodec())
    reader = open_chunks(tmp_path / "a", Shape(16, 16))
    assert isinstance(reader, ZarrChunks)
    np.testing.assert_array_equal(reader.read((0,), 0, 1), codes[0, :16, 16:32])


def test_damaged_chunk_is_a_clear_error(tmp_path):
    make_array(tmp_path / "a", compressors=BloscCodec())
    (tmp_path / "a" / "c" / "1" / "0" / "0").write_bytes(b"not a blosc frame at all")
    with pytest.raises(StoreError, match=r"1/0/0 is damaged"):
        open_chunks(tmp_path / "a", CHUNK).read((1,), 0, 0)


def test_truncated_chunk_is_a_clear_error(tmp_path):
    make_array(tmp_path / "a", compressors=None)
    path = tmp_path / "a" / "c" / "1" / "0" / "0"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StoreError, match=r"1/0/0 is damaged"):
        open_chunks(tmp_path / "a", CHUNK).read((1,), 0, 0)


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}"])
def test_missing_or_broken_metadata_is_a_clear_error(tmp_path, text):
    if text is not None:
        (tmp_path / "zarr.json").write_text(text)
    with pytest.raises(StoreError, match="cannot be opened"):
        open_chunks(tmp_path, CHUNK)


def test_chunks_of_a_window_are_read_together_where_reading_means_waiting(tmp_path):
    """Each read waits until another one has begun: sequential reads would deadlock."""
    import threading

    from lazytile.pyramid.core.byte_lru import BytesLru
    from lazytile.pyramid.store.store import Store
    from tests.data import CATALOGUE

    CATALOGUE["global_180"]().write(tmp_path)
    stored = Store(tmp_path, BytesLru(0, len)).dataset("global_180")
    both = threading.Barrier(2, timeout=30)

    class Waiting:
        array = None
        waits = True

        def read(self, leading, chunk_row, chunk_col):
            both.wait()
            return np.full((256, 256), chunk_row * 10 + chunk_col, "int16")

    stored._readers[0, "sst"] = Waiting()
    positions = [(0, 0), (0, 1), (1, 0), (1, 2)]
    found = list(stored.chunks(0, "sst", (), positions))
    assert [int(chunk[0, 0]) for chunk in found] == [0, 1, 10, 12]
