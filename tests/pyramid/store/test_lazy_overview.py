"""Overviews that their first reader computes."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import zarr

from lazytile.pyramid.core.errors import GenerationChangedError
from lazytile.pyramid.ingest.append import append
from lazytile.pyramid.ingest.convert import Storage, convert
from lazytile.pyramid.store import lazy_overview
from lazytile.pyramid.store.overview import overview_codes
from lazytile.pyramid.store.store import Store
from lazytile.pyramid.verification.verify import verify
from tests.pyramid.ingest.test_append import source
from tests.pyramid.netcdf import centres, write_grid
from tests.service.harness import running
from tests.stores import StorePlace

LAZY = Storage(lazy=True)
ROWS, COLS = 1301, 2111


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Path:
    codes = np.random.default_rng(9).integers(-3000, 3000, (ROWS, COLS)).astype("int16")
    codes[:700, :1100] = -32768
    path = tmp_path_factory.mktemp("source") / "in.nc"
    return write_grid(path, codes, centres(60, -0.05, ROWS), centres(0, 0.1, COLS), fill=-32768)


@pytest.fixture(scope="module")
def eager(field: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("eager")
    convert(field, store, "d")
    return store


def overview_files(store: Path | StorePlace) -> list[str]:
    place = StorePlace(store) if isinstance(store, Path) else store
    return [name for name in place.files() if name[0] in "1234" and name[1:].startswith("/t/c/")]


def test_overviews_are_made_on_demand_and_equal_the_eager_ones(field: Path, eager: Path, place: StorePlace) -> None:
    dataset = convert(field, place.root, "d", storage=LAZY)
    assert dataset.lazy
    assert len(dataset.variables[0].level_statistics) == 1
    assert overview_files(place) == []
    stored, wanted = Store(place.root).dataset("d"), Store(eager).dataset("d")
    np.testing.assert_array_equal(stored.chunk(2, "t", (), 1, 2), wanted.chunk(2, "t", (), 1, 2))
    made = overview_files(place)
    assert "2/t/c/1/2" in made
    assert not any(path.startswith(("3/", "4/")) for path in made)
    np.testing.assert_array_equal(stored.chunk(4, "t", (), 0, 0), wanted.chunk(4, "t", (), 0, 0))
    # With the coarsest chunk all finer ones have been made, also those that are all fill.
    ours, theirs = place.group(), zarr.open_group(eager / "d.zarr", mode="r")
    for level in range(5):
        np.testing.assert_array_equal(ours[f"{level}/t"][...], theirs[f"{level}/t"][...])
    assert len(overview_files(place)) == 3 * 5 + 2 * 3 + 1 * 2 + 1
    found = verify(place.root, "d")
    assert found.problems == ()
    assert (found.files, found.unknown, found.chunks) == (6 * 9 + 24, 0, 24)


def test_threads_that_want_one_chunk_have_it_computed_once(
    field: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert(field, tmp_path, "d", storage=LAZY)
    made: list[object] = []

    def counted(read: object, dataset: object, variable: object, at: object) -> np.ndarray:
        made.append(at)
        return overview_codes(read, dataset, variable, at)

    monkeypatch.setattr(lazy_overview, "overview_codes", counted)
    # Two stores stand for two processes: they share nothing but the files.
    stores = [Store(tmp_path).dataset("d"), Store(tmp_path).dataset("d")]
    results: list[np.ndarray] = []
    threads = [
        threading.Thread(target=lambda stored=stored: results.append(stored.chunk(4, "t", (), 0, 0)))
        for stored in stores * 3
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6
    assert all(np.array_equal(result, results[0]) for result in results)
    assert len(made) == len(set(made)) == 24


PROGRAM = """
import sys
from pathlib import Path
from lazytile.pyramid.store.store import Store
sys.stdout.buffer.write(Store(Path(sys.argv[1])).dataset("d").chunk(4, "t", (), 0, 0).tobytes())
"""


def test_processes_agree_and_leave_nothing_behind(field: Path, eager: Path, tmp_path: Path) -> None:
    convert(field, tmp_path, "d", storage=LAZY)
    root = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    processes = [subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE) for _ in range(3)]
    replies = [process.communicate()[0] for process in processes]
    wanted = Store(eager).dataset("d").chunk(4, "t", (), 0, 0).tobytes()
    assert replies == [wanted] * 3
    assert len(overview_files(tmp_path)) == 24
    assert not list(tmp_path.rglob(".*-????????"))


def test_overviews_of_replaced_data_are_not_stored(field: Path, place: StorePlace) -> None:
    convert(field, place.root, "d", storage=LAZY)
    stored = Store(place.root).dataset("d")
    convert(field, place.root, "d", storage=LAZY)
    with pytest.raises(GenerationChangedError):
        stored.chunk(1, "t", (), 0, 0)
    assert overview_files(place) == []


def test_a_store_that_cannot_be_written_is_served(
    field: Path, eager: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    convert(field, tmp_path, "d", storage=LAZY)
    real = lazy_overview.os.open

    def refuse(path: object, flags: int, *rest: int, **options: int) -> int:
        if flags & lazy_overview.os.O_CREAT:
            raise OSError(30, "Read-only file system")
        return real(path, flags, *rest, **options)

    monkeypatch.setattr(lazy_overview.os, "open", refuse)
    with caplog.at_level(logging.WARNING):
        chunk = Store(tmp_path).dataset("d").chunk(2, "t", (), 1, 2)
    np.testing.assert_array_equal(chunk, Store(eager).dataset("d").chunk(2, "t", (), 1, 2))
    assert "not stored: Read-only file system" in caplog.text
    assert overview_files(tmp_path) == []


def test_steps_can_be_appended(tmp_path: Path, place: StorePlace) -> None:
    convert(source(tmp_path / "a.nc", 0), place.root, "d", storage=LAZY)
    convert(source(tmp_path / "all.nc", 0, 1), tmp_path / "w", "d")
    Store(place.root).dataset("d").chunk(2, "t", (0,), 0, 0)
    made = overview_files(place)
    assert made
    append(source(tmp_path / "b.nc", 1), place.root, "d")
    assert overview_files(place) == made
    chunk = Store(place.root).dataset("d").chunk(2, "t", (1,), 0, 0)
    np.testing.assert_array_equal(chunk, Store(tmp_path / "w").dataset("d").chunk(2, "t", (1,), 0, 0))
    assert verify(place.root, "d").problems == ()


@pytest.mark.parametrize("place", ["folder", "s3"], indirect=True)  # the server is a process of its own
def test_tiles_of_a_lazy_dataset_are_those_of_an_eager_one(
    field: Path, eager: Path, tmp_path: Path, place: StorePlace
) -> None:
    convert(field, place.root, "lazy", storage=LAZY)
    shutil.copytree(eager / "d.zarr", tmp_path / "e/d.zarr")
    with running(place.root, tmp_path / "c1") as ours, running(tmp_path / "e", tmp_path / "c2") as theirs:
        for path in ("0/0/0", "2/2/1", "3/4/3"):
            one, other = ours.get(f"/xyz/lazy/{path}.png"), theirs.get(f"/xyz/d/{path}.png")
            assert (one.status, one.body) == (200, other.body)
