"""The fill value 0 that Zarr 2 gives every array is no missing place and no missing time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr

from lazytile.pyramid.sources.series import open_files
from tests.web import folder, serving

if TYPE_CHECKING:
    from pathlib import Path

    from lazytile.pyramid.sources.source import Source

ROWS, COLS = np.mgrid[-30:31, -40:41]
EDGES = np.array([80, 45, 20, 5, 0, -5, -20, -45, -80.0])
DAYS = {"units": "days since 2000-01-01", "calendar": "standard"}
FORMS: dict[str, dict[str, tuple[tuple[str, ...], Any, dict[str, str]]]] = {
    "axes": {
        "time": (("time",), np.arange(3), DAYS),
        "lat": (("lat",), np.arange(-40.0, 41), {"units": "degrees_north"}),
        "lon": (("lon",), np.arange(-60.0, 61), {"units": "degrees_east"}),
        "sst": (("time", "lat", "lon"), np.ones((3, 81, 121), "f4"), {}),
    },
    "bounds": {
        "lat": (("lat",), (EDGES[1:] + EDGES[:-1]) / 2, {"units": "degrees_north", "bounds": "lat_bnds"}),
        "lat_bnds": (("lat", "side"), np.stack([EDGES[:-1], EDGES[1:]], 1), {}),
        "lon": (("lon",), np.arange(0, 360, 10.0), {"units": "degrees_east"}),
        "sst": (("lat", "lon"), np.ones((8, 36), "f4"), {}),
    },
    "places that say so": {
        "north": (("y", "x"), ROWS * 0.5 + COLS * 0.05, {"units": "degrees_north"}),
        "east": (("y", "x"), COLS * 0.5 - ROWS * 0.05, {"standard_name": "longitude", "units": "degrees"}),
        "sst": (("y", "x"), np.ones(ROWS.shape, "f4"), {}),
    },
    "places that are named": {
        "lat": (("y", "x"), ROWS * 0.5 + COLS * 0.05, {}),
        "lon": (("y", "x"), COLS * 0.5 - ROWS * 0.05, {}),
        "sst": (("y", "x"), np.ones(ROWS.shape, "f4"), {"coordinates": "lat lon"}),
    },
}


def write(path: Path, form: str, fill: int | None) -> None:
    group = zarr.create_group(path, zarr_format=2)
    for name, (dims, values, attributes) in FORMS[form].items():
        array = group.create_array(name, shape=values.shape, dtype=values.dtype, fill_value=fill)
        array[...] = values
        array.attrs.put({**attributes, "_ARRAY_DIMENSIONS": list(dims)})
    zarr.consolidate_metadata(path)


def found_in(source: Source) -> tuple[object, ...]:
    return source.found.grid, source.remarks, tuple(each.variable.dimensions for each in source.variables)


@pytest.mark.parametrize("form", FORMS)
def test_coordinates_and_bounds_hold_zeros(tmp_path: Path, form: str) -> None:
    pytest.importorskip("obstore")
    write(tmp_path / "stated.zarr", form, None)
    write(tmp_path / "www" / "assumed.zarr", form, 0)
    wanted = found_in(open_files([str(tmp_path / "stated.zarr")]))
    assert found_in(open_files([str(tmp_path / "www" / "assumed.zarr")])) == wanted
    with serving() as web:
        web.default = folder(tmp_path / "www")
        assert found_in(open_files([web.url("/assumed.zarr")])) == wanted


def test_zeros_of_data_are_no_data_as_xarray_has_it(tmp_path: Path) -> None:
    write(tmp_path / "assumed.zarr", "axes", 0)
    (variable,) = open_files([str(tmp_path / "assumed.zarr")]).variables
    assert variable.variable.packing.missing == (0.0,)
