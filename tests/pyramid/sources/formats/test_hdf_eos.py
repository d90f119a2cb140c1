"""Grids and swaths of HDF-EOS5, whose arrays have no named dimensions: a text in the file states them."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import zarr

from lazytile.pyramid.ingest.convert import convert

if TYPE_CHECKING:
    from pathlib import Path

    from lazytile.pyramid.store.dataset import Dataset

GRID = """
GROUP=SwathStructure
END_GROUP=SwathStructure
GROUP=GridStructure
	GROUP=GRID_1
		GridName="G"
		XDim=36
		YDim=36
		UpperLeftPointMtrs={upper}
		LowerRightMtrs={lower}
		Projection={projection}
		ProjParams=(6371007.181000,0,0,0,0,0,0,0,0,0,0,0,0)
		GridOrigin={origin}
		GROUP=DataField
			OBJECT=DataField_1
				DataFieldName="t"
				DataType=H5T_NATIVE_FLOAT
				DimList=("YDim","XDim")
			END_OBJECT=DataField_1
		END_GROUP=DataField
	END_GROUP=GRID_1
END_GROUP=GridStructure
END
"""
SWATH = """
GROUP=SwathStructure
	GROUP=SWATH_1
		SwathName="S"
		GROUP=GeoField
			OBJECT=GeoField_1
				GeoFieldName="Latitude"
				DimList=("nTimes","nXtrack")
			END_OBJECT=GeoField_1
			OBJECT=GeoField_2
				GeoFieldName="Longitude"
				DimList=("nTimes","nXtrack")
			END_OBJECT=GeoField_2
		END_GROUP=GeoField
		GROUP=DataField
			OBJECT=DataField_1
				DataFieldName="t"
				DimList=("nTimes","nXtrack")
			END_OBJECT=DataField_1
		END_GROUP=DataField
	END_GROUP=SWATH_1
END_GROUP=SwathStructure
END
"""
VALUES = np.arange(36 * 36, dtype="f4").reshape(36, 36)


def write(path: Path, structure: str, arrays: dict[str, np.ndarray]) -> Path:
    """Write a file without HDF5's named dimensions, in another process: h5py brings an HDF5 library of its own."""
    pytest.importorskip("h5py", reason="h5py is not installed (extra hdf5plugin)")
    np.savez(path.with_suffix(".npz"), **{name.replace("/", "|"): values for name, values in arrays.items()})
    code = (
        "import h5py, numpy as np, sys\n"
        "with h5py.File(sys.argv[1], 'w') as file, np.load(sys.argv[2]) as arrays:\n"
        "    for name in arrays:\n"
        "        file[name.replace('|', '/')] = arrays[name]\n"
        "    file['HDFEOS INFORMATION/StructMetadata.0'] = np.bytes_(sys.argv[3])\n"
    )
    command = [sys.executable, "-c", code, str(path), str(path.with_suffix(".npz")), structure]
    subprocess.run(command, check=True, timeout=120)
    return path


def stored(store: Path) -> np.ndarray:
    return zarr.open_group(store / "d.zarr", mode="r")["0/t"][...]


def grid(tmp_path: Path, **described: str) -> Dataset:
    path = write(tmp_path / "in.he5", GRID.format(**described), {"HDFEOS/GRIDS/G/Data Fields/t": VALUES})
    return convert(path, tmp_path, "d")


def test_a_grid_of_degrees_written_as_degrees_minutes_and_seconds(tmp_path: Path) -> None:
    found = grid(
        tmp_path, upper="(-180000000.000000,90000000.000000)", lower="(-144000000.000000,72030000.000000)",
        projection="HE5_GCTP_GEO", origin="HE5_HDFE_GD_UL",
    )  # fmt: skip
    bounds = found.grid.bounds
    assert (bounds.west, bounds.south, bounds.east, bounds.north) == pytest.approx((-180, 72.5, -144, 90))
    np.testing.assert_array_equal(stored(tmp_path), VALUES)


def test_a_grid_whose_first_row_is_the_southernmost(tmp_path: Path) -> None:
    grid(
        tmp_path, upper="(-180000000.000000,90000000.000000)", lower="(180000000.000000,-90000000.000000)",
        projection="HE5_GCTP_GEO", origin="HE5_HDFE_GD_LL",
    )  # fmt: skip
    np.testing.assert_array_equal(stored(tmp_path), VALUES[::-1])


def test_a_sinusoidal_grid(tmp_path: Path) -> None:
    found = grid(
        tmp_path, upper="(-20015109.354,1111950.519667)", lower="(-18903158.834333,0.0)",
        projection="HE5_GCTP_SNSOID", origin="HE5_HDFE_GD_UL",
    )  # fmt: skip
    assert "Sinusoidal" in found.grid.crs
    assert "6371007.181" in found.grid.crs
    assert found.grid.bounds.north == pytest.approx(1111950.519667)
    np.testing.assert_array_equal(stored(tmp_path), VALUES)


def test_a_swath_finds_its_places_in_the_group_beside_it(tmp_path: Path) -> None:
    pytest.importorskip("scipy", reason="SciPy is not installed (extra regrid)")
    y, x = np.mgrid[0:36, 0:36]
    arrays = {
        "HDFEOS/SWATHS/S/Data Fields/t": VALUES,
        "HDFEOS/SWATHS/S/Geolocation Fields/Latitude": (40 + 0.1 * y - 0.02 * x).astype("f4"),
        "HDFEOS/SWATHS/S/Geolocation Fields/Longitude": (10 + 0.1 * x + 0.02 * y).astype("f4"),
    }
    found = convert(write(tmp_path / "in.he5", SWATH, arrays), tmp_path, "d")
    numbers = stored(tmp_path)
    row, col = found.grid.rows_of(np.array([41.6]))[0], found.grid.cols_of(np.array([12.4]))[0]
    assert numbers[row, col] == VALUES[20, 20]
