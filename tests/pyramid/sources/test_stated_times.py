"""Times that files write in odd ways, beside their variables, in their names, or not at all."""

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
from lazytile.pyramid.sources.cf.iso_times import parse_time
from lazytile.pyramid.sources.overrides import Overrides
from lazytile.pyramid.sources.source import open_source
from tests.pyramid.netcdf import TIME, centres, write_grid

if TYPE_CHECKING:
    from pathlib import Path

LAT, LON = centres(10, -1, 10), centres(0, 1, 12)
CODES = np.arange(120, dtype="i2").reshape(10, 12)


def write(path: Path, codes: np.ndarray = CODES, **options: Any) -> Path:
    return write_grid(path, codes, LAT, LON, **options)


def write_texts(path: Path, dim: str, texts: list[str]) -> None:
    data = xr.Dataset(
        {"t": ((dim, "lat", "lon"), np.stack([CODES] * len(texts)))}, {"lat": LAT, "lon": LON, dim: texts}
    )
    data["lat"].attrs["units"], data["lon"].attrs["units"] = "degrees_north", "degrees_east"
    data.to_netcdf(path)


def labels(path: Path, **overrides: Any) -> tuple[str, ...] | None:
    source = open_source(path, overrides=Overrides(**overrides))
    time = source.variables[0].variable.time
    return None if time is None else time.labels


# Text, the instant in UTC that ISO 8601 gives it.
FORMS = [
    ("2024-01-01T00:00:00+00:00", "2024-01-01 00:00:00"),
    ("2024-01-01T09:00:00+09:00", "2024-01-01 00:00:00"),
    ("2024-01-01T00:00:00-0530", "2024-01-01 05:30:00"),
    ("20240101", "2024-01-01 00:00:00"),
    ("20240101T063015Z", "2024-01-01 06:30:15"),
    ("20240101T0630+0100", "2024-01-01 05:30:00"),
    ("2024010106", "2024-01-01 06:00:00"),
    ("2020-W53-7", "2021-01-03 00:00:00"),
    ("2024W011", "2024-01-01 00:00:00"),
    ("2024-060", "2024-02-29 00:00:00"),
    ("2023060", "2023-03-01 00:00:00"),
    ("2024-01", "2024-01-01 00:00:00"),
    ("2024-01-01T24:00", "2024-01-02 00:00:00"),
    ("2024-01-01T06.5Z", "2024-01-01 06:30:00"),
    ("2024-01-01T06:30:15,25", "2024-01-01 06:30:15.250000"),
    ("2024-01-01 06:30:15 UTC", "2024-01-01 06:30:15"),
    ("2024-01-01_06:30:15", "2024-01-01 06:30:15"),
]


@pytest.mark.parametrize(("text", "instant"), FORMS)
def test_every_form_of_iso_8601(text: str, instant: str) -> None:
    found = parse_time(text)
    assert found is not None
    assert found.isoformat(sep=" ") == instant


