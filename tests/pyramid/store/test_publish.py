"""Publishing a dataset: at any moment the old one or the new one is there."""

from __future__ import annotations

import ctypes
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import zarr

from lazytile.pyramid.core.errors import SourceError, StoreError
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.store import publish
from lazytile.pyramid.store.publish import staged
from tests.pyramid.netcdf import centres, write_grid


def constant(path: Path, code: int, rows: int = 700) -> Path:
    codes = np.full((rows, 900), code, "int16")
    return write_grid(path, codes, centres(0, 0.03, rows), centres(0, 0.1, 900), chunks=(100, 100), fill=-1)


def content(store: Path, name: str = "d") -> set[int]:
    """Return the codes of all levels."""
    group = zarr.open_group(store / f"{name}.zarr", mode="r")
    return {int(code) for level in range(3) for code in np.unique(group[f"{level}/t"][...])}


def hidden(store: Path) -> list[str]:
    return sorted(path.name for path in store.iterdir() if path.name.startswith("."))


def test_a_rerun_replaces_and_leaves_nothing(tmp_path: Path) -> None:
    first = convert(constant(tmp_path / "a.nc", 1), tmp_path / "s", "d")
    second = convert(constant(tmp_path / "b.nc", 2), tmp_path / "s", "d")
    assert content(tmp_path / "s") == {2}
    assert first.generation != second.generation
    assert hidden(tmp_path / "s") == []


def test_a_failed_run_leaves_the_old_one(tmp_path: Path) -> None:
    store = tmp_path / "s"
    convert(constant(tmp_path / "a.nc", 1), store, "d")
    damaged = constant(tmp_path / "b.nc", 2)
    data = bytearray(damaged.read_bytes())
    data[len(data) // 3 : len(data) // 3 + 3000] = b"\xff" * 3000
    damaged.write_bytes(data)
    with pytest.raises(SourceError):
        convert(damaged, store, "d")
    assert content(store) == {1}
    assert hidden(store) == []


@pytest.mark.parametrize("old", [True, False])
def test_without_exchange_the_old_one_is_moved_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: bool
) -> None:
    monkeypatch.setattr(publish, "exchange", lambda first, second: False)
    if old:
        convert(constant(tmp_path / "a.nc", 1), tmp_path / "s", "d")
    convert(constant(tmp_path / "b.nc", 2), tmp_path / "s", "d")
    assert content(tmp_path / "s") == {2}
    assert hidden(tmp_path / "s") == []


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="/proc names the file of a descriptor")
@pytest.mark.parametrize(("old", "exchanges"), [(False, True), (True, True), (True, False)])
def test_everything_is_on_disk_before_the_name_leads_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: bool, exchanges: bool
) -> None:
    """A power failure after the rename must not leave empty files under the name."""
    store = tmp_path / "s"
    if old:
        convert(constant(tmp_path / "a.nc", 1), store, "d")
    calls: list[tuple[str, str]] = []
    real_cdll, real_exchange, real_rename, real_fsync = ctypes.CDLL, publish.exchange, Path.rename, os.fsync

    def library(*arguments: object, **options: object) -> object:
        real = real_cdll(*arguments, **options)
        syncfs = real.syncfs

        def record(descriptor: int) -> int:
            calls.append(("flush", Path(f"/proc/self/fd/{descriptor}").readlink().name))
            return int(syncfs(descriptor))

        real.syncfs = record
        return real

    def exchange(first: Path, second: Path) -> bool:
        done = exchanges and real_exchange(first, second)
        if done:
            calls.append(("rename", first.name))
        return done

    def rename(path: Path, target: Path) -> Path:
        calls.append(("rename", path.name))
        return real_rename(path, target)

    def fsync(descriptor: int) -> None:
        calls.append(("fsync", Path(f"/proc/self/fd/{descriptor}").readlink().name))
        real_fsync(descriptor)

    with staged(store, "d") as staging:
        partial = staging.folder
        (partial / "zarr.json").write_text('{"attributes": {"lazytile": {}}}')
        monkeypatch.setattr(publish.ctypes, "CDLL", library)
        monkeypatch.setattr(publish, "exchange", exchange)
        monkeypatch.setattr(Path, "rename", rename)
        monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.undo()
    aside = [("rename", "d.zarr")] if old and not exchanges else []
    assert calls == [("flush", partial.name), *aside, ("rename", partial.name), ("fsync", "s")]


def test_a_run_that_died_between_two_renames_is_put_right(tmp_path: Path) -> None:
    store = tmp_path / "s"
    convert(constant(tmp_path / "a.nc", 1), store, "d")
    (store / "d.zarr").rename(store / ".d.zarr.old-1234")
    (store / ".d.zarr.partial-abcd").mkdir()

    class StopError(Exception):
        pass

    def fail() -> None:
        with staged(store, "d"):
            assert content(store) == {1}
            raise StopError

    with pytest.raises(StopError):
        fail()
    assert content(store) == {1}
    assert hidden(store) == []


def test_a_second_writer_is_refused_and_the_first_continues(tmp_path: Path) -> None:
    with staged(tmp_path, "d") as staging:
        (staging.folder / "zarr.json").write_text("{}")
        with pytest.raises(StoreError, match=f"process {os.getpid()} is writing dataset d"), staged(tmp_path, "d"):
            pass
        with staged(tmp_path, "e") as other:
            (other.folder / "zarr.json").write_text("{}")
    assert (tmp_path / "d.zarr" / "zarr.json").exists()
    assert (tmp_path / "e.zarr" / "zarr.json").exists()


