"""The meaning of attributes for numbers, one test for each pitfall."""

from __future__ import annotations

import re

import numpy as np
import pytest

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.sources.cf.attributes import json_attributes, packing_of
from lazytile.pyramid.sources.cf.labels import time_labels, value_labels
from lazytile.pyramid.sources.cf.variable_kind import kind_of


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
        ("wet", "bool", {}, "mode"),
        # Flags among the codes of a quantity.
        ("ice", "uint8", {"valid_range": [0, 250], "flag_values": [251, 254]}, "mean"),
        ("ice", "uint8", {"valid_range": [0, 250], "flag_values": [0, 254]}, "mode"),
        ("t", "float32", {"units": "K", "flag_values": [-999.0]}, "mean"),
        ("t", "float32", {"units": "1", "flag_values": [0.0, 1.0]}, "mode"),
        ("t", "int16", {"scale_factor": "0.1", "flag_values": [1]}, "mean"),
    ],
)
def test_classes_are_distinguished_from_quantities(name: str, dtype: str, attributes: dict, reduction: str) -> None:
    assert kind_of(name, np.dtype(dtype), attributes).reduction == reduction


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


def test_numbers_written_as_text_are_numbers() -> None:
    found = packing("int16", scale_factor="0.01f", add_offset=" 1.5D2 ", FillValue="-999s", missing_value="-1, -2")
    assert (found.scale_factor, found.add_offset, found.missing) == (0.01, 150.0, (-999, -1, -2))
    assert packing("int16", FillValue=np.int16(-1), valid_range="0, 100").valid_max == 100
    assert packing("int16", FillValue=np.int16(-1), valid_range="-5 to 100").valid_min == -5
    assert packing("int16", FillValue=np.int16(-1), scale_factor=0.1, valid_range="0.0..10.0").valid_max == 100
    assert packing("int16", FillValue=np.int16(-1), valid_min="3").valid_min == 3
    assert packing("int16", scale_factor=np.array([0.5]), add_offset="").scale_factor == 0.5


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"scale_factor": "0.01 per count"}, "its scale_factor is '0.01 per count', not a number"),
        ({"add_offset": "none"}, "its add_offset is 'none', not a number"),
        ({"scale_factor": [0.1, 0.2]}, "its scale_factor has 2 numbers"),
        ({"scale_factor": 0.0}, "its scale_factor 0 and add_offset 0 make no values"),
        ({"scale_factor": "NaN"}, "its scale_factor nan and add_offset 0 make no values"),
        ({"missing_value": "see the guide"}, "its missing_value is 'see the guide', not a number"),
        ({"valid_range": [1, 2, 3]}, "its valid_range has 3 numbers instead of two"),
        ({"valid_max": "high"}, "its valid_max is 'high', not a number"),
    ],
)
def test_what_is_no_number_is_refused(attributes: dict[str, object], message: str) -> None:
    with pytest.raises(SourceError, match=re.escape(message)):
        packing("int16", **attributes)


def test_unwritten_cells_are_no_data_in_every_type_but_bytes() -> None:
    """The values that the netCDF library's own header has (NC_FILL_...)."""
    assert packing("uint16").missing == (65535,)
    assert packing("uint32").missing == (4294967295,)
    assert packing("uint64").missing == (18446744073709551614,)
    assert packing("int64").missing == (-9223372036854775806,)
    assert packing("uint8").missing == packing("int8").missing == ()
    # The bits of NC_FILL_SHORT, which is what the library writes.
    assert packing("int16", _Unsigned="true").missing == (32769,)
    assert packing("uint16", _Unsigned="false").missing == (-1,)
    found = packing("uint64")
    codes = np.array([18446744073709551613, 18446744073709551614, 18446744073709551615], "u8")
    assert found.is_missing(codes).tolist() == [False, True, False]


def test_a_fill_value_of_another_type_is_that_of_the_codes() -> None:
    assert packing("int16", FillValue=np.float64(-9999.0)).missing == (-9999,)
    assert packing("float32", FillValue=np.float64(0.1)).missing == (float(np.float32(0.1)),)
    assert packing("int64", FillValue=np.float64(2.0**63)).missing == (2**63 - 1,)


def test_flags_of_a_quantity_are_no_data() -> None:
    found = packing("uint8", valid_range=[0, 250], flag_values=np.array([251, 254], "u1"))
    assert set(found.missing) >= {251, 254}
    assert packing("float32", units="K", flag_values=[-999.0, -998.0], FillValue=np.float32(-1)).missing == (
        -1,
        -999,
        -998,
    )
    assert packing("uint8", flag_values=[1, 2]).missing == ()
