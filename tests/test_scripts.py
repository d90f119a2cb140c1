"""Each script can be imported, and the benchmarks run on a small dataset."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from lazytile.pyramid.core import process
from lazytile.pyramid.ingest.convert import convert
from tests.pyramid.netcdf import centres, write_grid

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
MAX_LINES = 300


@pytest.fixture(autouse=True)
def script_path(monkeypatch):
    """Scripts import each other from their own folder, as when they run; the caches that they install go with them."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    monkeypatch.setattr(process, "_process", None)
    yield
    for path in SCRIPTS.glob("*.py"):
        sys.modules.pop(path.stem, None)


def load(name):
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    codes = np.random.default_rng(1).integers(0, 20_000, (180, 360)).astype("int16")
    path = tmp_path_factory.mktemp("source") / "sst.nc"
    attributes = {
        "standard_name": "sea_surface_temperature",
        "units": "kelvin",
        "scale_factor": 0.001,
        "add_offset": 273.15,
    }
    return write_grid(
        path,
        codes,
        centres(90, -1.0, 180),
        centres(-180, 1.0, 360),
        name="analysed_sst",
        fill=-1,
        attributes=attributes,
    )


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.py")), ids=lambda path: path.stem)
def test_a_script_is_short_and_names_what_is_there(path):
    assert len(path.read_text().splitlines()) <= MAX_LINES
    load(path.stem)


def test_the_benchmark_of_colormaps(monkeypatch, capsys):
    module = load("bench_colormaps")
    monkeypatch.setattr(module, "best_ms", lambda task: task() is None or 1.0)
    module.main()
    assert len(capsys.readouterr().out.splitlines()) == 7


def test_the_benchmark_of_tiles_without_a_server(source, tmp_path, capsys):
    module = load("bench_tiles")
    convert(source, tmp_path, "mur4")
    tasks = {zoom: module.choose_tasks(tmp_path, 4, zoom, 3) for zoom in (0, 2)}
    module.stages("lazytile", tasks, {})
    module.restyle(tasks)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 + 2 + 2
    rows = [[float(cell) for cell in line.split("|")[1:7]] for line in lines[3:5]]
    assert [row[0] for row in rows] == [0, 2]
    assert all(whole > 0 for *_, whole in rows)


def test_the_benchmark_of_mrf_exports(source, tmp_path, capsys):
    module = load("bench_mrf")
    module.prepare(source, tmp_path)
    capsys.readouterr()
    module.export(tmp_path, "fast", "threads")
    assert json.loads(capsys.readouterr().out).keys() == {"seconds", "processor_s", "queued_s", "idle_s"}
    assert list((tmp_path / "out-fast").glob("*.mrf"))


def test_the_benchmark_of_conversions(source, tmp_path):
    module = load("bench_convert")
    run = module.run("ours", "", source, "analysed_sst", tmp_path)
    assert min(run.wall_s, run.cpu_s, run.peak_bytes, run.written_bytes) > 0
    assert len(list(tmp_path.glob("*/bench.zarr"))) == 1  # until all have run


def test_a_section_of_a_document_is_replaced(tmp_path):
    module = load("bench_document")
    document = tmp_path / "a.md"
    document.write_text("# A\n\n<!-- x -->\nold\n\n<!-- end of x -->\n\nrest\n")
    module.write_section(document, "x", ["new"])
    module.write_section(document, "y", ["more"])
    module.write_section(document, "y", ["most"])
    text = document.read_text()
    assert text.startswith("# A\n\n<!-- x -->\nnew\n\n<!-- end of x -->\n\nrest\n")
    assert text.count("<!-- y -->\nmost\n") == 1
    assert "old" not in text
    assert "more" not in text