@pytest.mark.parametrize(
    "text",
    [
        "2024-02-30",
        "2023-366",
        "2024-000",
        "2024-W54-1",
        "2024-01-01T25:00",
        "2024-01-01T24:01",
        "202401",
        "DJF",
        "0000-00-00",
    ],
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert parse_time(text) is None


@pytest.mark.parametrize("texts", [[text, "2030-01-01"] for text, _ in FORMS[:8]])
def test_texts_are_the_times_of_their_steps(tmp_path: Path, texts: list[str]) -> None:
    data = xr.Dataset(
        {"t": (("time", "lat", "lon"), np.stack([CODES, CODES]))}, {"lat": LAT, "lon": LON, "time": texts}
    )
    data["lat"].attrs["units"], data["lon"].attrs["units"] = "degrees_north", "degrees_east"
    data.to_netcdf(tmp_path / "in.nc")
    first = dict(FORMS)[texts[0]]
    assert labels(tmp_path / "in.nc") == (f"{first.replace(' ', 'T')}Z", "2030-01-01T00:00:00Z")


def test_digits_of_what_is_no_time_are_labels(tmp_path: Path) -> None:
    data = xr.Dataset(
        {"t": (("station", "lat", "lon"), np.stack([CODES]))}, {"lat": LAT, "lon": LON, "station": ["20240101"]}
    )
    data["lat"].attrs["units"], data["lon"].attrs["units"] = "degrees_north", "degrees_east"
    data.to_netcdf(tmp_path / "in.nc")
    (dimension,) = open_source(tmp_path / "in.nc").variables[0].variable.dimensions
    assert (dimension.kind, dimension.labels) == ("other", ("20240101",))


def test_dates_of_another_calendar_stay_those_of_the_calendar(tmp_path: Path) -> None:
    path = write(tmp_path / "in.nc", CODES[None], leading={"step": (np.array([0]), {})})
    with netCDF4.Dataset(path, "a") as file:
        file.renameVariable("step", "other")
        variable = file.createVariable("time", str, ("step",))
        variable[0], variable.calendar = "2001-02-30", "360_day"
    assert labels(path) == ("2001-02-30T00:00:00Z",)


@pytest.mark.parametrize(
    ("dtype", "fill", "attributes"),
    [
        ("i4", -9999, {}),
        ("i8", None, {"missing_value": np.int64(-1)}),
        ("f8", 1e20, {}),
        ("f8", None, {}),
        ("i4", None, {}),
        ("u2", None, {}),
    ],
)
def test_a_missing_time_never_becomes_a_date(
    tmp_path: Path, dtype: str, fill: float | None, attributes: dict[str, Any]
) -> None:
    path = write(tmp_path / "in.nc", np.stack([CODES] * 3), leading={"step": (np.arange(3), {})})
    with netCDF4.Dataset(path, "a") as file:
        file.renameVariable("step", "other")
        time = file.createVariable("time", dtype, ("step",), fill_value=fill)
        time.set_auto_maskandscale(False)
        time.setncatts({**TIME, **attributes})
        time[0], time[2] = 1, 2
        if attributes:
            time[1] = attributes["missing_value"]
    with pytest.raises(SourceError, match="time has missing times at 1 of 3 steps, first at 1"):
        open_source(path)


def test_a_level_with_missing_values_is_numbered(tmp_path: Path) -> None:
    path = write(
        tmp_path / "in.nc",
        np.stack([CODES] * 2),
        leading={"level": (np.array([5, -999], "i4"), {"missing_value": np.int32(-999)})},
    )
    source = open_source(path)
    assert source.variables[0].variable.dimensions[0].labels == ("0", "1")
    assert source.remarks == ("level has no value at 1 of 2 steps; the steps are numbered",)


@pytest.mark.parametrize(
    ("name", "dims", "attributes", "value"),
    [
        ("time", (), TIME, 1),
        ("time", ("time",), TIME, 1),
        ("valid_time", (), {"units": TIME["units"]}, 1),
        ("time", (), {}, "20010102"),
        ("acquired", (), {"standard_name": "time", **TIME}, 1),
    ],
)
def test_one_time_beside_the_variable_dates_it(
    tmp_path: Path, name: str, dims: tuple[str, ...], attributes: dict[str, Any], value: Any
) -> None:
    path = write(tmp_path / "in.nc")
    with netCDF4.Dataset(path, "a") as file:
        for dim in dims:
            file.createDimension(dim, 1)
        reference = file.createVariable("forecast_reference_time", "f8")
        reference[...], reference.units = 0, TIME["units"]
        variable = file.createVariable(name, str if isinstance(value, str) else "f8", dims)
        variable.setncatts(attributes)
        variable[...] = np.array(value, object) if isinstance(value, str) else value
    assert labels(path) == ("2001-01-02T00:00:00Z",)


@pytest.mark.parametrize(
    ("attributes", "label"),
    [
        ({"time_coverage_start": "2024-01-20T06:00:00Z"}, "2024-01-20T06:00:00Z"),
        ({"RangeBeginningDate": "2024-01-20", "RangeBeginningTime": "06:30:00.5"}, "2024-01-20T06:30:00.5Z"),
        ({"start_date": "20240120", "start_time": "0630"}, "2024-01-20T06:30:00Z"),
        ({"start_date": "2024-01-20", "start_time": "06:30"}, "2024-01-20T06:30:00Z"),
        ({"StartUTC": "2024-01-20T00:00:00.000000Z"}, "2024-01-20T00:00:00Z"),
        ({"time_coverage_start": "unknown"}, None),
        ({"date_created": "2024-01-20"}, None),
    ],
)
def test_global_attributes_date_a_file_without_times(
    tmp_path: Path, attributes: dict[str, str], label: str | None
) -> None:
    path = write(tmp_path / "in.nc")
    with netCDF4.Dataset(path, "a") as file:
        file.setncatts(attributes)
    assert labels(path) == (None if label is None else (label,))
    remarks = open_source(path).remarks
    assert bool(remarks) == (label is not None or "time_coverage_start" in attributes), "it is said"


def test_a_variable_without_time_beside_one_with_it_stays_without(tmp_path: Path) -> None:
    path = write(tmp_path / "in.nc", CODES[None], leading={"time": (np.array([1]), TIME)})
    with netCDF4.Dataset(path, "a") as file:
        file.createVariable("mask", "i1", ("lat", "lon"))[:] = 1
        file.time_coverage_start = "2024-01-20"
    assert open_source(path, ["mask"]).variables[0].variable.time is None


def test_the_user_states_the_time_of_a_file_that_has_none(tmp_path: Path) -> None:
    path = write(tmp_path / "in.nc")
    dataset = convert(path, tmp_path, "d", time="2024-01-20T06:00+01:00")
    (dimension,) = dataset.variables[0].dimensions
    assert (dimension.name, dimension.labels) == ("time", ("2024-01-20T05:00:00Z",))
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "d.zarr", mode="r")["0/t"][0], CODES)
    with xr.open_zarr(tmp_path / "d.zarr", group="0") as stored:
        assert str(stored["time"].values[0])[:13] == "2024-01-20T05"
    append(write(tmp_path / "next.nc", CODES + 1), tmp_path, "d", time="2024-01-21")
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "d.zarr", mode="r")["0/t"][1], CODES + 1)


