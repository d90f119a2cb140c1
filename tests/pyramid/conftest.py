"""Places for stores of every kind: a folder, memory, and S3 from one server for all tests of a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.s3 import BUCKET, S3Server, make_bucket, running_server
from tests.stores import KINDS, StorePlace, store_place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def shared_s3() -> Iterator[S3Server]:
    """Run an S3 server with one bucket. No test but through ``place`` uses it."""
    with running_server() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        make_bucket(BUCKET)
        patch.undo()
        yield server


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StorePlace]:
    """Return an empty place of each kind, in a process that has opened none."""
    kind: str = request.param
    server = request.getfixturevalue("shared_s3") if kind == "s3" else None
    with store_place(kind, tmp_path, server, monkeypatch) as found:
        yield found
