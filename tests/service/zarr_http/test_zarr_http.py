"""The store over HTTP: what programs read is what is stored, and never anything else."""

import asyncio
import json
import shutil
from pathlib import Path

import aiohttp
import google_crc32c
import numpy as np
import pyproj
import pytest
import xarray as xr
import zarr

from lazytile.pyramid.ingest.append import append
from lazytile.pyramid.ingest.convert import Storage, convert
from lazytile.pyramid.store.codec import Codec
from lazytile.pyramid.store.publish import remove
from lazytile.service.http.errors import BusyError
from lazytile.service.zarr_http.byte_range import Selection
from lazytile.service.zarr_http.bytes_in_flight import BytesInFlight
from tests import data
from tests.faults.server import wait_for
from tests.service.harness import running

STORAGES = {
    "files": Storage(),
    "shards": Storage(Codec.parse("zstd"), shard=2),
    "lazy": Storage(lazy=True),
    "times": Storage(Codec.parse("zstd"), shard_steps=2),
}
TOKEN = "a token of twenty characters".replace(" ", "-")


def source(path, *, first="2024-01-01", scale=0.01, times=3):
    """Write a file of ``times`` steps whose north-west quarter has no data."""
    rows, cols = 600, 900
    codes = np.random.default_rng(len(first)).normal(290, 5, (times, rows, cols))
    codes[:, :300, :450] = np.nan
    lat, lon = 60 - (np.arange(rows) + 0.5) * 0.2, -90 + (np.arange(cols) + 0.5) * 0.2
    start = np.datetime64(first, "ns")
    coordinates = {"time": start + np.arange(times) * np.timedelta64(1, "D"), "lat": lat, "lon": lon}
    dataset = xr.Dataset({"sst": (("time", "lat", "lon"), codes, {"units": "K"})}, coordinates)
    packing = {"dtype": "int16", "scale_factor": scale, "add_offset": 290.0, "_FillValue": -32768}
    dataset.to_netcdf(path, encoding={"sst": packing})
    return path


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zarr")
    file = source(folder / "sst.nc")
    for name, storage in STORAGES.items():
        convert(file, folder / "store", name, storage=storage)
    return folder


@pytest.fixture(scope="module")
def served(converted):
    store = converted / "served"
    shutil.copytree(converted / "store", store)
    for name in ("global_180", "mercator", "two_variables", "extra_dimension"):
        data.CATALOGUE[name]().write(store)
    with running(store, converted / "cache") as server:
        yield server


@pytest.fixture
def own(converted, tmp_path):
    """Serve a copy that the test may change."""
    shutil.copytree(converted / "store", tmp_path / "store")
    with running(tmp_path / "store", tmp_path / "cache") as server:
        server.store = tmp_path / "store"
        yield server


def stored_levels(server, name):
    return json.loads(server.get(f"/zarr/{name}/zarr.json").body)["attributes"]["multiscales"]["layout"]


@pytest.mark.parametrize("name", ["files", "shards", "times", "two_variables", "extra_dimension", "mercator"])
def test_xarray_reads_every_level_as_from_disk(served, name):
    levels = [each["asset"] for each in stored_levels(served, name)]
    assert len(levels) > 1 or name in ("two_variables", "extra_dimension")
    tree = xr.open_datatree(f"{served.url}/zarr/{name}", engine="zarr")
    assert [f"/{level}" for level in levels] == list(tree.groups)[1:]
    for level in levels:
        found = xr.open_zarr(f"{served.url}/zarr/{name}/{level}").load()
        group = zarr.open_group(served.context.settings.store / f"{name}.zarr/{level}", mode="r")
        for variable in found.data_vars:
            codes = np.asarray(group[variable][...])
            attributes = json.loads(served.get(f"/zarr/{name}/{level}/{variable}/zarr.json").body)["attributes"]
            expected = codes * attributes.get("scale_factor", 1.0) + attributes.get("add_offset", 0.0)
            is_missing = codes == group[variable].fill_value if "_FillValue" in attributes else np.isnan(codes)
            np.testing.assert_allclose(found[variable].values[~is_missing], expected[~is_missing], rtol=1e-6)
            assert np.isnan(found[variable].values[is_missing]).all()
        x = found[{"mercator": "x"}.get(name, "lon")].values
        assert np.all(np.diff(x) > 0)
        xr.testing.assert_identical(tree[level].to_dataset().load(), found)


