"""The engine cuda, and auto, on machines that have no GPU, a broken one, or not even the packages.

dask-cuda starts its workers without a GPU where DASK_CUDA_TEST_DISABLE_DEVICE_SPECIFIC=1, its own tests' switch.
What a working GPU does is in tests/gpu.
"""

import asyncio
import logging
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.core.processors import processor_count
from lazytile.pyramid.engines import cuda as engine_cuda
from lazytile.pyramid.engines import gpu_devices as engine_devices
from lazytile.pyramid.engines.factory import open_bulk_engine, open_tile_engine
from lazytile.pyramid.engines.gpu_devices import GpuDevices
from lazytile.pyramid.engines.measured_choice import faster_engine
from lazytile.pyramid.engines.protocol import EngineOptions, EngineSpec
from tests.pyramid.engines import engine_tasks
from tests.pyramid.engines.engine_tasks import Task, marks

ROOT = Path(__file__).resolve().parent.parent.parent.parent
CUDA = EngineSpec("cuda")
AUTO = EngineSpec("auto")
FOUND = {name: find_spec(name) is not None for name in ("dask_cuda", "cupy", "pynvml")}

needs_extra = pytest.mark.skipif(
    not all(FOUND.values()), reason="the packages of the extra gpu-check are not installed: make gpu-check"
)


class Nvml:
    """What of NVML ``gpu_devices`` uses."""

    class NVMLError(Exception):
        """As NVML's."""

    def __init__(self, count):
        self.count = count

    def nvmlInit(self):
        if self.count is None:
            raise self.NVMLError("NVML Shared Library Not Found")

    def nvmlDeviceGetCount(self):
        return self.count


@pytest.fixture
def packages(monkeypatch):
    """Set which packages are installed, how many GPUs NVML counts (None: no driver), and which are visible."""

    def set_up(count, *, installed=("dask_cuda", "cupy", "pynvml"), visible=None):
        monkeypatch.setattr(engine_devices, "find_spec", lambda name: name if name in installed else None)
        monkeypatch.setitem(sys.modules, "pynvml", Nvml(count))
        if visible is None:
            monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        else:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        return engine_devices.gpu_devices()

    return set_up


def test_gpus_are_counted(packages):
    assert packages(2) == GpuDevices(("0", "1"))


@pytest.mark.parametrize(
    ("visible", "ids"), [("1", ("1",)), ("1, 0", ("1", "0")), ("GPU-8f6d,MIG-11", ("GPU-8f6d", "MIG-11"))]
)
def test_only_visible_gpus_count(packages, visible, ids):
    assert packages(2, visible=visible) == GpuDevices(ids)


@pytest.mark.parametrize(
    ("count", "more", "reason"),
    [
        (None, {}, "no NVIDIA driver: NVMLError: NVML Shared Library Not Found"),
        (0, {}, "no GPU"),
        (2, {"visible": ""}, "CUDA_VISIBLE_DEVICES is ''"),
        (1, {"installed": ()}, "dask-cuda, cupy, nvidia-ml-py not installed; install lazytile[gpu-cuda13]"),
        (1, {"installed": ("dask_cuda", "pynvml")}, "cupy not installed; install lazytile[gpu-cuda13]"),
    ],
)
def test_no_gpu_has_a_reason(packages, caplog, count, more, reason):
    devices = packages(count, **more)
    assert devices.ids == ()
    assert devices.reason.startswith(reason)
    assert "\n" not in devices.reason
    with pytest.raises(EngineError) as raised:
        open_bulk_engine(CUDA)
    assert str(raised.value) == f"the engine cuda cannot start: {devices.reason}"
    caplog.set_level(logging.INFO)
    with open_bulk_engine(AUTO, EngineOptions(workers=1)) as engine:
        assert engine.description == "threads, 1 thread"
    assert not caplog.messages

    async def main():
        async with await open_tile_engine(AUTO, engine_tasks.render, EngineOptions(workers=1)) as engine:
            assert engine.description == "threads, 1 thread"

    asyncio.run(main())
    assert caplog.messages == [f"engine auto uses threads: {devices.reason}"]


def test_this_machine_has_a_gpu_or_a_reason():
    devices = engine_devices.gpu_devices()
    assert bool(devices.ids) != bool(devices.reason)


def test_more_workers_than_gpus(packages):
    packages(2)
    with pytest.raises(EngineError, match="one worker per GPU: 3 requested, 2 present"):
        open_bulk_engine(CUDA, EngineOptions(workers=3))


@pytest.mark.skipif(FOUND["dask_cuda"], reason="dask-cuda is installed")
def test_dask_cuda_that_does_not_import(packages):
    packages(1)
    with pytest.raises(EngineError, match=r"install lazytile\[gpu-cuda13\].*No module named 'dask_cuda'"):
        open_bulk_engine(CUDA)


@pytest.fixture
def faked(packages, monkeypatch):
    """Two GPUs that NVML counts but that do not work."""
    monkeypatch.setenv("DASK_CUDA_TEST_DISABLE_DEVICE_SPECIFIC", "1")
    packages(2)


@needs_extra
def test_a_broken_gpu_is_an_error_for_cuda(faked):
    with pytest.raises(EngineError, match=r"^the engine cuda cannot start: a GPU does not work: CUDARuntimeError: "):
        open_bulk_engine(CUDA)


