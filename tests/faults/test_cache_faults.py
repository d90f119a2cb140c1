"""A tile cache that is damaged, deleted, full, read-only or another program's, and a clock that jumps, under load.

The memory tier is nearly off, so that replies come from the disk.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.server import compare, heal_time_s, load, serving, tile_paths, undisturbed, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.faults.server import ServerProcess, Truth

PATHS = tile_paths("files", range(4))
SMALL = ("--memory", "1MiB")
"""Memory in which hardly a tile fits."""


@pytest.fixture(scope="module")
def truth(sound_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Truth:
    return undisturbed(sound_store, tmp_path_factory.mktemp("truth"), PATHS)


def databases(cache: Path) -> list[Path]:
    return sorted(cache.glob("tiles-*/*/cache.db"))


def fill_cache(server: ServerProcess, cache: Path, truth: Truth) -> None:
    """Have every tile in the cache on disk."""
    assert not compare(server, truth).refused
    wait_for(lambda: stored(cache) >= len(truth) * 0.9)


def stored(cache: Path) -> int:
    count = 0
    for path in databases(cache):
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path, timeout=5)) as connection:
            count += connection.execute("SELECT count(*) FROM Cache").fetchone()[0]
    return count


def flip(path: Path, seed: int) -> None:
    """Change bytes of a file in place."""
    picked = random.Random(seed)
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        for _ in range(max(1, size // 2048)):
            at = picked.randrange(size)
            file.seek(at)
            byte = file.read(1)
            file.seek(at)
            file.write(bytes([byte[0] ^ (1 << picked.randrange(8))]))


@pytest.mark.slow
def test_flipped_bytes_of_the_cache_reach_nobody(
    sound_store: Path, truth: Truth, tmp_path: Path, table_row: Callable[..., None]
) -> None:
    cache = tmp_path / "cache"
    with serving(sound_store, cache, *SMALL) as server:
        fill_cache(server, cache, truth)
        with load(server, truth) as during:
            for round_number in range(4):
                for path in databases(cache):
                    with contextlib.suppress(OSError, sqlite3.Error):
                        with contextlib.closing(sqlite3.connect(path, timeout=5)) as connection:
                            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                        flip(path, round_number)
                before = len(during.right)
                wait_for(lambda at=before: len(during.right) > at + len(PATHS))
            began = time.monotonic()
        assert not during.refused
        heal_s = time.monotonic() - began + heal_time_s(server, truth)
        made = "a bit in every 2 KiB of the open databases, four times"
        table_row("cache flipped", made, "nothing", heal_s, during)
    with serving(sound_store, cache, *SMALL) as server:
        seen = compare(server, truth)
        assert not seen.refused
        table_row("cache flipped, server started again", "as above", "nothing", 0.0, seen)


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_a_deleted_cache_is_made_again(
    sound_store: Path, truth: Truth, tmp_path: Path, table_row: Callable[..., None], workers: str
) -> None:
    cache = tmp_path / "cache"
    with serving(sound_store, cache, *SMALL, "--workers", workers) as server:
        fill_cache(server, cache, truth)
        with load(server, truth) as during:
            shutil.rmtree(cache)
            deleted = time.monotonic()
            wait_for(lambda: stored(cache) > len(PATHS) // 2)
            heal_s = time.monotonic() - deleted
        assert not during.refused
        assert "was deleted or replaced, it is opened anew" in server.log()
        wait_for(lambda: not server.conditions())
        table_row("cache deleted", f"rm -r under load, {workers} server process(es)", "nothing", heal_s, during)


def test_a_cache_of_another_program_is_left_alone(
    sound_store: Path, truth: Truth, tmp_path: Path, table_row: Callable[..., None]
) -> None:
    cache = tmp_path / "cache"
    with serving(sound_store, cache, *SMALL) as server:
        fill_cache(server, cache, truth)
        theirs = tmp_path / "theirs.db"
        with contextlib.closing(sqlite3.connect(theirs)) as connection:
            connection.execute("CREATE TABLE Cache (key TEXT, raw INTEGER, value BLOB)")
            connection.execute("INSERT INTO Cache VALUES ('a', 1, 'precious')")
            connection.commit()
        content = theirs.read_bytes()
        with load(server, truth) as during:
            for path in databases(cache):
                shutil.rmtree(path.parent)
                path.parent.mkdir()
                shutil.copy(theirs, path)
            began = time.monotonic()
            wait_for(lambda: stored(cache) > len(PATHS) // 2)
            heal_s = time.monotonic() - began
        assert not during.refused
        kept = list((cache / "damaged").glob("*/cache.db"))
        assert kept
        assert {path.read_bytes() for path in kept} == {content}
        row = "another program's database in place of each of ours"
        table_row("cache foreign", row, "nothing; it is set aside", heal_s, during)


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root on Linux")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(disk: Path) -> Path:
    """Leave no byte free."""
    filler = disk / "filler"
    for size in (1 << 16, 1):
        with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
            while True:
                file.write(b"x" * size)
    return filler


@pytest.mark.slow
@pytest.mark.parametrize(("when", "workers"), [("while it serves", 1), ("while it serves", 2), ("at its start", 1)])
def test_a_full_disk_costs_no_tile(
    sound_store: Path, truth: Truth, tmp_path: Path, table_row: Callable[..., None], when: str, workers: int
) -> None:
    options = (*SMALL, "--workers", str(workers))
    with small_disk(tmp_path / "disk", "8m") as disk:
        cache = disk / "cache"
        before = 0
        if when == "at its start":
            with serving(sound_store, cache, *SMALL) as server:
                fill_cache(server, cache, truth)
            before = stored(cache)
            assert before > len(PATHS) * 0.9
            cache.with_name("cache.log").unlink()
            (disk / "cache.log").symlink_to(tmp_path / "cache.log")
            filler = fill(disk)
        else:
            (disk / "cache.log").symlink_to(tmp_path / "cache.log")
        with serving(sound_store, cache, *options, environment={"TMPDIR": str(tmp_path)}) as server:
            if when == "while it serves":
                filler = fill(disk)
            with load(server, truth) as during:
                wait_for(lambda: len(during.right) > 2 * len(PATHS))
                wait_for(lambda: any("tile cache" in each["key"] for each in server.conditions()) or before)
                assert server.get("/readyz").status == 200
                filler.unlink()
                freed = time.monotonic()
                wait_for(lambda: stored(cache) >= len(PATHS) * 0.9)
                wait_for(lambda: not server.conditions())
                heal_s = time.monotonic() - freed
            assert not during.refused
            assert not (cache / "damaged").exists()
            made = f"tmpfs without a free byte {when}; {workers} server process(es)"
            table_row("cache on a full disk", made, "nothing", heal_s, during)


@pytest.mark.slow
def test_a_read_only_disk_costs_no_tile(
    sound_store: Path, truth: Truth, tmp_path: Path, table_row: Callable[..., None]
) -> None:
    with small_disk(tmp_path / "disk", "16m") as disk:
        cache = disk / "cache"
        with serving(sound_store, cache, *SMALL, environment={"TMPDIR": str(tmp_path)}) as server:
            fill_cache(server, cache, truth)
        cache.with_name("cache.log").unlink()
        (disk / "cache.log").symlink_to(tmp_path / "cache.log")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with serving(sound_store, cache, *SMALL, environment={"TMPDIR": str(tmp_path)}) as server:
            seen = compare(server, truth)
            assert not seen.refused
            wait_for(lambda: any("tile cache" in each["key"] for each in server.conditions()))
            subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
            began = time.monotonic()
            with load(server, truth) as during:
                wait_for(lambda: not server.conditions())
            heal_s = time.monotonic() - began
            assert not during.refused
            assert not (cache / "damaged").exists()
            table_row("cache read-only", "tmpfs mounted read-only at the start", "nothing", heal_s, seen, during)


@contextlib.contextmanager
def failing_disk(folder: Path, image: Path) -> Iterator[Callable[[], None]]:
    """Mount an ext4 file system; yield what repairs it and mounts it again, as an operator does after its abort."""
    folder.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0 or not all(map(shutil.which, ("mkfs.ext4", "e2fsck"))):
        pytest.skip("a disk that fails needs root on Linux and mkfs.ext4")
    with image.open("wb") as file:
        file.truncate(32 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    mount = ["mount", "-o", "loop", image, folder]
    if subprocess.run(mount, check=False).returncode:
        pytest.skip("no file system can be mounted here")

    def repair() -> None:
        subprocess.run(["umount", "-l", folder], check=True)
        # The server still has files of the old mount open, which hold the image: what is repaired is a copy.
        repaired = image.with_suffix(".repaired")
        shutil.copy(image, repaired)
        assert subprocess.run(["e2fsck", "-p", repaired], check=False, stdout=subprocess.DEVNULL).returncode <= 1
        subprocess.run(["mount", "-o", "loop", repaired, folder], check=True)

    try:
        yield repair
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_disk_that_becomes_read_only_costs_no_tile(
    sound_store: Path, truth: Truth, tmp_path: Path, table_row: Callable[..., None], workers: str
) -> None:
    """ext4 aborts after an error of the disk: every write fails with EROFS from then on, open files too."""
    with failing_disk(tmp_path / "disk", tmp_path / "image") as repair:
        cache = tmp_path / "disk" / "cache"
        (tmp_path / "disk" / "cache.log").symlink_to(tmp_path / "cache.log")
        options = (*SMALL, "--workers", workers)
        with serving(sound_store, cache, *options, environment={"TMPDIR": str(tmp_path)}) as server:
            # The other half is to be written when the disk has failed.
            assert not compare(server, truth, paths=PATHS[::2]).refused
            wait_for(lambda: stored(cache) >= len(PATHS) * 0.45)
            with load(server, truth) as during:
                subprocess.run(["mount", "-o", "remount,abort", tmp_path / "disk"], check=True)
                with pytest.raises(OSError, match="Read-only"):
                    (tmp_path / "disk" / "new").touch()
                before = len(during.right)
                wait_for(lambda: len(during.right) > before + 2 * len(PATHS))
                wait_for(lambda: any("tile cache" in each["key"] for each in server.conditions()))
                assert server.get("/readyz").status == 200
                repair()
                repaired = time.monotonic()
                wait_for(lambda: not server.conditions())
                wait_for(lambda: stored(cache) >= len(PATHS) * 0.9)
                heal_s = time.monotonic() - repaired
            assert not during.refused
            made = f"ext4 that aborts while it serves, then repaired and mounted again; {workers} server process(es)"
            table_row("cache becomes read-only", made, "nothing", heal_s, during)


JUMPS = '''
import time
real, began = time.time, time.monotonic()
def jumping():
    """Every half second the clock jumps: a day ahead, a year back, right, an hour back."""
    return real() + (86400.0, -31536000.0, 0.0, -3600.0)[int((time.monotonic() - began) * 2) % 4]
time.time = jumping
'''


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_a_jumping_clock_changes_no_tile(
    sound_store: Path, truth: Truth, tmp_path: Path, table_row: Callable[..., None], workers: str
) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(JUMPS)
    path = os.pathsep.join([str(hooks), *filter(None, [os.environ.get("PYTHONPATH")])])
    options = (*SMALL, "--workers", workers)
    with serving(sound_store, tmp_path / "cache", *options, environment={"PYTHONPATH": path}) as server:
        with load(server, truth) as during:
            began = time.monotonic()
            wait_for(lambda: time.monotonic() - began > 4 and len(during.right) > 3 * len(PATHS))
        assert not during.refused
        wait_for(lambda: not server.conditions())  # a disk that is slower than the renderer for a moment is one
        made = f"every 0.5 s a day ahead, a year back, right or an hour back; {workers} server process(es)"
        table_row("clock steps", made, "nothing", 0.0, during)
