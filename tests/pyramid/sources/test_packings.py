"""Packings that files state in odd ways, converted: the values are right, or the file is refused with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import netCDF4
import numpy as np
import pytest
import xarray as xr
import zarr

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.ingest.append import append
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.sources.source import open_source
from tests.pyramid.drawn_layers import blind_layers
from tests.pyramid.netcdf import TIME, centres, write_grid

if TYPE_CHECKING:
    from pathlib import Path

LAT, LON = centres(10, -1, 10), centres(0, 1, 12)


def write(path: Path, codes: np.ndarray, attributes: dict[str, Any], **options: Any) -> Path:
    return write_grid(path, codes, LAT, LON, attributes=attributes, **options)


def values(store: Path, name: str = "t") -> np.ndarray:
    """Return the values as xarray reads them in the store."""
    with xr.open_zarr(store / "d.zarr", group="0") as stored:
        return stored[name].values


def test_a_scale_and_an_offset_for_each_band(tmp_path: Path) -> None:
    codes = np.full((2, 10, 12), 5000, "i2")
    codes[1, 0, 0] = -1
    path = write(
        tmp_path / "in.nc", codes, {"scale_factor": [0.01, 0.0021], "add_offset": [0.0, 10.0]},
        leading={"band": (np.array([1, 2]), {})}, fill=-1,
    )  # fmt: skip
    dataset = convert(path, tmp_path, "d")
    truth = np.where(codes == -1, np.nan, codes * np.array([0.01, 0.0021])[:, None, None] + [[[0]], [[10]]])
    np.testing.assert_allclose(values(tmp_path), truth, rtol=6e-8)
    assert dataset.variables[0].packing.dtype == "float32"


def test_bands_whose_order_is_that_of_their_times(tmp_path: Path) -> None:
    codes = np.arange(3 * 120, dtype="i2").reshape(3, 10, 12)
    scales = np.array([0.5, 0.1, 0.013])
    path = write(tmp_path / "in.nc", codes, {"scale_factor": scales}, leading={"time": (np.array([2, 0, 1]), TIME)})
    convert(path, tmp_path, "d")
    truth = (codes * scales[:, None, None])[[1, 2, 0]]
    np.testing.assert_allclose(values(tmp_path), truth, rtol=6e-8)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"scale_factor": [0.1, 0.2, 0.3]}, r"t: its scale_factor has 3 numbers, which fit no dimensions \(band 2\)"),
        ({"scale_factor": "0,01 K"}, "t: its scale_factor is '0,01 K', not a number"),
        ({"scale_factor": 0.0}, "t: its scale_factor 0 and add_offset 0 make no values"),
    ],
)
def test_a_scale_that_cannot_be_applied_is_refused(tmp_path: Path, attributes: dict[str, Any], message: str) -> None:
    path = write(tmp_path / "in.nc", np.zeros((2, 10, 12), "i2"), attributes, leading={"band": (np.array([1, 2]), {})})
    with pytest.raises(SourceError, match=message):
        convert(path, tmp_path / "s", "d")
    with pytest.raises(SourceError, match=message):
        convert(path, tmp_path / "s", "d", ["t"])


def test_a_variable_that_cannot_be_unpacked_does_not_cost_the_others(tmp_path: Path) -> None:
    path = write(tmp_path / "in.nc", np.zeros((10, 12), "i2"), {"scale_factor": "high"})
    with netCDF4.Dataset(path, "a") as file:
        file.createVariable("u", "f4", ("lat", "lon"))[:] = 1
    source = open_source(path)
    assert [each.variable.name for each in source.variables] == ["u"]
    assert source.remarks == ("t is left out: its scale_factor is 'high', not a number",)


def test_cells_written_without_default_fill_are_all_data(tmp_path: Path) -> None:
    """The library was told not to fill: then its default fill value is a value like others."""
    path = write(tmp_path / "in.nc", np.full((10, 12), 65535, "u2"), {}, fill=False)
    assert (values_of(path, tmp_path) == 65535).all()
    path = write(tmp_path / "other.nc", np.full((10, 12), 65535, "u2"), {})
    with netCDF4.Dataset(path) as file:
        assert file["t"][:].mask.all()
    assert np.isnan(values_of(path, tmp_path)).all()


def values_of(path: Path, store: Path) -> np.ndarray:
    dataset = convert(path, store, "d")
    variable = dataset.variables[0]
    return variable.packing.decode(zarr.open_group(store / "d.zarr", mode="r")[f"0/{variable.name}"][...])


@pytest.mark.parametrize("dtype", ["?", "f2", ">f4", ">i2", ">u4", "i8", "u8"])
def test_every_type_of_number_keeps_its_values(tmp_path: Path, dtype: str) -> None:
    numbers = np.random.default_rng(1).integers(0, 100, (10, 12)).astype(dtype)
    if dtype in ("i8", "u8"):
        numbers += np.array(2**53, dtype)
    data = xr.Dataset({"t": (("lat", "lon"), numbers)}, {"lat": LAT, "lon": LON})
    data["lat"].attrs["units"], data["lon"].attrs["units"] = "degrees_north", "degrees_east"
    data.to_zarr(tmp_path / "in.zarr", zarr_format=2)
    dataset = convert(tmp_path / "in.zarr", tmp_path, "d")
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "d.zarr", mode="r")["0/t"][...], numbers)
    assert blind_layers(tmp_path, dataset) == []


def test_complex_numbers_are_refused(tmp_path: Path) -> None:
    data = xr.Dataset({"t": (("lat", "lon"), np.ones((10, 12), "c8"))}, {"lat": LAT, "lon": LON})
    data["lat"].attrs["units"], data["lon"].attrs["units"] = "degrees_north", "degrees_east"
    data.to_zarr(tmp_path / "in.zarr", consolidated=False)
    with pytest.raises(SourceError, match="complex"):
        convert(tmp_path / "in.zarr", tmp_path / "s", "d")


@pytest.mark.parametrize(
    ("attributes", "dtype"),
    [
        ({"scale_factor": 0.2, "flag_values": np.array([251, 254], "i2"), "flag_meanings": "land ice"}, "i2"),
        ({"valid_range": np.array([0, 250], "u1"), "flag_values": np.array([251, 254], "u1"), "units": "%"}, "u1"),
    ],
)
def test_flags_among_a_quantity_leave_it_a_quantity_with_colours(
    tmp_path: Path, attributes: dict[str, Any], dtype: str
) -> None:
    codes = np.arange(120, dtype=dtype).reshape(10, 12)
    codes[0, :2] = 251, 254
    dataset = convert(write(tmp_path / "in.nc", codes, attributes), tmp_path, "d")
    variable = dataset.variables[0]
    assert not variable.is_classes
    assert variable.statistics is not None
    assert variable.statistics.valid_count == 118
    assert blind_layers(tmp_path, dataset) == []


def test_a_file_of_another_packing_is_appended_to_floats(tmp_path: Path) -> None:
    """A dataset in float32, as a series of differing packings is stored, takes every later packing."""
    codes = [np.arange(120, dtype="i2").reshape(1, 10, 12) + step for step in range(3)]
    paths = []
    for step, (each, scale) in enumerate(zip(codes, (0.01, 0.013, 0.017), strict=True)):
        time = {"time": (np.array([step]), TIME)}
        paths.append(write(tmp_path / f"{step}.nc", each, {"scale_factor": scale}, leading=time, fill=-1))
    convert(paths[:2], tmp_path, "d")
    append(paths[2], tmp_path, "d")
    np.testing.assert_allclose(values(tmp_path)[2], codes[2][0] * 0.017, rtol=6e-8)


def test_a_no_data_code_that_cannot_be_read_is_replaced_by_the_user_s(tmp_path: Path) -> None:
    codes = np.full((10, 12), 5, "i2")
    codes[0, 0] = -7
    path = write(tmp_path / "in.nc", codes, {"missing_value": "see the guide"})
    with pytest.raises(SourceError, match="t: its missing_value is 'see the guide', not a number"):
        convert(path, tmp_path / "s", "d")
    statistics = convert(path, tmp_path, "d", nodata=-7).variables[0].statistics
    assert statistics is not None
    assert statistics.valid_count == 119
