"""Files that hold several time steps: the same numbers in few files, through appends, damage and kills."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
import zarr

from lazytile.pyramid.chunks.damage import DamagedChunkError
from lazytile.pyramid.core import process
from lazytile.pyramid.core.byte_lru import BytesLru
from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.engines.threads import ThreadsBulkEngine
from lazytile.pyramid.ingest.append import append
from lazytile.pyramid.ingest.convert import Storage, convert
from lazytile.pyramid.ingest.describe import describe, format_description
from lazytile.pyramid.ingest.replace import replace
from lazytile.pyramid.store.codec import Codec
from lazytile.pyramid.store.store import Store
from lazytile.pyramid.verification.verify import verify
from tests.pyramid.netcdf import TIME, centres, write_grid
from tests.stores import StorePlace, drop, flip, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

ROWS, COLS = 300, 400
STEPS = Storage(Codec("zstd", 1), shard_steps=3)


def codes_of(times: Iterable[int], rows: int = ROWS, cols: int = COLS) -> np.ndarray:
    """Return fields that depend only on their time; a corner is empty."""
    planes = [np.random.default_rng(time).integers(0, 900, (rows, cols)).astype("int16") for time in times]
    codes = np.stack(planes)
    codes[:, 256:, :256] = -1
    return codes


def source(path: Path, times: Iterable[int], rows: int = ROWS, cols: int = COLS, **options: Any) -> Path:
    times = list(times)
    lat, lon = centres(60, -0.1, rows), centres(0, 0.1, cols)
    leading = {"time": (np.asarray(times, float), TIME)}
    return write_grid(path, codes_of(times, rows, cols), lat, lon, leading=leading, fill=-1, **options)


def levels_of(store: Path | StorePlace) -> list[np.ndarray]:
    group = zarr.open_group(store / "d.zarr", mode="r") if isinstance(store, Path) else store.group()
    return [np.asarray(group[f"{level}/t"][...]) for level in range(2)]


def files_of(store: Path, folder: str = "d.zarr") -> list[str]:
    return sorted(path.relative_to(store / folder).as_posix() for path in (store / folder).rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of ten steps, a file for each chunk."""
    store = tmp_path_factory.mktemp("plain")
    convert(source(store / "in.nc", range(10)), store, "d", storage=Storage(Codec("zstd", 1), shard_steps=0))
    return store


@pytest.fixture
def packed(tmp_path: Path, place: StorePlace) -> StorePlace:
    """Return a store of seven steps, three in a file."""
    convert(source(tmp_path / "in.nc", range(7)), place.root, "d", storage=STEPS)
    return place


def assert_equal_to(plain: Path, store: StorePlace, steps: int) -> None:
    """Compare all levels through zarr and through our own reader, and verify the dataset."""
    for ours, theirs in zip(levels_of(store), levels_of(plain), strict=True):
        np.testing.assert_array_equal(ours, theirs[:steps])
    stored = Store(store.root).dataset("d")
    for step in range(steps):
        np.testing.assert_array_equal(
            stored.chunk(0, "t", (step,), 0, 1)[:, : COLS - 256], levels_of(plain)[0][step, :256, 256:]
        )
    found = verify(store.root, "d")
    assert (found.problems, found.unknown) == ((), 0)
    assert found.files == steps * (4 + 1)


def test_several_steps_are_in_one_file_with_one_table(plain: Path, packed: StorePlace) -> None:
    data = [name for name in packed.files() if "/t/c/" in name or "/t/checksums/" in name]
    per_level = [*(f"c/{group}/0/0" for group in range(3)), *(f"checksums/{group}" for group in range(3))]
    assert data == sorted(f"{level}/t/{name}" for level in range(2) for name in per_level)
    assert_equal_to(plain, packed, 7)
    array = packed.group()["0/t"]
    assert (array.shards, array.chunks) == ((3, 512, 512), (1, 256, 256))
    with xr.open_dataset(packed.group().store, engine="zarr", group="1", chunks={}) as level:
        assert level["t"].sizes == {"time": 7, "lat": 150, "lon": 200}


def test_small_grids_with_many_steps_are_packed_by_default(tmp_path: Path, place: StorePlace) -> None:
    dataset = convert(source(tmp_path / "in.nc", range(700), 30, 40), place.root, "d")
    assert dataset.shard_steps == (512,)
    assert len([name for name in place.files() if name.startswith("0/t/c/")]) == 2
    stored = Store(place.root).dataset("d")
    for step in (0, 511, 512, 699):
        np.testing.assert_array_equal(stored.chunk(0, "t", (step,), 0, 0)[:30, :40], codes_of([step], 30, 40)[0])
    few = convert(source(tmp_path / "few.nc", range(12), 30, 40), place.root, "few")
    assert few.shard_steps == ()
    assert len([name for name in place.files("few") if name.startswith("0/t/c/")]) == 12


