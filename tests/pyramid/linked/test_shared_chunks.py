"""Server processes unpack a chunk of a source once for all of them, with the same result."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import zarr

from lazytile.pyramid.cluster.shared_chunks import SharedChunks
from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget
from lazytile.pyramid.core.errors import GenerationChangedError, NotComputedError
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.linked.direct_chunks import DirectChunks
from lazytile.pyramid.linked.link import link
from lazytile.pyramid.store.store import Store
from tests.pyramid.cluster.test_shared_chunks import twin
from tests.pyramid.linked.test_link import field

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="this system has no memory without a name")


@pytest.fixture
def server(fresh_process):
    """Return what begins to be a process of a server of two."""
    shared = SharedChunks(2, 64 << 20)

    def begin(place: int) -> None:
        process.install(CacheBudget.server(256 << 20))
        twin(shared).install(place)

    return begin


def planes(store, name="d"):
    """Return all chunks of level 0 and one overview."""
    stored = Store(store).dataset(name)
    places = [(0, row, col) for row in range(3) for col in range(5)] + [(1, 0, 0)]
    return [stored.chunk(level, "sst", (1,), row, col).tobytes() for level, row, col in places]


@pytest.mark.parametrize("is_direct", [True, False])
def test_another_process_unpacks_no_chunk_again(tmp_path, server, unpacked, monkeypatch, is_direct):
    if not is_direct:
        getitem = zarr.Array.__getitem__

        def noting(array, box):
            if array.ndim == 3 and box[0].start is not None:
                unpacked.append(tuple(cells.start // size for cells, size in zip(box, array.chunks, strict=True)))
            return getitem(array, box)

        monkeypatch.setattr(zarr.Array, "__getitem__", noting)
    options = {} if is_direct else {"shards": (1, 600, 900)}
    field(tmp_path / "in.zarr", chunks=(1, 300, 300), **options)
    link(tmp_path / "in.zarr", tmp_path / "linked", "d")
    convert(tmp_path / "in.zarr", tmp_path / "converted", "d")
    expected = planes(tmp_path / "converted")
    server(0)
    unpacked.clear()
    assert planes(tmp_path / "linked") == expected
    assert sorted(unpacked) == [(1, row, col) for row in range(3) for col in range(4)]
    server(1)
    unpacked.clear()
    assert planes(tmp_path / "linked") == expected
    assert unpacked == []


def test_threads_of_a_process_unpack_a_chunk_once(tmp_path, server, unpacked):
    field(tmp_path / "in.zarr", chunks=(1, 700, 1100))
    link(tmp_path / "in.zarr", tmp_path / "linked", "d")
    server(0)
    stored = Store(tmp_path / "linked").dataset("d")
    stored.chunk(0, "sst", (1,), 0, 0)
    unpacked.clear()
    together = threading.Barrier(8)

    def read(col: int) -> bytes:
        together.wait(30)
        return stored.chunk(0, "sst", (0,), col % 3, col % 4).tobytes()

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(read, range(8)))
    assert unpacked == [(0, 0, 0)]
    codes = zarr.open_array(tmp_path / "in.zarr", path="sst", mode="r")[0][::-1]
    assert found[1] == np.ascontiguousarray(codes[256:512, 256:512]).tobytes()


def test_a_source_that_changed_is_noticed_as_without(tmp_path, server):
    field(tmp_path / "in.zarr", chunks=(1, 300, 300))
    link(tmp_path / "in.zarr", tmp_path / "linked", "d")
    server(0)
    stored = Store(tmp_path / "linked").dataset("d")
    stored.chunk(0, "sst", (0,), 0, 0)
    field(tmp_path / "in.zarr", seed=1, chunks=(1, 300, 300))
    with pytest.raises(GenerationChangedError):
        stored.chunk(0, "sst", (0,), 2, 2)
    link(tmp_path / "in.zarr", tmp_path / "linked", "d")
    codes = zarr.open_array(tmp_path / "in.zarr", path="sst", mode="r")[0][::-1]
    again = Store(tmp_path / "linked").dataset("d").chunk(0, "sst", (0,), 0, 0)
    assert np.array_equal(again, codes[:256, :256])


def test_what_another_process_has_unpacked_is_copied_and_not_kept_again(tmp_path, server, unpacked):
    field(tmp_path / "in.zarr", chunks=(1, 300, 300))
    link(tmp_path / "in.zarr", tmp_path / "linked", "d")
    convert(tmp_path / "in.zarr", tmp_path / "converted", "d")
    places = [(row, col) for row in range(3) for col in range(5)]
    expected = [Store(tmp_path / "converted").dataset("d").chunk(0, "sst", (1,), *place).tobytes() for place in places]
    server(0)
    stored = Store(tmp_path / "linked").dataset("d")
    assert [stored.chunk(0, "sst", (1,), *place).tobytes() for place in places] == expected
    server(1)
    unpacked.clear()
    stored = Store(tmp_path / "linked").dataset("d")
    for _ in range(2):
        assert [stored.chunk(0, "sst", (1,), *place).tobytes() for place in places] == expected
    assert unpacked == []
    assert process.cache("chunks").statistics.entries == 0
    stored.chunk(0, "sst", (0,), 1, 1)
    assert process.cache("chunks").statistics.entries == 1, "what is unpacked here is kept as ever"


def at_hand(stored, level):
    """Return a chunk as an event loop would read it."""
    return process.if_known(lambda: stored.chunk(level, "sst", (0,), 1, 1)).tobytes()


def test_on_an_event_loop_only_what_is_at_hand_is_read(tmp_path, server, unpacked):
    """Chunks of level 0 that a process has unpacked, and chunks of overviews that are made."""
    field(tmp_path / "in.zarr", chunks=(1, 300, 300))
    link(tmp_path / "in.zarr", tmp_path / "linked", "d")
    server(0)
    stored = Store(tmp_path / "linked").dataset("d")
    stored.chunk(1, "sst", (1,), 0, 0)  # it opens the source
    expected = []
    for level in (0, 1):
        unpacked.clear()
        with pytest.raises(NotComputedError):
            at_hand(stored, level)
        assert unpacked == []
        expected.append(stored.chunk(level, "sst", (0,), 1, 1).tobytes())
        process.cache("chunks").clear()
        unpacked.clear()
        assert at_hand(stored, level) == expected[-1]
        assert unpacked == []
    server(1)
    stored = Store(tmp_path / "linked").dataset("d")
    for level in (0, 1):
        stored.chunk(level, "sst", (1,), 0, 0)
    unpacked.clear()
    assert [at_hand(stored, level) for level in (0, 1)] == expected
    assert unpacked == []


@pytest.mark.parametrize("chunks", [(1, 100, 100), (1, 300, 300), (1, 700, 1100)])
def test_without_other_processes_a_source_is_unpacked_in_threads_only(tmp_path, fresh_process, unpacked, chunks):
    field(tmp_path / "in.zarr", chunks=chunks)
    link(tmp_path / "in.zarr", tmp_path / "linked", "d")
    stored = Store(tmp_path / "linked").dataset("d")
    stored.chunk(0, "sst", (1,), 0, 0)
    unpacked.clear()
    with pytest.raises(NotComputedError):
        process.if_known(lambda: stored.chunk(0, "sst", (0,), 1, 1))
    assert unpacked == []
    codes = stored.chunk(0, "sst", (0,), 1, 1)
    assert process.if_known(lambda: stored.chunk(0, "sst", (0,), 1, 1)) is codes


def test_on_an_event_loop_nobody_waits_for_a_thread_that_makes_a_chunk(tmp_path, fresh_process, monkeypatch):
    field(tmp_path / "in.zarr")
    link(tmp_path / "in.zarr", tmp_path / "linked", "d")
    stored = Store(tmp_path / "linked").dataset("d")
    stored.chunk(1, "sst", (1,), 0, 0)
    inside, go = threading.Event(), threading.Event()
    read = DirectChunks._unpacked

    def slow(chunks, index, into):
        inside.set()
        assert go.wait(30)
        return read(chunks, index, into)

    monkeypatch.setattr(DirectChunks, "_unpacked", slow)
    with ThreadPoolExecutor(1) as threads:
        made = threads.submit(stored.chunk, 1, "sst", (0,), 0, 0)
        assert inside.wait(30)
        try:
            with pytest.raises(NotComputedError):
                process.if_known(lambda: stored.chunk(1, "sst", (0,), 0, 0))
        finally:
            go.set()
        assert made.result(30) is process.if_known(lambda: stored.chunk(1, "sst", (0,), 0, 0))
