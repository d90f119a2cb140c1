"""The CUDA kernel and its runtime on a double of CuPy: equal pixels, few launches and copies, bounded memory."""

from __future__ import annotations

import importlib
import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.core.stop_flag import StopFlag, StoppedError
from lazytile.pyramid.cuda.cuda_kernel import CudaKernel
from lazytile.pyramid.cuda.gpu_thread import GpuLimits, GpuThread
from lazytile.pyramid.kernel.build import find_compiler
from lazytile.pyramid.kernel.job_tables import fits_tables
from lazytile.pyramid.kernel.numpy_kernel import NumpyKernel
from lazytile.pyramid.resampling.method import Resampling
from tests.faults.server import wait_for
from tests.gpu.double import cupy
from tests.pyramid.kernel.blocks import block, blocks

pytestmark = pytest.mark.skipif(find_compiler() is None, reason="there is no C++ compiler to stand in for the GPU's")
NUMPY = NumpyKernel()


def kernel_with(module=cupy, **limits):
    return CudaKernel(GpuThread(module, GpuLimits(**({"slab_bytes": 48 << 20} | limits))), NUMPY)


@pytest.fixture(scope="module")
def kernel():
    made = kernel_with()
    yield made
    made.gpu.close()


@pytest.fixture(scope="module", params=["double", "device"])
def either(request, kernel):
    """The kernel on the double, and on a GPU where one works."""
    if request.param == "double":
        yield kernel
        return
    request.getfixturevalue("gpu")
    made = kernel_with(importlib.import_module("cupy"))
    yield made
    made.gpu.close()


@settings(max_examples=150, deadline=None)
@given(block=blocks())
def test_pixels_and_values_equal_those_of_numpy(either, block):
    kernel = either
    if not kernel.handles(block.job):
        assert not fits_tables(block.job)
        return
    with np.errstate(all="ignore"):
        expected, values = block.index(NUMPY), block.values(NUMPY)
    found = block.index(kernel)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    assert block.values(kernel).tobytes() == values.tobytes()


def tiles(count, *, method=Resampling.AVERAGE, is_mesh=False, dtype="int16"):
    """Different blocks of one kind."""
    made = (block(seed, method, is_mesh=is_mesh) for seed in itertools.count(5))
    fit = (one for one in made if one.job.packing.dtype == dtype and fits_tables(one.job) and one.filled(NUMPY).chunks)
    return list(itertools.islice(fit, count))


def with_keys(filled, name):
    return replace(filled, keys=[(name, position) for position in filled.positions])


@pytest.mark.parametrize("method", list(Resampling))
@pytest.mark.parametrize("is_mesh", [False, True])
@pytest.mark.parametrize("count", [1, 3, 40])
def test_a_batch_costs_two_launches_a_copy_each_way_and_one_synchronisation(kernel, method, is_mesh, count):
    batch = [one.filled(kernel) for one in tiles(count, method=method, is_mesh=is_mesh)]
    cupy.counts.clear()
    found = kernel.run(batch, StopFlag())
    for filled, index in zip(batch, found, strict=True):
        (expected,) = NUMPY.run([filled], StopFlag())
        np.testing.assert_array_equal(index, expected)
    assert cupy.counts["launches"] == 2
    assert cupy.counts["copies in"] == cupy.counts["copies out"] == cupy.counts["synchronisations"] == 1


def test_while_a_batch_runs_the_next_one_gathers(kernel):
    batch = [one.filled(kernel) for one in tiles(9)]
    batches = kernel.gpu.counts.batches
    cupy.gate.clear()
    try:
        with ThreadPoolExecutor(9) as pool:
            first = [pool.submit(kernel.run, [filled], StopFlag()) for filled in batch[:1]]
            wait_for(lambda: cupy.counts["waiting"] == 1)
            rest = [pool.submit(kernel.run, [filled], StopFlag()) for filled in batch[1:]]
            wait_for(lambda: kernel.gpu.gathered == 8)
            cupy.gate.set()
            found = [one.result()[0] for one in first + rest]
    finally:
        cupy.gate.set()
    assert kernel.gpu.counts.batches == batches + 2
    for filled, index in zip(batch, found, strict=True):
        np.testing.assert_array_equal(index, NUMPY.run([filled], StopFlag())[0])


def test_chunks_and_tables_stay_on_the_gpu():
    kernel = kernel_with()
    one = tiles(1)[0]
    filled = with_keys(one.filled(kernel), "a")
    kernel.run([filled], StopFlag())
    carried = cupy.counts["bytes in"]
    held = kernel.held(one.job, filled.keys)
    assert all(chunk is not None for chunk in held)
    cupy.counts.clear()
    (found,) = kernel.run([replace(filled, chunks=held)], StopFlag())
    np.testing.assert_array_equal(found, NUMPY.run([filled], StopFlag())[0])
    assert cupy.counts["launches"] == 1
    assert cupy.counts["bytes in"] < carried / 4
    kernel.gpu.close()


