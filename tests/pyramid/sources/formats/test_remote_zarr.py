"""Zarr behind a URL becomes the same dataset as the same Zarr on disk."""

from __future__ import annotations

import json
import pickle
import shutil
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest
import xarray as xr
import zarr

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.engines.factory import open_bulk_engine
from lazytile.pyramid.engines.protocol import EngineOptions, EngineSpec
from lazytile.pyramid.ingest.convert import Storage, convert
from lazytile.pyramid.ingest.describe import describe
from lazytile.pyramid.sources.formats.remote_zarr import open_store, version_of
from lazytile.pyramid.sources.series import open_files
from lazytile.service.cli.main import run
from tests.web import Response, denying, folder, serving

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("obstore")
NOTHING = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_SKIP_SIGNATURE")


@pytest.fixture
def web(tmp_path):
    (tmp_path / "www").mkdir()
    with serving() as server:
        server.default = folder(tmp_path / "www")
        yield server


@pytest.fixture
def unlisted(web):
    web.default = denying(web.default)
    return web


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """An object store with the APIs of S3 and Google, and a bucket ``data``."""
    (tmp_path / "buckets" / "data").mkdir(parents=True)
    for name in NOTHING:
        monkeypatch.delenv(name, raising=False)
    with serving() as server:
        server.default = folder(tmp_path / "buckets", lists=True)
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url(""))
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        account = {"gcs_base_url": server.url(""), "disable_oauth": True, "client_email": "", "private_key": ""}
        (tmp_path / "account.json").write_text(json.dumps({**account, "private_key_id": ""}))
        monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(tmp_path / "account.json"))
        yield server


def write(path: Path, *, version: int = 3, consolidated: bool = True, step: int = 0, group: str | None = None) -> Path:
    """Write a packed field with a missing code, in chunks of which one is never written."""
    codes = np.random.default_rng(step).integers(0, 9000, (1, 300, 400)).astype("int16")
    codes[0, :100, :100] = -1
    values = xr.Dataset(
        {"sst": (("time", "lat", "lon"), codes, {"scale_factor": 0.01, "units": "degC", "_FillValue": np.int16(-1)})},
        coords={
            "time": ("time", [step], {"units": "days since 2020-01-01", "standard_name": "time"}),
            "lat": ("lat", 30 - 0.1 * (np.arange(300) + 0.5), {"units": "degrees_north"}),
            "lon": ("lon", 0.1 * (np.arange(400) + 0.5), {"units": "degrees_east"}),
        },
        attrs={"title": f"Sea {step}"},
    )
    values["sst"].encoding = {"chunks": (1, 100, 100), "write_empty_chunks": False}
    values.to_zarr(path, group=group, mode="a" if group else "w", zarr_format=version, consolidated=False)
    if consolidated:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that version 3 does not have them in its specification
            zarr.consolidate_metadata(path, zarr_format=version)
    return path


def chunks(dataset: Path) -> dict[str, bytes]:
    files = [path for path in dataset.rglob("c/**/*") if path.is_file()]
    return {str(path.relative_to(dataset)): path.read_bytes() for path in files}


def converted_alike(tmp_path: Path, local: Path, url: str, name: str = "x", **options) -> None:
    mine = convert(local, tmp_path / "local", name, **options)
    its = convert(url, tmp_path / "remote", name, **options)
    assert (its.grid, its.title, its.source) == (mine.grid, mine.title, mine.source)
    assert its.variables == mine.variables
    expected = chunks(tmp_path / "local" / f"{name}.zarr")
    assert len(expected) > 8
    assert chunks(tmp_path / "remote" / f"{name}.zarr") == expected


@pytest.mark.parametrize("version", [2, 3])
def test_a_web_server_with_consolidated_metadata(web, tmp_path, version):
    local = write(tmp_path / "www" / "sst.zarr", version=version)
    converted_alike(tmp_path, local, web.url("/sst.zarr/"))


def test_a_fill_value_that_is_spelled_as_a_number(web, tmp_path):
    """xarray reads its base64 only, in consolidated metadata too."""
    local = write(tmp_path / "www" / "sst.zarr", consolidated=False)
    group = zarr.open_group(local)
    del group["sst"]
    array = group.create_array("sst", shape=(1, 300, 400), dtype="f4", dimension_names=("time", "lat", "lon"))
    array[...] = np.random.default_rng(1).integers(0, 9, array.shape)
    array.attrs["_FillValue"] = 4.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(local)
    converted_alike(tmp_path, local, web.url("/sst.zarr"))
    found = convert(web.url("/sst.zarr"), tmp_path, "other").variables[0].statistics
    assert found.valid_count == np.count_nonzero(array[...] != 4)


