"""A conversion whose chunks were lost on the way is not published, and says which one is missing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.ingest import build, manifest
from lazytile.pyramid.ingest.append import append
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.store.store import Store
from tests.faults.stores import STORAGES, write_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazytile.pyramid.ingest.build_task import Task, TaskResult


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "_PAUSE_S", 0.0)


def lose(monkeypatch: pytest.MonkeyPatch, harm: Callable[[Path], None]) -> None:
    """Have one chunk of level 0 harmed after each task, as by a worker with a file system of its own."""
    real = build.run_task

    def run(task: Task) -> TaskResult:
        result = real(task)
        level, index, _ = next(each for each in result.digests if each[0] == 0 and each[2].size)
        pieces = task.job.shards[level]
        if pieces is None:
            harm(task.job.folders[level].file(index))
        else:
            (piece,) = pieces.pieces(pieces.shards.shape.locate(index[:-2], index[-2], index[-1])[0])
            harm(Path(piece))
        return result

    monkeypatch.setattr(build, "run_task", run)


@pytest.mark.parametrize("name", ["files", "lazy"])
def test_a_lost_chunk_is_named_and_nothing_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    source = write_source(tmp_path / "in.nc")
    lose(monkeypatch, lambda path: path.unlink())
    with pytest.raises(StoreError, match=r"dataset d is not published: .*/0/t/c/0/0/0 is missing, [0-9]+ bytes"):
        convert(source, tmp_path / "store", "d", storage=STORAGES[name])
    assert Store(tmp_path / "store").names() == []


def test_a_short_chunk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_source(tmp_path / "in.nc")
    lose(monkeypatch, lambda path: path.write_bytes(b"short"))
    with pytest.raises(StoreError, match=r"0/0/0 has 5 bytes, [0-9]+ bytes were written; a worker"):
        convert(source, tmp_path / "store", "d")


def test_a_lost_part_of_a_shard_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_source(tmp_path / "in.nc")
    lose(monkeypatch, lambda path: path.unlink())
    with pytest.raises(StoreError, match=r"chunk 0/0\.0 of t at level 0 is damaged: it is missing"):
        convert(source, tmp_path / "store", "d", storage=STORAGES["shards"])


def test_an_append_with_a_lost_chunk_leaves_the_dataset_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_source(tmp_path / "in.nc")
    before = convert(source, tmp_path / "store", "d")
    lose(monkeypatch, lambda path: path.unlink())
    with pytest.raises(StoreError, match="is not published"):
        append(source, tmp_path / "store", "d", replace_steps=True)
    assert Store(tmp_path / "store").dataset("d").description == before
