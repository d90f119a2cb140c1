"""Which messages of a GRIB file are one variable, and at which levels and times: by the numbers in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.sources.source import open_source

eccodes = pytest.importorskip("eccodes", reason="eccodes is not installed (extra grib)", exc_type=Exception)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lazytile.pyramid.store.dataset import Dataset

ROWS, COLS = 19, 36
GRID = {
    "Ni": COLS,
    "Nj": ROWS,
    "latitudeOfFirstGridPointInDegrees": 90,
    "latitudeOfLastGridPointInDegrees": -90,
    "longitudeOfFirstGridPointInDegrees": 0,
    "longitudeOfLastGridPointInDegrees": 350,
    "iDirectionIncrementInDegrees": 10,
    "jDirectionIncrementInDegrees": 10,
}
DATE = {"dataDate": 20240120, "hour": 0, "minute": 0, "second": 0}


def message(value: float, edition: int = 2, **keys: Any) -> Any:
    """Return the handle of a message of one value, with keys set in the order given."""
    handle = eccodes.codes_grib_new_from_samples(f"regular_ll_sfc_grib{edition}")
    # A table of edition 2 cannot be chosen by the date keys of edition 1.
    date = DATE if edition == 2 else {"dataDate": 20240120, "dataTime": 0}
    for key, number in {**GRID, **date, **keys}.items():
        if number is None:
            eccodes.codes_set_missing(handle, key)
        else:
            eccodes.codes_set(handle, key, number)
    eccodes.codes_set_values(handle, np.full(ROWS * COLS, float(value)))
    return handle


def parameter(discipline: int, category: int, number: int) -> dict[str, int]:
    return {"discipline": discipline, "parameterCategory": category, "parameterNumber": number}


def surface(kind: int, factor: int, value: int, which: str = "First") -> dict[str, int]:
    return {
        f"typeOf{which}FixedSurface": kind,
        f"scaleFactorOf{which}FixedSurface": factor,
        f"scaledValueOf{which}FixedSurface": value,
    }


def layer(kind: int, factor: int, top: int, bottom: int) -> dict[str, int]:
    return {**surface(kind, factor, top), **surface(kind, factor, bottom, "Second")}


def write(path: Path, *handles: Any) -> Path:
    with path.open("wb") as file:
        for handle in handles:
            eccodes.codes_write(handle, file)
            eccodes.codes_release(handle)
    return path


def values(store: Path, dataset: Dataset) -> dict[str, list[float]]:
    """Return the first cell of each plane of each variable; every plane has one value."""
    group = zarr.open_group(store / "d.zarr", mode="r")
    return {each.name: group[f"0/{each.name}"][..., 0, 0].ravel().tolist() for each in dataset.variables}


def steps(dataset: Dataset) -> Iterator[tuple[str, tuple[str, ...], str]]:
    for variable in dataset.variables:
        for dimension in variable.dimensions:
            if dimension.kind != "time":
                yield variable.name, dimension.labels, dimension.units


def test_parameters_that_eccodes_does_not_know_are_variables_of_their_own(tmp_path: Path) -> None:
    """As MRMS has them: one is not a level of the other."""
    path = write(
        tmp_path / "in.grib2",
        message(10, **parameter(209, 9, 0), **surface(102, 0, 500)),
        message(77, **parameter(209, 3, 28), **surface(102, 0, 1000)),
        message(78, **parameter(209, 3, 28), **surface(102, 0, 2000)),
    )
    dataset = convert(path, tmp_path, "d")
    assert values(tmp_path, dataset) == {"parameter_209_9_0": [10], "parameter_209_3_28": [77, 78]}
    assert list(steps(dataset)) == [("parameter_209_3_28", ("1000", "2000"), "m")]
    assert dataset.variables[0].attributes["parameter"].endswith("discipline 209, category 9, number 0")


def test_unknown_parameters_of_edition_1_are_told_apart_by_table_and_centre(tmp_path: Path) -> None:
    local = {"indicatorOfParameter": 250, "table2Version": 254}
    path = write(
        tmp_path / "in.grib",
        message(1, 1, centre=254, **local),
        message(2, 1, centre=254, **{**local, "table2Version": 253}),
        message(3, 1, centre=253, **local),
    )
    dataset = convert(path, tmp_path, "d")
    assert sorted(each[0] for each in values(tmp_path, dataset).values()) == [1, 2, 3]


def test_levels_have_the_precision_of_the_message(tmp_path: Path) -> None:
    path = write(
        tmp_path / "in.grib2",
        *(message(cm, **parameter(0, 0, 0), **surface(106, 2, cm)) for cm in (250, 50, 150)),
        *(message(pa, **parameter(0, 3, 5), **surface(100, 0, pa)) for pa in (85000, 1000, 40)),
        *(message(k, **parameter(0, 2, 14), **surface(107, 0, k)) for k in (320, 300)),
    )
    dataset = convert(path, tmp_path, "d")
    found = {labels: units for _, labels, units in steps(dataset)}
    assert found == {("0.5", "1.5", "2.5"): "m", ("0.4", "10", "850"): "hPa", ("300", "320"): "K"}
    assert [50, 150, 250] in values(tmp_path, dataset).values()
    assert [40, 1000, 85000] in values(tmp_path, dataset).values()


def test_layers_between_two_levels_are_labelled_by_both(tmp_path: Path) -> None:
    """The soil of GFS, beside a temperature that a name alone chooses."""
    soil = [
        message(bottom, **parameter(2, 0, 2), **layer(106, 1, top, bottom))
        for top, bottom in ((10, 20), (0, 1), (1, 4), (4, 10))
    ]
    path = write(tmp_path / "in.grib2", message(290, **parameter(0, 0, 0), **surface(103, 0, 2)), *soil)
    dataset = convert(path, tmp_path, "d")
    assert list(steps(dataset)) == [("st", ("0-0.1", "0.1-0.4", "0.4-1", "1-2"), "m")]
    assert values(tmp_path, dataset)["st"] == [1, 4, 10, 20]
    assert [each.name for each in convert(path, tmp_path, "d", ["2t"]).variables] == ["2t"]


@pytest.mark.parametrize(
    ("kind", "octets", "label", "units"),
    [
        (112, (0, 7), "0-0.07", "m"),
        (106, (1, 2), "100-200", "m"),
        (101, (50, 100), "500-1000", "hPa"),
        (116, (30, 0), "30-0", "hPa"),
        (108, (44, 100), "0.44-1", None),
        (121, (250, 100), "850-1000", "hPa"),
        (114, (175, 165), "300-310", "K"),
    ],
)
def test_layers_of_edition_1_are_in_the_units_of_their_type(
    tmp_path: Path, kind: int, octets: tuple[int, int], label: str, units: str | None
) -> None:
    keys = {"indicatorOfTypeOfLevel": kind, "topLevel": octets[0], "bottomLevel": octets[1]}
    found = convert(write(tmp_path / "in.grib", message(1, 1, indicatorOfParameter=11, **keys)), tmp_path, "d")
    attributes = found.variables[0].attributes
    assert (attributes["level"], attributes.get("level_units")) == (label, units)


@pytest.mark.parametrize(
    ("kind", "raw", "level", "units"), [(111, 28, 0.28, "m"), (125, 180, 1.8, "m"), (107, 9950, 0.995, None)]
)
def test_levels_of_edition_1_are_in_the_units_of_their_type(
    tmp_path: Path, kind: int, raw: int, level: float, units: str | None
) -> None:
    path = write(tmp_path / "in.grib", message(1, 1, indicatorOfParameter=11, indicatorOfTypeOfLevel=kind, level=raw))
    attributes = convert(path, tmp_path, "d").variables[0].attributes
    assert (attributes["level"], attributes.get("level_units")) == (level, units)


def test_seconds_of_times_are_kept(tmp_path: Path) -> None:
    """Radar composites come every few seconds; ecCodes' validity has minutes."""
    path = write(
        tmp_path / "in.grib2",
        *(message(second, **parameter(0, 15, 1), second=second) for second in (30, 0)),
        message(90, **parameter(0, 15, 1), indicatorOfUnitOfTimeRange=13, forecastTime=90),
        message(7, **parameter(0, 15, 1), indicatorOfUnitOfTimeRange=3, forecastTime=2),
    )
    dataset = convert(path, tmp_path, "d")
    time = dataset.variables[0].time
    assert time is not None
    assert [label[5:19] for label in time.labels] == [
        "01-20T00:00:00",
        "01-20T00:00:30",
        "01-20T00:01:30",
        "03-20T00:00:00",
    ]
    assert next(iter(values(tmp_path, dataset).values())) == [0, 30, 90, 7]


