"""Our metadata documents are those that zarr-python writes, for every type, codec and layout that we write."""

from __future__ import annotations

import contextlib
import json
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr

from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.store.codec import Codec
from lazytile.pyramid.store.node_metadata import check_metadata, consolidate, write_array, write_group

if TYPE_CHECKING:
    from pathlib import Path

ATTRIBUTES = {"units": "K", "valid_range": [0, 1.5], "empty": "", "nested": {"ä": [1, None, True]}}
FILLS: dict[str, tuple[float, ...]] = {
    "uint8": (0, 255), "int8": (-128,), "uint16": (65535,), "int16": (-32768, 0), "uint32": (4294967295,),
    "int32": (-9999,), "int64": (-(2**63),), "uint64": (2**64 - 1,),
    "float32": (1e20, float("nan"), float("-inf"), -9999.5), "float64": (float("inf"), -1e-300, 0.1),
}  # fmt: skip


def theirs(folder: Path, shards: tuple[int, ...] | None, dtype: str, fill: float, codec: str) -> Any:
    kind = np.dtype(dtype)
    packed = Codec.parse(codec).zarr_codec(kind)
    return zarr.create_group(folder, zarr_format=3).create_array(
        "v", shape=(3, 300, 500), chunks=(1, 128, 128), shards=shards, dtype=kind, fill_value=kind.type(fill),
        compressors=packed, dimension_names=["time", "lat", "lon"], attributes=ATTRIBUTES,
    )  # fmt: skip


@pytest.mark.parametrize("shards", [None, (1, 256, 256)], ids=["files", "shards"])
@pytest.mark.parametrize("codec", ["blosc-lz4:5", "blosc-zstd:3", "zstd:3", "gzip:6", "none"])
@pytest.mark.parametrize("dtype", sorted(FILLS))
def test_an_array_is_as_zarr_python_writes_it(
    tmp_path: Path, dtype: str, codec: str, shards: tuple[int, ...] | None
) -> None:
    for number, fill in enumerate(FILLS[dtype]):
        expected = theirs(tmp_path / f"theirs{number}", shards, dtype, fill, codec)
        write_group(tmp_path / f"ours{number}", {})
        write_array(
            tmp_path / f"ours{number}" / "v", shape=(3, 300, 500), chunks=(1, 128, 128), dtype=np.dtype(dtype),
            fill=fill, codec=Codec.parse(codec), attributes=ATTRIBUTES, names=["time", "lat", "lon"], shards=shards,
        )  # fmt: skip
        found = zarr.open_array(tmp_path / f"ours{number}" / "v", mode="r")
        one, other = (np.asarray(each.fill_value) for each in (found, expected))
        assert one.tobytes() == other.tobytes()
        metadata, wanted = found.metadata.to_dict(), expected.metadata.to_dict()
        if fill != fill:  # NaN is no equal of itself
            metadata.pop("fill_value"), wanted.pop("fill_value")
        assert metadata == wanted
        assert found.metadata.zarr_format == 3


def test_an_array_without_dimensions_or_codec(tmp_path: Path) -> None:
    write_group(tmp_path / "s", {})
    write_array(tmp_path / "s" / "crs", shape=(), chunks=(), dtype=np.dtype("i4"), fill=0, codec=None, attributes={})
    theirs = zarr.create_group(tmp_path / "t").create_array(
        "crs", shape=(), dtype="int32", fill_value=0, compressors=None
    )
    found = zarr.open_array(tmp_path / "s" / "crs", mode="r")
    assert found.metadata.to_dict() == theirs.metadata.to_dict()
    assert int(found[...]) == 0


def test_consolidated_metadata_are_those_of_zarr_python(tmp_path: Path) -> None:
    for name in ("ours", "theirs"):
        write_group(tmp_path / name, {"title": "old"})
        for level in ("0", "1"):
            write_group(tmp_path / name / level, {"level": level})
            for array in ("b", "A", "crs"):
                write_array(
                    tmp_path / name / level / array, shape=(4,), chunks=(2,), dtype=np.dtype("f4"), fill=0,
                    codec=Codec.parse("zstd"), attributes={"array": array}, names=["x"],
                )  # fmt: skip
    consolidate(tmp_path / "ours", {"title": "new", "count": 3})
    zarr.open_group(tmp_path / "theirs", mode="r+").attrs.put({"title": "new", "count": 3})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # consolidated metadata are an extension
        zarr.consolidate_metadata(tmp_path / "theirs", zarr_format=3)
    ours, theirs = (json.loads((tmp_path / name / "zarr.json").read_bytes()) for name in ("ours", "theirs"))
    assert isinstance(ours["attributes"].pop("lazytile_metadata_checksum"), int)
    assert ours == theirs
    listed = [list(each["consolidated_metadata"]["metadata"]) for each in (ours, theirs)]
    assert listed[0] == listed[1]
    group = zarr.open_group(tmp_path / "ours", mode="r", use_consolidated=True)
    assert group["1/A"].attrs["array"] == "A"


def test_attributes_stay_where_none_are_given(tmp_path: Path) -> None:
    write_group(tmp_path / "s", {"title": "t"})
    write_group(tmp_path / "s" / "0", {})
    consolidate(tmp_path / "s")
    attributes = zarr.open_group(tmp_path / "s", mode="r").attrs.asdict()
    del attributes["lazytile_metadata_checksum"]
    assert attributes == {"title": "t"}


@pytest.mark.parametrize("change", ["", "title", "checksum"])
def test_a_changed_document_differs_from_its_checksum(tmp_path: Path, change: str) -> None:
    write_group(tmp_path / "s", {"title": "t"})
    write_group(tmp_path / "s" / "0", {"numbers": [0.1, float("nan"), "\u00e9"]})
    consolidate(tmp_path / "s")
    document = json.loads((tmp_path / "s" / "zarr.json").read_bytes())
    if change == "title":
        document["attributes"]["title"] = "u"
    if change == "checksum":
        document["attributes"]["lazytile_metadata_checksum"] ^= 1
    expectation = pytest.raises(StoreError, match="differs from its checksum") if change else contextlib.nullcontext()
    with expectation:
        check_metadata(document)


def test_a_damaged_document_is_named(tmp_path: Path) -> None:
    write_group(tmp_path / "s", {})
    write_group(tmp_path / "s" / "0", {})
    (tmp_path / "s" / "0" / "zarr.json").write_bytes(b"{")
    with pytest.raises(StoreError, match=r"0/zarr.json: it is not JSON"):
        consolidate(tmp_path / "s")
