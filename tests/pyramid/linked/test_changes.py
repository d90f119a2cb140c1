"""A source that changes: no tile mixes two versions, and following it gives the dataset a new generation."""

from __future__ import annotations

import json
import shutil
import warnings
from typing import TYPE_CHECKING

import pytest
import xarray as xr
import zarr

from lazytile.pyramid.core.conditions import Conditions
from lazytile.pyramid.core.errors import GenerationChangedError, SourceError
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.linked import opened_source
from lazytile.pyramid.linked.follow import LinkFollower, linked_names
from lazytile.pyramid.linked.link import link
from lazytile.pyramid.store.store import Store, read_description
from tests.pyramid.linked.test_link import field, tiles_of
from tests.web import folder, serving

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np


def first_chunk(store: Path) -> np.ndarray:
    return Store(store).dataset("d").chunk(0, "sst", (0,), 2, 2)


def assert_followed(tmp_path: Path, source: Path) -> None:
    """Assert that a changed source becomes a new generation, whose tiles are those of the converted source."""
    before = read_description(tmp_path / "store" / "d.zarr").generation
    with pytest.raises(GenerationChangedError, match="the source of dataset d has changed"):
        Store(tmp_path / "store").dataset("d").chunk(0, "sst", (0,), 1, 1)
    assert LinkFollower(tmp_path / "store").look() == ["d"]
    assert read_description(tmp_path / "store" / "d.zarr").generation != before
    convert(source, tmp_path / "converted", "d")
    assert tiles_of(tmp_path / "store", "d") == tiles_of(tmp_path / "converted", "d")
    assert LinkFollower(tmp_path / "store").look() == []


def rewritten(path: Path) -> None:
    """Write other numbers over the chunks of a Zarr array, whose metadata stay as they are."""
    zarr.open_group(path, mode="r+")["sst"][:, 300:, 400:] = 1234


def replaced(path: Path) -> None:
    shutil.rmtree(path)
    field(path, seed=5)


def chunk_removed(path: Path) -> None:
    (path / "sst" / "c" / "0" / "1" / "1").unlink()


@pytest.mark.parametrize("change", [rewritten, replaced, chunk_removed])
def test_a_folder_of_zarr(tmp_path, change):
    field(tmp_path / "in.zarr")
    link(tmp_path / "in.zarr", tmp_path / "store", "d")
    first_chunk(tmp_path / "store")
    change(tmp_path / "in.zarr")
    assert_followed(tmp_path, tmp_path / "in.zarr")


def test_a_file(tmp_path):
    made = field(tmp_path / "in.zarr")
    made["sst"].encoding = {"chunksizes": (1, 300, 300), "zlib": True}
    made.to_netcdf(tmp_path / "in.nc")
    link(tmp_path / "in.nc", tmp_path / "store", "d")
    first_chunk(tmp_path / "store")
    other = field(tmp_path / "other.zarr", seed=3)
    other["sst"].encoding = {"chunksizes": (1, 300, 300), "zlib": True}
    other.to_netcdf(tmp_path / "new.nc")
    (tmp_path / "new.nc").replace(tmp_path / "in.nc")
    assert_followed(tmp_path, tmp_path / "in.nc")


def test_a_file_behind_references(tmp_path):
    hdf = pytest.importorskip("kerchunk.hdf", reason="kerchunk is not installed (extra kerchunk)")

    def write(seed: int, path: Path) -> None:
        made = field(tmp_path / "in.zarr", seed=seed)
        made["sst"].encoding = {"chunksizes": (1, 300, 300)}
        made.to_netcdf(path)

    write(0, tmp_path / "in.nc")
    references = hdf.SingleHdf5ToZarr(str(tmp_path / "in.nc")).translate()
    references = {**references, "templates": {"u": str(tmp_path)}}
    text = json.dumps(references).replace(f'"{tmp_path}/in.nc"', '"{{u}}/in.nc"')
    (tmp_path / "refs.json").write_text(text)
    link(tmp_path / "refs.json", tmp_path / "store", "d")
    first_chunk(tmp_path / "store")
    write(3, tmp_path / "new.nc")
    (tmp_path / "new.nc").replace(tmp_path / "in.nc")
    assert_followed(tmp_path, tmp_path / "refs.json")


