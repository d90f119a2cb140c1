"""How much of its GPU a worker takes: the setting, else the environment, else a share."""

from __future__ import annotations

import pickle
from functools import partial

import pytest

from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.cuda import worker
from lazytile.pyramid.cuda.worker import start_kernel
from lazytile.pyramid.kernel.build import find_compiler
from lazytile.pyramid.kernel.selection import current_kernel
from lazytile.service.http.errors import SettingsError
from lazytile.service.http.settings import Settings
from tests.gpu.double import cupy

pytestmark = pytest.mark.skipif(find_compiler() is None, reason="there is no C++ compiler to stand in for the GPU's")


@pytest.fixture
def taken(monkeypatch, fresh_process):
    """Starts the kernel of a worker on the double, and returns the limit of its memory."""
    monkeypatch.setattr(worker, "import_cupy", lambda: cupy)

    def start(call):
        assert pickle.loads(pickle.dumps(call))() == "cuda sm_90"
        gpu = current_kernel().gpu
        gpu.close()
        return gpu.limits.memory_bytes

    return start


def test_by_default_a_worker_takes_a_share(taken, monkeypatch):
    monkeypatch.delenv("LAZYTILE_GPU_MEMORY", raising=False)
    assert taken(start_kernel) is None


def test_the_environment_of_a_worker_limits_it(taken, monkeypatch):
    monkeypatch.setenv("LAZYTILE_GPU_MEMORY", "768MiB")
    assert taken(start_kernel) == 768 << 20


def test_the_setting_of_the_server_goes_first(taken, monkeypatch):
    settings = Settings.of(gpu_memory="600MiB")
    monkeypatch.setenv("LAZYTILE_GPU_MEMORY", "768MiB")
    assert taken(partial(start_kernel, settings.gpu_memory)) == 600 << 20


@pytest.mark.parametrize("text", ["1MiB", "25%", "much"])
def test_too_little_is_refused(taken, monkeypatch, text):
    monkeypatch.setenv("LAZYTILE_GPU_MEMORY", text)
    with pytest.raises(EngineError, match="LAZYTILE_GPU_MEMORY must be"):
        taken(start_kernel)
    with pytest.raises(SettingsError, match="gpu_memory"):
        Settings.of()
