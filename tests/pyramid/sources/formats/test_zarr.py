"""Zarr of both formats as a source, against zarr-python and xarray."""

from __future__ import annotations

import base64
import struct
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
import zarr

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.linked.link import link

if TYPE_CHECKING:
    from pathlib import Path

CODES = np.random.default_rng(3).integers(0, 9, (30, 40))
COORDINATES = {"lat": np.linspace(40.5, 69.5, 30), "lon": np.linspace(-19.5, 19.5, 40)}
UNITS = {"lat": "degrees_north", "lon": "degrees_east"}


def write(path: Path, codes: np.ndarray, zarr_format: int, *, named: bool = True, **options: Any) -> Path:
    """Write one array on a grid with zarr-python alone."""
    group = zarr.create_group(path, zarr_format=zarr_format)
    attributes = options.pop("attributes", {})
    for name, values, dims, given, settings in (
        ("lat", COORDINATES["lat"], ("lat",), {"units": UNITS["lat"]}, {}),
        ("lon", COORDINATES["lon"], ("lon",), {"units": UNITS["lon"]}, {}),
        ("t", codes, ("lat", "lon"), attributes, options),
    ):
        names: dict[str, Any] = {"dimension_names": dims} if named and zarr_format == 3 else {}
        array = group.create_array(name, shape=values.shape, dtype=values.dtype, **names, **settings)
        array[...] = values
        array.attrs.put({**given, **({"_ARRAY_DIMENSIONS": list(dims)} if named and zarr_format == 2 else {})})
    return path


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(
    "dtype", ["f2", "f4", "f8", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "?", ">i2", ">u4", ">f4", ">f8"]
)
def test_every_type_of_both_formats_is_kept(tmp_path: Path, zarr_format: int, dtype: str) -> None:
    codes = CODES.astype(dtype)
    # A fill value that no cell has: what it means in format 2 is the next test's matter.
    fill = {} if codes.dtype.kind == "b" else {"fill_value": codes.dtype.type(99)}
    path = write(tmp_path / "in.zarr", codes, zarr_format, chunks=(20, 30), **fill)
    variable = convert(path, tmp_path, "d").variables[0]
    stored = zarr.open_group(tmp_path / "d.zarr", mode="r")["0/t"][...]
    assert stored.dtype == (np.uint8 if codes.dtype.kind == "b" else codes.dtype.newbyteorder("="))
    np.testing.assert_array_equal(stored[::-1], codes)
    assert variable.statistics is not None
    assert variable.statistics.valid_count == codes.size


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(
    ("dtype", "fill", "attributes"),
    [
        ("u1", 0, {}),
        ("i2", 3, {}),
        ("f4", 0.0, {}),
        ("f8", float("nan"), {}),
        ("i2", 0, {"missing_value": [3, 4]}),
        ("i2", 0, {"scale_factor": 0.5, "add_offset": 1.0}),
    ],
)
def test_no_data_is_what_xarray_takes_for_it(
    tmp_path: Path, zarr_format: int, dtype: str, fill: float, attributes: dict[str, Any]
) -> None:
    """The fill value of format 2 is no data, that of format 3 is only what an unwritten chunk holds."""
    path = write(
        tmp_path / "in.zarr",
        CODES.astype(dtype),
        zarr_format,
        fill_value=np.dtype(dtype).type(fill),
        attributes=attributes,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with xr.open_zarr(path, consolidated=False) as opened:
            expected = opened["t"].values.astype("f8")
        variable = convert(path, tmp_path, "d").variables[0]
        with xr.open_zarr(tmp_path / "d.zarr", group="0") as ours:
            np.testing.assert_allclose(ours["t"].values[::-1].astype("f8"), expected, rtol=1e-6)
    assert variable.statistics is not None
    assert variable.statistics.valid_count == np.isfinite(expected).sum()
    assert variable.statistics.mean == pytest.approx(np.nanmean(expected))


def test_truth_values_have_no_fill_value(tmp_path: Path) -> None:
    write(tmp_path / "in.zarr", CODES > 4, 2, fill_value=False)
    variable = convert(tmp_path / "in.zarr", tmp_path, "d").variables[0]
    assert variable.packing.missing == ()
    assert variable.statistics is not None
    assert variable.statistics.mean == pytest.approx((CODES > 4).mean())


def test_shards_are_read(tmp_path: Path) -> None:
    write(tmp_path / "in.zarr", CODES.astype("i4"), 3, chunks=(5, 10), shards=(15, 20))
    convert(tmp_path / "in.zarr", tmp_path, "d")
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "d.zarr", mode="r")["0/t"][...][::-1], CODES)


