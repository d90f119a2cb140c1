"""Commands with ``--store s3://...``: what they print, and what they do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget
from lazytile.service.cli.main import app
from tests.pyramid.ingest.test_append import source
from tests.s3 import BUCKET, S3Server, s3_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STORE = f"s3://{BUCKET}/commands"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    """Run an S3 server."""
    with s3_server() as server:
        yield server


def run(*arguments: str, code: int = 0) -> str:
    """Run a command as a process of its own would, and return what it prints."""
    process.install(CacheBudget.renderer(64 << 20))
    result = CliRunner().invoke(app, arguments)
    text = f"{result.output}{result.exception or ''}"
    assert result.exit_code == code, text
    return text


def test_commands_work_on_a_store_in_object_storage(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYTILE_STORAGE_STAGING", str(tmp_path / "staging"))
    monkeypatch.setenv("LAZYTILE_STORE", STORE)
    first, second, third = (source(tmp_path / f"{name}.nc", day) for name, day in (("a", 0), ("b", 1), ("c", 5)))
    assert f"{STORE}/d.zarr: 700 x 600 cells" in run("convert", str(first), "--name", "d")
    assert f"{STORE}/d.zarr: 2 time steps" in run("append", str(second), "d")
    (described,) = json.loads(run("info", "--json"))
    assert described["kind"] == "dataset"
    assert "layers      d" in run("info", "d")
    for subject in (STORE, f"{STORE}/d", f"{STORE}/d.zarr"):
        assert "layers      d" in run("info", subject, "--store", "none")
    assert "all is well" in run("verify", "d")
    assert "d.zarr holds a.nc; --overwrite replaces it" in run("convert", str(third), "--name", "d", code=1)
    run("mrf", "d", str(tmp_path / "mrf"), "--offline")
    assert list((tmp_path / "mrf").rglob("*.mrf"))
    warmed = json.loads(
        run("warm", "d", "--zoom", "0-2", "--cache", str(tmp_path / "cache"), "--engine", "threads", "--json")
    )
    assert warmed["tiles"] > 0
    assert "is replaced" in run("replace", str(third), "d")
    assert f"{STORE}/d.zarr is removed" in run("remove", "d")
    assert "holds no dataset" in run("info")
    assert "has no dataset 'd'" in run("verify", "d", code=1)


def test_errors_name_the_bucket_and_what_is_allowed(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYTILE_STORAGE_STAGING", str(tmp_path / "staging"))
    monkeypatch.setenv("LAZYTILE_STORAGE_RETRY_S", "0")
    text = run("info", "--store", f"s3://{BUCKET}/nothing", code=1)
    assert f"there is no store at s3://{BUCKET}/nothing; lazytile convert FILE --store" in text
    text = run("convert", str(source(tmp_path / "a.nc", 0)), "--store", "s3://elsewhere/maps", code=1)
    assert "s3://elsewhere/maps/a.zarr/" in text
    assert "cannot be written: there is no bucket s3://elsewhere" in text


def test_lazy_overviews_and_links(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAZYTILE_STORAGE_STAGING", str(tmp_path / "staging"))
    file, store = str(source(tmp_path / "a.nc", 0)), f"s3://{BUCKET}/lazy"
    run("convert", file, "--lazy", "--name", "lazy", "--store", store)
    assert "chunk" in run("link", file, "--name", "linked", "--store", store)
    text = run("info", store)
    assert text == run("info", "--store", store)
    assert f"source      {file}" in text
    assert "linked: level 0 is in its source" in text
    for name in ("lazy", "linked"):
        assert "all is well" in run("verify", name, "--store", store)
