"""Addresses and environments that cannot be used: one line says what is wrong, and nothing is written elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lazytile.pyramid.core.errors import SourceError, StoreError
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.sources.formats.remote_zarr import version_of
from lazytile.pyramid.storage.bucket import open_bucket
from lazytile.pyramid.storage.object_path import ObjectPath, store_location
from lazytile.service.cli import main
from tests.pyramid.ingest.test_append import source
from tests.s3 import ENVIRONMENT

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("obstore")


@pytest.mark.parametrize("place", ["s4://b/x", "S5:/b/x", "gcs://b/x", "abfs://c@a/x", "ftp://h/x"])
def test_a_url_of_another_kind_becomes_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    file = source(tmp_path / "a.nc", 0)
    with pytest.raises(
        StoreError, match=r"a store has no address such as .*; it is a folder, or at s3://, gs:// or az"
    ):
        convert(file, place, "d")
    assert main.run(["convert", str(file), "--name", "d", "--store", place]) == 2
    assert main.run(["serve", "--store", place]) == 2
    assert capsys.readouterr().err.count("a store has no address such as") == 2
    assert [each.name for each in tmp_path.iterdir()] == ["a.nc"]


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("s3:///", "names no bucket; a store in object storage is s3://BUCKET/PREFIX"),
        ("gs:", "names no bucket; a store in object storage is gs://BUCKET/PREFIX"),
        ("s3://b/../x", "a URL of object storage has no part '..'"),
    ],
)
def test_a_url_without_a_bucket_or_with_a_step_up_is_refused(place: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        store_location(place)


def test_letters_of_schemes_may_be_large_and_folders_may_have_colons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert str(store_location("S3://Maps/x")) == "s3://Maps/x"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s4:").mkdir()
    (tmp_path / "s4:" / "b").mkdir()
    for place in ("a:/b", "s4:/b", "x:y"):
        assert not isinstance(store_location(place), ObjectPath)


CASES = {
    "an endpoint without a scheme": (
        "s3://b",
        {"AWS_ENDPOINT_URL": "localhost:9000"},
        "AWS_ENDPOINT_URL is 'localhost",
    ),
    "an endpoint without a host": ("s3://b", {"AWS_ENDPOINT_URL": "http://"}, "is no URL such as https://"),
    "half of the credentials": ("s3://b", {"AWS_SECRET_ACCESS_KEY": ""}, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    "no account": ("az://c", {}, "the credentials come from AZURE_STORAGE_ACCOUNT_NAME"),
    "no file of credentials": ("gs://b", {"GOOGLE_APPLICATION_CREDENTIALS": "/none"}, "GOOGLE_APPLICATION_CREDENTIALS"),
    "a space": ("s3://my b/x", {}, "names no bucket"),
    "a step up": ("s3://b/../x", {}, "has no part '..'"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_opened_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    url, environment, message = CASES[case]
    for name, value in {**ENVIRONMENT, **environment}.items():
        if value:
            monkeypatch.setenv(name, value)
        else:
            monkeypatch.delenv(name, raising=False)
    with pytest.raises(StoreError, match=message) as caught:
        open_bucket(url, {}, {"max_retries": 0})
    assert len(str(caught.value).splitlines()) == 1


def test_a_server_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {
        **ENVIRONMENT,
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "LAZYTILE_STORAGE_RETRY_S": "0",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StoreError, match=r"s3://b/p/datasets.json cannot be read: http://127.0.0.1:9 does not answer"):
        convert(source(tmp_path / "a.nc", 0), "s3://b/p", "d")
    with pytest.raises(SourceError, match=r"s3://b/in.zarr cannot be read: http://127.0.0.1:9 does not answer"):
        version_of("s3://b/in.zarr")
