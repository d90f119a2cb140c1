"""Tables of checksums: what they hold, and that no entry fits where it does not belong."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lazytile.pyramid.chunks.array_digests import ArrayDigests, misfit
from lazytile.pyramid.chunks.digest_table import ChunkDigest, Plane, Unknown, encode_entry
from lazytile.pyramid.chunks.whole_table import encode_table, read_table

if TYPE_CHECKING:
    from pathlib import Path

GRID = (70, 90)
DIGESTS = np.random.default_rng(1).integers(1, 1 << 32, (*GRID, 2), dtype=np.uint32)
DIGESTS[3:5, 7:60] = 0


def digests_of(array: Path, *, checked: bool = True, lazy: bool = False, shard: int = 0) -> ArrayDigests:
    return ArrayDigests(str(array), 2, "t", GRID, lambda _: "generation", shard, checked, lazy)


@pytest.fixture
def plane(tmp_path: Path) -> Plane:
    found = digests_of(tmp_path).plane((1, 0))
    found.file.parent.mkdir()
    found.file.write_bytes(encode_table(found, DIGESTS))
    return found


def test_every_entry_is_found(plane: Plane, tmp_path: Path, fresh_process: None) -> None:
    assert plane.file == tmp_path / "checksums/1-0"
    assert plane.file.stat().st_size == 8 * 70 * 90 + 8
    digests = digests_of(tmp_path)
    for row, col in np.ndindex(*GRID):
        assert digests.find((1, 0), row, col) == tuple(DIGESTS[row, col].tolist())
    table = read_table(plane)
    assert table is not None
    np.testing.assert_array_equal(table[0], DIGESTS)
    assert table[1].all()


def test_single_entries_are_those_of_the_whole_table(plane: Plane) -> None:
    data = plane.file.read_bytes()
    for row, col in ((0, 0), (3, 8), (69, 89), (45, 50)):
        number = row * 90 + col
        digest = ChunkDigest(*DIGESTS[row, col].tolist())
        assert encode_entry(plane, number, digest) == data[8 + 8 * number : 16 + 8 * number]


@pytest.mark.parametrize(
    "other",
    [{"generation": "another"}, {"level": 1}, {"variable": "u"}, {"dim_index": (0, 0)}],
    ids=str,
)
def test_an_empty_chunk_of_another_table_is_not_believed(
    plane: Plane, tmp_path: Path, fresh_process: None, other: dict[str, object]
) -> None:
    plane.file.write_bytes(encode_table(replace(plane, **other), DIGESTS))  # type: ignore[arg-type]
    digests = digests_of(tmp_path)
    assert digests.find((1, 0), 3, 7) is Unknown.DAMAGED
    found = digests.find((1, 0), 0, 0)
    assert isinstance(found, ChunkDigest)
    assert found.crc != DIGESTS[0, 0, 1]


def test_a_zeroed_table_says_that_nothing_is_known(plane: Plane, tmp_path: Path, fresh_process: None) -> None:
    plane.file.write_bytes(b"LZTSUMS2" + bytes(8 * 70 * 90))
    digests = digests_of(tmp_path)
    assert {digests.find((1, 0), row, col) for row, col in ((0, 0), (3, 8), (69, 89))} == {Unknown.NOT_MADE}
    assert misfit(Unknown.NOT_MADE, b"data") is not None


@pytest.mark.parametrize("content", [None, b"", b"LZTSUMS2", bytes(8 * 70 * 90 + 8)])
def test_a_table_that_is_none_is_missed(
    plane: Plane, tmp_path: Path, fresh_process: None, content: bytes | None
) -> None:
    plane.file.unlink()
    if content is not None:
        plane.file.write_bytes(content)
    assert digests_of(tmp_path).find((1, 0), 0, 0) is Unknown.NO_TABLE
    assert digests_of(tmp_path, lazy=True).find((1, 0), 0, 0) is Unknown.NOT_MADE


def test_a_changed_table_is_read_again_where_asked(plane: Plane, tmp_path: Path, fresh_process: None) -> None:
    digests = digests_of(tmp_path)
    before = digests.find((1, 0), 69, 89)
    changed = DIGESTS.copy()
    changed[69, 89] = 5, 6
    plane.file.write_bytes(encode_table(plane, changed))
    assert digests.find((1, 0), 69, 89) == before
    assert digests.find((1, 0), 69, 89, again=True) == (5, 6)
    digests.forget((1, 0))
    assert digests.find((1, 0), 69, 89) == (5, 6)


def test_tables_of_older_versions_are_read(plane: Plane, tmp_path: Path, fresh_process: None) -> None:
    plane.file.write_bytes(DIGESTS.astype("<u4").tobytes())
    digests = digests_of(tmp_path, checked=False)
    for row, col in ((0, 0), (3, 8), (69, 89)):
        found = digests.find((1, 0), row, col)
        assert found == (tuple(DIGESTS[row, col].tolist()) if DIGESTS[row, col, 0] else (0, 0))
    shards = np.ones((18, 23, 2), "<u4")
    shards[17, 22] = 0
    plane.file.write_bytes(shards.tobytes())
    digests = digests_of(tmp_path, checked=False, shard=4)
    digests.forget((1, 0))
    assert digests.find((1, 0), 0, 0) is Unknown.IN_SHARD
    assert digests.find((1, 0), 69, 89) == (0, 0)
    assert digests_of(tmp_path, checked=False).find((2, 0), 0, 0) is Unknown.UNCHECKED


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"sound", None),
        (None, "it is missing or empty, 5 bytes were written"),
        (b"", "it is missing or empty, 5 bytes were written"),
        (b"soun", "it has 4 bytes, 5 were written"),
        (b"Sound", "its checksum differs from the one recorded"),
    ],
)
def test_what_differs_is_told(data: bytes | None, reason: str | None) -> None:
    assert misfit(ChunkDigest.of(b"sound"), data) == reason
    assert misfit(ChunkDigest.of(b""), None) is None
    assert misfit(ChunkDigest.of(b""), b"x") == "this file should not exist"
