"""Irregular axes, curvilinear grids and swaths, against an exhaustive search for the nearest cell."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import netCDF4
import numpy as np
import pytest
import zarr

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.core.grid import Grid, RegularAxis
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.sources.grids.regrid import CellCentres
from lazytile.pyramid.sources.source import open_source
from tests.pyramid.netcdf import centres, write_grid
from tests.shared import shared

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("down", [False, True])
def test_uneven_latitudes_take_the_nearest_row(tmp_path: Path, down: bool) -> None:
    lat = np.degrees(np.arcsin(np.linspace(-0.95, 0.9, 60)))
    codes = np.arange(60 * 72, dtype="int16").reshape(60, 72)
    turn = slice(None, None, -1 if down else 1)
    write_grid(tmp_path / "in.nc", codes[turn], lat[turn], centres(0, 5, 72), fill=-1)
    dataset = convert(tmp_path / "in.nc", tmp_path)
    stored = zarr.open_group(tmp_path / "in.zarr", mode="r")["0/t"][...]
    nearest = np.abs(dataset.grid.y.centres()[:, None] - lat).argmin(axis=1)
    np.testing.assert_array_equal(stored, codes[nearest])
    assert set(nearest) == set(range(60)), "no row is lost"
    assert any("resampled to" in remark for remark in open_source(tmp_path / "in.nc").remarks)


spatial = pytest.importorskip("scipy.spatial", reason="SciPy is not installed (extra regrid)")


@pytest.mark.parametrize("block", [1000, 17, 5])
def test_of_equally_near_cells_the_first_is_taken_whatever_block_is_asked_for(block: int) -> None:
    """A grid that overlaps itself, as tripolar ones do, has its cells twice; others lie in the middle of two."""
    lat, lon = np.meshgrid(np.arange(40.0) + 0.5, np.tile(np.arange(35.0) + 0.5, 2), indexing="ij")
    cells = CellCentres(lat, lon)
    grid = Grid("EPSG:4326", RegularAxis(0.0, 0.5, 70), RegularAxis(40.0, -0.5, 80))
    found = np.concatenate(
        [
            np.concatenate(
                [
                    cells.nearest(grid, (row, min(80, row + block)), (col, min(70, col + block)))
                    for col in range(0, 70, block)
                ],
                axis=1,
            )
            for row in range(0, 80, block)
        ]
    )
    assert (found >= 0).all()
    assert (found % 70 < 35).all()


def vectors(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    lat, lon = np.radians(lat), np.radians(lon)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def write_curvilinear(path: Path, lat: np.ndarray, lon: np.ndarray, codes: np.ndarray, fill: int | None) -> None:
    with netCDF4.Dataset(path, "w") as file:
        for dim, size in (("time", 2), ("j", lat.shape[0]), ("i", lat.shape[1])):
            file.createDimension(dim, size)
        for name, values, units in (("lat", lat, "degrees_north"), ("lon", lon, "degrees_east")):
            variable = file.createVariable(name, "f8", ("j", "i"), fill_value=-999.0)
            variable.units = units
            variable[:] = np.where(np.isfinite(values), values, -999.0)
        variable = file.createVariable("t", codes.dtype, ("time", "j", "i"), fill_value=fill)
        variable.coordinates = "lat lon"
        variable[:] = codes


def rotated(rows: int, cols: int, cell: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Return the cell centres of a grid of ``cell`` degrees that is rotated by 30 degrees."""
    i, j = np.meshgrid((np.arange(cols) - cols / 2) * cell, (np.arange(rows) - rows / 2) * cell)
    return 40 + i * np.sin(0.5) + j * np.cos(0.5), 178 + (i * np.cos(0.5) - j * np.sin(0.5)) * 1.3


@pytest.mark.parametrize("fill", [None, -1])
def test_every_cell_has_the_nearest_source_cell_or_none(tmp_path: Path, fill: int | None) -> None:
    lat, lon = rotated(40, 60)
    lat[10:13, 20:24] = np.nan
    codes = np.arange(2 * 40 * 60, dtype="int16").reshape(2, 40, 60)
    write_curvilinear(tmp_path / "in.nc", lat, (lon + 180) % 360 - 180, codes, fill)
    dataset = convert(tmp_path / "in.nc", tmp_path)
    stored = zarr.open_group(tmp_path / "in.zarr", mode="r")["0/t"][...]
    grid, packing = dataset.grid, dataset.variables[0].packing
    assert grid.bounds.west < 180 < grid.bounds.east, "the date line is no seam"
    known = np.isfinite(lat)
    points = vectors(lat[known], lon[known])
    wanted = vectors(*np.meshgrid(grid.y.centres(), grid.x.centres(), indexing="ij"))
    distance = np.linalg.norm(wanted[:, :, None, :] - points, axis=-1)
    nearest, away = distance.argmin(axis=-1), np.degrees(distance.min(axis=-1))
    inside = away < 0.5 * 0.5
    outside = away > 0.5 * 0.75 * 1.3
    for step in range(2):
        np.testing.assert_array_equal(stored[step][inside], codes[step][known][nearest[inside]])
        assert packing.is_missing(stored[step][outside]).all()
    hole = packing.is_missing(stored[0, grid.rows_of(lat[8:9, 22]), grid.cols_of(lon[8:9, 22])])
    assert not hole.any()
    assert 0.4 < grid.x.cell_size < 0.7


