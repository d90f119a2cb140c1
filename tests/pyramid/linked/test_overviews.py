"""Overviews of linked datasets that are made without those between."""

from __future__ import annotations

import pytest

from lazytile.pyramid.core import process
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.linked.link import link
from lazytile.pyramid.store.store import Store
from lazytile.pyramid.streams import spare_threads
from lazytile.pyramid.verification.verify import verify
from tests.pyramid.linked.test_link import field


@pytest.mark.parametrize("processors", [1, 3])
def test_an_overview_reads_no_chunk_twice_and_keeps_only_those_that_others_need(
    tmp_path, fresh_process, monkeypatch, unpacked, processors
):
    """The rows run from south to north, so that 1100 of them are cut otherwise than the chunks of 512."""
    monkeypatch.setattr(spare_threads, "processor_count", lambda: processors)
    field(tmp_path / "in.zarr", rows=1100, cols=4000, chunks=(1, 512, 512))
    link(tmp_path / "in.zarr", tmp_path / "linked", "d")
    convert(tmp_path / "in.zarr", tmp_path / "converted", "d")
    linked, converted = (Store(tmp_path / each).dataset("d") for each in ("linked", "converted"))
    process.cache("chunks").clear()
    unpacked.clear()
    codes = linked.chunk(1, "sst", (0,), 0, 0)
    assert codes.tobytes() == converted.chunk(1, "sst", (0,), 0, 0).tobytes()
    assert sorted(unpacked) == [(0, row, 0) for row in (1, 2)]
    linked.chunk(1, "sst", (0,), 1, 0)
    assert sorted(unpacked) == [(0, row, 0) for row in (0, 1, 2)]  # the second begins in a chunk where the first ended
    unpacked.clear()
    codes = linked.chunk(3, "sst", (0,), 0, 0)
    assert codes.tobytes() == converted.chunk(3, "sst", (0,), 0, 0).tobytes()
    kept = {(0, 0), (1, 0)}
    assert sorted(unpacked) == [(0, row, col) for row in range(3) for col in range(4) if (row, col) not in kept]


def test_an_overview_of_a_folder_of_zarr_is_made_at_once_and_checked_without_those_between(tmp_path):
    """Ragged at both ends, with 5 x 9 chunks of level 0 and one of level 4."""
    field(tmp_path / "in.zarr", rows=1100, cols=2301, chunks=(1, 300, 300))
    link(tmp_path / "in.zarr", tmp_path / "linked", "d")
    convert(tmp_path / "in.zarr", tmp_path / "converted", "d")
    linked, converted = (Store(tmp_path / each).dataset("d") for each in ("linked", "converted"))
    for level in (4, 3, 2, 1):
        chunks = converted.path / str(level) / "sst" / "c" / "0"
        places = [(int(path.parent.name), int(path.name)) for path in chunks.glob("*/*")]
        assert places
        for row, col in places:
            codes = linked.chunk(level, "sst", (0,), row, col)
            assert codes.tobytes() == converted.chunk(level, "sst", (0,), row, col).tobytes()
            assert (
                linked.path.joinpath(str(level), "sst", "c", "0", str(row), str(col)).read_bytes()
                == (chunks / str(row) / str(col)).read_bytes()
            )
        if level > 1:
            assert not linked.path.joinpath(str(level - 1), "sst", "c", "0").exists()
        assert verify(tmp_path / "linked", "d").problems == ()
    assert verify(tmp_path / "linked", "d").chunks >= 5
