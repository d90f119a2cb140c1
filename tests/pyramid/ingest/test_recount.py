"""Statistics after steps were replaced: those of all that is stored, read file by file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from lazytile.pyramid.ingest.append import append
from lazytile.pyramid.ingest.convert import Storage, convert
from lazytile.pyramid.store import together
from lazytile.pyramid.store.store import Store
from tests.pyramid.netcdf import TIME, centres, write_grid
from tests.s3 import s3_server

if TYPE_CHECKING:
    from pathlib import Path

    from tests.stores import StorePlace

STEPS, IN_A_FILE = 40, 7
STORAGES = {"packed": Storage(shard_steps=IN_A_FILE), "squares": Storage(shard=2), "plain": Storage(shard_steps=0)}


def source(path: Path, times: list[int], codes: np.ndarray) -> Path:
    rows, cols = codes.shape[1:]
    leading = {"time": (np.asarray(times, float), TIME)}
    return write_grid(path, codes, centres(60, -0.1, rows), centres(0, 0.1, cols), leading=leading, fill=-1)


def codes_of(steps: int, rows: int, cols: int) -> np.ndarray:
    return np.random.default_rng(rows).integers(5, 900, (steps, rows, cols)).astype("int16")


@pytest.mark.parametrize("together_chunks", [3, 512])
@pytest.mark.parametrize("name", STORAGES)
def test_they_are_those_of_a_conversion(
    tmp_path: Path, place: StorePlace, monkeypatch: pytest.MonkeyPatch, name: str, together_chunks: int
) -> None:
    monkeypatch.setattr(together, "TASK_CHUNKS", together_chunks)
    codes = codes_of(5, 300, 400)
    codes[3, 7, 7] = 4  # the smallest, which goes
    convert(source(tmp_path / "in.nc", list(range(5)), codes), place.root, "d", storage=STORAGES[name])
    codes[3] = codes[0] + 1
    append(source(tmp_path / "new.nc", [3], codes[3:4]), place.root, "d", replace_steps=True)
    convert(source(tmp_path / "all.nc", list(range(5)), codes), tmp_path / "other", "d")
    found, expected = (Store(store).dataset("d").description for store in (place.root, tmp_path / "other"))
    assert found.variables[0].statistics == expected.variables[0].statistics
    assert found.variables[0].statistics is not None
    assert found.variables[0].statistics.minimum == 5


def test_a_file_is_read_at_once(tmp_path: Path) -> None:
    """A request for each of ten thousand chunks took half a minute."""
    codes = codes_of(STEPS, 30, 50)
    first = source(tmp_path / "in.nc", list(range(STEPS)), codes)
    later = source(tmp_path / "new.nc", [3], codes[5:6])
    with s3_server() as server:
        convert(first, "s3://maps/a", "d", storage=STORAGES["packed"])
        server.requests.clear()
        append(later, "s3://maps/a", "d", replace_steps=True)
        read = [path for method, path in server.requests if method == "GET" and "/0/t/c/" in path]
    files = -(-STEPS // IN_A_FILE)
    assert len(read) <= 2 * files + 6, "index and chunks of each; the file that changes is read before and after, too"