def test_a_file_overwritten_in_place_is_read_anew(tmp_path: Path) -> None:
    codes = np.arange(2 * 40 * 60, dtype="int16").reshape(2, 40, 60)
    lat, lon = rotated(40, 60)
    path = tmp_path / "in.nc"
    write_curvilinear(path, lat, lon, codes, -1)
    inode = path.stat().st_ino
    first = convert(path, tmp_path)
    write_curvilinear(tmp_path / "other.nc", lat[::-1], lon, codes[..., ::-1], -1)
    with path.open("r+b") as file:
        file.write((tmp_path / "other.nc").read_bytes())
        file.truncate()
    assert path.stat().st_ino == inode
    second = convert(path, tmp_path)
    fresh = convert(tmp_path / "other.nc", tmp_path, "fresh")
    assert first.grid == second.grid == fresh.grid, "no path but the content tells them apart"
    stored, wanted = (zarr.open_group(tmp_path / f"{name}.zarr", mode="r")["0/t"][...] for name in ("in", "fresh"))
    np.testing.assert_array_equal(stored, wanted)


def test_threads_that_need_different_places_do_not_wait_for_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_process: None
) -> None:
    lat, lon = rotated(40, 60)
    write_curvilinear(tmp_path / "in.nc", lat, lon, np.zeros((2, 40, 60), "int16"), -1)
    resampling = open_source(tmp_path / "in.nc").found.resampling
    assert resampling is not None
    meeting = threading.Barrier(4, timeout=30)
    real, calls = CellCentres.nearest, []

    def met(self: CellCentres, grid: Grid, rows: tuple[int, int], cols: tuple[int, int]) -> np.ndarray:
        calls.append(rows)
        meeting.wait()
        return real(self, grid, rows, cols)

    monkeypatch.setattr(CellCentres, "nearest", met)
    blocks = [(top, top + 5) for top in (0, 5, 10, 15)] * 2
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda rows: resampling.source_cells(rows, (0, 20)), blocks))
    assert sorted(calls) == sorted(set(blocks)), "and those that need the same ones compute them once"
    for one, other in zip(found[:4], found[4:], strict=True):
        np.testing.assert_array_equal(one, other)


def test_cells_in_rows_and_columns_are_not_resampled(tmp_path: Path) -> None:
    lat, lon = np.meshgrid(centres(10, 0.25, 40), centres(-30, 0.25, 60), indexing="ij")
    codes = np.arange(2 * 40 * 60, dtype="int16").reshape(2, 40, 60)
    write_curvilinear(tmp_path / "in.nc", lat, lon, codes, -1)
    dataset = convert(tmp_path / "in.nc", tmp_path)
    assert (dataset.grid.x.cell_size, dataset.grid.bounds.north) == (0.25, 20.0)
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "in.zarr", mode="r")["0/t"][...], codes[:, ::-1])


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [("latitude", "longitude"), ("Latitude", "Longitude"), ("TLAT", "TLONG"), ("lat", "lon"), ("lat_rho", "lon_rho")],
)
@pytest.mark.parametrize("units", [("", ""), ("degrees", "degrees"), ("degrees_north", "degrees_east")])
@pytest.mark.parametrize("meridians_first", [False, True])
def test_cell_coordinates_are_found_by_name_and_in_either_order(
    tmp_path: Path, latitude: str, longitude: str, units: tuple[str, str], meridians_first: bool
) -> None:
    lat, lon = np.meshgrid(centres(10, 0.25, 20), centres(-30, 0.25, 30), indexing="ij")
    codes = np.arange(600, dtype="int16").reshape(20, 30)
    with netCDF4.Dataset(tmp_path / "in.nc", "w") as file:
        for dim, size in zip(("b", "a") if meridians_first else ("a", "b"), (20, 30), strict=True):
            file.createDimension(dim, size)
        for name, values, unit in ((latitude, lat, units[0]), (longitude, lon, units[1]), ("t", codes, "")):
            variable = file.createVariable(name, values.dtype, ("a", "b"))
            variable[:] = values.T if meridians_first else values
            if unit:
                variable.units = unit
    dataset = convert(tmp_path / "in.nc", tmp_path, "d")
    assert (dataset.grid.x.cell_size, dataset.grid.bounds.north) == (0.25, 15.0)
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "d.zarr", mode="r")["0/t"][...], codes[::-1])


