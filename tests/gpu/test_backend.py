"""The array module of an array, and the checks of these tests' own helpers."""

import numpy as np
import pytest

from lazytile.pyramid.core.array_backend import array_module, probe_device, to_host
from tests.gpu.cupy_shape import CupyShape


def test_numpy_arrays_belong_to_numpy():
    array = np.zeros((2, 3))
    assert array_module(array) is np
    assert array_module(np.float64(1)) is np
    assert to_host(array) is array


def test_arrays_of_the_standard_belong_to_their_namespace():
    strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed: make gpu-check")
    assert array_module(strict.zeros(3)) is strict


def test_what_is_no_array_belongs_to_no_module():
    with pytest.raises(TypeError, match="list is not an array"):
        array_module([1, 2])


def test_cupy_arrays_belong_to_cupy(gpu):
    import cupy

    array = cupy.arange(5)
    assert array_module(array) is cupy
    assert to_host(array).tolist() == [0, 1, 2, 3, 4]


def test_the_probe_names_the_gpu(gpu):
    assert probe_device()


def test_the_cupy_shape_catches_what_cupy_lacks():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed: make gpu-check")
    xp = CupyShape(np, cupy)
    codes = np.arange(4)
    assert xp.take(codes, codes).tolist() == [0, 1, 2, 3]
    with pytest.raises(TypeError, match="mode"):
        xp.take(codes, codes, mode="clip")
    for name in ("errstate", "nanpercentile"):
        assert hasattr(np, name)
        with pytest.raises(AttributeError):
            getattr(xp, name)


def test_the_strict_device_catches_host_arrays():
    strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed: make gpu-check")
    array = strict.asarray(np.arange(4), device=strict.Device("device1"))
    with pytest.raises(ValueError, match="device"):
        array + strict.asarray(np.arange(4))
    with pytest.raises(RuntimeError):
        np.asarray(array)
