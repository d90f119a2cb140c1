"""Bulk work and tiles on the same workers: bulk tasks take a share of the threads, and tiles wait for none of them."""

import contextlib
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from distributed import Client, LocalCluster

from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.engines.dask_bulk import DaskBulkEngine
from lazytile.pyramid.engines.protocol import EngineOptions, EngineSpec
from tests.faults.server import wait_for

RUNNING, GO = [], threading.Event()
MOST = []


def hold(number):
    RUNNING.append(number)
    MOST.append(len(RUNNING))
    assert GO.wait(60)
    RUNNING.remove(number)
    return number, os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) if sys.platform == "linux" else 0


@pytest.fixture(autouse=True)
def _fresh():
    RUNNING.clear()
    MOST.clear()
    GO.clear()
    yield
    GO.set()


@contextlib.contextmanager
def cluster(threads, **options):
    """Two workers in this process, behind a scheduler at an address."""
    where = {"processes": False, "protocol": "tcp://", "host": "127.0.0.1", "dashboard_address": None}
    with LocalCluster(n_workers=2, threads_per_worker=threads, **where, **options) as running:
        yield EngineSpec.parse(running.scheduler_address)


@pytest.mark.parametrize(
    ("threads", "options", "most"),
    [(1, {}, 1), (4, {}, 2), (4, {"resources": {"lazytile-bulk": 3}}, 3)],
)
def test_tiles_do_not_wait_for_bulk_tasks_of_several_programs(threads, options, most):
    """Both workers are one process here, which has the places of one."""
    with cluster(threads, **options) as spec, ThreadPoolExecutor(2) as programs:

        def program(first):
            with DaskBulkEngine(spec, EngineOptions()) as engine:
                assert engine.capacity == 2 * most
                return list(engine.map(hold, range(first, first + 12), label="hold"))

        work = [programs.submit(program, first) for first in (0, 100)]
        wait_for(lambda: len(RUNNING) == most)
        with Client(spec.address) as client:
            # As tiles are submitted.
            tiles = [client.submit(pow, 2, number, pure=False, priority=10) for number in range(8)]
            assert [tile.result(60) for tile in tiles] == [2**number for number in range(8)]
        assert len(RUNNING) == most
        GO.set()
        results = [each for one in work for each in one.result(60)]
    assert sorted(number for number, _ in results) == [*range(12), *range(100, 112)]
    assert max(MOST) == most
    usual = os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) if sys.platform == "linux" else 0
    assert {niceness for _, niceness in results} == ({min(19, usual + 17)} if sys.platform == "linux" else {0})


def test_workers_that_want_no_bulk_work_get_none():
    with (
        cluster(2, resources={"lazytile-bulk": 0}) as spec,
        DaskBulkEngine(spec, EngineOptions()) as engine,
        pytest.raises(EngineError, match="does bulk work: each declares lazytile-bulk=0"),
    ):
        list(engine.map(hold, [1], label="hold"))