@pytest.mark.parametrize("place", ["folder", "memory"], indirect=True)  # 72 MB
def test_coarser_levels_have_more_steps_in_a_file(tmp_path: Path, place: StorePlace) -> None:
    dataset = convert(source(tmp_path / "in.nc", range(40), 900, 1000), place.root, "d")
    assert dataset.shard_steps == (4, 16, 64)
    described = describe(place.dataset())
    assert asdict(described)["shard_steps"] == (4, 16, 64)
    lines = [line for line in format_description(described).splitlines() if "steps a file" in line]
    assert [line.split()[0] for line in lines] == ["0", "1", "2"]
    assert [line.split(", ")[-1] for line in lines] == ["4 steps a file", "16 steps a file", "64 steps a file"]
    assert verify(place.root, "d").problems == ()


@pytest.mark.parametrize(
    ("place", "side"),
    [("folder", 0), ("folder", 2), ("memory", 0), ("memory", 2), ("s3", 2)],
    indirect=["place"],
)
def test_appended_steps_fill_the_last_file(plain: Path, tmp_path: Path, place: StorePlace, side: int) -> None:
    storage = Storage(Codec("zstd", 1), shard=side, shard_steps=3)
    first = convert(source(tmp_path / "in.nc", range(4)), place.root, "d", storage=storage)
    before = (place.dataset() / "0/t/c/0/0/0").stat().st_ino if place.is_folder else 0
    append(source(tmp_path / "b.nc", [4]), place.root, "d")
    assert_equal_to(plain, place, 5)
    last = append(source(tmp_path / "c.nc", range(5, 10)), place.root, "d")
    assert_equal_to(plain, place, 10)
    if place.is_folder:
        assert (place.dataset() / "0/t/c/0/0/0").stat().st_ino == before, "a full file is linked"
    assert last.content_generation(("t",), (3,)) == first.generation
    assert len([name for name in place.files() if "/t/c/" in name]) == 2 * 4
    assert last.variables[0].statistics == Store(plain).dataset("d").description.variables[0].statistics


def test_replaced_steps_change_alone(plain: Path, tmp_path: Path, packed: StorePlace) -> None:
    append(source(tmp_path / "b.nc", [4]), packed.root, "d", replace_steps=True)
    assert_equal_to(plain, packed, 7)
    old = write_grid(
        tmp_path / "c.nc", codes_of([50]), centres(60, -0.1, ROWS), centres(0, 0.1, COLS),
        leading={"time": (np.asarray([4.0]), TIME)}, fill=-1,
    )  # fmt: skip
    append(old, packed.root, "d", replace_steps=True)
    now = levels_of(packed)[0]
    np.testing.assert_array_equal(now[4], codes_of([50])[0])
    np.testing.assert_array_equal(np.delete(now, 4, 0), np.delete(levels_of(plain)[0][:7], 4, 0))
    assert verify(packed.root, "d").problems == ()


@pytest.mark.parametrize("place", ["folder", "memory"], indirect=True)
def test_a_replacement_is_stored_as_before(tmp_path: Path, packed: StorePlace) -> None:
    assert replace(source(tmp_path / "b.nc", range(5)), packed.root, "d").shard_steps == (3, 3)
    convert(source(tmp_path / "many.nc", range(40), 30, 40), packed.root, "d")
    assert replace(source(tmp_path / "c.nc", range(50), 300, 400), packed.root, "d").shard_steps == (32, 128)
    convert(tmp_path / "many.nc", packed.root, "d", storage=Storage(shard_steps=0))
    assert replace(source(tmp_path / "e.nc", range(50), 30, 40), packed.root, "d").shard_steps == ()


def failing(store: StorePlace) -> list[int]:
    """Return the steps of level 0 whose first chunk cannot be read from the disk."""
    found = []
    process.cache("digests").clear()  # of shards in object storage, the index too
    stored = Store(store.root, BytesLru(1 << 20, lambda chunk: chunk.nbytes)).dataset("d")
    for step in range(len(stored.description.variables[0].dimensions[0].labels)):
        try:
            stored.chunk(0, "t", (step,), 0, 0)
        except DamagedChunkError:
            found.append(step)
    return found


def test_damage_of_a_file_costs_only_what_is_damaged(tmp_path: Path, packed: StorePlace) -> None:
    name = "0/t/c/1/0/0"
    flip(packed.dataset() / name, 10)
    assert failing(packed) == [3], "the first chunk of the second file"
    assert len(verify(packed.root, "d").problems) >= 1
    append(source(tmp_path / "b.nc", [7]), packed.root, "d")
    assert failing(packed) == [3]
    flip(packed.dataset() / name, -20)
    assert failing(packed) == [3, 4, 5], "its index"
    drop(packed.dataset() / name)
    assert failing(packed) == [3, 4, 5]


