"""Fixtures of the faults."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.faults.cluster import Cluster
from tests.faults.stores import copy_store, write_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.faults.server import Comparison


@pytest.fixture
def table_row(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Return a function that notes a row of the table of faults.

    ``make test-faults`` writes the rows to a JUnit report, from which the table is made.
    """

    def note(fault: str, made_by: str, client_sees: str, heal_s: float | None, *seen: Comparison) -> None:
        """Note a fault: how it was made, what clients saw, seconds until all was right (None: until repaired)."""
        wrong = [line for each in seen for line in each.wrong]
        replies = sum(len(each.right) + len(each.refused) + len(each.wrong) for each in seen)
        row = {
            "fault": fault,
            "made by": made_by,
            "client sees": client_sees,
            "heal s": heal_s,
            "replies": replies,
            "wrong": len(wrong),
        }
        record_property("fault", json.dumps(row))
        assert not wrong, wrong

    return note


@pytest.fixture(scope="session")
def sound_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a dataset of each kind of storage. No test changes it."""
    return write_store(tmp_path_factory.mktemp("sound") / "store")


@pytest.fixture
def store(sound_store: Path, tmp_path: Path) -> Path:
    """A copy of the store, to be damaged, and of its source beside it."""
    shutil.copy2(sound_store.parent / "store-source.nc", tmp_path)
    return copy_store(sound_store, tmp_path / "store")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler in a process of its own; tests start the workers."""
    folder = tmp_path / "cluster"
    folder.mkdir()
    running = Cluster(folder)
    try:
        running.start_scheduler()
        yield running
    finally:
        running.end()
