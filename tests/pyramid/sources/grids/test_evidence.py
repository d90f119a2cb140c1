"""The order of evidence: for every pair that can disagree, which one wins and what is said (docs/sources.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj
import pytest
import xarray as xr

from lazytile.pyramid.core.errors import SourceError
from tests.pyramid.sources.samples import (
    EAST,
    METRES_X,
    METRES_Y,
    NORTH,
    TILTED_LAT,
    TILTED_LON,
    converted,
    shows_its_latitudes,
    tilted,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

UTM = pyproj.CRS.from_epsg(32633).to_cf()
DEGREES = {"grid_mapping_name": "latitude_longitude"}
XS, YS = 4e5 + 30 * (np.arange(50) + 0.5), 5e6 - 30 * (np.arange(60) + 0.5)
UTM_LON, UTM_LAT = pyproj.Transformer.from_crs(32633, 4326, always_xy=True).transform(*np.meshgrid(XS, YS))
DEGREE_X, DEGREE_Y = 10 + np.arange(50) * 0.5, 40 - np.arange(60) * 0.5
PLAIN: dict[str, Any] = {}


def flat(
    x: Any = XS, y: Any = YS, x_attrs: Any = PLAIN, y_attrs: Any = PLAIN, *, mapping: Any = None, names: str = "yx"
) -> xr.Dataset:
    """Return a file with one-dimensional coordinates, and a grid mapping where one is given."""
    y_name, x_name = ("lat", "lon") if names == "latlon" else tuple(names)
    file = xr.Dataset(
        {"v": ((y_name, x_name), np.zeros((np.size(y), np.size(x))))},
        {x_name: (x_name, np.asarray(x), x_attrs), y_name: (y_name, np.asarray(y), y_attrs)},
    )
    if mapping is not None:
        file["crs"] = ((), 0, mapping)
        file.v.attrs["grid_mapping"] = "crs"
    return file


def with_places(file: xr.Dataset, lat: Any, lon: Any) -> xr.Dataset:
    """Return a file with the true place of each cell, in variables that are not named like an axis."""
    dims = file.v.dims
    return file.assign_coords(lat2d=(dims, np.asarray(lat), NORTH), lon2d=(dims, np.asarray(lon), EAST))


def extended(file: xr.Dataset, text: str) -> xr.Dataset:
    """Return a file whose variable names its grid mapping in the extended form."""
    file.v.attrs["grid_mapping"] = text
    return file


def attributed(file: xr.Dataset, **attributes: Any) -> xr.Dataset:
    """Return a file with attributes of its own."""
    return file.assign_attrs({name.replace("__", ":"): value for name, value in attributes.items()})


INDEX_X, INDEX_Y = np.arange(50), np.arange(60)
DEGREE_GRID = np.meshgrid(DEGREE_X, DEGREE_Y)


def utm(grid: Any) -> bool:
    return grid.crs == "EPSG:32633" and (grid.x.first_edge, grid.y.first_edge) == (4e5, 5e6)


def degrees(grid: Any) -> bool:
    return grid.crs == "EPSG:4326" and (grid.x.first_edge, grid.y.first_edge) == (9.75, 40.25)


def tilted_places(grid: Any) -> bool:
    return grid.crs == "EPSG:4326" and -100.2 < grid.bounds.west < -99.9 and 34 < grid.bounds.south < 34.6


REFUSED = None
PLACE_NAMES = {"x": "lon2d", "y": "lat2d"}

# Stronger evidence, weaker evidence, the file in which they disagree, options, who wins, what is said.
TABLE: list[tuple[str, str, xr.Dataset, dict[str, Any], Callable[[Any], bool] | None, str]] = [
    (
        "user",
        "standard_name",
        with_places(flat(DEGREE_X, DEGREE_Y, EAST, NORTH), TILTED_LAT, TILTED_LON),
        PLACE_NAMES,
        tilted_places,
        "by --y and --x",
    ),
    ("user", "units", flat(XS, YS, {"units": "m"}, {"units": "m"}), {"crs": "EPSG:4326"}, REFUSED, "in 'm'"),
    (
        "user",
        "axis",
        flat(DEGREE_X, DEGREE_Y, {"axis": "Y"}, {"axis": "X"}),
        {"x": "x", "y": "y"},
        degrees,
        "by --y",
    ),
    ("user", "grid mapping", flat(mapping=pyproj.CRS(32634).to_cf()), {"crs": "EPSG:32633"}, utm, "by --crs"),
    (
        "user",
        "places",
        with_places(flat(), UTM_LAT + 5, UTM_LON),
        {"crs": "EPSG:32633"},
        utm,
        "the true places of the cells (lat2d and lon2d) lie up to",
    ),
    ("user", "convention", attributed(flat(), proj__code="EPSG:32634"), {"crs": "EPSG:32633"}, utm, "by --crs"),
    ("user", "name", flat(names="latlon"), {"crs": "EPSG:32633"}, utm, "by --crs"),
    (
        "user",
        "numbers",
        flat(INDEX_X, INDEX_Y * 10, names="ab"),
        {"x": "b", "y": "a"},
        REFUSED,
        "numbers from 0 to 590 are no latitudes",
    ),
    (
        "standard_name",
        "units",
        flat(DEGREE_X, DEGREE_Y, {**EAST, "units": "m"}, NORTH),
        {},
        REFUSED,
        "x has the standard_name longitude but is in 'm'",
    ),
    (
        "standard_name",
        "other direction of units",
        flat(DEGREE_X, DEGREE_Y, EAST, {**NORTH, "units": "degrees_east"}),
        {},
        degrees,
        "latitude y, by standard_name",
    ),
    (
        "standard_name",
        "axis",
        flat(DEGREE_X, DEGREE_Y, {**EAST, "axis": "Y"}, {**NORTH, "axis": "X"}),
        {},
        degrees,
        "latitude y, by standard_name",
    ),
    (
        "standard_name",
        "grid mapping",
        flat(DEGREE_X, DEGREE_Y, EAST, NORTH, mapping=UTM),
        {},
        degrees,
        "the grid mapping crs is not used: y and x are degrees",
    ),
    (
        "standard_name",
        "places",
        with_places(flat(DEGREE_X, DEGREE_Y, EAST, NORTH), DEGREE_GRID[1] + 5, DEGREE_GRID[0]),
        {},
        REFUSED,
        "lie up to 10 cells from where y and x puts them; give --crs, or name the right coordinates",
    ),
    (
        "standard_name",
        "places nearby",
        with_places(flat(DEGREE_X, DEGREE_Y, EAST, NORTH), DEGREE_GRID[1] + 0.2, DEGREE_GRID[0]),
        {},
        degrees,
        "lie up to 0.4 cells from where y and x puts them",
    ),
    (
        "standard_name",
        "convention",
        attributed(flat(DEGREE_X, DEGREE_Y, EAST, NORTH), proj__code="EPSG:32633"),
        {},
        degrees,
        "proj:code (EPSG:32633) is not used: y and x in degrees is better evidence",
    ),
    (
        "standard_name",
        "name",
        flat(DEGREE_Y, DEGREE_X, NORTH, EAST, names="latlon").transpose("lon", "lat"),
        {},
        lambda grid: grid.x.first_edge == 9.75 and grid.y.first_edge == 40.25,
        "latitude lon, by standard_name",
    ),
    (
        "standard_name",
        "numbers",
        flat(DEGREE_X, INDEX_Y * 10, EAST, NORTH),
        {},
        REFUSED,
        "reaches 590; latitudes lie within -90..90 degrees",
    ),
    (
        "units",
        "axis",
        flat(DEGREE_X, DEGREE_Y, {"units": "degrees_east", "axis": "Y"}, {"units": "degrees_north", "axis": "X"}),
        {},
        degrees,
        "latitude y, by units",
    ),
    (
        "units",
        "grid mapping",
        flat(DEGREE_X, DEGREE_Y, {"units": "degrees_east"}, {"units": "degrees_north"}, mapping=UTM),
        {},
        degrees,
        "the grid mapping crs is not used: y and x are degrees",
    ),
    (
        "units",
        "places",
        with_places(
            flat(DEGREE_X, DEGREE_Y, {"units": "degrees_east"}, {"units": "degrees_north"}),
            DEGREE_GRID[1] + 5,
            DEGREE_GRID[0],
        ),
        {},
        REFUSED,
        "lie up to 10 cells",
    ),
    (
        "units",
        "convention",
        attributed(flat(DEGREE_X, DEGREE_Y, {"units": "degrees_east"}, {"units": "degrees_north"}), proj__epsg=32633),
        {},
        degrees,
        "proj:epsg (EPSG:32633) is not used",
    ),
    (
        "units",
        "name",
        flat(DEGREE_Y, DEGREE_X, {"units": "degrees_north"}, {"units": "degrees_east"}).transpose("x", "y"),
        {},
        degrees,
        "latitude x, by units",
    ),
    (
        "units",
        "name of a latitude",
        flat(INDEX_X, INDEX_Y, {"units": "m"}, {"units": "m"}, names="latlon"),
        {},
        REFUSED,
        "a projected grid (lon 0..49 m, lat 0..59 m) without a coordinate reference system",
    ),
    (
        "units",
        "numbers",
        flat(DEGREE_X, INDEX_Y * 10, {"units": "degrees_east"}, {"units": "degrees_north"}),
        {},
        REFUSED,
        "reaches 590; latitudes lie within",
    ),
    (
        "axis",
        "grid mapping",
        flat(XS, YS, {"axis": "X"}, {"axis": "Y"}, mapping=UTM).pipe(extended, "crs: y x"),
        {},
        utm,
        "x x, by grid mapping crs",
    ),
    (
        "axis",
        "places",
        with_places(flat(INDEX_X, INDEX_Y, {"axis": "X"}, {"axis": "Y"}), TILTED_LAT, TILTED_LON),
        {},
        tilted_places,
        "latitude lat2d and longitude lon2d of every cell, by standard_name",
    ),
    (
        "axis",
        "convention",
        attributed(flat(YS, XS, {"axis": "Y"}, {"axis": "X"}), proj__code="EPSG:32633"),
        {},
        utm,
        "x y, by axis X",
    ),
    (
        "grid mapping",
        "places",
        with_places(flat(x_attrs=METRES_X, y_attrs=METRES_Y, mapping=UTM), UTM_LAT + 5, UTM_LON),
        {},
        REFUSED,
        "from where the EPSG:32633 of grid mapping crs puts them; give --crs",
    ),
    (
        "grid mapping",
        "places nearby",
        with_places(flat(x_attrs=METRES_X, y_attrs=METRES_Y, mapping=UTM), UTM_LAT + 1e-4, UTM_LON),
        {},
        utm,
        "lie up to 0.37 cells from where the EPSG:32633 of grid mapping crs puts them",
    ),
    (
        "grid mapping",
        "convention",
        attributed(flat(x_attrs=METRES_X, y_attrs=METRES_Y, mapping=UTM), proj__code="EPSG:32634"),
        {},
        utm,
        "proj:code (EPSG:32634) is not used: the grid mapping crs is better evidence",
    ),
    ("grid mapping", "name", flat(names="latlon", mapping=UTM), {}, utm, "EPSG:32633, by grid mapping crs"),
    (
        "grid mapping",
        "numbers",
        flat(XS, YS, mapping=DEGREES),
        {},
        REFUSED,
        "numbers from 4.99822e+06 to 4.99998e+06 are no latitudes",
    ),
    (
        "grid mapping",
        "indices",
        flat(INDEX_X, INDEX_Y, mapping=UTM),
        {},
        REFUSED,
        "lacks x or y along its dimensions",
    ),
    (
        "places",
        "convention",
        attributed(with_places(flat(), TILTED_LAT, TILTED_LON), proj__code="EPSG:32633"),
        {},
        tilted_places,
        "y and x are not used: the true places of the cells (lat2d and lon2d) lie up to",
    ),
    (
        "places",
        "name",
        with_places(flat(DEGREE_X, DEGREE_Y, names="latlon"), TILTED_LAT, TILTED_LON),
        {},
        tilted_places,
        "lat and lon are not used: the true places of the cells (lat2d and lon2d) lie up to",
    ),
    (
        "places",
        "index axes named x and y",
        with_places(flat(INDEX_X, INDEX_Y), TILTED_LAT, TILTED_LON),
        {},
        tilted_places,
        "latitude lat2d and longitude lon2d of every cell, by standard_name",
    ),
    (
        "places",
        "metres without a CRS",
        with_places(flat(XS, YS, {"units": "m"}, {"units": "m"}), TILTED_LAT, TILTED_LON),
        {},
        tilted_places,
        "y and x are not used: nothing states their coordinate reference system",
    ),
    (
        "places",
        "numbers",
        with_places(flat(INDEX_X, INDEX_Y), TILTED_LAT * 1000, TILTED_LON),
        {},
        REFUSED,
        "latitudes lie within -90..90 degrees",
    ),
    (
        "convention",
        "name",
        attributed(flat(names="latlon"), proj__code="EPSG:32633"),
        {},
        utm,
        "EPSG:32633, by proj:code",
    ),
    (
        "convention",
        "numbers",
        attributed(flat(), proj__code="EPSG:4326"),
        {},
        REFUSED,
        "numbers from 4.99822e+06 to 4.99998e+06 are no latitudes",
    ),
    ("name", "numbers", flat(names="latlon"), {}, REFUSED, "lat and lon have no units, and numbers from 4.99822e+06"),
]


@pytest.mark.parametrize(
    ("file", "options", "winner", "said"),
    [row[2:] for row in TABLE],
    ids=[f"{row[0]} and {row[1]}".replace(" ", "_") for row in TABLE],
)
def test_the_stronger_evidence_wins_and_the_weaker_is_named(
    tmp_path: Path, file: xr.Dataset, options: dict[str, Any], winner: Callable[[Any], bool] | None, said: str
) -> None:
    if winner is None:
        with pytest.raises(SourceError) as error:
            converted(tmp_path, file, **options)
        assert said in str(error.value)
        return
    dataset, _ = converted(tmp_path, file, **options)
    assert winner(dataset.grid), dataset.grid
    told = [*dataset.remarks, *(finding.text for finding in dataset.variables[0].understanding)]
    assert any(said in text for text in told), told


def test_names_alone_are_guesses(tmp_path: Path) -> None:
    dataset, _ = converted(tmp_path, flat(DEGREE_X, DEGREE_Y, names="latlon"))
    assert degrees(dataset.grid)
    rows = next(each for each in dataset.variables[0].understanding if each.topic == "rows")
    assert rows.guessed
    assert rows.text == "latitude lat in degrees, without units, by its name (guessed)"


@pytest.mark.parametrize("x", [INDEX_X, np.linspace(-75, 75, 50)])
def test_x_and_y_without_units_are_no_degrees(tmp_path: Path, x: np.ndarray) -> None:
    file = flat(x, np.linspace(-75, 75, 60))
    with pytest.raises(SourceError, match=r"give --crs \(EPSG:4326 if they are degrees\)"):
        converted(tmp_path, file)


def test_x_and_y_are_degrees_where_the_user_says_so(tmp_path: Path) -> None:
    dataset, _ = converted(tmp_path, flat(DEGREE_X, DEGREE_Y), crs="EPSG:4326")
    assert degrees(dataset.grid)


@pytest.mark.parametrize("units", ["degrees_north", "degree_north", "degree_N", "degrees_N", "degreeN", "degreesN"])
def test_every_spelling_of_cf_is_known(tmp_path: Path, units: str) -> None:
    east = units.replace("north", "east").replace("N", "E")
    dataset, _ = converted(tmp_path, flat(DEGREE_X, DEGREE_Y, {"units": east}, {"units": units}, names="ab"))
    assert degrees(dataset.grid)


@pytest.mark.parametrize(
    ("units", "factor"), [("radians", np.pi / 180), ("rad", np.pi / 180), ("arcmin", 60.0), ("gon", 10 / 9)]
)
def test_angles_in_other_units_are_converted(tmp_path: Path, units: str, factor: float) -> None:
    file = flat(
        DEGREE_X * factor, DEGREE_Y * factor, {**EAST, "units": units}, {**NORTH, "units": units}, names="latlon"
    )
    dataset, _ = converted(tmp_path, file)
    assert degrees(dataset.grid)
    assert (dataset.grid.x.cell_size, dataset.grid.y.cell_size) == (0.5, -0.5)


def test_degrees_south_and_west_are_negative(tmp_path: Path) -> None:
    file = flat(-DEGREE_X, -DEGREE_Y, {"units": "degrees_west"}, {"units": "degrees_south"})
    dataset, _ = converted(tmp_path, file)
    assert degrees(dataset.grid)


@pytest.mark.parametrize(
    ("lat", "lon", "is_radians"),
    [
        (np.arange(-88, 89, 4.0), np.arange(-178, 180, 4.0), True),
        (np.arange(30, 50, 1.0), np.arange(-90, -60, 1.0), True),
        (np.linspace(-1, 1, 21) * 57.29577951308232, np.linspace(0, 2, 21) * 57.29577951308232, False),
    ],
)
def test_without_units_the_steps_tell_radians_from_degrees(
    tmp_path: Path, lat: np.ndarray, lon: np.ndarray, is_radians: bool
) -> None:
    file = xr.Dataset(
        {"v": (("lat", "lon"), np.zeros((lat.size, lon.size)))},
        {"lat": ("lat", np.radians(lat)), "lon": ("lon", np.radians(lon))},
    )
    dataset, _ = converted(tmp_path, file)
    step = abs(lat[1] - lat[0]) if is_radians else abs(np.radians(lat[1] - lat[0]))
    assert dataset.grid.x.cell_size == pytest.approx(step)
    text = next(each.text for each in dataset.variables[0].understanding if each.topic == "rows")
    assert ("in radians, without units" in text) == is_radians


def test_numbers_that_may_be_degrees_or_radians_are_refused(tmp_path: Path) -> None:
    file = tilted().assign_coords(lat=(("y", "x"), np.radians(TILTED_LAT)), lon=(("y", "x"), np.radians(TILTED_LON)))
    with pytest.raises(SourceError, match="lat and lon have no units, and their numbers may be degrees or radians"):
        converted(tmp_path, file)
    for name in ("lat", "lon"):
        file[name].attrs["units"] = "radians"
    _, stored = converted(tmp_path, file)
    assert shows_its_latitudes(stored)