@needs_extra
def test_a_broken_gpu_makes_auto_take_threads(faked, caplog):
    async def main():
        options = EngineOptions(workers=1)
        async with await open_tile_engine(
            AUTO, engine_tasks.render, options, samples=lambda: [Task("sample")]
        ) as engine:
            assert engine.description == "threads, 1 thread"
            assert (await engine.render(Task("x")))[0] == b"x"

    asyncio.run(main())
    (message,) = caplog.messages
    assert message.startswith("engine auto uses threads: the engine cuda cannot start: a GPU does not work: CUDA")


@pytest.fixture
def working(faked, monkeypatch):
    """Two GPUs that the probe finds well, so that everything but kernels can be tried."""
    monkeypatch.setattr(engine_cuda, "probe_device", engine_tasks.pretended_device)


@needs_extra
def test_bulk_work_on_one_worker_a_gpu(working):
    with open_bulk_engine(CUDA) as engine:
        threads = max(2, processor_count() // 2)
        assert (engine.description, engine.capacity) == ("cuda, 2 GPUs (pretended)", 2 * threads)
        # dask-cuda puts a worker's own GPU first.
        assert set(engine.map(engine_tasks.visible_devices, range(20), label="visible")) == {"0,1", "1,0"}
    with open_bulk_engine(CUDA, EngineOptions(workers=1)) as engine:
        assert (engine.description, engine.capacity) == ("cuda, 1 GPU (pretended)", max(2, processor_count()))


@needs_extra
def test_tiles_on_gpu_workers_go_on_where_one_dies(working, tmp_path):
    async def main():
        async with await open_tile_engine(CUDA, engine_tasks.render) as engine:
            assert engine.description == "cuda, 2 GPUs (pretended), direct calls"
            tasks = [Task("unlucky", str(tmp_path), "die once"), *(Task(f"tile-{number}") for number in range(10))]
            return await asyncio.gather(*(engine.render(task) for task in tasks))

    assert [name for name, _ in asyncio.run(main())] == [b"unlucky", *(b"tile-%d" % number for number in range(10))]
    assert marks(tmp_path, "unlucky") == 2


@needs_extra
def test_a_keyword_that_dask_cuda_does_not_know_is_an_error(working, monkeypatch):
    """dask-cuda then starts a cluster without workers and reports nothing."""
    monkeypatch.setitem(engine_cuda.CUDA_ARGUMENTS, "jit_unspill", True)
    with pytest.raises(EngineError, match=r"the workers of engine cuda, 2 GPUs did not start"):
        open_bulk_engine(CUDA, EngineOptions(start_timeout_s=5))


CONTEXT_FREE = """
import os, sys
from lazytile.pyramid.engines import cuda as engine_cuda
from lazytile.pyramid.engines import gpu_devices as engine_devices
from lazytile.pyramid.engines.factory import open_bulk_engine
from lazytile.pyramid.engines.protocol import EngineSpec
from lazytile.pyramid.core.errors import EngineError
if __name__ == "__main__":
    os.environ["DASK_CUDA_TEST_DISABLE_DEVICE_SPECIFIC"] = "1"
    engine_cuda.gpu_devices = lambda: engine_devices.GpuDevices(("0",))
    try:
        open_bulk_engine(EngineSpec("cuda")).close()
    except EngineError as error:
        print(error)
    print([name for name in sys.modules if name.partition(".")[0] in {"cupy", "cupy_backends"}])
"""


@needs_extra
def test_the_server_process_does_not_even_import_cupy(tmp_path):
    """Of all that we use, CuPy alone makes CUDA contexts."""
    Path(tmp_path, "program.py").write_text(CONTEXT_FREE)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(tmp_path / "program.py")]
    done = subprocess.run(command, check=True, env=environment, capture_output=True, text=True, timeout=120)
    complaint, modules = done.stdout.splitlines()
    assert complaint.startswith("the engine cuda cannot start: a GPU does not work: CUDARuntimeError: ")
    assert (modules, done.stderr) == ("[]", "")


class Measured:
    """An engine of a given speed."""

    def __init__(self, seconds):
        self.seconds, self.closed = seconds, False

    async def render(self, task):
        await asyncio.sleep(self.seconds)
        return (b"",)

    async def close(self):
        self.closed = True


@pytest.mark.parametrize(("threads_s", "gpu_s"), [(0.0, 0.1), (0.1, 0.0)])
def test_auto_takes_what_serves_samples_faster(threads_s, gpu_s):
    threads, gpu = Measured(threads_s), Measured(gpu_s)
    chosen, measured = asyncio.run(faster_engine(threads, gpu, [Task("a"), Task("b")]))
    assert chosen is (gpu if gpu_s < threads_s else threads)
    assert (threads.closed, gpu.closed) == (chosen is gpu, chosen is threads)
    assert measured.startswith("2 sample tiles: threads ")


def test_auto_takes_threads_without_a_sample(packages, caplog):
    packages(2)
    caplog.set_level(logging.INFO)

    async def main():
        async with await open_tile_engine(AUTO, engine_tasks.render, EngineOptions(workers=1)) as engine:
            assert engine.description == "threads, 1 thread"

    asyncio.run(main())
    assert caplog.messages == ["engine auto uses threads: there is no tile to measure a GPU by"]