def test_values_and_coordinates_are_those_of_the_source(served, converted):
    with xr.open_dataset(converted / "sst.nc") as expected:
        found = xr.open_zarr(f"{served.url}/zarr/files", group="0").load()
        np.testing.assert_allclose(found.sst.values, expected.sst.values, rtol=1e-6)
        assert (found.time.values == expected.time.values).all()
        np.testing.assert_allclose(found.lat.values, expected.lat.values)
        assert found.sst.attrs["units"] == "K"


def test_a_lazy_dataset_makes_what_is_read(own):
    expected = zarr.open_group(own.store / "files.zarr", mode="r")
    levels = stored_levels(own, "lazy")
    assert len(levels) == 3
    for level in range(len(levels)):
        found = xr.open_zarr(f"{own.url}/zarr/lazy/{level}", mask_and_scale=False)
        assert (found.sst.values == expected[f"{level}/sst"][...]).all()


def test_a_lazy_dataset_that_cannot_be_written_is_whole_all_the_same(own):
    lazy = own.store / "lazy.zarr"
    for level in (1, 2):
        shutil.rmtree(lazy / str(level) / "sst" / "c", ignore_errors=True)
        (lazy / str(level) / "sst" / "c").write_text("not a folder")
    expected = zarr.open_group(own.store / "files.zarr", mode="r")
    found = xr.open_zarr(f"{own.url}/zarr/lazy/2", mask_and_scale=False)
    assert (found.sst.values == expected["2/sst"][...]).all()


@pytest.mark.parametrize("name", ["global_180", "mercator", "files"])
def test_conventions_are_complete_also_where_an_earlier_version_did_not_write_them(served, name):
    root = json.loads(served.get(f"/zarr/{name}/zarr.json").body)
    for attributes in (root["attributes"], json.loads(served.get(f"/zarr/{name}/0/zarr.json").body)["attributes"]):
        code = attributes["proj:code"]
        assert pyproj.CRS.from_wkt(attributes["proj:wkt2"]) == pyproj.CRS.from_user_input(code)
        assert pyproj.CRS.from_json_dict(attributes["proj:projjson"]) == pyproj.CRS.from_user_input(code)
        assert {"proj", "spatial"} <= {each["name"] for each in attributes["zarr_conventions"]}
        assert len(attributes["spatial:bbox"]) == 4
    metadata = root["consolidated_metadata"]["metadata"]
    for entry in root["attributes"]["multiscales"]["layout"]:
        assert metadata[entry["asset"]]["attributes"]["spatial:shape"] == entry["spatial:shape"]
    alone = json.loads(served.get(f"/zarr/{name}/0/zarr.json").body)["consolidated_metadata"]["metadata"]
    assert {f"0/{path}" for path in alone} == {path for path in metadata if path.startswith("0/")}
    for path, document in metadata.items():
        if document["node_type"] == "array":
            assert json.loads(served.get(f"/zarr/{name}/{path}/zarr.json").body) == document


def test_numbers_that_json_does_not_have_are_in_quotes(own):
    path = own.store / "files.zarr" / "zarr.json"
    document = json.loads(path.read_bytes())
    document["attributes"]["odd"] = [float("nan"), {"a": float("-inf")}]
    del document["attributes"]["lazytile_metadata_checksum"]
    path.write_text(json.dumps(document))
    body = own.get("/zarr/files/zarr.json").body

    def refuse(name):
        raise AssertionError(name)

    assert json.loads(body, parse_constant=refuse)["attributes"]["odd"] == ["NaN", {"a": "-Infinity"}]


KEYS = {"files": "0/sst/c/1/1/1", "shards": "0/sst/c/1/0/1", "times": "0/sst/c/0/0/0"}


