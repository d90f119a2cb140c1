"""Series of a cell: the codes that single chunks have, in few reads, and no wrong number from what is damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import netCDF4
import numpy as np
import pytest

from lazytile.pyramid.chunks.damage import DamagedChunkError
from lazytile.pyramid.core.errors import StoreUnavailableError
from lazytile.pyramid.core.stop_flag import StoppedError
from lazytile.pyramid.ingest.convert import Storage, convert
from lazytile.pyramid.numbers.statistics import cell_at, values_at
from lazytile.pyramid.storage.object_path import location
from lazytile.pyramid.store.codec import Codec
from lazytile.pyramid.store.store import Store
from tests.pyramid.ingest.test_time_shards import codes_of, source
from tests.pyramid.storage.conftest import REMOTE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lazytile.pyramid.store.store import StoredDataset
    from tests.s3 import S3Server

STEPS = 40
EMPTY = range(5, 9)
"""Steps that hold no data, whose chunks are not stored."""
POINT = 12.3, 47.7
STORAGES = {
    "by size": Storage(),
    "by number": Storage(Codec("zstd", 1), shard_steps=16),
    "in squares": Storage(Codec("gzip", 1), shard=2, shard_steps=8),
    "a file each": Storage(Codec("zstd", 1), shard_steps=0),
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a source of two columns of chunks."""
    path = source(tmp_path_factory.mktemp("source") / "in.nc", range(STEPS), 130, 300)
    with netCDF4.Dataset(path, "a") as opened:
        opened.set_auto_maskandscale(False)
        opened["t"][list(EMPTY)] = -1
    return path


def series(
    stored: StoredDataset, steps: Sequence[int] = range(STEPS), is_stopped: Callable[[], bool] = lambda: False
) -> list[float | None]:
    cell = cell_at(stored.description, *POINT)
    assert cell is not None
    return values_at(stored, stored.description.variables[0], [(step,) for step in steps], cell, is_stopped)


def expected(stored: StoredDataset, steps: Sequence[int] = range(STEPS)) -> list[float | None]:
    """Return the values of the source, from the arrays that it was made of."""
    cell = cell_at(stored.description, *POINT)
    assert cell is not None
    packing = stored.description.variables[0].packing
    codes = codes_of(range(STEPS), 130, 300)[:, cell.row, cell.col]
    return [None if step in EMPTY else float(codes[step]) * packing.scale_factor + packing.add_offset for step in steps]


@pytest.mark.parametrize("kind", STORAGES)
@pytest.mark.parametrize("where", ["folder", *REMOTE])
def test_a_series_has_the_numbers_of_the_source(
    file: Path, place_of: Callable[[str], str], where: str, kind: str
) -> None:
    place = place_of(where)
    convert(file, place, "d", storage=STORAGES[kind])
    stored = Store(location(place)).dataset("d")
    assert series(stored) == pytest.approx(expected(stored))
    some = [39, 3, 6, 3, 20]
    assert series(stored, some) == pytest.approx(expected(stored, some))
    with pytest.raises(StoppedError):
        series(stored, is_stopped=lambda: True)


def test_a_series_takes_few_requests(file: Path, place_of: Callable[[str], str], s3: S3Server) -> None:
    place = place_of("s3")
    convert(file, place, "d", storage=STORAGES["by number"])
    stored = Store(location(place)).dataset("d")
    s3.requests.clear()
    series(stored)
    # The table, the index and the chunks of each of three shards.
    assert 6 <= len(s3.requests) <= 12


def test_lost_storage_is_no_damage(
    file: Path, place_of: Callable[[str], str], s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYTILE_STORAGE_RETRY_S", "0")
    place = place_of("s3")
    convert(file, place, "d", storage=STORAGES["by number"])
    stored = Store(location(place)).dataset("d")
    right = series(stored)
    s3.is_lost = True
    with pytest.raises(StoreUnavailableError):
        series(stored)
    s3.behave()
    assert series(stored) == right


@pytest.mark.parametrize("where", ["folder", "file"])
@pytest.mark.parametrize("what", ["chunk", "index", "shard", "table"])
def test_what_is_damaged_is_named(file: Path, place_of: Callable[[str], str], where: str, what: str) -> None:
    place = place_of(where)
    convert(file, place, "d", storage=STORAGES["by number"])
    (array,) = location(place.removeprefix("file://")).glob("d.zarr/**/0/t")
    shard, table = array / "c" / "2" / "0" / "0", array / "checksums" / "2"
    if what == "shard":
        shard.unlink()
    elif what == "table":
        table.unlink()
    else:
        data = bytearray(shard.read_bytes())
        at = 200 if what == "chunk" else -30
        data[at] ^= 0xFF
        shard.write_bytes(data)
    stored = Store(location(place)).dataset("d")
    with pytest.raises(DamagedChunkError, match="level 0"):
        series(stored)
    sound = [step for step in range(STEPS) if step // 16 != 2]
    assert np.array_equal(series(stored, sound), expected(stored, sound))
