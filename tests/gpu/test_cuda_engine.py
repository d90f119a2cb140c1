"""The engine cuda renders through the CUDA kernel on real dask-cuda workers, with a double in CuPy's place."""

from __future__ import annotations

import asyncio
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from lazytile.colormaps.library.catalog import ColormapCatalog
from lazytile.pyramid.cuda.worker import start_kernel
from lazytile.pyramid.engines import cuda as engine_cuda
from lazytile.pyramid.engines.factory import open_tile_engine
from lazytile.pyramid.engines.gpu_devices import GpuDevices
from lazytile.pyramid.engines.protocol import EngineOptions, EngineSpec
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.kernel.selection import kernel_name
from lazytile.pyramid.render.image import ImageFormat
from lazytile.pyramid.render.renderer import render
from lazytile.pyramid.render.style import Styles
from lazytile.pyramid.render.tile_request import PixelOptions, TileRequest
from lazytile.pyramid.resampling.method import Resampling
from lazytile.pyramid.store.store import Store
from lazytile.pyramid.work import perform
from tests.pyramid.netcdf import centres, write_grid

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.skipif(
    find_spec("dask_cuda") is None or find_spec("pynvml") is None,
    reason="dask-cuda is not installed: make gpu-check",
)


def counted():
    """Return what the double of a worker has counted."""
    return dict(sys.modules["cupy"].counts)


@pytest.fixture(params=["double", "device"])
def workers(request, monkeypatch):
    """The GPUs of the machine; or one "GPU" whose worker imports the double. Returns which."""
    if request.param == "device":
        request.getfixturevalue("gpu")
        return request.param
    monkeypatch.setenv("DASK_CUDA_TEST_DISABLE_DEVICE_SPECIFIC", "1")
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "gpu" / "double"))  # spawned processes take sys.path over
    monkeypatch.setattr(engine_cuda, "gpu_devices", lambda: GpuDevices(("0",)))
    return request.param


def tasks(store):
    layer = Store(store).layer("d")
    style = Styles(ColormapCatalog()).style(layer, "grey")
    for name, zoom in (("WorldCRS84Quad", "0"), ("WebMercatorQuad", "1"), ("EPSG3413_1km", "0")):
        tms = layer.tile_matrix_set(name)
        for method in (None, *Resampling):
            options = PixelOptions(method)
            yield TileRequest(layer, style, (), tms, tms.matrix(zoom), 0, 0, ImageFormat.PNG, options).task(store)


def test_tiles_are_computed_on_the_workers_gpu(workers, tmp_path):
    codes = np.random.default_rng(3).integers(0, 200, (180, 360)).astype("int16")
    write_grid(tmp_path / "d.nc", codes, centres(90, -1.0, 180), centres(-180, 1.0, 360), fill=-1)
    convert(tmp_path / "d.nc", tmp_path / "store", "d")
    made = list(tasks(tmp_path / "store"))

    async def main():
        options = EngineOptions(start_gpu=start_kernel, kernel_name=kernel_name)
        async with await open_tile_engine(EngineSpec("cuda"), perform, options) as engine:
            if workers == "device":
                assert engine.description.startswith("cuda, ")
                assert all(name.startswith("cuda sm_") for name in engine.kernels)
                return await asyncio.gather(*(engine.render(task) for task in made))
            assert engine.description == "cuda, 1 GPU (cuda sm_90), direct calls"
            assert engine.kernels == {"cuda sm_90"}
            before = await engine._engine._session.run_everywhere(counted, timeout_s=30)
            found = await asyncio.gather(*(engine.render(task) for task in made))
            after = await engine._engine._session.run_everywhere(counted, timeout_s=30)
            (first,), (last,) = before.values(), after.values()
            assert last["launches"] - first["launches"] >= len(made) / 2
            return found

    assert asyncio.run(main()) == [render(task) for task in made]
