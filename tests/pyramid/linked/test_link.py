"""Tiles of a linked source are those of the converted one, byte for byte, whatever form it has."""

from __future__ import annotations

import json
import warnings
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest
import xarray as xr
import zarr

from lazytile.api import render_tile
from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget
from lazytile.pyramid.core.errors import SourceError, StoreError
from lazytile.pyramid.ingest.append import append
from lazytile.pyramid.ingest.convert import Storage, convert
from lazytile.pyramid.ingest.describe import describe
from lazytile.pyramid.linked import sampled_range
from lazytile.pyramid.linked.link import link
from lazytile.pyramid.store.publish import remove
from lazytile.pyramid.store.store import Store, read_description
from lazytile.pyramid.verification.verify import verify
from tests.shared import shared
from tests.web import folder, serving

if TYPE_CHECKING:
    from pathlib import Path

REAL = (
    "20241011120000-ABOM-L4_GHRSST-SSTfnd-GAMSSA_28km-GLOB-v02.0-fv01.0.nc",
    "20171025_2056.Cloud_Top_Height.nc",
    "tos_O1_2001-2002.nc",
    "tmmx_20190121.nc",
    "etopo20.cdf",
    "nemo_1m_20150101-20150201_grid-T.nc",
)


def field(path: Path, *, seed: int = 0, rows: int = 700, cols: int = 1100, **encoding: object) -> xr.Dataset:
    """Write a packed field of two times as Zarr, with a corner of no data and chunks that are all fill value."""
    codes = np.random.default_rng(seed).integers(0, 9000, (2, rows, cols)).astype("int16")
    codes = (codes // 8 + np.linspace(0, 6000, cols).astype("int16")).astype("int16")
    codes[:, :300, :400] = -1
    made = xr.Dataset(
        {"sst": (("time", "lat", "lon"), codes, {"scale_factor": 0.01, "units": "degC", "_FillValue": np.int16(-1)})},
        coords={
            "time": ("time", [seed, seed + 1], {"units": "days since 2020-01-01", "standard_name": "time"}),
            "lat": ("lat", -30 + 0.1 * (np.arange(rows) + 0.5), {"units": "degrees_north"}),
            "lon": ("lon", 0.1 * (np.arange(cols) + 0.5), {"units": "degrees_east"}),
        },
        attrs={"title": f"Sea {seed}"},
    )
    options = {"zarr_format": 3, **encoding}
    version = int(str(options.pop("zarr_format")))
    made["sst"].encoding = {"chunks": (1, 256, 256), **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.to_zarr(path, mode="w", zarr_format=version, consolidated=True)
    return made


def tiles_of(store: Path, name: str) -> dict[str, bytes]:
    """Render some tiles of every layer at every zoom: at the ends and in the middle, of the first and the last step."""
    found = {}
    for layer in Store(store).layers():
        if layer.dataset.name != name:
            continue
        native = layer.native_set
        for matrix in native.matrices:
            places = product({0, matrix.matrix_height // 2}, {0, matrix.matrix_width // 2, matrix.matrix_width - 1})
            for row, col in places:
                for step in (0, -1):
                    time = {} if layer.variable.time is None else {"time": layer.variable.time.labels[step]}
                    key = f"{layer.name} {matrix.identifier} {row} {col} {step}"
                    found[key] = render_tile(store, layer.name, native.identifier, matrix.identifier, row, col, **time)
    return found


def assert_same_tiles(tmp_path: Path, source: str | Path, linked_source: str | Path | None = None) -> None:
    convert(source, tmp_path / "converted", "d")
    link(linked_source or source, tmp_path / "linked", "d")
    expected = tiles_of(tmp_path / "converted", "d")
    assert len(expected) >= 2
    assert len(set(expected.values())) > 1
    found = tiles_of(tmp_path / "linked", "d")
    assert found.keys() == expected.keys()
    assert [key for key in expected if found[key] != expected[key]] == []


LAYOUTS = {
    "v2": {"zarr_format": 2, "chunks": (1, 256, 256)},
    "v3": {"chunks": (1, 256, 256)},
    "odd": {"chunks": (2, 97, 501)},
    "whole": {"chunks": (2, 700, 1100)},
    "tiny": {"chunks": (1, 32, 24)},
    "sharded": {"chunks": (1, 100, 128), "shards": (2, 400, 256)},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_zarr_of_any_layout(tmp_path, layout):
    field(tmp_path / "in.zarr", **LAYOUTS[layout])
    assert_same_tiles(tmp_path, tmp_path / "in.zarr")


@pytest.mark.parametrize("layout", ["v2", "odd", "sharded"])
def test_zarr_on_a_web_server(tmp_path, layout):
    pytest.importorskip("obstore")
    field(tmp_path / "www" / "in.zarr", **LAYOUTS[layout])
    with serving() as web:
        web.default = folder(tmp_path / "www")
        assert_same_tiles(tmp_path, tmp_path / "www" / "in.zarr", web.url("/in.zarr"))


@pytest.mark.parametrize("name", REAL)
def test_a_real_file_and_its_zarr(tmp_path, name):
    path = shared("realdata", name)
    assert_same_tiles(tmp_path / "file", path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with xr.open_dataset(path, decode_cf=False, mask_and_scale=False) as found:
            for variable in found.variables.values():
                variable.encoding = {}
            found.to_zarr(tmp_path / "in.zarr", zarr_format=2, consolidated=True)
    assert_same_tiles(tmp_path / "zarr", tmp_path / "in.zarr")


def test_a_real_file_by_references(tmp_path):
    hdf = pytest.importorskip("kerchunk.hdf", reason="kerchunk is not installed (extra kerchunk)")
    path = shared("realdata", REAL[0])
    (tmp_path / "refs.json").write_text(json.dumps(hdf.SingleHdf5ToZarr(str(path)).translate()))
    assert_same_tiles(tmp_path, path, tmp_path / "refs.json")


@pytest.mark.parametrize("path", ["GPM_3IMERGHH_bounds.nc4", "SPL3FTP_subsetted.nc4"])
def test_groups_of_a_real_file_by_references(tmp_path, path):
    """Names of dimensions have the path of the group in references."""
    hdf = pytest.importorskip("kerchunk.hdf", reason="kerchunk is not installed (extra kerchunk)")
    path = shared("realdata", path)
    (tmp_path / "refs.json").write_text(json.dumps(hdf.SingleHdf5ToZarr(str(path)).translate()))
    made = link(tmp_path / "refs.json", tmp_path / "linked", "d").dataset
    convert(path, tmp_path / "converted", "d")
    expected, found = tiles_of(tmp_path / "converted", "d"), tiles_of(tmp_path / "linked", "d")
    assert made.variables
    assert found.keys() == expected.keys()
    assert [key for key in expected if found[key] != expected[key]] == []


def test_an_icechunk_repository(tmp_path):
    icechunk = pytest.importorskip("icechunk", reason="icechunk is not installed (extra icechunk)")
    made = field(tmp_path / "in.zarr")
    repository = icechunk.Repository.create(icechunk.local_filesystem_storage(str(tmp_path / "repo")))
    session = repository.writable_session("main")
    made["sst"].encoding = {"chunks": (1, 300, 300)}
    made.to_zarr(session.store, consolidated=False)
    session.commit("first")
    assert_same_tiles(tmp_path, tmp_path / "repo")


def test_a_series_of_files(tmp_path):
    for seed in (0, 2):
        field(tmp_path / f"in-{seed}.zarr", seed=seed)
    files = [tmp_path / "in-0.zarr", tmp_path / "in-2.zarr"]
    convert(files, tmp_path / "converted", "d")
    link(files, tmp_path / "linked", "d")
    assert tiles_of(tmp_path / "linked", "d") == tiles_of(tmp_path / "converted", "d")


def test_overviews_are_kept_and_are_the_files_that_convert_writes(tmp_path):
    field(tmp_path / "in.zarr")
    convert(tmp_path / "in.zarr", tmp_path / "converted", "d")
    link(tmp_path / "in.zarr", tmp_path / "linked", "d")
    assert not list((tmp_path / "linked" / "d.zarr" / "1" / "sst").glob("c/**/*"))
    stored = Store(tmp_path / "linked").dataset("d")
    for level, row, col in ((3, 0, 0), (2, 0, 0), (2, 0, 1), (1, 1, 2), (1, 0, 0)):
        stored.chunk(level, "sst", (0,), row, col)
    made = [path for path in (tmp_path / "linked" / "d.zarr").glob("[1-9]/sst/c/0/*/*") if path.is_file()]
    assert len(made) > 4
    for path in made:
        twin = tmp_path / "converted" / path.relative_to(tmp_path / "linked")
        assert not twin.exists() or twin.read_bytes() == path.read_bytes()
    assert not (tmp_path / "linked" / "d.zarr" / "0" / "sst").exists()
    assert verify(tmp_path / "linked", "d").problems == ()


def test_statistics_of_a_small_source_are_exact_and_those_of_a_large_one_sampled(tmp_path, monkeypatch):
    field(tmp_path / "in.zarr")
    converted = convert(tmp_path / "in.zarr", tmp_path / "converted", "d").variables[0]
    exact = link(tmp_path / "in.zarr", tmp_path / "linked", "d").dataset.variables[0]
    assert (exact.statistics, exact.histogram) == (converted.statistics, converted.histogram)
    monkeypatch.setattr(sampled_range, "EXACT_BYTES", 1000)
    sampled = link(tmp_path / "in.zarr", tmp_path / "linked", "d").dataset
    assert sampled.variables[0].statistics is None
    least, greatest = sampled.variables[0].first_range
    assert converted.statistics.minimum <= least < greatest <= converted.statistics.maximum
    assert "the range is that of a sample" in sampled.remarks[-1]
    whole = link(tmp_path / "in.zarr", tmp_path / "linked", "d", exact=True).dataset.variables[0]
    assert whole.statistics == converted.statistics


def test_the_cost_of_a_tile_is_stated(tmp_path):
    field(tmp_path / "in.zarr", chunks=(1, 700, 1100))
    (whole,) = link(tmp_path / "in.zarr", tmp_path / "linked", "d").costs
    assert (whole.chunk_bytes, whole.tile_bytes) == (2 * 700 * 1100, 2 * 700 * 1100)
    field(tmp_path / "in.zarr", chunks=(2, 300, 300))
    (small,) = link(tmp_path / "in.zarr", tmp_path / "linked", "d").costs
    assert (small.tile_bytes, small.stored_tile_bytes) == (4 * 2 * 2 * 300 * 300, 4 * 2 * 256 * 256)
    assert "chunk 360 kB: a tile reads 1.4 MB" in small.text
    assert "convert would bring a tile to 0.5 MB" in small.text
    field(tmp_path / "in.zarr", chunks=(1, 256, 256))
    (same,) = link(tmp_path / "in.zarr", tmp_path / "linked", "d").costs
    assert same.tile_bytes == same.stored_tile_bytes
    assert "convert" not in same.text


def test_a_chunk_is_read_once_for_all_tiles_that_it_covers(tmp_path, fresh_process):
    pytest.importorskip("obstore")
    field(tmp_path / "www" / "in.zarr", chunks=(1, 700, 1100))
    with serving() as web:
        web.default = folder(tmp_path / "www")
        link(web.url("/in.zarr"), tmp_path / "linked", "d")
        web.requests.clear()
        stored = Store(tmp_path / "linked").dataset("d")
        stored.chunk(stored.description.levels - 1, "sst", (1,), 0, 0)
        assert [each.path for each in web.requests if "/sst/c/" in each.path] == ["/in.zarr/sst/c/1/0/0"]


def test_memory_is_bounded_by_the_cache(tmp_path):
    field(tmp_path / "in.zarr", chunks=(1, 300, 300))
    link(tmp_path / "in.zarr", tmp_path / "linked", "d")
    earlier = process.current()
    process.install(CacheBudget.renderer(4 << 20))
    try:
        tiles_of(tmp_path / "linked", "d")
        for _, state in process.current().caches.statistics():
            assert state.size_bytes <= state.limit_bytes
    finally:
        process.reinstall(earlier)


def test_others_may_not_take_it_for_empty_data(tmp_path):
    field(tmp_path / "in.zarr")
    link(tmp_path / "in.zarr", tmp_path / "linked", "d")
    root = zarr.open_group(tmp_path / "linked" / "d.zarr", mode="r")
    assert "multiscales" not in root.attrs
    assert "sst" not in root["0"]


def test_append_is_refused_and_remove_leaves_the_source(tmp_path):
    field(tmp_path / "in.zarr")
    link(tmp_path / "in.zarr", tmp_path / "linked", "d")
    with pytest.raises(SourceError, match="dataset d is linked: it shows what its source holds"):
        append(tmp_path / "in.zarr", tmp_path / "linked", "d")
    described = describe(tmp_path / "linked" / "d.zarr")
    assert described.format.startswith("linked")
    assert described.problems == ()
    remove(tmp_path / "linked", "d")
    assert not (tmp_path / "linked" / "d.zarr").exists()
    assert (tmp_path / "in.zarr" / "zarr.json").exists()


def test_a_linked_dataset_is_replaced_by_a_converted_one_and_back(tmp_path):
    field(tmp_path / "in.zarr")
    generations = set()
    for make in (link, convert, link):
        make(tmp_path / "in.zarr", tmp_path / "store", "d")
        generations.add(read_description(tmp_path / "store" / "d.zarr").generation)
        assert len(tiles_of(tmp_path / "store", "d")) > 2
    assert len(generations) == 3


def test_a_record_that_was_changed_is_refused(tmp_path):
    field(tmp_path / "in.zarr")
    link(tmp_path / "in.zarr", tmp_path / "linked", "d")
    record = tmp_path / "linked" / "d.zarr" / "link.json"
    record.write_text(record.read_text().replace("in.zarr", "on.zarr"))
    with pytest.raises(StoreError, match="the record of the source differs from its checksum"):
        Store(tmp_path / "linked").dataset("d").chunk(0, "sst", (0,), 0, 0)


def test_what_cannot_be_read_in_place_is_named(tmp_path):
    (tmp_path / "in.nc.gz").write_bytes(b"\x1f\x8b" + bytes(100))
    with pytest.raises(SourceError, match="is compressed as a whole and cannot be read in parts; convert unpacks it"):
        link(tmp_path / "in.nc.gz", tmp_path / "linked", "d")
    with pytest.raises(SourceError, match="has the scheme ftp; Zarr is linked at"):
        link("ftp://example.org/in.zarr", tmp_path / "linked", "d")
    with serving() as web, pytest.raises(SourceError, match="is a file on a server, not Zarr; link references"):
        link(web.url("/in.nc"), tmp_path / "linked", "d")
    with pytest.raises(SourceError, match="there is no file"):
        link(tmp_path / "nothing.zarr", tmp_path / "linked", "d")
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path / "loop", tmp_path / ("n" * 300)):
        with pytest.raises(SourceError, match="there is no file"):
            link(path, tmp_path / "linked", "d")
        with pytest.raises(SourceError, match="there is no file"):
            convert(path, tmp_path / "linked", "d")
    with pytest.raises(SourceError, match="a dataset's name has up to 128 letters"):
        link(tmp_path / "in.zarr", tmp_path / "linked", "../d")
    assert not (tmp_path / "linked").exists() or not list((tmp_path / "linked").iterdir())


def test_a_chunk_that_states_too_much_is_refused(tmp_path):
    field(tmp_path / "in.zarr")
    path = tmp_path / "in.zarr" / "sst" / "zarr.json"
    document = json.loads(path.read_text())
    document["chunk_grid"]["configuration"]["chunk_shape"] = [1, 24_000, 24_000]
    path.write_text(json.dumps(document))
    with pytest.raises(SourceError, match="chunks of"):
        link(tmp_path / "in.zarr", tmp_path / "linked", "d")


def test_the_levels_of_our_own_pyramid_are_used_as_they_are(tmp_path):
    field(tmp_path / "in.zarr")
    made = convert(tmp_path / "in.zarr", tmp_path / "converted", "d")
    linked = link(tmp_path / "converted" / "d.zarr", tmp_path / "linked", "d").dataset
    assert linked.linked == made.levels > 2
    assert linked.remarks == ()
    assert tiles_of(tmp_path / "linked", "d") == tiles_of(tmp_path / "converted", "d")
    assert verify(tmp_path / "linked", "d").problems == ()
    assert not list((tmp_path / "linked" / "d.zarr").glob("*/sst/c"))


def test_overviews_that_a_dataset_of_ours_has_not_made_yet_are_not_taken_for_empty(tmp_path):
    field(tmp_path / "in.zarr")
    convert(tmp_path / "in.zarr", tmp_path / "converted", "d")
    convert(tmp_path / "in.zarr", tmp_path / "lazy", "d", storage=Storage(lazy=True))
    linked = link(tmp_path / "lazy" / "d.zarr", tmp_path / "linked", "d").dataset
    assert linked.linked == 1
    expected = tiles_of(tmp_path / "converted", "d")
    assert tiles_of(tmp_path / "linked", "d") == expected
    assert tiles_of(tmp_path / "lazy", "d") == expected
    assert tiles_of(tmp_path / "linked", "d") == expected, "overviews that are made there change nothing here"


@pytest.mark.parametrize("make", [link, convert])
def test_a_linked_dataset_is_no_source_since_its_finest_data_lie_elsewhere(tmp_path, make):
    pytest.importorskip("obstore")
    field(tmp_path / "in.zarr")
    link(tmp_path / "in.zarr", tmp_path / "linked", "d")
    with serving() as web:
        web.default = folder(tmp_path / "linked")
        for source in (tmp_path / "linked" / "d.zarr", web.url("/d.zarr")):
            with pytest.raises(SourceError, match=r"d.zarr is a linked dataset of lazytile.* name its source instead"):
                make(source, tmp_path / "store", "e")


@pytest.mark.parametrize("path", ["store/d.zarr", "there/d.zarr", "d", "store/d.zarr/0"])
def test_a_dataset_is_not_replaced_by_a_link_to_itself(tmp_path, path):
    field(tmp_path / "in.zarr")
    convert(tmp_path / "in.zarr", tmp_path / "store", "d")
    expected = tiles_of(tmp_path / "store", "d")
    (tmp_path / "there").symlink_to("store")
    (tmp_path / "d").symlink_to("store/d.zarr")
    for store in (tmp_path / "store", tmp_path / "there"):
        with pytest.raises(SourceError, match="is the dataset d of this store: the link would replace the data"):
            link(tmp_path / path, store, "d")
    assert tiles_of(tmp_path / "store", "d") == expected
    link(tmp_path / "store" / "d.zarr", tmp_path / "store", "e")
    assert list(tiles_of(tmp_path / "store", "e").values()) == list(expected.values())


def test_levels_of_others_are_used_where_they_are_those_of_a_pyramid(tmp_path):
    made = field(tmp_path / "fine.zarr", rows=700, cols=1100)
    half = made.isel(time=slice(None)).coarsen(lat=2, lon=2).max().assign_coords(time=made["time"])
    half["sst"].attrs.update(made["sst"].attrs)
    half["sst"] = half["sst"].astype("int16")
    for name in ("lat", "lon"):
        half[name].attrs.update(made[name].attrs)
    third = made.coarsen(lat=4, lon=4).max().assign_coords(time=made["time"]).isel(lat=slice(0, 174))
    tree = {"/fine": made, "/half": half, "/odd": third}
    for name, each in tree.items():
        each["sst"].encoding = {"chunks": (1, 128, 128)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            each.to_zarr(tmp_path / "in.zarr", group=name, mode="a", consolidated=False)
    dataset = link(tmp_path / "in.zarr", tmp_path / "linked", "d").dataset
    assert dataset.linked == 2
    stored = Store(tmp_path / "linked").dataset("d")
    expected = half["sst"].values[0, ::-1][:256, :256]
    np.testing.assert_array_equal(stored.chunk(1, "sst", (0,), 0, 0), expected)
    assert stored.chunk(2, "sst", (0,), 0, 0).shape == (256, 256)
    assert verify(tmp_path / "linked", "d").problems == ()
