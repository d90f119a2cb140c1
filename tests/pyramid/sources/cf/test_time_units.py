"""Times as files write them, and that the store's own time coordinate is one that xarray reads."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import netCDF4
import numpy as np
import pytest
import xarray as xr

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.sources.cf.labels import sort_key
from tests.pyramid.netcdf import centres, write_grid

if TYPE_CHECKING:
    from pathlib import Path

    from lazytile.pyramid.store.dataset import Dimension

MARCH = {"units": "days since 2001-03-01"}

# Values, attributes, the labels that a reader of the CF conventions (4.4) gives them.
CASES = [
    ([0, 1, 13], {"units": "months since 2000-01-31"}, ("2000-01-31", "2000-02-29", "2001-02-28")),
    ([0.5], {"units": "months since 2001-02-01"}, ("2001-02-15",)),
    ([1, 2], {"units": "months since 2000-01-01", "calendar": "360_day"}, ("2000-02-01", "2000-03-01")),
    ([0, 4], {"units": "years since 1996-02-29"}, ("1996-02-29", "2000-02-29")),
    ([1, 2], {"units": "years since 1990-01-01", "calendar": "noleap"}, ("1991-01-01", "1992-01-01")),
    ([0, 2], {"units": "weeks since 2000-01-01"}, ("2000-01-01", "2000-01-15")),
    ([0, 1_500_000_000], {"units": "nanoseconds since 2000-01-01"}, ("2000-01-01", "2000-01-01T00:00:01.5Z")),
    ([20000228.5, 20000301], {"units": "day as %Y%m%d.%f"}, ("2000-02-28T12:00:00Z", "2000-03-01")),
    ([0, 1], {"units": "days since 2000-02-28", "calendar": "utc"}, ("2000-02-28", "2000-02-29")),
    ([0, 1], {"units": "days since 2000-02-28", "calendar": "tai"}, ("2000-02-28", "2000-02-29")),
    ([15, 59], {"units": "days since 0000-01-01", "calendar": "standard"}, ("0000-01-16", "0000-02-29")),
    ([366, 730500], {"units": "days since 0-1-1"}, ("0001-01-01", "2000-01-14")),
    ([0, 6], {"units": "hours since 2000-01-01 00:00:00 -6:00"}, ("2000-01-01T06:00:00Z", "2000-01-01T12:00:00Z")),
    ([0], {"units": "seconds since 1992-10-8 15:15:42.5 -6:00"}, ("1992-10-08T21:15:42.5Z",)),
    ([0], {"units": "minutes since 2000-01-01T00:00:00+0530"}, ("1999-12-31T18:30:00Z",)),
    ([-1e6], {"units": "days since 2000-01-01", "calendar": "proleptic_gregorian"}, ("-0738-02-03",)),
    ([0, 400], {"units": "days since 12000-01-01", "calendar": "noleap"}, ("12000-01-01", "12001-02-05")),
]


def write(path: Path, values: Any, attributes: dict[str, Any]) -> Path:
    codes = np.arange(len(values) * 12, dtype="int16").reshape(-1, 3, 4)
    return write_grid(path, codes, centres(0, 1, 3), centres(0, 1, 4), leading={"time": (values, attributes)})


def only_dimension(path: Path, store: Path) -> Dimension:
    (dimension,) = convert(path, store, "d").variables[0].dimensions
    return dimension


def in_full(label: str) -> str:
    return label if "T" in label else f"{label}T00:00:00Z"


@pytest.mark.parametrize(("values", "attributes", "labels"), CASES)
def test_times_are_what_the_file_means_and_xarray_reads_them_too(
    tmp_path: Path, values: list[float], attributes: dict[str, str], labels: tuple[str, ...]
) -> None:
    found = only_dimension(write(tmp_path / "in.nc", np.array(values), attributes), tmp_path)
    assert found.kind == "time"
    assert found.labels == tuple(map(in_full, labels))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", xr.SerializationWarning)  # dates beyond datetime64 are cftime's
        with xr.open_zarr(tmp_path / "d.zarr", group="0") as stored:
            decoded = [str(date)[:10].lstrip("0").rstrip(" ") for date in stored["time"].values]
    assert decoded == [in_full(label)[:10].lstrip("0") for label in labels]


def test_steps_of_no_calendar_keep_their_numbers(tmp_path: Path) -> None:
    attributes = {"units": "days since 1-7-15", "calendar": "none"}
    found = only_dimension(write(tmp_path / "in.nc", np.array([0.0, 0.25]), attributes), tmp_path)
    assert (found.kind, found.labels, found.units) == ("other", ("0", "0.25"), "days")
    with xr.open_zarr(tmp_path / "d.zarr", group="0") as stored:
        assert stored["time"].values.tolist() == [0.0, 0.25]


@pytest.mark.parametrize("characters", [True, False])
@pytest.mark.parametrize(
    ("texts", "labels"),
    [
        (["2000-01-24_18:00:00", "2000-01-24_12:00:00"], ("2000-01-24T12:00:00Z", "2000-01-24T18:00:00Z")),
        (["2000-02-28", "2000-02-29"], ("2000-02-28T00:00:00Z", "2000-02-29T00:00:00Z")),
    ],
)
def test_dates_written_as_text_are_times_in_order(
    tmp_path: Path, texts: list[str], labels: tuple[str, ...], characters: bool
) -> None:
    """WRF stores times as rows of characters, other models as texts."""
    path = tmp_path / "in.nc"
    with netCDF4.Dataset(path, "w") as file:
        for name, size in (("Time", 2), ("lat", 3), ("lon", 4), ("DateStrLen", len(texts[0]))):
            file.createDimension(name, size)
        for name, units, values in (("lat", "degrees_north", [0, 1, 2]), ("lon", "degrees_east", [0, 1, 2, 3])):
            file.createVariable(name, "f8", (name,)).units = units
            file[name][:] = values
        if characters:
            file.createVariable("Times", "S1", ("Time", "DateStrLen"))[:] = netCDF4.stringtochar(
                np.array(texts, f"S{len(texts[0])}")
            )
        else:
            file.createVariable("Times", str, ("Time",))[:] = np.array(texts, object)
        file.createVariable("t", "i2", ("Time", "lat", "lon"))[:] = np.arange(24).reshape(2, 3, 4)
    assert only_dimension(path, tmp_path).labels == labels
    with xr.open_zarr(tmp_path / "d.zarr", group="0") as stored:
        first = 12 if texts[0] > texts[1] else 0
        np.testing.assert_array_equal(stored["t"].values[0, ::-1], np.arange(first, first + 12).reshape(3, 4))
        assert str(stored["Time"].values[0])[:19] == labels[0][:19]


def test_other_texts_are_labels(tmp_path: Path) -> None:
    path = tmp_path / "in.nc"
    write_grid(path, np.zeros((2, 3, 4), "i2"), centres(0, 1, 3), centres(0, 1, 4), leading={"region": ([0, 1], {})})
    with netCDF4.Dataset(path, "a") as file:
        file.renameVariable("region", "number")
        file.createDimension("letters", 5)
        file.createVariable("region", "S1", ("region", "letters"))[:] = netCDF4.stringtochar(
            np.array(["north", "south"], "S5")
        )
    found = only_dimension(path, tmp_path)
    assert (found.kind, found.labels) == ("other", ("north", "south"))


def test_numpy_s_own_times(tmp_path: Path) -> None:
    """Zarr stores datetime64 natively: as a coordinate and as data, where NaT is no data."""
    times = np.array(["2000-01-01", "2000-01-03"], "M8[ns]")
    seen = np.array([["2000-01-01T06", "NaT"], ["2000-01-02", "2000-01-01"]], "M8[ns]")
    import zarr

    group = zarr.create_group(tmp_path / "in.zarr", zarr_format=2)
    for name, values, dims, units in (
        ("lat", np.array([1.0, 0.0]), ["lat"], "degrees_north"),
        ("lon", np.array([0.0, 1.0]), ["lon"], "degrees_east"),
        ("time", times, ["time"], ""),
        ("seen", np.stack([seen, seen]), ["time", "lat", "lon"], ""),
    ):
        array = group.create_array(name, shape=values.shape, dtype=values.dtype)
        array[...] = values
        array.attrs.put({"_ARRAY_DIMENSIONS": dims, **({"units": units} if units else {})})
    dataset = convert(tmp_path / "in.zarr", tmp_path, "d")
    (variable,) = dataset.variables
    assert variable.time is not None
    assert variable.time.labels == ("2000-01-01T00:00:00Z", "2000-01-03T00:00:00Z")
    assert variable.statistics is not None
    assert variable.statistics.valid_count == 6
    assert variable.units == "nanoseconds since 1970-01-01"
    stored = zarr.open_group(tmp_path / "d.zarr", mode="r")["0/seen"][0]
    np.testing.assert_array_equal(stored.view("M8[ns]"), seen)


@pytest.mark.parametrize(
    ("values", "attributes", "message"),
    [
        ([0, np.nan], {"units": "months since 2000-01-01"}, "time has missing times"),
        ([0, 1], {"units": "months since yesterday"}, "cannot be read as times"),
        ([20001301.0, 20001302.0], {"units": "day as %Y%m%d.%f"}, "20001301 is not a day written as YYYYMMDD"),
        ([0, 1], {"units": "fortnights since 2000-01-01"}, "cannot be read as times"),
        ([0, 1], {"units": "days since 2000-01-01", "calendar": "mayan"}, "calendar must be one of"),
    ],
)
def test_times_that_cannot_be_read_are_refused(
    tmp_path: Path, values: list[float], attributes: dict[str, str], message: str
) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        convert(write(tmp_path / "in.nc", np.array(values, "f8"), attributes), tmp_path / "s")
    assert "\n" not in str(caught.value)


def test_years_of_any_size_are_in_order() -> None:
    labels = ["-0738-02-03T00:00:00Z", "-0002-01-01T00:00:00Z", "0000-12-31T00:00:00Z", "0999-01-01T00:00:00Z"]
    labels += ["2000-01-01T00:00:00Z", "2000-01-02T00:00:00Z", "12000-01-01T00:00:00Z"]
    shuffled = [labels[index] for index in (3, 6, 0, 5, 2, 4, 1)]
    assert sorted(shuffled, key=sort_key) == labels
