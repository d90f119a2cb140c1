"""GRIB files against ecCodes' own iterator over points, at positions on the Earth."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj
import pytest
import zarr

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.ingest.convert import convert
from tests.shared import shared

eccodes = pytest.importorskip("eccodes", reason="eccodes is not installed (extra grib)", exc_type=Exception)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCANS = ["ineg_jneg.grib2", "ineg_jpos.grib2", "ipos_jneg.grib2", "ipos_jpos.grib2"]
# File, --var or --group, variable, range of values that the data's README states.
REAL: list[tuple[str, dict[str, Any], str, tuple[float, float]]] = [
    *((name, {}, "avg_t", (244.714, 305.487)) for name in SCANS),
    ("regular_ll_msl.grib", {}, "prmsl", (95224, 103498)),
    ("regular_gg.grib2", {}, "gh", (4388.16, 5576.54)),
    ("lambert.grib2", {}, "2t", (265.55, 300.863)),
    ("rotated_ll.grib1", {}, "2t", (273.427, 308.972)),
    ("3_layer.grib2", {"group": "grid_73x96"}, "avg_t", (244.714, 305.487)),
    ("3_layer.grib2", {"variables": ["t"]}, "t", (266.625, 302.25)),
    ("3_layer.grib2", {"group": "grid_360x288"}, "avg_t", (0.125, 41.625)),
]


def points(path: Path) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]]:
    """Yield longitude, latitude and value of every point of each message, in the order of the file."""
    with path.open("rb") as file:
        while (handle := eccodes.codes_grib_new_from_file(file)) is not None:
            keys = ("shortName", "level", "validityDate", "validityTime", "Ni", "number")
            found = {}
            for key in keys:
                try:
                    found[key] = eccodes.codes_get(handle, key)
                except eccodes.KeyValueNotFoundError:
                    found[key] = None
            yield (
                *(eccodes.codes_get_array(handle, key) for key in ("longitudes", "latitudes", "values")),
                found,
            )
            eccodes.codes_release(handle)


@pytest.mark.parametrize(("file", "options", "name", "limits"), REAL)
def test_every_point_has_its_value(
    tmp_path: Path, file: str, options: dict[str, Any], name: str, limits: tuple[float, float]
) -> None:
    source = shared("realdata", file)
    dataset = convert(source, tmp_path, "d", **options)
    stored = zarr.open_group(tmp_path / "d.zarr", mode="r")[f"0/{name}"][...].squeeze()
    lon, lat, values, _ = next(
        found for found in points(source) if found[3]["shortName"] == name and found[3]["Ni"] == dataset.grid.shape.cols
    )
    if dataset.grid.is_geographic:
        x, y = lon, lat
    else:
        x, y = pyproj.Transformer.from_crs("EPSG:4326", dataset.grid.crs, always_xy=True).transform(lon, lat)
        if pyproj.CRS.from_user_input(dataset.grid.crs).is_geographic:
            x = dataset.grid.bounds.west + (x - dataset.grid.bounds.west) % 360
    rows, cols = dataset.grid.rows_of(y), dataset.grid.cols_of(x)
    assert (rows >= 0).all()
    assert (cols >= 0).all()
    assert len(set(zip(rows.tolist(), cols.tolist(), strict=True))) == values.size, "each point has a cell of its own"
    np.testing.assert_array_equal(stored[rows, cols], values.astype("f4"))
    statistics = dataset.variable(name).statistics
    assert statistics is not None
    assert (statistics.minimum, statistics.maximum) == pytest.approx(limits, rel=1e-5)


def test_members_times_and_levels_are_dimensions(tmp_path: Path) -> None:
    source = shared("realdata", "era5-levels-members.grib")
    dataset = convert(source, tmp_path, "d")
    assert {variable.name for variable in dataset.variables} == {"t", "z"}
    variable = dataset.variable("t")
    assert [(d.name, len(d.labels)) for d in variable.dimensions] == [("time", 4), ("member", 10), ("level", 2)]
    assert variable.dimensions[2].labels == ("500", "850")
    assert variable.dimensions[2].units == "hPa"
    assert variable.standard_name == "air_temperature"
    stored = {name: zarr.open_group(tmp_path / "d.zarr", mode="r")[f"0/{name}"][...] for name in ("t", "z")}
    times = variable.time
    assert times is not None
    for lon, lat, values, keys in list(points(source))[::13]:
        day, clock = str(keys["validityDate"]), keys["validityTime"] // 100
        label = f"{day[:4]}-{day[4:6]}-{day[6:]}T{clock:02d}:00:00Z"
        index = (times.labels.index(label), keys["number"], ("500", "850").index(str(keys["level"])))
        plane = stored[keys["shortName"]][index]
        np.testing.assert_array_equal(plane[dataset.grid.rows_of(lat), dataset.grid.cols_of(lon)], values.astype("f4"))


def test_several_grids_require_a_choice(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"several grids; choose one with --group or --var: /grid_73x96 with avg_t;"):
        convert(shared("realdata", "3_layer.grib2"), tmp_path)


def test_the_heading_of_a_bulletin_is_skipped(tmp_path: Path) -> None:
    """As the WMO's telecommunication system sends GRIB: with lines before and after each message."""
    plain = shared("realdata", "regular_ll_msl.grib").read_bytes()
    (tmp_path / "in.bin").write_bytes(b"\x01\r\r\n123\r\r\nHTXX01 KWBC 010000\r\r\n" + plain + b"\r\r\n\x03")
    variable = convert(tmp_path / "in.bin", tmp_path, "d").variables[0]
    assert variable.statistics is not None
    assert (variable.statistics.minimum, variable.statistics.maximum) == pytest.approx((95224, 103498), rel=1e-5)


