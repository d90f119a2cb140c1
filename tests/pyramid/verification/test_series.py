"""Verifying a series of small grids, whose steps share files and tables: read together, and each chunk named."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lazytile.pyramid.chunks.shard_format import checked_table, find_chunk, index_bytes
from lazytile.pyramid.ingest.convert import Storage, convert
from lazytile.pyramid.store import together as together_module
from lazytile.pyramid.verification.verify import verify
from tests.pyramid.netcdf import TIME, centres, write_grid
from tests.s3 import s3_server
from tests.stores import drop, flip, put

if TYPE_CHECKING:
    from pathlib import Path

    from tests.stores import StorePlace

STEPS, IN_A_FILE = 60, 7
FILES = -(-STEPS // IN_A_FILE)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    codes = np.random.default_rng(5).integers(0, 999, (STEPS, 30, 50)).astype("int16")
    codes[50:55] = -1  # empty chunks
    leading = {"time": (np.arange(float(STEPS)), TIME)}
    return write_grid(tmp_path / "in.nc", codes, centres(60, -1, 30), centres(0, 1, 50), leading=leading, fill=-1)


@pytest.mark.parametrize("together", [1, 20, 512])
def test_damage_is_named_chunk_by_chunk(
    source: Path, place: StorePlace, monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    monkeypatch.setattr(together_module, "TASK_CHUNKS", together)
    convert(source, place.root, "d", storage=Storage(shard_steps=IN_A_FILE))
    assert verify(place.root, "d").files == STEPS
    array = place.dataset() / "0/t"
    flipped, short, missing = (array / f"c/{number}/0/0" for number in (0, 2, 4))
    data = flipped.read_bytes()
    table = checked_table(data[-index_bytes(IN_A_FILE) :], IN_A_FILE)
    start, size = find_chunk(table, 3, len(data), len(data)) or pytest.fail("it has no such chunk")
    flip(flipped, start + size // 2)
    put(short, short.read_bytes()[:100])
    drop(missing)
    drop(array / "checksums/6")
    found = verify(place.root, "d")
    expected = {3: "damaged, its checksum differs from the one recorded"}
    expected |= dict.fromkeys(range(2 * IN_A_FILE, 3 * IN_A_FILE), "the checksum of the shard's index is wrong")
    expected |= dict.fromkeys(range(4 * IN_A_FILE, 5 * IN_A_FILE), "it is missing or empty")
    lines = [line for line in found.problems if " of shard " in line]
    assert len(lines) == len(expected) == 1 + 2 * IN_A_FILE
    for step, what in expected.items():
        (line,) = [line for line in lines if line.startswith(f"{step}/0/0 (number {step % IN_A_FILE}) of shard ")]
        assert what in line
    gone = [f"{array}: the checksums of step ({step},) are missing" for step in range(6 * IN_A_FILE, 7 * IN_A_FILE)]
    assert sorted(set(found.problems) - set(lines)) == sorted(gone)
    assert found.files == STEPS - IN_A_FILE


def test_a_file_is_read_at_once(source: Path) -> None:
    """A request for each chunk, its index and its table took a minute for ten thousand steps."""
    with s3_server() as server:
        convert(source, "s3://maps/a", "d", storage=Storage(shard_steps=IN_A_FILE))
        server.requests.clear()
        assert verify("s3://maps/a", "d").problems == ()
        read = [path for _, path in server.requests if "/0/t/" in path]
    assert len([path for path in read if "/c/" in path]) == 2 * FILES, "its index, and all its chunks"
    assert len([path for path in read if "/checksums/" in path]) == FILES


def test_chunks_with_objects_of_their_own_are_read_side_by_side(source: Path) -> None:
    meeting = threading.Barrier(4)

    def meet(_: str, path: str) -> None:
        if "/0/t/c/" in path:
            with suppress(threading.BrokenBarrierError):
                meeting.wait(20)

    with s3_server() as server:
        convert(source, "s3://maps/a", "d", storage=Storage(shard_steps=0))
        server.on_request = meet
        assert verify("s3://maps/a", "d").problems == ()
    assert not meeting.broken, "a request came alone"
