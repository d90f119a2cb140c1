"""Faults of a Dask cluster during conversions, exports and warm-up: the result is whole, or one line says why not."""

from __future__ import annotations

import contextlib
import filecmp
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
import pytest

from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.verification.verify import verify
from tests.faults.cluster import (
    HELD_WRITES,
    OTHER_NUMPY,
    SLOW_WRITES,
    Cluster,
    child_of,
    command,
    needs_blindness,
    stopped,
)
from tests.faults.server import here, wait_for
from tests.faults.stores import copy_store, write_source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STEPS = 8
MANY_TASKS = (
    sys.executable,
    "-c",
    (
        "from lazytile.pyramid.store import layout\n"
        "layout.TARGET_BLOCK_BYTES = 4 << 20\n"
        "from lazytile.service.cli.main import main\nif __name__ == '__main__': main()"
    ),
)
"""The command, which cuts a conversion into small tasks as one of a large file is."""


@dataclass(frozen=True)
class HalfBlind:
    """A cluster, one of whose two workers does not see any of these folders."""

    cluster: Cluster
    store: Path
    """An empty folder."""
    source: Path
    """A copy of the source."""
    sound_store: Path
    own_store: Path
    """A copy of the sound store, to be changed."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_source(tmp_path_factory.mktemp("source") / "source.nc", steps=STEPS)


@pytest.fixture(scope="module")
def whole(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The chunk files of an undisturbed conversion."""
    store = tmp_path_factory.mktemp("whole")
    convert(source, store, "field")
    return chunk_files(store)


def chunk_files(store: Path) -> dict[str, bytes]:
    folder = store / "field.zarr"
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("c/**/*") if file.is_file()}


RUNNING: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def _ended() -> Iterator[None]:
    """End what a failed test left running."""
    yield
    while RUNNING:
        running = RUNNING.pop()
        running.kill()
        running.wait()


def start_conversion(cluster: Cluster, source: Path, store: Path) -> subprocess.Popen[str]:
    arguments = ("convert", str(source), "--store", str(store), "--name", "field", "--engine", cluster.address)
    return started(arguments, log_of(store))


def log_of(store: Path) -> Path:
    """Return the file to which the last command about a store logs."""
    return store.with_name(f"{store.name}.log")


