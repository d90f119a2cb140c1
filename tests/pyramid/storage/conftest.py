"""Places for stores: a folder, and each kind of object storage."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget
from tests.s3 import BUCKET, S3Server, s3_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

REMOTE = ("memory", "file", "s3")


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    """Run an S3 server for the tests of a module."""
    with s3_server() as server:
        yield server


@pytest.fixture
def place_of(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], str]]:
    """Return a function that gives an empty place of a kind, in a process that has opened none."""
    monkeypatch.setenv("LAZYTILE_STORAGE_STAGING", str(tmp_path / "staging"))
    monkeypatch.setenv("LAZYTILE_STORAGE_POLL_S", "0.2")
    before = process.current()

    def place(kind: str) -> str:
        if kind == "s3":
            request.getfixturevalue("s3").behave()
        process.install(CacheBudget.renderer(64 << 20))
        name = secrets.token_hex(4)
        return {
            "folder": str(tmp_path / name),
            "memory": f"memory://{name}/store",
            "file": f"file://{tmp_path / name}",
            "s3": f"s3://{BUCKET}/{name}",
        }[kind]

    yield place
    process.reinstall(before)
