"""What a source claims to hold is bounded before anything of that size is allocated."""

from __future__ import annotations

import json

import netCDF4
import numpy as np
import pytest

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.sources.source import open_source


def write_array(folder, shape, chunk, names):
    folder.mkdir(parents=True)
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": "float64",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        "attributes": {},
        "dimension_names": names,
    }
    (folder / "zarr.json").write_text(json.dumps(document))


def write_zarr(path, attributes="{}"):
    path.mkdir()
    (path / "zarr.json").write_text(f'{{"zarr_format": 3, "node_type": "group", "attributes": {attributes}}}')
    return path


@pytest.mark.parametrize("length", [1 << 27, 10**10, 10**18])
def test_a_dimension_is_bounded(tmp_path, length):
    path = write_zarr(tmp_path / "a.zarr")
    for name, names in (("lat", ["lat"]), ("lon", ["lon"]), ("t", ["lat", "lon"])):
        write_array(path / name, [length] * len(names), [256] * len(names), names)
    with pytest.raises(SourceError, match=f"lat has {length} cells or steps in a row, at most 67108864 are read"):
        open_source(path)


def test_a_dimension_of_netcdf_is_bounded(tmp_path):
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("lat", 3_000_000_000)
        file.createVariable("lat", "f8", ("lat",), chunksizes=(1000,))
    with pytest.raises(SourceError, match="lat has 3000000000 cells or steps in a row"):
        open_source(path)


def test_a_chunk_is_bounded(tmp_path):
    path = write_zarr(tmp_path / "a.zarr")
    write_array(path / "t", [20_000, 20_000], [20_000, 20_000], ["y", "x"])
    with pytest.raises(SourceError, match="t has chunks of 3200000000 bytes, at most 1073741824 are read"):
        open_source(path)


def test_the_limit_of_a_chunk_is_a_setting(tmp_path, monkeypatch):
    path = write_zarr(tmp_path / "a.zarr")
    write_array(path / "t", [20_000, 20_000], [20_000, 20_000], ["y", "x"])
    monkeypatch.setenv("LAZYTILE_MAX_CHUNK", "4GiB")
    with pytest.raises(SourceError, match="it has no longitude and latitude coordinates"):
        open_source(path)  # it goes on to look for a grid
    source = netcdf(tmp_path / "a.nc", np.zeros((600, 600)), chunk=(600, 600))
    assert open_source(source).variables
    monkeypatch.setenv("LAZYTILE_MAX_CHUNK", "1MiB")
    with pytest.raises(SourceError, match="chunks of 2880000 bytes, at most 1048576 are read; LAZYTILE_MAX_CHUNK sets"):
        open_source(source)
    monkeypatch.setenv("LAZYTILE_MAX_CHUNK", "much")
    with pytest.raises(SourceError, match="LAZYTILE_MAX_CHUNK must be a size such as 2GiB"):
        open_source(source)


def netcdf(path, values, chunk):
    rows, cols = values.shape
    with netCDF4.Dataset(path, "w") as file:
        for name, units, edge, count in (("lat", "degrees_north", 80, rows), ("lon", "degrees_east", 170, cols)):
            file.createDimension(name, count)
            file.createVariable(name, "f8", (name,))[:] = np.linspace(-edge, edge, count)
            file[name].units = units
        file.createVariable("t", "f8", ("lat", "lon"), chunksizes=chunk)[:] = values
    return path


def test_a_number_of_dimensions_is_bounded(tmp_path):
    path = write_zarr(tmp_path / "a.zarr")
    write_array(path / "t", [1] * 17, [1] * 17, [f"d{number}" for number in range(17)])
    with pytest.raises(SourceError, match="t has 17 dimensions, at most 16 are read"):
        open_source(path)


def test_metadata_that_are_nested_deeply_are_one_clear_line(tmp_path):
    path = write_zarr(tmp_path / "a.zarr", '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}")
    with pytest.raises(SourceError, match="cannot be read") as raised:
        open_source(path)
    assert "\n" not in str(raised.value)


def test_what_is_within_the_limits_is_read(tmp_path):
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w") as file:
        for name, values in (("lat", np.arange(5.0)), ("lon", np.arange(7.0))):
            file.createDimension(name, len(values))
            file.createVariable(name, "f8", (name,))[:] = values
            file[name].units = "degrees_north" if name == "lat" else "degrees_east"
        file.createVariable("t", "f4", ("lat", "lon"), zlib=True)[:] = 1.0
    assert [each.variable.name for each in open_source(path).variables] == ["t"]
