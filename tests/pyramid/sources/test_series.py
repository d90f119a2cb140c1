"""Several files as one time series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import netCDF4
import numpy as np
import pytest
import zarr

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.sources.series import open_files, series_among
from tests.pyramid.netcdf import TIME, centres, write_grid
from tests.shared import shared

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, times: list[float], seed: int, **options: Any) -> np.ndarray:
    codes = np.random.default_rng(seed).integers(0, 99, (len(times), 20, 30)).astype("int16")
    attributes = options.pop("time", TIME)
    lat = centres(20, -1, 20) if "lat" not in options else options.pop("lat")
    write_grid(path, codes, lat, centres(0, 1, 30), leading={"time": (np.array(times), attributes)}, fill=-1, **options)
    return codes


def test_files_are_put_in_the_order_of_their_times(tmp_path: Path) -> None:
    b = write(tmp_path / "a.nc", [4.0, 5.0], 1)
    a = write(tmp_path / "b.nc", [3.0, 1.0], 2)
    c = write(tmp_path / "c.nc", [2.0], 3)
    dataset = convert(str(tmp_path / "*.nc"), tmp_path / "s", "d")
    time = dataset.variables[0].time
    assert time is not None
    assert [label[8:10] for label in time.labels] == ["02", "03", "04", "05", "06"]
    stored = zarr.open_group(tmp_path / "s" / "d.zarr", mode="r")
    np.testing.assert_array_equal(stored["0/t"][...], np.stack([a[1], c[0], a[0], b[0], b[1]]))
    np.testing.assert_array_equal(stored["0/time"][...], [1, 2, 3, 4, 5])


def test_another_epoch_is_counted_from_the_first(tmp_path: Path) -> None:
    write(tmp_path / "a.nc", [1.0], 1)
    write(tmp_path / "b.nc", [0.0], 2, time={**TIME, "units": "days since 2001-01-11"})
    convert([tmp_path / "b.nc", tmp_path / "a.nc"], tmp_path / "s", "d")
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "s" / "d.zarr", mode="r")["0/time"][...], [1, 10])


def test_files_are_divided_into_series(tmp_path: Path) -> None:
    write(tmp_path / "a.nc", [1.0], 1)
    write(tmp_path / "b.nc", [2.0], 2, name="u")
    write(tmp_path / "c.nc", [3.0], 3)
    write(tmp_path / "d.nc", [4.0], 4, lat=centres(21, -1, 20))
    codes = np.zeros((20, 30), "int16")
    for name in ("e.nc", "f.nc"):
        write_grid(tmp_path / name, codes, centres(20, -1, 20), centres(0, 1, 30), fill=-1)
    found = series_among(str(tmp_path / "*.nc"))
    assert [[file[-4:] for file in files] for files in found] == [
        ["a.nc", "c.nc"],
        ["b.nc"],
        ["d.nc"],
        ["e.nc"],
        ["f.nc"],
    ]


@pytest.mark.parametrize(
    ("options", "times", "message"),
    [
        ({"lat": centres(21, -1, 20)}, [2.0], "their grids differ"),
        ({"name": "u"}, [2.0], r"the variables differ \(u; t\)"),
        ({"lat": centres(20, -1, 20)[::-1]}, [2.0], "stored in different orders"),
        ({}, [1.0], r"a\.nc and .*b\.nc both hold t at 2001-01-02"),
    ],
)
def test_files_that_do_not_form_a_series_are_refused(
    tmp_path: Path, options: dict[str, Any], times: list[float], message: str
) -> None:
    write(tmp_path / "a.nc", [1.0], 1)
    write(tmp_path / "b.nc", times, 2, **options)
    with pytest.raises(SourceError, match=message):
        convert(str(tmp_path / "*.nc"), tmp_path / "s", "d")


def test_a_pattern_that_matches_nothing(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no file matches"):
        convert(str(tmp_path / "*.nc"), tmp_path / "s", "d")


def test_two_days_of_ghrsst(tmp_path: Path) -> None:
    first = shared("realdata", "20241011120000-ABOM-L4_GHRSST-SSTfnd-GAMSSA_28km-GLOB-v02.0-fv01.0.nc")
    dataset = convert(str(first.parent / "2024101*.nc"), tmp_path, "d")
    time = dataset.variable("analysed_sst").time
    assert time is not None
    assert time.labels == ("2024-10-11T12:00:00Z", "2024-10-12T12:00:00Z")
    stored = zarr.open_group(tmp_path / "d.zarr", mode="r")["0/analysed_sst"][...]
    for step, path in enumerate(sorted(first.parent.glob("2024101*.nc"))):
        with netCDF4.Dataset(path) as opened:
            opened["analysed_sst"].set_auto_maskandscale(False)
            np.testing.assert_array_equal(stored[step], opened["analysed_sst"][0, ::-1])


@pytest.mark.parametrize("calendars", [("standard", "gregorian"), ("", "standard"), ("noleap", "365_day")])
@pytest.mark.parametrize("units", ["days since 2001-01-01", "hours since 2001-01-01"])
def test_calendars_of_two_names_are_one(tmp_path: Path, calendars: tuple[str, str], units: str) -> None:
    for name, calendar, time in zip("ab", calendars, (TIME["units"], units), strict=True):
        given = {"units": time, **({"calendar": calendar} if calendar else {})}
        write(tmp_path / f"{name}.nc", [0.0 if name == "a" else 24.0], 1, time=given)
    found = convert(str(tmp_path / "*.nc"), tmp_path / "s", "d").variables[0].time
    assert found is not None
    assert found.labels[1] == ("2001-01-02T00:00:00Z" if units.startswith("hours") else "2001-01-25T00:00:00Z")


def test_files_without_times_do_not_form_a_series(tmp_path: Path) -> None:
    """Otherwise all but the first would be left out silently."""
    for name in "ab":
        write_grid(tmp_path / f"{name}.nc", np.zeros((20, 30), "i2"), centres(20, -1, 20), centres(0, 1, 30))
    with pytest.raises(SourceError, match=r"2 files must form a time series, but .*a\.nc has no time"):
        convert(str(tmp_path / "*.nc"), tmp_path / "s", "d")


# Packing of two files, and that of the store: of codes of 16 bits, integers where the scales are multiples.
PACKINGS: list[tuple[dict[str, Any], dict[str, Any], str, float]] = [
    ({"scale_factor": 0.01}, {"scale_factor": 0.001, "add_offset": 5.0}, "int32", 0.001),
    ({"scale_factor": 0.013171, "add_offset": 281.4}, {"scale_factor": 0.0141, "add_offset": 279.9}, "float32", 1.0),
    ({}, {"missing_value": np.int16(-2)}, "int16", 1.0),
    ({}, {"valid_max": np.int16(50)}, "int16", 1.0),
    ({"scale_factor": -0.5}, {"scale_factor": 0.25}, "int32", 0.25),
]


@pytest.mark.parametrize(("one", "other", "dtype", "scale"), PACKINGS)
def test_packing_that_differs_loses_nothing(
    tmp_path: Path, one: dict[str, Any], other: dict[str, Any], dtype: str, scale: float
) -> None:
    for day, given in ((1.0, one), (2.0, other)):
        write(tmp_path / f"{day}.nc", [day], int(day), attributes=given)
    with netCDF4.Dataset(tmp_path / "2.0.nc", "a") as file:
        file["t"].set_auto_maskandscale(False)
        file["t"][0, 3, 4], file["t"][0, 3, 5] = -1, -2
    dataset = convert(str(tmp_path / "*.nc"), tmp_path / "s", "d")
    packing = dataset.variables[0].packing
    assert (packing.dtype, packing.scale_factor) == (dtype, scale)
    stored = packing.decode(zarr.open_group(tmp_path / "s" / "d.zarr", mode="r")["0/t"][...])
    for step in range(2):
        with netCDF4.Dataset(tmp_path / f"{step + 1}.0.nc") as file:
            truth = np.ma.filled(file["t"][0].astype("f8"), np.nan)
        # Half of the last bit of a float32 of these values; whole numbers of the finest step are exact.
        tolerance = {"rtol": 6e-8 if dtype == "float32" else 1e-15, "atol": 1e-12}
        np.testing.assert_allclose(stored[step], truth, **tolerance)
    source = open_files(str(tmp_path / "*.nc"))
    assert any(f"t is packed in 2 ways in its files; stored as {dtype}" in remark for remark in source.remarks)


def test_classes_of_other_codes_do_not_form_a_series(tmp_path: Path) -> None:
    """Their codes are names: other numbers for them are no other packing."""
    write(tmp_path / "a.nc", [1.0], 1, name="mask")
    write(tmp_path / "b.nc", [2.0], 2, name="mask", attributes={"scale_factor": 2.0})
    with pytest.raises(SourceError, match="the packing of mask differs from file to file"):
        convert(str(tmp_path / "*.nc"), tmp_path / "s", "d")
