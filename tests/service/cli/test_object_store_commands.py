"""Commands with ``--store s3://...``: what they print, and what they do."""

from __future__ import annotations

import json
import re
from itertools import product
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from lazytile.colormaps.core.errors import LazytileError
from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.linked import first_map
from lazytile.pyramid.storage.pointer import dataset_folder
from lazytile.pyramid.store.store import Store, read_description, store_at
from lazytile.service.cli import view
from lazytile.service.cli.main import app
from lazytile.service.cli.options.fetching import FetchOptions
from lazytile.service.cli.options.source import SourceOptions
from tests.pyramid.ingest.test_append import source
from tests.pyramid.linked.test_link import field
from tests.s3 import BUCKET, S3Server, s3_server
from tests.web import folder, serving

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


@pytest.fixture(scope="module")
def kinds(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a store with a dataset, a lazy one and a linked one."""
    folder, store = tmp_path_factory.mktemp("kinds"), f"s3://{BUCKET}/kinds"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAZYTILE_STORAGE_STAGING", str(folder / "staging"))
        file = str(source(folder / "a.nc", 0))
        run("convert", file, "--name", "plain", "--store", store)
        run("convert", file, "--lazy", "--name", "lazy", "--store", store)
        run("link", file, "--name", "linked", "--store", store)
    return store


@pytest.mark.parametrize(
    "command", ["info", "info lazy", "verify plain", "verify lazy", "verify linked", "stats plain", "convert"]
)
def test_a_store_that_stops_answering_is_said_in_one_line_and_is_no_damage(
    s3: S3Server, kinds: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("LAZYTILE_STORAGE_STAGING", str(tmp_path / "staging"))
    other = str(source(tmp_path / "b.nc", 5))
    arguments = ["convert", other, "--name", "plain"] if command == "convert" else command.split()
    count = 0

    def denied_from(number: int, only: bool) -> tuple[int, str]:
        nonlocal count
        count = 0

        def count_up(*_: str) -> None:
            nonlocal count
            count += 1
            s3.is_denied = count == number if only else count >= number

        s3.on_request = count_up
        process.install(CacheBudget.renderer(64 << 20))
        result = CliRunner().invoke(app, [*arguments, "--store", kinds])
        s3.behave()
        assert isinstance(result.exception, LazytileError | SystemExit | None), (number, result.exception)
        return result.exit_code, f"{result.output}{result.exception or ''}"

    code, whole = denied_from(0, only=True)
    numbers = {*range(1, 7), *range(7, count + 1, 5), count}
    for number, only in product(sorted(numbers), (False, True)):
        found, text = denied_from(number, only=only)
        if count < number or text == whole:
            continue  # threads made fewer requests, or one of no account was denied
        assert found == 1, text
        assert "access is denied; the credentials come from AWS_ACCESS_KEY_ID" in text
        assert not {"damaged", "missing", "holds no dataset"} & {*re.findall("damaged|missing|holds no dataset", text)}
    assert "holds a.nc" in whole if command == "convert" else code == 0


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


def test_zarr_at_a_url_is_shown_where_it_is_where_that_is_quicker_and_a_file_is_copied(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAZYTILE_STORAGE_STAGING", str(tmp_path / "staging"))
    monkeypatch.setattr(first_map, "SAVED_S", -1e9)
    field(tmp_path / "www" / "sea.zarr")
    store = store_at(f"{STORE}-shown").folder

    def shown(given: str) -> tuple[int, str, str]:
        process.install(CacheBudget.renderer(64 << 20))
        options = SourceOptions(), FetchOptions()
        (found,) = view.converted([given], store, None, *options, colormap=None, overwrite=True)
        dataset = read_description(dataset_folder(store, found.name))
        return dataset.linked, dataset.generation, capsys.readouterr().err

    def again(given: str) -> str:
        options = SourceOptions(), FetchOptions()
        view.converted([given], store, None, *options, colormap=None, overwrite=False)
        return capsys.readouterr().err

    with serving() as web:
        web.default = folder(tmp_path / "www")
        linked, generation, told = shown(web.url("/sea.zarr"))
        assert linked == 1
        assert "is shown where it is; lazytile convert copies it" in told
        convert(tmp_path / "www" / "sea.zarr", tmp_path / "converted", "sea")
        codes = Store(store).dataset("sea").chunk(0, "sst", (0,), 1, 1)
        assert codes.tobytes() == Store(tmp_path / "converted").dataset("sea").chunk(0, "sst", (0,), 1, 1).tobytes()
        assert "sea.zarr is up to date" in again(web.url("/sea.zarr"))
        assert read_description(dataset_folder(store, "sea")).generation == generation
    linked, _, told = shown(str(tmp_path / "www" / "sea.zarr"))
    assert linked == 0
    assert "is shown where it is" not in told
