"""Values that travel by hash: small tasks, bounded memory, values that a worker lacks."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from lazytile.colormaps.compiled.palette import Palette
from lazytile.pyramid.catalog.resolver import Resolver
from lazytile.pyramid.catalog.tile_address import RawTileAddress
from lazytile.pyramid.cluster.shared_values import TaskPickler, UnknownValueError, keep_values, unpickled
from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget
from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.render.image import ImageFormat
from lazytile.pyramid.tiling.tms import TileMatrixSet

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Large:
    text: str


@dataclass(frozen=True)
class Small:
    number: int
    large: Large
    again: Large


def test_a_value_travels_once(fresh_process: None) -> None:
    large = Large("x" * 10_000)
    pickler = TaskPickler((Large,))
    first, second = (pickler.pickled(Small(number, large, large)) for number in range(2))
    assert len(first.data) < 300
    assert first.values == second.values
    (digest,) = first.values
    with pytest.raises(UnknownValueError, match=digest):
        unpickled(first.data)
    keep_values(first.values)
    assert unpickled(first.data) == Small(0, large, large)
    found = unpickled(second.data)
    assert found == Small(1, large, large)
    assert found.large is found.again is unpickled(first.data).large


def test_a_worker_that_was_restarted_asks_again(fresh_process: None) -> None:
    task = Small(1, Large("a"), Large("b"))
    pickled = TaskPickler((Large,)).pickled(task)
    keep_values(pickled.values)
    assert unpickled(pickled.data) == task
    process.install(CacheBudget.renderer(8 << 20))
    with pytest.raises(UnknownValueError):
        unpickled(pickled.data)
    keep_values(pickled.values)
    assert unpickled(pickled.data) == task


def test_a_value_must_have_its_hash(fresh_process: None) -> None:
    pickled = TaskPickler((Large,)).pickled(Small(1, Large("a"), Large("a")))
    (digest,) = pickled.values
    with pytest.raises(EngineError, match="wrong hash"):
        keep_values({digest: pickle.dumps(Large("b"))})


def test_equal_values_have_one_hash_and_an_object_that_takes_the_place_of_another_its_own(fresh_process: None) -> None:
    pickler = TaskPickler((Large,))
    digests = set()
    for number in range(2000):  # each object is gone before the next is made, at the same address as a rule
        digests.update(pickler.pickled(Small(1, *(2 * [Large(f"{number % 1000}")]))).values)
    assert len(digests) == 1000


@pytest.mark.parametrize("size", [10, 1 << 20])
def test_what_a_worker_keeps_is_bounded(fresh_process: None, size: int) -> None:
    pickler = TaskPickler((Large,))
    tasks = []
    for number in range(700 if size == 10 else 60):
        tasks.append(pickler.pickled(Small(number, *(2 * [Large(f"{number}".zfill(size))]))))
        keep_values(tasks[-1].values)
        tasks[-1] = tasks[-1].data

    def is_known(data: bytes) -> bool:
        try:
            return unpickled(data) is not None
        except UnknownValueError:
            return False

    kept = sum(is_known(data) for data in tasks)
    assert kept < len(tasks)
    assert kept * size <= 48 << 20
    assert is_known(tasks[-1])


@pytest.fixture
def task(tmp_path: Path):
    from lazytile.colormaps.library.catalog import ColormapCatalog
    from lazytile.pyramid.render.style import Styles
    from lazytile.pyramid.store.store import Store
    from tests.faults.stores import write_store

    store = write_store(tmp_path / "store", ("files",))
    resolver = Resolver(Store(store), Styles(ColormapCatalog(tmp_path)), str)
    address = RawTileAddress("files", "default", "WebMercatorQuad", "2", "1", "1", ImageFormat.PNG, {})
    return resolver.resolve(address).request.task(store, metatile=2, background=(255, 255, 255))


def test_the_task_of_a_tile_is_small(fresh_process: None, task) -> None:
    pickled = TaskPickler((Palette, TileMatrixSet)).pickled(task)
    assert len(pickled.values) == 2
    assert len(pickle.dumps(task)) > 5000
    assert len(pickled.data) < 1500
    keep_values(pickled.values)
    found = unpickled(pickled.data)
    assert (found.key, found.locality) == (task.key, task.locality)