@pytest.mark.parametrize("version", [2, 3])
def test_a_server_that_denies_access_to_what_it_does_not_have(unlisted, tmp_path, version):
    """A chunk that is not there is out of reach there: it may not be taken for empty."""
    local = write(tmp_path / "www" / "sst.zarr", version=version, step=1)
    zarr.open_array(local / "sst")[0, :100, :100] = 5
    converted_alike(tmp_path, local, unlisted.url("/sst.zarr"))
    (local / "sst" / ("0.0.0" if version == 2 else "c/0/0/0")).unlink()
    with pytest.raises(SourceError, match="sst cannot be read at "):
        convert(unlisted.url("/sst.zarr"), tmp_path / "other")


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("consolidated", [True, False])
@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_object_storage(bucket, tmp_path, version, consolidated, scheme):
    local = write(tmp_path / "buckets" / "data" / "a" / "sst.zarr", version=version, consolidated=consolidated)
    converted_alike(tmp_path, local, f"{scheme}://data/a/sst.zarr")
    assert any("list-type" in each.path for each in bucket.requests) == (not consolidated)
    # Nobody has given us credentials, so none are made up.
    assert {each.headers.get("authorization", "Bearer ") for each in bucket.requests} == {"Bearer "}


def test_credentials_of_the_environment_sign_requests(bucket, tmp_path, monkeypatch):
    write(tmp_path / "buckets" / "data" / "sst.zarr")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    version_of("s3://data/sst.zarr")
    assert bucket.requests
    for request in bucket.requests:
        assert request.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=me/")


@pytest.mark.parametrize("version", [2, 3])
def test_groups(web, tmp_path, version):
    root = tmp_path / "www" / "deep.zarr"
    zarr.open_group(root, mode="w", zarr_format=version)
    write(root, version=version, group="one", consolidated=False)
    write(root, version=version, group="one/two", step=4)
    described = describe(web.url("/deep.zarr"))
    assert [variable.name for variable in described.variables] == ["sst", "two_sst"]
    converted_alike(tmp_path, root, web.url("/deep.zarr"), group="one/two")


def test_worker_processes_read_it(web, tmp_path):
    local = write(tmp_path / "www" / "sst.zarr")
    convert(local, tmp_path / "local", "x")
    before = len(web.requests)
    with open_bulk_engine(EngineSpec.parse("local"), EngineOptions(workers=2)) as engine:
        convert(web.url("/sst.zarr"), tmp_path / "remote", "x", engine=engine)
    assert chunks(tmp_path / "remote" / "x.zarr") == chunks(tmp_path / "local" / "x.zarr")
    request = [each.path for each in web.requests[before:]]
    # Each chunk of the source once, whichever process it was; the missing one is requested too.
    data = [path for path in request if "/sst/c/" in path]
    assert sorted(data) == sorted(f"/sst.zarr/sst/c/0/{row}/{col}" for row in range(3) for col in range(4))


def test_several_are_one_series(web, tmp_path):
    for step in (1, 0):
        write(tmp_path / "www" / f"{step}.zarr", step=step)
    source = open_files([web.url("/1.zarr"), web.url("/0.zarr")])
    assert source.variables[0].variable.dimensions[0].labels == ("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z")
    locals_ = [tmp_path / "www" / f"{step}.zarr" for step in (0, 1)]
    convert(locals_, tmp_path / "local", "x")
    convert([web.url("/1.zarr"), web.url("/0.zarr")], tmp_path / "remote", "x")
    assert chunks(tmp_path / "remote" / "x.zarr") == chunks(tmp_path / "local" / "x.zarr")


def test_a_url_without_a_suffix_is_probed(web, tmp_path):
    write(tmp_path / "www" / "sst")
    assert convert(web.url("/sst"), tmp_path / "store").name == "sst"
    assert not (tmp_path / "store" / ".downloads").exists()
    web.responses["/data"] = Response(b"no Zarr at all")
    with pytest.raises(SourceError, match="has an unknown format"):
        convert(web.url("/data"), tmp_path / "store")


def test_work_is_resumed_only_for_the_same_content(web, tmp_path):
    local = write(tmp_path / "www" / "sst.zarr")
    url = web.url("/sst.zarr")
    first = open_files(url)
    assert open_files(url).version == first.version
    assert pickle.loads(pickle.dumps(first)).version == first.version
    write(local, step=9)
    assert open_files(url).version != first.version


