"""The table of docs/accuracy.md: every case within the bound, and the page as the script writes it."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def _script():
    spec = importlib.util.spec_from_file_location("accuracy_script", ROOT / "scripts" / "accuracy.py")
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


script = _script()


@pytest.mark.parametrize("case", script.CASES, ids=lambda case: case.name)
def test_every_case_is_within_the_bound(case):
    found = script.measure(case, gdal=False)
    assert found.pixels > 5000
    assert found.largest <= 0.125
    assert found.mean <= 0.125 / 8


@pytest.mark.parametrize("name", ["polar N, pole inside", "Lambert", "UTM"])
def test_gdal_sees_the_same(name):
    pytest.importorskip("rasterio", reason="rasterio is not installed")
    case = next(case for case in script.CASES if case.name == name)
    found = script.measure(case)
    assert found.gdal_mean < 0.05
    assert found.gdal_same > 0.95


def test_the_page_has_the_cases_and_keeps_the_bound():
    page = (ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| \d+ \| [\d.]+% \| ([\d.]+) \| ([\d.]+) \|", page, re.MULTILINE)
    assert [name for name, _, _ in rows] == [case.name for case in script.CASES]
    assert all(float(largest) <= 0.125 for _, largest, _ in rows)
    crs = {case.grid.crs for case in script.CASES} | {case.crs for case in script.CASES}
    assert len(crs) >= 8