@pytest.mark.parametrize("name", KEYS)
def test_ranges_conditions_and_heads(served, name):
    path = f"/zarr/{name}/{KEYS[name]}"
    whole = (served.context.settings.store / f"{name}.zarr" / KEYS[name]).read_bytes()
    size = len(whole)
    reply = served.get(path)
    assert (reply.status, reply.body) == (200, whole)
    assert reply.headers["Accept-Ranges"] == "bytes"
    etag = reply.headers["ETag"]
    ranges = {
        "bytes=0-9": (0, 10), "bytes=5-": (5, size), "bytes=-20": (size - 20, size), "BYTES = 3-3": (3, 4),
        f"bytes=10-{size + 99}": (10, size), f"bytes=-{size + 5}": (0, size),
    }  # fmt: skip
    for text, (start, stop) in ranges.items():
        reply = served.get(path, {"Range": text})
        assert (reply.status, reply.body) == (206, whole[start:stop]), text
        assert reply.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{size}"
        assert reply.headers["ETag"] == etag
    for text in ("bytes=0-1,5-6", "bytes=9-3", "lines=0-1", "bytes=-", "bytes=x-"):
        reply = served.get(path, {"Range": text})
        assert (reply.status, len(reply.body)) == (200, size), text
    reply = served.get(path, {"Range": f"bytes={size}-"})
    assert (reply.status, reply.headers["Content-Range"], reply.body) == (416, f"bytes */{size}", b"")
    assert served.get(path, {"Range": "bytes=-0"}).status == 416
    assert served.get(path, {"If-None-Match": etag}).status == 304
    assert served.get(path, {"If-Match": '"other"'}).status == 412
    assert served.get(path, {"If-Match": etag, "Range": "bytes=0-1"}).status == 206
    assert served.get(path, {"If-Range": etag, "Range": "bytes=0-1"}).status == 206
    assert served.get(path, {"If-Range": '"other"', "Range": "bytes=0-1"}).status == 200
    reply = served.get(path, {"Range": "bytes=0-9"}, "HEAD")
    assert (reply.status, reply.headers["Content-Length"], reply.body) == (200, str(size), b"")


def test_any_range_is_that_of_the_bytes():
    size = 10
    for first in ["", *map(str, range(12))]:
        for last in ["", *map(str, range(12))]:
            found = Selection.of("GET", {"Range": f"bytes={first}-{last}"}, '"e"', size)
            if found.status == 206:
                text = bytes(range(size))
                low = int(first) if first else max(size - int(last), 0)
                expected = text[low : int(last) + 1] if first and last else text[low:]
                assert text[found.start : found.stop] == expected
                assert found.start < found.stop
            else:
                assert found.status == (416 if (first and int(first) >= size and not (last and int(last) < int(first)))
                                        or (not first and last == "0") else 200)  # fmt: skip


def test_scripts_of_other_origins_may_ask_for_ranges(served):
    reply = served.get("/zarr/files/zarr.json", {"Origin": "https://a.example", "Access-Control-Request-Method": "GET",
                                                 "Access-Control-Request-Headers": "range"}, "OPTIONS")  # fmt: skip
    assert reply.status == 204
    assert "range" in reply.headers["Access-Control-Allow-Headers"].lower()
    reply = served.get("/zarr/files/0/sst/c/1/1/1", {"Origin": "https://a.example"})
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert {"ETag", "Content-Range", "Accept-Ranges"} <= set(reply.headers["Access-Control-Expose-Headers"].split(", "))


def test_only_an_empty_chunk_is_404(served):
    assert served.get("/zarr/files/0/sst/c/0/0/0").status == 404, "all fill value"
    for path in (
        "files/0/sst/c/3/0/0", "files/0/sst/c/0/9/0", "files/0/sst/c/0/0", "files/0/gone/c/0", "files/9/sst/c/0/0/0",
        "none/0/sst/c/0/0/0", "files@other/0/sst/c/0/0/0", "files@other/zarr.json",
    ):  # fmt: skip
        reply = served.get(f"/zarr/{path}")
        assert reply.status == 410, path
        assert reply.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    ["", "files", "files/", "files/0", "files/0/sst/checksums/0", "files/.zgroup", "files/0/sst/.zarray", "files/..",
     "files/../shards/zarr.json", "files/%2e%2e/shards.zarr/zarr.json", "..%2fstore/zarr.json", "files/0/sst/c/0/0/-1",
     "files/0/sst/c/0/0/../0", "files/0/sst/c/00/0/0", "files%00/zarr.json", "files/0/sst/c/1/1/1/", ".files.zarr.lock",
     "files.zarr/zarr.json", "files/0/sst/statistics.json"],
)  # fmt: skip
def test_nothing_else_is_there(served, path):
    reply = served.get(f"/zarr/{path}")
    assert reply.status in (404, 410)
    assert str(served.context.settings.store) not in reply.body.decode()


