"""Memory that stays: many different requests leave nothing behind but what the caches hold."""

from __future__ import annotations

import gc
import importlib.util
import sys
from pathlib import Path

import pytest

from tests.service.harness import running

SOAK = Path(__file__).resolve().parents[3] / "scripts" / "soak.py"
ROUND = 400
WARM_UP, WINDOW, BETWEEN = 3, 6, 1


@pytest.fixture(scope="module")
def soak():
    spec = importlib.util.spec_from_file_location("lazytile_soak", SOAK)
    module = importlib.util.module_from_spec(spec)
    sys.modules["lazytile_soak"] = module
    sys.path.insert(0, str(SOAK.parent))  # scripts import each other from their own folder
    spec.loader.exec_module(module)
    sys.path.remove(str(SOAK.parent))
    yield module
    del sys.modules["lazytile_soak"]


def test_requests_leave_no_objects_behind(store, tmp_path, soak):
    """Every round has other tiles, options, errors, maps and numbers. A list that grew would show."""
    with running(store, tmp_path / "cache", memory_bytes=2 << 20, cache_limit_bytes=4 << 20) as server:
        layers = soak.layers_of(server.url)
        assert len(layers) == 8
        assert any(layer.times for layer in layers)
        blocks, statuses = [], set()
        for number in range(WARM_UP + WINDOW + BETWEEN + WINDOW):
            requests = soak.Requests(layers, number)
            for _ in range(ROUND):
                method, path, headers = requests.next()
                reply = server.get(path, headers, method)
                statuses.add(reply.status)
                requests.note(path, reply.headers.get("ETag"))
            gc.collect()
            blocks.append(sys.getallocatedblocks())
    assert statuses >= {200, 204, 400, 404}
    assert not any(status >= 500 for status in statuses)
    # The least of six rounds each, since what the caches hold varies by thousands. Seven rounds lie between them.
    grown = min(blocks[-WINDOW:]) - min(blocks[WARM_UP : WARM_UP + WINDOW])
    assert grown < 5 * ROUND, blocks
