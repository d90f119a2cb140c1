"""Heavy tasks through a scheduler: they leave the threads of a worker to light ones."""

import os
import pickle
import sys
import threading

import pytest
from distributed import Client

from lazytile.pyramid.engines import dask_worker
from lazytile.pyramid.engines.dask_worker import render_pickled

BEGUN, GO = threading.Event(), threading.Event()


def hold(task):
    BEGUN.set()
    assert GO.wait(60)
    return (task, str(os.getpriority(os.PRIO_PROCESS, threading.get_native_id())).encode())


def quick(task):
    return (task, str(os.getpriority(os.PRIO_PROCESS, threading.get_native_id())).encode())


@pytest.mark.skipif(sys.platform != "linux", reason="the priority of threads is Linux's")
def test_a_heavy_task_keeps_no_thread_from_light_ones(monkeypatch):
    monkeypatch.setattr(dask_worker, "is_inspected", lambda _: True)
    monkeypatch.setattr(dask_worker, "unpickled", pickle.loads)
    usual = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    options = {"processes": False, "n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    with Client(**options) as client:
        heavy = client.submit(render_pickled, "", hold, pickle.dumps(b"heavy"), {}, is_heavy=True, pure=False)
        assert BEGUN.wait(60)
        for number in (b"1", b"2"):
            light = client.submit(render_pickled, "", quick, pickle.dumps(number), {}, pure=False)
            assert light.result(60)[0] == (number, str(usual).encode())
        assert not heavy.done()
        GO.set()
        assert heavy.result(60)[0] == (b"heavy", str(min(19, usual + 17)).encode())