def test_a_dimension_called_time_with_one_step_takes_the_stated_time(tmp_path: Path) -> None:
    with netCDF4.Dataset(write(tmp_path / "in.nc"), "a") as file:
        file.createDimension("time", 1)
        file.createVariable("u", "i2", ("time", "lat", "lon"))[:] = CODES
    source = open_source(tmp_path / "in.nc", ["u"], overrides=Overrides(time="2024-01-20"))
    assert [each.labels for each in source.variables[0].variable.dimensions] == [("2024-01-20T00:00:00Z",)]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"time": "yesterday"}, "--time takes ISO 8601 such as 2024-01-20T06:00Z, not 'yesterday'"),
        ({"time_pattern": "sst-%Y.nc"}, r"the name in\.nc fits --time-pattern 'sst-%Y\.nc' nowhere"),
        ({"time_pattern": "sst-%q.nc"}, "--time-pattern has %q; allowed are %Y"),
        ({"time_pattern": "sst-%d.nc"}, "--time-pattern 'sst-%d.nc' has no year"),
    ],
)
def test_a_time_that_cannot_be_read_is_refused(tmp_path: Path, overrides: dict[str, str], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        open_source(write(tmp_path / "in.nc"), overrides=Overrides(**overrides))


def test_a_file_with_times_takes_no_other(tmp_path: Path) -> None:
    path = write(tmp_path / "in.nc", CODES[None], leading={"time": (np.array([1]), TIME)})
    with pytest.raises(SourceError, match="it has times of its own; --time and --time-pattern are for files that have"):
        open_source(path, overrides=Overrides(time="2024-01-20"))


def test_a_series_is_dated_by_the_names_of_its_files(tmp_path: Path) -> None:
    for day, month in ((2, "feb"), (1, "mar"), (3, "jan")):
        write(tmp_path / f"v2024_sst_2024{month}0{day}_0630.nc", CODES + day)
    dataset = convert(str(tmp_path / "v2024*.nc"), tmp_path / "s", "d", time_pattern="sst_%Y%b%d_%H%M")
    time = dataset.variables[0].time
    assert time is not None
    assert [label[:16] for label in time.labels] == ["2024-01-03T06:30", "2024-02-02T06:30", "2024-03-01T06:30"]
    stored = zarr.open_group(tmp_path / "s" / "d.zarr", mode="r")["0/t"][:, 0, 0]
    assert (stored - CODES[0, 0]).tolist() == [3, 2, 1]
    with pytest.raises(SourceError, match=r"--time states the time of one file, not of 3; give --time-pattern"):
        convert(str(tmp_path / "v2024*.nc"), tmp_path / "s", "d", time="2024-01-20")


@pytest.mark.parametrize(
    ("name", "pattern", "label"),
    [
        ("A2024060.L3m.nc", "A%Y%j.", "2024-02-29T00:00:00Z"),
        ("x99-24.nc", "x%y-", "1999-01-01T00:00:00Z"),
        ("a_20240120T063015Z.nc", "_%Y%m%dT%H%M%SZ", "2024-01-20T06:30:15Z"),
        ("3B.20240120-S003000.nc", "3B.%Y%m%d-S%H%M%S", "2024-01-20T00:30:00Z"),
        ("a.2024.x.0120.nc", "a.%Y.*.%m%d", "2024-01-20T00:00:00Z"),
    ],
)
def test_patterns_of_names(tmp_path: Path, name: str, pattern: str, label: str) -> None:
    assert labels(write(tmp_path / name), time_pattern=pattern) == (label,)


def test_a_pattern_that_fits_in_two_ways_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="fits --time-pattern '%Y' in 2 ways: 2023-01-01T00:00:00Z, 2024-01-01"):
        open_source(write(tmp_path / "a2023_2024.nc"), overrides=Overrides(time_pattern="%Y"))