def test_the_command_line(web, tmp_path, capsys):
    write(tmp_path / "www" / "sst.zarr")
    write(tmp_path / "www" / "later.zarr", step=3)
    store = str(tmp_path / "store")
    assert run(["info", web.url("/sst.zarr")]) == 0
    shown = capsys.readouterr().out
    assert f"source {web.url('/sst.zarr')}" in shown
    assert "300 rows x 400 columns" in shown
    assert run(["convert", web.url("/sst.zarr"), "--store", store]) == 0
    assert run(["append", web.url("/later.zarr"), "sst", "--store", store]) == 0
    assert "2 time steps, the last 2020-01-04" in capsys.readouterr().out
    assert run(["verify", "sst", "--store", store]) == 0


@pytest.mark.parametrize("lazy", [True, False])
def test_storage_options_hold(web, tmp_path, lazy):
    local = write(tmp_path / "www" / "sst.zarr")
    convert(local, tmp_path / "local", "x", storage=Storage(lazy=lazy))
    convert(web.url("/sst.zarr"), tmp_path / "remote", "x", storage=Storage(lazy=lazy))
    assert chunks(tmp_path / "remote" / "x.zarr") == chunks(tmp_path / "local" / "x.zarr")


def test_what_web_servers_do_not_list_is_refused(web, tmp_path):
    write(tmp_path / "www" / "sst.zarr", consolidated=False)
    with pytest.raises(
        SourceError, match=r"has no consolidated metadata, and web servers do not list folders"
    ) as error:
        describe(web.url("/sst.zarr"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("/none.zarr", r"none\.zarr holds no Zarr group: it has none of zarr\.json, \.zmetadata, \.zgroup"),
        ("/closed.zarr", r"closed\.zarr cannot be read: access is denied$"),
        ("/broken.zarr", r"broken\.zarr cannot be read: "),
    ],
)
def test_errors_are_one_line(web, tmp_path, url, text):
    for name in ("zarr.json", ".zmetadata", ".zgroup"):
        web.responses[f"/closed.zarr/{name}"] = Response(status=403)
    web.responses["/broken.zarr/zarr.json"] = Response(b"{")
    with pytest.raises(SourceError, match=text) as error:
        describe(web.url(url))
    assert "\n" not in str(error.value)


def test_a_chunk_that_cannot_be_fetched_fails_the_conversion(web, tmp_path):
    write(tmp_path / "www" / "sst.zarr")
    web.responses["/sst.zarr/sst/c/0/2/2"] = Response(status=403)
    with pytest.raises(SourceError, match=r"/sst\.zarr: sst cannot be read at ") as error:
        convert(web.url("/sst.zarr"), tmp_path / "store")
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "store").glob("*.zarr"))


def test_a_query_is_refused(tmp_path):
    with pytest.raises(SourceError, match=r"a Zarr URL may hold neither \? nor #"):
        open_store("https://a.org/x.zarr?key=1")


def test_without_the_extra(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SourceError, match=r"which needs obstore: pip install 'lazytile\[remote\]'"):
        describe("s3://bucket/x.zarr")


def test_a_source_that_disappears(web, tmp_path):
    local = write(tmp_path / "www" / "sst.zarr")
    source = open_files(web.url("/sst.zarr"))
    shutil.rmtree(local)
    assert source.version
    with pytest.raises(SourceError, match="holds no Zarr group"):
        open_files(web.url("/sst.zarr"))


class Trap:
    """Code that a pickle would run."""

    def __reduce__(self):
        return pytest.fail, ("a pickle was opened",)


@pytest.mark.parametrize("dtype", ["<f8", "|O"])
@pytest.mark.parametrize(
    "codecs",
    [
        {"filters": [{"id": "pickle", "protocol": 5}]},
        {"filters": [{"id": "pickle", "protocol": 5}, {"id": "crc32"}]},
        {"compressor": {"id": "pickle", "protocol": 5}},
    ],
)
def test_chunks_in_pickles_are_never_opened(web, tmp_path, dtype, codecs):
    """numcodecs has a codec that unpickles."""
    local = write(tmp_path / "www" / "sst.zarr", version=2, consolidated=False)
    metadata = json.loads((local / "lat" / ".zarray").read_text())
    metadata |= {"filters": None, "compressor": None, "dtype": dtype, "fill_value": 0, **codecs}
    (local / "lat" / ".zarray").write_text(json.dumps(metadata))
    (local / "lat" / "0").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(SourceError, match="cannot be read"):
        describe(local)
    document = {"zarr_consolidated_format": 1, "metadata": {}}
    for path in sorted(local.rglob(".z*")):
        document["metadata"][str(path.relative_to(local))] = json.loads(path.read_text())
    (local / ".zmetadata").write_text(json.dumps(document))
    with pytest.raises(SourceError, match="cannot be read"):
        describe(web.url("/sst.zarr"))
