"""The synthetic source of the demo."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import netCDF4
import numpy as np
import pytest

from lazytile.pyramid.ingest.convert import convert

if TYPE_CHECKING:
    from types import ModuleType

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"


@pytest.fixture(scope="module")
def demo() -> ModuleType:
    sys.path.insert(0, str(SCRIPTS))
    try:
        spec = importlib.util.spec_from_file_location("make_demo_data", SCRIPTS / "make_demo_data.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["make_demo_data"] = module
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(SCRIPTS))
    return module


def test_it_is_the_same_each_time_and_looks_like_an_ocean(demo: ModuleType, tmp_path: Path) -> None:
    lat, lon = -89.5 + np.arange(180.0), -179.5 + np.arange(360.0)
    fields = []
    for name in ("a.nc", "b.nc"):
        demo.write_sst(tmp_path / name, lat, lon, 1)
        with netCDF4.Dataset(tmp_path / name) as file:
            file.set_auto_maskandscale(False)
            fields.append(file["analysed_sst"][0])
    np.testing.assert_array_equal(*fields)
    land = fields[0] == -32768
    assert 0.25 < land.mean() < 0.42
    assert land[90 + 48, 180 + 10], "Europe"
    assert land[90 - 25, 180 + 135], "Australia"
    assert not land[90, 180 - 150], "the Pacific"
    kelvin = fields[0] * 0.001 + 298.15
    assert 300 < kelvin[90, 180 + 165] < 305
    assert kelvin[90 + 70, 180 + 0] < 283
    dataset = convert(tmp_path / "a.nc", tmp_path)
    variable = dataset.variables[0]
    assert variable.standard_name == "sea_surface_foundation_temperature"
    assert variable.units == "kelvin"
    assert variable.time is not None
    assert variable.time.labels == ("2026-01-01T09:00:00Z",)


@pytest.mark.parametrize(("full", "shape", "west"), [(False, (3600, 7200), -180.0), (True, (17999, 36000), -179.995)])
def test_its_grids_are_mur_like(demo: ModuleType, full: bool, shape: tuple[int, int], west: float) -> None:
    lat, lon = demo.grid(full=full)
    assert (lat.size, lon.size) == shape
    from lazytile.pyramid.sources.cf.axes import longitude_axis

    assert longitude_axis(lon.astype("f4"), "lon").axis.first_edge == west