def test_an_append_to_a_file_with_a_damaged_chunk_keeps_the_damage_visible(
    plain: Path, tmp_path: Path, packed: StorePlace
) -> None:
    flip(packed.dataset() / "0/t/c/2/0/0", 10)
    append(source(tmp_path / "b.nc", [7, 8]), packed.root, "d")
    assert failing(packed) == [6]
    np.testing.assert_array_equal(
        Store(packed.root).dataset("d").chunk(0, "t", (8,), 0, 0), levels_of(plain)[0][8, :256, :256]
    )


def test_an_append_to_steps_without_their_table_never_takes_them_for_sound(tmp_path: Path, packed: StorePlace) -> None:
    drop(packed.dataset() / "0/t/checksums/2")
    append(source(tmp_path / "b.nc", [7]), packed.root, "d")
    assert failing(packed) == [6]


@pytest.mark.parametrize("harm", ["flip", "index", "lost", "table"])
def test_a_damaged_overview_is_computed_again(packed: StorePlace, harm: str) -> None:
    shard, table = packed.dataset() / "1/t/c/1/0/0", packed.dataset() / "1/t/checksums/1"
    whole = shard.read_bytes(), table.read_bytes()
    right = levels_of(packed)[1][3:6]
    match harm:
        case "flip":
            flip(shard, 10)
        case "index":
            flip(shard, -20)
        case "lost":
            drop(shard)
        case "table":
            drop(table)
    stored = Store(packed.root).dataset("d")
    for step in range(3, 6):
        np.testing.assert_array_equal(stored.chunk(1, "t", (step,), 0, 0)[:150, :200], right[step - 3])
    if packed.is_folder:
        assert (shard.read_bytes(), table.read_bytes()) == whole
        assert verify(packed.root, "d").problems == ()
    else:  # objects of a generation never change: each reader computes it
        assert verify(packed.root, "d").problems != ()


def test_entries_of_a_table_fit_no_other_step(packed: StorePlace) -> None:
    table = packed.dataset() / "0/t/checksums/0"
    data = table.read_bytes()
    first, second = data[8:40], data[40:72]
    put(table, data[:8] + second + first + data[72:])
    assert failing(packed) == [0, 1]


class KillError(BaseException):
    """Like a kill: nothing cleans up."""


class Dying(ThreadsBulkEngine):
    """An engine that dies after some tasks."""

    def __init__(self, after: int) -> None:
        super().__init__(1)
        self.done = 0
        self._after = after

    def map(self, function: Callable[..., Any], items: Any, **options: Any) -> Iterator[Any]:
        def counted(item: Any) -> Any:
            if self.done >= self._after:
                raise KillError
            self.done += 1
            return function(item)

        yield from super().map(counted, items, **options)


def test_a_kill_at_any_task_is_resumed(plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lazytile.pyramid.store.layout.TARGET_BLOCK_BYTES", 1 << 20)
    path, more = source(tmp_path / "in.nc", range(7)), source(tmp_path / "b.nc", range(7, 10))
    convert(path, tmp_path / "w", "d", storage=STEPS, engine=(everything := Dying(10**6)))
    append(more, tmp_path / "w", "d")
    assert everything.done > 8
    kills = dying(lambda engine: convert(path, tmp_path / "s", "d", storage=STEPS, engine=engine))
    assert kills >= 4
    kills = dying(lambda engine: append(more, tmp_path / "s", "d", engine=engine))
    assert kills >= 2
    assert_equal_to(plain, StorePlace(tmp_path / "s"), 10)
    assert files_of(tmp_path / "s") == files_of(tmp_path / "w")


def dying(run: Callable[[Dying], object]) -> int:
    """Run with an engine that dies after ever more tasks, until it does not; return how often it died."""
    kills = 0
    while True:
        try:
            run(Dying(kills))
        except KillError:
            kills += 1
        else:
            return kills


def test_a_file_that_was_lost_on_the_way_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lazytile.pyramid.ingest import manifest, shard_packing

    real = shard_packing._pack

    def lose(shard: Any) -> None:
        real(shard)
        (tmp_path / "s").joinpath(next((tmp_path / "s").glob(".d*partial*")), "0/t/c/1/0/0").unlink(missing_ok=True)

    monkeypatch.setattr(shard_packing, "_pack", lose)
    monkeypatch.setattr(manifest, "_PAUSE_S", 0.0)
    with pytest.raises(StoreError, match=r"dataset d is not published: .*0/t/c/1/0/0 is missing"):
        convert(source(tmp_path / "in.nc", range(7)), tmp_path / "s", "d", storage=STEPS)


def test_impossible_choices_are_refused() -> None:
    with pytest.raises(StoreError, match="no file can hold several steps"):
        Storage(lazy=True, shard_steps=4)
    with pytest.raises(StoreError, match="a shard holds 0 to 4096 time steps, not -1"):
        Storage(shard_steps=-1)


def test_a_file_of_too_many_chunks_is_refused(tmp_path: Path) -> None:
    path = source(tmp_path / "in.nc", range(2))
    with pytest.raises(StoreError, match="a shard of this grid holds up to 1024 time steps, not 2000"):
        convert(path, tmp_path, "d", storage=Storage(shard_steps=2000))
