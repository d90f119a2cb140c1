"""NumPy arrays with bounds; pickles are refused."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest
import zarr

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.ingest.convert import convert
from tests.shared import shared

if TYPE_CHECKING:
    from pathlib import Path

CODES = np.arange(2 * 30 * 40, dtype="int16").reshape(2, 30, 40)


def stored(folder: Path, name: str, variable: str = "data") -> np.ndarray:
    return zarr.open_group(folder / f"{name}.zarr", mode="r")[f"0/{variable}"][...]


@pytest.mark.parametrize("order", ["C", "F"])
def test_bounds_place_an_array(tmp_path: Path, order: str) -> None:
    np.save(tmp_path / "in.npy", np.asarray(CODES, order=order))
    dataset = convert(tmp_path / "in.npy", tmp_path, bounds=(-20, 10, 20, 40))
    assert (dataset.grid.crs, dataset.grid.x.cell_size, dataset.grid.y.cell_size) == ("EPSG:4326", 1.0, -1.0)
    assert (dataset.grid.bounds.west, dataset.grid.bounds.north) == (-20, 40)
    np.testing.assert_array_equal(stored(tmp_path, "in"), CODES)


def test_in_metres_with_a_crs(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", CODES)
    grid = convert(tmp_path / "in.npy", tmp_path, bounds=(0, 0, 400, 300), crs="EPSG:3413").grid
    assert (grid.crs, grid.x.cell_size) == ("EPSG:3413", 10.0)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_archive_may_hold_its_coordinates(tmp_path: Path, save) -> None:
    times = np.array(["2020-01-01", "2020-01-02"], "datetime64[D]")
    save(tmp_path / "in.npz", t=CODES, lat=np.arange(30) + 0.5, lon=np.arange(40) - 20.0, time=times)
    dataset = convert(tmp_path / "in.npz", tmp_path)
    time = dataset.variables[0].time
    assert time is not None
    assert time.labels == ("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z")
    assert dataset.grid.bounds.north == 30
    np.testing.assert_array_equal(stored(tmp_path, "in", "t"), CODES[:, ::-1])


def test_the_prototype_s_sample(tmp_path: Path) -> None:
    path = shared("realdata", "AVHRR_OI_L4_GHRSST_NCEI.npy")
    dataset = convert(path, tmp_path, "d", bounds=(-65, -65, 65, 65))
    np.testing.assert_array_equal(stored(tmp_path, "d"), np.load(path))
    found = dataset.variables[0].statistics
    assert found is not None
    assert (found.minimum, found.maximum, found.valid_count) == (-1.79998779296875, 30.850006103515625, 520 * 520)
    found = convert(path, tmp_path, "d", bounds=(-65, -65, 65, 65), nodata=0.0).variables[0].statistics
    assert found is not None
    assert found.valid_count == 180397, "0.0 is missing where the user says so"


@pytest.mark.parametrize(
    ("bounds", "message"),
    [(None, "give --bounds WEST,SOUTH,EAST,NORTH"), ((20, 0, -20, 10), "must be WEST,SOUTH,EAST,NORTH")],
)
def test_an_array_needs_bounds(tmp_path: Path, bounds, message: str) -> None:
    np.save(tmp_path / "in.npy", CODES)
    with pytest.raises(SourceError, match=message):
        convert(tmp_path / "in.npy", tmp_path, bounds=bounds)


def test_pickles_are_never_read(tmp_path: Path) -> None:
    for protocol in (2, 3, 4, 5):
        (tmp_path / "in.pickle").write_bytes(pickle.dumps(CODES, protocol))
        with pytest.raises(SourceError, match=r"may run code when it is opened and is never read; .* numpy\.save"):
            convert(tmp_path / "in.pickle", tmp_path, bounds=(0, 0, 1, 1))
    np.save(tmp_path / "in.npy", np.array([[{}, {}]], dtype=object), allow_pickle=True)
    with pytest.raises(SourceError, match="pickled Python objects"):
        convert(tmp_path / "in.npy", tmp_path, bounds=(0, 0, 1, 1))


def test_a_truncated_array_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", CODES)
    (tmp_path / "in.npy").write_bytes((tmp_path / "in.npy").read_bytes()[:2000])
    with pytest.raises(SourceError, match="is cut short"):
        convert(tmp_path / "in.npy", tmp_path, bounds=(0, 0, 1, 1))
