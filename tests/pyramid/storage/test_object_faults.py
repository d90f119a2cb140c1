"""Object storage that is slow, errs, or is lost: tiles are right, or there is a 503 that says to come back."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget
from lazytile.pyramid.ingest.convert import Storage, convert
from lazytile.pyramid.storage.object_path import location
from lazytile.pyramid.store.codec import Codec
from lazytile.pyramid.store.store import Store
from tests.pyramid.ingest.test_append import source
from tests.pyramid.netcdf import TIME
from tests.s3 import BUCKET
from tests.service.harness import running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.s3 import S3Server
    from tests.service.harness import Server

STORE = f"s3://{BUCKET}/faults"
ADDRESSES = [
    f"/xyz/d/{zoom}/{col}/{row}.png?time={day}"
    for day in ("2001-01-01", "2001-01-02")
    for zoom, col, row in ((2, 2, 1), (3, 4, 2), (4, 8, 4), (5, 16, 8), (5, 17, 8), (5, 18, 9), (5, 19, 9))
]
LIMIT_S = 60.0


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return two sources of different content."""
    folder = tmp_path_factory.mktemp("sources")
    other = {**TIME, "units": "days since 2000-12-28"}
    return {"a": source(folder / "a.nc", 0, 1), "b": source(folder / "b.nc", 4, 5, units=other)}


@pytest.fixture(scope="module")
def tiles(s3: S3Server, files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bytes]]:
    """Convert the sources, and return the tiles of each as a server of a folder has them."""
    folder = tmp_path_factory.mktemp("local")
    found = {}
    for name, file in files.items():
        convert(file, folder / name, "d")
        with running(folder / name, folder / f"cache-{name}", no_tile_cache=True) as server:
            found[name] = [server.get(address).body for address in ADDRESSES]
    assert found["a"] != found["b"]
    return found


@pytest.fixture
def server(
    s3: S3Server,
    tiles: dict[str, list[bytes]],
    files: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Server]:
    """Serve the first source from S3, in a process that has read nothing yet."""
    monkeypatch.setenv("LAZYTILE_STORAGE_STAGING", str(tmp_path / "staging"))
    monkeypatch.setenv("LAZYTILE_STORAGE_RETRY_S", "2")
    s3.behave()
    before = process.current()
    process.install(CacheBudget.renderer(64 << 20))
    try:
        convert(files["a"], STORE, "d", storage=Storage(Codec("zstd", 3), shard=2))
        with running(location(STORE), tmp_path / "cache", no_tile_cache=True) as found:
            yield found
    finally:
        s3.behave()
        process.reinstall(before)


def test_tiles_are_those_of_a_folder_and_the_pointer_is_not_read_for_each(
    s3: S3Server, server: Server, tiles: dict[str, list[bytes]]
) -> None:
    s3.requests.clear()
    began = time.monotonic()
    assert [server.get(address).body for address in ADDRESSES] == tiles["a"]
    looks = sum(path.endswith("datasets.json") for _, path in s3.requests)
    assert looks <= 2 + (time.monotonic() - began) / 0.2
    chunks = sum("/c/" in path for _, path in s3.requests)
    s3.requests.clear()
    assert [server.get(address).body for address in ADDRESSES] == tiles["a"]
    again = sum("/c/" in path for _, path in s3.requests)
    assert chunks > again == 0, "shard indexes and chunks are in memory"


def test_the_zarr_over_http_and_boxes_of_cells_are_there_too(server: Server) -> None:
    shard = Store(location(STORE)).dataset("d").path / "0/t/c/1/0/0"
    reply = server.get("/zarr/d/0/t/c/1/0/0")
    assert (reply.status, reply.body) == (200, shard.read_bytes())
    part = server.get("/zarr/d/0/t/c/1/0/0", {"Range": "bytes=100-199"})
    assert (part.status, part.body) == (206, reply.body[100:200])
    assert json.loads(server.get("/zarr/d/zarr.json").body)["node_type"] == "group"
    assert server.get("/numbers/d/subset?bbox=35,30,40,35&time=2001-01-01&f=nc").body.startswith(b"\x89HDF")
    assert server.get("/stac/collections/d").status == 200


def test_slow_and_erring_storage_gives_right_tiles(s3: S3Server, server: Server, tiles: dict[str, list[bytes]]) -> None:
    s3.delay_s, s3.error_share = 0.05, 0.05
    for address, wanted in zip(ADDRESSES, tiles["a"], strict=True):
        reply = server.get(address)
        assert (reply.status, reply.body) == (200, wanted) or reply.status == 503


def test_lost_storage_gives_503_and_is_found_again(s3: S3Server, server: Server, tiles: dict[str, list[bytes]]) -> None:
    assert server.get(ADDRESSES[0]).body == tiles["a"][0]
    s3.is_lost = True
    reply = server.get(ADDRESSES[-1])
    assert reply.status == 503
    assert int(reply.headers["Retry-After"]) > 0
    assert BUCKET not in reply.body.decode()
    assert server.get(ADDRESSES[0]).body == tiles["a"][0], "what is in memory is served"
    assert server.get("/healthz").status == 200
    s3.is_lost = False
    until(lambda: server.get(ADDRESSES[-1]).body == tiles["a"][-1])
    until(lambda: json.loads(server.get("/readyz").body)["conditions"] == [])


def test_a_new_generation_is_seen_within_seconds(
    s3: S3Server, server: Server, tiles: dict[str, list[bytes]], files: dict[str, Path]
) -> None:
    assert server.get(ADDRESSES[0]).body == tiles["a"][0]
    convert(files["b"], STORE, "d")
    for address, old, new in zip(ADDRESSES, tiles["a"], tiles["b"], strict=True):
        reply = server.get(address)
        assert reply.status == 503 or reply.body in (old, new)
    until(lambda: [server.get(address).body for address in ADDRESSES] == tiles["b"])


def until(holds: object) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + LIMIT_S
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not become so in time"
        time.sleep(0.1)