def test_blocks_agree_with_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lat, lon = rotated(560, 300, 0.05)
    codes = np.arange(2 * 560 * 300, dtype="int32").reshape(2, 560, 300)
    write_curvilinear(tmp_path / "in.nc", lat, lon, codes, -1)
    convert(tmp_path / "in.nc", tmp_path, "whole")
    monkeypatch.setattr("lazytile.pyramid.store.layout.MAX_BLOCK_BYTES", 1 << 20)
    monkeypatch.setattr("lazytile.pyramid.store.layout._PREFERRED_ROWS", 512)
    monkeypatch.setattr("lazytile.pyramid.store.layout.TARGET_BLOCK_BYTES", 1 << 18)
    monkeypatch.setattr("lazytile.pyramid.sources.block_reader._STRIP_BYTES", 65536)
    convert(tmp_path / "in.nc", tmp_path, "parts")
    whole, parts = (zarr.open_group(tmp_path / f"{name}.zarr", mode="r")["0/t"][...] for name in ("whole", "parts"))
    np.testing.assert_array_equal(whole, parts)


def test_without_scipy_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_curvilinear(tmp_path / "in.nc", *rotated(10, 10), np.zeros((2, 10, 10), "i2"), -1)
    monkeypatch.setitem(sys.modules, "scipy.spatial", None)
    with pytest.raises(SourceError, match=r"pip install 'lazytile\[regrid\]'"):
        convert(tmp_path / "in.nc", tmp_path)


ASCAT = "ascat_20150702_084200_metopa_45145_eps_o_250_2300_ovw.l2.nc"
# File, variable, its latitudes and longitudes, range of valid values that the data's README states.
REAL = [
    ("nemo_1m_20150101-20150201_grid-T.nc", "tos", "nav_lat", "nav_lon", (-2.058, 34.453)),
    ("croco_his.nc", "zeta", "lat_rho", "lon_rho", (-0.368, 0.067)),
    ("croco_his.nc", "v", "lat_v", "lon_v", None),
    (ASCAT, "wind_speed", "lat", "lon", (0.2, 20.25)),
]


@pytest.mark.parametrize(("file", "name", "lat", "lon", "limits"), REAL)
def test_real_cells_have_the_nearest_number(
    tmp_path: Path, file: str, name: str, lat: str, lon: str, limits: tuple[float, float] | None
) -> None:
    source = shared("realdata", file)
    dataset = convert(source, tmp_path, "d", [name])
    stored = zarr.open_group(tmp_path / "d.zarr", mode="r")[f"0/{name}"]
    stored = stored[(0,) * (stored.ndim - 2)]
    with netCDF4.Dataset(source) as opened:
        centres = [np.ma.filled(opened[each][...].astype("f8"), np.nan).ravel() for each in (lat, lon)]
        opened[name].set_auto_maskandscale(False)
        numbers = opened[name][...]
    numbers = numbers.reshape(-1, *numbers.shape[-2:])[0].ravel()
    known = np.isfinite(centres[0]) & np.isfinite(centres[1])
    tree = spatial.cKDTree(vectors(centres[0][known], centres[1][known]))
    grid = dataset.grid
    # Farther off nothing but the distance matters, and the look-up takes a hundred times as long.
    centres_of_grid = vectors(*np.meshgrid(grid.y.centres(), grid.x.centres(), indexing="ij"))
    distance, index = tree.query(centres_of_grid, distance_upper_bound=np.radians(3.5))
    near = distance < np.radians(grid.x.cell_size) * 0.5
    expected = np.append(numbers[known], numbers[0])[index]  # what has no number nearby has the index behind the last
    missing = dataset.variables[0].packing.is_missing
    taken = near & ~missing(stored)
    assert taken.sum() > 0.3 * min(near.sum(), known.sum())
    # Two centres may be equally far: then either number will do.
    assert (stored[taken] == expected[taken]).mean() > 0.9999
    assert missing(stored[distance > np.radians(3.0)]).all()
    assert (missing(expected[near]) | ~missing(stored[near])).all(), "nothing near a source cell is lost"
    if limits is not None:
        statistics = dataset.variables[0].statistics
        assert statistics is not None
        assert (statistics.minimum, statistics.maximum) == pytest.approx(limits, abs=1e-3)


def test_wrf_is_on_its_own_projection(tmp_path: Path) -> None:
    source = shared("realdata", "geo_em_d01_polarstereo.nc")
    dataset = convert(source, tmp_path, "d")
    assert dataset.grid.x.cell_size == dataset.grid.y.cell_size * -1 == 30000.0
    with netCDF4.Dataset(source) as opened:
        numbers = opened["HGT_M"][...]
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "d.zarr", mode="r")["0/HGT_M"][...], numbers[:, ::-1])
    statistics = dataset.variables[0].statistics
    assert statistics is not None
    assert (statistics.minimum, statistics.maximum) == pytest.approx((0, 3217.43), abs=0.01)
