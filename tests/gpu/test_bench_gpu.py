"""The benchmark of GPUs runs from end to end without one, and then claims nothing."""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from lazytile.pyramid.core import process
from lazytile.pyramid.cuda.gpu_thread import GpuLimits, GpuThread
from lazytile.pyramid.kernel.build import find_compiler
from tests.gpu.conftest import working_gpu
from tests.gpu.double import cupy

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "scripts" / "bench_gpu.py"
pytestmark = pytest.mark.skipif(find_compiler() is None, reason="there is no C++ compiler to stand in for the GPU's")


@pytest.fixture
def module(monkeypatch):
    monkeypatch.setattr(process, "_process", None)
    spec = importlib.util.spec_from_file_location("bench_gpu", SCRIPT)
    loaded = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "bench_gpu", loaded)
    monkeypatch.syspath_prepend(str(SCRIPT.parent))  # spawned processes import it
    spec.loader.exec_module(loaded)
    return loaded


def test_without_a_gpu_nothing_is_measured(tmp_path):
    if not working_gpu():
        pytest.skip("there is a GPU")
    command = [sys.executable, str(SCRIPT), "--tiles", "6", "--rows", "180", "--seconds", "0.05", "--out", tmp_path]
    done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "**Nothing was measured**: there is no GPU (" in done.stdout
    assert (tmp_path / "gpu.md").read_text() == done.stdout
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert found["measured"] is False
    assert len(found["tiles_per_second"]) == 3
    for row in found["tiles_per_second"].values():
        assert len(row) == 9
        assert set(row.values()) == {None}


def test_a_gpu_that_is_required_is_missed(tmp_path, monkeypatch):
    if not working_gpu():
        pytest.skip("there is a GPU")
    monkeypatch.setenv("LAZYTILE_REQUIRE_GPU", "1")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--out", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("no GPU works: ")
    assert not list(tmp_path.iterdir())


def test_every_stage_is_measured_and_reported(module, tmp_path, monkeypatch, capsys):
    async def through_engine(tasks):
        return float(len(tasks))

    monkeypatch.setattr(module, "through_engine", through_engine)
    gpu = GpuThread(cupy, GpuLimits(slab_bytes=16 << 20, is_timed=True))
    machine = module.Machine("a double", "", 1)
    tasks = module.make_tasks(tmp_path, 180, 5)
    row = module.measure(tasks["WebMercatorQuad, means"], gpu, machine, 0.01)
    gpu.close()
    assert set(row) == set(module.STAGES)
    assert all(value > 0 for value in row.values())
    module.write_report(tmp_path / "report", machine, gpu.name, {"means": row})
    printed = capsys.readouterr().out
    assert "a double (cuda sm_90), 1 cores" in printed
    assert "Nothing was measured" not in printed
    assert json.loads((tmp_path / "report" / "gpu.json").read_text())["tiles_per_second"] == {"means": row}


def test_tiles_that_differ_end_the_benchmark(module, tmp_path, monkeypatch):
    gpu = GpuThread(cupy, GpuLimits(slab_bytes=16 << 20, is_timed=True))
    tasks = module.make_tasks(tmp_path, 180, 2)["WebMercatorQuad, nearest"]
    real = module.render
    blank = io.BytesIO()
    Image.new("P", (256, 256)).save(blank, "PNG")
    calls = []
    monkeypatch.setattr(
        module,
        "render",
        lambda task: calls.append(task) or (real(task) if len(calls) > len(tasks) else (blank.getvalue(),)),
    )
    with pytest.raises(SystemExit, match="differ from those of NumPy"):
        module.measure(tasks, gpu, module.Machine("", "a test", 1), 0.01)
    gpu.close()