def accumulation(value: float, start: int, end: int, kind: int = 1) -> Any:
    keys = {
        "productDefinitionTemplateNumber": 8,
        "forecastTime": start,
        "typeOfStatisticalProcessing": kind,
        "lengthOfTimeRange": end - start,
        "indicatorOfUnitForTimeRange": 1,
        "yearOfEndOfOverallTimeInterval": 2024,
        "monthOfEndOfOverallTimeInterval": 1,
        "dayOfEndOfOverallTimeInterval": 20,
        "hourOfEndOfOverallTimeInterval": end,
        "minuteOfEndOfOverallTimeInterval": 0,
        "secondOfEndOfOverallTimeInterval": 0,
    }
    return message(value, **keys, **parameter(0, 1, 8))


def test_sums_means_and_instants_of_a_parameter_are_variables(tmp_path: Path) -> None:
    path = write(
        tmp_path / "in.grib2", message(1, **parameter(0, 1, 8)), accumulation(2, 0, 6), accumulation(3, 0, 6, kind=0)
    )
    dataset = convert(path, tmp_path, "d")
    assert sorted(values(tmp_path, dataset).values()) == [[1], [2], [3]]
    assert {variable.attributes["step_type"] for variable in dataset.variables} == {"instant", "accum", "avg"}


