"""Proofs that two processes see the same files."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from lazytile.pyramid.cluster.places import Places
from lazytile.pyramid.cluster.proofs import Fingerprint, Nonce, fingerprint, proofs_of
from lazytile.pyramid.core.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    (folder / "sst.zarr").mkdir(parents=True)
    (folder / "sst.zarr/zarr.json").write_text("{}")
    return folder


def test_a_nonce_exists_while_the_context_lasts(store: Path) -> None:
    with proofs_of(Places.of(folders=(store,))) as (proof,):
        assert isinstance(proof, Nonce)
        assert proof.problem() == ""
        with proofs_of(Places.of(folders=(store,))) as (other,):
            assert other != proof
    assert proof.problem() == f"sees another folder {store}"
    assert [each.name for each in store.iterdir()] == ["sst.zarr"]


def test_another_folder_of_the_same_name_is_recognized(store: Path) -> None:
    with proofs_of(Places.of(folders=(store,))) as (proof,):
        assert isinstance(proof, Nonce)
        store.rename(store.with_name("elsewhere"))
        assert proof.problem() == f"does not see the folder {store}"
        store.mkdir()
        assert proof.problem() == f"sees another folder {store}"
        (store / proof.path.rpartition("/")[2]).write_text("0" * 32)
        assert f" in {store}" in proof.problem()


def test_a_folder_that_cannot_be_written_has_a_fingerprint(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("pathlib.Path.write_text", refuse)
    with proofs_of(Places.of(folders=(store,))) as (proof,):
        assert isinstance(proof, Fingerprint)
        assert proof.problem() == ""
        (store / "air.zarr").mkdir()
        assert proof.problem() == f"sees another {store}"


@pytest.mark.parametrize("change", ["size", "time", "first byte", "last byte", "gone"])
def test_a_changed_source_is_recognized(tmp_path: Path, change: str) -> None:
    file = tmp_path / "sst.nc"
    data = bytearray(os.urandom(300_000))
    file.write_bytes(data)
    os.utime(file, (10**9, 10**9))
    with proofs_of(Places.of(sources=(file,))) as (proof,):
        assert proof.problem() == ""
    if change == "size":
        data += b"x"
    if change == "first byte":
        data[0] ^= 1
    if change == "last byte":
        data[-1] ^= 1
    file.write_bytes(data)
    os.utime(file, (10**9, 10**9 + (change == "time")))
    if change == "gone":
        file.unlink()
    expected = f"does not see {file}" if change == "gone" else f"sees another {file}"
    assert proof.problem() == expected


def test_a_source_folder_is_known_by_its_names_and_metadata(store: Path) -> None:
    before = fingerprint(str(store))
    (store / ".lock").touch()
    assert fingerprint(str(store)) == before
    (store / "sst.zarr/zarr.json").write_text("[]")
    assert fingerprint(str(store)) != before


def test_a_place_that_is_not_here_is_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(StoreError, match=r"nowhere cannot be read: No such file"),
        proofs_of(Places.of(sources=(tmp_path / "nowhere",))),
    ):
        pass


def test_nonces_that_a_killed_process_left_are_removed_after_an_hour(store: Path) -> None:
    with proofs_of(Places.of(folders=(store,))) as (proof,):
        assert isinstance(proof, Nonce)
        name = proof.path.rpartition("/")[2]
    old, new = store / f"{name}-old", store / f"{name}-new"
    for file in (old, new):
        file.touch()
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    with proofs_of(Places.of(folders=(store,))):
        assert not old.exists()
        assert new.exists()


def test_of_many_sources_some_of_each_folder_are_compared() -> None:
    files = [f"/data/{year}/{day:03}.nc" for year in range(2000, 2020) for day in range(365)]
    kept = Places.of(sources=[*files, "https://example.org/x.zarr", "s3://bucket/y"]).sources
    assert len(kept) == 64
    assert set(kept) <= set(files)
    assert {each.split("/")[2] for each in kept} == {str(year) for year in range(2000, 2020)}
