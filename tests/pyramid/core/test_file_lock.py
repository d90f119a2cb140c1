"""A file lock admits one process at a time, even if the lock file is unlinked at the wrong moment."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lazytile.pyramid.core.file_lock import LockHeldError, acquire, file_lock

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
HOLD = """
import sys
from pathlib import Path
from lazytile.pyramid.core.file_lock import file_lock
with file_lock(Path(sys.argv[1]), wait=sys.argv[2] == "wait", write_pid=True, remove=sys.argv[3] == "remove"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def other_process(path: Path, *, wait: bool = False, remove: bool = False) -> Iterator[subprocess.Popen[str]]:
    """A process that takes the lock and holds it until it gets a line."""
    arguments = [str(path), "wait" if wait else "try", "remove" if remove else "stay"]
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, *arguments], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end(process: subprocess.Popen[str]) -> None:
    process.communicate("\n", timeout=30)
    assert process.returncode == 0


def test_another_process_is_refused_with_the_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with other_process(path) as holder:
        assert line_of(holder) == "held"
        with (
            pytest.raises(LockHeldError, match=f"process {holder.pid} holds the lock") as refused,
            file_lock(path, wait=False),
        ):
            pass
        assert refused.value.holder == str(holder.pid)
        end(holder)
    with file_lock(path, wait=False, write_pid=True):
        assert path.read_text() == str(os.getpid())


def until_waiting(pid: int) -> None:
    """Return once a process waits for a lock, by the kernel's list of locks."""
    deadline = time.monotonic() + 30
    while not any("->" in line and f" {pid} " in line for line in Path("/proc/locks").read_text().splitlines()):
        assert time.monotonic() < deadline, "the process does not wait"
        time.sleep(0.01)


def test_another_process_waits_for_its_turn(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    descriptor = acquire(path)
    with other_process(path, wait=True) as waiting:
        until_waiting(waiting.pid)
        os.close(descriptor)
        assert line_of(waiting) == "held"
        end(waiting)


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with other_process(path) as holder:
        assert line_of(holder) == "held"
    with file_lock(path, wait=False):
        pass


def test_a_lock_whose_file_the_holder_unlinks_is_taken_anew(tmp_path: Path) -> None:
    """The waiting process has the old file open: what it gets first is the lock of a file that nobody else sees."""
    path = tmp_path / "lock"
    taken: list[int] = []
    with other_process(path, remove=True) as holder:
        assert line_of(holder) == "held"
        waiting = threading.Thread(target=lambda: taken.append(acquire(path)))
        waiting.start()
        until_waiting(os.getpid())
        end(holder)
        waiting.join(30)
    (descriptor,) = taken
    try:
        assert os.path.samestat(os.fstat(descriptor), path.stat())
        assert path.stat().st_nlink == 1
        with other_process(path) as refused:
            assert line_of(refused) == ""
            assert refused.wait(30) != 0
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("replacement", [None, "another file"])
def test_a_file_that_changes_between_open_and_lock_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replacement: str | None
) -> None:
    path = tmp_path / "lock"
    calls = []

    def flock(descriptor: int, operation: int) -> None:
        calls.append(descriptor)
        if len(calls) == 1:
            path.rename(tmp_path / "moved")
            if replacement is not None:
                path.write_text(replacement)
        real(descriptor, operation)

    real = fcntl.flock
    monkeypatch.setattr(fcntl, "flock", flock)
    descriptor = acquire(path, wait=False)
    assert len(calls) == 2
    assert os.path.samestat(os.fstat(descriptor), path.stat())
    assert path.read_text() == (replacement or "")
    os.close(descriptor)


def test_the_file_stays_or_goes_as_asked_for(tmp_path: Path) -> None:
    for remove in (True, False):
        with file_lock(tmp_path / f"{remove}", wait=False, remove=remove):
            assert (tmp_path / f"{remove}").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["False"]


def test_content_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text("a header")
    os.close(acquire(path, wait=False))
    assert path.read_text() == "a header"
    with file_lock(path):
        assert path.read_text() == "a header"
    os.close(acquire(tmp_path / "private", mode=0o600))
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o600


def test_a_holder_without_a_process_id_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text("a header")
    descriptor = acquire(path)
    with pytest.raises(LockHeldError) as refused:
        acquire(path, wait=False)
    assert refused.value.holder == "unknown"
    os.close(descriptor)


def test_a_folder_that_is_missing_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        acquire(tmp_path / "missing" / "lock")
