"""Overviews of linked datasets that are made without those between."""

from __future__ import annotations

from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.linked.link import link
from lazytile.pyramid.store.store import Store
from lazytile.pyramid.store.verify import verify
from tests.pyramid.linked.test_link import field


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
