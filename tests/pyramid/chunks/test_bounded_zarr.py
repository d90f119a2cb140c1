"""Arrays that zarr-python reads unpack no more than their chunks hold, in versions 2 and 3, also as sources."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING, Any

import numcodecs
import numpy as np
import pytest
import zarr
import zarr.codecs.numcodecs as in_version_3
from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec

from lazytile.pyramid.chunks.bounded_zarr import bounded_unpacking
from lazytile.pyramid.core.errors import SourceError, StoreError
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.sources.source import open_source
from tests.pyramid.chunks.bombs import BOMBS
from tests.pyramid.netcdf import centres

if TYPE_CHECKING:
    from pathlib import Path

CODES = np.random.default_rng(1).integers(0, 900, (200, 200)).astype("int16")
VERSION_2 = {
    "gzip": numcodecs.GZip(),
    "zlib": numcodecs.Zlib(),
    "bz2": numcodecs.get_codec({"id": "bz2"}),
    "lzma": numcodecs.get_codec({"id": "lzma"}),
    "zstd": numcodecs.Zstd(),
    "blosc": numcodecs.Blosc(),
    "lz4": numcodecs.get_codec({"id": "lz4"}),
}


def version_3(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        own = {"gzip": GzipCodec, "zstd": ZstdCodec, "blosc": BloscCodec}
        if name in own:
            return own[name]()
        return getattr(in_version_3, {"zlib": "Zlib"}.get(name, name.upper()))()


def write(path: Path, form: int, name: str, *, shards: tuple[int, int] | None = None, dtype: str = "int16") -> Path:
    """Write a group with one array on a grid."""
    root = zarr.create_group(path, zarr_format=form, overwrite=True)
    for axis, values in (("lat", centres(50, -0.1, 200)), ("lon", centres(0, 0.1, 200))):
        named: dict[str, Any] = {"dimension_names": [axis]} if form == 3 else {}
        array = root.create_array(axis, data=values, chunks=(200,), compressors=None, **named)
        array.attrs.update({"units": "degrees_north" if axis == "lat" else "degrees_east", "_ARRAY_DIMENSIONS": [axis]})
    compressor = version_3(name) if form == 3 else VERSION_2[name]
    named = {"dimension_names": ["lat", "lon"]} if form == 3 else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array = root.create_array(
            "t", shape=(200, 200), chunks=(100, 100), shards=shards, dtype=dtype, compressors=compressor, **named
        )
        array.attrs["_ARRAY_DIMENSIONS"] = ["lat", "lon"]
        array[...] = CODES.astype(dtype)
    return path


@pytest.mark.parametrize("form", [2, 3])
@pytest.mark.parametrize("name", VERSION_2)
@pytest.mark.filterwarnings("ignore::zarr.errors.ZarrUserWarning")
def test_sound_arrays_are_read(tmp_path: Path, form: int, name: str) -> None:
    path = write(tmp_path / "in.zarr", form, name)
    convert(path, tmp_path / "store", "d")
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "store/d.zarr", mode="r")["0/t"][...], CODES)


def test_shards_checksums_and_filters_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "in.zarr", 3, "zstd", shards=(200, 200))
    with bounded_unpacking():
        array = zarr.open_group(path, mode="r")["t"]
    np.testing.assert_array_equal(array[...], CODES)
    np.testing.assert_array_equal(array[3:120, 150:], CODES[3:120, 150:])
    twice = zarr.create_array(
        tmp_path / "twice", data=CODES, chunks=(50, 200), compressors=[GzipCodec(), ZstdCodec(), Crc32cCodec()]
    )
    assert twice.shape == CODES.shape
    filtered = zarr.create_array(
        tmp_path / "filtered",
        data=CODES,
        zarr_format=2,
        filters=[numcodecs.Delta("i2", "i4"), numcodecs.Shuffle(4)],
        compressors=numcodecs.Zlib(),
    )
    assert filtered.shape == CODES.shape
    with bounded_unpacking():
        for name in ("twice", "filtered"):
            np.testing.assert_array_equal(zarr.open_array(tmp_path / name, mode="r")[...], CODES)


@pytest.mark.parametrize("form", [2, 3])
@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.filterwarnings("ignore::zarr.errors.ZarrUserWarning")
def test_a_bomb_in_a_source_is_one_line_in_the_memory_of_a_chunk(tmp_path: Path, form: int, name: str) -> None:
    codec, make = BOMBS[name]
    path = write(tmp_path / "in.zarr", form, codec)
    chunk = path / "t" / ("c/1/1" if form == 3 else "1.1")
    assert chunk.exists()
    chunk.write_bytes(make())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SourceError) as caught:
        convert(path, tmp_path / "store", "d")
    assert "\n" not in str(caught.value)
    assert "t cannot be read at" in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150 << 10


def test_a_bomb_inside_a_shard_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "in.zarr", 3, "gzip", shards=(200, 200))
    array = zarr.open_group(path, mode="r")["t"]
    wide = zarr.create_array(
        tmp_path / "wide",
        shape=(20_000, 20_000),
        chunks=(10_000, 10_000),
        shards=(20_000, 20_000),
        dtype="int16",
        compressors=GzipCodec(),
    )
    wide[:10_000, :10_000] = 7
    # The same shard under metadata that state small chunks.
    (path / "t/c/0/0").write_bytes((tmp_path / "wide/c/0/0").read_bytes())
    assert array.shape == (200, 200)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SourceError, match="t cannot be read at"):
        convert(path, tmp_path / "store", "d")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 << 10


def test_pickles_are_never_read(tmp_path: Path) -> None:
    path = write(tmp_path / "in.zarr", 2, "zlib")
    root = zarr.open_group(path, mode="r+")
    root.create_array("names", shape=(200,), chunks=(200,), dtype="float64", compressors=None)
    document = json.loads((path / "names/.zarray").read_text())
    document.update(compressor={"id": "pickle", "protocol": 4})
    (path / "names/.zarray").write_text(json.dumps(document))
    (path / "names/0").write_bytes(b"cos\nsystem\n(S'touch %s'\ntR." % str(tmp_path / "ran").encode())
    with pytest.raises((StoreError, ValueError), match="pickle"), bounded_unpacking():  # noqa: PT012
        array = zarr.open_group(path, mode="r")["names"]
        array[...]
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"chunks": [200_000, 200_000]}, r"t has chunks of 80000000000 bytes, at most 1073741824 are read"),
        ({"shape": [10**12, 10**12]}, "t has 1000000000000 cells or steps in a row"),
        ({"shape": [60_000_000, 10_000, 10_000], "chunks": [1, 100, 100]}, "t has 6000000000000000 cells, at most 7"),
        ({"shape": [10**14], "chunks": [100]}, "t has 100000000000000 cells or steps in a row"),
    ],
)
def test_absurd_shapes_are_one_line_before_anything_is_allocated(
    tmp_path: Path, changes: dict[str, Any], text: str
) -> None:
    path = write(tmp_path / "in.zarr", 2, "zlib")
    document = json.loads((path / "t/.zarray").read_text()) | changes
    (path / "t/.zarray").write_text(json.dumps(document))
    attributes = json.loads((path / "t/.zattrs").read_text())
    attributes["_ARRAY_DIMENSIONS"] = ["time", "lat", "lon"][-len(document["shape"]) :]
    (path / "t/.zattrs").write_text(json.dumps(attributes))
    with pytest.raises(SourceError, match=text):
        open_source(path)


def test_the_choice_of_zarr_python_is_as_before(tmp_path: Path) -> None:
    """Other code in the process reads Zarr as it did."""
    before = zarr.config.get("codec_pipeline.path")
    write(tmp_path / "in.zarr", 3, "zstd")
    open_source(tmp_path / "in.zarr")
    assert zarr.config.get("codec_pipeline.path") == before


def test_memory_is_bounded_by_the_kernel_too(tmp_path: Path) -> None:
    """A process that may not allocate what a bomb unpacks to ends with one line."""
    path = write(tmp_path / "in.zarr", 2, "gzip")
    (path / "t/0.0").write_bytes(BOMBS["gzip"][1]())
    program = (
        "import resource, sys\n"
        "from lazytile.service.cli.main import main\n"
        "import lazytile.pyramid.ingest.convert\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * 4096\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (700 << 20),) * 2)\n"
        f"sys.argv = ['lazytile', 'convert', {str(path)!r}, '--store', {str(tmp_path / 'store')!r}]\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2, done.stderr
    assert "unpacks to more than 20000 bytes" in done.stderr
    assert "Traceback" not in done.stderr