def test_sums_since_the_start_grow_in_one_variable(tmp_path: Path) -> None:
    path = write(tmp_path / "in.grib2", *(accumulation(end, 0, end) for end in (3, 6, 9)))
    dataset = convert(path, tmp_path, "d")
    assert list(values(tmp_path, dataset).values()) == [[3, 6, 9]]


def test_sums_of_two_periods_that_end_together_are_two_variables(tmp_path: Path) -> None:
    """As GFS has precipitation: since the last six hours, and since the start."""
    path = write(tmp_path / "in.grib2", accumulation(6, 6, 12), accumulation(12, 0, 12), accumulation(3, 0, 6))
    dataset = convert(path, tmp_path, "d")
    found = values(tmp_path, dataset)
    assert {name.rpartition("_")[2]: numbers for name, numbers in found.items()} == {"6h": [3, 6], "12h": [12]}


def test_percentiles_are_variables(tmp_path: Path) -> None:
    keys = {"productDefinitionTemplateNumber": 6}
    path = write(
        tmp_path / "in.grib2",
        *(message(rank, **keys, **parameter(0, 0, 0), percentileValue=rank) for rank in (10, 50, 90)),
    )
    assert sorted(values(tmp_path, convert(path, tmp_path, "d")).values()) == [[10], [50], [90]]


