"""Kills at any moment leave the old state or the new one; a rerun resumes, and the result verifies."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr

from lazytile.pyramid.engines.threads import ThreadsBulkEngine
from lazytile.pyramid.ingest.convert import Storage, convert
from lazytile.pyramid.store.store import Store
from lazytile.pyramid.verification.verify import verify
from tests.pyramid.netcdf import TIME, centres, write_grid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

ROOT = Path(__file__).resolve().parents[3]
ROWS, COLS = 1500, 1400


def source(path: Path, *times: int) -> Path:
    codes = np.stack([np.random.default_rng(step).integers(0, 9000, (ROWS, COLS)) for step in times]).astype("int16")
    options: dict[str, Any] = {"leading": {"time": (list(times), TIME)}, "fill": -1, "chunks": (1, 300, 700)}
    return write_grid(path, codes, centres(75, -0.1, ROWS), centres(0, 0.1, COLS), **options)


class KillError(BaseException):
    """Like a kill: nothing cleans up."""


class Dying(ThreadsBulkEngine):
    """An engine that dies after some tasks."""

    def __init__(self, tasks: int) -> None:
        super().__init__(1)
        self.left = tasks
        self.done = 0

    def map(
        self, function: Callable[[Any], Any], items: Iterable[Any], *, label: str, places: Any = None
    ) -> Iterator[Any]:
        for result in super().map(function, items, label=label):
            if self.done == self.left:
                raise KillError
            self.done += 1
            yield result


def convert_dying(path: Path, store: Path, after: int, **options: Any) -> None:
    with pytest.raises(KillError):
        convert(path, store, "d", engine=Dying(after), **options)


@pytest.mark.parametrize("storage", [Storage(), Storage(shard=2)], ids=["usual", "sharded"])
def test_a_rerun_does_only_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage: Storage) -> None:
    path = source(tmp_path / "in.nc", 0, 1, 2)
    # The work is cut into many small tasks.
    monkeypatch.setattr("lazytile.pyramid.store.layout.TARGET_BLOCK_BYTES", 1 << 20)
    monkeypatch.setattr("lazytile.pyramid.store.layout._PREFERRED_ROWS", 256)
    whole = convert(path, tmp_path / "w", "d", storage=storage, engine=(everything := Dying(10**6)))
    convert_dying(path, tmp_path / "s", 5, storage=storage)
    assert not (tmp_path / "s/d.zarr").exists()
    resumed = convert(path, tmp_path / "s", "d", storage=storage, engine=(rest := Dying(10**6)))
    assert rest.done == everything.done - 5
    assert resumed.variables == whole.variables
    assert verify(tmp_path / "s", "d").problems == ()
    for level in range(resumed.levels):
        ours, theirs = (zarr.open_group(tmp_path / each / "d.zarr", mode="r")[f"{level}/t"][...] for each in ("s", "w"))
        np.testing.assert_array_equal(ours, theirs)
    assert [each.name for each in (tmp_path / "s").iterdir()] == ["d.zarr"]


def test_work_that_a_power_failure_lost_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = source(tmp_path / "in.nc", 0, 1, 2)
    monkeypatch.setattr("lazytile.pyramid.store.layout.TARGET_BLOCK_BYTES", 1 << 20)
    convert_dying(path, tmp_path / "s", 4)
    (partial,) = (tmp_path / "s").glob(".d.zarr.partial-*")
    chunk = next(each for each in sorted((partial / "0/t/c").rglob("*")) if each.is_file())
    chunk.write_bytes(b"")
    journal = partial / ".journal"
    journal.write_bytes(journal.read_bytes() + b'{"task": "torn')
    convert(path, tmp_path / "s", "d")
    assert verify(tmp_path / "s", "d").problems == ()


@pytest.mark.parametrize("change", ["source", "options"])
def test_other_work_starts_afresh(tmp_path: Path, change: str) -> None:
    path = source(tmp_path / "in.nc", 0, 1)
    convert_dying(path, tmp_path / "s", 1)
    if change == "source":
        path.unlink()
        source(path, 3, 4)
    title = "another" if change == "options" else None
    convert(path, tmp_path / "s", "d", title=title, engine=(resumed := Dying(10**6)))
    convert(path, tmp_path / "w", "d", title=title, engine=(everything := Dying(10**6)))
    assert resumed.done == everything.done
    assert verify(tmp_path / "s", "d").problems == ()


CONVERT = """
import sys
from lazytile.pyramid.ingest.convert import convert
convert(sys.argv[1], sys.argv[2], "d")
"""
APPEND = """
import sys
from lazytile.pyramid.ingest.append import append
append(sys.argv[1], sys.argv[2], "d")
"""


MOMENTS = 10
"""Kills of each program; the seeds are fixed, the moments depend on the machine."""


def kill_at_random(command: list[str], store: Path, chance: random.Random, work_s: float) -> bool:
    """Start a program, kill it some time after it has begun to work, and return whether it was still running."""
    process = subprocess.Popen(command, cwd=ROOT)
    while process.poll() is None and not any("partial" in path.name for path in store.iterdir()):
        time.sleep(0.0005)
    time.sleep(chance.uniform(0, work_s))
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def timed(function: Callable[[], object]) -> float:
    began = time.monotonic()
    function()
    return time.monotonic() - began


def test_convert_killed_at_random_moments(tmp_path: Path) -> None:
    store = tmp_path / "s"
    old, new = source(tmp_path / "old.nc", 7), source(tmp_path / "new.nc", 0, 1, 2, 3)
    before = convert(old, store, "d")
    work_s = timed(lambda: convert(new, tmp_path / "w", "d"))
    wanted = zarr.open_group(tmp_path / "w/d.zarr", mode="r")
    chance, killed = random.Random(11), 0
    for _ in range(MOMENTS):
        killed += kill_at_random([sys.executable, "-c", CONVERT, str(new), str(store)], store, chance, work_s)
        if Store(store).dataset("d").description.generation == before.generation:
            assert verify(store, "d").problems == ()
        convert(new, store, "d")
        assert verify(store, "d").problems == ()
        np.testing.assert_array_equal(zarr.open_group(store / "d.zarr", mode="r")["2/t"][...], wanted["2/t"][...])
        before = convert(old, store, "d")
        assert [path.name for path in store.iterdir()] == ["d.zarr"]
    assert killed, "no run was killed before its end"


def test_append_killed_at_random_moments(tmp_path: Path) -> None:
    store = tmp_path / "s"
    first, second = source(tmp_path / "a.nc", 0, 1), source(tmp_path / "b.nc", 2, 3, 4)
    convert(first, tmp_path / "base", "d")
    shutil.copytree(tmp_path / "base", tmp_path / "timing")
    command = [sys.executable, "-c", APPEND, str(second)]
    subprocess.run([*command, str(tmp_path / "timing")], cwd=ROOT, check=True)
    chance, killed = random.Random(12), 0
    for _ in range(MOMENTS):
        shutil.rmtree(store, ignore_errors=True)
        shutil.copytree(tmp_path / "base", store)
        killed += kill_at_random([*command, str(store)], store, chance, 0.5)
        labels = Store(store).dataset("d").description.variables[0].time.labels
        assert len(labels) in (2, 5)
        assert verify(store, "d").problems == ()
        if len(labels) == 2:
            from lazytile.pyramid.ingest.append import append

            append(second, store, "d")
        assert verify(store, "d").problems == ()
        stored = zarr.open_group(store / "d.zarr", mode="r")["0/t"]
        assert stored.shape[0] == 5
        # Killed between the exchange and the clearing up, the new state stands and the old one waits, hidden, for the
        # next run of this name to clear it away; after a run that was not needed there is none.
        seen = [path.name for path in store.iterdir() if len(labels) == 2 or not path.name.startswith(".d.zarr.")]
        assert seen == ["d.zarr"]
    assert killed, "no run was killed before its end"


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
from lazytile.service.cli import main as cli
sys.exit(cli.run(sys.argv[1:]))
"""


