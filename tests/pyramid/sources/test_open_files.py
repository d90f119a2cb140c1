"""The source files that a process keeps open: few, closed as soon as nobody reads them, never while somebody does."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from lazytile.pyramid.ingest.build import block_reader_of, stages_of
from lazytile.pyramid.sources import block_reader, open_files
from lazytile.pyramid.sources.source import open_source
from tests.pyramid.netcdf import centres, write_grid

FILES = 12
OPEN = 4


@pytest.fixture
def readers(tmp_path: Path) -> list[tuple[block_reader.BlockReader, object]]:
    found = []
    for number in range(FILES):
        codes = np.full((300, 400), number, "i2")
        path = write_grid(tmp_path / f"in{number}.nc", codes, centres(60, -0.1, 300), centres(0, 0.1, 400), leading={})
        source = open_source(str(path))
        (variable,) = source.variables
        found.append((block_reader_of(source, variable), stages_of(source, variable)[0].blocks[0]))
    return found


def open_sources(folder: Path) -> list[str]:
    """Return the files of a folder that this process has open, by descriptor."""
    targets = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            targets.append(str(entry.readlink()))
        except OSError:
            continue
    return [each for each in targets if each.startswith(f"{folder}/")]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the system does not list open files")
def test_files_that_were_read_long_ago_are_closed_at_once(readers, tmp_path: Path) -> None:
    gc.disable()  # a collection would close them too, some time
    try:
        for number, (reader, block) in enumerate(readers):
            assert (reader.read(block) == number).all()
            assert len(open_sources(tmp_path)) <= OPEN
        assert len(open_sources(tmp_path)) == OPEN
    finally:
        gc.enable()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the system does not list open files")
def test_a_file_that_is_let_go_is_closed_under_the_lock_and_not_by_the_collector(
    readers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """netCDF's library crashes where one thread closes a file while another one reads."""
    (reader, block), (other, there) = readers[:2]
    reader.read(block)
    other.read(there)
    monkeypatch.setattr(open_files.gc, "collect", lambda: 0)
    gc.disable()
    try:
        open_files.release(reader.path)
        assert open_sources(tmp_path) == [other.path]
    finally:
        gc.enable()


def test_a_file_stays_open_for_those_who_are_reading_it(readers, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read waits until so many others were opened that its own is evicted; it still ends well."""
    entered, go_on = threading.Event(), threading.Event()
    first, block = readers[0]
    usual = block_reader.library_locks

    handles = open_files.handles()

    def waiting(engine: str):
        # Files are opened and closed under the lock of the handles, and read without it.
        if threading.current_thread().name.startswith("slow") and not handles._lock.locked():
            entered.set()
            assert go_on.wait(30)
        return usual(engine)

    monkeypatch.setattr(block_reader, "library_locks", waiting)
    with ThreadPoolExecutor(1, thread_name_prefix="slow") as pool:
        found = pool.submit(first.read, block)
        assert entered.wait(30)
        for number, (reader, other) in enumerate(readers[1:], 1):
            assert (reader.read(other) == number).all()
        go_on.set()
        assert (found.result() == 0).all()


def test_many_threads_read_many_files(readers) -> None:
    def read(number: int) -> bool:
        reader, block = readers[number % FILES]
        return bool((reader.read(block) == number % FILES).all())

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(read, range(120)))
