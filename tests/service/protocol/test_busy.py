"""Limits of concurrent requests for values, and the responses over them, as clients see them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lazytile.pyramid import work
from lazytile.service.featureinfo import pixel_value
from tests.service.harness import running
from tests.web import until

PIXEL = "/wmts/global_180/default/WebMercatorQuad/1/0/1/{}/7.json"
POINT = "/numbers/global_180/point?lon={}&lat=20"

SLOTS = 4
"""Of light work, with two threads."""


class Gate:
    """Calls of a function that wait until all may go on."""

    def __init__(self, function):
        self._function = function
        self._open = threading.Event()
        self._lock = threading.Lock()
        self.entered = 0

    def __call__(self, *arguments):
        with self._lock:
            self.entered += 1
        assert self._open.wait(60)
        return self._function(*arguments)

    def open(self):
        self._open.set()


@pytest.mark.parametrize(
    ("path", "module", "name", "threads"),
    [(PIXEL, pixel_value, "render_values", 4), (POINT, work, "compute", 2)],
    ids=["pixels", "numbers"],
)
def test_a_few_run_some_wait_and_the_rest_are_refused(store, tmp_path, monkeypatch, path, module, name, threads):
    gate = Gate(getattr(module, name))
    monkeypatch.setattr(module, name, gate)
    with running(store, tmp_path / "c", queue_length=1, workers=2) as server, ThreadPoolExecutor(8) as clients:
        try:
            assert server.get("/xyz/global_180/1/0/0.png").status == 200  # it opens the dataset, in a thread
            first = [clients.submit(server.get, path.format(at)) for at in range(SLOTS)]
            until(lambda: gate.entered == threads)
            waiting = clients.submit(server.get, path.format(SLOTS))
            until(lambda: (server.counter("lazytile_running"), server.counter("lazytile_queue_depth")) == (SLOTS, 1))
            for at in (SLOTS + 1, SLOTS + 2):
                refused = server.get(path.format(at))
                assert (refused.status, refused.headers["Retry-After"]) == (503, "1"), refused.body
            assert gate.entered == threads
            assert server.get("/xyz/global_180/1/1/0.png").status == 200, "a small tile takes no slot"
            gate.open()
            replies = [each.result(60) for each in (*first, waiting)]
        finally:
            gate.open()
        assert [reply.status for reply in replies] == [200] * (SLOTS + 1)
        assert gate.entered == SLOTS + 1


@pytest.mark.parametrize(
    ("path", "module", "name"),
    [(PIXEL, pixel_value, "render_values"), (POINT, work, "compute")],
    ids=["pixel", "point"],
)
def test_what_takes_too_long_is_504(store, tmp_path, monkeypatch, path, module, name):
    gate = Gate(getattr(module, name))
    monkeypatch.setattr(module, name, gate)
    with running(store, tmp_path / "c", timeout_s=0.2) as server:
        try:
            assert server.get(path.format(1)).status == 504
        finally:
            gate.open()
