"""Damaged, exchanged and lost files of exported MRFs: their tiles are computed from the store, never wrong."""

from __future__ import annotations

import os
import shutil
import struct
import time
from typing import TYPE_CHECKING

import pytest

from lazytile.pyramid.mrf.check import inspect_mrf
from lazytile.service.cli.main import run
from tests.faults.server import compare, serving, undisturbed, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.faults.server import ServerProcess, Truth

STEPS = ("2001-01-01T00:00:00Z", "2001-01-02T00:00:00Z")
PATHS = [
    f"/wmts/files/default/{step}/native_files/{level}/{row}/{col}.png"
    for step in STEPS
    for level, rows, cols in ((0, 1, 1), (1, 1, 2), (2, 2, 3), (3, 3, 5))
    for row in range(rows)
    for col in range(cols)
]


@pytest.fixture(scope="module")
def sound_export(sound_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exports of both steps of a dataset."""
    out = tmp_path_factory.mktemp("sound") / "mrf"
    assert run(["mrf", "files", str(out), "--store", str(sound_store), "--engine", "threads"]) == 0
    return out


@pytest.fixture(scope="module")
def truth(sound_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """What a server without MRFs replies."""
    return undisturbed(sound_store, tmp_path_factory.mktemp("truth"), PATHS)


@pytest.fixture
def mrfs(sound_export: Path, tmp_path: Path) -> Path:
    """A folder of exports to be damaged."""
    shutil.copytree(sound_export, tmp_path / "mrf")
    return tmp_path / "mrf"


def first(folder: Path, suffix: str) -> Path:
    return min(folder.glob(f"*{suffix}"))


def second(folder: Path, suffix: str) -> Path:
    return sorted(folder.glob(f"*{suffix}"))[1]


def overwrite(path: Path, data: bytes) -> None:
    """Change a file in place, as a disk does, and keep its time of modification."""
    status = path.stat()
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def zero_index(folder: Path) -> None:
    index = first(folder, ".idx")
    overwrite(index, bytes(index.stat().st_size))


def shuffle_index(folder: Path) -> None:
    index = first(folder, ".idx")
    records = list(struct.iter_unpack("16s", index.read_bytes()))
    overwrite(index, b"".join(record for (record,) in reversed(records)))


def swap_two_records(folder: Path) -> None:
    index = first(folder, ".idx")
    data = index.read_bytes()
    overwrite(index, data[16:32] + data[:16] + data[32:])


def exchange_index(folder: Path) -> None:
    overwrite(first(folder, ".idx"), second(folder, ".idx").read_bytes())


def flip_index_bit(folder: Path) -> None:
    data = bytearray(first(folder, ".idx").read_bytes())
    data[7] ^= 0x10
    overwrite(first(folder, ".idx"), bytes(data))


def cut_index(folder: Path) -> None:
    os.truncate(first(folder, ".idx"), 160)


def exchange_data(folder: Path) -> None:
    shutil.copyfile(second(folder, ".ppg"), first(folder, ".ppg"))


def exchange_data_of_equal_length(folder: Path) -> None:
    data, other = first(folder, ".ppg"), second(folder, ".ppg").read_bytes()
    size = data.stat().st_size
    overwrite(data, (other + bytes(size))[:size])


def exchange_index_and_data(folder: Path) -> None:
    for suffix in (".idx", ".ppg"):
        shutil.copyfile(second(folder, suffix), first(folder, suffix))


def exchange_all_but_the_header(folder: Path) -> None:
    for suffix in (".idx", ".ppg", ".crc"):
        shutil.copyfile(second(folder, suffix), first(folder, suffix))


def exchange_headers(folder: Path) -> None:
    shutil.copyfile(second(folder, ".mrf"), first(folder, ".mrf"))


def flip_bits_of_pages(folder: Path) -> None:
    data = bytearray(first(folder, ".ppg").read_bytes())
    for at in range(500, len(data), 20_000):
        data[at] ^= 1
    overwrite(first(folder, ".ppg"), bytes(data))


def zero_data(folder: Path) -> None:
    data = first(folder, ".ppg")
    overwrite(data, bytes(data.stat().st_size))


def cut_data(folder: Path) -> None:
    data = first(folder, ".ppg")
    os.truncate(data, data.stat().st_size - 100)


def lose_data(folder: Path) -> None:
    first(folder, ".ppg").unlink()


def damage_checksums(folder: Path) -> None:
    overwrite(first(folder, ".crc"), b"\0" * 64)


def lose_checksums(folder: Path) -> None:
    first(folder, ".crc").unlink()


DAMAGE: dict[str, tuple[str, Callable[[Path], None]]] = {
    "index zeroed": ("zeros over NAME.idx, same size and time", zero_index),
    "index shuffled": ("records of NAME.idx in reverse order", shuffle_index),
    "two records swapped": ("first two records of NAME.idx swapped", swap_two_records),
    "index exchanged": ("NAME.idx of another day, same size", exchange_index),
    "index bit flipped": ("one bit of a record of NAME.idx", flip_index_bit),
    "index cut": ("NAME.idx truncated", cut_index),
    "data exchanged": ("NAME.ppg of another day", exchange_data),
    "data exchanged, same length": ("NAME.ppg of another day, cut to its length", exchange_data_of_equal_length),
    "index and data exchanged": ("both of another day", exchange_index_and_data),
    "index, data and checksums exchanged": ("all three of another day", exchange_all_but_the_header),
    "header exchanged": ("NAME.mrf of another day", exchange_headers),
    "page bits flipped": ("a bit in every 20 kB of NAME.ppg", flip_bits_of_pages),
    "data zeroed": ("zeros over NAME.ppg, same size and time", zero_data),
    "data cut": ("NAME.ppg without its last 100 bytes", cut_data),
    "data lost": ("NAME.ppg removed", lose_data),
    "checksums zeroed": ("zeros over the head of NAME.crc", damage_checksums),
    "checksums lost": ("NAME.crc removed", lose_checksums),
}

QUICK = ("index shuffled", "index, data and checksums exchanged", "page bits flipped")
"""Damage that every run of the tests makes; the rest is slow."""


def tiers(server: ServerProcess) -> tuple[float, float]:
    """Return the tiles that came from MRFs, and those that did not."""
    found = {tier: server.counter("lazytile_tiles_total", tier=tier) for tier in ("mrf", "disk", "memory", "computed")}
    return found.pop("mrf"), sum(found.values())


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in DAMAGE]
)
def test_damage_is_noticed_under_a_running_server_and_mended_without_a_restart(
    sound_store: Path, mrfs: Path, truth: Truth, tmp_path: Path, table_row: Callable[..., None], name: str
) -> None:
    made_by, damage = DAMAGE[name]
    sound = tmp_path / "sound"
    shutil.copytree(mrfs, sound)
    with serving(sound_store, tmp_path / "cache", "--mrf", str(mrfs), "--memory", "0") as server:
        assert compare(server, truth).wrong == []
        assert tiers(server) == (len(PATHS), 0)
        damage(mrfs)
        seen = [compare(server, truth)]
        while server.counter("lazytile_mrf_damage_total") == 0:  # a lost file that is open still has its content
            seen.append(compare(server, truth))
            assert len(seen) < 1000
        assert [each.refused for each in seen if each.refused] == []
        path = first(mrfs, ".mrf").name  # no folders are told
        wait_for(lambda: [each["ready"] for each in server.conditions() if path in each["key"]] == [True])
        assert server.get("/readyz").status == 200
        assert server.log().count("is skipped, its tiles are computed") <= 2, "for each state of a file one line"
        for file in sound.iterdir():  # the repair: the sound files again
            shutil.copyfile(file, mrfs / f"{file.name}.new")
            (mrfs / f"{file.name}.new").replace(mrfs / file.name)
        repaired = time.monotonic()
        while True:
            before = tiers(server)
            seen.append(compare(server, truth))
            if tiers(server) == (before[0] + len(PATHS), before[1]) and not server.conditions():
                break
            assert time.monotonic() - repaired < 120, server.log()
        healed = time.monotonic() - repaired
    table_row(f"MRF: {name}", made_by, "right tiles, computed", healed, *seen)


@pytest.mark.slow
@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_noticed_at_start_and_verify_names_it(
    sound_store: Path, mrfs: Path, truth: Truth, tmp_path: Path, name: str
) -> None:
    _, damage = DAMAGE[name]
    damage(mrfs)
    with serving(sound_store, tmp_path / "cache", "--mrf", str(mrfs)) as server:
        seen = compare(server, truth)
        assert (seen.wrong, seen.refused) == ([], [])
        assert tiers(server)[0] < len(PATHS)
    if name == "checksums lost":
        assert not inspect_mrf(first(mrfs, ".mrf")).has_checksums
    else:
        assert run(["mrf", "verify", str(mrfs)]) == 1


def test_an_mrf_without_checksums_is_served_from_the_folder_that_asks_for_it(
    sound_store: Path, mrfs: Path, truth: Truth, tmp_path: Path
) -> None:
    for file in mrfs.glob("*.crc"):
        file.unlink()
    with serving(sound_store, tmp_path / "a", "--mrf", str(tmp_path / "none"), "--mrf-unchecked", str(mrfs)) as server:
        assert compare(server, truth).wrong == []
        assert tiers(server) == (len(PATHS), 0)
        assert server.log().count("are served without checksums") == 1
        assert server.conditions() == []
    with serving(sound_store, tmp_path / "b", "--mrf", str(mrfs)) as server:
        assert compare(server, truth).wrong == []
        assert tiers(server)[0] == 0
        assert server.log().count("has no checksums") == 2


def test_an_mrf_with_checksums_is_checked_wherever_it_is(
    sound_store: Path, mrfs: Path, truth: Truth, tmp_path: Path
) -> None:
    zero_index(mrfs)
    with serving(sound_store, tmp_path / "a", "--mrf-unchecked", str(mrfs)) as server:
        seen = compare(server, truth)
        assert (seen.wrong, seen.refused) == ([], [])
