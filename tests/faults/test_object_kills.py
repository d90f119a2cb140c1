"""kill -9 of a conversion and of an append to object storage: the old dataset or the new one, and a rerun goes on."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget
from lazytile.pyramid.ingest.append import append
from lazytile.pyramid.ingest.convert import Storage, convert
from lazytile.pyramid.storage.object_path import ObjectPath, location
from lazytile.pyramid.storage.staging import staging_folder
from lazytile.pyramid.store.codec import Codec
from lazytile.pyramid.store.store import Store
from lazytile.pyramid.verification.verify import verify
from tests.faults.forked import ForkServer, fork_server
from tests.faults.server import Comparison
from tests.pyramid.ingest.test_time_shards import source
from tests.s3 import BUCKET, S3Server, s3_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KINDS: dict[str, dict[str, Any]] = {
    "plain": {"shard_steps": 0},
    "packed along time": {"shard_steps": 3},
    "packed along time, in squares": {"shard": 2, "shard_steps": 3},
    "lazy overviews": {"lazy": True},
}
MOMENTS = 10
FIRST, LATER = range(5), range(5, 7)
"""Steps that are converted, and appended: they share a shard."""


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    """Run an S3 server."""
    with s3_server() as server:
        yield server


@pytest.fixture(scope="module")
def forks(s3: S3Server) -> Iterator[ForkServer]:
    """Run a server of forks, which uses the S3 server."""
    with fork_server() as server:
        yield server


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the sources."""
    folder = tmp_path_factory.mktemp("sources")
    return {"convert": source(folder / "a.nc", FIRST), "append": source(folder / "b.nc", LATER)}


@pytest.fixture(scope="module")
def states(files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bytes]]:
    """Return the codes of level 0 after each command, from a folder."""
    store = tmp_path_factory.mktemp("local")
    convert(files["convert"], store, "d", storage=Storage(Codec("zstd", 1), shard_steps=0))
    found = {"convert": codes_of(store)}
    append(files["append"], store, "d")
    return {**found, "append": codes_of(store)}


def codes_of(store: str | Path) -> list[bytes]:
    """Return the codes of both levels past every cache."""
    process.install(CacheBudget.renderer(64 << 20))
    opened = Store(location(store)).dataset("d")
    steps = len(opened.description.variables[0].dimensions[0].labels)
    return [
        opened.chunk(level, "t", (step,), row, col).tobytes()
        for level, rows, cols in ((0, 2, 2), (1, 1, 1))
        for step in range(steps)
        for row, col in np.ndindex(rows, cols)
    ]


class Requests:
    """Counts the requests of one process, and kills it before the answer to one of them."""

    def __init__(self, at: int | None) -> None:
        self.count = 0
        self._at = at
        self._pid = 0
        self._is_known = threading.Event()
        self._lock = threading.Lock()

    def take(self, _: str, __: str) -> None:
        with self._lock:
            self.count += 1
            is_moment = self.count == self._at
        if is_moment:
            assert self._is_known.wait(60)
            os.kill(self._pid, signal.SIGKILL)

    def of(self, pid: int) -> None:
        self._pid = pid
        self._is_known.set()


def run(s3: S3Server, forks: ForkServer, task: dict[str, Any], at: int | None = None) -> tuple[int, int]:
    """Run a task, killed at one of its requests; return its exit code and how many requests it made."""
    requests = Requests(at)
    s3.on_request = requests.take
    try:
        requests.of(forks.start(task))
        code = forks.wait()
    finally:
        s3.on_request = None
    assert code in (0, -signal.SIGKILL)
    return code, requests.count


def tasks(files: dict[str, Path], kind: str, store: str, staging: Path) -> dict[str, dict[str, Any]]:
    environment = {"LAZYTILE_STORAGE_STAGING": str(staging)}
    return {
        command: {
            "command": command,
            "file": str(files[command]),
            "store": store,
            "storage": KINDS[kind],
            "environment": environment,
        }
        for command in files
    }


@pytest.fixture(scope="module")
def totals() -> dict[tuple[str, str], int]:
    """Return how many requests each command makes that nobody kills, by kind and command; filled as needed."""
    return {}


@dataclass
class Seen:
    """What the kills of one kind of storage came to."""

    chunks: Comparison = field(default_factory=Comparison)
    """Each chunk that was read after a kill or a rerun."""
    rerun_s: float = 0.0
    """The longest rerun."""
    moments: int = 0


@pytest.fixture(scope="module")
def seen_of() -> dict[str, Seen]:
    """Return what was seen, by kind of storage."""
    return {kind: Seen() for kind in KINDS}


@pytest.mark.parametrize(
    ("kind", "moment"),
    [
        pytest.param(kind, moment, marks=[] if moment == 4 else pytest.mark.slow, id=f"{kind}-{moment}")
        for kind in KINDS
        for moment in range(MOMENTS)
    ],
)
def test_a_kill_leaves_the_old_dataset_or_the_new_one(
    s3: S3Server,
    forks: ForkServer,
    files: dict[str, Path],
    states: dict[str, list[bytes]],
    totals: dict[tuple[str, str], int],
    seen_of: dict[str, Seen],
    table_row: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    moment: int,
) -> None:
    monkeypatch.setenv("LAZYTILE_STORAGE_STAGING", str(tmp_path / "staging"))
    s3.behave()
    before = process.current()
    record = seen_of[kind]
    place = f"s3://{BUCKET}/{kind.replace(' ', '-').replace(',', '')}-{moment}"
    try:
        if (kind, "append") not in totals:
            for command, task in tasks(files, kind, f"{place}-whole", tmp_path / "whole").items():
                code, totals[kind, command] = run(s3, forks, task)
                assert code == 0
                codes_of(f"{place}-whole")  # as below: an append copies the overviews that readers have made
        possible: list[list[bytes]] = []
        for command, task in tasks(files, kind, place, tmp_path / "staging").items():
            at = 1 + moment * (totals[kind, command] - 1) // (MOMENTS - 1)
            code, _ = run(s3, forks, task, at)
            root = location(place)
            assert isinstance(root, ObjectPath)
            possible.append(states[command])
            if Store(root).names():
                found = codes_of(place)
                assert found in possible
                record.chunks.right += [command] * len(found)
                assert verify(place, "d").problems == ()
                is_published = found == states[command]
            else:
                assert command == "convert"
                is_published = False
            if not is_published:
                assert code == -signal.SIGKILL
                began = time.monotonic()
                code, again = run(s3, forks, task)
                assert code == 0
                record.rerun_s = max(record.rerun_s, time.monotonic() - began)
                # What the killed run has written is not written again; reading the journal and listing is more work.
                assert again <= totals[kind, command] + 8
            assert codes_of(place) == states[command]
            record.chunks.right += [command] * len(states[command])
            assert verify(place, "d").problems == ()
            assert_nothing_is_left(root)
        record.moments += 1
        if record.moments == MOMENTS:
            table_row(
                f"convert and append to S3 killed, {kind}",
                f"SIGKILL at {MOMENTS} moments, from the first request to the last",
                "the old dataset or the new one",
                record.rerun_s,
                record.chunks,
            )
    finally:
        process.reinstall(before)


def assert_nothing_is_left(root: ObjectPath) -> None:
    """Check that the bucket holds no pieces of shards, and the staging folder no chunks."""
    assert not [each.key for each in root.storage.list(root.key) if "/parts/" in each.key]
    folder = staging_folder(root)
    assert not [each for each in folder.rglob("*") if each.is_file() and {"t", "c"} <= set(each.parts)]