def test_an_icechunk_repository(tmp_path):
    icechunk = pytest.importorskip("icechunk", reason="icechunk is not installed (extra icechunk)")
    repository = icechunk.Repository.create(icechunk.local_filesystem_storage(str(tmp_path / "repo")))
    for seed in (0, 5):
        made = field(tmp_path / "in.zarr", seed=seed)
        made["sst"].encoding = {"chunks": (1, 300, 300)}
        session = repository.writable_session("main")
        made.to_zarr(session.store, consolidated=False, mode="w")
        session.commit(f"version {seed}")
        if not seed:
            link(tmp_path / "repo", tmp_path / "store", "d")
            first_chunk(tmp_path / "store")
    assert_followed(tmp_path, tmp_path / "repo")


@pytest.mark.parametrize("change", [rewritten, replaced])
def test_zarr_on_a_web_server(tmp_path, change):
    pytest.importorskip("obstore")
    field(tmp_path / "www" / "in.zarr")
    with serving() as web:
        web.default = folder(tmp_path / "www")
        link(web.url("/in.zarr"), tmp_path / "store", "d")
        first_chunk(tmp_path / "store")
        change(tmp_path / "www" / "in.zarr")
        assert_followed(tmp_path, tmp_path / "www" / "in.zarr")


def test_objects_that_are_dated_after_the_link_are_of_another_version(tmp_path):
    pytest.importorskip("obstore")
    field(tmp_path / "www" / "in.zarr")
    with serving() as web:
        files = folder(tmp_path / "www")
        web.default = files
        link(web.url("/in.zarr"), tmp_path / "store", "d")

        def later(request):
            response = files(request)
            if "/sst/c/" in request.path:
                response.etag, response.modified = "", "Fri, 01 Jan 2100 00:00:00 GMT"
            return response

        web.default = later
        with pytest.raises(GenerationChangedError, match="the source of dataset d has changed"):
            first_chunk(tmp_path / "store")


def test_a_source_that_changes_with_every_read_is_refused(tmp_path, monkeypatch):
    field(tmp_path / "in.zarr")
    opened = opened_source.open_files

    def touched(*arguments, **options):
        found = opened(*arguments, **options)
        rewritten(tmp_path / "in.zarr")
        return found

    monkeypatch.setattr(opened_source, "open_files", touched)
    with pytest.raises(SourceError, match=r"in\.zarr changes while it is read"):
        link(tmp_path / "in.zarr", tmp_path / "store", "d")
    assert not (tmp_path / "store" / "d.zarr").exists()


def test_a_look_is_cheap_where_nothing_has_changed(tmp_path):
    pytest.importorskip("obstore")
    field(tmp_path / "www" / "in.zarr", chunks=(1, 50, 50))
    with serving() as web:
        web.default = folder(tmp_path / "www")
        link(web.url("/in.zarr"), tmp_path / "store", "d")
        follower = LinkFollower(tmp_path / "store")
        web.requests.clear()
        assert follower.look() == []
        assert {each.method for each in web.requests} == {"HEAD"}
        assert len(web.requests) < 40


def test_a_source_that_is_gone_is_a_condition_and_its_dataset_stays(tmp_path, fresh_process):
    field(tmp_path / "in.zarr")
    link(tmp_path / "in.zarr", tmp_path / "store", "d")
    before = read_description(tmp_path / "store" / "d.zarr").generation
    (tmp_path / "in.zarr").rename(tmp_path / "away.zarr")
    follower = LinkFollower(tmp_path / "store")
    assert follower.look() == []
    (condition,) = Conditions.current().all()
    assert (condition.key, condition.ready) == ("link of dataset d", True)
    assert "is not there" in condition.problem
    assert read_description(tmp_path / "store" / "d.zarr").generation == before
    (tmp_path / "away.zarr").rename(tmp_path / "in.zarr")
    assert follower.look() in ([], ["d"])  # a folder that was moved may count as changed
    assert Conditions.current().all() == ()


def test_other_datasets_are_not_looked_at(tmp_path):
    field(tmp_path / "in.zarr")
    convert(tmp_path / "in.zarr", tmp_path / "store", "c")
    link(tmp_path / "in.zarr", tmp_path / "store", "d")
    assert linked_names(tmp_path / "store") == ["d"]


def test_a_variable_that_is_understood_otherwise_is_another_version(tmp_path):
    made = field(tmp_path / "in.zarr")
    link(tmp_path / "in.zarr", tmp_path / "store", "d")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        xr.Dataset({"ice": made["sst"]}).to_zarr(tmp_path / "in.zarr", mode="w", consolidated=True)
    with pytest.raises(GenerationChangedError):
        first_chunk(tmp_path / "store")
