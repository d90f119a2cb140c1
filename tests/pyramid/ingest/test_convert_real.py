"""Real files, compared at positions on the Earth with what netCDF4 and zarr read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import netCDF4
import numpy as np
import pytest
import xarray as xr
import zarr

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.verification.verify import verify
from tests.pyramid.drawn_layers import blind_layers
from tests.shared import SHARED, shared

if TYPE_CHECKING:
    from pathlib import Path

    from lazytile.pyramid.store.dataset import Dataset

GHRSST = "2024101{}120000-ABOM-L4_GHRSST-SSTfnd-GAMSSA_28km-GLOB-v02.0-fv01.0.nc"

# File, variable in it, group, names of latitude and longitude, range of valid values that the data's README states.
CASES = [
    (GHRSST.format(1), "analysed_sst", "", "lat", "lon", (270.56, 306.66)),
    (GHRSST.format(1), "sea_ice_fraction", "", "lat", "lon", (0.0, 1.0)),
    (GHRSST.format(1), "mask", "", "lat", "lon", None),
    (GHRSST.format(2), "analysed_sst", "", "lat", "lon", (270.61, 306.53)),
    ("eraint_uvz.nc", "u", "", "latitude", "longitude", (-24.5625, 78.5)),
    ("eraint_uvz.nc", "v", "", "latitude", "longitude", (-17.125, 14.1875)),
    ("eraint_uvz.nc", "z", "", "latitude", "longitude", (10303.25, 123347.75)),
    ("era_interim_tibet.nc", "t2m", "", "latitude", "longitude", (265.011, 320.179)),
    ("f16_ssmis_20200102v7.nc", "wind_speed", "", "latitude", "longitude", (0, 33)),
    ("f16_ssmis_20200102v7.nc", "atmosphere_water_vapor_content", "", "latitude", "longitude", (0.3, 75)),
    ("f16_ssmis_20200102v7.nc", "atmosphere_cloud_liquid_water_content", "", "latitude", "longitude", (-0.05, 1.74)),
    ("tmmx_20190121.nc", "air_temperature", "", "lat", "lon", (248.7, 302.1)),
    ("M2T1NXSLV_temporal.nc4", "PS", "", "lat", "lon", (50849.4, 103901)),
    ("tos_O1_2001-2002.nc", "tos", "", "lat", "lon", (271.171, 305.504)),
    ("TREFHT.B06.69.atm.1890-1999ANN.nc", "TREFHT", "", "lat", "lon", (212.059, 302.201)),
    ("bcsd_obs_1999.nc", "pr", "", "latitude", "longitude", (0.59, 848.55)),
    ("bcsd_obs_1999.nc", "tas", "", "latitude", "longitude", (-0.421, 29.386)),
    ("etopo20.cdf", "ROSE", "", "ETOPO20Y", "ETOPO20X1_1081", (-9026.62, 6228.81)),
    ("landsea.nc", "LSMASK", "", "lat", "lon", (0, 4)),
    ("basin_mask.nc", "basin", "", "Y", "X", (1, 58)),
    ("ice5g_21k_1deg.nc", "Topo", "", "Lat", "Lon", (-8818.6, 6122.7)),
    ("ice5g_21k_1deg.nc", "Icemask", "", "Lat", "Lon", (0, 1)),
    ("GPM_3IMERGHH_bounds.nc4", "precipitationCal", "Grid", "lat", "lon", (0, 11.1486)),
    ("3B-HHR.MS.MRG.3IMERG.20000601-S000000-E002959.0000.V07A.HDF5", "precipitation", "Grid", "lat", "lon", (0, 0)),
]


def convert_once(folder: Path, source: Path) -> tuple[Dataset, zarr.Group]:
    dataset = convert(source, folder, "d")
    return dataset, zarr.open_group(folder / "d.zarr", mode="r")


@pytest.mark.parametrize(("file", "name", "group", "lat", "lon", "limits"), CASES)
def test_every_place_has_the_source_s_number(
    tmp_path: Path, file: str, name: str, group: str, lat: str, lon: str, limits: tuple[float, float] | None
) -> None:
    source = shared("realdata", file)
    dataset, stored = convert_once(tmp_path, source)
    codes = stored[f"0/{name}"][...]
    with netCDF4.Dataset(source) as opened:
        home = opened[group] if group else opened
        variable = home[name]
        variable.set_auto_maskandscale(False)
        dims = list(variable.dimensions)
        lat_dim, lon_dim = home[lat].dimensions[0], home[lon].dimensions[0]
        leading = [dim for dim in dims if dim not in (lat_dim, lon_dim)]
        numbers = variable[...].transpose([dims.index(dim) for dim in (*leading, lat_dim, lon_dim)])
        numbers = numbers.reshape(codes.shape[:-2] + numbers.shape[-2:]) if numbers.ndim < codes.ndim else numbers
        rows = dataset.grid.rows_of(np.asarray(home[lat][...], "f8"))
        cols = dataset.grid.cols_of(np.asarray(home[lon][...], "f8"))
    assert (rows >= 0).all()
    assert (cols >= 0).all()
    # The last column of a grid that repeats its first one is the same point, and may differ by rounding at the most.
    keep = slice(None, codes.shape[-1])
    assert sorted(rows.tolist()) == list(range(codes.shape[-2]))
    assert sorted(cols[keep].tolist()) == list(range(codes.shape[-1]))
    there = codes[..., rows, :][..., cols[keep]]
    np.testing.assert_array_equal(
        there.view(f"u{there.itemsize}"), native(numbers[..., keep]).view(f"u{there.itemsize}")
    )
    if limits is not None:
        statistics = dataset.variable(name).statistics
        assert statistics is not None
        assert statistics.minimum == pytest.approx(limits[0], rel=1e-5, abs=5e-5)
        assert statistics.maximum == pytest.approx(limits[1], rel=1e-5, abs=5e-5)


def native(numbers: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(numbers.astype(numbers.dtype.newbyteorder("="), copy=False))


def test_a_zarr_cube_of_floats(tmp_path: Path) -> None:
    source = shared("realdata", "olci-cube-level2.zarr")
    dataset, stored = convert_once(tmp_path, source)
    original = zarr.open_group(source, mode="r")
    for name in ("conc_chl", "quality_flags"):
        np.testing.assert_array_equal(stored[f"0/{name}"][...], original[name][...])
    assert dataset.variable("quality_flags").is_classes
    assert dataset.variable("conc_chl").time is not None
    assert dataset.variable("conc_chl").time.labels[0] == "2017-01-16T10:09:21.834Z"


def test_ghrsst_decodes_as_the_source(tmp_path: Path) -> None:
    path = shared("realdata", GHRSST.format(1))
    dataset, _ = convert_once(tmp_path, path)
    with xr.open_dataset(path) as source, xr.open_zarr(tmp_path / "d.zarr", group="0") as stored:
        for name in ("analysed_sst", "sea_ice_fraction", "mask"):
            np.testing.assert_array_equal(source[name].values[:, ::-1], stored[name].values)
        assert source["time"].values == stored["time"].values
    assert dataset.grid.is_full_circle
    assert dataset.variable("mask").reduction == "mode"


# Every other file of the folder: what it needs to be converted, here or in the tests of its kind of source.
OPTIONS: dict[str, dict[str, Any]] = {
    "AVHRR_OI_L4_GHRSST_NCEI.npy": {"bounds": (-65, -65, 65, 65)},
    "3_layer.grib2": {"variables": ["t"]},
}
REFUSED = [
    ("AVHRR_OI_L4_GHRSST_NCEI.npy", "give --bounds"),
    ("3_layer.grib2", "several grids; choose one with --group or --var"),
]
NEITHER = {"README.md", "AVHRR_OI_L4_GHRSST_NCEI.json"}
FILES = sorted({path.name for path in SHARED.glob("realdata/*")} - NEITHER)


@pytest.mark.parametrize("file", FILES or ["../shared/realdata"])
def test_every_file_of_the_folder_is_converted_whole(tmp_path: Path, file: str) -> None:
    """Each is read with all its layers, and all can be seen; every layer of a netCDF file has the file's numbers."""
    dataset = convert(shared("realdata", file), tmp_path, "d", **OPTIONS.get(file, {}))
    assert verify(tmp_path, "d").problems == ()
    stored = zarr.open_group(tmp_path / "d.zarr", mode="r")
    for variable in dataset.variables:
        assert variable.statistics is not None
        assert variable.statistics.valid_count <= variable.statistics.cell_count
    assert blind_layers(tmp_path, dataset) == []
    if shared("realdata", file).is_dir() or shared("realdata", file).read_bytes()[:3] not in (b"CDF", b"\x89HD"):
        return
    with netCDF4.Dataset(shared("realdata", file)) as opened:
        for variable in dataset.variables:
            theirs = _named(opened, variable.name)
            theirs.set_auto_maskandscale(False)
            numbers, ours = native(theirs[...]), stored[f"0/{variable.name}"][...]
            size = f"u{ours.itemsize}"
            if ours.size == numbers.size and file not in RESAMPLED:
                np.testing.assert_array_equal(
                    np.sort(ours.view(size), axis=None), np.sort(numbers.view(size), axis=None)
                )
            else:
                # Resampled, or without the columns that the file repeats: no number that it does not hold.
                known = {*np.unique(numbers.view(size)).tolist()}
                fill = np.array([variable.packing.fill_code], ours.dtype).view(size).tolist()
                assert set(np.unique(ours.view(size)).tolist()) <= known.union(fill)


RESAMPLED = {"TREFHT.B06.69.atm.1890-1999ANN.nc"}
"""Onto rows of even latitudes, by chance as many."""


def _named(group: netCDF4.Dataset, name: str) -> netCDF4.Variable:
    """Return the variable of a layer; layers of groups have the group's name as a prefix where needed."""
    waiting = [group]
    while waiting:
        at = waiting.pop(0)
        prefix = at.path.strip("/").replace("/", "_")
        for each, variable in at.variables.items():
            if variable.ndim >= 2 and name in (each, f"{prefix}_{each}"):
                return variable
        waiting += at.groups.values()
    raise AssertionError(f"the file has no {name}")


@pytest.mark.parametrize(("file", "message"), REFUSED)
def test_other_files_are_refused_by_their_kind(tmp_path: Path, file: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        convert(shared("realdata", file), tmp_path, "d")
    assert list(tmp_path.iterdir()) == []