def test_memory_is_bounded_and_the_cache_gives_way():
    limit = 16 << 20
    kernel = kernel_with(memory_bytes=limit, slab_bytes=4 << 20)
    for number, one in enumerate(tiles(60)):
        filled = with_keys(one.filled(kernel), number)
        (found,) = kernel.run([filled], StopFlag())
        np.testing.assert_array_equal(found, NUMPY.run([filled], StopFlag())[0])
    assert kernel.gpu.cache.used_bytes <= kernel.gpu.cache.limit_bytes < limit
    assert kernel.gpu.cache.counts.evictions
    kernel.gpu.close()


def test_out_of_memory_sheds_the_cache_and_goes_on(monkeypatch):
    kernel = kernel_with()
    first, second = tiles(2)
    kernel.run([with_keys(first.filled(kernel), "a")], StopFlag())
    allocate, failures = cupy.MemoryPool.malloc, [1]

    def malloc(pool, nbytes):
        if failures and kernel.gpu.cache.counts.evictions == 0:
            raise cupy.OutOfMemoryError
        return allocate(pool, nbytes)

    monkeypatch.setattr(cupy.MemoryPool, "malloc", malloc)
    filled = with_keys(second.filled(kernel), "b")
    (found,) = kernel.run([filled], StopFlag())
    np.testing.assert_array_equal(found, NUMPY.run([filled], StopFlag())[0])
    assert kernel.held(first.job, [("a", position) for position in first.filled(kernel).positions])[0] is None
    monkeypatch.setattr(cupy.MemoryPool, "malloc", lambda pool, nbytes: (_ for _ in ()).throw(cupy.OutOfMemoryError))
    with pytest.raises(EngineError, match="no room"):
        kernel.run([with_keys(first.filled(kernel), "c")], StopFlag())
    monkeypatch.undo()
    kernel.run([with_keys(first.filled(kernel), "d")], StopFlag())
    kernel.gpu.close()


def test_a_job_larger_than_a_batch_is_computed_by_the_processor():
    kernel = kernel_with(slab_bytes=16 << 10)
    one = tiles(1)[0]
    filled = with_keys(one.filled(kernel), "a")
    launches = cupy.counts["launches"]
    (found,) = kernel.run([filled], StopFlag())
    np.testing.assert_array_equal(found, NUMPY.run([filled], StopFlag())[0])
    assert cupy.counts["launches"] == launches
    assert set(kernel.held(one.job, filled.keys)) == {None}
    kernel.gpu.close()


@pytest.mark.parametrize("method", list(Resampling))
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "float32", "float64"])
def test_batches_of_every_kind_equal_numpy(either, method, dtype):
    made = [one for is_mesh in (False, True) for one in tiles(5, method=method, is_mesh=is_mesh, dtype=dtype)]
    batch = [with_keys(one.filled(either), (method, dtype, number)) for number, one in enumerate(made)]
    for _ in range(2):  # the second time everything lies on the GPU
        for filled, index in zip(batch, either.run(batch, StopFlag()), strict=True):
            with np.errstate(all="ignore"):
                (expected,) = NUMPY.run([filled], StopFlag())
            np.testing.assert_array_equal(index, expected)


def test_times_of_stages_are_recorded_where_they_are_wanted(kernel):
    assert set(kernel.gpu.counts.seconds.values()) == {0.0}
    timed = kernel_with(is_timed=True)
    batch = [one.filled(timed) for one in tiles(3)]
    timed.run(batch, StopFlag())
    assert list(timed.gpu.counts.seconds) == ["upload", "kernel", "download"]
    assert all(seconds > 0 for seconds in timed.gpu.counts.seconds.values())
    timed.gpu.close()


def test_stopped_jobs_are_not_computed(kernel):
    stop = StopFlag()
    stop.set()
    with pytest.raises(StoppedError):
        kernel.run([tiles(1)[0].filled(kernel)], stop)


def test_a_gpu_that_fails_says_so_from_then_on(monkeypatch):
    kernel = kernel_with()
    filled = tiles(1)[0].filled(kernel)
    monkeypatch.setattr(cupy.Event, "synchronize", lambda event: (_ for _ in ()).throw(RuntimeError("ECC error")))
    for _ in range(2):
        with pytest.raises(Exception, match="ECC error"):
            kernel.run([filled], StopFlag())
    with pytest.raises(EngineError, match="the GPU has failed: ECC error"):
        kernel.run([filled], StopFlag())
    kernel.gpu.close()


def test_many_threads_share_a_gpu(either):
    kernel = either
    made = tiles(24)
    expected = [NUMPY.run([one.filled(NUMPY)], StopFlag())[0] for one in made]

    def run(number):
        one = made[number % len(made)]
        return kernel.run([with_keys(one.filled(kernel), number % len(made))], StopFlag())[0]

    with ThreadPoolExecutor(12) as pool:
        for number, found in enumerate(pool.map(run, range(240))):
            np.testing.assert_array_equal(found, expected[number % len(made)])