def test_what_may_be_kept_and_for_how_long(served):
    reply = served.get("/zarr/files/zarr.json")
    assert reply.headers["Cache-Control"] == "no-cache"
    location = reply.headers["Content-Location"]
    generation = served.context.snapshot.dataset("files").description.generation
    assert location == f"{served.url}/zarr/files@{generation}/zarr.json"
    kept = {"0": "604800, immutable", "2": "60"}
    for step, expected in kept.items():
        reply = served.get(f"/zarr/files/0/sst/c/{step}/1/1")
        assert reply.headers["Cache-Control"] == f"public, max-age={expected}"
    assert served.get("/zarr/files/0/time/c/0").headers["Cache-Control"] == "no-cache", "times are appended to it"
    for key in ("zarr.json", "0/sst/c/2/1/1", "0/time/c/0"):
        reply = served.get(f"/zarr/files@{generation}/{key}")
        assert reply.status == 200
        assert reply.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert reply.body == served.get(f"/zarr/files/{key}").body


def test_an_append_is_seen_at_once_and_old_chunks_keep_their_tags(own, tmp_path):
    before = {key: own.get(f"/zarr/files/{key}").headers["ETag"] for key in ("zarr.json", "0/sst/c/1/1/1")}
    old = own.context.snapshot.dataset("files").description.generation
    append(source(tmp_path / "more.nc", first="2024-02-01", times=1), own.store, "files")
    assert xr.open_zarr(f"{own.url}/zarr/files/0").sizes["time"] == 4
    assert own.get("/zarr/files/zarr.json").headers["ETag"] != before["zarr.json"]
    assert own.get("/zarr/files/0/sst/c/1/1/1").headers["ETag"] == before["0/sst/c/1/1/1"]
    assert own.get(f"/zarr/files@{old}/0/sst/c/1/1/1").status == 410


def test_an_append_changes_of_shards_along_time_only_the_last(own, tmp_path):
    paths = {kept: f"/zarr/times/0/sst/c/{number}/0/0" for number, kept in enumerate(("604800, immutable", "60"))}
    before = {}
    for kept, path in paths.items():
        before[path] = own.get(path)
        assert before[path].headers["Cache-Control"] == f"public, max-age={kept}"
    steps = xr.open_zarr(f"{own.url}/zarr/times/0").sst.load()
    append(source(tmp_path / "more.nc", first="2024-02-01", times=1), own.store, "times")
    first, last = (own.get(path) for path in paths.values())
    was = before[paths["604800, immutable"]]
    assert (first.headers["ETag"], first.body) == (was.headers["ETag"], was.body)
    assert last.headers["ETag"] != before[paths["60"]].headers["ETag"]
    found = xr.open_zarr(f"{own.url}/zarr/times/0").sst.load()
    xr.testing.assert_equal(found[:3], steps)
    assert found[3].notnull().any()