def test_outdated_consolidated_metadata_are_ignored(tmp_path: Path) -> None:
    write(tmp_path / "in.zarr", CODES.astype("i4"), 2, attributes={"units": "old"}, fill_value=99)
    zarr.consolidate_metadata(tmp_path / "in.zarr")
    zarr.open_group(tmp_path / "in.zarr", use_consolidated=False)["t"].attrs["units"] = "new"
    assert convert(tmp_path / "in.zarr", tmp_path, "d").variables[0].units == "new"


def test_variables_are_in_the_order_of_their_names(tmp_path: Path) -> None:
    write(tmp_path / "in.zarr", CODES.astype("i4"), 3)
    group = zarr.open_group(tmp_path / "in.zarr")
    for name in ("z", "b", "m"):
        group.create_array(name, shape=(30, 40), dtype="i2", dimension_names=("lat", "lon"))
    dataset = convert(tmp_path / "in.zarr", tmp_path, "d")
    assert [variable.name for variable in dataset.variables] == ["b", "m", "t", "z"]


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_arrays_without_named_dimensions_are_refused(tmp_path: Path, zarr_format: int) -> None:
    write(tmp_path / "in.zarr", CODES, zarr_format, named=False)
    with pytest.raises(SourceError, match="its arrays do not name their dimensions"):
        convert(tmp_path / "in.zarr", tmp_path, "d")


def spelled(value: float) -> str:
    """Return a number as xarray writes it into the attributes of Zarr 3."""
    return base64.standard_b64encode(struct.pack("<d", value)).decode()


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize(
    ("fill", "number"), [(3.0, 3.0), (3, 3.0), ("NaN", np.nan), ("Infinity", np.inf), ("-Infinity", -np.inf)]
)
def test_fill_values_that_are_spelled_as_numbers(tmp_path: Path, dtype: str, fill: float | str, number: float) -> None:
    codes = np.where(CODES == 4, number, CODES).astype(dtype)
    expected = int(np.count_nonzero(np.isfinite(codes) & (codes != number)))
    for name, attribute in (("numbers", fill), ("base64", spelled(number))):
        write(tmp_path / name, codes, 3, attributes={"_FillValue": attribute, "units": "K"}, fill_value=8)
        variable = convert(tmp_path / name, tmp_path, name).variables[0]
        assert variable.statistics is not None
        assert (variable.statistics.valid_count, variable.units) == (expected, "K")
    for name in ("numbers", "base64"):  # read in place
        link(str(tmp_path / name), tmp_path, f"{name}-linked")
    first, *others = (
        xr.open_dataset(tmp_path / f"{name}.zarr", engine="lazytile")["t"].values
        for name in ("numbers", "base64", "numbers-linked", "base64-linked")
    )
    for other in others:
        np.testing.assert_array_equal(other, first)


def test_a_fill_value_that_is_null_is_none(tmp_path: Path) -> None:
    write(tmp_path / "in.zarr", CODES.astype("f4"), 3, attributes={"_FillValue": None})
    statistics = convert(tmp_path / "in.zarr", tmp_path, "d").variables[0].statistics
    assert statistics is not None
    assert statistics.valid_count == CODES.size


@pytest.mark.parametrize("fill", ["none", "AAAA", [1.0], True, {}])
def test_a_fill_value_that_is_no_number_is_named(tmp_path: Path, fill: object) -> None:
    write(tmp_path / "in.zarr", CODES.astype("f4"), 3, attributes={"_FillValue": fill})
    with pytest.raises(
        SourceError, match=r"in\.zarr, t: _FillValue is neither a number nor the base64 of one"
    ) as caught:
        convert(tmp_path / "in.zarr", tmp_path, "d")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_single_array_is_refused(tmp_path: Path, zarr_format: int) -> None:
    zarr.create_array(tmp_path / "in.zarr", shape=(4, 4), dtype="f4", zarr_format=zarr_format)
    with pytest.raises(SourceError, match="is a single Zarr array"):
        convert(tmp_path / "in.zarr", tmp_path, "d")


def test_a_damaged_chunk_is_one_clear_line(tmp_path: Path) -> None:
    path = write(tmp_path / "in.zarr", CODES.astype("f4"), 3, chunks=(20, 30))
    chunk = next(each for each in sorted((path / "t" / "c").rglob("*")) if each.is_file())
    chunk.write_bytes(chunk.read_bytes()[:10])
    with pytest.raises(SourceError, match=r"in\.zarr: t cannot be read at .*") as caught:
        convert(path, tmp_path / "store", "d")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "store").iterdir())