def started(arguments: tuple[str, ...], log: Path, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    with log.open("w") as errors:
        running = subprocess.Popen(
            [*MANY_TASKS, *arguments], stdout=subprocess.DEVNULL, stderr=errors, text=True, env=environment
        )
    RUNNING.append(running)
    return running


def outcome(running: subprocess.Popen[str], store: Path, limit_s: float = 300) -> tuple[int, list[str]]:
    """Return the exit code of a command about a store, and the lines of its log."""
    running.wait(limit_s)
    errors = log_of(store).read_text()
    assert "Traceback" not in errors, errors
    return running.returncode, [line for line in errors.splitlines() if line.strip() and "converting" not in line]


def wait_until_under_way(store: Path, chunks: int = 6) -> None:
    wait_for(lambda: sum(1 for _ in store.glob(".field.zarr.partial-*/*/*/c/*/*/*")) >= chunks)


@pytest.fixture(scope="module")
def half_blind(sound_store: Path, source: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HalfBlind]:
    """A cluster of a sound worker and one that does not see some folders, for tests that leave it as it is."""
    folder = tmp_path_factory.mktemp("half-blind")
    for name in ("cluster", "new", "source"):
        (folder / name).mkdir()
    found = HalfBlind(
        Cluster(folder / "cluster"),
        store=folder / "new",
        source=folder / "source" / source.name,
        sound_store=sound_store,
        own_store=copy_store(sound_store, folder / "own"),
    )
    shutil.copy2(source, found.source)
    hidden = (found.store, found.source.parent, found.sound_store, found.own_store)
    try:
        found.cluster.start_scheduler()
        found.cluster.start_worker("sound")
        # Its own empty folders of these names can be written to, as those on a local disk.
        found.cluster.start_worker("blind", hidden=hidden)
        found.cluster.wait_for_workers(2)
        yield found
    finally:
        found.cluster.end()


@needs_blindness
def test_a_worker_that_does_not_see_the_store(half_blind, source, whole, table_row):
    store, began = half_blind.store, time.monotonic()
    code, log = outcome(start_conversion(half_blind.cluster, source, store), store)
    check_one_left_out(store, code, log, whole)
    made = "mount namespace that hides the store"
    table_row("convert: Dask worker without the store", made, "a whole dataset", time.monotonic() - began)


@needs_blindness
def test_a_worker_without_the_store_that_joins_late(cluster, source, whole, tmp_path, table_row):
    store = tmp_path / "store"
    store.mkdir()
    go = tmp_path / "go"
    cluster.start_worker("sound", preload=HELD_WRITES.format(go=str(go)))
    began = time.monotonic()
    cluster.wait_for_workers(1)
    running = start_conversion(cluster, source, store)
    wait_until_under_way(store)
    cluster.start_worker("blind", hidden=(store,))
    wait_for(lambda: "is left out" in log_of(store).read_text())
    go.touch()
    code, log = outcome(running, store)
    check_one_left_out(store, code, log, whole)
    name, made = "convert: Dask worker without the store, joining late", "mount namespace that hides the store"
    table_row(name, made, "a whole dataset", time.monotonic() - began)


def check_one_left_out(store: Path, code: int, log: list[str], whole: dict[str, bytes]) -> None:
    assert code == 0, log
    assert len([line for line in log if "is left out" in line]) == 1, log
    assert chunk_files(store) == whole
    assert not list(store.glob("**/.lazytile-nonce-*"))


@needs_blindness
def test_a_worker_that_does_not_see_the_source(half_blind, whole, tmp_path, table_row):
    store = tmp_path / "store"
    code, log = outcome(start_conversion(half_blind.cluster, half_blind.source, store), store)
    assert code == 0, log
    assert any("is left out" in line and "does not see" in line for line in log), log
    assert chunk_files(store) == whole
    table_row("convert: Dask worker without the source", "mount namespace", "a whole dataset", None)


@needs_blindness
def test_no_worker_sees_the_store(cluster, source, tmp_path, table_row):
    store = tmp_path / "store"
    store.mkdir()
    cluster.start_worker("blind", hidden=(store,))
    cluster.wait_for_workers(1)
    code, log = outcome(start_conversion(cluster, source, store), store)
    assert code == 2
    assert log[-1].startswith("lazytile: no worker of tcp://"), log
    assert "does not see the folder" in log[-1]
    assert not (store / "field.zarr").exists()
    table_row("convert: no Dask worker sees the store", "mount namespace", "one line, exit 2", None)


def test_a_worker_of_another_version(cluster, source, whole, tmp_path, table_row):
    store = tmp_path / "store"
    cluster.start_worker("sound")
    cluster.start_worker("other", preload=OTHER_NUMPY)
    cluster.wait_for_workers(2)
    code, log = outcome(start_conversion(cluster, source, store), store)
    assert code == 0, log
    assert any("has numpy 1.0.0, this process has" in line for line in log), log
    assert chunk_files(store) == whole
    table_row("convert: Dask worker of another version", "its NumPy says 1.0.0", "a whole dataset", None)


@pytest.mark.parametrize("victim", ["worker", "nanny"])
def test_a_killed_worker(cluster, source, whole, tmp_path, table_row, victim):
    store = tmp_path / "store"
    nanny = cluster.start_worker("one", nanny=True, preload=SLOW_WRITES)
    cluster.start_worker("two", preload=SLOW_WRITES)
    cluster.wait_for_workers(2)
    running = start_conversion(cluster, source, store)
    wait_until_under_way(store)
    os.kill(child_of(nanny) if victim == "worker" else nanny.pid, signal.SIGKILL)
    code, log = outcome(running, store)
    assert code == 0, log
    assert chunk_files(store) == whole
    table_row(f"convert: {victim} killed", "kill -9 of one of two", "a whole dataset", None)


def test_a_lost_scheduler_and_another_run(cluster, source, whole, tmp_path, table_row):
    store = tmp_path / "store"
    cluster.start_worker("one", preload=SLOW_WRITES)
    cluster.wait_for_workers(1)
    running = start_conversion(cluster, source, store)
    wait_until_under_way(store)
    wait_for(lambda: any(file.stat().st_size for file in store.glob(".field.zarr.partial-*/.journal")))
    killed = time.monotonic()
    cluster.kill_scheduler()
    code, log = outcome(running, store)
    ended_s = time.monotonic() - killed
    assert code == 2
    assert len(log) == 1, log
    assert "the connection to the Dask scheduler of" in log[0]
    (partial,) = store.glob(".field.zarr.partial-*")
    done = len((partial / ".journal").read_text().splitlines())
    assert done
    before = {file: file.stat().st_mtime_ns for file in partial.glob("*/*/c/*/*/*")}
    cluster.start_scheduler()
    cluster.start_worker("new")
    cluster.wait_for_workers(1)
    code, log = outcome(start_conversion(cluster, source, store), store)
    assert code == 0, log
    assert chunk_files(store) == whole
    kept = [
        file
        for file, at in before.items()
        if (store / "field.zarr" / file.relative_to(partial)).stat().st_mtime_ns == at
    ]
    assert kept  # work of the first run, not done again
    table_row("convert: scheduler killed", "kill -9, then another run", "one line, exit 2; the rerun resumes", ended_s)


@pytest.mark.slow
def test_a_stopped_worker_of_a_local_cluster(source, whole, tmp_path, table_row):
    """Its nanny restarts it after a minute without a heartbeat."""
    store = tmp_path / "store"
    arguments = (
        "convert",
        str(source),
        "--store",
        str(store),
        "--name",
        "field",
        "--engine",
        "local",
        "--workers",
        "2",
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", "")))}
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, threading, time\n"
        "def patch():\n    import time\n"
        "    while 'lazytile.pyramid.store.chunk_file' not in sys.modules: time.sleep(0.01)\n"
        "    time.sleep(0.2)\n"
        + "\n".join("    " + line for line in SLOW_WRITES.strip().splitlines())
        + "\nthreading.Thread(target=patch, daemon=True).start()\n"
    )
    running = started(arguments, log_of(store), environment)
    wait_until_under_way(store)
    workers = [
        each
        for each in psutil.Process(running.pid).children(recursive=True)
        if "resource_tracker" not in " ".join(each.cmdline())
    ]
    began = time.monotonic()
    with stopped(workers[0].pid):
        code, log = outcome(running, store)
    assert code == 0, log
    assert chunk_files(store) == whole
    made = "`SIGSTOP`; its nanny restarts it after one or two minutes"
    table_row("convert: worker of --engine local stopped", made, "a whole dataset", time.monotonic() - began)


def check_who_is_left_out(engine: str, *arguments: str) -> None:
    """Run a command, which must succeed, and name a worker on a cluster only."""
    if engine == "threads":
        assert here(*arguments, "--engine", engine) == 0
        return
    ended = command(*arguments, "--engine", engine)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "is left out" in ended.stderr, (arguments, ended.stderr)


def archives(folder: Path) -> dict[str, list[tuple[int, int, int, bytes]]]:
    """The tiles of each MBTiles archive of a folder."""
    found = {}
    for file in folder.glob("*.mbtiles"):
        with contextlib.closing(sqlite3.connect(file)) as archive:
            query = "SELECT zoom_level, tile_column, tile_row, tile_data FROM tiles ORDER BY 1, 2, 3"
            found[file.name] = archive.execute(query).fetchall()
    return found


@needs_blindness
def test_other_bulk_work_without_a_blind_worker(half_blind, tmp_path, table_row):
    """Export, MRF, verification and warm-up name the blind worker and give what threads give."""
    store = ("--store", str(half_blind.sound_store))
    for engine in ("threads", half_blind.cluster.address):
        out = tmp_path / engine.partition(":")[0]
        for arguments in (
            ("mrf", "files", str(out / "mrf"), *store),
            ("verify", "files", *store),
            ("export", "files", str(out / "export"), "--to", "mbtiles", *store),
            ("warm", "files", "--zoom", "0-1", *store, "--cache", str(out / "cache")),
        ):
            check_who_is_left_out(engine, *arguments)
    made = filecmp.dircmp(tmp_path / "threads" / "mrf", tmp_path / "tcp" / "mrf")
    assert made.same_files
    assert not made.diff_files
    assert not made.left_only
    assert not made.right_only
    by_threads, by_cluster = (archives(tmp_path / engine / "export") for engine in ("threads", "tcp"))
    assert by_threads == by_cluster
    assert sum(map(len, by_threads.values())) > 100
    table_row("mrf, export, verify, warm: Dask worker without the store", "mount namespace", "what threads give", None)


@needs_blindness
def test_an_append_without_a_blind_worker(half_blind, tmp_path, table_row):
    """The steps are those that threads append; the blind worker is named and changes nothing."""
    store, by_threads = half_blind.own_store, copy_store(half_blind.sound_store, tmp_path / "threads")
    source = write_source(tmp_path / "new.nc", seed=4)
    chunks = []
    for folder, engine in ((by_threads, "threads"), (store, half_blind.cluster.address)):
        check_who_is_left_out(engine, "append", str(source), "files", "--replace-steps", "--store", str(folder))
        dataset = folder / "files.zarr"
        chunks.append({str(each.relative_to(dataset)): each.read_bytes() for each in dataset.glob("*/t/c/*/*/*")})
        assert verify(folder, "files").problems == ()
    assert chunks[0] == chunks[1]
    assert len(chunks[0]) > 20
    table_row("append: Dask worker without the store", "mount namespace", "what threads append", None)