def test_a_damaged_step_of_a_shard_along_time_is_an_error_and_others_are_not(own):
    path = own.store / "times.zarr" / KEYS["times"]
    whole = path.read_bytes()
    index = np.frombuffer(whole[-(24 * 16 + 4) : -4], "<u8").reshape(2, 3, 4, 2)[:, 1, 1]
    damage(path, int(index[1, 0]) + int(index[1, 1]) // 2)
    ranges = [f"bytes={start}-{start + size - 1}" for start, size in index.tolist()]
    replies = [own.get(f"/zarr/times/{KEYS['times']}", {"Range": each}) for each in ranges]
    assert [each.status for each in replies] == [206, 500]
    assert replies[0].body == whole[index[0, 0] : index[0, 0] + index[0, 1]]
    found = xr.open_zarr(f"{own.url}/zarr/times/0").sst
    found[0].load()
    with pytest.raises(aiohttp.ClientResponseError):
        found[1].load()


def test_a_replaced_dataset_has_other_tags_and_its_old_address_is_gone(own, tmp_path):
    tag = own.get("/zarr/files/0/sst/c/1/1/1").headers["ETag"]
    old = own.context.snapshot.dataset("files").description.generation
    opened = xr.open_zarr(f"{own.url}/zarr/files@{old}/0")
    remove(own.store, "files")
    convert(source(tmp_path / "new.nc", first="2024-01-01", scale=0.02), own.store, "files")
    assert own.get("/zarr/files/0/sst/c/1/1/1").headers["ETag"] != tag
    with pytest.raises(aiohttp.ClientResponseError) as error:
        opened.sst[1].load()
    assert error.value.status == 410, "never numbers of one state with the packing of another"


def damage(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 0xFF
    path.write_bytes(content)


def test_a_damaged_chunk_is_an_error_and_others_are_not(own):
    damage(own.store / "files.zarr/0/sst/c/1/1/1", 500)
    assert own.get("/zarr/files/0/sst/c/1/1/1").status == 500
    assert own.get("/zarr/files/0/sst/c/1/1/1", {"Range": "bytes=0-9"}).status == 500
    (own.store / "files.zarr/0/sst/c/1/1/2").unlink()
    assert own.get("/zarr/files/0/sst/c/1/1/2").status == 500, "lost, not empty"
    assert own.get("/zarr/files/0/sst/c/1/1/0").status == 200
    conditions = json.loads(own.get("/readyz").body)["conditions"]
    assert any("files" in each["key"] for each in conditions)
    with pytest.raises(aiohttp.ClientResponseError):
        xr.open_zarr(f"{own.url}/zarr/files/0").sst[1].load()


def test_a_damaged_coordinate_is_an_error(own):
    path = own.store / "files.zarr/0/lat/c/0"
    whole = path.read_bytes()
    damage(path, 30)
    assert own.get("/zarr/files/0/lat/c/0").status == 500
    (condition,) = json.loads(own.get("/readyz").body)["conditions"]
    assert condition["key"] == "dataset files"
    assert "of lat at level 0 is damaged" in condition["problem"]
    path.write_bytes(whole)
    assert own.get("/zarr/files/0/lat/c/0").status == 200
    wait_for(lambda: json.loads(own.get("/readyz").body)["conditions"] == [])


def test_a_damaged_overview_is_computed_again(own):
    for name, key in (("files", "1/sst/c/1/1/1"), ("shards", "1/sst/c/1/0/0"), ("times", "1/sst/c/0/0/0")):
        path = own.store / f"{name}.zarr" / key
        whole = path.read_bytes()
        for at in (40, len(whole) - 3):
            damage(path, at)
            reply = own.get(f"/zarr/{name}/{key}")
            assert (reply.status, reply.body) == (200, whole), (name, at)
            assert path.read_bytes() == whole
        path.unlink()
        assert own.get(f"/zarr/{name}/{key}").status == 200


def test_every_chunk_that_a_range_of_a_shard_touches_is_checked(own):
    key = "0/sst/c/1/0/1"
    path = own.store / "shards.zarr" / key
    whole = path.read_bytes()
    index = np.frombuffer(whole[-(4 * 16 + 4) : -4], "<u8").reshape(4, 2)
    present = [(int(offset), int(size)) for offset, size in index if offset != 2**64 - 1]
    assert len(present) >= 2
    (first, first_size), (second, second_size) = present[:2]
    damage(path, second + second_size // 2)
    good = own.get(f"/zarr/shards/{key}", {"Range": f"bytes={first}-{first + first_size - 1}"})
    assert (good.status, good.body) == (206, whole[first : first + first_size])
    assert own.get(f"/zarr/shards/{key}", {"Range": "bytes=-68"}).status == 206, "the index is whole"
    for start, stop in ((second, second + second_size), (second, second + 1), (first, second + 1)):
        reply = own.get(f"/zarr/shards/{key}", {"Range": f"bytes={start}-{stop - 1}"})
        assert reply.status == 500, (start, stop)
    assert own.get(f"/zarr/shards/{key}").status == 500
    path.write_bytes(whole)
    damage(path, len(whole) - 10)
    assert own.get(f"/zarr/shards/{key}", {"Range": "bytes=-68"}).status == 500, "the index"
    path.unlink()
    assert own.get(f"/zarr/shards/{key}").status == 500, "a lost shard"


def test_an_index_that_leaves_a_chunk_out_is_damage(own):
    path = own.store / "shards.zarr/0/sst/c/1/0/1"
    whole = bytearray(path.read_bytes())
    whole[-68:-52] = b"\xff" * 16
    whole[-4:] = google_crc32c.value(bytes(whole[-68:-4])).to_bytes(4, "little")
    path.write_bytes(whole)
    assert own.get("/zarr/shards/0/sst/c/1/0/1", {"Range": "bytes=-68"}).status == 500


def test_only_clients_with_the_token_see_a_dataset(converted, tmp_path):
    with running(converted / "store", tmp_path / "c", layer_tokens={"files": (TOKEN,)}) as server:
        for key in ("zarr.json", "0/sst/c/1/1/1"):
            assert server.get(f"/zarr/files/{key}").status == 401
            assert server.get(f"/zarr/files/{key}", {"Authorization": "Bearer of-bad-news-to-you"}).status == 401
            reply = server.get(f"/zarr/files/{key}", {"Authorization": f"Bearer {TOKEN}"})
            assert reply.status == 200
            assert "public" not in reply.headers["Cache-Control"]
            assert "Authorization" in reply.headers["Vary"]
        assert server.get("/zarr/shards/zarr.json").status == 200


def test_a_client_that_does_not_read_is_closed_and_gives_its_bytes_back(converted, tmp_path):
    options = {"client_timeout_s": 0.5, "zarr_bytes_in_flight": 1 << 20}
    with running(converted / "store", tmp_path / "c", **options) as server:

        async def stall():
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
            writer.write(b"GET /zarr/shards/0/sst/c/1/0/1 HTTP/1.1\r\nHost: a\r\n\r\n" * 40)
            await writer.drain()
            await reader.readexactly(12)
            return writer

        async def stall_and_read():
            writer = await stall()
            whole = (converted / "store/shards.zarr/0/sst/c/1/0/1").read_bytes()
            async with aiohttp.ClientSession() as session, asyncio.timeout(60):
                while True:  # 503 until the connection that does not read is closed
                    async with session.get(f"{server.url}/zarr/shards/0/sst/c/1/0/1") as reply:
                        if reply.status == 200:
                            assert await reply.read() == whole
                            break
                        assert reply.status == 503
            writer.close()

        asyncio.run(stall_and_read())


def test_bytes_in_flight_are_given_first_come_first_served():
    async def run():
        flow = BytesInFlight(100, most_waiting=2, wait_s=30)
        first = await flow.take(60)
        large = asyncio.create_task(flow.take(500))
        await asyncio.sleep(0)
        small = asyncio.create_task(flow.take(10))
        await asyncio.sleep(0)
        assert not large.done()
        assert not small.done(), "it would overtake"
        with pytest.raises(BusyError):
            await flow.take(1)
        first.release()
        first.release()
        reservation = await large
        assert flow.taken == 100
        small.cancel()
        await asyncio.gather(small, return_exceptions=True)
        reservation.release()
        assert flow.taken == 0
        (await flow.take(1)).release()

    asyncio.run(run())


def test_who_waits_too_long_for_bytes_is_told_so():
    async def run():
        flow = BytesInFlight(100, most_waiting=9, wait_s=0.01)
        held = await flow.take(100)
        with pytest.raises(BusyError, match="retry in a second"):
            await flow.take(1)
        held.release()
        assert flow.taken == 0

    asyncio.run(run())


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_shard_is_sent_whole_by_each_event_loop(converted, tmp_path, loop):
    if loop == "uvloop":
        pytest.importorskip("uvloop", reason="uvloop is not installed")
    whole = (converted / "store/shards.zarr/0/sst/c/1/0/1").read_bytes()
    with running(converted / "store", tmp_path / "c", event_loop=loop) as server:
        assert server.get("/zarr/shards/0/sst/c/1/0/1").body == whole
        assert server.get("/zarr/shards/0/sst/c/1/0/1", {"Range": "bytes=100-"}).body == whole[100:]