def test_a_target_that_is_no_folder_is_kept(tmp_path: Path) -> None:
    (tmp_path / "d.zarr").write_text("mine")
    with pytest.raises(StoreError, match="is not a folder"), staged(tmp_path, "d"):
        pass
    assert (tmp_path / "d.zarr").read_text() == "mine"


@pytest.mark.parametrize("text", ['{"zarr_format": 3, "node_type": "group", "attributes": {}}', "{", None])
def test_a_folder_that_is_no_dataset_is_kept(tmp_path: Path, text: str | None) -> None:
    """A foreign Zarr group has the same suffix, and may be the source of the conversion."""
    (tmp_path / "d.zarr").mkdir()
    (tmp_path / "d.zarr" / "mine").write_text("mine")
    if text is not None:
        (tmp_path / "d.zarr" / "zarr.json").write_text(text)
    with pytest.raises(StoreError, match="is no dataset of lazytile and would be lost"), staged(tmp_path, "d"):
        pass
    assert (tmp_path / "d.zarr" / "mine").read_text() == "mine"


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "d.zarr").mkdir()
    with staged(tmp_path, "d") as staging:
        (staging.folder / "zarr.json").write_text("{}")
    assert (tmp_path / "d.zarr" / "zarr.json").exists()


def test_a_removed_dataset_loses_its_metadata_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By that a reader of a missing chunk distinguishes fill from a removed dataset."""
    convert(constant(tmp_path / "a.nc", 1), tmp_path / "s", "d")
    held = os.open(tmp_path / "s" / "d.zarr", os.O_RDONLY | os.O_DIRECTORY)
    states = []

    def look(folder: Path) -> None:
        chunk = Path(f"/proc/self/fd/{held}/0/t/c/0/0").exists()
        states.append((Path(f"/proc/self/fd/{held}/zarr.json").exists(), chunk))

    monkeypatch.setattr(publish.shutil, "rmtree", look)
    convert(constant(tmp_path / "b.nc", 2), tmp_path / "s", "d")
    os.close(held)
    assert states[0] == (False, True)


def test_readers_see_one_generation_at_a_time(tmp_path: Path) -> None:
    """A reader that holds the folder, not its name, reads the old data until they are removed."""
    store = tmp_path / "s"
    sources = [constant(tmp_path / f"{code}.nc", code, 300) for code in (1, 2)]
    generations = {}
    generations[convert(sources[0], store, "d").generation] = 1
    stop = threading.Event()
    seen: list[tuple[str, int]] = []

    def read() -> None:
        while not stop.is_set():
            held = os.open(store / "d.zarr", os.O_RDONLY | os.O_DIRECTORY)
            try:
                folder = Path(f"/proc/self/fd/{held}")
                document = json.loads((folder / "zarr.json").read_text())
                code = int(zarr.open_array(folder / "2" / "t", mode="r")[...].min())
                if (folder / "zarr.json").exists():
                    seen.append((document["attributes"]["lazytile"]["generation"], code))
            except (OSError, KeyError, ValueError):
                pass  # removed meanwhile
            finally:
                os.close(held)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for turn in range(6):
            code = turn % 2 + 1
            generations[convert(sources[code - 1], store, "d").generation] = code
    finally:
        stop.set()
        reader.join()
    assert seen
    assert all(generations[generation] == code for generation, code in seen)


PROGRAM = """
import sys
from lazytile.pyramid.ingest.convert import convert
convert(sys.argv[1], sys.argv[2], "d")
"""


def test_kill_at_any_moment_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    store = tmp_path / "s"
    sources = [constant(tmp_path / f"{code}.nc", code, 2000) for code in (1, 2)]
    convert(sources[0], store, "d")
    root = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-c", PROGRAM, str(sources[1]), str(store)]
    started = time.monotonic()
    subprocess.run(command, cwd=root, check=True)
    whole_s = time.monotonic() - started
    convert(sources[0], store, "d")
    chance = random.Random(5)
    killed = 0
    for turn in range(6):
        process = subprocess.Popen(command, cwd=root)
        # Most of the time is start-up; look for the moment at which work begins, then wait some of the rest.
        while process.poll() is None and not any("partial" in name for name in hidden(store)):
            time.sleep(0.001)
        time.sleep(chance.uniform(0, whole_s / 8 * (turn + 1) / 6))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        assert content(store) in ({1}, {2})
        convert(sources[0], store, "d")
        assert content(store) == {1}
        assert hidden(store) == []
    assert killed, "no run was killed before its end"


def interrupt(folder: Path, work: str, error: Exception, *, has_journal: bool = True) -> None:
    with staged(folder, "d", work) as staging:
        if has_journal:
            (staging.folder / ".journal").write_text("done\n")
        raise error


@pytest.mark.parametrize(
    ("work", "code", "is_kept"), [("w", 28, True), ("w", 122, True), ("w", 5, False), ("", 28, False)]
)
def test_what_a_full_disk_interrupts_is_kept_for_the_same_work(
    tmp_path: Path, work: str, code: int, is_kept: bool
) -> None:
    with pytest.raises(StoreError, match="cannot be written") as raised:
        interrupt(tmp_path, work, OSError(code, "why"))
    assert ("repeat the command" in str(raised.value)) == is_kept
    assert [path.name for path in tmp_path.iterdir()] == ([".d.zarr.partial-w"] if is_kept else [])


def test_what_a_full_disk_interrupts_before_there_is_a_journal_is_removed(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        interrupt(tmp_path, "w", OSError(28, "why"), has_journal=False)
    assert list(tmp_path.iterdir()) == []
