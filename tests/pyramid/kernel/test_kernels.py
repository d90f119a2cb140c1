"""Every kernel gives the bytes of the NumPy kernel: all types, packings, positions, chunks, methods and palettes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from lazytile.colormaps.compiled.palette import Palette
from lazytile.colormaps.core.units import Conversion
from lazytile.pyramid.core.packing import Packing
from lazytile.pyramid.core.stop_flag import StopFlag, StoppedError
from lazytile.pyramid.kernel.numpy_kernel import NumpyKernel
from lazytile.pyramid.resampling.method import Resampling
from lazytile.pyramid.resampling.value_tile import ValueTile
from tests.pyramid.kernel.blocks import Block, block, blocks
from tests.pyramid.kernel.comparison import check
from tests.pyramid.kernel.libraries import KERNELS, kernel_of

REFERENCE = NumpyKernel()


@pytest.mark.parametrize("name", KERNELS)
@settings(max_examples=120, deadline=None)
@given(drawn=blocks())
def test_kernels_are_equal(name, drawn):
    check(drawn, kernel_of(name), REFERENCE)


@pytest.mark.parametrize("name", KERNELS)
def test_a_batch_gives_what_its_jobs_give_alone(name):
    kernel = kernel_of(name)
    drawn = [block(seed, method, is_mesh=seed % 2 == 0) for seed in range(6) for method in Resampling]
    together = kernel.run([one.filled(kernel) for one in drawn], StopFlag())
    for one, found in zip(drawn, together, strict=True):
        np.testing.assert_array_equal(found, one.index(kernel))
    assert kernel.run([], StopFlag()) == []


@pytest.mark.parametrize("name", KERNELS)
def test_values_are_painted_as_numpy_paints_them(name):
    random = np.random.default_rng(3)
    values = random.normal(0, 10, (37, 53))
    values[random.random(values.shape) < 0.2] = np.nan
    values[0, :3] = np.inf, -np.inf, -0.0
    for count in (0, 1, 5, 250, 700):
        cuts = np.unique(random.choice(values[np.isfinite(values)], count))
        slots = np.append(np.arange(1, cuts.size + 2), 0).astype(np.uint8 if cuts.size < 254 else np.uint16)
        colours = random.integers(0, 256, (cuts.size + 2, 4)).astype(np.uint8)
        for steps in ((), (("subtract", 273.15),), (("multiply", 9.0), ("divide", 5.0), ("add", 32.0))):
            palette = Palette(colours, cuts, slots, Conversion(steps))
            tile = ValueTile(values, Packing("float64"), None)
            np.testing.assert_array_equal(
                kernel_of(name).paint(tile, palette), REFERENCE.paint(tile, palette), strict=True
            )


@pytest.mark.parametrize("name", ["numpy", *KERNELS])
@pytest.mark.parametrize("method", Resampling)
@pytest.mark.parametrize("is_mesh", [False, True])
def test_a_stopped_computation_gives_nothing(name, method, is_mesh):
    kernel = REFERENCE if name == "numpy" else kernel_of(name)
    filled = block(1, method, is_mesh=is_mesh).filled(kernel)
    stop = StopFlag()
    stop.set()
    with pytest.raises(StoppedError):
        kernel.run([filled], stop)
    with pytest.raises(StoppedError):
        kernel.values([filled], stop)


def with_packing(packing: Packing, method: Resampling = Resampling.AVERAGE) -> Block:
    drawn = block(1, method, is_mesh=False)
    return replace(drawn, job=replace(drawn.job, packing=packing, palette=None))


@pytest.mark.parametrize(
    "drawn",
    [
        pytest.param(with_packing(Packing("int32")), id="a type without tables"),
        pytest.param(with_packing(Packing("float16")), id="half floats"),
        pytest.param(with_packing(Packing("int16", missing=tuple(map(float, range(0, 40, 2))))), id="too many codes"),
        pytest.param(with_packing(Packing("uint8", valid_min=9.0, valid_max=8.0)), id="no code is data"),
        pytest.param(with_packing(Packing("int16", 1e-9, 1e9), Resampling.MODE), id="codes of one value"),
    ],
)
def test_what_has_no_tables_is_left_to_numpy(drawn):
    assert not kernel_of("base").handles(drawn.job)


def test_codes_at_the_ends_of_a_type_take_no_room_in_the_list():
    ends = (-128.0, -127.0, -126.0, -125.0, -124.0, 127.0, 126.0, 125.0, 124.0, 123.0)
    assert kernel_of("base").handles(with_packing(Packing("int8", missing=ends)).job)


@pytest.mark.parametrize("name", KERNELS)
def test_reliefs_are_equal(name):
    random = np.random.default_rng(4)
    values = random.normal(0, 3, (39, 55))
    values[random.random(values.shape) < 0.02] = np.nan
    values[10:20, 10:20] = 7.0
    for exaggeration in (1.0, 0.3, 1e6):
        expected = REFERENCE.hillshade(values, exaggeration, StopFlag())
        found = kernel_of(name).hillshade(values, exaggeration, StopFlag())
        np.testing.assert_array_equal(found, expected, strict=True)
        # A strided view, as a filter passes it.
        inner = kernel_of(name).hillshade(values[1:-1, 1:-1], exaggeration, StopFlag())
        np.testing.assert_array_equal(inner, expected[1:-1, 1:-1])
    stop = StopFlag()
    stop.set()
    with pytest.raises(StoppedError):
        kernel_of(name).hillshade(values, 1.0, stop)
