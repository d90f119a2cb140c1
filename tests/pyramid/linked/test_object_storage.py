"""Linked sources in object storage: the same tiles as everywhere else, and never wrong ones when storage misbehaves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget
from lazytile.pyramid.core.conditions import Conditions
from lazytile.pyramid.core.errors import GenerationChangedError, SourceError, SourceUnavailableError
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.linked import dated_stores
from lazytile.pyramid.linked.follow import LinkFollower, linked_names
from lazytile.pyramid.linked.link import link
from lazytile.pyramid.sources.formats.remote_zarr import Patience
from lazytile.pyramid.storage.pointer import dataset_folder
from lazytile.pyramid.store.publish import remove
from lazytile.pyramid.store.store import Store, read_description, store_at
from lazytile.pyramid.verification.verify import verify
from tests.pyramid.linked.test_link import field, tiles_of
from tests.s3 import BUCKET, S3Server, s3_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHORT = Patience(answer_s=5.0, connect_s=2.0, retries=1, all_s=10.0)


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    """Run an S3 server."""
    with s3_server() as running:
        yield running


@pytest.fixture
def s3(server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """Return a server that behaves, for a process that knows nothing of it yet."""
    monkeypatch.setenv("LAZYTILE_STORAGE_STAGING", str(tmp_path / "staging"))
    monkeypatch.setattr(dated_stores, "TILE_PATIENCE", SHORT)
    server.behave()
    before = process.current()
    process.install(CacheBudget.renderer(64 << 20))
    yield server
    server.behave()
    process.reinstall(before)


def uploaded(folder: Path, prefix: str) -> str:
    """Copy a folder to object storage, and return its URL there."""
    obstore = pytest.importorskip("obstore")
    bucket = obstore.store.from_url(f"s3://{BUCKET}", client_options={"allow_http": True})
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            obstore.put(bucket, f"{prefix}/{path.relative_to(folder)}", path.read_bytes())
    return f"s3://{BUCKET}/{prefix}"


def chunk_of(store: Path, row: int, col: int) -> bytes:
    process.current().caches["chunks"].clear()
    return Store(store).dataset("d").chunk(0, "sst", (0,), row, col).tobytes()


def test_a_source_that_changes_is_a_new_generation(tmp_path, s3):
    field(tmp_path / "in.zarr", rows=600)
    remote = uploaded(tmp_path / "in.zarr", "change/in.zarr")
    link(remote, tmp_path / "store", "d")
    before = read_description(tmp_path / "store" / "d.zarr").generation
    chunk_of(tmp_path / "store", 1, 1)
    assert LinkFollower(tmp_path / "store").look() == []
    field(tmp_path / "in.zarr", seed=5, rows=600)
    uploaded(tmp_path / "in.zarr", "change/in.zarr")
    with pytest.raises(GenerationChangedError, match="the source of dataset d has changed"):
        chunk_of(tmp_path / "store", 1, 1)
    assert LinkFollower(tmp_path / "store").look() == ["d"]
    assert read_description(tmp_path / "store" / "d.zarr").generation != before
    convert(tmp_path / "in.zarr", tmp_path / "converted", "d")
    assert tiles_of(tmp_path / "store", "d") == tiles_of(tmp_path / "converted", "d")


def test_a_source_that_is_lost_is_unavailable_and_comes_back(tmp_path, s3):
    field(tmp_path / "in.zarr")
    link(uploaded(tmp_path / "in.zarr", "lost/in.zarr"), tmp_path / "store", "d")
    right = chunk_of(tmp_path / "store", 1, 2)
    s3.is_lost = True
    with pytest.raises(SourceUnavailableError) as caught:
        chunk_of(tmp_path / "store", 1, 2)
    assert caught.value.retry_after_s > 0
    assert LinkFollower(tmp_path / "store").look() == []
    assert {each.key for each in Conditions.current().all()} == {"source of dataset d", "link of dataset d"}
    assert all(each.ready for each in Conditions.current().all())
    s3.behave()
    deadline = time.monotonic() + 60  # a source that was waited for long is left alone for a moment
    while True:
        try:
            assert chunk_of(tmp_path / "store", 1, 2) == right
            break
        except SourceUnavailableError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    LinkFollower(tmp_path / "store").look()
    assert Conditions.current().all() == ()


def test_a_slow_and_erring_source_is_right_or_unavailable(tmp_path, s3):
    """50 ms for each request, of which 5 % and then most are answered with 503."""
    field(tmp_path / "in.zarr")
    link(uploaded(tmp_path / "in.zarr", "slow/in.zarr"), tmp_path / "store", "d")
    convert(tmp_path / "in.zarr", tmp_path / "converted", "d")
    places = [(row, col) for row in range(3) for col in range(5)]
    right = {place: chunk_of(tmp_path / "converted", *place) for place in places}
    s3.delay_s = 0.05
    found, failed = 0, 0
    for share in (0.05, 0.7):
        s3.error_share = share
        for place in places:
            try:
                assert chunk_of(tmp_path / "store", *place) == right[place]
                found += 1
            except SourceUnavailableError:
                failed += 1
    assert found > 0
    assert failed > 0


def test_a_store_in_object_storage_holds_links_and_their_overviews(tmp_path, s3):
    field(tmp_path / "in.zarr", rows=600, cols=530)
    store = store_at(f"s3://{BUCKET}/links").folder
    s3.requests.clear()
    linked = link(tmp_path / "in.zarr", store, "d").dataset
    assert (linked.linked, linked.lazy) == (1, True)
    convert(tmp_path / "in.zarr", tmp_path / "converted", "d")
    expected = tiles_of(tmp_path / "converted", "d")
    assert tiles_of(store, "d") == expected
    assert verify(store, "d").problems == ()
    kept = [path for method, path in s3.requests if method == "PUT" and "/sst/c/" in path]
    assert len(kept) >= 2
    assert not any("/0/sst/c/" in path for path in kept)
    s3.requests.clear()
    process.install(CacheBudget.renderer(64 << 20))
    assert tiles_of(store, "d") == expected
    assert not [path for method, path in s3.requests if method != "GET"]


def test_a_source_that_changes_is_a_new_generation_in_object_storage_too(tmp_path, s3):
    field(tmp_path / "in.zarr", rows=600)
    store = store_at(f"s3://{BUCKET}/links-change").folder
    before = link(tmp_path / "in.zarr", store, "d").dataset.generation
    tiles_of(store, "d")
    follower = LinkFollower(store)
    assert linked_names(store) == ["d"]
    assert follower.look() == []
    field(tmp_path / "in.zarr", seed=5, rows=600)
    with pytest.raises(GenerationChangedError, match="the source of dataset d has changed"):
        chunk_of(store, 1, 1)
    assert (dataset_folder(store, "d") / "link-changed").exists()
    assert follower.look() == ["d"]
    assert read_description(dataset_folder(store, "d")).generation != before
    assert follower.look() == []
    convert(tmp_path / "in.zarr", tmp_path / "converted", "d")
    assert tiles_of(store, "d") == tiles_of(tmp_path / "converted", "d")
    remove(store, "d")
    assert (linked_names(store), follower.look()) == ([], [])
    assert Conditions.current().all() == ()


@pytest.mark.parametrize("form", ["d", "d.zarr"])
def test_a_dataset_of_a_store_is_a_source_whose_generations_follow_each_other(tmp_path, s3, form):
    field(tmp_path / "in.zarr", rows=340, cols=530)
    store = f"s3://{BUCKET}/own-{form}"
    convert(tmp_path / "in.zarr", store, "d")
    expected = tiles_of(store_at(store).folder, "d")
    made = link(f"{store}/{form}", tmp_path / "links").dataset
    assert (made.name, made.linked) == ("d", made.levels)
    assert tiles_of(tmp_path / "links", "d") == expected
    with pytest.raises(SourceError, match="is the dataset d of this store: the link would replace the data"):
        link(f"{store}/{form}", store, "d")
    convert(f"{store}/{form}", tmp_path / "copies", "d")
    assert tiles_of(tmp_path / "copies", "d") == expected
    follower = LinkFollower(tmp_path / "links")
    assert follower.look() == []
    field(tmp_path / "in.zarr", seed=5, rows=340, cols=530)
    convert(tmp_path / "in.zarr", store, "d")
    with pytest.raises((GenerationChangedError, SourceUnavailableError)):
        chunk_of(tmp_path / "links", 1, 1)
    assert follower.look() == ["d"]
    later = tiles_of(store_at(store).folder, "d")
    assert later != expected
    assert tiles_of(tmp_path / "links", "d") == later
    assert follower.look() == []