def test_nothing_is_left_beside_the_input(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    source = tmp_path / "in" / "a.grib"
    shutil.copy(shared("realdata", "regular_ll_msl.grib"), source)
    source.chmod(0o644)
    convert(source, tmp_path / "store")
    assert list((tmp_path / "in").iterdir()) == [source]


def write(path: Path, values: np.ndarray, **keys: Any) -> None:
    handle = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib1")
    rows, cols = values.shape
    eccodes.codes_set(handle, "Ni", cols)
    eccodes.codes_set(handle, "Nj", rows)
    for key, value in keys.items():
        eccodes.codes_set(handle, key, value)
    eccodes.codes_set_values(handle, values.ravel().astype("f8"))
    with path.open("wb") as file:
        eccodes.codes_write(handle, file)
    eccodes.codes_release(handle)


def grid_keys(first: float, last: float, step: float) -> dict[str, Any]:
    return {
        "latitudeOfFirstGridPointInDegrees": 45.0,
        "latitudeOfLastGridPointInDegrees": -45.0,
        "longitudeOfFirstGridPointInDegrees": first,
        "longitudeOfLastGridPointInDegrees": last,
        "iDirectionIncrementInDegrees": step,
        "jDirectionIncrementInDegrees": 10.0,
    }


def test_a_negative_last_longitude_moves_nothing(tmp_path: Path) -> None:
    """A reader that sorts longitudes puts this map a cell too far west."""
    values = np.arange(360).reshape(10, 36)
    write(tmp_path / "a.grib", values, **grid_keys(0.0, -10.0, 10.0))
    dataset = convert(tmp_path / "a.grib", tmp_path, "d")
    stored = zarr.open_group(tmp_path / "d.zarr", mode="r")[f"0/{dataset.variables[0].name}"][0]
    col = dataset.grid.cols_of(np.array([0.0]))[0]
    np.testing.assert_array_equal(stored[:, col], values[:, 0])


def test_a_bitmap_says_where_there_is_no_data(tmp_path: Path) -> None:
    values = np.arange(360).reshape(10, 36).astype("f8")
    values[2:4, 5:9] = 9999.0
    write(tmp_path / "a.grib", values, **grid_keys(0.0, 350.0, 10.0), bitmapPresent=1, missingValue=9999)
    dataset = convert(tmp_path / "a.grib", tmp_path, "d")
    stored = zarr.open_group(tmp_path / "d.zarr", mode="r")[f"0/{dataset.variables[0].name}"][0]
    np.testing.assert_array_equal(np.isnan(stored), values == 9999.0)


@pytest.mark.parametrize("columns_first", [0, 1])
@pytest.mark.parametrize("alternating", [0, 1])
def test_every_order_of_values(tmp_path: Path, columns_first: int, alternating: int) -> None:
    plane = np.arange(360).reshape(10, 36)
    values = plane.T.copy() if columns_first else plane.copy()
    if alternating:
        values[1::2] = values[1::2, ::-1]
    handle = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
    keys = {"Ni": 36, "Nj": 10, **grid_keys(0.0, 350.0, 10.0), "jPointsAreConsecutive": columns_first}
    for key, value in {**keys, "alternativeRowScanning": alternating}.items():
        eccodes.codes_set(handle, key, value)
    eccodes.codes_set_values(handle, values.ravel().astype("f8"))
    with (tmp_path / "a.grib2").open("wb") as file:
        eccodes.codes_write(handle, file)
    eccodes.codes_release(handle)
    dataset = convert(tmp_path / "a.grib2", tmp_path, "d")
    stored = zarr.open_group(tmp_path / "d.zarr", mode="r")[f"0/{dataset.variables[0].name}"][0]
    np.testing.assert_array_equal(stored, plane)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.grib").write_bytes(shared("realdata", "regular_ll_msl.grib").read_bytes()[:5000])
    with pytest.raises(SourceError, match=r"damaged or cut short|cut short"):
        convert(tmp_path / "a.grib", tmp_path / "s")


def test_without_eccodes_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lazytile.pyramid.sources.formats.grib.file.eccodes", None)
    with pytest.raises(SourceError, match=r"pip install 'lazytile\[grib\]'"):
        convert(shared("realdata", "regular_ll_msl.grib"), tmp_path)
