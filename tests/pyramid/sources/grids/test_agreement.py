"""Places that disagree with the grid are said so, with the distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyproj
import pytest
import xarray as xr
from typer.testing import CliRunner

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.ingest.describe import describe, format_description
from lazytile.service.cli.main import app
from tests.pyramid.sources.samples import EAST, NORTH, converted, even
from tests.shared import shared

if TYPE_CHECKING:
    from pathlib import Path

POLE = {
    "grid_mapping_name": "rotated_latitude_longitude",
    "grid_north_pole_latitude": 39.25,
    "grid_north_pole_longitude": -162.0,
}
AXIS = np.arange(-10, 11.0) / 2
LON, LAT = pyproj.Transformer.from_crs(pyproj.CRS.from_cf(POLE), 4326, always_xy=True).transform(
    *np.meshgrid(AXIS, AXIS)
)


def rotated(off: float) -> xr.Dataset:
    """Return a file on a rotated grid whose true places lie elsewhere by some degrees of latitude."""
    return xr.Dataset(
        {"v": (("rlat", "rlon"), LAT, {"grid_mapping": "pole", "coordinates": "lon lat"}), "pole": ((), 0, POLE)},
        {
            "rlat": ("rlat", AXIS, {"standard_name": "grid_latitude", "units": "degrees"}),
            "rlon": ("rlon", AXIS, {"standard_name": "grid_longitude", "units": "degrees"}),
        },
    ).assign(lat=(("rlat", "rlon"), LAT + off, NORTH), lon=(("rlat", "rlon"), LON, EAST))


@pytest.mark.parametrize(("off", "said"), [(0.0, None), (0.045, None), (0.1, "0.2"), (0.45, "0.9")])
def test_the_distance_is_said_in_cells(tmp_path: Path, off: float, said: str | None) -> None:
    dataset, _ = converted(tmp_path, rotated(off))
    assert dataset.grid.shape.rows == 21
    told = [remark for remark in dataset.remarks if "true places" in remark]
    if said is None:
        assert told == []
        return
    assert told[0].startswith(f"the true places of the cells (lat and lon) lie up to {said} cells from where the Pole")
    assert told[0] in format_description(describe(tmp_path / "store" / "d.zarr"))
    assert told[0] in format_description(describe(tmp_path / "in0.nc"))


def test_beyond_a_cell_the_file_is_refused_unless_the_user_states_the_crs(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"lie up to 4 cells .* of grid mapping pole puts them; give --crs"):
        converted(tmp_path, rotated(2.0))
    dataset, _ = converted(tmp_path, rotated(2.0), crs=pyproj.CRS.from_cf(POLE).to_wkt())
    assert any("lie up to 4 cells from where" in remark for remark in dataset.remarks)
    dataset, _ = converted(tmp_path, rotated(2.0), x="lon", y="lat")
    assert dataset.grid.crs == "EPSG:4326"


def test_the_command_says_it_while_it_converts(tmp_path: Path) -> None:
    rotated(0.1).to_netcdf(tmp_path / "in.nc")
    result = CliRunner().invoke(
        app, ["convert", str(tmp_path / "in.nc"), "--store", str(tmp_path / "store"), "--engine", "threads"]
    )
    assert result.exit_code == 0, result.output
    assert "note: the true places of the cells (lat and lon) lie up to 0.2 cells from where" in result.stderr


def test_longitudes_are_compared_round_the_circle(tmp_path: Path) -> None:
    lat, lon = np.arange(-20, 21.0), np.arange(0.5, 360, 1.0)
    file = even(lat, lon)
    places = np.meshgrid((lon + 180) % 360 - 180, lat)
    file = file.assign_coords(lat2d=(("lat", "lon"), places[1], NORTH), lon2d=(("lat", "lon"), places[0], EAST))
    dataset, _ = converted(tmp_path, file)
    assert dataset.remarks == ()


def test_fill_values_among_the_places_do_not_disagree(tmp_path: Path) -> None:
    file = rotated(0.0)
    for name in ("lat", "lon"):
        file[name][3:9, :] = 0.0
    dataset, _ = converted(tmp_path, file)
    assert not any("true places" in remark for remark in dataset.remarks)


def test_a_real_file_that_contradicts_itself_says_how_far(tmp_path: Path) -> None:
    dataset = convert(shared("realdata", "Arctic20_1to5Feb_2016.nc"), tmp_path, "d", ["aice"])
    (remark,) = (each for each in dataset.remarks if "true places" in each)
    assert "(latitude and longitude) lie up to 0.87 cells from where the Polar Stereographic" in remark
