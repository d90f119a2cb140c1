"""How many server processes a server has."""

from __future__ import annotations

import pytest

from lazytile.pyramid.core.processors import processor_count
from lazytile.pyramid.engines import gpu_devices as devices
from lazytile.pyramid.engines.gpu_devices import GpuDevices
from lazytile.service.app import processes, server
from lazytile.service.app.processes import run_server, sensible_count
from lazytile.service.http.settings import Settings


@pytest.mark.parametrize(
    ("processors", "memory", "expected"),
    [(1, "8GiB", 1), (4, "8GiB", 4), (16, "2GiB", 8), (2, "1MiB", 1), (2, "0", 1), (500, "900GiB", 32)],
)
def test_each_processor_has_a_process_while_each_process_has_memory(processors, memory, expected):
    assert sensible_count(Settings.of(memory_bytes=memory), processors) == expected


@pytest.fixture
def started(monkeypatch):
    """What ``run_server`` starts: the number of processes."""
    counts = []
    monkeypatch.setattr(processes, "_run_many", lambda settings, count, announce, read: counts.append(count))
    monkeypatch.setattr(server, "run_one", lambda settings, announce, read: counts.append(1))
    monkeypatch.setattr(processes, "processor_count", lambda: 6)

    def start(gpus=(), **options):
        monkeypatch.setattr(devices, "gpu_devices", lambda: GpuDevices(gpus))
        settings = Settings.of(memory_bytes="16GiB", **options)
        run_server(settings, print, lambda: settings)
        return counts.pop()

    return start


def test_auto_has_as_many_processes_as_make_sense_unless_there_is_a_gpu(started):
    assert started(engine="auto") == 6
    assert started() == 6
    assert started(gpus=("0",), engine="auto") == 1


def test_a_number_that_is_given_counts(started):
    assert started(engine="auto", workers=1) == 1
    assert started(engine="auto", workers=3) == 3
    assert started(engine="threads") == 1
    assert started(engine="threads", workers=2) == 2
    assert started(engine="tcp://127.0.0.1:8786") == 1
    assert started(engine="local", workers=4) == 1


def test_a_process_gets_its_part(tmp_path):
    settings = processes.settings_of_one(Settings.of(memory_bytes="8GiB"), 4, tmp_path)
    assert settings.memory_bytes == 2 << 30
    assert settings.workers == max(1, processor_count() // 4)
