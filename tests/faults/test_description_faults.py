"""Damaged descriptions and metadata of datasets, under a server process: right or an error, and said once."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from lazytile.pyramid.store.node_metadata import metadata_problems
from lazytile.pyramid.store.store import read_description
from tests.faults.server import compare, heal_time_s, record, serving, tile_paths, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAME = "files"
TILES = tile_paths(NAME, range(2))
ZARR = f"/zarr/{NAME}/zarr.json"


def change_the_description(path: Path) -> None:
    """Change a digit of the description, which stays valid JSON."""
    text = path.read_text()
    start = text.index('"lazytile": {')
    at = text.index('"missing": [', start) + len('"missing": [-')
    path.write_text(f"{text[:at]}{(int(text[at]) + 1) % 10}{text[at + 1 :]}")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize(
    ("damage", "made"), [(change_the_description, "changed"), (truncate, "truncated"), (zero, "zeroed")]
)
def test_a_damaged_description_is_an_error_said_once(
    store: Path, tmp_path: Path, damage: Callable[[Path], None], made: str, table_row: Callable[..., None]
) -> None:
    document = store / f"{NAME}.zarr" / "zarr.json"
    shutil.copy2(document, tmp_path / "kept")
    with serving(store, tmp_path / "cache", "--no-tile-cache") as server:
        truth = record(server, TILES)
        damage(document)
        wait_for(server.conditions)
        seen = compare(server, truth)
        assert (seen.wrong, seen.right, seen.statuses) == ([], [], {500})
        assert server.get(f"/xyz/{NAME}/0/0/0.png").json()["detail"].startswith("stored data")
        condition = server.condition("it cannot be read: ", key="description of dataset")
        assert (condition["key"], condition["ready"]) == (f"description of dataset {NAME}", True)
        assert server.log().count("its description cannot be read") == 1
        assert server.get("/xyz/shards/0/0/0.png").status == 200
        shutil.copy2(tmp_path / "kept", document)
        heal_s = heal_time_s(server, truth)
        wait_for(lambda: server.conditions() == [])
        assert "its description can be read again" in server.log()
    table_row(f"description {made}", "zarr.json of a dataset", "500, logged once", heal_s, seen)


def test_metadata_that_is_passed_on_is_compared_with_its_checksum(
    store: Path, tmp_path: Path, table_row: Callable[..., None]
) -> None:
    """A changed scale_factor would give other values to every reader of /zarr; tiles do not need it."""
    document = store / f"{NAME}.zarr" / "zarr.json"
    sound = document.read_text()
    with serving(store, tmp_path / "cache", "--no-tile-cache") as server:
        truth = record(server, [*TILES, ZARR])
    start = sound.index('"consolidated_metadata"')
    assert '"scale_factor": 0.01' in sound[start:]
    changed = sound[:start] + sound[start:].replace('"scale_factor": 0.01', '"scale_factor": 0.03')
    document.write_text(changed)
    with serving(store, tmp_path / "cache", "--no-tile-cache") as server:
        seen = compare(server, {path: reply for path, reply in truth.items() if path in TILES})
        assert (seen.wrong, seen.refused) == ([], [])
        refused = server.get(ZARR)
        assert refused.status == 500
        assert server.get(f"/stac/collections/{NAME}").status == 500
        assert "zarr.json differs from its checksum" in server.log()
        folder = document.parent
        assert any(
            "zarr.json differs from its checksum" in line
            for line in metadata_problems(folder, read_description(folder))
        )
        document.write_text(sound)
        wait_for(lambda: server.get(ZARR).status == 200)
        assert server.get(ZARR).body == truth[ZARR].body
    table_row("consolidated metadata changed", "zarr.json of a dataset", "right tiles; 500 for /zarr", 0.0, seen)
