"""A source that errs, is slow or gone: an error that says so, never a wrong or an empty chunk."""

from __future__ import annotations

import itertools
import shutil
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lazytile.pyramid.core import process
from lazytile.pyramid.core.byte_lru import BytesLru
from lazytile.pyramid.core.conditions import Conditions
from lazytile.pyramid.core.errors import GenerationChangedError, SourceError, SourceUnavailableError
from lazytile.pyramid.linked import dated_stores, foreign_chunks
from lazytile.pyramid.linked.link import link
from lazytile.pyramid.sources.formats.remote_zarr import Patience
from lazytile.pyramid.store.store import Store
from tests.pyramid.linked.test_link import field
from tests.web import Response, denying, folder, serving

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

pytest.importorskip("obstore")
SHORT = Patience(answer_s=1.0, connect_s=1.0, retries=1, all_s=3.0)


@pytest.fixture
def web(tmp_path, fresh_process):
    field(tmp_path / "www" / "in.zarr")
    with serving() as server:
        server.default = folder(tmp_path / "www")
        link(server.url("/in.zarr"), tmp_path / "store", "d")
        process.current().caches["chunks"].clear()
        yield server


def chunk(tmp_path: Path, row: int, col: int) -> np.ndarray:
    return Store(tmp_path / "store", BytesLru(0, lambda each: each.nbytes)).dataset("d").chunk(0, "sst", (0,), row, col)


def right(tmp_path: Path, row: int, col: int) -> bytes:
    link(tmp_path / "www" / "in.zarr", tmp_path / "local", "d")
    return Store(tmp_path / "local").dataset("d").chunk(0, "sst", (0,), row, col).tobytes()


def test_a_server_that_denies_access_to_what_it_does_not_have(tmp_path, web):
    web.default = denying(folder(tmp_path / "www"))
    shutil.rmtree(tmp_path / "store")
    link(web.url("/in.zarr"), tmp_path / "store", "d")
    process.current().caches["chunks"].clear()
    assert chunk(tmp_path, 1, 2).tobytes() == right(tmp_path, 1, 2)
    shutil.rmtree(tmp_path / "www" / "in.zarr")
    process.current().caches["chunks"].clear()
    with pytest.raises((SourceUnavailableError, GenerationChangedError)):
        chunk(tmp_path, 2, 2)


def test_one_answer_in_twenty_is_an_error(tmp_path, web):
    files, count = folder(tmp_path / "www"), itertools.count()
    web.default = lambda request: Response(status=503) if next(count) % 20 == 7 else files(request)
    link(tmp_path / "www" / "in.zarr", tmp_path / "local", "d")
    mine, its = (Store(tmp_path / name).dataset("d") for name in ("store", "local"))
    for step, row, col in itertools.product(range(2), range(3), range(5)):
        assert mine.chunk(0, "sst", (step,), row, col).tobytes() == its.chunk(0, "sst", (step,), row, col).tobytes()
    assert next(count) > 30


@pytest.mark.parametrize("status", [500, 503, 403])
def test_a_server_that_fails_is_unavailable_and_comes_back(tmp_path, web, monkeypatch, status):
    monkeypatch.setattr(dated_stores, "TILE_PATIENCE", SHORT)
    files = folder(tmp_path / "www")
    web.default = lambda request: Response(status=status) if "/sst/c/" in request.path else files(request)
    with pytest.raises(SourceUnavailableError, match="the source of dataset d cannot be read") as caught:
        chunk(tmp_path, 1, 2)
    assert caught.value.retry_after_s > 0
    (condition,) = Conditions.current().all()
    assert (condition.key, condition.ready) == ("source of dataset d", True)
    web.default = files
    assert chunk(tmp_path, 1, 2).tobytes() == right(tmp_path, 1, 2)
    assert Conditions.current().all() == ()


def test_a_silent_server_is_given_up_and_left_alone_for_a_moment(tmp_path, web, monkeypatch):
    monkeypatch.setattr(dated_stores, "TILE_PATIENCE", SHORT)
    monkeypatch.setattr(foreign_chunks, "LONG_S", 0.5)
    monkeypatch.setattr(foreign_chunks, "PAUSE_S", 3600.0)
    files, ended = folder(tmp_path / "www"), threading.Event()

    def silent(request):
        if "/sst/c/" in request.path:
            ended.wait(60)
        return files(request)

    web.default = silent
    stored = Store(tmp_path / "store").dataset("d")
    with pytest.raises(SourceUnavailableError, match="cannot be read"):
        stored.chunk(0, "sst", (0,), 1, 2)
    asked = len(web.requests)
    with pytest.raises(SourceUnavailableError, match="does not answer"):
        stored.chunk(0, "sst", (0,), 2, 2)
    assert len(web.requests) == asked
    ended.set()


def test_a_chunk_is_empty_only_where_the_source_says_that_it_has_none(tmp_path, web):
    assert (chunk(tmp_path, 2, 0) == -1).all()  # never written
    shutil.move(tmp_path / "www" / "in.zarr", tmp_path / "elsewhere")
    process.current().caches["chunks"].clear()
    with pytest.raises((SourceUnavailableError, GenerationChangedError)):
        chunk(tmp_path, 1, 0)
    with pytest.raises((SourceUnavailableError, GenerationChangedError)):
        chunk(tmp_path, 2, 0)


def test_a_folder_that_is_gone_has_no_empty_chunks(tmp_path, fresh_process):
    field(tmp_path / "in.zarr")
    link(tmp_path / "in.zarr", tmp_path / "store", "d")
    process.current().caches["chunks"].clear()
    assert (chunk(tmp_path, 2, 0) == -1).all()
    shutil.move(tmp_path / "in.zarr", tmp_path / "elsewhere")
    process.current().caches["chunks"].clear()
    for row in (1, 2):
        with pytest.raises((SourceUnavailableError, GenerationChangedError)):
            chunk(tmp_path, row, 0)


def test_damaged_bytes_are_no_data(tmp_path, web):
    files = folder(tmp_path / "www")

    def damaged(request):
        response = files(request)
        if "/sst/c/" in request.path:
            response.body = response.body[: len(response.body) // 2]
        return response

    web.default = damaged
    with pytest.raises(SourceUnavailableError, match="cannot be read"):
        chunk(tmp_path, 1, 2)


def test_an_object_that_is_far_too_large_is_not_read(tmp_path, web, monkeypatch):
    monkeypatch.setattr(dated_stores, "INDEX_BYTES", 100)
    monkeypatch.setattr(dated_stores, "max_chunk_bytes", lambda: 0)
    with pytest.raises(SourceUnavailableError, match="at most 100 are read"):
        chunk(tmp_path, 1, 2)


def test_a_server_that_sends_no_parts_has_no_shards(tmp_path, fresh_process):
    field(tmp_path / "www" / "in.zarr", chunks=(1, 100, 128), shards=(2, 400, 256))
    files = folder(tmp_path / "www")
    with serving() as server:
        server.default = lambda request: replace(files(request), ranges=False)
        with pytest.raises(SourceError, match=r"sends sst/c/[0-9/]+ as a whole only, and shards are read in parts"):
            link(server.url("/in.zarr"), tmp_path / "store", "d")