def test_bounds_without_times_give_the_starts(tmp_path: Path) -> None:
    path = write(tmp_path / "in.nc", np.stack([CODES, CODES]), leading={"time": (np.arange(2), {})})
    with netCDF4.Dataset(path, "a") as file:
        file.renameVariable("time", "other")
        file.createDimension("nv", 2)
        bounds = file.createVariable("time_bnds", "f8", ("time", "nv"))
        bounds[:], bounds.units = [[0, 31], [31, 59]], TIME["units"]
    assert labels(path) == ("2001-01-01T00:00:00Z", "2001-02-01T00:00:00Z")


@pytest.mark.parametrize(
    ("units", "first"),
    [
        ("days since 20240101", "2024-01-01"),
        ("days since 2024-032", "2024-02-01"),
        ("days since 2024-01-01T00:00:00+00:00", "2024-01-01"),
        ("days since 2024-01-01T00:00:00Z", "2024-01-01"),
        ("hours since 20240101T060000Z", "2024-01-01"),
    ],
)
def test_epochs_in_every_form(tmp_path: Path, units: str, first: str) -> None:
    found = labels(write(tmp_path / "in.nc", CODES[None], leading={"time": (np.array([0]), {"units": units})}))
    assert found is not None
    assert found[0][:10] == first


def test_errors_of_times_have_no_text_of_python(tmp_path: Path) -> None:
    path = write(tmp_path / "in.nc", CODES[None], leading={"time": (np.array([0]), {"units": "days since then"})})
    with pytest.raises(
        SourceError, match=r"time cannot be read as times: its units are 'days since then' in the calendar"
    ):
        open_source(path)