def test_a_file_that_cannot_grow_is_one_clear_line(tmp_path: Path) -> None:
    store = tmp_path / "s"
    before = convert(source(tmp_path / "a.nc", 0), store, "d")
    for words in (
        ["convert", "--overwrite", "--name", "d", str(source(tmp_path / "b.nc", 1))],
        ["append", str(tmp_path / "b.nc"), "d"],
    ):
        arguments = [*words, "--store", str(store), "--engine", "threads"]
        ended = subprocess.run(
            [sys.executable, "-c", LIMITED, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 2
        assert ended.stderr.startswith("lazytile: ")
        assert ended.stderr.count("\n") == 1
        assert os.strerror(errno.EFBIG) in ended.stderr
        assert Store(store).dataset("d").description == before
        assert [path.name for path in store.iterdir()] == ["d.zarr"]
    assert verify(store, "d").problems == ()


FULL = """
set -e
mount -t tmpfs -o size=9m none "$1"
cp -r "$2"/d.zarr "$1"/
"$3" -m lazytile.service convert "$4" --overwrite --name d --store "$1" --engine threads && echo "it fitted"
echo "code $?"
"$3" -m lazytile.service verify d --store "$1" --engine threads
ls -A "$1"
"""


def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a small file system")
    convert(source(tmp_path / "a.nc", 0), tmp_path / "s", "d")
    new = source(tmp_path / "b.nc", 1, 2, 3)
    mount = tmp_path / "mount"
    mount.mkdir()
    script = ["sh", "-c", FULL.replace("set -e\n", ""), "sh", mount, tmp_path / "s", sys.executable, new]
    ended = subprocess.run(["unshare", "-rm", *script], cwd=ROOT, capture_output=True, text=True, check=False)
    if "mount:" in ended.stderr:
        pytest.skip("this user may not mount a small file system")
    assert "code 2\n" in ended.stdout
    assert ended.stderr.count("\n") == 1
    assert os.strerror(errno.ENOSPC) in ended.stderr
    _, _, names = ended.stdout.partition("all is well\n")
    assert names, ended.stdout
    # The rerun resumes what is hidden.
    assert [name for name in names.split() if not name.startswith(".d.zarr.partial-")] == ["d.zarr"]
