"""The meaning of attributes for numbers, one test for each pitfall."""

from __future__ import annotations

import numpy as np
import pytest

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.sources.cf.attributes import json_attributes, packing_of, reduction_of
from lazytile.pyramid.sources.cf.labels import time_labels, value_labels


def packing(dtype: str, **attributes: object):
    return packing_of(
        np.dtype(dtype), {name.replace("FillValue", "_FillValue"): v for name, v in attributes.items()}, netcdf=True
    )


def test_packed_integers_stay_packed() -> None:
    found = packing("int16", scale_factor=0.01, add_offset=273.15, FillValue=np.int16(-32768))
    assert (found.dtype, found.scale_factor, found.add_offset, found.missing) == ("int16", 0.01, 273.15, (-32768,))


def test_big_endian_becomes_native() -> None:
    assert packing(">i2").dtype == "int16"


def test_nan_fill_on_integers_names_no_code() -> None:
    assert packing("int16", FillValue=np.float64("nan"), scale_factor=-0.5).missing == (-32767,)
    assert packing("int8", FillValue=np.float64("nan")).missing == ()


def test_unsigned_turns_type_fill_and_range() -> None:
    found = packing("int16", _Unsigned="true", FillValue=np.int16(-1), valid_range=np.array([0, -6], "int16"))
    assert (found.dtype, found.missing, found.valid_max) == ("uint16", (65535,), 65530)
    assert packing("uint16", _Unsigned="true", FillValue=np.uint16(32767)).missing == (32767,)
    assert packing("uint8", _Unsigned="false", FillValue=np.uint8(255)).missing == (-1,)


def test_a_physical_range_on_packed_integers_is_packed() -> None:
    scale = np.float32(0.2)
    found = packing(
        "int16", scale_factor=scale, valid_range=np.array([0, 50], "f4"), flag_values=np.array([251, 255], "i2")
    )
    assert (found.valid_min, found.valid_max) == (0, 250)
    assert found.missing == (-32767, 251, 255)


def test_a_physical_range_to_the_end_of_the_type_takes_no_code_of_data() -> None:
    found = packing("uint16", scale_factor=0.1, valid_range=np.array([0.0, 25.0]))
    assert (found.valid_min, found.valid_max, found.missing) == (None, 250, (65535,))
    assert not found.is_missing(np.array([0, 250], "u2")).any()


def test_a_packed_range_of_floats_stays_packed() -> None:
    found = packing("int16", scale_factor=0.01, add_offset=273.15, valid_min=-300.0, valid_max=4500.0)
    assert (found.valid_min, found.valid_max) == (-300, 4500)


def test_a_physical_range_with_negative_scale_is_turned() -> None:
    found = packing("int16", scale_factor=-0.5, valid_range=np.array([0.0, 10.0]))
    assert (found.valid_min, found.valid_max) == (-20, 0)


def test_a_range_alone_brings_a_code_for_no_data() -> None:
    found = packing("uint8", valid_max=np.uint8(100))
    assert found.missing == (255,)
    assert found.is_missing(np.array([found.fill_code], "u1")).all()


def test_missing_value_lists_and_both_attributes() -> None:
    found = packing("int8", FillValue=np.int8(-1), missing_value=np.array([-1, -2], "int8"))
    assert found.missing == (-1, -2)
    assert packing("float32", missing_value=-9999.9).missing == (float(np.float32(-9999.9)),)


@pytest.mark.parametrize(
    ("name", "dtype", "attributes", "reduction"),
    [
        ("mask", "int8", {"flag_masks": [1, 2]}, "mode"),
        ("cover", "uint8", {"flag_values": [1, 2]}, "mode"),
        ("LSMASK", "int8", {}, "mode"),
        ("Icemask", "int8", {}, "mode"),
        ("basin", "int8", {"units": "ids"}, "mode"),
        ("wind", "int16", {"scale_factor": 0.2, "flag_values": [251]}, "mean"),
        ("mask", "float32", {}, "mean"),
        ("temperature", "int16", {"units": "K"}, "mean"),
        ("prototype", "int16", {}, "mean"),
        ("classified_ad_price", "int16", {}, "mean"),
        ("landCover", "uint8", {}, "mode"),
        ("x", "int16", {"long_name": "Soil type"}, "mode"),
    ],
)
def test_classes_are_distinguished_from_quantities(name: str, dtype: str, attributes: dict, reduction: str) -> None:
    assert reduction_of(name, np.dtype(dtype), attributes) == reduction


def test_attributes_become_json() -> None:
    found = json_attributes(
        {
            "a": np.float32(0.5),
            "b": np.array([1, 2], "i2"),
            "c": b"text",
            "d": np.float64("nan"),
            "_FillValue": 3,
            "e": np.array(["x"]),
        }
    )
    assert found == {"a": 0.5, "b": [1, 2], "c": "text", "e": ["x"]}


def test_times_are_iso_with_a_fraction_only_where_needed() -> None:
    units = {"units": "days since 1970-01-01"}
    assert time_labels(np.array([0, 1]), units, "time") == ("1970-01-01T00:00:00Z", "1970-01-02T00:00:00Z")
    # A third of a day is no whole number of microseconds.
    assert time_labels(np.array([1 / 3, 0.5000000116]), units, "time") == (
        "1970-01-01T08:00:00Z",
        "1970-01-01T12:00:00.001Z",
    )


@pytest.mark.parametrize(
    ("calendar", "days", "label"),
    [
        ("360_day", 59, "2001-02-30T00:00:00Z"),
        ("noleap", 1154, "2004-02-29T00:00:00Z"),
        ("all_leap", 59, "2001-02-29T00:00:00Z"),
        ("Standard", 59, "2001-03-01T00:00:00Z"),
        ("", 0.5, "2001-01-01T12:00:00Z"),
    ],
)
def test_every_calendar_names_its_own_dates(calendar: str, days: float, label: str) -> None:
    attributes = {"units": "days since 2001-01-01", "calendar": calendar}
    if calendar == "noleap":
        label = "2004-03-01T00:00:00Z"
    assert time_labels(np.array([days]), attributes, "time") == (label,)


def test_year_zero_is_a_climatology() -> None:
    labels = time_labels(np.array([366.0, 1096.485]), {"units": "hour since 0000-01-01 00:00:00"}, "TIME")
    assert labels[0] == "0000-01-16T06:00:00Z"


def test_repeated_times_are_refused() -> None:
    with pytest.raises(SourceError, match="2001-01-02T00:00:00Z twice"):
        time_labels(np.array([1, 1]), {"units": "days since 2001-01-01"}, "time")


def test_labels_are_short() -> None:
    assert value_labels(np.array([0.1, 1000.0, 1e-9], "f4"), "z") == ("0.1", "1000", "9.999999717180685e-10")
    assert value_labels(np.array([200, 500]), "level") == ("200", "500")
