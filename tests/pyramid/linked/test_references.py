"""Kerchunk's references, as JSON and as Parquet, whose targets are on disk, on a web server and in object storage."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import obstore
import pytest
from obstore.store import S3Store

from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import (
    GenerationChangedError,
    SourceError,
    SourceUnavailableError,
)
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.linked import dated_stores
from lazytile.pyramid.linked.follow import LinkFollower
from lazytile.pyramid.linked.link import link
from lazytile.pyramid.sources.formats.remote_zarr import Patience
from lazytile.pyramid.sources.references import references
from lazytile.pyramid.store.store import Store, read_description
from tests.pyramid.linked.test_changes import assert_followed
from tests.pyramid.linked.test_link import field, tiles_of
from tests.s3 import BUCKET, s3_server
from tests.web import Response, folder, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

hdf = pytest.importorskip("kerchunk.hdf", reason="kerchunk is not installed (extra kerchunk)")
SHORT = Patience(answer_s=2.0, connect_s=1.0, retries=1, all_s=4.0)
KINDS = ("json", "parquet")


def netcdf(path: Path, *, seed: int = 0) -> None:
    """Write a file whose layout does not depend on what it holds."""
    made = field(path.with_suffix(".zarr"), seed=seed)
    made["sst"].encoding = {"chunksizes": (1, 350, 550)}
    path.parent.mkdir(parents=True, exist_ok=True)
    made.to_netcdf(path)


def written(path: Path, file: Path, address: str, kind: str) -> Path:
    """Write references to a file that readers find at another address."""
    found: dict[str, Any] = hdf.SingleHdf5ToZarr(str(file)).translate()
    text = json.dumps(found).replace(json.dumps(str(file)), json.dumps(address))
    if kind == "json":
        path.write_text(text)
        return path
    pytest.importorskip("fastparquet", reason="fastparquet is not installed (extra kerchunk)")
    dataframes = pytest.importorskip("kerchunk.df")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas warns of fastparquet
        dataframes.refs_to_dataframe(json.loads(text), str(path), record_size=10)
    return path


def assert_tiles_of_the_file(tmp_path: Path, refs: Path) -> None:
    """Assert that the tiles of references are those of the file, if they are linked and if they are converted."""
    convert(tmp_path / "www" / "in.nc", tmp_path / "converted", "d")
    expected = tiles_of(tmp_path / "converted", "d")
    link(refs, tmp_path / "linked", "d")
    assert tiles_of(tmp_path / "linked", "d") == expected
    convert(refs, tmp_path / "copied", "d")
    assert tiles_of(tmp_path / "copied", "d") == expected


@pytest.fixture
def www(tmp_path: Path) -> Iterator[tuple[Any, str]]:
    """Run a web server with a file, and return it with the address of the file."""
    pytest.importorskip("obstore")
    netcdf(tmp_path / "www" / "in.nc")
    with serving() as web:
        web.default = folder(tmp_path / "www")
        yield web, web.url("/in.nc")


@pytest.mark.parametrize("kind", KINDS)
def test_targets_on_a_web_server(tmp_path, www, kind):
    refs = written(tmp_path / "refs", tmp_path / "www" / "in.nc", www[1], kind)
    assert_tiles_of_the_file(tmp_path, refs)
    assert references.references_of(refs).targets == (www[1],)


def test_targets_in_object_storage(tmp_path):
    netcdf(tmp_path / "www" / "in.nc")
    with s3_server() as server:
        store = S3Store(BUCKET, endpoint=f"http://127.0.0.1:{server.port}", client_options={"allow_http": True})
        obstore.put(store, "data/in.nc", (tmp_path / "www" / "in.nc").read_bytes())
        refs = written(tmp_path / "refs", tmp_path / "www" / "in.nc", f"s3://{BUCKET}/data/in.nc", "json")
        assert_tiles_of_the_file(tmp_path, refs)


@pytest.mark.parametrize("kind", KINDS)
def test_a_target_on_disk_that_changes_is_another_version(tmp_path, kind):
    netcdf(tmp_path / "www" / "in.nc")
    refs = written(tmp_path / "refs", tmp_path / "www" / "in.nc", str(tmp_path / "www" / "in.nc"), kind)
    link(refs, tmp_path / "store", "d")
    Store(tmp_path / "store").dataset("d").chunk(0, "sst", (0,), 2, 2)
    netcdf(tmp_path / "new" / "new.nc", seed=3)
    (tmp_path / "new" / "new.nc").replace(tmp_path / "www" / "in.nc")
    assert_followed(tmp_path, refs)


@pytest.mark.parametrize("is_read", [True, False])
def test_a_target_on_a_server_that_changes_is_another_version(tmp_path, www, is_read):
    refs = written(tmp_path / "refs", tmp_path / "www" / "in.nc", www[1], "json")
    link(refs, tmp_path / "store", "d")
    before = read_description(tmp_path / "store" / "d.zarr").generation
    netcdf(tmp_path / "new" / "new.nc", seed=3)
    (tmp_path / "new" / "new.nc").replace(tmp_path / "www" / "in.nc")
    if is_read:
        process.current().caches["chunks"].clear()
        with pytest.raises(GenerationChangedError, match="the source of dataset d has changed"):
            Store(tmp_path / "store").dataset("d").chunk(0, "sst", (0,), 1, 1)
    assert LinkFollower(tmp_path / "store").look() == ["d"]
    assert read_description(tmp_path / "store" / "d.zarr").generation != before
    convert(refs, tmp_path / "converted", "d")
    assert tiles_of(tmp_path / "store", "d") == tiles_of(tmp_path / "converted", "d")
    assert LinkFollower(tmp_path / "store").look() == []


@pytest.mark.parametrize("status", [404, 503])
def test_a_target_that_is_lost_is_unavailable_and_never_fill_value(tmp_path, www, status, monkeypatch):
    monkeypatch.setattr(dated_stores, "TILE_PATIENCE", SHORT)
    web, address = www
    link(written(tmp_path / "refs", tmp_path / "www" / "in.nc", address, "json"), tmp_path / "store", "d")
    right = Store(tmp_path / "store").dataset("d").chunk(0, "sst", (0,), 1, 2).tobytes()
    process.current().caches["chunks"].clear()
    files, web.default = web.default, lambda _: Response(status=status)
    with pytest.raises((SourceUnavailableError, GenerationChangedError)):
        Store(tmp_path / "store").dataset("d").chunk(0, "sst", (0,), 1, 2)
    web.default = files
    assert Store(tmp_path / "store").dataset("d").chunk(0, "sst", (0,), 1, 2).tobytes() == right


def test_references_that_point_beyond_their_target_are_refused(tmp_path, www):
    refs = written(tmp_path / "refs", tmp_path / "www" / "in.nc", www[1], "json")
    document = json.loads(refs.read_text())
    for name, entry in document["refs"].items():
        if name.startswith("sst/0"):
            document["refs"][name] = [entry[0], 10**9, entry[2]]
    refs.write_text(json.dumps(document))
    with pytest.raises(SourceError, match="cannot be read at"):
        link(refs, tmp_path / "store", "d")


def test_bounds(tmp_path, monkeypatch):
    netcdf(tmp_path / "www" / "in.nc")
    refs = written(tmp_path / "refs", tmp_path / "www" / "in.nc", "https://127.0.0.1:9/in.nc", "json")
    monkeypatch.setattr(references, "MAX_TARGETS", 0)
    with pytest.raises(SourceError, match="points into 1 files, at most 0 are followed"):
        references.references_of(refs)
    monkeypatch.setattr(references, "MAX_BYTES", 10)
    with pytest.raises(SourceError, match="at most 10 of references are read"):
        references.references_of(refs)


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ("text", b"text"),
        ("base64:AAE=", b"\x00\x01"),
        ({"zarr_format": 2}, b'{"zarr_format": 2}'),
        (["{{u}}/a.nc", 3, 4], references.Part("https://x/a.nc", 3, 4)),
        (["file:///a.nc"], references.Part("/a.nc")),
        (["a", -1, 4], None),
        (["a", 1], None),
        (7, None),
    ],
)
def test_entries(entry, found):
    held = references.References({"k": entry}, frozenset(), {"u": "https://x"}, ())
    if found is None:
        with pytest.raises(SourceError, match="the reference k"):
            held.find("k")
    else:
        assert held.find("k") == found
    assert held.find("other") is None