def test_fields_that_share_a_message_are_all_read(tmp_path: Path) -> None:
    """NCEP packs both components of a wind in one message of edition 2."""
    multi = eccodes.codes_grib_multi_new()
    for number, value in ((2, 5.0), (3, 7.0)):
        handle = message(value, **parameter(0, 2, number), **surface(103, 0, 10))
        eccodes.codes_grib_multi_append(handle, 0 if number == 2 else 4, multi)
        eccodes.codes_release(handle)
    path = tmp_path / "in.grib2"
    with path.open("wb") as file:
        eccodes.codes_grib_multi_write(multi, file)
        after = message(290, **parameter(0, 0, 0), **surface(103, 0, 2))
        eccodes.codes_write(after, file)
        eccodes.codes_release(after)
    eccodes.codes_grib_multi_release(multi)
    assert values(tmp_path, convert(path, tmp_path, "d")) == {"10u": [5], "10v": [7], "2t": [290]}


def test_a_message_that_cannot_be_read_costs_its_variable(tmp_path: Path) -> None:
    odd = message(9, **parameter(0, 3, 0), month=13)
    path = write(tmp_path / "in.grib2", message(290, **parameter(0, 0, 0), **surface(103, 0, 2)), odd)
    source = open_source(path)
    assert [each.variable.name for each in source.variables] == ["2t"]
    (remark,) = source.remarks
    assert "is left out: message 2 cannot be read: its date 2024-13-20 00:00:00 does not exist" in remark


def test_forecasts_of_one_hour_cost_their_variable_and_a_name_chooses_the_other(tmp_path: Path) -> None:
    first = message(1, **parameter(0, 3, 0), forecastTime=24)
    second = message(2, **parameter(0, 3, 0), dataDate=20240121)
    path = write(tmp_path / "in.grib2", first, second, message(290, **parameter(0, 0, 0), **surface(103, 0, 2)))
    source = open_source(path)
    assert [each.variable.name for each in source.variables] == ["2t"]
    assert "it has several forecasts of one hour" in source.remarks[0]
    assert [each.name for each in convert(path, tmp_path, "d", ["2t"]).variables] == ["2t"]
    name = source.remarks[0].split()[0]
    with pytest.raises(SourceError, match=f"there is no layer '{name}' .it has several forecasts of one hour"):
        convert(path, tmp_path, "d", [name])


@pytest.mark.parametrize("packing", ["grid_ccsds", "grid_jpeg", "grid_png", "grid_second_order", "grid_ieee"])
def test_every_packing_is_decoded(tmp_path: Path, packing: str) -> None:
    handle = message(1, **parameter(0, 0, 0))
    numbers = np.arange(ROWS * COLS, dtype="f8") / 8
    try:
        eccodes.codes_set(handle, "packingType", packing)
    except eccodes.CodesInternalError:
        pytest.skip(f"this ecCodes cannot write {packing}")
    eccodes.codes_set(handle, "decimalScaleFactor", 3)
    eccodes.codes_set_values(handle, numbers)
    expected = eccodes.codes_get_values(handle).astype("f4").reshape(ROWS, COLS)
    dataset = convert(write(tmp_path / "in.grib2", handle), tmp_path, "d")
    stored = zarr.open_group(tmp_path / "d.zarr", mode="r")[f"0/{dataset.variables[0].name}"][0]
    np.testing.assert_array_equal(stored, expected)


def test_more_than_24_bits_are_kept_in_float64(tmp_path: Path) -> None:
    handle = message(0, **parameter(0, 0, 0))
    eccodes.codes_set(handle, "bitsPerValue", 32)
    numbers = 1e5 + np.arange(ROWS * COLS) / 2**16
    eccodes.codes_set_values(handle, numbers)
    expected = eccodes.codes_get_values(handle)
    dataset = convert(write(tmp_path / "in.grib2", handle), tmp_path, "d")
    assert dataset.variables[0].packing.dtype == "float64"
    stored = zarr.open_group(tmp_path / "d.zarr", mode="r")[f"0/{dataset.variables[0].name}"][0]
    np.testing.assert_array_equal(stored.ravel(), expected)
